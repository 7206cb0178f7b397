//! A policy as it is written: `DataFlowPolicy` and `ClusterDataFlowPolicy`, `auditor.dev/v1alpha1`.
//!
//! Goes in: YAML or JSON, as a file or an object of the Kubernetes API. Comes out: [`Document`]s
//! whose patterns and selectors can be read; whether the names in them are known is checked by
//! [`super::compile`]. Fields that are not known are refused.

use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::schema;
use crate::detect::{Severity, State};
use crate::glob::{Dialect, Glob};
use crate::identity::selector::Selector;
pub use crate::report::finding::Action;

/// The version of the documents' form.
pub const API_VERSION: &str = "auditor.dev/v1alpha1";
/// Most entries of one list of a rule.
pub(super) const MOST_ENTRIES: usize = 256;
/// Longest name, as of objects of the Kubernetes API.
pub(super) const LONGEST_NAME: usize = 253;

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    pub api_version: ApiVersion,
    pub kind: Kind,
    pub metadata: Metadata,
    pub spec: Spec,
}

/// The only one there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiVersion {
    #[serde(rename = "auditor.dev/v1alpha1")]
    V1Alpha1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Of one namespace: about what its workloads send.
    DataFlowPolicy,
    ClusterDataFlowPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenMetadata")]
pub struct Metadata {
    pub name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Name>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// With what an API server adds, so that what `kubectl get --output yaml` prints can be read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenMetadata {
    name: Name,
    namespace: Option<Name>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(rename = "uid")]
    _uid: Option<IgnoredAny>,
    #[serde(rename = "generation")]
    _generation: Option<IgnoredAny>,
    #[serde(rename = "resourceVersion")]
    _resource_version: Option<IgnoredAny>,
    #[serde(rename = "creationTimestamp")]
    _creation_timestamp: Option<IgnoredAny>,
    #[serde(rename = "deletionTimestamp")]
    _deletion_timestamp: Option<IgnoredAny>,
    #[serde(rename = "deletionGracePeriodSeconds")]
    _deletion_grace_period_seconds: Option<IgnoredAny>,
    #[serde(rename = "finalizers")]
    _finalizers: Option<IgnoredAny>,
    #[serde(rename = "ownerReferences")]
    _owner_references: Option<IgnoredAny>,
    #[serde(rename = "managedFields")]
    _managed_fields: Option<IgnoredAny>,
    #[serde(rename = "selfLink")]
    _self_link: Option<IgnoredAny>,
}

impl From<WrittenMetadata> for Metadata {
    fn from(written: WrittenMetadata) -> Self {
        Self {
            name: written.name,
            namespace: written.namespace,
            labels: written.labels,
            annotations: written.annotations,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub rules: Vec<Rule>,
}

/// One rule. What is left out is not asked for; all that is there has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Of this rule, once in a policy.
    #[schemars(schema_with = "schema::name")]
    pub name: Name,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "schema::prose")]
    pub description: String,
    /// The paragraphs of a law or standard it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::cites")]
    pub cites: Vec<String>,
    /// The kinds of data it is about: whatever one of the lists names; all data without it.
    #[serde(default, skip_serializing_if = "Data::is_everything")]
    pub data: Data,
    /// The sender of the bytes: a selector such as `namespace=shop,workload=Deployment/checkout`.
    #[serde(default, skip_serializing_if = "Selector::is_any", deserialize_with = "from")]
    #[schemars(schema_with = "schema::selector")]
    pub from: Selector,
    /// The receiver of the bytes: a selector such as `external`.
    #[serde(default, skip_serializing_if = "Selector::is_any", deserialize_with = "to")]
    #[schemars(schema_with = "schema::selector")]
    pub to: Selector,
    /// Operations that a pattern matches, such as `POST /v1/charges*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::patterns")]
    pub operations: Vec<OperationPattern>,
    /// Fields that a pattern matches, such as `$.items[*].card`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::patterns")]
    pub fields: Vec<FieldPattern>,
    /// States of the values; `clear`, without it.
    #[serde(default = "clear", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::states")]
    pub states: Vec<State>,
    /// What is asked of the connection.
    #[serde(default, skip_serializing_if = "Transport::is_free")]
    pub transport: Transport,
    /// Of the findings, instead of the detector's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub severity: Option<Severity>,
    /// `report`: a violation; `allow`; `ignore`: allow until a day, for a reason; `count`: allow, and make no finding.
    #[schemars(schema_with = "schema::action")]
    pub action: Action,
    /// Of `ignore`: the last day on which it holds, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::day")]
    pub until: Option<Date>,
    /// Of `ignore`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::prose")]
    pub reason: Option<String>,
}

/// Kinds of data: whatever one of the three lists names; all, when all are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Detectors, such as `payment_card`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::ids")]
    pub detectors: Vec<String>,
    /// Categories, such as `payment`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::ids")]
    pub categories: Vec<String>,
    /// Regulations, such as `gdpr`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::ids")]
    pub regulations: Vec<String>,
}

impl Data {
    /// True when no kind is named.
    pub fn is_everything(&self) -> bool {
        self.detectors.is_empty() && self.categories.is_empty() && self.regulations.is_empty()
    }
}

/// What is asked of the connection. A value that a rule decides about is a violation where this
/// does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transport {
    /// `required`: encrypted where the bytes may have left the host; `everywhere`: on one host, too.
    #[serde(default)]
    #[schemars(schema_with = "schema::encrypted")]
    pub encrypted: Encrypted,
    /// Patterns of SPIFFE ids, one of which the certificate of the client has to have; encryption is required then, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "entries")]
    #[schemars(schema_with = "schema::patterns")]
    pub client: Vec<OperationPattern>,
    /// Where it is not known who the client is: `allow`, if not given, or `report`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::unknown_client")]
    pub unknown_client: Option<UnknownClient>,
}

impl Transport {
    fn is_free(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a value whose client is not known, where a rule asks for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownClient {
    /// As the rule says, and it is counted.
    #[default]
    Allow,
    /// It is a violation.
    Report,
}

impl UnknownClient {
    /// As in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Report => "report",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encrypted {
    #[default]
    Any,
    /// Where the bytes may have left the host.
    Required,
    /// On one host, too.
    Everywhere,
}

impl Encrypted {
    /// As in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Required => "required",
            Self::Everywhere => "everywhere",
        }
    }
}

/// A name as of an object of the Kubernetes API: lower case, digits, `-` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let fits = text.len() <= LONGEST_NAME
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().last());
        if fits {
            return Ok(Self(text));
        }
        let shown: String = text.chars().take(60).collect();
        Err(D::Error::custom(format!(
            "{shown:?} is no name: lower case letters, digits, `-` and `.`, at most {LONGEST_NAME} of them, a letter or digit at both ends"
        )))
    }
}

/// A pattern of operations: `POST /v1/charges*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationPattern(pub Glob);

/// A pattern of fields: `$.items[*].card`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPattern(pub Glob);

fn pattern<'de, D: Deserializer<'de>>(deserializer: D, dialect: Dialect) -> Result<Glob, D::Error> {
    let text = String::deserialize(deserializer)?;
    Glob::parse(&text, dialect).map_err(D::Error::custom)
}

impl<'de> Deserialize<'de> for OperationPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pattern(deserializer, Dialect::Text).map(Self)
    }
}

impl<'de> Deserialize<'de> for FieldPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pattern(deserializer, Dialect::Path).map(Self)
    }
}

impl Serialize for OperationPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for FieldPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A selector, and in an error the key that it is under: the path of an error ends at the rule.
fn from<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|error| D::Error::custom(format!("from: {error}")))
}

fn to<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Selector, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|error| D::Error::custom(format!("to: {error}")))
}

fn clear() -> Vec<State> {
    vec![State::Clear]
}

/// A list that is not longer than it may be.
fn entries<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Entries<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Entries<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MOST_ENTRIES}")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = list.next_element()? {
                if entries.len() == MOST_ENTRIES {
                    return Err(A::Error::invalid_length(entries.len() + 1, &self));
                }
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_seq(Entries(std::marker::PhantomData))
}
