//! A program with a hostile name, path and request: nothing of that steers a terminal, a log, a metrics page or a
//! line of JSON.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::PathBuf, process::Command};

use anyhow::ensure;
use auditor_tests::{
    daemon::Daemon,
    gated::{metric, until_watched},
    peers::{Server, client_words},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::Value;

/// Escape sequences, line feeds, quotes, markup, text that runs backwards, bytes that are no text.
const NAME: &[u8] = b"e\x1b[2J\x1b]0;x\x07\n{\"a\":1}\r<script>\xe2\x80\xae\xc2\x9b31m\xff\xfe'`$(id)";

/// As in `report::table::steers`, and line ends are looked at apart.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn harmless(what: &str, text: &str) -> anyhow::Result<()> {
    for line in text.lines() {
        ensure!(!line.contains(steers), "{what}: {line:?}");
    }
    Ok(())
}

#[test]
fn hostile_names_of_a_program_and_its_request_steer_nothing() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let folder: PathBuf = scratch.path("programs");
    fs::create_dir(&folder)?;
    let program = folder.join(OsStr::from_bytes(NAME));
    Running::start(Command::new("cp").arg("/usr/bin/python3").arg(&program))?.succeed()?;
    let card = values::card();
    let body = format!(r#"{{"order\u001b[31m\"<b>":{{"card_number":"{card}"}}}}"#);
    let mut request =
        b"POST /a%1b[2J/<script>?q=%e2%80%ae HTTP/1.1\r\nHost: evil<script>\xe2\x80\xae.example\r\n".to_vec();
    request.extend(b"Content-Type: application/json\r\n");
    request.extend(format!("Content-Length: {}\r\n\r\n{body}", body.len()).bytes());
    let gate = scratch.path("gate");
    let words = client_words(
        &scratch,
        "evil",
        server.port,
        &[request],
        &["--gate", &gate.display().to_string()],
    )?;
    // The command name is another one than the path.
    let start = "import sys; open('/proc/self/comm', 'wb').write(b'\\x1b[31m\\n\"<b>\\xff'); \
                 sys.argv = sys.argv[1:]; exec(open(sys.argv[0]).read())";
    let client = Running::start(Command::new(&program).arg("-c").arg(start).args(&words[1..]))?;
    let select = format!("exe={}/*", folder.display());
    let daemon = Daemon::start(
        &scratch,
        &[server.pid()],
        &[("AUDITOR_SCOPE__SELECT", &select), ("RUST_LOG", "debug")],
    )?;
    until_watched(&daemon, 1)?;
    fs::write(gate, "")?;
    let said = client.end(LIMIT)?;
    ensure!(said.status.success(), "{}", said.stderr);
    let sample = values::card_sample(&card);
    let lines = wait_for("a finding", LIMIT, || {
        let lines = daemon.remembered()?;
        Ok(lines.iter().any(|line| line.contains(&sample)).then_some(lines))
    })?;
    // Counters are read from the kernel once a second.
    wait_for("the bytes that moved", LIMIT, || {
        Ok((metric(&daemon, "auditor_bytes_moved_total{ledger=\"socket\"}")? > 0).then_some(()))
    })?;
    for line in &lines {
        harmless("JSON", line)?;
        let finding: Value = serde_json::from_str(line)?;
        ensure!(finding["schema"] == "auditor.finding/v1", "{line}");
    }
    let exe = lines.iter().any(|line| line.contains("\\u001b[2J"));
    ensure!(exe, "the name is told as it is, escaped: {lines:?}");

    let page = daemon.page("/metrics")?;
    let body = page.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    harmless("metrics", body)?;
    let path = scratch.file("metrics.txt", body)?;
    let checked = Running::start(
        Command::new("sh")
            .arg("-c")
            .arg("promtool check metrics < \"$0\"")
            .arg(path),
    )?
    .end(LIMIT)?;
    ensure!(
        !checked.stderr.contains("error while linting") && !checked.stderr.contains("parsing"),
        "{}",
        checked.stderr
    );
    harmless(
        "readiness",
        daemon.page("/readyz")?.rsplit("\r\n").next().unwrap_or_default(),
    )?;
    for format in ["text", "json"] {
        let mut tail = Command::new(process::auditor()?);
        tail.args(["tail", "--format", format, "--socket"])
            .arg(&daemon.socket);
        harmless("tail", &Running::start(&mut tail)?.succeed()?.stdout)?;
    }
    let journal = fs::read_to_string(daemon.state.join("findings.jsonl"))?;
    harmless("journal", &journal)?;
    for line in journal.lines() {
        let _: Value = serde_json::from_str(line)?;
    }
    let ended = daemon.stop()?;
    harmless("log", &ended.stderr)?;
    Ok(())
}
