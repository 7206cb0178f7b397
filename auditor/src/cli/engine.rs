//! What `watch` and `run` have in common: options to a running session, and a session to a
//! summary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::capture::attach::Hooked;
use crate::capture::scope;
use crate::config::Tracking;
use crate::content::protobuf::{self, Registry};
use crate::detect::own::Definition;
use crate::detect::{Fingerprinter, Scanner};
use crate::identity::conntrack::{Conntrack, Place};
use crate::identity::container::{self, Containers, Socket};
use crate::identity::kubernetes::{self, Kubernetes, Watches};
use crate::identity::names::{Names, Pods};
use crate::pipeline::{Naming, Scope, Shared, Totals, reporter::Reporter};
use crate::policy::compile::Policies;
use crate::policy::load::Places;
use crate::policy::{Judge, Live, names, source};
use crate::report::summary::{
    Accounts, Attached, Bindings, Chosen, CommandStatus, Descriptors, Loss, Merged, ProtocolTally, SCHEMA,
    Summary,
};
use crate::vital;

/// A scanner whose fingerprints use the key in `path`, or a new one; it knows `own` detectors too.
pub(super) fn scanner(path: Option<&Path>, create: bool, own: &[Definition]) -> anyhow::Result<Scanner> {
    let fingerprinter = match path {
        Some(path) => Fingerprinter::from_file(path, create)?,
        None => Fingerprinter::random()?,
    };
    Ok(Scanner::with_own(fingerprinter, own)?)
}

/// What the descriptor sets in these files say of protobuf messages; with what peers say of them, if `learns`.
pub(super) fn descriptors(files: &[PathBuf], learns: bool) -> anyhow::Result<Arc<Registry>> {
    Ok(Arc::new(Registry::new(protobuf::read(files)?, learns)))
}

/// A judge by the policies of files, folders and presets; without any, one that allows nothing.
pub(super) fn judge(files: &[PathBuf], presets: &[String], own: &[Definition]) -> anyhow::Result<Judge> {
    Ok(Judge::new(Live::new(policies(files, presets, own)?).into()))
}

/// The policies of files, folders and presets.
pub(super) fn policies(
    files: &[PathBuf],
    presets: &[String],
    own: &[Definition],
) -> anyhow::Result<Policies> {
    let places = Places {
        paths: files.to_vec(),
        presets: presets.to_vec(),
    };
    if places.is_empty() {
        return Ok(Policies::none());
    }
    Ok(source::load(&places, names::Names::new(own), Timestamp::now())?)
}

/// Who is asked for names: the runtimes on these sockets, or in the usual places, and the cluster.
pub(super) fn naming(
    sockets: Vec<Socket>,
    labels: impl IntoIterator<Item = String>,
    patience: Duration,
    kubernetes: Option<Arc<Kubernetes>>,
) -> anyhow::Result<Naming> {
    let containers = Containers::start(container::Settings {
        sockets: (!sockets.is_empty()).then_some(sockets),
        labels: labels.into_iter().collect(),
    });
    let containers = containers.context("cannot start the thread that asks container runtimes")?;
    Ok(Naming {
        names: Names::new(
            Some(Arc::new(containers)),
            kubernetes.map(|kubernetes| kubernetes as Arc<dyn Pods>),
        ),
        patience,
    })
}

/// Connection tracking, where it is to be asked and can be.
pub(super) fn conntrack(tracking: Tracking) -> anyhow::Result<Option<Conntrack>> {
    match tracking {
        Tracking::Off => Ok(None),
        Tracking::Own => Ok(Some(
            Conntrack::start(Place::Own).context("connection tracking can not be asked")?,
        )),
        Tracking::Auto => match Conntrack::start(Place::Host) {
            Ok(conntrack) => Ok(Some(conntrack)),
            Err(why) => {
                tracing::info!(%why, "connection tracking is not asked: translated addresses are named by themselves");
                Ok(None)
            }
        },
    }
}

/// How long a command waits for the first lists of a cluster.
pub(super) const LISTS: Duration = Duration::from_secs(15);

/// The names of a cluster, for a command that a person runs: returns once they are known.
pub(super) fn cluster(kubeconfig: &Path, labels: &[String]) -> anyhow::Result<(Arc<Kubernetes>, Watches)> {
    let started = Kubernetes::start(&kubernetes::Settings {
        kubeconfig: Some(kubeconfig.to_owned()),
        node_name: std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty()),
        labels: labels.to_vec(),
        trust_domain: None,
        policies: None,
    })?;
    started.0.wait_for_lists(LISTS);
    if !started.0.status.is_whole() {
        tracing::warn!(states = ?started.0.status.states(), "not all of the cluster is known: names may be missing");
    }
    Ok(started)
}

/// Resolves what the user named.
pub(super) fn scope(
    node: bool,
    pids: &[u32],
    cgroups: impl IntoIterator<Item = String>,
    containers: &[String],
) -> anyhow::Result<Scope> {
    let mut found = Scope {
        node,
        pids: pids.to_vec(),
        ..Scope::default()
    };
    for cgroup in cgroups {
        found.cgroups.push(scope::find_cgroup(&cgroup)?);
    }
    for container in containers {
        found.cgroups.push(scope::find_container(container)?);
    }
    for &pid in pids {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Err(scope::ScopeError::NoProcess(pid).into());
        }
    }
    Ok(found)
}

/// Makes sure that neither a core dump nor another user's debugger can show captured bytes.
/// Returns the limit this process had, for programs it starts.
pub(super) fn forbid_core_dumps() -> anyhow::Result<rustix::process::Rlimit> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
    let before = getrlimit(Resource::Core);
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: before.maximum,
        },
    )
    .context("cannot forbid core dumps (setrlimit RLIMIT_CORE)")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot forbid core dumps (prctl PR_SET_DUMPABLE)")?;
    Ok(before)
}

/// Draws the summary of an ended session.
pub(super) fn summary(
    started: Timestamp,
    reporter: &Reporter,
    shared: &Shared,
    hooked: Vec<Hooked>,
    command: Option<CommandStatus>,
) -> Summary {
    let now = Timestamp::now();
    let descriptors = shared.descriptors.tally();
    let totals = &shared.totals;
    let losses = [
        ("ring", "control_record", &totals.control_lost),
        ("tls", "call_without_entry", &totals.tls_calls_lost),
        ("kernel", "map_full", &totals.map_full),
        ("kernel", "program_busy", &totals.left_out),
    ];
    Summary {
        schema: SCHEMA,
        time: now.to_string(),
        duration_ms: u64::try_from(now.duration_since(started).as_millis()).unwrap_or(0),
        account: Accounts::of(&shared.ledger),
        findings: reporter.aggregator().findings(),
        values: reporter.aggregator().values(),
        low_confidence: reporter.aggregator().low_confidence(),
        attached: hooked.into_iter().map(attached).collect(),
        bindings: Bindings {
            nested: Totals::get(&totals.bound_nested),
            adjacent: Totals::get(&totals.bound_adjacent),
            descriptor: Totals::get(&totals.bound_descriptor),
            ambiguous: Totals::get(&totals.bind_ambiguous),
            conflicts: Totals::get(&totals.bind_conflict),
            unbound: Totals::get(&totals.unbound),
        },
        events_lost: losses
            .into_iter()
            .map(|(stage, reason, count)| (stage, reason, count.load(Ordering::Relaxed)))
            .filter(|(_, _, count)| *count > 0)
            .map(|(stage, reason, count)| Loss {
                stage: stage.to_owned(),
                reason: reason.to_owned(),
                count,
            })
            .collect(),
        protocols: shared
            .protocols
            .tallies()
            .map(|tally| ProtocolTally {
                protocol: tally.protocol,
                bytes: tally.bytes,
                lost_sync: tally.lost_sync,
            })
            .collect(),
        other_operations: reporter.aggregator().other_operations(),
        unknown_clients: reporter.aggregator().unknown_clients(),
        merged: Merged {
            other_end: Totals::get(&totals.other_end),
            passed_on: Totals::get(&totals.passed_on),
        },
        descriptors: Descriptors {
            types: descriptors.types,
            methods: descriptors.methods,
            learnt_files: descriptors.files,
            ambiguous: descriptors.ambiguous,
            refused: descriptors.refused,
            no_room: descriptors.no_room,
        },
        scope: chosen(totals),
        command,
    }
}

fn chosen(totals: &Totals) -> Option<Chosen> {
    let [watched, undecided, undecided_bytes] =
        [&totals.chosen, &totals.undecided, &totals.undecided_bytes].map(Totals::get);
    (watched + undecided + undecided_bytes > 0).then_some(Chosen {
        watched,
        undecided,
        undecided_bytes,
    })
}

fn attached(hook: Hooked) -> Attached {
    Attached {
        library: hook.library.to_owned(),
        path: hook.path,
        function: hook.function,
        instruction: hook.instruction,
        method: hook.method.to_owned(),
    }
}

/// True once the process was told to end (SIGINT, SIGTERM).
///
/// # Errors
/// When signals cannot be waited for.
pub(super) fn stop_signal() -> anyhow::Result<Arc<AtomicBool>> {
    use tokio::signal::unix::SignalKind;
    raised_by("signals", [SignalKind::interrupt(), SignalKind::terminate()])
}

/// True once the process was told to read its configuration again (SIGHUP); set it back to false.
///
/// # Errors
/// When signals cannot be waited for.
pub(super) fn reload_signal() -> anyhow::Result<Arc<AtomicBool>> {
    raised_by("hangup", [tokio::signal::unix::SignalKind::hangup()])
}

fn raised_by<const N: usize>(
    thread: &str,
    kinds: [tokio::signal::unix::SignalKind; N],
) -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot wait for signals")?;
    let mut signals = Vec::with_capacity(N);
    {
        let _guard = runtime.enter();
        for kind in kinds {
            signals.push(tokio::signal::unix::signal(kind)?);
        }
    }
    vital::spawn(thread, move || {
        runtime.block_on(std::future::poll_fn(|context| {
            for signal in &mut signals {
                while let Poll::Ready(Some(())) = signal.poll_recv(context) {
                    raised.store(true, Ordering::Release);
                }
            }
            Poll::<()>::Pending
        }));
    })?;
    Ok(flag)
}
