//! What the daemon has given up once it watches, and that it still sees what it is there for.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{Client, PYTHON, Server, program},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::Value;

/// BPF, PERFMON, SYS_ADMIN, SYS_PTRACE, DAC_READ_SEARCH and NET_ADMIN (linux/capability.h).
const KEPT: u64 = 1 << 39 | 1 << 38 | 1 << 21 | 1 << 19 | 1 << 2 | 1 << 12;

/// With it, the limit of locked memory can be lifted.
const SYS_RESOURCE: u64 = 1 << 24;

/// A line of /proc/PID/task/TID/status.
fn line<'a>(status: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let found = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.map(str::trim).with_context(|| format!("no {name}"))
}

#[test]
fn every_thread_of_the_daemon_has_given_up_what_it_does_not_need() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let gate = scratch.path("go").display().to_string();
    let card = values::card();
    let order = message::post_json("/v1/orders", &format!(r#"{{"card_number":"{card}"}}"#));
    let client = Client::tls(&scratch, server.port, &[order], &["--gate", &gate])?;
    let daemon = Daemon::start(&scratch, &[client.pid()], &[])?;

    let tasks = format!("/proc/{}/task", daemon.pid());
    let mut threads = 0;
    for task in fs::read_dir(&tasks)? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        threads += 1;
        let name = line(&status, "Name")?;
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            let has = u64::from_str_radix(line(&status, set)?, 16)?;
            ensure!(
                has & !KEPT == 0,
                "{name} has more than it needs in {set}: {has:x}"
            );
        }
        ensure!(u64::from_str_radix(line(&status, "CapInh")?, 16)? == 0, "{name}");
        ensure!(line(&status, "NoNewPrivs")? == "1", "{name}");
        // A filter, of which there is one for what is refused and one for clone3.
        ensure!(line(&status, "Seccomp")? == "2", "{name}");
    }
    ensure!(threads > 5, "{threads} threads");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid()))?;
    let locked: u64 = line(&status, "VmLck")?.trim_end_matches(" kB").parse()?;
    let swappable = process::swappable(daemon.pid())?;
    let own = fs::read_to_string("/proc/self/status")?;
    if u64::from_str_radix(line(&own, "CapEff")?, 16)? & SYS_RESOURCE != 0 {
        ensure!(locked > 0, "its memory may be swapped");
        ensure!(swappable.is_empty(), "may be swapped: {swappable:#?}");
    } else {
        println!("skipped: that memory is locked, as CAP_SYS_RESOURCE is missing here");
        ensure!(locked == 0, "{locked} kB are locked against the limit");
        ensure!(!swappable.is_empty(), "what is not locked is not told");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid()))?;
    ensure!(
        limits
            .lines()
            .any(|line| line.starts_with("Max core file size        0 ")),
        "{limits}"
    );

    // What it is there for.
    fs::write(gate, "")?;
    client.counts()?;
    wait_for("the card in clear", LIMIT, || {
        let findings = daemon.remembered()?;
        for line in &findings {
            let finding: Value = serde_json::from_str(line)?;
            ensure!(!line.contains(&card));
            if finding["detector"] == "payment_card" && finding["flow"]["captured_by"] == "openssl" {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

/// What programs/debugger.py could do as somebody: for each way to look into a process, `ok` or the error.
fn looked_into(
    scratch: &Scratch,
    privileges: &[&str],
    words: &[&str],
) -> anyhow::Result<serde_json::Map<String, Value>> {
    let script = scratch.file("debugger.py", fs::read(program("debugger.py"))?)?;
    let mut command = Command::new("setpriv");
    command.args(privileges).arg(PYTHON).arg(script).args(words);
    let ended = Running::start(&mut command)?.succeed()?;
    let outcomes: Value = serde_json::from_str(&ended.stdout)?;
    let outcomes = outcomes.as_object().context("an object")?.clone();
    ensure!(outcomes.len() == 7, "{outcomes:?}");
    Ok(outcomes)
}

const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

fn is_refused(outcome: &Value) -> bool {
    outcome == "EPERM" || outcome == "EACCES"
}

#[test]
fn the_daemon_can_be_looked_into_by_nobody_without_the_privilege_for_it() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let daemon = Daemon::start(&scratch, &[server.pid()], &[])?;
    let pid = daemon.pid().to_string();
    // root as well, once CAP_SYS_PTRACE is taken from it; with CAP_PERFMON newer kernels still tell what is mapped where.
    let without = [
        "--inh-caps=-all",
        "--bounding-set=-sys_ptrace,-perfmon,-sys_admin",
    ];
    for privileges in [&NOBODY[..], &without] {
        let outcomes = looked_into(&scratch, privileges, &[&pid])?;
        println!("{privileges:?}: {outcomes:?}");
        ensure!(outcomes.values().all(is_refused), "{privileges:?}: {outcomes:?}");
    }
    // The attempts are such that they succeed where they may.
    let outcomes = looked_into(&scratch, &["--inh-caps=-all"], &[&pid])?;
    ensure!(outcomes.values().all(|outcome| outcome == "ok"), "{outcomes:?}");
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

#[test]
fn what_a_user_scans_can_be_looked_into_by_no_other_program_of_that_user() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let binary = scratch.path("auditor-for-everybody");
    fs::copy(process::auditor()?, &binary)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    let scan = [&*binary.display().to_string(), "scan", "-"].map(str::to_owned);
    let cat = ["/bin/cat".to_owned()];
    for (words, may) in [(&scan[..], false), (&cat, true)] {
        let words: Vec<&str> = ["--"]
            .into_iter()
            .chain(words.iter().map(String::as_str))
            .collect();
        let outcomes = looked_into(&scratch, &NOBODY, &words)?;
        println!("{words:?}: {outcomes:?}");
        ensure!(
            outcomes.values().all(|outcome| match may {
                true => outcome == "ok",
                false => is_refused(outcome),
            }),
            "{words:?}: {outcomes:?}"
        );
    }
    Ok(())
}
