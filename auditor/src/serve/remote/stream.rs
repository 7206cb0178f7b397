//! The body of an answer: findings as they come, one JSON object a line, as over the local socket.
//!
//! Goes in: what waits for a client, and whether it may still read. Comes out: lines. In silence a record says now and then
//! that the agent is there; the last record of a stream that is followed says why it ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Shared;
use super::access::Access;
use crate::serve::hub::Queue;
use crate::serve::tail::SCHEMA;

/// Bytes of findings that are handed over at once.
const CHUNK: usize = 64 << 10;

/// A client that is served.
pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: SocketAddr,
    pub(super) access: Access,
    pub(super) queue: Arc<Queue>,
    pub(super) follow: bool,
    state: State,
    findings: u64,
    dropped: u64,
    /// Why it ends, once it does.
    why: String,
    /// What the check of its right has said, if that is no.
    refused: watch::Receiver<Option<String>>,
    closing: watch::Receiver<bool>,
    /// The check, which ends with the client.
    _check: JoinSet<()>,
    _slot: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Going,
    Over,
}

enum Next {
    Refused(String),
    Closing,
    Findings,
    Silence,
}

/// What is needed to ask again.
pub(super) struct Question {
    pub(super) token: zeroize::Zeroizing<String>,
    pub(super) namespaces: Vec<String>,
}

impl Live {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: SocketAddr,
        access: Access,
        question: Question,
        (queue, follow): (Arc<Queue>, bool),
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let (refuse, refused) = watch::channel(None);
        let mut check = JoinSet::new();
        if follow {
            let (shared, access) = (Arc::clone(&shared), access.clone());
            check.spawn(async move {
                let why = recheck(&shared, &access, &question).await;
                // Nobody hears it when the client has gone.
                let _ = refuse.send(Some(why));
                std::future::pending::<()>().await;
            });
        }
        shared.metrics.tail_streams(1);
        let closing = shared.closing.clone();
        Self {
            shared,
            peer,
            access,
            queue,
            follow,
            state: State::New,
            findings: 0,
            dropped: 0,
            why: "the client has gone".to_owned(),
            refused,
            closing,
            _check: check,
            _slot: slot,
        }
    }

    /// The body of the answer.
    pub(super) fn body(self) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
        stream::unfold(self, |mut live| async move {
            if live.state == State::Over {
                return None;
            }
            let text = live.text().await;
            Some((Ok(Frame::data(Bytes::from(text))), live))
        })
    }

    async fn text(&mut self) -> String {
        if self.state == State::New {
            self.state = State::Going;
            return record(&json!({
                "schema": SCHEMA,
                "node": self.shared.node,
                "namespaces": self.access.view.namespaces(),
            }));
        }
        if !self.follow {
            let text = self.lines(CHUNK);
            if text.is_empty() {
                self.state = State::Over;
                "all was sent".clone_into(&mut self.why);
            }
            return text;
        }
        let next = tokio::select! {
            // A refusal comes before findings.
            biased;
            why = refusal(&mut self.refused) => Next::Refused(why),
            _ = self.closing.wait_for(|closing| *closing) => Next::Closing,
            () = self.queue.ready() => Next::Findings,
            () = sleep(self.shared.limits.heartbeat) => Next::Silence,
        };
        match next {
            Next::Refused(why) => self.end("error", why, String::new()),
            Next::Closing => {
                let last = self.lines(usize::MAX);
                self.end("ended", "the agent stops".to_owned(), last)
            }
            Next::Findings => self.lines(CHUNK),
            Next::Silence => record(&json!({"schema": SCHEMA, "alive": true})),
        }
    }

    /// What waits, with how much of it was lost before.
    fn lines(&mut self, bytes: usize) -> String {
        let batch = self.queue.take_some(bytes);
        let mut text = String::new();
        if batch.dropped > 0 {
            self.dropped += batch.dropped;
            text = record(&json!({"schema": SCHEMA, "dropped": batch.dropped}));
        }
        for line in batch.lines {
            self.findings += 1;
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn end(&mut self, key: &str, why: String, mut text: String) -> String {
        self.state = State::Over;
        text.push_str(&record(&json!({"schema": SCHEMA, key: why})));
        self.why = why;
        text
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.metrics.tail_streams(-1);
        self.shared
            .audit
            .ends(self.peer, &self.access, self.findings, self.dropped, &self.why);
    }
}

fn record(value: &Value) -> String {
    format!("{value}\n")
}

async fn refusal(refused: &mut watch::Receiver<Option<String>>) -> String {
    let why = refused.wait_for(Option::is_some).await;
    match why.ok().and_then(|why| why.clone()) {
        Some(why) => why,
        // Without follow, nobody checks.
        None => std::future::pending().await,
    }
}

/// Returns, once the right is withdrawn or can not be checked, why the client may read no more.
async fn recheck(shared: &Shared, access: &Access, question: &Question) -> String {
    loop {
        sleep(pause(shared.limits.recheck)).await;
        match shared.gate.asks(&question.token, &question.namespaces).await {
            Ok(now) if now.user != access.user => return "the token is another user's by now".to_owned(),
            // Of more than before, nothing is shown until the client asks again.
            Ok(now) if now.view == access.view || now.view.namespaces().is_none() => (),
            Ok(_) => return "the right to watch findings of all namespaces was withdrawn".to_owned(),
            Err(refusal) => return refusal.to_string(),
        }
    }
}

/// Clients that came together do not ask together: up to a tenth sooner.
fn pause(recheck: Duration) -> Duration {
    let spread = recheck / 10;
    let part = std::collections::hash_map::RandomState::new();
    let part = std::hash::BuildHasher::hash_one(&part, ()) % 1000;
    recheck - spread.mul_f64(part as f64 / 1000.0)
}
