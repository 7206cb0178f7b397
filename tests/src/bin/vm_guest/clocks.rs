//! The daemon while somebody sets the clock: a year ahead, and back again.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use auditor_tests::process::{memory, swappable};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime, clock_settime};
use serde_json::Value;

use crate::{
    Outcome,
    masking::{Card, Client, Shop, coverage, ready, values_of},
};

const LEARNING: Duration = Duration::from_secs(3);
const DAY: i64 = 86_400;
const STATE: &str = "/tmp/clocks/state";

/// Masked values are counted on over each jump, nothing gets old by one, what turns clear is told with the time that the
/// clock says then, and all of it is in the file.
pub(crate) fn masking_clock_jumps() -> Outcome {
    let shop = Shop::open("/tmp/clocks", STATE, LEARNING)?;
    let daemon = shop.watch()?;
    let mut client = Client::start()?;
    client.post(Card::Masked)?;
    shop.counted(1)?;
    let locked = is_locked(daemon.pid())?;
    let mut sent = 1;
    // A field is learnt from its first value on, which takes seconds to come where machines are slow.
    let began = Instant::now();
    while sent < 8 || began.elapsed() < LEARNING + Duration::from_secs(2) {
        client.post(Card::Masked)?;
        sent += 1;
    }
    shop.counted(sent)?;

    set(365 * DAY)?;
    sent = follow(&shop, &mut client, sent)?;
    let drifts = shop.drifts()?;
    ensure!(drifts.is_empty(), "a jump is no drift: {drifts:?}");
    client.post(Card::Clear)?;
    let told = shop.wait("the drift to be told", || Ok(shop.drifts()?.pop()))?;
    let since = Instant::now();
    is_now(&told)?;

    set(-366 * DAY)?;
    sent = follow(&shop, &mut client, sent + 1)?;
    client.post(Card::Clear)?;
    sent += 1;
    shop.counted(sent)?;
    let leak = shop.wait("the leak to be counted on", || {
        let mut found = shop.findings()?;
        found.retain(|finding| finding["detector"] == "payment_card" && finding["kind"] == "leak");
        found.retain(|finding| finding["count"] == 2);
        Ok(found.pop())
    })?;
    is_now(&leak)?;
    // It is told once, unless half a minute of the daemon's time passed in between.
    let most = 1 + usize::from(since.elapsed() > Duration::from_secs(25));
    let drifts = shop.drifts()?;
    ensure!(drifts.len() <= most, "it is told again: {drifts:?}");
    let page = ready()?;
    ensure!(page["masking"] == "kept", "{page}");
    shop.end(daemon)?;
    set(DAY)?;
    let kept = coverage(&format!("{STATE}/masking.redb"))?;
    ensure!(values_of(&kept) == sent, "{sent} values sent: {}", kept["total"]);
    Ok(format!(
        "{sent} values in all, each once; {} KiB of memory locked",
        locked >> 10
    ))
}

/// Bytes of a daemon that has payloads in memory, all of which is kept out of swap: here nobody limits what it may lock.
fn is_locked(pid: u32) -> anyhow::Result<u64> {
    let locked = memory(pid, "VmLck:")?;
    ensure!(locked > 0, "no memory is locked");
    let swappable = swappable(pid)?;
    ensure!(swappable.is_empty(), "may be swapped: {swappable:?}");
    Ok(locked)
}

/// Sets the wall clock by so many seconds.
fn set(by: i64) -> anyhow::Result<()> {
    let mut now = clock_gettime(ClockId::Realtime);
    now.tv_sec += by;
    clock_settime(ClockId::Realtime, now).context("cannot set the clock")
}

/// Until findings have the time that the clock says now: the daemon looks at it once a second, and later on a machine
/// that is busy. Then one masked value more is counted, under that time.
fn follow(shop: &Shop, client: &mut Client, before: u64) -> anyhow::Result<u64> {
    shop.wait("the clock to be followed", || {
        client.post_note()?;
        for finding in shop.findings()? {
            if finding["detector"] == "email_address" && is_of_now(&finding["last_seen"])? {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })?;
    client.post(Card::Masked)?;
    let sent = before + 1;
    let coverage = shop.counted(sent)?;
    let last_seen = &coverage["fields"][0]["last_seen"];
    ensure!(is_of_now(last_seen)?, "last_seen is not of now: {coverage}");
    Ok(sent)
}

/// A time of the last two minutes, as the clock goes now.
fn is_of_now(time: &Value) -> anyhow::Result<bool> {
    let time: Timestamp = time.as_str().unwrap_or_default().parse()?;
    let age = Timestamp::now().duration_since(time).as_secs();
    Ok((-2..120).contains(&age))
}

/// So are all of a finding.
fn is_now(finding: &Value) -> anyhow::Result<()> {
    for name in ["time", "first_seen", "last_seen"] {
        ensure!(is_of_now(&finding[name])?, "{name} is not of now: {finding}");
    }
    Ok(())
}
