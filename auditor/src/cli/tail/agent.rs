//! One agent, as it is read over the network.
//!
//! Goes in: its address, and what is asked. Comes out: its findings, and what becomes of the connection. A stream that ends
//! begins again, with what was found meanwhile and what was shown already left out; that is told by id and revision, which
//! no two findings of an agent share.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use memchr::memchr;
use reqwest::Response;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::LINE_LIMIT;
use super::target::Target;
use crate::report::sinks::tls::said;
use crate::report::table::steers;
use crate::report::{finding, json};
use crate::serve::tail::SCHEMA;

/// Pauses between attempts.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Findings that are remembered as shown.
const SHOWN: usize = 4096;
/// Most that is read of a refusal, bytes.
const REFUSAL: usize = 16 << 10;
/// How long an agent may take to answer a request that it has.
const ANSWER: Duration = Duration::from_secs(60);

/// What is heard of an agent.
#[derive(Debug)]
pub(super) struct News {
    pub(super) node: String,
    /// Of the agent: a node may have another one for a moment.
    pub(super) address: IpAddr,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A line of JSON.
    Finding(String),
    Connected {
        limited_to: Option<Vec<String>>,
    },
    Dropped(u64),
    /// A stream ended that was to go on.
    Ended(String),
    Unreachable(String),
    Refused(String),
    /// Its pod is no more.
    Gone,
    /// All that was asked for was sent.
    Done,
}

pub(super) struct Agent {
    pub(super) node: String,
    pub(super) address: IpAddr,
    pub(super) is_gone: watch::Receiver<bool>,
}

impl Agent {
    /// Reads it until its pod has gone.
    pub(super) async fn follow(mut self, target: Target, sender: mpsc::Sender<News>) {
        let mut reading = Reading::default();
        let mut pause = SHORTEST;
        let mut is_told = false;
        loop {
            let end = match self.read(&target, &mut reading, &sender).await {
                What::Done if sender.is_closed() => return,
                What::Done => What::Ended("it closed the connection".to_owned()),
                end => end,
            };
            let was_connected = matches!(end, What::Ended(_));
            let is_gone = *self.is_gone.borrow();
            if was_connected {
                (pause, is_told) = (SHORTEST, false);
            }
            // What goes on is said once; that an agent which is gone can not be reached is said by its going.
            let is_known = is_told && matches!(end, What::Unreachable(_));
            let is_by_going = is_gone && !was_connected;
            is_told |= !was_connected;
            if !is_known && !is_by_going && self.tell(&sender, end).await.is_err() {
                return;
            }
            if is_gone {
                let _ = self.tell(&sender, What::Gone).await;
                return;
            }
            tokio::select! {
                () = sleep(pause) => (),
                _ = self.is_gone.wait_for(|gone| *gone) => (),
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Reads what it has to say now.
    pub(super) async fn once(self, target: Target, sender: mpsc::Sender<News>) {
        let end = self.read(&target, &mut Reading::default(), &sender).await;
        // Who is asked for nothing more has not ended too soon.
        let _ = self.tell(&sender, end).await;
    }

    /// One connection.
    async fn read(&self, target: &Target, reading: &mut Reading, sender: &mpsc::Sender<News>) -> What {
        let since = reading.newest;
        let response = match timeout(ANSWER, target.ask(self.address, since)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return What::Unreachable(whole(&error)),
            Err(_) => return What::Unreachable("it does not answer".to_owned()),
        };
        if !response.status().is_success() {
            return refusal(response).await;
        }
        self.records(response, reading, sender).await
    }

    async fn records(
        &self,
        mut response: Response,
        reading: &mut Reading,
        sender: &mpsc::Sender<News>,
    ) -> What {
        let mut lines = Lines::default();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return What::Done,
                Err(error) => return What::Ended(said(&error.without_url())),
            };
            for line in lines.take(&chunk) {
                let what = match line.and_then(|line| reading.record(&line)) {
                    Ok(Some(what)) => what,
                    Ok(None) => continue,
                    Err(why) => return What::Ended(why),
                };
                if matches!(what, What::Ended(_)) {
                    return what;
                }
                if self.tell(sender, what).await.is_err() {
                    return What::Done;
                }
            }
        }
    }

    async fn tell(&self, sender: &mpsc::Sender<News>, what: What) -> Result<(), ()> {
        let news = News {
            node: self.node.clone(),
            address: self.address,
            what,
        };
        sender.send(news).await.map_err(|_| ())
    }
}

/// An error with its causes.
fn whole(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ")
}

async fn refusal(mut response: Response) -> What {
    let status = response.status();
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk[..chunk.len().min(REFUSAL - bytes.len())]);
        if bytes.len() >= REFUSAL {
            break;
        }
    }
    let record: Option<Record> = serde_json::from_slice(&bytes).ok();
    let why = record
        .and_then(|record| record.error)
        .unwrap_or_else(|| format!("it answers {status}"));
    match status.as_u16() {
        // It may be well in a moment.
        429 | 500.. => What::Unreachable(why),
        _ => What::Refused(why),
    }
}

/// What was read of an agent so far.
#[derive(Default)]
struct Reading {
    /// When the newest finding was last seen, on the agent's clock; or, before the first, when it was connected.
    newest: Option<Timestamp>,
    shown: HashSet<(String, u32)>,
    order: VecDeque<(String, u32)>,
}

/// A line, as far as it is looked at.
#[derive(Deserialize)]
struct Record {
    schema: String,
    id: Option<String>,
    #[serde(default)]
    revision: u32,
    last_seen: Option<String>,
    error: Option<String>,
    ended: Option<String>,
    dropped: Option<u64>,
    node: Option<serde_json::Value>,
    namespaces: Option<Vec<String>>,
}

impl Reading {
    /// What a line says, if that is anything new.
    fn record(&mut self, line: &str) -> Result<Option<What>, String> {
        let record: Record =
            serde_json::from_str(line).map_err(|_| "it sent a line that is no record".to_owned())?;
        if record.schema == finding::SCHEMA {
            return Ok(self.is_new(&record).then(|| What::Finding(shown(line))));
        }
        if record.schema != SCHEMA {
            return Ok(None);
        }
        Ok(if let Some(why) = record.error.or(record.ended) {
            Some(What::Ended(why))
        } else if let Some(count) = record.dropped {
            Some(What::Dropped(count))
        } else if record.node.is_some() || record.namespaces.is_some() {
            self.newest.get_or_insert_with(Timestamp::now);
            Some(What::Connected {
                limited_to: record.namespaces,
            })
        } else {
            None
        })
    }

    fn is_new(&mut self, record: &Record) -> bool {
        let seen = record.last_seen.as_deref().and_then(|seen| seen.parse().ok());
        self.newest = self.newest.max(seen);
        let Some(id) = &record.id else { return true };
        let key = (id.clone(), record.revision);
        if !self.shown.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > SHOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.shown.remove(&oldest);
        }
        true
    }
}

/// As agents write it: whoever it is, nothing in it steers a terminal.
fn shown(line: &str) -> String {
    if !line.contains(steers) {
        return line.to_owned();
    }
    serde_json::from_str::<serde_json::Value>(line)
        .and_then(|value| json::line(&value))
        .unwrap_or_default()
}

/// Lines of what comes in pieces.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// The lines that are whole by now; an error ends them.
    fn take(&mut self, mut piece: &[u8]) -> Vec<Result<String, String>> {
        let mut lines = Vec::new();
        while let Some(end) = memchr(b'\n', piece) {
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            lines.push(match line.len() as u64 {
                LINE_LIMIT.. => Err(too_long()),
                _ => String::from_utf8(line).map_err(|_| "it sent a line that is no text".to_owned()),
            });
        }
        self.begun.extend_from_slice(piece);
        if self.begun.len() as u64 > LINE_LIMIT {
            self.begun = Vec::new();
            lines.push(Err(too_long()));
        }
        lines
    }
}

fn too_long() -> String {
    format!("it sent a line of more than {LINE_LIMIT} bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finding(id: &str, revision: u32) -> String {
        let finding = crate::serve::hub::tests::finding(id, revision);
        json::line(&finding).unwrap()
    }

    #[test]
    fn what_was_shown_is_not_shown_again_and_nothing_else_is_left_out() {
        let mut reading = Reading::default();
        let mut is_shown = |line: &str| reading.record(line).unwrap() == Some(What::Finding(line.to_owned()));
        for (id, revision, expected) in [
            ("a", 1, true),
            ("a", 2, true),
            ("b", 1, true),
            ("a", 1, false),
            ("a", 2, false),
            ("b", 2, true),
        ] {
            assert_eq!(is_shown(&finding(id, revision)), expected, "{id} {revision}");
        }
        for number in 0..2 * SHOWN {
            assert!(is_shown(&finding(&number.to_string(), 1)));
        }
        assert!(is_shown(&finding("a", 1)), "forgotten");
        assert_eq!(reading.shown.len(), SHOWN);
        assert_eq!(reading.order.len(), SHOWN);
        assert_eq!(reading.newest, Some("2026-03-01T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn records_that_are_no_findings_say_what_becomes_of_the_stream() {
        let mut reading = Reading::default();
        let mut says = |line: &str| reading.record(line);
        let of = |more: &str| format!(r#"{{"schema":"auditor.tail/v1",{more}}}"#);
        assert_eq!(
            says(&of(r#""node":"a","namespaces":["shop"]"#)),
            Ok(Some(What::Connected {
                limited_to: Some(vec!["shop".into()])
            }))
        );
        assert_eq!(
            says(&of(r#""node":null,"namespaces":null,"alive":true"#)),
            Ok(None)
        );
        assert_eq!(says(&of(r#""dropped":3"#)), Ok(Some(What::Dropped(3))));
        assert_eq!(says(&of(r#""error":"no""#)), Ok(Some(What::Ended("no".into()))));
        assert_eq!(says(&of(r#""ended":"x""#)), Ok(Some(What::Ended("x".into()))));
        assert_eq!(says(r#"{"schema":"of a newer agent"}"#), Ok(None));
        for line in ["", "what", "[]", "{}", r#"{"schema":1}"#] {
            assert!(says(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_hostile_agent_steers_no_terminal() {
        let line = "{\"schema\":\"auditor.finding/v1\",\"id\":\"\u{202e}a\u{9b}2J\"}";
        let Ok(Some(What::Finding(text))) = Reading::default().record(line) else {
            panic!("it is a finding");
        };
        assert!(!text.contains(steers), "{text}");
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut lines = Lines::default();
        let piece = vec![b'a'; 1 << 19];
        let mut ends = 0;
        for _ in 0..8 {
            ends += lines.take(&piece).iter().filter(|line| line.is_err()).count();
            assert!(lines.begun.len() as u64 <= LINE_LIMIT);
        }
        assert!(ends > 0);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(text in "[a\\n]{0,40}", ends in prop::collection::vec(0..40_usize, 0..5)) {
            let (mut lines, mut found, mut from) = (Lines::default(), Vec::new(), 0);
            for end in ends.iter().chain([&text.len()]) {
                let end = (*end).clamp(from, text.len());
                found.extend(lines.take(&text.as_bytes()[from..end]).into_iter().map(Result::unwrap));
                from = end;
            }
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let expected: Vec<&str> = match text.contains('\n') {
                true => whole.split('\n').collect(),
                false => Vec::new(),
            };
            prop_assert_eq!(found, expected);
        }
    }
}
