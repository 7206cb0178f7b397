//! The policies of the daemon, as their files and the objects of the API server change.
//!
//! Goes in: the configuration, and what the API server tells. Comes out: [`Live`] policies, and their state in metrics
//! and health. A thread of its own reads and compiles them, so that a disk that hangs stops nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::config::Config;
use crate::identity::kubernetes::Kubernetes;
use crate::identity::kubernetes::directory::Kind;
use crate::policy::Live;
use crate::policy::load::Places;
use crate::policy::names::Names;
use crate::policy::objects::Objects;
use crate::policy::source::{Source, Told};
use crate::serve::health::Health;
use crate::serve::metrics::Metrics;
use crate::vital;

/// How often files are read again.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is asked whether there is something new of the API server.
const GLANCE: Duration = Duration::from_millis(100);
/// How long the start waits for the first lists of the API server.
const LISTS: Duration = Duration::from_secs(5);
/// The last good policies, in the state folder.
const KEPT: &str = "policy.json";

/// Policies of the API server: what it told, and how well it tells.
#[derive(Clone)]
pub(super) struct Api {
    pub objects: Arc<Objects>,
    pub kubernetes: Arc<Kubernetes>,
}

impl Api {
    fn told(&self) -> Told {
        let states = self.kubernetes.status.states();
        let is_right = |kind: &Kind| states.get(kind.name()) == Some(&"watching");
        match Kind::POLICIES.iter().all(is_right) {
            true => Told::All,
            false => Told::Before,
        }
    }
}

/// Where the configuration says that policies are.
fn places(config: &Config) -> Places {
    Places {
        paths: config.policy.files.clone(),
        presets: config.policy.presets.clone(),
    }
}

/// Policies in force, and the way to the thread that reads them.
pub(super) struct Followed {
    pub live: Arc<Live>,
    places: Sender<Places>,
}

impl Followed {
    /// Takes over where the configuration says now that policies are.
    pub(super) fn set(&self, config: &Config) {
        // A thread that has ended reads no policies of before either, and said so.
        let _ = self.places.send(places(config));
    }
}

/// Reads the policies, and again and again until `stop`.
///
/// # Errors
/// When files cannot be used, and none are kept of before.
pub(super) fn follow(
    config: &Config,
    cluster: Option<Api>,
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Followed> {
    let objects = cluster.as_ref().map(|cluster| {
        cluster.kubernetes.wait_for_policies(LISTS);
        (Arc::clone(&cluster.objects), cluster.told())
    });
    let mut source = Source::start(
        places(config),
        Names::new(&config.detectors),
        config.state_dir.join(KEPT),
        objects,
    )
    .context("policies are refused, and there are none of before")?;
    let live = Arc::clone(source.live());
    show(&source, metrics, health);
    count(cluster.as_ref(), metrics);
    let (sender, changed): (_, Receiver<Places>) = unbounded();
    let (metrics, health, stop) = (Arc::clone(metrics), Arc::clone(health), Arc::clone(stop));
    let watch = move || {
        let mut looked = Instant::now();
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(GLANCE);
            vital::may_fail();
            let mut is_new = cluster
                .as_ref()
                .is_some_and(|cluster| source.poll_objects(cluster.told()));
            for places in changed.try_iter() {
                is_new |= source.set_places(places);
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                is_new |= source.poll();
            }
            if is_new {
                show(&source, &metrics, &health);
                count(cluster.as_ref(), &metrics);
            }
        }
    };
    vital::spawn("policy", watch).context("cannot start the thread that reads policies")?;
    Ok(Followed { live, places: sender })
}

fn count(cluster: Option<&Api>, metrics: &Metrics) {
    if let Some(cluster) = cluster {
        for kind in Kind::POLICIES {
            metrics.set_watcher_objects(kind.name(), cluster.objects.count(kind));
        }
    }
}

fn show(source: &Source, metrics: &Metrics, health: &Health) {
    let policies = source.live().current();
    let state = source.state().name();
    let in_force: Vec<_> = source.in_force().collect();
    metrics.set_policies(
        in_force
            .iter()
            .map(|one| (one.policy.as_str(), one.source, one.state.name())),
    );
    let refused: Vec<_> = source
        .refused()
        .map(|(policy, reason)| (policy, reason.name()))
        .collect();
    metrics.set_refused_policies(refused.iter().map(|(_, reason)| *reason), source.overflow());
    health.set_policy(state, &policies.version);
    health.set_refused_policies(&refused, source.overflow());
}
