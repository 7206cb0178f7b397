//! A thread of the daemon that hangs: it is named, supervisors hear of it, and what it misses is accounted.
//!
//! It hangs for as long as a file says so that builds with debug assertions look at, and no others.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    failing::{ASK, can_be_asked},
    message,
    peers::{Client, Server},
    process::{self, LIMIT, wait_for},
    receivers::journal,
    scratch::{Scratch, free_port},
    systemd::{ALONE, Systemd, UNITS},
    values,
};

/// All readers.
const HANG: &str = "hang ring-";

/// After ten seconds it is told of.
const NOTICED: Duration = Duration::from_secs(30);

fn healthy(daemon: &Daemon) -> anyhow::Result<bool> {
    Ok(daemon.page("/healthz")?.starts_with("HTTP/1.1 200"))
}

#[test]
fn a_reader_that_hangs_is_not_healthy_and_what_it_misses_is_accounted() -> anyhow::Result<()> {
    can_be_asked()?;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let gate = scratch.path("go").display().to_string();
    let order = format!(
        r#"{{"card_number":"{}","note":"{}"}}"#,
        values::card(),
        message::words(10_000)
    );
    let messages = [message::post_json("/v1/orders", &order)];
    let client = Client::plain(&scratch, server.port, &messages, &["--gate", &gate, "--forever"])?;
    let ask = scratch.path("ask");
    let given = ask.display().to_string();
    let small = ("AUDITOR_CAPTURE__RING_BYTES", "262144");
    let daemon = Daemon::start(&scratch, &[client.pid()], &[(ASK, &given), small])?;
    fs::write(&gate, "")?;
    wait_for("a finding in the journal", LIMIT, || {
        Ok((!journal(&daemon.state)?.is_empty()).then_some(()))
    })?;
    ensure!(healthy(&daemon)?, "not healthy before");

    fs::write(&ask, HANG)?;
    let page = wait_for("/healthz to tell", NOTICED, || {
        let page = daemon.page("/healthz")?;
        Ok(page.starts_with("HTTP/1.1 503").then_some(page))
    })?;
    ensure!(
        page.contains("the thread ring-0 has not gone round for 1"),
        "{page}"
    );
    let missed = "auditor_bytes_total{account=\"ring_full\"";
    wait_for("what did not fit to be counted", LIMIT, || {
        Ok((daemon.metric(missed)? > 0.0).then_some(()))
    })?;

    // The log is written once a second.
    std::thread::sleep(Duration::from_secs(2));
    fs::remove_file(&ask)?;
    wait_for("it to be healthy again", LIMIT, || {
        Ok(healthy(&daemon)?.then_some(()))
    })?;
    let cards = || daemon.metric("auditor_leaks_total{");
    let found = cards()?;
    wait_for(
        "findings to go on",
        LIMIT,
        || Ok((cards()? > found).then_some(())),
    )?;
    drop(client);
    daemon.balanced()?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    for said in ["a thread hangs", "goes round again"] {
        ensure!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    Ok(())
}

/// Datagrams that arrive within this time.
fn told(socket: &UnixDatagram, time: Duration) -> anyhow::Result<Vec<String>> {
    let (until, mut all, mut bytes) = (Instant::now() + time, Vec::new(), [0; 256]);
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    while Instant::now() < until {
        if let Ok(length) = socket.recv(&mut bytes) {
            all.push(String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned());
        }
    }
    Ok(all)
}

#[test]
fn systemd_is_told_as_long_as_no_thread_hangs() -> anyhow::Result<()> {
    can_be_asked()?;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let (ask, socket) = (scratch.path("ask"), scratch.path("notify"));
    let (given, notify) = (ask.display().to_string(), socket.display().to_string());
    let socket = UnixDatagram::bind(&socket)?;
    let daemon = Daemon::start(
        &scratch,
        &[server.pid()],
        &[(ASK, &given), ("NOTIFY_SOCKET", &notify)],
    )?;
    let begun = told(&socket, Duration::from_secs(5))?;
    ensure!(begun.first().is_some_and(|first| first == "READY=1"), "{begun:?}");
    ensure!(
        (3..8).contains(&begun.iter().filter(|told| *told == "WATCHDOG=1").count()),
        "{begun:?}"
    );

    fs::write(&ask, HANG)?;
    wait_for("/healthz to tell", NOTICED, || {
        Ok((!healthy(&daemon)?).then_some(()))
    })?;
    // Once more it may have been told before.
    told(&socket, Duration::from_secs(2))?;
    let while_it_hangs = told(&socket, Duration::from_secs(3))?;
    ensure!(while_it_hangs.is_empty(), "{while_it_hangs:?}");

    fs::remove_file(&ask)?;
    wait_for("the watchdog to be served", LIMIT, || {
        let told = told(&socket, Duration::from_millis(200))?;
        Ok(told.contains(&"WATCHDOG=1".to_owned()).then_some(()))
    })?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let last = told(&socket, Duration::from_secs(1))?;
    ensure!(last.last().is_some_and(|last| last == "STOPPING=1"), "{last:?}");
    Ok(())
}

/// In the network of the host, and in process and mount namespaces of its own. It watches a cgroup that nothing is in.
#[test]
fn the_unit_as_shipped_is_ready_under_systemd_and_started_again_when_it_hangs() -> anyhow::Result<()> {
    can_be_asked()?;
    let scratch = Scratch::new()?;
    let port = free_port()?;
    let file = scratch.file(
        "config.yaml",
        format!("scope: {{cgroups: [/sys/fs/cgroup/nobody.slice]}}\nserve: {{http: 127.0.0.1:{port}}}\n"),
    )?;
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/auditor.service");
    let unit = fs::read_to_string(unit)?
        .replace("/usr/bin/auditor", &format!("{UNITS}/auditor"))
        .replace("/etc/auditor/config.yaml", &format!("{UNITS}/config.yaml"));
    let here = format!(
        "{ALONE}[Service]\nWatchdogSec=15\nRestartSec=1\nEnvironment={ASK}={UNITS}/ask\n\
         ExecStartPre=+mkdir -p /sys/fs/cgroup/nobody.slice\n"
    );
    let mut systemd = Systemd::start_units(
        &scratch,
        &[("auditor.service", format!("{unit}\n{here}"))],
        &[("auditor", &process::auditor()?), ("config.yaml", &file)],
    )?;
    let begun = Duration::from_secs(60);
    is(&mut systemd, "ActiveState", "active", begun)?;
    is(&mut systemd, "NRestarts", "0", LIMIT)?;
    systemd.shell(&format!("echo -n '{HANG}' > {UNITS}/ask"))?;
    is(&mut systemd, "NRestarts", "1", begun)?;
    systemd.shell(&format!("rm {UNITS}/ask"))?;
    is(&mut systemd, "ActiveState", "active", begun)?;
    is(&mut systemd, "NRestarts", "1", LIMIT)
}

/// Waits until a property of the unit is this.
fn is(systemd: &mut Systemd, property: &str, wanted: &str, patience: Duration) -> anyhow::Result<()> {
    let mut last = String::new();
    wait_for(&format!("{property} to be {wanted}"), patience, || {
        last = systemd.property("auditor.service", property)?;
        Ok((last == wanted).then_some(()))
    })
    .with_context(|| last.clone())
}
