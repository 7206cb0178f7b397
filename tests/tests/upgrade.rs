//! A daemon that is replaced under traffic: what it misses is between what it says at its end and the next one's start.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    findings::field,
    message,
    peers::{PYTHON, Server, program},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::Value;

/// Orders that can be sent: more than are, in the time of the test.
const ORDERS: usize = 2000;

fn orders(scratch: &Scratch) -> anyhow::Result<std::path::PathBuf> {
    let folder = scratch.path("orders");
    fs::create_dir(&folder)?;
    for number in 0..ORDERS {
        let card = values::card();
        let body = format!(r#"{{"{}":{{"card_number":"{card}"}}}}"#, field(0, number));
        fs::write(
            folder.join(number.to_string()),
            message::post_json("/v1/orders", &body),
        )?;
    }
    Ok(folder)
}

/// An order that was sent and answered, and when, in nanoseconds since 1970.
struct Order {
    number: usize,
    before: u128,
    after: u128,
}

fn sent(file: &Path) -> anyhow::Result<Vec<Order>> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [number, before, after] = words[..] else {
            anyhow::bail!("{line}");
        };
        Ok(Order {
            number: number.parse()?,
            before: before.parse()?,
            after: after.parse()?,
        })
    });
    lines.collect()
}

fn now() -> anyhow::Result<u128> {
    Ok(SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_nanos())
}

/// The time in the line of the log that says from when on nothing is watched.
fn blind_since(log: &str) -> anyhow::Result<u128> {
    let word = log
        .split("blind_since=")
        .nth(1)
        .or_else(|| log.split("\"blind_since\":\"").nth(1));
    let word = word.context("the log does not say since when nothing is watched")?;
    let end = word
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(word.len());
    let time: jiff::Timestamp = word[..end].parse()?;
    Ok(u128::try_from(time.as_nanosecond())?)
}

/// Fields of which the journal has a clear card, each with how many findings.
fn found(state: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(state.join("findings.jsonl"))?;
    let mut ids = BTreeSet::new();
    for line in text.lines() {
        let finding: Value = serde_json::from_str(line)?;
        let field = finding["location"]["field"].as_str().unwrap_or_default();
        if finding["detector"] == "payment_card" && finding["kind"] == "leak" {
            ids.insert((finding["id"].to_string(), field.to_owned()));
        }
    }
    Ok(ids.into_iter().map(|(_, field)| field).collect())
}

fn a_restart_misses_only_what_it_says(tls: bool) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = if tls {
        Server::tls(&scratch)?
    } else {
        Server::plain(&scratch)?
    };
    let [gate, stop, out] = ["gate", "stop", "out"].map(|name| scratch.path(name));
    let mut command = Command::new(PYTHON);
    command.arg(program("orders.py")).arg(server.port.to_string());
    command.arg(orders(&scratch)?);
    command.args([&gate, &stop, &out]).args(tls.then_some("tls"));
    let client = Running::start(&mut command)?;
    let daemon = Daemon::start(&scratch, &[client.pid()], &[])?;
    fs::write(&gate, "")?;
    let state = daemon.state.clone();
    let at_least = |count: usize, sent: &str| {
        wait_for(sent, LIMIT, || {
            let lines = fs::read_to_string(&out).unwrap_or_default().lines().count();
            Ok((lines >= count).then_some(lines))
        })
    };
    at_least(40, "orders before")?;
    let first = daemon.stop()?;
    ensure!(first.status.success(), "{}", first.stderr);
    let blind = blind_since(&first.stderr)?;
    let daemon = Daemon::start(&scratch, &[client.pid()], &[])?;
    let again = now()?;
    let so_far = at_least(1, "orders")?;
    at_least(so_far + 100, "orders after")?;
    fs::write(&stop, "")?;
    client.succeed()?;
    thread::sleep(Duration::from_millis(100));
    let second = daemon.stop()?;
    ensure!(second.status.success(), "{}", second.stderr);

    let found = found(&state)?;
    let once: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let (mut seen, mut missed, mut window) = ([0, 0], Vec::new(), 0);
    for order in sent(&out)? {
        let is_found = once.contains(format!("$.{}.card_number", field(0, order.number)).as_str());
        let side = match (order.after < blind, order.before > again) {
            (true, _) => 0,
            (_, true) => 1,
            _ => {
                window += usize::from(!is_found);
                continue;
            }
        };
        if is_found {
            seen[side] += 1;
        } else {
            missed.push(order.number);
        }
    }
    println!(
        "{} ms blind: {} found before, {} after, {window} missed in between",
        (again - blind) / 1_000_000,
        seen[0],
        seen[1]
    );
    ensure!(missed.is_empty(), "missed outside of the window: {missed:?}");
    ensure!(seen[0] >= 20 && seen[1] >= 50, "{seen:?}");
    ensure!(once.len() == found.len(), "some were reported twice: {found:?}");
    Ok(())
}

#[test]
fn a_restart_misses_only_what_it_says_in_clear() -> anyhow::Result<()> {
    a_restart_misses_only_what_it_says(false)
}

#[test]
fn a_restart_misses_only_what_it_says_over_tls() -> anyhow::Result<()> {
    a_restart_misses_only_what_it_says(true)
}
