//! The metrics: one registry, every name and label in one place.
//!
//! Goes in: counts from all stages. Comes out: the Prometheus text format. Labels name workloads,
//! never a pod, an address or a path; the number of series is bounded (see [`super::series`]).

mod masking;
mod tail;
mod values;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{
    Counter, GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::series::{Family, label};
use crate::ledger::{Account, ByteLedger, Ledger};
use crate::policy::admission::Reason;
pub use masking::Covered;
pub use values::Counted;

/// Series a family may have unless configured otherwise.
pub const DEFAULT_SERIES: usize = 2000;

/// Policies with series of their own.
const MOST_POLICIES: usize = 200;
/// Sockets of container runtimes with series of their own.
const MOST_RUNTIMES: usize = 32;

const PAIR: [&str; 6] = [
    "source_namespace",
    "source_workload",
    "source_kind",
    "destination_namespace",
    "destination_workload",
    "destination_kind",
];

/// Which end of a flow this node watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    Source,
    Destination,
}

/// All metrics of the daemon. Every method is cheap, takes `&self` and never fails.
pub struct Metrics {
    registry: Families,
    ledger: Arc<ByteLedger>,
    leaks: Family<IntCounterVec>,
    last_leak: Family<IntGaugeVec>,
    values: Family<IntCounterVec>,
    turned: IntCounterVec,
    bytes: IntCounterVec,
    bytes_moved: IntCounterVec,
    events: IntCounterVec,
    events_lost: IntCounterVec,
    protocol_bytes: IntCounterVec,
    protocol_lost_sync: IntCounterVec,
    other_operations: IntCounterVec,
    unknown_clients: IntCounterVec,
    merged: IntCounterVec,
    descriptors: IntCounterVec,
    attach: IntCounterVec,
    attached: IntGaugeVec,
    attribution: IntCounterVec,
    bindings: IntCounterVec,
    container_lookups: IntCounterVec,
    conntrack_lookups: IntCounterVec,
    sink_dropped: IntCounterVec,
    sink_delivered: IntCounterVec,
    sink_replaced: IntCounterVec,
    sink_failures: IntCounterVec,
    sink_waiting: IntGaugeVec,
    sink_waiting_bytes: IntGaugeVec,
    map_entries: IntGaugeVec,
    map_capacity: IntGaugeVec,
    policy_loaded: IntGaugeVec,
    policies_refused: IntGaugeVec,
    config_reloads: IntCounterVec,
    tail_requests: IntCounterVec,
    tail_streams: IntGaugeVec,
    watcher_age: IntGaugeVec,
    watcher_objects: IntGaugeVec,
    watcher_failures: IntCounterVec,
    masking_coverage: Family<GaugeVec>,
    masking_target: Family<GaugeVec>,
    masking_fields: IntGaugeVec,
    masking_lost: IntCounterVec,
    masking_failing: IntGaugeVec,
    masking_set_aside: IntGaugeVec,
    masking_room: IntGaugeVec,
    masking_failures: IntCounterVec,
    drifts: IntCounterVec,
    scan_seconds: Histogram,
    hook_seconds: Histogram,
    choose_seconds: Histogram,
    rested: Counter,
    ahead: IntCounterVec,
    runtime_up: IntGaugeVec,
    names_pending: IntGaugeVec,
    scope_processes: IntGaugeVec,
    scope_undecided: IntCounterVec,
    /// Keeps two renderings from adding the same difference twice.
    raising: Mutex<()>,
}

impl Metrics {
    /// Registers everything; `series` bounds each family that has workload labels.
    ///
    /// # Errors
    /// When two metrics have one name: a mistake in this file.
    pub fn new(ledger: Arc<ByteLedger>, series: usize) -> prometheus::Result<Self> {
        let registry = Families::default();
        let r = &registry;
        let overflow = counter(
            r,
            "series_overflow_total",
            "Uses of a series that had to say other.",
            &["metric"],
        )?;
        let leak_labels = with_pair(&["detector", "category", "verdict", "reporter"]);
        let leaks = counter(r, "leaks_total", "Clear values seen.", &leak_labels)?;
        let last_leak = gauge(
            r,
            "last_leak_timestamp_seconds",
            "When the last clear value was captured, Unix time.",
            &leak_labels,
        )?;
        let values = counter(
            r,
            "values_total",
            "Values seen, by state.",
            &with_pair(&["detector", "state"]),
        )?;
        let turned = counter(
            r,
            "verdicts_corrected_total",
            "Values about which policy says something else since their ends are known better.",
            &["before", "after"],
        )?;
        let build = gauge(r, "build_info", "Always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let scan_seconds = Histogram::with_opts(
            HistogramOpts::new("auditor_scan_seconds", "Time to scan one document.")
                .buckets(vec![1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        )?;
        r.register(Box::new(scan_seconds.clone()))?;
        let hook_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "auditor_hook_seconds",
                "Time from when a process maps a library until it is hooked.",
            )
            .buckets(vec![0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0]),
        )?;
        r.register(Box::new(hook_seconds.clone()))?;
        let choose_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "auditor_scope_decision_seconds",
                "Time from when a process that selectors choose became what it is until it was watched.",
            )
            .buckets(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0]),
        )?;
        r.register(Box::new(choose_seconds.clone()))?;
        let rested = Counter::with_opts(Opts::new(
            "auditor_rested_seconds_total",
            "Time that readers of rings rested to keep to limits.cpu_percent, together.",
        ))?;
        r.register(Box::new(rested.clone()))?;
        let coverage = ratio(
            r,
            "masking_coverage_ratio",
            "Protected / (protected + clear) of a kind of data between two workloads, in the last five to ten minutes with any.",
        )?;
        let target = ratio(
            r,
            "masking_coverage_target_ratio",
            "What that has to be at least, of pairs that a sentence of `masking.targets` is about.",
        )?;
        let dropped = |name: &str| overflow.with_label_values(&[name]);
        Ok(Self {
            leaks: Family::new(leaks, 4, series, dropped("leaks_total")),
            last_leak: Family::new(last_leak, 4, series, dropped("last_leak_timestamp_seconds")),
            values: Family::new(values, 2, series, dropped("values_total")),
            turned: values::born_at_zero(turned),
            bytes: counter(
                r,
                "bytes_total",
                "Bytes by where they ended.",
                &["ledger", "account"],
            )?,
            bytes_moved: counter(
                r,
                "bytes_moved_total",
                "Bytes the kernel says moved.",
                &["ledger"],
            )?,
            events: counter(r, "events_total", "Events that reached a stage.", &["stage"])?,
            events_lost: counter(
                r,
                "events_lost_total",
                "Events lost on the way to a stage.",
                &["stage", "reason"],
            )?,
            protocol_bytes: counter(
                r,
                "protocol_bytes_total",
                "Bytes of messages by protocol.",
                &["protocol"],
            )?,
            protocol_lost_sync: counter(
                r,
                "protocol_lost_sync_total",
                "Times the place in the messages of a protocol was lost.",
                &["protocol"],
            )?,
            unknown_clients: counter(
                r,
                "policy_unknown_clients_total",
                "Values of clients that were not known where a rule of policy requires a client's certificate.",
                &[],
            )?,
            other_operations: counter(
                r,
                "other_operations_total",
                "Values reported under {other}, as their service has too many operations.",
                &[],
            )?,
            merged: counter(
                r,
                "merged_sightings_total",
                "Sightings of values that count once with another one: at the other end, or passed on by a proxy.",
                &["by"],
            )?,
            descriptors: counter(
                r,
                "descriptors_total",
                "Descriptors that servers told of, by what became of them.",
                &["result"],
            )?,
            attach: counter(
                r,
                "attach_total",
                "Attempts to attach to a library.",
                &["library", "result"],
            )?,
            attached: gauge(r, "attached", "Files of a library attached to now.", &["library"])?,
            attribution: counter(
                r,
                "attribution_total",
                "Ends named, by method.",
                &["side", "method"],
            )?,
            bindings: counter(
                r,
                "bindings_total",
                "TLS streams and how they came to their socket, or why not.",
                &["method"],
            )?,
            container_lookups: counter(
                r,
                "container_lookups_total",
                "Containers that runtimes were asked about.",
                &["result"],
            )?,
            conntrack_lookups: counter(
                r,
                "conntrack_lookups_total",
                "Connections that connection tracking was asked about.",
                &["result"],
            )?,
            sink_dropped: counter(
                r,
                "sink_dropped_total",
                "Findings a sink could not write, had no room for, or that its receiver refused.",
                &["sink"],
            )?,
            sink_delivered: counter(
                r,
                "sink_delivered_total",
                "Findings that a receiver said it has.",
                &["sink"],
            )?,
            sink_replaced: counter(
                r,
                "sink_replaced_total",
                "Revisions that were not sent because a newer one of the same finding was there first.",
                &["sink"],
            )?,
            sink_failures: counter(
                r,
                "sink_failures_total",
                "Attempts to send that failed and are repeated (transport, status, timeout), and findings that a receiver refused.",
                &["sink", "reason"],
            )?,
            sink_waiting: gauge(r, "sink_waiting", "Findings that wait to be sent.", &["sink"])?,
            sink_waiting_bytes: gauge(
                r,
                "sink_waiting_bytes",
                "Bytes of findings that wait to be sent.",
                &["sink"],
            )?,
            map_entries: gauge(
                r,
                "map_entries",
                "Entries in a table of the kernel side or of the daemon.",
                &["map"],
            )?,
            map_capacity: gauge(r, "map_capacity", "Entries such a table can hold.", &["map"])?,
            policy_loaded: gauge(
                r,
                "policy_loaded",
                "1 for the state a policy in force is in: loaded, or stale when what is written last is refused or not known.",
                &["policy", "source", "state"],
            )?,
            policies_refused: gauge(
                r,
                "policies_refused",
                "Policies of the API server whose newest version is not in force.",
                &["reason"],
            )?,
            config_reloads: counter(
                r,
                "config_reloads_total",
                "Times the configuration was read again: loaded, or refused when it could not be used.",
                &["result"],
            )?,
            tail_requests: tail::born_at_zero(counter(
                r,
                "tail_requests_total",
                "Requests for findings over the network, by what became of them.",
                &["result"],
            )?),
            tail_streams: gauge(
                r,
                "tail_streams",
                "Clients that are sent findings over the network.",
                &[],
            )?,
            watcher_age: gauge(
                r,
                "watcher_age_seconds",
                "How long a watch of the API server has not been right; 0 while it is.",
                &["kind"],
            )?,
            watcher_objects: gauge(
                r,
                "watcher_objects",
                "Objects known from a watch of the API server.",
                &["kind"],
            )?,
            watcher_failures: counter(
                r,
                "watcher_failures_total",
                "Failures of a watch of the API server.",
                &["kind", "reason"],
            )?,
            masking_coverage: Family::new(coverage, 1, series, dropped("masking_coverage_ratio")),
            masking_target: Family::new(target, 1, series, dropped("masking_coverage_target_ratio")),
            masking_fields: gauge(
                r,
                "masking_fields",
                "Fields with a row in the masking ledger.",
                &[],
            )?,
            masking_lost: counter(
                r,
                "masking_overflow_total",
                "What found no room in the masking ledger: fields counted together, edges, and drifts not told.",
                &["what"],
            )?,
            masking_failing: gauge(
                r,
                "masking_failing",
                "1 while the masking ledger can not be written.",
                &[],
            )?,
            masking_set_aside: gauge(
                r,
                "masking_set_aside",
                "1 when this run set aside a file of the masking ledger that could not be used.",
                &[],
            )?,
            masking_room: gauge(
                r,
                "masking_disk_free_bytes",
                "What the disk of the masking ledger has left, when it was written or could not be.",
                &[],
            )?,
            masking_failures: counter(
                r,
                "masking_failures_total",
                "Times the file of the masking ledger could not be read or written.",
                &["reason"],
            )?,
            drifts: masking::born_at_zero(counter(r, "drifts_total", "Drifts told.", &["kind"])?),
            scan_seconds,
            hook_seconds,
            choose_seconds,
            rested,
            ahead: counter(
                r,
                "critical_connections_total",
                "Connections that go ahead of others when there is little room, as a rule of policy is critical.",
                &[],
            )?,
            runtime_up: gauge(
                r,
                "runtime_up",
                "Whether a container runtime that was asked answers.",
                &["socket"],
            )?,
            names_pending: gauge(r, "names_pending", "Containers whose names are waited for.", &[])?,
            scope_processes: gauge(
                r,
                "scope_processes",
                "Processes of this host by what selectors say of them.",
                &["state"],
            )?,
            scope_undecided: counter(
                r,
                "scope_undecided_bytes_total",
                "Bytes that processes moved on sockets before it was decided whether they are watched: not read.",
                &[],
            )?,
            raising: Mutex::new(()),
            ledger,
            registry,
        })
    }

    /// How long a watch has not been right.
    pub fn set_watcher_age(&self, kind: &'static str, age: Duration) {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.watcher_age.with_label_values(&[kind]).set(seconds);
    }

    /// Objects known of a kind.
    pub fn set_watcher_objects(&self, kind: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.watcher_objects.with_label_values(&[kind]).set(count);
    }

    /// Failures of a watch so far: a running total.
    pub fn watcher_failures_so_far(&self, kind: &'static str, reason: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.watcher_failures, &[kind, reason], total);
    }

    /// Events that reached `stage` so far: a running total.
    pub fn events_so_far(&self, stage: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.events, &[stage], total);
    }

    /// `count` events were lost on the way to `stage`.
    pub fn lost(&self, stage: &'static str, reason: &'static str, count: u64) {
        self.events_lost.with_label_values(&[stage, reason]).inc_by(count);
    }

    /// The same, where the count is a running total (of the kernel) and not a difference.
    pub fn lost_so_far(&self, stage: &'static str, reason: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.events_lost, &[stage, reason], total);
    }

    /// What was spoken so far: running totals.
    pub fn protocol_so_far(&self, protocol: &'static str, bytes: u64, lost_sync: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.protocol_bytes, &[protocol], bytes);
        raise(&self.protocol_lost_sync, &[protocol], lost_sync);
    }

    /// Values reported so far under the name that operations share which are too many.
    pub fn other_operations_so_far(&self, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.other_operations, &[], total);
    }

    /// Values so far of clients that were not known where a rule asks for one.
    pub fn unknown_clients_so_far(&self, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.unknown_clients, &[], total);
    }

    /// Sightings so far that count once with another one (`other_end`, `passed_on`).
    pub fn merged_so_far(&self, by: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.merged, &[by], total);
    }

    /// Descriptors of protobuf messages that became this so far (`learnt`, `ambiguous`, `refused`, `no_room`).
    pub fn descriptors_so_far(&self, result: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.descriptors, &[result], total);
    }

    /// An attempt to attach to `library` ended with `result` (`ok`, `error`, `unsupported`, …).
    pub fn attach(&self, library: &'static str, result: &'static str) {
        self.attach.with_label_values(&[library, result]).inc();
    }

    /// Files of `library` attached to now.
    pub fn set_attached(&self, library: &'static str, files: usize) {
        self.attached
            .with_label_values(&[library])
            .set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// An end of a connection was named: `side` is `source` or `destination`.
    pub fn attribution(&self, side: &'static str, method: &'static str) {
        self.attribution.with_label_values(&[side, method]).inc();
    }

    /// TLS streams that came to their socket by `method` so far: a running total.
    pub fn bindings_so_far(&self, method: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.bindings, &[method], total);
    }

    /// Containers that runtimes were asked about so far, by what came of it.
    pub fn container_lookups_so_far(&self, result: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.container_lookups, &[result], total);
    }

    /// Connections that connection tracking was asked about so far, by what came of it.
    pub fn conntrack_lookups_so_far(&self, result: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.conntrack_lookups, &[result], total);
    }

    /// What a sink has dropped so far, from [`crate::report::sinks::Sink::dropped`].
    pub fn sink_dropped_so_far(&self, sink: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.sink_dropped, &[sink], total);
    }

    /// What a remote sink has delivered so far.
    pub fn sink_delivered_so_far(&self, sink: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.sink_delivered, &[sink], total);
    }

    /// Revisions that a newer one replaced so far before they were sent.
    pub fn sink_replaced_so_far(&self, sink: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.sink_replaced, &[sink], total);
    }

    /// Attempts of a remote sink that failed so far, by reason.
    pub fn sink_failures_so_far(&self, sink: &'static str, reason: &'static str, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.sink_failures, &[sink, reason], total);
    }

    /// What waits to be sent.
    pub fn set_sink_waiting(&self, sink: &'static str, findings: u64, bytes: u64) {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.sink_waiting.with_label_values(&[sink]).set(gauge(findings));
        self.sink_waiting_bytes
            .with_label_values(&[sink])
            .set(gauge(bytes));
    }

    /// How full a kernel map is.
    pub fn set_map(&self, map: &'static str, entries: u64, capacity: u64) {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.map_entries.with_label_values(&[map]).set(gauge(entries));
        self.map_capacity.with_label_values(&[map]).set(gauge(capacity));
    }

    /// The policies in force, each with where it comes from and its state; others are gone. Of more than
    /// [`MOST_POLICIES`], the rest is not named.
    pub fn set_policies<'a>(&self, policies: impl Iterator<Item = (&'a str, &'static str, &'static str)>) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        self.policy_loaded.reset();
        for (policy, source, state) in policies.take(MOST_POLICIES) {
            for known in ["loaded", "stale"] {
                let value = i64::from(known == state);
                self.policy_loaded
                    .with_label_values(&[label(policy).as_str(), source, known])
                    .set(value);
            }
        }
    }

    /// Why policies of the API server are refused, for each that is; `overflow` are those that found no room.
    pub fn set_refused_policies(&self, reasons: impl Iterator<Item = &'static str>, overflow: usize) {
        let mut counts = Reason::ALL.map(|reason| (reason.name(), 0_i64));
        for name in reasons {
            counts
                .iter_mut()
                .filter(|(reason, _)| *reason == name)
                .for_each(|(_, count)| *count += 1);
        }
        for (reason, count) in counts {
            let more = if reason == Reason::Limit.name() {
                overflow
            } else {
                0
            };
            let more = i64::try_from(more).unwrap_or(i64::MAX);
            self.policies_refused
                .with_label_values(&[reason])
                .set(count.saturating_add(more));
        }
    }

    /// The configuration was read again, with this result: `loaded` or `refused`.
    pub fn config_reloaded(&self, result: &'static str) {
        self.config_reloads.with_label_values(&[result]).inc();
    }

    /// Time one document took to scan.
    pub fn scanned(&self, took: Duration) {
        self.scan_seconds.observe(took.as_secs_f64());
    }

    /// Time from when a process mapped a library until it was hooked.
    pub fn hooked_after(&self, took: Duration) {
        self.hook_seconds.observe(took.as_secs_f64());
    }

    /// Time from when a process became what selectors choose until it was watched.
    pub fn chosen_after(&self, took: Duration) {
        self.choose_seconds.observe(took.as_secs_f64());
    }

    /// Whether the runtime on each socket answers; of more than [`MOST_RUNTIMES`], the rest is not named.
    pub fn set_runtimes<'a>(&self, runtimes: impl Iterator<Item = (&'a str, bool)>) {
        for (socket, answers) in runtimes.take(MOST_RUNTIMES) {
            let value = i64::from(answers);
            self.runtime_up.with_label_values(&[&label(socket)]).set(value);
        }
    }

    /// Containers whose names are waited for.
    pub fn set_names_pending(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.names_pending.with_label_values(&[] as &[&str]).set(count);
    }

    /// Processes in a state of being chosen.
    pub fn set_scope_processes(&self, state: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.scope_processes.with_label_values(&[state]).set(count);
    }

    /// Connections that went ahead of others so far.
    pub fn ahead_so_far(&self, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.ahead, &[], total);
    }

    /// How long readers rested so far.
    pub fn rested_so_far(&self, total: Duration) {
        let more = total.as_secs_f64() - self.rested.get();
        self.rested.inc_by(more.max(0.0));
    }

    /// Bytes that undecided processes moved so far.
    pub fn undecided_bytes_so_far(&self, total: u64) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&self.scope_undecided, &[], total);
    }

    /// Everything in the Prometheus text format; idle series are removed first.
    pub fn render(&self) -> String {
        let now = Instant::now();
        self.leaks.sweep(now);
        self.last_leak.sweep(now);
        self.values.sweep(now);
        self.masking_coverage.sweep(now);
        self.masking_target.sweep(now);
        self.draw_ledger();
        let mut out = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.registry.gather(), &mut out) {
            tracing::error!(%error, "cannot encode the metrics");
        }
        out
    }

    fn draw_ledger(&self) {
        let _one_at_a_time = self.raising.lock().unwrap_or_else(PoisonError::into_inner);
        for (ledger, name) in [(Ledger::Socket, "socket"), (Ledger::Tls, "tls")] {
            let balance = self.ledger.balance(ledger);
            raise(&self.bytes_moved, &[name], balance.moved);
            for account in Account::ALL {
                raise(&self.bytes, &[name, account.name()], balance.account(account));
            }
        }
    }
}

/// Raises a counter to a running total; a total that went back changes nothing.
fn raise(counter: &IntCounterVec, labels: &[&str], total: u64) {
    let counter = counter.with_label_values(labels);
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn join<'a, const N: usize>(first: [&'a str; N], pair: [&'a str; 6]) -> Vec<&'a str> {
    first.into_iter().chain(pair).collect()
}

fn with_pair(first: &[&'static str]) -> Vec<&'static str> {
    first.iter().copied().chain(PAIR).collect()
}

fn counter(
    registry: &Families,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    register(
        registry,
        IntCounterVec::new(Opts::new(format!("auditor_{name}"), help), labels)?,
    )
}

fn gauge(registry: &Families, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    register(
        registry,
        IntGaugeVec::new(Opts::new(format!("auditor_{name}"), help), labels)?,
    )
}

/// A share of a kind of data between two workloads.
fn ratio(registry: &Families, name: &str, help: &str) -> prometheus::Result<GaugeVec> {
    let options = Opts::new(format!("auditor_{name}"), help);
    register(registry, GaugeVec::new(options, &with_pair(&["detector"]))?)
}

fn register<C: Collector + Clone + 'static>(registry: &Families, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// The registry; in tests it also knows what was registered, as that has to be in docs/metrics.md.
#[derive(Default)]
struct Families {
    registry: Registry,
    #[cfg(test)]
    known: Mutex<Vec<reference::Family>>,
}

impl Families {
    fn register(&self, collector: Box<dyn Collector>) -> prometheus::Result<()> {
        #[cfg(test)]
        self.known
            .lock()
            .unwrap()
            .extend(reference::families(&*collector));
        self.registry.register(collector)
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod rows;
#[cfg(test)]
pub(crate) mod tests;
