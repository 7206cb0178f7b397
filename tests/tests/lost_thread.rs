//! A thread of the daemon that panics: the daemon is not healthy any more, says which one it was, leaves nothing attached and
//! ends with a code with which it is started again.
//!
//! The panic is asked for by a file that builds with debug assertions look at, and no others.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use auditor::vital;
use auditor_tests::{
    attached::Held,
    daemon::Daemon,
    failing::{ASK, can_be_asked},
    message,
    peers::{Client, Server},
    process::{LIMIT, wait_for},
    receivers::{both, given, journal},
    scratch::Scratch,
    values,
};

/// How long an end may take: sinks have ten seconds, and detaching some more.
const END: Duration = Duration::from_secs(30);

fn order(card: &str) -> Vec<u8> {
    message::post_json("/v1/orders", &format!(r#"{{"card_number":"{card}"}}"#))
}

/// Has a thread of a daemon panic that reads the traffic of a client, and looks how the daemon ends.
fn ends_without(thread: &str) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let gate = scratch.path("go").display().to_string();
    let messages = [order(&values::card())];
    let client = Client::plain(&scratch, server.port, &messages, &["--gate", &gate, "--forever"])?;
    let ask = scratch.path("panic");
    let given = ask.display().to_string();
    let daemon = Daemon::start(&scratch, &[client.pid()], &[(ASK, &given)])?;
    fs::write(&gate, "")?;
    wait_for("a finding in the journal", LIMIT, || {
        Ok((!journal(&daemon.state)?.is_empty()).then_some(()))
    })?;
    let held = Held::by(daemon.pid())?;
    ensure!(!held.is_empty(), "{thread}: nothing is attached");

    fs::write(&ask, thread)?;
    let ended = daemon.ended(END).with_context(|| thread.to_owned())?;
    println!("{thread}: {}\n{}", ended.status, ended.stderr);
    ensure!(
        ended.status.code() == Some(i32::from(vital::EXIT_CODE)),
        "{thread}: {}: {}",
        ended.status,
        ended.stderr
    );
    for said in [
        &*format!("internal error in thread {}", panicking(thread)),
        &*format!("thread=\"{thread}\""),
        &*format!("auditor: the thread `{thread}` ended by a panic"),
    ] {
        ensure!(
            thread == "main" || ended.stderr.contains(said),
            "{thread}: `{said}` is not in {}",
            ended.stderr
        );
    }
    ensure!(
        ended.stderr.contains("internal error in thread"),
        "{}",
        ended.stderr
    );
    ensure!(held.left().links.is_empty(), "{thread}: still attached");
    // The kernel frees programs some time after their last link.
    wait_for("the programs to be gone", LIMIT, || {
        Ok(held.left().is_empty().then_some(()))
    })
    .with_context(|| thread.to_owned())
}

/// The thread of the system that runs it: tasks share one.
fn panicking(thread: &str) -> &str {
    match thread {
        "serve-http" | "serve-socket" => "serve",
        thread => thread,
    }
}

#[test]
fn a_daemon_ends_when_a_thread_that_reads_or_attaches_does() -> anyhow::Result<()> {
    can_be_asked()?;
    for thread in ["ring-0", "control", "attach", "main"] {
        ends_without(thread)?;
    }
    Ok(())
}

#[test]
fn a_daemon_ends_when_a_thread_that_keeps_or_serves_does() -> anyhow::Result<()> {
    can_be_asked()?;
    for thread in ["sink-journal", "policy", "masking", "serve-http", "serve-socket"] {
        ends_without(thread)?;
    }
    Ok(())
}

#[test]
fn a_daemon_that_lost_a_thread_is_not_healthy_while_it_ends_and_what_waits_is_sent_by_the_next()
-> anyhow::Result<()> {
    can_be_asked()?;
    let scratch = Scratch::new()?;
    let (_, mut receiver, mut variables) = both(&scratch)?;
    receiver.does("hang")?;
    receiver.start()?;
    let ask = scratch.path("panic");
    variables.retain(|(name, _)| name.contains("WEBHOOK") && !name.ends_with("TIMEOUT_SECONDS"));
    variables.push(("AUDITOR_REPORT__WEBHOOK__TIMEOUT_SECONDS", "300".to_owned()));
    variables.push((ASK, ask.display().to_string()));
    let variables = given(&variables);
    let server = Server::plain(&scratch)?;
    let gate = scratch.path("go").display().to_string();
    let client = Client::plain(
        &scratch,
        server.port,
        &[order(&values::card())],
        &["--gate", &gate],
    )?;
    let mut daemon = Daemon::start(&scratch, &[client.pid()], &variables)?;
    ensure!(is_ok(&daemon)?, "not healthy before");
    fs::write(&gate, "")?;
    client.counts()?;
    wait_for("a request that hangs", LIMIT, || {
        Ok((receiver.did("hang") > 0).then_some(()))
    })?;

    // It ends as soon as the receiver has had its time.
    fs::write(&ask, "policy")?;
    let page = wait_for("/healthz to tell", LIMIT, || {
        ensure!(daemon.lives()?, "it ended before it could be asked");
        let page = daemon.page("/healthz")?;
        Ok(page.starts_with("HTTP/1.1 503").then_some(page))
    })?;
    ensure!(page.contains("the thread policy ended by a panic"), "{page}");
    let ready = wait_for("/readyz to tell", LIMIT, || {
        let page = daemon.page("/readyz")?;
        Ok(page.starts_with("HTTP/1.1 503").then_some(page))
    })?;
    ensure!(ready.contains("\"attached\":false"), "{ready}");
    let ended = daemon.ended(END)?;
    ensure!(
        ended.status.code() == Some(i32::from(vital::EXIT_CODE)),
        "{}: {}",
        ended.status,
        ended.stderr
    );

    fs::remove_file(&ask)?;
    receiver.does("ok")?;
    let daemon = Daemon::start(&scratch, &[server.pid()], &variables)?;
    wait_for("the finding to arrive", LIMIT, || {
        Ok((!receiver.findings()?.is_empty()).then_some(()))
    })?;
    ensure!(is_ok(&daemon)?, "not healthy after");
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

fn is_ok(daemon: &Daemon) -> anyhow::Result<bool> {
    Ok(daemon.page("/healthz")?.starts_with("HTTP/1.1 200"))
}

#[test]
fn systemd_starts_a_daemon_again_that_lost_a_thread_and_not_one_that_is_refused() -> anyhow::Result<()> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/auditor.service");
    let unit = fs::read_to_string(unit)?;
    let set = |key: &str| {
        unit.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    ensure!(set("Restart") == Some("on-failure"));
    let never: Vec<&str> = set("RestartPreventExitStatus")
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    ensure!(never == ["2"] && vital::EXIT_CODE != 2, "{never:?}");
    Ok(())
}
