use std::process::{Child, Command, Stdio};

use super::*;
use crate::capture::clock::monotonic_ns;

/// A program that runs until its input ends.
fn cat() -> Child {
    Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::yield_now();
    }
}

fn is_called(info: &ProcessInfo, name: &str) -> bool {
    info.exe.as_ref().is_some_and(|exe| exe.ends_with(name))
}

#[test]
fn a_process_is_named_by_its_executable_and_survives_its_end() {
    let processes = Processes::default();
    let mut child = cat();
    let pid = child.id();
    until(|| is_called(&processes.learn(pid), "/cat"));
    drop(child.stdin.take());
    child.wait().unwrap();
    processes.ended(pid);
    processes.sweep();
    assert!(is_called(&processes.of(pid), "/cat"));
    assert!(
        is_called(&processes.learn(pid), "/cat"),
        "what can not be read is kept"
    );
}

#[test]
fn a_process_has_its_start_user_and_network() {
    let before = Timestamp::now();
    let mut child = cat();
    let info = Processes::default().of(child.id());
    let started = info.started().unwrap();
    let off = started.duration_since(before).abs();
    assert!(off < SignedDuration::from_secs(2), "{started} and {before}");
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(info.uid, Some(uid));
    assert_eq!(info.user, crate::identity::users::name(uid));
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(
        own.to_str(),
        Some(format!("net:[{}]", info.netns.unwrap()).as_str())
    );
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_forked_child_has_its_parents_name_and_its_own_start() {
    let processes = Processes::default();
    let own = std::process::id();
    let now = monotonic_ns();
    processes.forked(own, u32::MAX, now);
    let child = processes.of(u32::MAX);
    assert_eq!((child.pid, &child.exe), (u32::MAX, &processes.of(own).exe));
    assert_eq!(child.start, Some(tick_of(now)));
    assert_ne!(child.start, processes.of(own).start);
}

#[test]
fn what_was_recorded_before_a_process_started_is_not_its_own() {
    let processes = Processes::default();
    let own = std::process::id();
    assert!(processes.at(own, monotonic_ns()).exe.is_some());
    let stranger = processes.at(own, 1);
    assert_eq!((stranger.pid, &stranger.exe, stranger.start), (own, &None, None));
}

#[test]
fn no_more_than_so_many_are_remembered_of_a_number() {
    let processes = Processes::default();
    let second = 1_000_000_000;
    for start in 1..100 {
        processes.forked(std::process::id(), u32::MAX, start * second);
    }
    assert_eq!(processes.lock()[&u32::MAX].len(), MOST_OF_AN_ID);
}

/// What the kernel side tells of an exec.
fn program(name: &str, path: &str) -> Program {
    let mut told = Program {
        name: [0; 16],
        path: [0; 176],
    };
    told.name[..name.len()].copy_from_slice(name.as_bytes());
    told.path[..path.len()].copy_from_slice(path.as_bytes());
    told
}

#[test]
fn what_ends_before_it_was_read_is_never_called_by_its_parents_program() {
    let cut = "/".repeat(175);
    let cases = [
        ("/usr/bin/curl", Some("/usr/bin/curl")),
        // From its working folder, which nobody knows any more.
        ("./curl", None),
        ("", None),
        (&cut, None),
    ];
    for (path, exe) in cases {
        let processes = Processes::default();
        let now = monotonic_ns();
        processes.forked(std::process::id(), u32::MAX, now);
        processes.executed(u32::MAX, now, &program("curl", path));
        let info = processes.of(u32::MAX);
        assert_eq!(
            (info.exe.as_deref(), info.comm.as_deref(), info.start),
            (exe, Some("curl"), Some(tick_of(now))),
            "{path}"
        );
    }
}

#[test]
fn what_proc_says_of_a_living_process_counts_more_than_what_it_was_started_by() {
    let processes = Processes::default();
    let mut child = cat();
    let pid = child.id();
    until(|| is_called(&processes.learn(pid), "/cat"));
    processes.executed(pid, monotonic_ns(), &program("cat", "/a/link"));
    assert!(is_called(&processes.of(pid), "/cat"));
    // One that had the number before.
    processes.executed(pid, 1, &program("dog", "/usr/bin/dog"));
    assert!(is_called(&processes.of(pid), "/cat"));
    drop(child.stdin.take());
    child.wait().unwrap();
}
