//! The daemon while somebody sets the clock: a year ahead, and back again.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use rustix::{
    process::{Pid, Signal, kill_process},
    time::{ClockId, clock_gettime, clock_settime},
};
use serde_json::Value;

use crate::{
    Outcome,
    capture::python_server,
    platform::{Certificate, LIMIT},
    program::{Running, output},
};

const PORT: &str = "9444";
const STATE: &str = "/tmp/clocks";
const SOCKET: &str = "/tmp/clocks/auditor.sock";
/// Loading the programs takes most of it.
const START: Duration = Duration::from_secs(150);
const LEARNING: Duration = Duration::from_secs(3);
const DAY: i64 = 86_400;

/// Masked ones are counted on over each jump and a restart, nothing gets old by one, and what turns clear is told with the
/// time that the clock says then.
pub(crate) fn masking_clock_jumps() -> Outcome {
    let certificate = Certificate::make()?;
    let server = python_server(PORT, &[&certificate.path])?;
    fs::create_dir_all(STATE)?;
    fs::write(
        "/tmp/clocks/auditor.yaml",
        format!(
            "state_dir: {STATE}\nscope: {{pids: [{}]}}\nserve: {{http: \"127.0.0.1:9480\", socket: {SOCKET}}}\n\
             drift: {{learning_seconds: {}}}\nmasking: {{max_age_days: 30}}\n",
            server.pid(),
            LEARNING.as_secs()
        ),
    )?;
    let daemon = start()?;
    let mut sent = 0;
    let began = Instant::now();
    while sent < 8 || began.elapsed() < LEARNING + Duration::from_secs(2) {
        post(Card::Masked)?;
        sent += 1;
    }
    counted(sent)?;

    set(365 * DAY)?;
    for _ in 0..5 {
        post(Card::Masked)?;
    }
    counted(sent + 5)?;
    ensure!(drifts()?.is_empty(), "a jump is no drift: {:?}", drifts()?);
    post(Card::Clear)?;
    let ahead = told(1)?;
    is_now(&ahead)?;

    set(-366 * DAY)?;
    for _ in 0..5 {
        post(Card::Masked)?;
    }
    post(Card::Clear)?;
    counted(sent + 12)?;
    let leak = wait("the leak to be counted on", || {
        let found = findings()?;
        Ok(found
            .into_iter()
            .find(|finding| finding["kind"] == "leak" && finding["count"] == 2))
    })?;
    is_now(&leak)?;
    ensure!(drifts()?.len() == 1, "it is told once: {:?}", drifts()?);

    // The ledger goes on with what it had.
    end(daemon)?;
    let daemon = start()?;
    counted(sent + 12)?;
    post(Card::Masked)?;
    let coverage = counted(sent + 13)?;
    let ready = output(
        Command::new("curl").args(["-s", "http://127.0.0.1:9480/readyz"]),
        LIMIT,
    )?;
    ensure!(ready.contains(r#""masking":"kept""#), "{ready}");
    end(daemon)?;
    set(DAY)?;
    Ok(format!(
        "{} values in all, ledger {}",
        sent + 13,
        coverage["total"]
    ))
}

#[derive(Clone, Copy)]
enum Card {
    Masked,
    Clear,
}

/// Posts a card to the server; in parts, so that no file holds it.
fn post(card: Card) -> anyhow::Result<()> {
    let number = match card {
        Card::Masked => "544791******0245".to_owned(),
        Card::Clear => format!("{}{}", "54479158", "20360245"),
    };
    let body = format!(r#"{{"card_number":"{number}"}}"#);
    let url = format!("https://127.0.0.1:{PORT}/v1/orders");
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-S",
        "-k",
        "-o",
        "/dev/null",
        "-H",
        "Content-Type: application/json",
    ])
    .args(["-d", &body, &url]);
    output(&mut curl, LIMIT).map(drop)
}

/// Sets the wall clock by so many seconds.
fn set(by: i64) -> anyhow::Result<()> {
    let mut now = clock_gettime(ClockId::Realtime);
    now.tv_sec += by;
    clock_settime(ClockId::Realtime, now).context("cannot set the clock")?;
    // Times of records are compared with it once a second.
    thread::sleep(Duration::from_secs(3));
    Ok(())
}

fn start() -> anyhow::Result<Running> {
    let mut command = Command::new("auditor");
    command
        .args(["run", "--config", "/tmp/clocks/auditor.yaml"])
        .stdout(Stdio::null());
    let running = Running::start(&mut command)?;
    let deadline = Instant::now() + START;
    let ready = ["-s", "-f", "-o", "/dev/null", "http://127.0.0.1:9480/readyz"];
    while !Command::new("curl").args(ready).status()?.success() {
        ensure!(Instant::now() < deadline, "auditor run is not ready");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(running)
}

fn end(mut daemon: Running) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid())?).context("no process")?;
    kill_process(pid, Signal::TERM)?;
    wait("auditor run to end", || Ok(daemon.has_ended()?.then_some(())))
}

/// Until so many values were counted, and not one more.
fn counted(values: u64) -> anyhow::Result<Value> {
    wait(&format!("{values} values to be counted"), || {
        let mut command = Command::new("auditor");
        command.args([
            "coverage",
            "--format",
            "json",
            "--detector",
            "payment_card",
            SOCKET,
        ]);
        let json: Value = serde_json::from_str(&output(&mut command, LIMIT)?)?;
        let of = |name: &str| json["total"][name].as_u64().unwrap_or(0);
        let all = of("protected") + of("clear");
        ensure!(all <= values, "{all} of {values} values: {json}");
        Ok((all == values).then_some(json))
    })
}

fn findings() -> anyhow::Result<Vec<Value>> {
    let mut stream = UnixStream::connect(SOCKET)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"{\"filters\":{},\"last\":1000,\"follow\":false}\n")?;
    let mut findings = Vec::new();
    for line in BufReader::new(stream).lines() {
        findings.push(serde_json::from_str(&line?)?);
    }
    Ok(findings)
}

fn drifts() -> anyhow::Result<Vec<Value>> {
    let mut findings = findings()?;
    findings.retain(|finding| finding["kind"] == "mask_drift");
    Ok(findings)
}

fn told(count: usize) -> anyhow::Result<Value> {
    wait("the drift to be told", || {
        let mut drifts = drifts()?;
        Ok((drifts.len() == count).then(|| drifts.remove(0)))
    })
}

/// All times of a finding are of the last two minutes, as the clock goes now.
fn is_now(finding: &Value) -> anyhow::Result<()> {
    for name in ["time", "first_seen", "last_seen"] {
        let time: Timestamp = finding[name].as_str().unwrap_or_default().parse()?;
        let age = Timestamp::now().duration_since(time).as_secs();
        ensure!((-2..120).contains(&age), "{name} is {age} s ago: {finding}");
    }
    Ok(())
}

fn wait<T>(what: &str, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited for {what}: {:?}", findings().unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(100));
    }
}
