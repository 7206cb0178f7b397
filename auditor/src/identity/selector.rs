//! Selectors: which ends of a flow are meant, in one language everywhere.
//!
//! Goes in: text such as `namespace=shop,workload=Deployment/checkout`. Comes out: a [`Selector`]
//! that says whether an [`End`] is meant, how narrow it is, and (in [`overlap`]) an end that two
//! selectors mean. What is not known of an end is absent: `=` does not mean it, `!=` does.

pub mod choice;
pub mod describe;
pub mod overlap;
mod parse;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::glob::{Dialect, Glob};
use crate::report::finding::End;
use crate::report::naming;

pub use parse::{MOST, SelectorError};

/// What a term is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    Namespace,
    Workload,
    Unit,
    Slice,
    Pod,
    ServiceAccount,
    Label,
    Image,
    Exe,
    Host,
    Node,
}

impl Key {
    pub const ALL: [Self; 11] = [
        Self::Namespace,
        Self::Workload,
        Self::Unit,
        Self::Slice,
        Self::Pod,
        Self::ServiceAccount,
        Self::Label,
        Self::Image,
        Self::Exe,
        Self::Host,
        Self::Node,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Workload => "workload",
            Self::Unit => "unit",
            Self::Slice => "slice",
            Self::Pod => "pod",
            Self::ServiceAccount => "service_account",
            Self::Label => "label",
            Self::Image => "image",
            Self::Exe => "exe",
            Self::Host => "host",
            Self::Node => "node",
        }
    }

    const fn dialect(self) -> Dialect {
        match self {
            Self::Workload => Dialect::Workload,
            _ => Dialect::Text,
        }
    }
}

/// One condition: `key=value`, `key!=value`, `key in (…)`, `key notin (…)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Term {
    key: Key,
    /// Of a label: its own key.
    label: String,
    negated: bool,
    /// Sorted; one of them has to match.
    values: Vec<Glob>,
}

/// Ends of flows. All terms have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    /// Outside of what is ours, or not; `None`: either.
    external: Option<bool>,
    /// Sorted, each once.
    terms: Vec<Term>,
}

/// How narrow a selector is; a greater one is narrower. Compared from the first number on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Narrowness {
    /// Terms with `=` and `in`, and `external`; a workload with its kind counts twice, a unit too.
    pub terms: usize,
    /// Those without a wildcard.
    pub exact: usize,
    /// Characters that are given in those with one.
    pub characters: usize,
    /// Terms with `!=` and `notin`.
    pub exclusions: usize,
}

impl Selector {
    /// `any`: every end.
    pub fn any() -> Self {
        Self::default()
    }

    /// True for `any`.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `end` is meant.
    pub fn matches(&self, end: &End) -> bool {
        self.means(&Known::of(end))
    }

    /// The same, where several selectors are asked about one end.
    pub fn means(&self, end: &Known<'_>) -> bool {
        self.external.is_none_or(|external| external == end.external)
            && self.terms.iter().all(|term| term.holds(end))
    }

    /// Adds that the end is in a namespace; policies of a namespace are about nothing else.
    #[must_use]
    pub fn within(mut self, namespace: Glob) -> Self {
        self.terms.push(Term {
            key: Key::Namespace,
            label: String::new(),
            negated: false,
            values: vec![namespace],
        });
        self.sorted()
    }

    /// How narrow it is.
    pub fn narrowness(&self) -> Narrowness {
        let mut narrowness = Narrowness::default();
        if self.external.is_some() {
            narrowness.terms += 1;
            narrowness.exact += 1;
        }
        for term in &self.terms {
            term.add_to(&mut narrowness);
        }
        narrowness
    }

    /// The namespace, workload, executable, host or other single value this selector insists on,
    /// with its key: what an index of selectors is made of.
    pub fn anchor(&self) -> Option<(Key, &str)> {
        let rank = |key: Key| match key {
            Key::Workload => 0,
            Key::Unit => 1,
            Key::Exe => 2,
            Key::Host => 3,
            Key::Namespace => 4,
            _ => 5,
        };
        let exact = |term: &Term| term.key != Key::Label && !term.negated && term.values.len() == 1;
        self.terms
            .iter()
            .filter(|term| exact(term))
            .filter_map(|term| Some((term.key, term.values.first()?.exact()?)))
            .min_by_key(|(key, _)| rank(*key))
    }

    /// Whether it asks if an end is external.
    pub fn asks_external(&self) -> bool {
        self.external.is_some()
    }

    /// The keys it asks for, each with its label, which is empty for others.
    pub fn asks(&self) -> impl Iterator<Item = (Key, &str)> {
        self.terms.iter().map(|term| (term.key, term.label.as_str()))
    }

    fn sorted(mut self) -> Self {
        self.terms.sort();
        self.terms.dedup();
        self
    }
}

impl Term {
    fn holds(&self, end: &Known<'_>) -> bool {
        let value = end.value(self.key, &self.label);
        let found = value.is_some_and(|value| self.values.iter().any(|glob| glob.matches(value)));
        found != self.negated
    }

    fn add_to(&self, narrowness: &mut Narrowness) {
        if self.negated {
            narrowness.exclusions += 1;
            return;
        }
        let of_workload = self.key.dialect() == Dialect::Workload;
        let parts = self.values.iter().map(|glob| match of_workload {
            true => glob.workload_parts(),
            false => (self.key == Key::Unit, glob.exact().is_some()),
        });
        let (kind, exact) = parts.fold((true, true), |(a, b), (kind, exact)| (a && kind, b && exact));
        narrowness.terms += 1 + usize::from(kind);
        narrowness.exact += usize::from(exact) + usize::from(kind && exact);
        if !exact {
            let least = self.values.iter().map(|glob| glob.rank().literals).min();
            narrowness.characters += least.unwrap_or(0);
        }
    }
}

/// What is known of an end, put together once.
pub struct Known<'a> {
    end: &'a End,
    external: bool,
    /// `Kind/name`.
    workload: Option<String>,
}

impl<'a> Known<'a> {
    pub fn of(end: &'a End) -> Self {
        Self {
            end,
            external: is_external(end),
            workload: attribute(end, Key::Workload, "").map(Cow::into_owned),
        }
    }

    /// The same, where somebody else knew whether the end is outside.
    pub fn said(end: &'a End, external: bool) -> Self {
        Self {
            external,
            ..Self::of(end)
        }
    }

    /// As [`attribute`].
    pub fn value(&self, key: Key, label: &str) -> Option<&str> {
        match key {
            Key::Workload => self.workload.as_deref(),
            _ => match attribute(self.end, key, label) {
                Some(Cow::Borrowed(text)) => Some(text),
                _ => None,
            },
        }
    }
}

/// What is known of an end under a key; of a workload its kind and name.
pub fn attribute<'a>(end: &'a End, key: Key, label: &str) -> Option<Cow<'a, str>> {
    let workload = end.workload.as_ref();
    let text = match key {
        Key::Namespace => workload?.namespace.as_deref(),
        Key::Workload => {
            return workload.map(|workload| Cow::Owned(format!("{}/{}", workload.kind, workload.name)));
        }
        Key::Unit => end.unit.as_deref(),
        Key::Slice => end.slice.as_deref(),
        Key::Pod => end.pod.as_ref()?.name.as_deref(),
        Key::ServiceAccount => end.service_account.as_deref(),
        Key::Label => end.labels.get(label).map(String::as_str),
        Key::Image => end.container.as_ref()?.image.as_deref(),
        Key::Exe => end.process.as_ref()?.exe.as_deref(),
        Key::Host => end.host.as_deref(),
        Key::Node => end.node.as_deref(),
    };
    text.map(Cow::Borrowed)
}

/// Whether an end is known to be outside: nothing of it is known but where it is, and that is a
/// public address or, where there is none, a name under a public suffix. What is on a private
/// address without a name is unresolved, and not external.
pub fn is_external(end: &End) -> bool {
    let ours = end.workload.is_some()
        || end.pod.is_some()
        || end.container.is_some()
        || end.process.is_some()
        || end.unit.is_some()
        || end.slice.is_some()
        || end.service_account.is_some()
        || end.node.is_some()
        || !end.labels.is_empty();
    if ours {
        return false;
    }
    match (naming::address(end), &end.host) {
        (Some(address), _) => is_public(address),
        (None, Some(host)) => has_public_suffix(host),
        (None, None) => false,
    }
}

/// RFC 1918, 4193, 3927, 6598 and their kin are not.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => {
            let shared = a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64;
            !(a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || a.is_unspecified()
                || a.is_multicast()
                || a.is_broadcast()
                || shared)
        }
        IpAddr::V6(a) => {
            !(a.is_loopback()
                || a.is_unspecified()
                || a.is_multicast()
                || a.is_unique_local()
                || a.is_unicast_link_local())
        }
    }
}

fn has_public_suffix(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    psl::suffix(host.as_bytes())
        .is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() < host.len())
}

/// As it is read again.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(external) = self.external {
            f.write_str(if external { "external" } else { "!external" })?;
            separator = ",";
        }
        for term in &self.terms {
            f.write_str(separator)?;
            separator = ",";
            fmt::Display::fmt(term, f)?;
        }
        if separator.is_empty() {
            f.write_str("any")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, one) = (self.key.name(), self.values.len() == 1);
        f.write_str(name)?;
        f.write_str(match (one, self.negated) {
            (true, false) => "=",
            (true, true) => "!=",
            (false, false) => " in (",
            (false, true) => " notin (",
        })?;
        for (index, value) in self.values.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            self.write_value(f, value)?;
        }
        if one { Ok(()) } else { f.write_char(')') }
    }
}

impl Term {
    fn write_value(&self, f: &mut fmt::Formatter<'_>, value: &Glob) -> fmt::Result {
        let escape = |c: char| matches!(c, ',' | '(' | ')' | '=') || c.is_whitespace();
        if self.key == Key::Label {
            write!(f, "{}:", self.label)?;
        }
        value.write(f, escape)
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
