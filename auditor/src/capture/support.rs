//! What this kernel, these privileges and this host allow: probed, not guessed from versions.

use std::path::Path;

use serde::Serialize;

/// The ways to see what a socket moved, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketTier {
    /// tp_btf `sock_send_length` and `sock_recv_length`: kernel 6.3 and later.
    Tracepoint,
    /// fexit on `inet[6]_sendmsg` and `_recvmsg`: where BPF trampolines load.
    Fexit,
    /// The end of every system call: everywhere with BTF, at a price.
    Syscall,
}

impl SocketTier {
    /// In order of preference.
    pub const ALL: [Self; 3] = [Self::Tracepoint, Self::Fexit, Self::Syscall];

    /// Name used in configuration and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracepoint => "tracepoint",
            Self::Fexit => "fexit",
            Self::Syscall => "syscall",
        }
    }

    /// The tier of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// Programs that belong to the tier on kernels that have their function.
    pub fn optional_programs(self) -> impl Iterator<Item = &'static &'static str> {
        let (of_kernel_bytes, own): (&[&str], &[&str]) = match self {
            Self::Fexit => (
                KERNEL_BYTES,
                &[
                    "inet_sendpage",
                    "unix_stream_sendmsg",
                    "unix_stream_recvmsg",
                    "unix_dgram_sendmsg",
                    "unix_dgram_recvmsg",
                    "sendmmsg_end",
                    "recvmmsg_end",
                ],
            ),
            Self::Tracepoint => (
                KERNEL_BYTES,
                &["udp_recvmsg", "udpv6_recvmsg", "sendmmsg_end", "recvmmsg_end"],
            ),
            Self::Syscall => (&[], &[]),
        };
        of_kernel_bytes.iter().chain(own)
    }

    /// Programs of the eBPF object that make up the tier.
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Tracepoint => &["sock_send_length", "sock_recv_length"],
            Self::Fexit => &["inet_sendmsg", "inet_recvmsg", "inet6_sendmsg", "inet6_recvmsg"],
            Self::Syscall => &["sys_exit"],
        }
    }
}

/// One prerequisite and whether it is met.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    /// What was found, and what to do when it is not enough.
    pub detail: String,
}

/// What puts down where bytes are that no system call names, and counts those that no buffer of a program holds: needs
/// trampolines.
const KERNEL_BYTES: &[&str] = &[
    "inet_sendmsg_given",
    "inet_recvmsg_given",
    "inet6_sendmsg_given",
    "inet6_recvmsg_given",
    "unix_stream_sendmsg_given",
    "unix_stream_recvmsg_given",
    "unix_dgram_sendmsg_given",
    "unix_dgram_recvmsg_given",
    "tcp_splice_read",
    "unix_stream_splice_read",
];

/// Capabilities of include/uapi/linux/capability.h that matter here.
const CAPABILITIES: [(&str, u32); 6] = [
    ("CAP_BPF", 39),
    ("CAP_PERFMON", 38),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_RESOURCE", 24),
];

/// The effective capabilities of this process, as `/proc/self/status` shows them.
pub fn effective_capabilities() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("CapEff:"))?
                .trim()
                .to_owned();
            u64::from_str_radix(&line, 16).ok()
        })
        .unwrap_or(0)
}

/// What can be checked without loading anything.
pub fn static_checks() -> Vec<Check> {
    let held = effective_capabilities();
    let mut checks = vec![
        Check {
            name: "kernel",
            ok: true,
            detail: kernel_release(),
        },
        path_check(
            "btf",
            super::btf::VMLINUX,
            "the kernel must be built with CONFIG_DEBUG_INFO_BTF=y",
        ),
        tracefs_check(),
        cgroup_check(),
    ];
    for (name, bit) in CAPABILITIES {
        let ok = held >> bit & 1 == 1;
        let optional = name == "CAP_SYS_RESOURCE";
        checks.push(Check {
            name,
            ok: ok || optional,
            detail: match (ok, optional) {
                (true, _) => "held".to_owned(),
                (false, true) => "not held; only kernels before 5.11 need it".to_owned(),
                (false, false) => format!("not held; run as root or grant {name}"),
            },
        });
    }
    checks
}

/// Refuses with one sentence when a capability that nothing works without is missing.
///
/// # Errors
/// The sentence.
pub fn require_privileges() -> Result<(), String> {
    let held = effective_capabilities();
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(name, bit)| matches!(*name, "CAP_BPF" | "CAP_PERFMON") && held >> bit & 1 == 0)
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() || held >> 21 & 1 == 1 {
        return Ok(());
    }
    Err(format!(
        "auditor lacks {} to load eBPF programs; run it as root, or grant the capabilities with `setcap` or the container's securityContext",
        missing.join(" and ")
    ))
}

/// True when uprobes can be created: tracefs is mounted, or perf's uprobe PMU is there.
pub fn uprobe_pmu() -> bool {
    Path::new("/sys/bus/event_source/devices/uprobe/type").exists()
}

fn tracefs_check() -> Check {
    let mounted = Path::new("/sys/kernel/tracing/uprobe_events").exists()
        || Path::new("/sys/kernel/debug/tracing/uprobe_events").exists();
    let pmu = uprobe_pmu();
    Check {
        name: "uprobes",
        ok: pmu || mounted,
        detail: match (pmu, mounted) {
            (true, _) => "through perf's uprobe PMU".to_owned(),
            (false, true) => "through tracefs".to_owned(),
            (false, false) => {
                "neither the uprobe PMU nor tracefs is there; mount -t tracefs tracefs /sys/kernel/tracing"
                    .to_owned()
            }
        },
    }
}

fn cgroup_check() -> Check {
    match super::scope::cgroup2_mount() {
        Some(mount) => Check {
            name: "cgroup2",
            ok: true,
            detail: format!("mounted at {}", mount.display()),
        },
        None => Check {
            name: "cgroup2",
            ok: true,
            detail: "not mounted; --cgroup and container names from cgroup ids are not available".to_owned(),
        },
    }
}

fn path_check(name: &'static str, path: &str, why: &str) -> Check {
    let ok = Path::new(path).exists();
    Check {
        name,
        ok,
        detail: if ok {
            path.to_owned()
        } else {
            format!("{path} is missing; {why}")
        },
    }
}

/// `uname -r`.
pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |s| s.trim().to_owned())
}
