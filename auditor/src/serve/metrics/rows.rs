//! Units of metrics and what their labels can say: the part of docs/metrics.md that the registry does not know.

use super::{MOST_POLICIES, MOST_RUNTIMES};
use crate::capture::tls::Library;
use crate::identity::conntrack::Outcome;
use crate::identity::kubernetes::directory::Kind as Watched;
use crate::identity::kubernetes::status::Failure;
use crate::ledger::Account;
use crate::policy::admission::Reason;
use crate::protocol;
use crate::report::finding::IdentifiedBy;
use crate::serve::remote::Outcome as Asked;

/// One family of metrics.
pub(super) struct Row {
    /// Without `auditor_`.
    pub name: &'static str,
    pub unit: &'static str,
    pub labels: &'static [(&'static str, Values)],
}

/// What a label can say.
pub(super) enum Values {
    /// One of these.
    Of(fn() -> Vec<&'static str>),
    /// One of these, given by another label, so that it makes no more series.
    Given(fn() -> Vec<&'static str>),
    /// Anything of this kind, and how many there can be.
    Open(&'static str, Most),
}

pub(super) enum Most {
    Number(usize),
    /// The detectors of the catalogue, and own ones.
    Detectors,
    /// Given by another label.
    Given,
    /// `serve.max_series` for all labels of this kind together.
    Series,
}

use Values::{Given, Of, Open};

const DETECTOR: (&str, Values) = (
    "detector",
    Open(
        "id of a [detector](detectors.md), own ones (at most 256) among them",
        Most::Detectors,
    ),
);
const STATE: (&str, Values) = (
    "state",
    Of(|| vec!["clear", "masked", "hashed", "tokenised", "encrypted", "test"]),
);
const NAMESPACE: Values = Open("namespace of a workload; empty outside of clusters", Most::Series);
const WORKLOAD: Values = Open(
    "name of a workload, unit, program, service or host, or `unresolved`; `other` past the cap",
    Most::Series,
);
const KIND: Values = Open(
    "kind of a workload (`Deployment`, `Unit`, `Process`, `External`, …); `other` past the cap",
    Most::Series,
);
const LEDGER: (&str, Values) = ("ledger", Of(|| vec!["socket", "tls"]));
const PROTOCOL: (&str, Values) = ("protocol", Of(|| protocol::NAMES.to_vec()));
const SINK: (&str, Values) = (
    "sink",
    Of(|| vec!["journal", "stdout", "otlp", "webhook", "events"]),
);
const REMOTE: (&str, Values) = ("sink", Of(|| vec!["otlp", "webhook", "events"]));
const MAP: (&str, Values) = (
    "map",
    Of(|| vec!["scope_tgids", "sketches", "descriptors", "containers"]),
);
const WATCHED: (&str, Values) = (
    "kind",
    Of(|| {
        let kinds = Watched::ALL.iter().chain(&Watched::POLICIES);
        kinds.map(|kind| kind.name()).collect()
    }),
);
const SIDE: [&str; 2] = ["source", "destination"];

/// Labels of a leak.
const LEAK: &[(&str, Values)] = &[
    DETECTOR,
    ("category", Open("category of the detector", Most::Given)),
    ("verdict", Of(|| vec!["violation", "allowed"])),
    ("reporter", Of(|| SIDE.to_vec())),
    ("source_namespace", NAMESPACE),
    ("source_workload", WORKLOAD),
    ("source_kind", KIND),
    ("destination_namespace", NAMESPACE),
    ("destination_workload", WORKLOAD),
    ("destination_kind", KIND),
];

/// Labels of coverage.
const COVERED: &[(&str, Values)] = &[
    DETECTOR,
    ("source_namespace", NAMESPACE),
    ("source_workload", WORKLOAD),
    ("source_kind", KIND),
    ("destination_namespace", NAMESPACE),
    ("destination_workload", WORKLOAD),
    ("destination_kind", KIND),
];

const fn row(name: &'static str, unit: &'static str, labels: &'static [(&'static str, Values)]) -> Row {
    Row { name, unit, labels }
}

/// All of them, in the order of the page.
pub(super) const GROUPS: &[(&str, &[Row])] = &[
    (
        "Values and leaks",
        &[
            row("leaks_total", "values", LEAK),
            row("last_leak_timestamp_seconds", "Unix time, seconds", LEAK),
            row(
                "values_total",
                "values",
                &[
                    DETECTOR,
                    STATE,
                    ("source_namespace", NAMESPACE),
                    ("source_workload", WORKLOAD),
                    ("source_kind", KIND),
                    ("destination_namespace", NAMESPACE),
                    ("destination_workload", WORKLOAD),
                    ("destination_kind", KIND),
                ],
            ),
            row(
                "verdicts_corrected_total",
                "values",
                &[
                    ("before", Of(|| vec!["violation", "allowed", "none"])),
                    ("after", Of(|| vec!["violation", "allowed", "none"])),
                ],
            ),
            row(
                "merged_sightings_total",
                "sightings",
                &[("by", Of(|| vec!["other_end", "passed_on"]))],
            ),
            row("other_operations_total", "values", &[]),
            row("scan_seconds", "seconds", &[]),
        ],
    ),
    (
        "Bytes and events",
        &[
            row("bytes_moved_total", "bytes", &[LEDGER]),
            row(
                "bytes_total",
                "bytes",
                &[
                    LEDGER,
                    ("account", Of(|| Account::ALL.map(Account::name).to_vec())),
                ],
            ),
            row(
                "events_total",
                "events",
                &[("stage", Of(|| vec!["capture", "detect"]))],
            ),
            row(
                "events_lost_total",
                "events",
                &[
                    (
                        "stage",
                        Of(|| vec!["ring", "tls", "kernel", "identity", "sketches"]),
                    ),
                    (
                        "reason",
                        Of(|| {
                            vec![
                                "control_record",
                                "call_without_entry",
                                "map_full",
                                "program_busy",
                                "full",
                                "queue_full",
                                "evicted",
                            ]
                        }),
                    ),
                ],
            ),
            row("map_entries", "entries", &[MAP]),
            row("map_capacity", "entries", &[MAP]),
            row("protocol_bytes_total", "bytes", &[PROTOCOL]),
            row("protocol_lost_sync_total", "times", &[PROTOCOL]),
            row(
                "descriptors_total",
                "files",
                &[("result", Of(|| vec!["learnt", "ambiguous", "refused", "no_room"]))],
            ),
            row("rested_seconds_total", "seconds", &[]),
            row("critical_connections_total", "connections", &[]),
        ],
    ),
    (
        "Processes and libraries",
        &[
            row(
                "attach_total",
                "files",
                &[
                    ("library", Of(libraries_and_unknown)),
                    ("result", Of(|| vec!["ok", "error"])),
                ],
            ),
            row("attached", "files", &[("library", Of(libraries))]),
            row("hook_seconds", "seconds", &[]),
            row(
                "bindings_total",
                "streams",
                &[(
                    "method",
                    Of(|| {
                        vec![
                            "nested",
                            "adjacent",
                            "descriptor",
                            "ambiguous",
                            "conflict",
                            "unbound",
                        ]
                    }),
                )],
            ),
            row(
                "scope_processes",
                "processes",
                &[("state", Of(|| vec!["watched", "undecided", "left"]))],
            ),
            row("scope_decision_seconds", "seconds", &[]),
            row("scope_undecided_bytes_total", "bytes", &[]),
        ],
    ),
    (
        "Names",
        &[
            row(
                "attribution_total",
                "ends",
                &[
                    ("side", Of(|| SIDE.to_vec())),
                    (
                        "method",
                        Of(|| IdentifiedBy::ALL.map(IdentifiedBy::name).to_vec()),
                    ),
                ],
            ),
            row(
                "container_lookups_total",
                "containers",
                &[("result", Of(|| vec!["found", "unknown", "failed"]))],
            ),
            row(
                "conntrack_lookups_total",
                "connections",
                &[("result", Of(|| Outcome::ALL.map(Outcome::name).to_vec()))],
            ),
            row("names_pending", "containers", &[]),
            row(
                "runtime_up",
                "",
                &[(
                    "socket",
                    Open(
                        "path of a container runtime's socket, at most 32",
                        Most::Number(MOST_RUNTIMES),
                    ),
                )],
            ),
            row("watcher_age_seconds", "seconds", &[WATCHED]),
            row("watcher_objects", "objects", &[WATCHED]),
            row(
                "watcher_failures_total",
                "failures",
                &[
                    WATCHED,
                    ("reason", Of(|| Failure::ALL.map(Failure::name).to_vec())),
                ],
            ),
        ],
    ),
    (
        "Policy and configuration",
        &[
            row(
                "policy_loaded",
                "",
                &[
                    (
                        "policy",
                        Open(
                            "name of a policy, with its namespace where it has one; at most 200",
                            Most::Number(MOST_POLICIES),
                        ),
                    ),
                    ("source", Given(|| vec!["file", "preset", "kubernetes"])),
                    ("state", Of(|| vec!["loaded", "stale"])),
                ],
            ),
            row(
                "policies_refused",
                "policies",
                &[("reason", Of(|| Reason::ALL.map(Reason::name).to_vec()))],
            ),
            row("policy_unknown_clients_total", "values", &[]),
            row(
                "config_reloads_total",
                "times",
                &[("result", Of(|| vec!["loaded", "refused"]))],
            ),
        ],
    ),
    (
        "Masking",
        &[
            row("masking_coverage_ratio", "share, 0 to 1", COVERED),
            row("masking_coverage_target_ratio", "share, 0 to 1", COVERED),
            row(
                "drifts_total",
                "drifts",
                &[(
                    "kind",
                    Of(|| {
                        vec![
                            "mask_drift",
                            "new_data",
                            "new_flow",
                            "plaintext_transport",
                            "rate_change",
                        ]
                    }),
                )],
            ),
            row("masking_fields", "fields", &[]),
            row(
                "masking_overflow_total",
                "times",
                &[("what", Of(|| vec!["field", "edge", "drift"]))],
            ),
            row("masking_failing", "", &[]),
            row("masking_disk_free_bytes", "bytes", &[]),
            row("masking_set_aside", "", &[]),
            row(
                "masking_failures_total",
                "failures",
                &[(
                    "reason",
                    Of(|| vec!["corrupt", "newer", "in_use", "full", "read_only", "io"]),
                )],
            ),
        ],
    ),
    (
        "Sinks",
        &[
            row("sink_dropped_total", "findings", &[SINK]),
            row("sink_delivered_total", "findings", &[REMOTE]),
            row("sink_replaced_total", "findings", &[REMOTE]),
            row(
                "sink_failures_total",
                "attempts, findings",
                &[
                    REMOTE,
                    ("reason", Of(|| vec!["transport", "status", "timeout", "refused"])),
                ],
            ),
            row("sink_waiting", "findings", &[REMOTE]),
            row("sink_waiting_bytes", "bytes", &[REMOTE]),
        ],
    ),
    (
        "Findings over the network",
        &[
            row(
                "tail_requests_total",
                "requests",
                &[("result", Of(|| Asked::ALL.map(Asked::name).to_vec()))],
            ),
            row("tail_streams", "clients", &[]),
        ],
    ),
    (
        "The daemon",
        &[
            row(
                "build_info",
                "",
                &[("version", Open("version of this program", Most::Number(1)))],
            ),
            row(
                "series_overflow_total",
                "uses",
                &[(
                    "metric",
                    Of(|| {
                        vec![
                            "leaks_total",
                            "last_leak_timestamp_seconds",
                            "values_total",
                            "masking_coverage_ratio",
                            "masking_coverage_target_ratio",
                        ]
                    }),
                )],
            ),
        ],
    ),
];

fn libraries() -> Vec<&'static str> {
    Library::ALL.map(Library::name).to_vec()
}

fn libraries_and_unknown() -> Vec<&'static str> {
    let mut names = libraries();
    names.push("unknown");
    names
}
