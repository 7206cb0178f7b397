//! No value leaves: what was sent is nowhere in what auditor prints, serves or writes.

use std::{
    ffi::OsStr, fs, os::unix::process::ExitStatusExt as _, path::Path, process::Command, time::Duration,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{Client, PYTHON, Server},
    process::{self, LIMIT, Running, output, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use rustix::process::Signal;
use serde_json::Value;

/// A value that must not leave, and the name of its kind.
struct Sentinel {
    kind: &'static str,
    value: String,
}

struct Sentinels(Vec<Sentinel>);

impl Sentinels {
    fn plant() -> Self {
        let of = |kind, value| Sentinel { kind, value };
        Self(vec![
            of("card", values::card()),
            of("social security number", values::social_security_number()),
            of("local part", values::local_part()),
            of("token", values::jwt()),
            of("password", values::letters(20)),
            of("account number", values::iban()),
        ])
    }

    fn value(&self, kind: &str) -> &str {
        self.0
            .iter()
            .find(|sentinel| sentinel.kind == kind)
            .map_or("", |sentinel| &sentinel.value)
    }

    /// Requests that hold all of them: in a path, a query, headers and a body.
    fn messages(&self, shop: &str) -> Vec<Vec<u8>> {
        let body = format!(
            r#"{{"card_number":"{}","ssn":"{}","email":"{}@{}.net","refund":{{"iban":"{}"}},"note":"card {0}"}}"#,
            self.value("card"),
            self.value("social security number"),
            self.value("local part"),
            values::letters(9),
            self.value("account number"),
        );
        let basic = STANDARD_NO_PAD.encode(format!("clerks:{}", self.value("password")));
        let (bearer, basic) = (
            format!("Bearer {}", self.value("token")),
            format!("Basic {basic}"),
        );
        let path = format!(
            "/v1/{shop}/cards/{}?ssn={}",
            self.value("card"),
            self.value("social security number")
        );
        let json = ("Content-Type", "application/json");
        vec![
            message::post_with(
                &format!("/v1/{shop}/orders"),
                &[json, ("Authorization", &bearer)],
                &body,
            ),
            message::post_with(&path, &[json, ("Authorization", &basic)], "{}"),
        ]
    }

    /// What to search for: each value whole, without separators, in base 64 at every alignment and in hex; of digits
    /// also every run of nine.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut forms = Vec::new();
        for sentinel in &self.0 {
            let kind = sentinel.kind;
            let bare: String = sentinel
                .value
                .chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .collect();
            for text in [sentinel.value.as_str(), bare.as_str()] {
                forms.push((kind, text.as_bytes().to_vec()));
                for shift in 0..3 {
                    let shifted = [&[b'x'; 3][..shift], text.as_bytes()].concat();
                    let encoded = STANDARD_NO_PAD.encode(shifted).into_bytes();
                    // The ends depend on what stands beside.
                    forms.push((kind, encoded[4..encoded.len() - 4].to_vec()));
                }
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                forms.push((kind, hex.to_uppercase().into_bytes()));
                forms.push((kind, hex.into_bytes()));
            }
            let digits: Vec<u8> = sentinel.value.bytes().filter(u8::is_ascii_digit).collect();
            if digits.len() == bare.len() {
                forms.extend(digits.windows(9).map(|run| (kind, run.to_vec())));
            }
            if kind == "token" {
                forms.extend(
                    sentinel
                        .value
                        .split('.')
                        .skip(1)
                        .map(|part| (kind, part.as_bytes().to_vec())),
                );
            }
        }
        forms
    }

    /// Searches one output.
    fn absent(&self, place: &str, bytes: &[u8]) -> anyhow::Result<()> {
        for (kind, form) in self.forms() {
            let found = bytes.windows(form.len()).position(|window| window == form);
            ensure!(
                found.is_none(),
                "a form of the {kind} is in {place} at byte {found:?}"
            );
        }
        Ok(())
    }

    fn absent_below(&self, folder: &Path, files: &mut usize) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.absent_below(&path, files)?;
            } else if path.is_file() {
                *files += 1;
                self.absent(&path.display().to_string(), &fs::read(&path)?)?;
            }
        }
        Ok(())
    }
}

#[test]
fn the_search_finds_a_value_that_did_leave() {
    let sentinels = Sentinels::plant();
    let card = sentinels.value("card");
    let encoded = STANDARD_NO_PAD.encode(format!("number={card};"));
    for text in [card.to_owned(), card[3..].to_owned(), encoded] {
        assert!(
            sentinels
                .absent("here", format!("a {text} b").as_bytes())
                .is_err(),
            "{text}"
        );
    }
    assert!(
        sentinels
            .absent("here", values::card_sample(card).as_bytes())
            .is_ok()
    );
}

#[test]
fn no_value_leaves_the_daemon() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let sentinels = Sentinels::plant();
    let (plain, tls) = (Server::plain(&scratch)?, Server::tls(&scratch)?);
    // Under different paths: what the same program sends to the same place is one finding.
    let (open, closed) = (sentinels.messages("open"), sentinels.messages("closed"));
    let clients = [
        Client::plain(&scratch, plain.port, &open, &[])?,
        Client::tls(&scratch, tls.port, &closed, &[])?,
    ];
    let pids = [clients[0].pid(), clients[1].pid(), plain.pid(), tls.pid()];
    let daemon = Daemon::start(&scratch, &pids, &[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")])?;
    no_core_limit(daemon.pid())?;
    scratch.file("ready", "")?;
    for client in clients {
        client.counts()?;
    }
    let mut missing = Vec::new();
    let remembered = wait_for("the daemon to find all kinds", Duration::from_secs(20), || {
        let lines = daemon.remembered()?;
        missing = not_found(&lines)?;
        Ok(missing.is_empty().then_some(lines))
    })
    .with_context(|| format!("not found, so that its absence would prove nothing: {missing:?}"))?;
    sentinels.absent("the socket", remembered.join("\n").as_bytes())?;
    for page in ["/metrics", "/healthz", "/readyz"] {
        sentinels.absent(page, daemon.page(page)?.as_bytes())?;
    }
    let mut tail = Command::new(process::auditor()?);
    tail.args(["tail", "--last", "1000", "--socket"])
        .arg(&daemon.socket);
    let shown = Running::start(&mut tail)?.succeed()?;
    ensure!(
        shown.stdout.contains("payment_card"),
        "tail shows no card: {}",
        shown.stdout
    );
    sentinels.absent("auditor tail", (shown.stdout + &shown.stderr).as_bytes())?;
    let state = daemon.state.clone();
    let ended = daemon.stop()?;
    ensure!(
        ended.status.code() == Some(0),
        "auditor run ended with {}: {}",
        ended.status,
        ended.stderr
    );
    sentinels.absent("standard output", ended.stdout.as_bytes())?;
    sentinels.absent("standard error", ended.stderr.as_bytes())?;
    let mut files = 0;
    sentinels.absent_below(&state, &mut files)?;
    ensure!(
        files >= 3,
        "the journal, the key and the masking ledger are files, {files} were found"
    );
    let ledger = fs::read(state.join("masking.redb"))?;
    let sample = values::card_sample(sentinels.value("card"));
    ensure!(
        ledger
            .windows(sample.len())
            .any(|window| window == sample.as_bytes()),
        "the masking ledger has not even the sample of the card"
    );
    Ok(())
}

/// Planted kinds of which there is no finding over TLS, or none in the open.
fn not_found(lines: &[String]) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    let findings: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()?;
    for detector in [
        "payment_card",
        "us_ssn",
        "email_address",
        "jwt",
        "basic_auth",
        "iban",
    ] {
        for encrypted in [true, false] {
            let found = findings
                .iter()
                .any(|finding| finding["detector"] == detector && finding["flow"]["encrypted"] == encrypted);
            if !found {
                missing.push(format!("{detector}, encrypted {encrypted}"));
            }
        }
    }
    Ok(missing)
}

#[test]
fn no_value_leaves_a_capture() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let sentinels = Sentinels::plant();
    for format in ["json", "text"] {
        let scratch_of_peers = Scratch::new()?;
        let server = Server::tls(&scratch_of_peers)?;
        let client = Client::tls(&scratch_of_peers, server.port, &sentinels.messages(format), &[])?;
        let mut command = Command::new(process::auditor()?);
        command.args([
            "watch",
            "--states",
            "all",
            "--min-confidence",
            "low",
            "--format",
            format,
        ]);
        command
            .args(["--pid", &client.pid().to_string(), "--ready-file"])
            .arg(scratch_of_peers.ready());
        let running = Running::start(command.env("RUST_LOG", "trace"))?;
        client.counts()?;
        let ended = running.end(LIMIT)?;
        ensure!(
            ended.status.code() == Some(0),
            "{}: {}",
            ended.status,
            ended.stderr
        );
        ensure!(
            ended.stdout.contains("payment_card"),
            "no card was found: {}",
            ended.stdout
        );
        sentinels.absent(&format!("{format} on standard output"), ended.stdout.as_bytes())?;
        sentinels.absent(&format!("{format} on standard error"), ended.stderr.as_bytes())?;
    }
    drop(scratch);
    Ok(())
}

#[test]
fn the_memory_of_a_capture_is_not_dumped_even_where_the_limit_is_raised() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let watch = Watch::pids(&scratch, &[server.pid()], &[])?;
    no_core_limit(watch.pid())?;
    ensure!(!dumps_core(watch.into_running())?, "auditor dumped its memory");
    // The same done to a program that does not protect itself shows that the test can fail.
    let mut python = Command::new(PYTHON);
    let python = python
        .args(["-c", "import signal; signal.pause()"])
        .current_dir(scratch.folder());
    ensure!(
        dumps_core(Running::start(python)?)?,
        "nothing on this machine dumps its memory"
    );
    Ok(())
}

/// Raises the limit, aborts the program, and says whether the kernel wrote its memory.
fn dumps_core(mut program: Running) -> anyhow::Result<bool> {
    let pid = program.pid().to_string();
    output(
        "prlimit",
        &["--core=unlimited:unlimited", "--pid", &pid].map(OsStr::new),
    )?;
    program.signal(Signal::ABORT)?;
    let ended = program.end(LIMIT)?;
    ensure!(ended.status.signal() == Some(6), "it ended with {}", ended.status);
    Ok(ended.status.core_dumped())
}

/// The limit of core dumps is 0.
fn no_core_limit(pid: u32) -> anyhow::Result<()> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .context("no such limit")?;
    // The soft limit; the hard one is kept, to be given back to a command that is watched.
    let soft = core.split_whitespace().nth(4);
    ensure!(soft == Some("0"), "core dumps are limited to {soft:?}");
    Ok(())
}
