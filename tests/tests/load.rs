//! Servers at saturation: what can not be scanned is shed and accounted, and the daemon stays small.

use std::time::Duration;

use auditor_tests::load::Load;

#[test]
fn at_saturation_nothing_is_lost_in_silence_and_memory_is_bounded() -> anyhow::Result<()> {
    for tls in [false, true] {
        let load = Load {
            tls,
            time: Duration::from_secs(15),
            connections: 32,
            environment: &[],
        };
        let outcome = load.run()?;
        println!("{outcome}");
        outcome.judged()?;
    }
    Ok(())
}
