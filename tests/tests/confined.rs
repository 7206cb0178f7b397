//! What the daemon has given up once it watches, and that it still sees what it is there for.

use std::fs;

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{Client, Server},
    process::{LIMIT, wait_for},
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
    let own = fs::read_to_string("/proc/self/status")?;
    if u64::from_str_radix(line(&own, "CapEff")?, 16)? & SYS_RESOURCE != 0 {
        ensure!(locked > 0, "its memory may be swapped");
    } else {
        println!("skipped: that memory is locked, as CAP_SYS_RESOURCE is missing here");
        ensure!(locked == 0, "{locked} kB are locked against the limit");
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
