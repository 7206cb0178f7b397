//! nginx at saturation under wrk, and a daemon that watches it on the processors that they share.
//!
//! One answer of a hundred holds a card. What must have moved is known from what wrk counted, as all requests and all
//! answers are of one length; nginx notes every answer that leaked.
//!
//! Used by tests/tests/load.rs for half a minute and by `cargo xtask bench load` for as long as one likes.

use std::{
    fmt::{self, Display},
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::{
    daemon::Daemon,
    message,
    meter::{self, Bytes},
    nginx,
    process::{self, LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
    values,
};

/// Most memory that the daemon may ever have in use.
pub const MOST_MEMORY: u64 = 256 << 20;

const OPERATION: &str = "/v1/orders";

/// Accounts that shedding may fill, and those of what TLS leaves on a socket.
const SHED: [&str; 2] = ["ring_full", "gap"];
const OF_TLS: [&str; 3] = ["ciphertext", "handshake", "unseen"];

/// A load.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    pub tls: bool,
    pub time: Duration,
    pub connections: u32,
    /// Of the daemon.
    pub environment: &'a [(&'a str, &'a str)],
}

/// What came of it.
pub struct Outcome {
    pub requests: u64,
    /// Bytes of one request and its answer.
    pub exchange: u64,
    pub connections: u32,
    /// Of the ledger whose bytes are read.
    pub ledger: &'static str,
    pub bytes: Bytes,
    /// Answers that nginx noted as leaks, and cards that were counted.
    pub leaked: u64,
    pub found: u64,
    /// The most that was in use, bytes.
    pub memory: u64,
    /// Of the daemon while there was load, in percent of a processor.
    pub cpu: f64,
    /// The daemon's metrics at the end.
    pub page: String,
    pub findings: Vec<Value>,
}

impl Load<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// When a program fails, a request is not answered, or the account does not balance.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let scratch = Scratch::new()?;
        let card = values::card();
        let [plain, tls, unnoted] = [free_port()?, free_port()?, free_port()?];
        let configuration = configuration(&scratch, &card, [plain, tls, unnoted])?;
        let (_nginx, pids) = nginx::start(&scratch, &configuration, &[plain, tls, unnoted])?;
        let port = if self.tls { tls } else { plain };
        let exchange = exchange(unnoted, port)?;
        let always = [("AUDITOR_REPORT__INTERVAL_SECONDS", "1")];
        let daemon = Daemon::start(&scratch, &pids, &[&always, self.environment].concat())?;
        let (began, cpu) = (Instant::now(), meter::cpu(daemon.pid())?);
        let requests = self.wrk(port)?;
        let used = (meter::cpu(daemon.pid())? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
        daemon.balanced()?;
        // nginx writes its log when it is full, or a second old.
        std::thread::sleep(Duration::from_secs(2));
        let leaked = fs::read_to_string(scratch.path("leaks.log"))?.lines().count() as u64;
        let page = daemon.page("/metrics")?;
        let sample = values::card_sample(&card);
        let mut findings = Vec::new();
        let found = wait_for("the findings to be whole", LIMIT, || {
            findings = daemon
                .remembered()?
                .iter()
                .map(|line| serde_json::from_str(line))
                .collect::<Result<Vec<Value>, _>>()?;
            let counted = count(&findings, &sample);
            let seen = daemon.metric("auditor_leaks_total{")? as u64;
            Ok((counted == seen).then_some(counted))
        })?;
        let memory = process::memory(daemon.pid(), "VmHWM:")?;
        let ended = daemon.stop()?;
        ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
        Ok(Outcome {
            requests,
            exchange,
            connections: self.connections,
            ledger: if self.tls { "tls" } else { "socket" },
            bytes: Bytes::read(&page)?,
            leaked,
            found,
            memory,
            cpu: 100.0 * used,
            page,
            findings,
        })
    }

    /// Requests that were answered.
    fn wrk(&self, port: u16) -> anyhow::Result<u64> {
        let scheme = if self.tls { "https" } else { "http" };
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "2", "--timeout", "60s"]);
        wrk.args(["--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.time.as_secs())]);
        wrk.arg(format!("{scheme}://127.0.0.1:{port}{OPERATION}"));
        let ended = Running::start(&mut wrk)?.end(self.time + LIMIT)?;
        let text = ended.stdout;
        if !ended.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            bail!("wrk: {text}{}", ended.stderr);
        }
        let line = text.lines().find(|line| line.contains(" requests in "));
        let number = line.and_then(|line| line.split_whitespace().next());
        let number = number.with_context(|| format!("wrk said no number: {text}"))?;
        Ok(number.parse()?)
    }
}

impl Outcome {
    /// Nothing was lost in silence: what moved is what wrk counted, all of it went somewhere, what was not scanned was
    /// shed, and what was scanned was found.
    ///
    /// # Errors
    /// When not.
    pub fn judged(&self) -> anyhow::Result<()> {
        let moved = self.bytes.get(self.ledger, "moved");
        let (least, under_way) = (self.requests * self.exchange, u64::from(self.connections));
        let most = least + under_way * self.exchange + 4096;
        ensure!(
            (least..=most).contains(&moved),
            "{moved} bytes moved by what the daemon says, and {least} to {most} by what wrk says\n{self}"
        );
        for ledger in ["socket", "tls"] {
            let allowed: &[&str] = if ledger == self.ledger { &[] } else { &OF_TLS };
            for (account, bytes) in self.bytes.accounts(ledger) {
                let known = [&SHED[..], &["scanned", "moved"], allowed].concat();
                ensure!(
                    bytes == 0 || known.contains(&account),
                    "{bytes} bytes of {ledger} in {account}\n{self}"
                );
            }
        }
        let scanned = self.bytes.get(self.ledger, "scanned");
        ensure!(scanned > 0 && self.found > 0, "nothing was found\n{self}");
        ensure!(self.found <= self.leaked, "more was found than sent\n{self}");
        if scanned == moved {
            ensure!(
                self.found == self.leaked,
                "all was scanned, and not all found\n{self}"
            );
        }
        ensure!(self.memory < MOST_MEMORY, "too much memory\n{self}");
        Ok(())
    }
}

impl Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scanned = self.bytes.get(self.ledger, "scanned") as f64;
        let moved = self.bytes.get(self.ledger, "moved") as f64;
        writeln!(
            out,
            "{}: {} requests, {:.1} % of {:.0} MB scanned, {} of {} leaks found; the daemon used {:.0} % of a core and \
             {:.1} MiB at most",
            self.ledger,
            self.requests,
            100.0 * scanned / moved.max(1.0),
            moved / 1e6,
            self.found,
            self.leaked,
            self.cpu,
            self.memory as f64 / f64::from(1 << 20)
        )?;
        write!(out, "{}", self.bytes.table())
    }
}

/// Values counted of leaks with this sample, by the newest revision of each.
fn count(findings: &[Value], sample: &str) -> u64 {
    let newest = crate::receivers::newest(findings.iter().cloned().map(Ok)).unwrap_or_default();
    let leaks = newest
        .values()
        .filter(|finding| finding["kind"] == "leak" && finding["sample"] == sample);
    leaks.filter_map(|leak| leak["count"].as_u64()).sum()
}

/// Bytes of a request as wrk makes it for this port, and of its answer; all answers are as long as any. It is made at a
/// port whose leaks are not noted, as no daemon is there to find one.
fn exchange(unnoted: u16, port: u16) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, unnoted))?;
    let request = format!("GET {OPERATION} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(b"}") {
        let read = stream.read(&mut part)?;
        ensure!(read > 0, "nginx closed");
        answer.extend_from_slice(&part[..read]);
    }
    Ok((request.len() + answer.len()) as u64)
}

fn configuration(scratch: &Scratch, card: &str, ports: [u16; 3]) -> anyhow::Result<std::path::PathBuf> {
    let leak = format!(r#"{{"status":"accepted","card_number":"{card}"}}"#);
    let around = r#"{"greeting":""}"#;
    let words = message::words(leak.len() - around.len());
    let clean = format!(r#"{{"greeting":"{words}"}}"#);
    let values: &[(&str, &dyn Display)] = &[
        ("plain", &ports[0]),
        ("tls", &ports[1]),
        ("unnoted", &ports[2]),
        ("leak", &leak),
        ("clean", &clean),
    ];
    nginx::configure(scratch, "nginx.conf", HTTP, values)
}

const HTTP: &str = "\
    split_clients $request_id $leaks { 1% 1; * 0; }
    map $leaks $body { 1 '@leak@'; default '@clean@'; }
    log_format leak '$bytes_sent';
    access_log @folder@/leaks.log leak buffer=64k flush=1s if=$leaks;
    keepalive_requests 1000000000;
    default_type application/json;
    server {
        listen 127.0.0.1:@plain@;
        listen 127.0.0.1:@tls@ ssl;
        ssl_certificate @pem@;
        ssl_certificate_key @pem@;
        location / { return 200 $body; }
    }
    server {
        listen 127.0.0.1:@unnoted@;
        access_log off;
        location / { return 200 $body; }
    }
";
