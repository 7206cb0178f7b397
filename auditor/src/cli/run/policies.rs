//! The policies of the daemon, as their files change.
//!
//! Goes in: the configuration. Comes out: [`Live`] policies, and their state in metrics and health.
//! A thread of its own reads the files, so that a disk that hangs stops nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::policy::Live;
use crate::policy::load::Places;
use crate::policy::names::Names;
use crate::policy::source::Source;
use crate::serve::health::Health;
use crate::serve::metrics::Metrics;

/// How often files are read again.
const LOOK: Duration = Duration::from_millis(500);
/// The last good policies, in the state folder.
const KEPT: &str = "policy.json";

/// Reads the policies, and again and again until `stop`.
///
/// # Errors
/// When they cannot be used, and none are kept of before.
pub(super) fn follow(
    config: &Config,
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Arc<Live>> {
    let places = Places {
        paths: config.policy.files.clone(),
        presets: config.policy.presets.clone(),
    };
    let is_empty = places.is_empty();
    let mut source = Source::start(places, Names::new(&config.detectors), config.state_dir.join(KEPT))
        .context("policies are refused, and there are none of before")?;
    let live = Arc::clone(source.live());
    show(&source, metrics, health);
    if is_empty {
        return Ok(live);
    }
    let (metrics, health, stop) = (Arc::clone(metrics), Arc::clone(health), Arc::clone(stop));
    let watch = move || {
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(LOOK);
            if source.poll() {
                show(&source, &metrics, &health);
            }
        }
    };
    std::thread::Builder::new()
        .name("policy".to_owned())
        .spawn(watch)
        .context("cannot start the thread that reads policies")?;
    Ok(live)
}

fn show(source: &Source, metrics: &Metrics, health: &Health) {
    let policies = source.live().current();
    let state = source.state().name();
    metrics.set_policies(policies.documents.keys().map(String::as_str), state);
    health.set_policy(state, &policies.version);
}
