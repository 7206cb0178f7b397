//! Connections that come first when a ring is short of space: those between ends that a rule of policy with `severity:
//! critical` names.
//!
//! Goes in: the policies in force, and the ends of a connection. Comes out: whether it is critical. What goes over it is
//! not known yet, so only the ends of a rule count; a rule that names neither makes no connection critical, as it would
//! make all.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::Shared;
use crate::{
    detect::Severity,
    identity::{names::Named, selector::Known},
    policy::{Live, rule::CompiledRule},
    stream::Connection,
};

/// Whether a connection is critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// Its ends do not have all their names yet.
    Later,
}

/// The rules that make connections critical.
pub(super) struct Critical {
    live: Arc<Live>,
    rules: Mutex<Option<(u64, Rules)>>,
}

type Rules = Arc<[CompiledRule]>;

impl Critical {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self {
            live,
            rules: Mutex::default(),
        }
    }

    /// Changes with the policies in force.
    pub(super) fn generation(&self) -> u64 {
        self.live.generation()
    }

    /// Whether a connection is critical now.
    pub(super) fn judge(&self, connection: &Connection, shared: &Shared) -> Answer {
        let rules = self.rules();
        if rules.is_empty() {
            return Answer::No;
        }
        let (mut local, mut remote) = (connection.local_end(), connection.remote_end(&shared.peers, None));
        let names = &shared.naming.names;
        let is_named = [names.name(&mut local), names.name(&mut remote)] == [Named::Done, Named::Done];
        let (local, remote) = (Known::of(&local), Known::of(&remote));
        let now = Timestamp::now();
        let is_critical = rules.iter().any(|rule| {
            !rule.is_expired(now) && (rule.is_between(&local, &remote) || rule.is_between(&remote, &local))
        });
        match (is_critical, is_named) {
            (true, _) => Answer::Yes,
            (false, true) => Answer::No,
            (false, false) => Answer::Later,
        }
    }

    fn rules(&self) -> Rules {
        let generation = self.live.generation();
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        match &*rules {
            Some((known, rules)) if *known == generation => Arc::clone(rules),
            _ => {
                let policies = self.live.current();
                let found: Rules = policies
                    .rules
                    .iter()
                    .filter(|rule| names_ends(rule))
                    .cloned()
                    .collect();
                *rules = Some((generation, Arc::clone(&found)));
                found
            }
        }
    }
}

fn names_ends(rule: &CompiledRule) -> bool {
    rule.severity == Some(Severity::Critical) && rule.specificity.ends.terms > 0
}
