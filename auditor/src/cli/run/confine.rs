//! What the daemon gives up, so that whoever takes it over by what it reads has less to work with.
//!
//! Goes in: nothing. Comes out: a process without the capabilities it does not need, that can gain none, whose
//! memory is not written to swap where that is permitted, and that can not start programs, change other
//! processes, mount, load modules or enter namespaces. What remains (docs/security-model.md) still reads the
//! memory of every process: this is one more wall, not a prison.
//!
//! What is not permitted is told and left: a daemon that watches is worth more than one that refuses to.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

/// What watching takes: kernel programs and probes (on kernels that ask for SYS_ADMIN, see
/// docs/kernel-support.md), the files and the memory maps of others, and names behind translated addresses.
pub const KEPT: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::NET_ADMIN);

/// System calls that the daemon never makes once it watches.
const REFUSED: &[libc::c_long] = &[
    // Programs, and the memory of others.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_userfaultfd,
    libc::SYS_personality,
    // Other users, other roots, other namespaces.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_open_by_handle_at,
    // Mounts.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    // Keys, and rings that pass filters by.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// Address families of its sockets.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What was given up, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Confined {
    kept: Vec<&'static str>,
    is_memory_locked: bool,
    failures: Vec<String>,
}

impl fmt::Display for Confined {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = if self.is_memory_locked {
            "locked"
        } else {
            "may be swapped"
        };
        write!(out, "keeps {}; memory {memory}", self.kept.join(", "))?;
        for failure in &self.failures {
            write!(out, "; {failure}")?;
        }
        Ok(())
    }
}

/// Gives up what belongs to threads and the whole process. To be called while there is one thread.
pub(super) fn give_up() -> Confined {
    let mut confined = Confined::default();
    let mut note = |what: &str, result: anyhow::Result<()>| {
        if let Err(error) = result {
            confined.failures.push(format!("{what}: {error:#}"));
        }
    };
    let locked = lock_memory();
    let is_memory_locked = locked.is_ok();
    // On purpose not a failure: containers rarely permit it.
    if let Err(error) = locked {
        tracing::info!(error = format!("{error:#}"), "memory may be written to swap");
    }
    note("capabilities", drop_capabilities());
    note("no_new_privs", set_no_new_privs(true).map_err(Into::into));
    confined.is_memory_locked = is_memory_locked;
    confined.kept = capabilities(None).map_or_else(|_| Vec::new(), |sets| names(sets.effective));
    confined
}

/// Refuses system calls, for all threads that there are and will be.
///
/// # Errors
/// When the kernel has no such filters.
pub(super) fn refuse_system_calls() -> anyhow::Result<()> {
    for filter in [refusals()?, no_new_clone()?] {
        apply_filter_all_threads(&filter).context("cannot set the system call filter")?;
    }
    Ok(())
}

/// Payloads are not to reach a disk. Locking is for pages as they are used, and only where there is no limit:
/// with one, reaching it would end the daemon.
fn lock_memory() -> anyhow::Result<()> {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if getrlimit(Resource::Memlock).current.is_some() {
        setrlimit(Resource::Memlock, unlimited).context("the limit of locked memory can not be lifted")?;
    }
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(all).context("mlockall")
}

fn drop_capabilities() -> anyhow::Result<()> {
    let sets = capabilities(None)?;
    // The bounding set first, as that takes a capability which goes then.
    for capability in CapabilitySet::all().iter() {
        if !KEPT.contains(capability) && capability_is_in_bounding_set(capability).unwrap_or(false) {
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let permitted = sets.permitted & KEPT;
    set_capabilities(
        None,
        CapabilitySets {
            effective: permitted,
            permitted,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

/// What will remain of a daemon that is started with these privileges, for people.
pub fn outlook() -> String {
    let kept = capabilities(None).map_or_else(|_| Vec::new(), |sets| names(sets.permitted & KEPT));
    format!(
        "a daemon started like this keeps {} and gives up all others, and {} system calls",
        if kept.is_empty() {
            "no capability".to_owned()
        } else {
            kept.join(", ")
        },
        REFUSED.len()
    )
}

/// Of capabilities, as people write them.
pub fn names(set: CapabilitySet) -> Vec<&'static str> {
    let of = |(name, capability): (&'static str, CapabilitySet)| set.contains(capability).then_some(name);
    [
        ("CAP_BPF", CapabilitySet::BPF),
        ("CAP_PERFMON", CapabilitySet::PERFMON),
        ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN),
        ("CAP_SYS_PTRACE", CapabilitySet::SYS_PTRACE),
        ("CAP_DAC_READ_SEARCH", CapabilitySet::DAC_READ_SEARCH),
        ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
    ]
    .into_iter()
    .filter_map(of)
    .collect()
}

fn refusals() -> anyhow::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    // Sockets of other families than these.
    let others = FAMILIES
        .iter()
        .map(|&family| {
            SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Ne,
                u64::from(family.cast_unsigned()),
            )
        })
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(others)?]);
    // Memory that can be written and executed.
    let both = u64::from((libc::PROT_WRITE | libc::PROT_EXEC).cast_unsigned());
    for call in [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        let condition =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(both), both)?;
        rules.insert(call, vec![SeccompRule::new(vec![condition])?]);
    }
    // New namespaces; threads and children share theirs.
    let namespaces = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let mut clones = Vec::new();
    for flag in namespaces {
        let flag = u64::from(flag.cast_unsigned());
        let condition =
            SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
        clones.push(SeccompRule::new(vec![condition])?);
    }
    rules.insert(libc::SYS_clone, clones);
    program(rules, libc::EPERM)
}

/// The flags of `clone3` are in memory, where a filter can not look: libraries use `clone` where there is none.
fn no_new_clone() -> anyhow::Result<BpfProgram> {
    program([(libc::SYS_clone3, Vec::new())].into(), libc::ENOSYS)
}

fn program(rules: BTreeMap<i64, Vec<SeccompRule>>, error: libc::c_int) -> anyhow::Result<BpfProgram> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    let refusal = SeccompAction::Errno(error.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture)?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_built() {
        assert!(!refusals().unwrap().is_empty());
        assert!(!no_new_clone().unwrap().is_empty());
    }

    #[test]
    fn every_capability_that_is_kept_has_a_name() {
        assert_eq!(names(KEPT).len(), KEPT.iter().count());
        assert!(names(CapabilitySet::SYS_MODULE).is_empty());
    }
}
