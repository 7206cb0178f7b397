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
