//! The daemon while somebody sets the clock: a year ahead, and back again.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime, clock_settime};
use serde_json::Value;

use crate::{
    Outcome,
    masking::{Card, Shop, post, ready},
};

const LEARNING: Duration = Duration::from_secs(3);
const DAY: i64 = 86_400;

/// Masked values are counted on over each jump and a restart, nothing gets old by one, and what turns clear is told with
/// the time that the clock says then.
pub(crate) fn masking_clock_jumps() -> Outcome {
    let shop = Shop::open("/tmp/clocks", "/tmp/clocks/state", LEARNING)?;
    let daemon = shop.watch()?;
    let mut sent = 0;
    let began = Instant::now();
    while sent < 8 || began.elapsed() < LEARNING + Duration::from_secs(2) {
        post(Card::Masked)?;
        sent += 1;
    }
    shop.counted(sent)?;

    set(365 * DAY)?;
    for _ in 0..5 {
        post(Card::Masked)?;
    }
    shop.counted(sent + 5)?;
    let drifts = shop.drifts()?;
    ensure!(drifts.is_empty(), "a jump is no drift: {drifts:?}");
    post(Card::Clear)?;
    let told = shop.wait("the drift to be told", || Ok(shop.drifts()?.pop()))?;
    is_now(&told)?;

    set(-366 * DAY)?;
    for _ in 0..5 {
        post(Card::Masked)?;
    }
    post(Card::Clear)?;
    shop.counted(sent + 12)?;
    let leak = shop.wait("the leak to be counted on", || {
        let mut found = shop.findings()?;
        found.retain(|finding| finding["kind"] == "leak" && finding["count"] == 2);
        Ok(found.pop())
    })?;
    is_now(&leak)?;
    let drifts = shop.drifts()?;
    ensure!(drifts.len() == 1, "it is told once: {drifts:?}");

    // The ledger goes on with what it had.
    shop.end(daemon)?;
    let daemon = shop.watch()?;
    shop.counted(sent + 12)?;
    post(Card::Masked)?;
    let coverage = shop.counted(sent + 13)?;
    let page = ready()?;
    ensure!(page["masking"] == "kept", "{page}");
    shop.end(daemon)?;
    set(DAY)?;
    Ok(format!(
        "{} values in all, ledger {}",
        sent + 13,
        coverage["total"]
    ))
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

/// All times of a finding are of the last two minutes, as the clock goes now.
fn is_now(finding: &Value) -> anyhow::Result<()> {
    for name in ["time", "first_seen", "last_seen"] {
        let time: Timestamp = finding[name].as_str().unwrap_or_default().parse()?;
        let age = Timestamp::now().duration_since(time).as_secs();
        ensure!((-2..120).contains(&age), "{name} is {age} s ago: {finding}");
    }
    Ok(())
}
