//! `auditor run`: the daemon.
//!
//! Goes in: a configuration. Comes out: findings in the journal and on the live socket, metrics,
//! health. It ends on SIGINT or SIGTERM: probes are detached first, then everything that was
//! captured is reported.

pub(super) mod confine;
mod keep;
mod masking;
mod policies;
mod reload;
mod server;
mod sinks;
mod supervisor;

pub(super) use masking::targets as masking_targets;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, atomic::Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use auditor_common::scope::MAX_NAMES;
use jiff::{SignedDuration, Timestamp};

use self::reload::Reload;
use self::server::Server;
use super::engine;
use crate::capture::support::SocketTier;
use crate::capture::tls::Placement;
use crate::config::{Config, DEFAULT_FILE, Effective, Enabled, Runtimes, States};
use crate::identity::{
    self,
    container::{ANSWERS, Containers},
    kubernetes::{Kubernetes, Watches, directory::Kind, policies::PolicyObjects},
    mesh::Mesh,
    names::{Names, Pods},
};
use crate::ledger::ByteLedger;
use crate::pipeline::reporter::Reporter;
use crate::pipeline::{Exclusion, Naming, Options, Selection, Session, Shared, Totals};
use crate::policy::Judge;
use crate::policy::objects::Objects;
use crate::report::aggregate::Settings;
use crate::report::finding::{End, Finding, IdentifiedBy};
use crate::report::shortfall::{Counted, Shortfall};
use crate::serve::health::Health;
use crate::serve::hub::{self, Hub};
use crate::serve::metrics::Metrics;
use crate::vital;

/// How often the main thread looks at the clock.
const TICK: Duration = Duration::from_millis(20);

/// How often metrics that are totals elsewhere are brought up to date.
const REFRESH: Duration = Duration::from_secs(1);

/// How long sinks may take to write what waits at the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `auditor run`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Configuration file [default: /etc/auditor/config.yaml, if there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key over file and environment, such as serve.http=127.0.0.1:9999
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Create this file once everything is attached
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// A bad configuration, an address or socket in use, missing privileges.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (effective, file) = load_config(args.config.as_deref(), &args.set)?;
    let config = effective.config.clone();
    engine::forbid_core_dumps()?;
    let confined = confine::give_up();
    tracing::info!(%confined, "privileges that are not needed are given up");
    let stop = engine::stop_signal()?;
    let mut reload = Reload::new(file, args.set.clone(), effective, engine::reload_signal()?);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.state_dir)
        .with_context(|| format!("cannot create the state folder {}", config.state_dir.display()))?;

    // What can be refused is tried before anything is attached.
    let ledger = Arc::new(ByteLedger::default());
    let metrics = Arc::new(Metrics::new(Arc::clone(&ledger), config.serve.max_series)?);
    let health = Arc::new(Health::default());
    let hub = Arc::new(Hub::new(hub::Limits {
        history: config.serve.history,
        ..hub::Limits::default()
    }));
    let server = Server::start(&config, &metrics, &health, &hub)?;
    let mut sinks = sinks::Sinks::start(&config)?;
    let objects = Arc::new(Objects::default());
    let cluster = kubernetes(&config, &objects)?;
    let kubernetes = cluster.as_ref().map(|(kubernetes, _)| Arc::clone(kubernetes));
    let api = kubernetes
        .clone()
        .filter(|kubernetes| kubernetes.status.has_policies());
    let api = api.map(|kubernetes| policies::Api { objects, kubernetes });
    let policies = policies::follow(&config, api, &metrics, &health, &stop)?;
    let judge = Judge::new(Arc::clone(&policies.live));
    let scanner = engine::scanner(Some(&config.key_file()), true, &config.detectors)?;
    let descriptors = engine::descriptors(&config.content.descriptors, config.content.reflection)?;

    let mut scope = engine::scope(
        config.scope.is_node(),
        &config.scope.pids,
        config.scope.cgroups.iter().map(|path| path.display().to_string()),
        &config.scope.containers,
    )?;
    scope.choice = config.scope.choice()?;
    let started = Timestamp::now();
    let session = Session::start(Options {
        scope,
        ring_bytes: u32::try_from(config.capture.ring_bytes).context("capture.ring_bytes")?,
        max_call_bytes: u32::try_from(config.capture.max_call_bytes).context("capture.max_call_bytes")?,
        max_message_bytes: u32::try_from(config.capture.max_message_bytes)
            .context("capture.max_message_bytes")?,
        tier: SocketTier::from_name(&config.capture.socket_hook),
        placement: Placement::Chosen,
        exclusion: exclusion(&config.scope.exclude)?,
        excludes_others: true,
        selection: selection(&config.capture.leave_out)?,
        live: Arc::clone(&policies.live),
        programs: Vec::new(),
        detach_after: Duration::from_secs(config.capture.detach_after_seconds),
        naming: naming(&config, kubernetes.clone())?.with_mesh(mesh(&config.identity.mesh.proxies)?),
        kubernetes,
        conntrack: engine::conntrack(config.identity.conntrack)?,
        scanner,
        descriptors,
        ledger,
        metrics: Arc::clone(&metrics),
        cpu_percent: config.limits.cpu_percent,
    })?;
    session.start_no_more_children();
    if let Err(error) = confine::refuse_system_calls() {
        tracing::warn!(%error, "system calls that are not needed stay possible");
    }
    health.follow(Arc::clone(&session.shared.rounds));
    health.set_attached(true);
    supervisor::is_ready();
    tracing::info!(socket_hook = session.tier.name(), "watching");
    if let Some(path) = &args.ready_file {
        std::fs::write(path, "").with_context(|| format!("cannot create {}", path.display()))?;
    }

    let mut reporter = Reporter::new(settings(&config), judge, Arc::clone(&session.shared));
    let masking = masking::Masking::start(&config, &session.shared.ledger, &hub)?;
    reporter.count_in(masking.book());
    let mut keeper = keep::Keeper::load(config.state_dir.join("sketches"), &mut reporter);
    let mut shortfall = Shortfall::default();
    let mut interval = Duration::from_secs(u64::from(config.report.interval_seconds));
    let mut refreshed: Option<Instant> = None;
    let mut supervised = supervisor::Supervised::default();
    let publish = |findings: Vec<Finding>, sinks: &mut sinks::Sinks| {
        for mut finding in findings {
            sinks.sign(&mut finding);
            sinks.write(&finding);
            hub.publish(finding);
        }
    };
    while !stop.load(Ordering::Acquire) && vital::check().is_ok() {
        vital::may_fail();
        if let Ok(seen) = session.observations.recv_timeout(TICK) {
            publish(reporter.take(seen), &mut sinks);
            while let Ok(seen) = session.observations.try_recv() {
                publish(reporter.take(seen), &mut sinks);
            }
        }
        publish(reporter.due(), &mut sinks);
        keeper.due(&reporter);
        health.beat();
        if refreshed.is_none_or(|at| at.elapsed() > REFRESH) {
            refreshed = Some(Instant::now());
            supervised.tell(&health);
            if let Some(config) = reload.due(&metrics, &health) {
                reporter.set(settings(&config));
                policies.set(&config);
                masking.set(&config);
                interval = Duration::from_secs(u64::from(config.report.interval_seconds));
                session.shared.ceiling.set(config.limits.cpu_percent);
                // What can not be read was refused before.
                session
                    .shared
                    .selection
                    .set(selection(&config.capture.leave_out)?);
                session.exclude(exclusion(&config.scope.exclude)?);
            }
            refresh(&metrics, &session);
            let told = shortfall.look(left_out(&session.shared), interval, || shedding(&session.shared));
            publish(told.into_iter().collect(), &mut sinks);
            sinks.show(&metrics);
            masking.show(&metrics, &health);
            identity(
                cluster.as_ref().map(|(kubernetes, _)| &**kubernetes),
                session
                    .shared
                    .naming
                    .names
                    .containers()
                    .map(|containers| &**containers),
                &metrics,
                &health,
            );
        }
    }

    if let Err(lost) = vital::check() {
        tracing::error!(thread = lost.name(), "auditor ends, to be started anew");
        health.set_lost(lost.name());
        vital::end_soon();
    }
    health.set_attached(false);
    supervisor::ends();
    let blind_since = Timestamp::now();
    let (hooked, shared) = session.stop(|seen| publish(reporter.take(seen), &mut sinks));
    let mut last = reporter.finish();
    last.extend(shortfall.finish(left_out(&shared), || shedding(&shared)));
    for finding in &mut last {
        sinks.sign(finding);
        hub.publish(finding.clone());
    }
    let written = sinks.close(&last, PATIENCE);
    keeper.finish(&reporter);
    masking.finish();
    server.stop();
    let summary = engine::summary(started, &reporter, &shared, hooked, None);
    tracing::warn!(%blind_since, account = %serde_json::to_string(&summary.account)?, "stopped; nothing is watched from here on");
    vital::check()?;
    if !written {
        bail!("a sink did not take the last findings (see the log)");
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether what sending findings takes can be used.
pub(super) fn check_sinks(config: &Config) -> anyhow::Result<()> {
    sinks::check(config)
}

/// What there was no room for so far.
fn left_out(shared: &Shared) -> Counted {
    Counted::of(&shared.ledger, shared.ceiling.rested())
}

/// Who sent or received most of it.
fn shedding(shared: &Shared) -> Option<End> {
    let process = shared.peers.processes.of(shared.shed.most()?);
    let mut end = identity::local_end(&process, None, IdentifiedBy::Cgroup);
    shared.naming.names.name(&mut end);
    Some(end)
}

/// Of this file, or else of the usual one if it is there.
pub(super) fn load_config(
    file: Option<&Path>,
    set: &[(String, String)],
) -> anyhow::Result<(Effective, Option<PathBuf>)> {
    let default = Path::new(DEFAULT_FILE);
    let file = file.or_else(|| default.exists().then_some(default));
    let flags: Vec<(&str, String)> = set
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    Ok((
        Effective::load(file, std::env::vars(), &flags)?,
        file.map(Path::to_owned),
    ))
}

/// Of the reporter.
fn settings(config: &Config) -> Settings {
    Settings {
        min_confidence: config.detect.min_confidence.into(),
        all_states: config.detect.states == States::All,
        max_live: config.report.max_live,
        interval: SignedDuration::from_secs(i64::from(config.report.interval_seconds)),
    }
}

/// The names of the cluster that this host is part of, if it is.
fn kubernetes(config: &Config, objects: &Arc<Objects>) -> anyhow::Result<Option<(Arc<Kubernetes>, Watches)>> {
    let wanted = &config.identity.kubernetes;
    let is_used = match wanted.enabled {
        Enabled::True => true,
        Enabled::False => false,
        Enabled::Auto => wanted.kubeconfig.is_some() || identity::kubernetes::is_in_cluster(),
    };
    if !is_used {
        if config.policy.kubernetes == Enabled::True {
            bail!("policy.kubernetes is true, and no cluster is followed: set identity.kubernetes");
        }
        return Ok(None);
    }
    let follows_policies = config.policy.kubernetes != Enabled::False;
    let started = Kubernetes::start(&identity::kubernetes::Settings {
        kubeconfig: wanted.kubeconfig.clone(),
        node_name: wanted.node_name(),
        labels: labels(config)?,
        trust_domain: config.identity.trust_domain.clone(),
        policies: follows_policies.then(|| Arc::<Objects>::clone(objects) as Arc<dyn PolicyObjects>),
    });
    Ok(Some(started?))
}

/// The labels that findings carry: those that are asked for, and those that selectors of the scope ask for.
fn labels(config: &Config) -> anyhow::Result<Vec<String>> {
    let mut labels = config.identity.labels.clone();
    labels.extend(config.scope.choice()?.labels());
    labels.sort();
    labels.dedup();
    Ok(labels)
}

/// How well names are known: of containers by their runtimes, and of the cluster.
fn identity(
    kubernetes: Option<&Kubernetes>,
    containers: Option<&Containers>,
    metrics: &Metrics,
    health: &Health,
) {
    let runtimes = containers.map(Containers::runtimes).unwrap_or_default();
    let pending = containers.map_or(0, Containers::pending);
    let answers = runtimes
        .iter()
        .map(|(socket, state)| (&**socket, *state == ANSWERS));
    metrics.set_runtimes(answers);
    metrics.set_names_pending(pending);
    let is_whole = runtimes.values().all(|state| *state == ANSWERS)
        && kubernetes.is_none_or(|kubernetes| kubernetes.status.is_whole());
    health.set_identity(match kubernetes {
        _ if !is_whole => "degraded",
        Some(_) => "kubernetes",
        None => "local",
    });
    health.set_runtimes(runtimes, pending);
    let Some(kubernetes) = kubernetes else {
        return;
    };
    let status = &kubernetes.status;
    health.set_watches(status.states());
    for (kind, age) in status.ages() {
        metrics.set_watcher_age(kind, age);
    }
    for (kind, reason, total) in status.failures() {
        metrics.watcher_failures_so_far(kind, reason, total);
    }
    for kind in Kind::ALL {
        metrics.set_watcher_objects(kind.name(), kubernetes.directory.count(kind));
    }
    metrics.lost_so_far("identity", "full", kubernetes.directory.overflow());
}

/// The rules of `capture.leave_out`.
pub(super) fn selection(rules: &[String]) -> anyhow::Result<Selection> {
    let rules: Result<Vec<_>, _> = rules.iter().map(|rule| rule.parse()).collect();
    Ok(Selection::new(rules.context("capture.leave_out")?))
}

/// The programs of `scope.exclude`.
pub(super) fn exclusion(programs: &[String]) -> anyhow::Result<Exclusion> {
    let exclusion = Exclusion::new(programs.iter().cloned());
    if !exclusion.has_room() {
        bail!("scope.exclude: more than {MAX_NAMES} names or more than {MAX_NAMES} paths");
    }
    Ok(exclusion)
}

/// The rules of `identity.mesh.proxies`.
pub(super) fn mesh(proxies: &[String]) -> anyhow::Result<Mesh> {
    let proxies: Result<Vec<_>, _> = proxies.iter().map(|proxy| proxy.parse()).collect();
    Ok(Mesh::new(proxies.context("identity.mesh.proxies")?))
}

/// Who is asked for names, by `identity`.
fn naming(config: &Config, kubernetes: Option<Arc<Kubernetes>>) -> anyhow::Result<Naming> {
    let identity = &config.identity;
    let patience = Duration::from_secs(identity.wait_seconds);
    if identity.runtimes == Runtimes::Off {
        return Ok(Naming {
            names: Names::new(None, kubernetes.map(|kubernetes| kubernetes as Arc<dyn Pods>)),
            patience,
        });
    }
    let sockets: Result<Vec<_>, _> = identity.sockets.iter().map(|socket| socket.parse()).collect();
    engine::naming(
        sockets.context("identity.sockets")?,
        labels(config)?,
        patience,
        kubernetes,
    )
}

fn refresh(metrics: &Metrics, session: &Session) {
    let totals = &session.shared.totals;
    metrics.lost_so_far("ring", "control_record", Totals::get(&totals.control_lost));
    metrics.lost_so_far("tls", "call_without_entry", Totals::get(&totals.tls_calls_lost));
    metrics.lost_so_far("kernel", "map_full", Totals::get(&totals.map_full));
    metrics.ahead_so_far(Totals::get(&totals.ahead));
    metrics.rested_so_far(session.shared.ceiling.rested());
    metrics.undecided_bytes_so_far(Totals::get(&totals.undecided_bytes));
    metrics.lost_so_far("kernel", "program_busy", Totals::get(&totals.left_out));
    metrics.events_so_far("capture", Totals::get(&totals.records));
    metrics.events_so_far("detect", Totals::get(&totals.documents));
    for tally in session.shared.protocols.tallies() {
        metrics.protocol_so_far(tally.protocol, tally.bytes, tally.lost_sync);
    }
    for (method, total) in [
        ("nested", &totals.bound_nested),
        ("adjacent", &totals.bound_adjacent),
        ("descriptor", &totals.bound_descriptor),
        ("ambiguous", &totals.bind_ambiguous),
        ("conflict", &totals.bind_conflict),
        ("unbound", &totals.unbound),
    ] {
        metrics.bindings_so_far(method, Totals::get(total));
    }
    if let Some(conntrack) = &session.shared.peers.conntrack {
        for (outcome, total) in conntrack.counts() {
            metrics.conntrack_lookups_so_far(outcome.name(), total);
        }
    }
    let mut files: Vec<(&'static str, String)> = session
        .hooked()
        .into_iter()
        .map(|hook| (hook.library, hook.path))
        .collect();
    files.sort();
    files.dedup();
    for library in crate::capture::tls::Library::ALL {
        let count = files.iter().filter(|(name, _)| *name == library.name()).count();
        metrics.set_attached(library.name(), count);
    }
}

pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("it must be KEY=VALUE".to_owned()),
    }
}
