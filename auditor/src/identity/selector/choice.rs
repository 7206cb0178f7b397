//! Which processes of this host are watched, as selectors choose them.
//!
//! Goes in: selectors, and a process as an [`End`] with what is certain about it. Comes out: a [`Verdict`]. It prefers not
//! to watch: what is not known yet may turn out to be meant or not, and is undecided.

use thiserror::Error;

use super::{Key, Known, Selector, Term};
use crate::report::finding::End;

/// What is known for good of an end that is a process of this host; what does not apply to it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certain {
    /// Image of its container.
    pub container: bool,
    /// Name and namespace of its pod.
    pub pod: bool,
    /// Workload, service account, labels and node: what the cluster says of its pod; outside of pods, what the runtime
    /// says of its container.
    pub workload: bool,
}

impl Certain {
    /// Everything.
    pub const ALL: Self = Self {
        container: true,
        pod: true,
        workload: true,
    };

    const fn covers(self, key: Key) -> bool {
        match key {
            Key::Namespace | Key::Pod => self.pod,
            Key::Workload | Key::Label | Key::ServiceAccount | Key::Node => self.workload,
            Key::Image => self.container,
            Key::Unit | Key::Slice | Key::Exe | Key::Host => true,
        }
    }
}

/// Whether a process is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Watched,
    Left,
    /// Not watched, as that is not known.
    Undecided,
}

/// Why selectors choose no processes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` asks for `{1}`, which no process of this host has: it would choose nothing")]
pub struct ChoiceError(String, &'static str);

/// The processes that at least one of some selectors means, and none of others.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    include: Vec<Selector>,
    exclude: Vec<Selector>,
}

impl Choice {
    /// # Errors
    /// For a selector that no process of this host can be meant by.
    pub fn new(include: Vec<Selector>, exclude: Vec<Selector>) -> Result<Self, ChoiceError> {
        for selector in include.iter().chain(&exclude) {
            let remote = selector.terms.iter().find(|term| term.key == Key::Host);
            let what = match remote {
                Some(_) => Some(Key::Host.name()),
                None if selector.external.is_some() => Some("external"),
                None => None,
            };
            if let Some(what) = what {
                return Err(ChoiceError(selector.to_string(), what));
            }
        }
        Ok(Self { include, exclude })
    }

    /// True when nothing is chosen.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty()
    }

    /// True when what is chosen depends on the program that a process runs; outside containers and services that is its
    /// workload, too.
    pub fn asks_program(&self) -> bool {
        self.asks(|key| matches!(key, Key::Exe | Key::Workload))
    }

    fn asks(&self, which: impl Fn(Key) -> bool) -> bool {
        let mut keys = self.include.iter().chain(&self.exclude).flat_map(Selector::asks);
        keys.any(|(key, _)| which(key))
    }

    /// The labels that have to be known.
    pub fn labels(&self) -> impl Iterator<Item = String> {
        let all = self.include.iter().chain(&self.exclude).flat_map(Selector::asks);
        all.filter(|(key, _)| *key == Key::Label)
            .map(|(_, label)| label.to_owned())
    }

    /// Whether the process at `end` is watched.
    pub fn judge(&self, end: &End, certain: Certain) -> Verdict {
        let known = Known::of(end);
        let any = |selectors: &[Selector]| {
            let mut none = Some(false);
            for selector in selectors {
                match means(selector, &known, certain) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => none = None,
                }
            }
            none
        };
        match (any(&self.include), any(&self.exclude)) {
            (Some(false), _) | (_, Some(true)) => Verdict::Left,
            (Some(true), Some(false)) => Verdict::Watched,
            _ => Verdict::Undecided,
        }
    }
}

/// Whether a selector means an end, `None` where that is not known.
fn means(selector: &Selector, end: &Known<'_>, certain: Certain) -> Option<bool> {
    let holds = |term: &Term| certain.covers(term.key).then(|| term.holds(end));
    let mut all = Some(true);
    for term in &selector.terms {
        match holds(term) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::selector::tests::{any_end, checkout};

    fn choice(include: &[&str], exclude: &[&str]) -> Choice {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Choice::new(parse(include), parse(exclude)).unwrap()
    }

    const NOTHING: Certain = Certain {
        container: false,
        pod: false,
        workload: false,
    };

    #[test]
    fn what_is_not_known_is_not_watched_also_where_it_seems_to_fit() {
        use Verdict::{Left, Undecided, Watched};
        for (include, exclude, known, unknown) in [
            (&["namespace=shop"][..], &[][..], Watched, Undecided),
            (&["namespace=front"], &[], Left, Undecided),
            (&["namespace!=kube-system"], &[], Watched, Undecided),
            (&["any"], &["namespace=kube-system"], Watched, Undecided),
            (&["any"], &["label=team:pay"], Left, Undecided),
            (&["exe=/usr/bin/python*"], &[], Watched, Watched),
            (&["exe=/other,namespace=shop"], &[], Left, Left),
            (&["exe=/usr/bin/python*"], &["image=registry/*"], Left, Undecided),
            (&["exe=/usr/bin/python*", "namespace=shop"], &[], Watched, Watched),
            (&["exe=/other", "namespace=shop"], &[], Watched, Undecided),
            (&["namespace=shop"], &["exe=/usr/bin/python*"], Left, Left),
            (&[], &[], Left, Left),
        ] {
            let choice = choice(include, exclude);
            let found = (
                choice.judge(&checkout(), Certain::ALL),
                choice.judge(&checkout(), NOTHING),
            );
            assert_eq!(found, (known, unknown), "{include:?} {exclude:?}");
        }
    }

    #[test]
    fn each_source_makes_its_own_keys_certain() {
        let with = |container, pod, workload| Certain {
            container,
            pod,
            workload,
        };
        for (selector, least) in [
            ("namespace=shop", with(false, true, false)),
            ("pod=checkout-*", with(false, true, false)),
            ("image=registry/*", with(true, false, false)),
            ("service_account!=x", with(false, false, true)),
            ("workload=Deployment/checkout", with(false, false, true)),
            ("label=team:pay", with(false, false, true)),
        ] {
            let choice = choice(&[selector], &[]);
            assert_eq!(choice.judge(&checkout(), least), Verdict::Watched, "{selector}");
            let less = with(!least.container, !least.pod, !least.workload);
            assert_eq!(
                choice.judge(&checkout(), less),
                Verdict::Undecided,
                "{selector} {less:?}"
            );
        }
    }

    #[test]
    fn what_only_other_ends_have_is_refused() {
        for text in ["host=a.com", "external", "!external", "exe=/a,host!=b"] {
            assert!(
                Choice::new(vec![text.parse().unwrap()], Vec::new()).is_err(),
                "{text}"
            );
            assert!(
                Choice::new(Vec::new(), vec![text.parse().unwrap()]).is_err(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_becomes_known_never_turns_a_decision(
            end in any_end(), later in any_end(), container in any::<bool>(), pod in any::<bool>(), workload in any::<bool>(),
            include in 0..8_usize, exclude in 0..8_usize,
        ) {
            const SELECTORS: [&str; 8] = [
                "any", "namespace=a", "namespace!=a", "workload=Deployment/*", "label=t:a", "unit=a", "slice!=b", "label!=t:b,unit=a",
            ];
            let choice = choice(&[SELECTORS[include]], &[SELECTORS[exclude]]);
            let certain = Certain { container, pod, workload };
            // The same end when more is known: what was certain stays.
            let mut known = later;
            known.unit = end.unit.clone();
            known.slice = end.slice.clone();
            if pod && let (Some(workload), Some(before)) = (&mut known.workload, &end.workload) {
                workload.namespace.clone_from(&before.namespace);
            } else if pod {
                known.workload.clone_from(&end.workload);
            }
            if workload {
                known.workload.clone_from(&end.workload);
                known.labels.clone_from(&end.labels);
            }
            let before = choice.judge(&end, certain);
            prop_assert!(before == Verdict::Undecided || before == choice.judge(&known, Certain::ALL));
        }
    }
}
