//! Connections that are not read, or not whole: rules of the configuration.
//!
//! Goes in: rules as text, and the ends of a connection. Comes out: how much of it is read. What a stage decides here
//! goes to the kernel side, so that its bytes are not even copied; what was copied before it heard of it is settled as
//! muted by the stage.

use std::{
    net::IpAddr,
    str::FromStr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{Shared, critical::Answer};
use crate::{
    capture::policy::Reading,
    stream::{Connection, Ends},
};

/// Why a rule can not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RuleError {
    #[error(
        "`{0}` is no part of a rule; the parts are peer=ADDRESS[/BITS], peer_port=N, own_port=N, exe=PATH and first=BYTES"
    )]
    Unknown(String),
    #[error("`{0}` is not {1}")]
    Value(String, &'static str),
    #[error("`{0}` names no connections; give peer, peer_port, own_port or exe")]
    Empty(String),
}

/// Connections, and how much of them is read, as text: parts with spaces between them. All that is named has to be true of
/// a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    peer: Option<(IpAddr, u8)>,
    peer_port: Option<u16>,
    own_port: Option<u16>,
    exe: Option<String>,
    reading: Reading,
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut rule = Self {
            peer: None,
            peer_port: None,
            own_port: None,
            exe: None,
            reading: Reading::Nothing,
        };
        for part in text.split_whitespace() {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| RuleError::Unknown(part.to_owned()))?;
            let wrong = |what| RuleError::Value(value.to_owned(), what);
            let port = || value.parse().map_err(|_| wrong("a port from 0 to 65535"));
            match key {
                "peer" => rule.peer = Some(network(value).ok_or_else(|| wrong("an address or a network"))?),
                "peer_port" => rule.peer_port = Some(port()?),
                "own_port" => rule.own_port = Some(port()?),
                "exe" if value.starts_with('/') => rule.exe = Some(value.to_owned()),
                "exe" => return Err(wrong("the absolute path of an executable")),
                "first" => {
                    let bytes = value.parse().ok().filter(|bytes| (1..1 << 31).contains(bytes));
                    rule.reading = Reading::First(bytes.ok_or_else(|| wrong("a number of bytes from 1 on"))?);
                }
                _ => return Err(RuleError::Unknown(part.to_owned())),
            }
        }
        if rule.peer.is_none() && rule.peer_port.is_none() && rule.own_port.is_none() && rule.exe.is_none() {
            return Err(RuleError::Empty(text.to_owned()));
        }
        Ok(rule)
    }
}

impl Rule {
    fn covers(&self, ends: &Ends) -> bool {
        let remote = ends.addresses.map(|(_, remote)| remote);
        let local = ends.addresses.map(|(local, _)| local);
        self.peer
            .is_none_or(|network| remote.is_some_and(|remote| holds(network, remote.ip())))
            && self
                .peer_port
                .is_none_or(|port| remote.is_some_and(|remote| remote.port() == port))
            && self
                .own_port
                .is_none_or(|port| local.is_some_and(|local| local.port() == port))
            && self
                .exe
                .as_deref()
                .is_none_or(|exe| ends.executable.as_deref() == Some(exe))
    }
}

/// All rules. The first that covers a connection decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Vec<Rule>);

impl Selection {
    /// Rules, in order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// True when every connection is read whole.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much of a connection is read, which those at its ends see as given.
    pub fn of(&self, ends: &[Ends]) -> Reading {
        self.0
            .iter()
            .find(|rule| ends.iter().any(|ends| rule.covers(ends)))
            .map_or(Reading::Full, |rule| rule.reading)
    }
}

/// The rules in force, which a running daemon may change.
#[derive(Debug, Default)]
pub struct Selected {
    rules: RwLock<Arc<Selection>>,
    generation: AtomicU64,
}

impl Selected {
    /// With these rules from the start.
    pub fn new(selection: Selection) -> Self {
        Self {
            rules: RwLock::new(Arc::new(selection)),
            generation: AtomicU64::new(0),
        }
    }

    /// Puts others in force. Every connection is decided about anew with its next bytes.
    pub fn set(&self, selection: Selection) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if **rules != selection {
            *rules = Arc::new(selection);
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Changes with the rules.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn rules(&self) -> Arc<Selection> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How often it is looked whether ends have got their names.
const AGAIN: Duration = Duration::from_millis(100);

/// A decision on its way to the kernel side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) stream: u64,
    pub(super) reading: Reading,
    /// Of the rules it was made by.
    pub(super) generation: u64,
}

/// What was decided of one stream.
#[derive(Debug)]
pub(super) struct Decision {
    reading: Reading,
    /// What was known of its ends then, and which policies were in force.
    knowing: Option<(u8, u64)>,
    /// Which rules were: the kernel side forgets what others decided.
    generation: u64,
    /// Since when it is open whether it is critical.
    open: Option<Instant>,
}

impl Decision {
    pub(super) const NONE: Self = Self {
        reading: Reading::Full,
        knowing: None,
        generation: 0,
        open: None,
    };

    /// True when nothing of the stream is read. Decides anew when more is known of its ends, and then tells the kernel
    /// side.
    pub(super) fn is_muted(&mut self, connection: &Connection, shared: &Shared) -> bool {
        let generation = shared.selection.generation();
        if generation != self.generation {
            self.generation = generation;
            self.knowing = None;
            if self.reading != Reading::Ahead {
                self.reading = Reading::Full;
            }
        }
        let knowing = Some((connection.known_ends(), shared.critical.generation()));
        let is_open = self.open.is_some_and(|since| since.elapsed() >= AGAIN);
        // Each datagram may have another peer, so its socket is never left out as a whole.
        if self.knowing == knowing && !is_open && !connection.is_datagram {
            return self.reading == Reading::Nothing;
        }
        let before = self.reading;
        let rules = shared.selection.rules();
        self.reading = match rules.is_empty() {
            true => Reading::Full,
            false => rules.of(&connection.ends(&shared.peers)),
        };
        self.open = None;
        if self.reading == Reading::Full && !connection.is_datagram {
            match shared.critical.judge(connection, shared) {
                Answer::Yes => self.reading = Reading::Ahead,
                Answer::No => (),
                Answer::Later => self.open = Some(Instant::now()),
            }
        }
        let told = connection.is_datagram
            || self.reading == before
            || shared
                .policies
                .try_send(Told {
                    stream: connection.stream,
                    reading: self.reading,
                    generation,
                })
                .is_ok();
        // No room: it is decided again with the next bytes.
        self.knowing = knowing.filter(|_| told);
        self.reading == Reading::Nothing
    }
}

/// `10.0.0.0/8`, `::1`.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some((address, bits))
}

fn holds((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let (one, other, width) = match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits()), u128::from(other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    bits == 0 || (one ^ other) >> (width - u32::from(bits)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(executable: &str) -> Ends {
        Ends {
            addresses: Some(("10.1.2.3:443".parse().unwrap(), "192.0.2.9:5432".parse().unwrap())),
            executable: Some(executable.to_owned()),
        }
    }

    #[test]
    fn a_connection_is_covered_when_all_that_a_rule_names_is_true_of_it() {
        for (rule, covered) in [
            ("peer_port=5432", true),
            ("peer_port=5433", false),
            ("own_port=443", true),
            ("own_port=5432", false),
            ("peer=192.0.2.9", true),
            ("peer=192.0.2.0/24", true),
            ("peer=192.0.3.0/24", false),
            ("peer=0.0.0.0/0", true),
            ("peer=::/0", false),
            ("exe=/usr/bin/psql", true),
            ("exe=/usr/bin/mysql", false),
            ("exe=/usr/bin/psql peer_port=5432 own_port=443", true),
            ("exe=/usr/bin/psql  peer_port=1", false),
        ] {
            let selection = Selection::new([rule.parse().unwrap()]);
            let expected = if covered { Reading::Nothing } else { Reading::Full };
            assert_eq!(selection.of(&[ends("/usr/bin/psql")]), expected, "{rule}");
        }
    }

    #[test]
    fn the_first_rule_that_covers_a_connection_decides() {
        let rules = ["exe=/a first=512", "own_port=443", "exe=/b first=1"].map(|rule| rule.parse().unwrap());
        let selection = Selection::new(rules);
        assert_eq!(selection.of(&[ends("/a")]), Reading::First(512));
        assert_eq!(selection.of(&[ends("/b")]), Reading::Nothing);
    }

    #[test]
    fn what_asks_for_addresses_covers_no_connection_without_them() {
        let nowhere = Ends {
            addresses: None,
            ..ends("/a")
        };
        for (rule, expected) in [
            ("peer_port=5432", Reading::Full),
            ("peer=0.0.0.0/0", Reading::Full),
            ("exe=/a", Reading::Nothing),
        ] {
            assert_eq!(
                Selection::new([rule.parse().unwrap()]).of(std::slice::from_ref(&nowhere)),
                expected,
                "{rule}"
            );
        }
    }

    #[test]
    fn a_rule_that_can_not_be_read_says_what_is_wrong() {
        for (rule, part) in [
            ("", "names no connections"),
            ("first=10", "names no connections"),
            ("port=1", "`port=1` is no part of a rule"),
            ("peer_port=70000", "`70000` is not a port"),
            ("peer=10.0.0.0/33", "`10.0.0.0/33` is not an address"),
            ("exe=psql", "`psql` is not the absolute path"),
            ("own_port=1 first=0", "`0` is not a number of bytes"),
        ] {
            let error = rule.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(part), "{rule}: {error}");
        }
    }
}
