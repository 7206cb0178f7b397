//! Three minutes in which everything around the daemon goes wrong.

use std::time::Duration;

use auditor_tests::{chaos::Chaos, scratch::Scratch};

#[test]
fn nothing_is_lost_doubled_or_leaked_while_everything_around_goes_wrong() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let outcome = Chaos::start(&scratch)?.run(Duration::from_secs(165), 3)?;
    println!("{outcome}");
    Ok(())
}
