//! What `/proc` says of one process. Everything that is read is bounded.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
};

use super::ProcessInfo;
use crate::identity::{cgroup, users};

/// Longest of the small files that are read, bytes.
const LIMIT: u64 = 16 << 10;

/// All that is known of a process. Of one that has ended only its number is.
pub(super) fn process(pid: u32) -> ProcessInfo {
    // The number may go to another process half way: then all of it is read again, of that one.
    for _ in 0..3 {
        let info = once(pid);
        if info.start == start(pid) {
            return info;
        }
    }
    ProcessInfo {
        pid,
        ..ProcessInfo::default()
    }
}

/// When a process started, in ticks since the boot.
pub(super) fn start(pid: u32) -> Option<u64> {
    parse_stat(&text(pid, "stat")?)
}

/// Whether the process has ended; one that must not be looked at has not.
pub(super) fn is_over(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn once(pid: u32) -> ProcessInfo {
    let Some(start) = start(pid) else {
        return ProcessInfo {
            pid,
            ..ProcessInfo::default()
        };
    };
    let comm = text(pid, "comm").map(|comm| comm.trim_end_matches('\n').to_owned());
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let uid = text(pid, "status").and_then(|status| effective_user(&status));
    let cgroup_path = cgroup::path_of(pid);
    let cgroup = cgroup_path.as_deref().map(cgroup::parse).unwrap_or_default();
    let is_the_hosts = cgroup.container_id.is_none() && cgroup.pod_uid.is_none() && has_the_hosts_users(pid);
    ProcessInfo {
        pid,
        start: Some(start),
        exe: exe.map(|exe| exe.to_string_lossy().trim_end_matches(" (deleted)").to_owned()),
        comm,
        uid,
        user: uid.filter(|_| is_the_hosts).and_then(users::name),
        netns: namespace(pid, "net"),
        cgroup_path,
        cgroup,
    }
}

/// The start time in `/proc/PID/stat`: its 22nd field. The second, the name, may have spaces and brackets.
pub fn parse_stat(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The second of the four on the line `Uid:` of `/proc/PID/status`.
fn effective_user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Inode numbers of the namespaces that the kernel starts with: include/linux/proc_ns.h, `PROC_USER_INIT_INO` and
/// `PROC_PID_INIT_INO`.
const INITIAL: [(&str, u64); 2] = [("user", 0xEFFF_FFFD), ("pid", 0xEFFF_FFFC)];

/// True when the users of a process are the host's: it has the kernel's first namespaces for users and processes.
fn has_the_hosts_users(pid: u32) -> bool {
    INITIAL
        .iter()
        .all(|(kind, initial)| namespace(pid, kind) == Some(*initial))
}

/// The inode number of a namespace: `net:[4026531840]`.
fn namespace(pid: u32, kind: &str) -> Option<u64> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    let number = link.to_str()?.strip_prefix(kind)?;
    number.strip_prefix(":[")?.strip_suffix(']')?.parse().ok()
}

fn text(pid: u32, file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/{file}")).ok()?;
    file.take(LIMIT).read_to_end(&mut bytes).ok()?;
    // A program chooses its name, any bytes.
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        for name in ["cat", "a) b", ") S 1 2", "", "(((", "é"] {
            assert_eq!(parse_stat(&format!("7 ({name}) {rest}")), Some(4711), "{name}");
        }
        for bad in [
            "",
            "7 (cat",
            "7 (cat) S 1",
            "7 (cat) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x",
        ] {
            assert_eq!(parse_stat(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_effective_user_is_read() {
        assert_eq!(effective_user("Name:\tUid:\nUid:\t0\t33\t0\t0\n"), Some(33));
        assert_eq!(effective_user("Name:\tx\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_of_proc_is_read_without_a_panic(text in ".{0,300}") {
            let _ = parse_stat(&text);
            let _ = effective_user(&text);
        }
    }
}
