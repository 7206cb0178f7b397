//! What has an end that somebody is still asked about, a runtime, the cluster or connection tracking, waits a moment for
//! its name.
//!
//! Goes in: observations, with the ids that the cgroup paths gave. They come out with the names that are known by then:
//! at once where there is nothing to wait for, else when the answer comes, and without a name after the time the
//! configuration gives. It holds a bounded number of them, never a value, and loses none: without room the oldest goes.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Observed;
use crate::{
    identity::{
        mesh::Mesh,
        names::{Named, Names},
    },
    report::finding::End,
    serve::metrics::Reporter as Side,
    stream::Peers,
};

/// Most observations that wait.
const CAPACITY: usize = 4096;

/// How names are waited for.
#[derive(Clone, Default)]
pub struct Naming {
    pub names: Names,
    /// How long an observation waits; zero for not at all.
    pub patience: Duration,
}

impl Naming {
    /// With who is a proxy of a mesh.
    #[must_use]
    pub fn with_mesh(mut self, mesh: Mesh) -> Self {
        self.names = self.names.with_mesh(mesh);
        self
    }
}

/// Observations that wait, in the order in which they came.
pub(super) struct Late {
    naming: Naming,
    peers: Arc<Peers>,
    waiting: VecDeque<(Instant, Observed, Side)>,
    /// Answers when it was last looked.
    answers: u64,
}

impl Late {
    pub(super) const fn new(naming: Naming, peers: Arc<Peers>) -> Self {
        Self {
            naming,
            peers,
            waiting: VecDeque::new(),
            answers: 0,
        }
    }

    /// Takes an observation; gives back what need not or can not wait.
    pub(super) fn take(&mut self, mut observed: Observed, side: Side) -> Option<(Observed, Side)> {
        if self.name(&mut observed) == Named::Done || self.naming.patience.is_zero() {
            return Some((observed, side));
        }
        let oldest = (self.waiting.len() >= CAPACITY)
            .then(|| self.waiting.pop_front())
            .flatten();
        self.waiting.push_back((Instant::now(), observed, side));
        oldest.map(|(_, observed, side)| (observed, side))
    }

    /// What is named by now, and what has waited long enough. Call it a few times a second.
    pub(super) fn due(&mut self) -> Vec<(Observed, Side)> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let patience = self.naming.patience;
        let translated = self.peers.pairs.translations.answers();
        let answers = self.naming.names.answers().wrapping_add(translated);
        if std::mem::replace(&mut self.answers, answers) == answers {
            let over = self
                .waiting
                .iter()
                .take_while(|(at, ..)| at.elapsed() >= patience);
            let over = over.count();
            let due = self.waiting.drain(..over);
            return due.map(|(_, observed, side)| (observed, side)).collect();
        }
        let mut due = Vec::new();
        let mut still = VecDeque::new();
        for (at, mut observed, side) in std::mem::take(&mut self.waiting) {
            if self.name(&mut observed) == Named::Done || at.elapsed() >= patience {
                due.push((observed, side));
            } else {
                still.push_back((at, observed, side));
            }
        }
        self.waiting = still;
        due
    }

    /// Everything that waits, with the names that are known now.
    pub(super) fn finish(&mut self) -> Vec<(Observed, Side)> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let named = waiting.map(|(_, mut observed, side)| {
            self.name(&mut observed);
            (observed, side)
        });
        named.collect()
    }

    fn name(&self, observed: &mut Observed) -> Named {
        let (ends, pair, ingress, moved_ns): ([&mut End; 2], _, _, _) = match observed {
            Observed::Value(seen) => (
                [&mut seen.observation.source, &mut seen.observation.destination],
                seen.pair,
                seen.ingress,
                seen.moved_ns,
            ),
            Observed::Missed(missed) => (
                [&mut missed.source, &mut missed.destination],
                missed.pair,
                missed.ingress,
                missed.moved_ns,
            ),
        };
        let [source, destination] = ends;
        let remote = if ingress { &mut *source } else { &mut *destination };
        let translated = pair.map_or(Named::Done, |pair| {
            self.peers.name_translated(pair, moved_ns, remote)
        });
        let names = &self.naming.names;
        let named = [translated, names.name(source), names.name(destination)];
        if named.contains(&Named::Pending) {
            Named::Pending
        } else {
            Named::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io::{Read as _, Write as _},
        os::unix::net::UnixListener,
        sync::Arc,
        thread,
    };

    use super::*;
    use crate::{
        identity::container::{Containers, Settings, Unnamed},
        pipeline::Seen,
        report::{finding::Container, observation::tests::card},
    };

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Waits for names of a runtime that answers after this time, or never.
    fn late(folder: &std::path::Path, answers_after: Option<Duration>, patience: Duration) -> Late {
        let path = folder.join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let streams: Vec<_> = listener.incoming().take(1).flatten().collect();
            for mut stream in streams {
                thread::sleep(answers_after.unwrap_or(Duration::from_secs(60)));
                let body = r#"{"Name":"/web","Config":{}}"#;
                let _ = stream.read(&mut [0; 4096]);
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        let containers = Containers::start(Settings {
            sockets: Some(vec![path.to_str().unwrap().parse().unwrap()]),
            labels: BTreeSet::new(),
        });
        Late::new(
            Naming {
                names: Names::new(Some(Arc::new(containers.unwrap())), None),
                patience,
            },
            Arc::default(),
        )
    }

    fn observed(container: bool) -> Observed {
        let mut observation = card();
        observation.source.container = container.then(|| Container {
            id: ID.to_owned(),
            name: None,
            image: None,
            unnamed: None,
        });
        Observed::Value(Box::new(Seen {
            observation,
            pair: None,
            netns: 0,
            client: None,
            xfcc: None,
            ingress: false,
            moved_ns: 0,
            spot: None,
            lead: None,
            watched: false,
        }))
    }

    fn container(observed: &Observed) -> (Option<String>, Option<Unnamed>) {
        let Observed::Value(seen) = observed else {
            panic!("a value")
        };
        let container = seen.observation.source.container.clone().unwrap();
        (container.name, container.unnamed)
    }

    fn until_due(late: &mut Late) -> Vec<(Observed, Side)> {
        let start = Instant::now();
        loop {
            let due = late.due();
            if !due.is_empty() {
                return due;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "it waits for ever");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_is_seen_before_its_container_is_known_waits_for_the_name_and_the_rest_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let after = Duration::from_millis(200);
        let mut late = late(folder.path(), Some(after), Duration::from_secs(10));
        assert!(late.take(observed(true), Side::Source).is_none());
        assert!(late.take(observed(false), Side::Source).is_some());
        assert!(late.take(observed(true), Side::Source).is_none());
        let due = until_due(&mut late);
        assert_eq!(due.len(), 2);
        for (observed, _) in &due {
            assert_eq!(container(observed), (Some("web".to_owned()), None));
        }
        let (now, _) = late.take(observed(true), Side::Source).unwrap();
        assert_eq!(container(&now).0.as_deref(), Some("web"));
    }

    #[test]
    fn what_has_waited_long_enough_goes_without_a_name_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Duration::from_millis(300);
        let mut late = late(folder.path(), None, patience);
        let start = Instant::now();
        assert!(late.take(observed(true), Side::Source).is_none());
        let due = until_due(&mut late);
        assert!(start.elapsed() >= patience);
        assert_eq!(container(&due[0].0), (None, Some(Unnamed::Pending)));
    }

    #[test]
    fn without_room_the_oldest_goes_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut late = late(folder.path(), None, Duration::from_secs(60));
        let beyond = 100;
        let early = (0..CAPACITY + beyond).filter_map(|_| late.take(observed(true), Side::Source));
        assert_eq!(early.count(), beyond);
        assert_eq!(late.finish().len(), CAPACITY);
        assert!(late.due().is_empty());
    }
}
