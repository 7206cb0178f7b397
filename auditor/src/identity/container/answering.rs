//! How container runtimes answer.
//!
//! Goes in: what came of questions about containers. Comes out: the state of each runtime that was asked. One that dies
//! would be noticed at the next container only, so each is asked for its version now and then. That it has a version does
//! not say that it knows its containers: what it did with a question about one stands until the next. Who was never
//! asked about a container is left alone.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Failure, Socket, version};

/// The state of a runtime that knows a container, or says that it does not.
pub const ANSWERS: &str = "answers";

/// `answers`, or why it does not, of each runtime that was asked.
#[derive(Default)]
pub(super) struct Answering(Mutex<HashMap<PathBuf, Heard>>);

struct Heard {
    socket: Socket,
    state: &'static str,
    /// It took a question about a container, and did not answer it well.
    fails: bool,
}

impl Answering {
    /// What came of a question about a container: an answer, or this failure.
    pub(super) fn heard(&self, socket: &Socket, failure: Option<&Failure>) {
        let fails = matches!(failure, Some(Failure::Late | Failure::Broken(_)));
        let heard = Heard {
            socket: socket.clone(),
            state: state(failure),
            fails,
        };
        self.lock().insert(socket.path.clone(), heard);
    }

    /// What came of asking whether it is there.
    fn checked(&self, socket: &Socket, failure: Option<&Failure>) {
        let mut all = self.lock();
        let Some(heard) = all.get_mut(&socket.path) else {
            return;
        };
        let state = state(failure);
        if heard.state == state || heard.fails && failure.is_none() {
            return;
        }
        (heard.state, heard.fails) = (state, false);
        tracing::info!(socket = %socket.path.display(), state, "a container runtime answers otherwise than before");
    }

    /// The state of each, by its socket.
    pub(super) fn states(&self) -> BTreeMap<String, &'static str> {
        let heard = self.lock();
        let states = heard.values();
        states
            .map(|heard| (heard.socket.path.display().to_string(), heard.state))
            .collect()
    }

    /// Asks each that was asked before, again and again; never ends.
    pub(super) async fn keep_current(&self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let sockets: Vec<Socket> = self.lock().values().map(|heard| heard.socket.clone()).collect();
            for socket in sockets {
                self.checked(&socket, version(&socket).await.err().as_ref());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn state(failure: Option<&Failure>) -> &'static str {
    match failure {
        None | Some(Failure::Unknown) => ANSWERS,
        Some(Failure::NotPermitted(_)) => "not_permitted",
        Some(Failure::Unreachable(_)) => "unreachable",
        Some(Failure::Late) => "hanging",
        Some(Failure::Broken(_)) => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_runtime_is_there_does_not_say_that_it_answers() {
        let socket: Socket = "cri:/run/x.sock".parse().unwrap();
        let unreachable = || Failure::Unreachable(std::io::ErrorKind::ConnectionRefused.into());
        let broken = || Failure::Broken(String::new());
        let answering = Answering::default();
        answering.checked(&socket, None);
        assert!(answering.states().is_empty());
        // What comes of a question about a container, of the check after it, and what is said then.
        for (question, check, state) in [
            (None, None, ANSWERS),
            (None, Some(unreachable()), "unreachable"),
            (None, Some(Failure::Late), "hanging"),
            (Some(unreachable()), None, ANSWERS),
            (Some(broken()), None, "broken"),
            (Some(Failure::Late), None, "hanging"),
            (Some(Failure::Late), Some(unreachable()), "unreachable"),
            (Some(Failure::Unknown), None, ANSWERS),
        ] {
            answering.heard(&socket, question.as_ref());
            answering.checked(&socket, check.as_ref());
            let states = answering.states();
            assert_eq!(
                states.values().collect::<Vec<_>>(),
                [&state],
                "{question:?} {check:?}"
            );
        }
        // It was away, and is back.
        answering.checked(&socket, Some(&unreachable()));
        answering.checked(&socket, None);
        assert_eq!(answering.states().into_values().collect::<Vec<_>>(), [ANSWERS]);
    }
}
