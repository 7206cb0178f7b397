//! The finding: one JSON object, described by docs/finding.schema.json.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::{Confidence, Severity, State};
use crate::identity::container::Unnamed;

/// `schema` of every finding.
pub const SCHEMA: &str = "auditor.finding/v1";

/// One leak (or drift, or coverage gap), aggregated over time under one `id`.
///
/// Consumers keep the highest `revision` of an `id`.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub schema: &'static str,
    /// UUID version 7.
    pub id: String,
    /// RFC 3339, UTC: when this revision was written.
    pub time: String,
    pub revision: u32,
    pub kind: Kind,
    pub detector: &'static str,
    pub category: &'static str,
    pub regulations: Vec<&'static str>,
    pub state: State,
    pub confidence: Confidence,
    pub score_bits: f32,
    pub severity: Severity,
    /// Type-aware masked form of the first value seen.
    pub sample: String,
    /// Length in bytes of that value.
    pub length: usize,
    pub fingerprint: String,
    /// Values counted under this id so far.
    pub count: u64,
    pub first_seen: String,
    pub last_seen: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub declared_masked: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub under_masked: bool,
    pub location: Location,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVerdict>,
    /// Of drift, and of an update with another verdict: how it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Facts>>,
    /// The same: how it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<Facts>>,
    /// Of a coverage gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// `scan` only: the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `run` only: the same on all nodes that see the same leak, see [`super::group`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `run` only: who says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observer: Option<Observer>,
}

/// The agent that reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observer {
    /// The node's name in its cluster, else the name of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// As the configuration calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// What a finding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Leak,
    MaskDrift,
    NewData,
    NewFlow,
    RateChange,
    PlaintextTransport,
    CoverageGap,
    Update,
    /// A protected or test value, emitted only when other states than `clear` are asked for.
    Observation,
}

impl Kind {
    /// As in findings and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::MaskDrift => "mask_drift",
            Self::NewData => "new_data",
            Self::NewFlow => "new_flow",
            Self::RateChange => "rate_change",
            Self::PlaintextTransport => "plaintext_transport",
            Self::CoverageGap => "coverage_gap",
            Self::Update => "update",
            Self::Observation => "observation",
        }
    }
}

/// What was not read, since a coverage gap began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The account it is in.
    pub reason: &'static str,
    /// Bytes that moved, and those of them that were not read.
    pub moved: u64,
    pub bytes: u64,
    /// Readers rested meanwhile to keep to a ceiling on CPU.
    pub cpu_ceiling: bool,
}

/// How something was, or is. What does not matter to the kind of drift is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Of the field: protected / (protected + clear).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Values counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// Kinds of data in the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Values within five seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// In which `values` came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// What policy says, of an update that changes it; nothing where it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rule that says it, `policy/rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Where in the message (or file) the value is.
#[derive(Clone, Debug, Serialize)]
pub struct Location {
    /// `request.body`, `response.headers`, `file`, …
    pub part: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Byte offsets in the decoded part (in the file, for undecoded content).
    pub start: u64,
    pub end: u64,
    /// `scan` only, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// The conversation it was in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Flow {
    pub protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub encrypted: bool,
    /// `openssl`, `socket`, …
    pub captured_by: &'static str,
    /// Id of the connection on this node.
    pub connection: String,
    /// Proxies that passed it on between source and destination, as far as they were seen.
    #[serde(skip_serializing_if = "is_zero")]
    pub hops: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(hops: &u8) -> bool {
    *hops == 0
}

/// One end of a flow. The source is the sender of the bytes. Read from a journal, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Of the container or pod: those the configuration asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// `derived` of the service account: not attested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id_source: Option<SpiffeSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The innermost systemd service or scope, outside containers; a user's own is `user@1000.service/x.service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The innermost systemd slice, outside containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// `address:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Set for external ends only: the name the client asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// It passes on what others send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<Hop>,
    pub identified_by: IdentifiedBy,
    pub certainty: Certainty,
}

/// What passes messages on between those that make and use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// Of a service mesh.
    Proxy,
}

/// Where a SPIFFE id is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpiffeSource {
    /// The service account: nobody attested it.
    Derived,
    /// A certificate that a proxy of the mesh verified, by what it told the program behind it.
    Xfcc,
}

/// `kind` is a Kubernetes kind, or `SystemdUnit`, `Container` or `Process` off Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Workload {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub kind: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pod {
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Container {
    /// 64 hex digits; of LXC and systemd-nspawn the name.
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Why the runtime gave no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<Unnamed>,
}

/// A process is its id and its start: ids are used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    /// RFC 3339, UTC, to a hundredth of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Name of its effective user, as the host calls it; the number where it has no name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The number of that user; not written.
    #[serde(skip)]
    pub uid: Option<u32>,
}

/// How an end got its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifiedBy {
    Cgroup,
    SocketPair,
    PodIp,
    Service,
    Conntrack,
    Node,
    Dns,
    Sni,
    Host,
    #[default]
    Unresolved,
    Ambiguous,
}

impl IdentifiedBy {
    pub const ALL: [Self; 11] = [
        Self::Cgroup,
        Self::SocketPair,
        Self::PodIp,
        Self::Service,
        Self::Conntrack,
        Self::Node,
        Self::Dns,
        Self::Sni,
        Self::Host,
        Self::Unresolved,
        Self::Ambiguous,
    ];

    /// The name in findings and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::SocketPair => "socket_pair",
            Self::PodIp => "pod_ip",
            Self::Service => "service",
            Self::Conntrack => "conntrack",
            Self::Node => "node",
            Self::Dns => "dns",
            Self::Sni => "sni",
            Self::Host => "host",
            Self::Unresolved => "unresolved",
            Self::Ambiguous => "ambiguous",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    Exact,
    Likely,
    #[default]
    None,
}

/// What policy says about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PolicyVerdict {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the rule says is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    pub verdict: Verdict,
    /// Of a rule that asks for the client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientIdentity>,
}

/// What is known of a client that a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientIdentity {
    /// A proxy verified a certificate with an id that the rule means.
    Verified,
    /// It verified one with another id.
    Other,
    /// Nobody said.
    Unknown,
}

/// What a rule of policy says is to be done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Report,
    Allow,
    Ignore,
    Count,
}

impl Action {
    /// As in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Allow => "allow",
            Self::Ignore => "ignore",
            Self::Count => "count",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Violation,
    Allowed,
}

impl Verdict {
    /// As in findings and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Allowed => "allowed",
        }
    }
}
