//! Nine servers at once, under load, and one auditor: every byte is accounted, and each server's leak is found.

use std::time::Duration;

use anyhow::ensure;
use auditor_tests::mixed::Mixed;

#[test]
fn half_a_minute_of_all_servers_at_once_is_accounted_to_the_byte() -> anyhow::Result<()> {
    let outcome = Mixed::start()?.watch(Duration::from_secs(30))?;
    println!("{}", outcome.account());
    outcome.judged()?;
    ensure!(
        outcome.report.bytes("tls", "scanned") > 0,
        "nothing was scanned: {}",
        outcome.account()
    );
    Ok(())
}
