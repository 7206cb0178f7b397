//! Requests that are made to hold a reader up, sent to nginx while a daemon watches it: it lives on, in bounded memory and
//! time, finds what ordinary requests leak beside them, and says what it did not read.

use std::{
    fmt::Display,
    fs,
    io::Write as _,
    path::Path,
    process::{ChildStdin, Command},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    bombs::{self, Bomb},
    daemon::Daemon,
    findings::field,
    message,
    meter::Bytes,
    nginx,
    peers::{PYTHON, program},
    process::{self, LIMIT, Running, wait_for},
    receivers::journal,
    scratch::{Scratch, free_port},
    values,
};

/// Of each ring of the daemon (`capture.ring_bytes`): so much that a bomb is read whole.
const RING: u64 = 16 << 20;
/// Most that one connection may hold: windows and what their text is made from, four of them in each other, as
/// `auditor/tests/hostile_content` holds it to; and of what is decompressed a window of 8 MiB and the text in it.
const CONNECTION: u64 = (8 + 16) << 20;
/// Connections that are open at once: bombs and ordinary requests.
const CONNECTIONS: u64 = 2;
/// What else may have been taken meanwhile: fields, findings, and what the allocator keeps.
const ELSE: u64 = 24 << 20;
/// How many times as long as a megabyte of ordinary content one of a bomb may take. Digits in groups take forty times as long,
/// as each group may begin a number of some kind; what takes quadratic time takes thousands.
const DEAR: f64 = 100.0;

/// A client that posts what it is told to.
struct Poster {
    running: Running,
    input: ChildStdin,
    posted: usize,
}

impl Poster {
    fn start(port: u16, tls: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(PYTHON);
        command.arg(program("poster.py")).arg(port.to_string());
        if tls {
            command.arg("tls");
        }
        let mut running = Running::with_input(&mut command)?;
        let input = running.stdin().context("no input")?;
        Ok(Self {
            running,
            input,
            posted: 0,
        })
    }

    /// Sends a request and waits for its answer.
    fn post(&mut self, scratch: &Scratch, name: &str, request: &[u8]) -> anyhow::Result<()> {
        let file = scratch.file(name, request)?;
        writeln!(self.input, "{}", file.display())?;
        self.posted += 1;
        let said = wait_for("an answer", LIMIT, || {
            let said = self.running.stdout();
            let line = said.lines().nth(self.posted - 1).map(str::to_owned);
            Ok(line.filter(|_| said.lines().count() >= self.posted && said.ends_with('\n')))
        })?;
        ensure!(said == "200", "nginx said {said}");
        Ok(())
    }
}

/// Posts an order with a card each second until it is told to end; returns how many.
fn tick(scratch: &Scratch, port: u16, tls: bool, ended: &AtomicBool) -> anyhow::Result<usize> {
    let mut poster = Poster::start(port, tls)?;
    let mut sent = 0;
    while !ended.load(Ordering::Acquire) {
        let body = format!(
            r#"{{"{}":{{"card_number":"{}"}}}}"#,
            field(0, sent),
            values::card()
        );
        poster.post(scratch, "order", &message::post_json("/v1/orders", &body))?;
        sent += 1;
        thread::sleep(Duration::from_secs(1));
    }
    Ok(sent)
}

/// Most that may wait for bytes that come no more, when what was between is left out: a window and the head of a part.
const WAITING: u64 = (64 + 8) << 10;

/// The accounts once all that moved is in them, or nothing is added to them and little is missing. The daemon is asked
/// seldom, as asking takes time of it.
fn settled(daemon: &Daemon, ledger: &str, least: u64) -> anyhow::Result<Bytes> {
    let deadline = Instant::now() + LIMIT;
    let mut before = 0;
    loop {
        thread::sleep(Duration::from_millis(150));
        let bytes = Bytes::read(&daemon.page("/metrics")?)?;
        let moved = bytes.get(ledger, "moved");
        let settled = bytes.accounts(ledger).map(|(_, bytes)| bytes).sum::<u64>() - moved;
        let is_still = before == settled && settled + WAITING > moved;
        if moved >= least && (settled == moved || is_still) {
            return Ok(bytes);
        }
        before = settled;
        ensure!(
            Instant::now() < deadline,
            "{least} bytes were sent\n{}",
            bytes.table()
        );
    }
}

/// Time of a processor that the threads of a process have used, to the nanosecond.
fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().context("no time")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// What reading one request took.
struct Taken {
    cpu: Duration,
    /// Where its bytes went.
    accounts: Vec<(String, u64)>,
    memory: u64,
}

fn take(
    daemon: &Daemon,
    poster: &mut Poster,
    scratch: &Scratch,
    ledger: &str,
    bomb: &Bomb,
) -> anyhow::Result<Taken> {
    let before = settled(daemon, ledger, 0)?;
    let cpu_before = cpu(daemon.pid())?;
    poster.post(scratch, "bomb", &bomb.request)?;
    let least = before.get(ledger, "moved") + bomb.request.len() as u64;
    let after = settled(daemon, ledger, least)?;
    let accounts = after.accounts(ledger).filter_map(|(account, bytes)| {
        let more = bytes - before.get(ledger, account);
        (more > 0).then(|| (account.to_owned(), more))
    });
    Ok(Taken {
        cpu: cpu(daemon.pid())? - cpu_before,
        accounts: accounts.collect(),
        memory: process::memory(daemon.pid(), "VmRSS:")?,
    })
}

#[test]
fn bombs_cost_little_hide_nothing_beside_them_and_are_accounted() -> anyhow::Result<()> {
    let bombs = bombs::all()?;
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let [plain_port, tls_port] = [free_port()?, free_port()?];
        let values: &[(&str, &dyn Display)] = &[("plain", &plain_port), ("tls", &tls_port)];
        let configuration = nginx::configure(&scratch, "nginx.conf", HTTP, values)?;
        let (_nginx, pids) = nginx::start(&scratch, &configuration, &[plain_port, tls_port])?;
        let (port, ledger) = if tls {
            (tls_port, "tls")
        } else {
            (plain_port, "socket")
        };
        let daemon = Daemon::start(
            &scratch,
            &pids,
            &[
                ("AUDITOR_REPORT__INTERVAL_SECONDS", "1"),
                // All of a bomb is read.
                ("AUDITOR_CAPTURE__MAX_MESSAGE_BYTES", "0"),
                ("AUDITOR_CAPTURE__RING_BYTES", &RING.to_string()),
            ],
        )?;
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let ticking = scope.spawn(|| tick(&scratch, port, tls, &ended));
            let taken = all(&daemon, &scratch, port, ledger, &bombs);
            ended.store(true, Ordering::Release);
            let sent = ticking.join().ok().context("a panic")?;
            taken.with_context(|| format!("over {ledger}"))?;
            beside(&daemon, sent?)
        })?;
        daemon.balanced()?;
        let ended = daemon.stop()?;
        ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
        ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    Ok(())
}

/// Sends every bomb, one after the other, and judges what it took.
fn all(daemon: &Daemon, scratch: &Scratch, port: u16, ledger: &str, bombs: &[Bomb]) -> anyhow::Result<()> {
    let mut poster = Poster::start(port, ledger == "tls")?;
    let ordinary = bombs::ordinary();
    let mut of_ordinary = Duration::ZERO;
    let mut memory = 0;
    // The first one is for what is taken once.
    for _ in 0..2 {
        let taken = take(daemon, &mut poster, scratch, ledger, &ordinary)?;
        (of_ordinary, memory) = (taken.cpu, taken.memory);
    }
    let rate = of_ordinary.as_secs_f64() / ordinary.work as f64;
    println!(
        "{ledger}: ordinary content takes {:.2} ms a MiB, the daemon {} MiB",
        rate * 1e3 * f64::from(1 << 20),
        memory >> 20
    );
    let most = memory + CONNECTIONS * CONNECTION + ELSE;
    let mut failures = Vec::new();
    for bomb in bombs {
        let taken = take(daemon, &mut poster, scratch, ledger, bomb)?;
        let times = taken.cpu.as_secs_f64() / (rate * bomb.work as f64);
        println!(
            "{ledger}: {}: {} KiB, {:?}, {times:.1} times ordinary, {} MiB, {:?}",
            bomb.name,
            bomb.request.len() >> 10,
            taken.cpu,
            taken.memory >> 20,
            taken.accounts
        );
        // A tick of the clock that counts, and what the daemon does anyway, are some ten milliseconds.
        if times > DEAR && taken.cpu > Duration::from_millis(150) {
            failures.push(format!(
                "{} took {times:.1} times as long as ordinary content",
                bomb.name
            ));
        }
        let in_it = taken.accounts.iter().any(|(account, _)| account == bomb.account);
        if !in_it {
            failures.push(format!("{}: {} in {:?}", bomb.name, bomb.account, taken.accounts));
        }
    }
    let peak = process::memory(daemon.pid(), "VmHWM:")?;
    println!("{ledger}: {} MiB at most, of {} MiB", peak >> 20, most >> 20);
    ensure!(peak < most, "{peak} bytes, and {most} are justified");
    ensure!(failures.is_empty(), "{failures:#?}");
    Ok(())
}

/// Each of so many ordinary requests was found, once.
fn beside(daemon: &Daemon, sent: usize) -> anyhow::Result<()> {
    let state: &Path = &daemon.state;
    let mut missing = Vec::new();
    wait_for("the cards of all ordinary requests", LIMIT, || {
        let found = journal(state)?;
        missing = (0..sent)
            .filter(|number| {
                let name = field(0, *number);
                let leaks = found.values().filter(|finding| {
                    let place = finding["location"]["field"].as_str().unwrap_or_default();
                    finding["kind"] == "leak"
                        && finding["detector"] == "payment_card"
                        && place.contains(&name)
                });
                leaks.filter_map(|leak| leak["count"].as_u64()).sum::<u64>() != 1
            })
            .collect();
        Ok(missing.is_empty().then_some(()))
    })
    .with_context(|| format!("of {sent} these are missing: {missing:?}"))
}

const HTTP: &str = r#"    access_log off;
    client_max_body_size 0;
    client_body_buffer_size 64k;
    large_client_header_buffers 2 8m;
    default_type application/json;
    server {
        listen 127.0.0.1:@plain@;
        listen 127.0.0.1:@tls@ ssl;
        ssl_certificate @pem@;
        ssl_certificate_key @pem@;
        location / { return 200 '{"status":"accepted"}'; }
    }
"#;
