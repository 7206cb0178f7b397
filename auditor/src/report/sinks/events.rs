//! Findings as Events of Kubernetes (events.k8s.io/v1), beside the pod that sends what is unmasked.
//!
//! Goes in: findings. Comes out: an Event in the pod's namespace, once for each leak: what is seen again only
//! raises the count of its series. A bucket of tokens bounds how much the API server is asked; what has no
//! token waits, where a newer revision takes its place. An Event never holds a value, nor a sample of one.

mod told;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::{Value, json};

use super::remote::{Accepted, Failure, Target};
use super::spool::Record;
use super::tls;
use crate::report::finding::{Finding, Kind, Verdict};
use told::Told;

/// Most Events whose counts are remembered. One that is forgotten is asked for again, and counts from there.
const KNOWN: usize = 4096;

/// Whether a finding is something to be told of: not what is protected, or allowed.
pub fn is_told(finding: &Finding) -> bool {
    let is_allowed = finding
        .policy
        .as_ref()
        .is_some_and(|policy| policy.verdict == Verdict::Allowed);
    finding.kind != Kind::Observation && !is_allowed
}

/// An API server.
pub struct Events {
    client: Client,
    bucket: Bucket,
    known: HashMap<String, Count>,
}

/// What is counted of an Event.
#[derive(Debug, Default)]
struct Count {
    /// The finding that counts now, with its values.
    id: String,
    values: u64,
    /// Of findings before.
    before: u64,
    /// The server has it.
    is_there: bool,
}

impl Count {
    /// Values of all findings so far. A revision that comes again changes nothing.
    fn of(&mut self, id: &str, values: u64) -> u64 {
        if self.id != id {
            self.before = self.before.saturating_add(self.values);
            self.values = 0;
            id.clone_into(&mut self.id);
        }
        self.values = self.values.max(values);
        self.before.saturating_add(self.values)
    }
}

impl Events {
    /// At most so many requests a minute.
    pub fn new(client: Client, per_minute: u32) -> Self {
        Self {
            client,
            bucket: Bucket::new(per_minute, Instant::now()),
            known: HashMap::new(),
        }
    }

    async fn tell(&mut self, record: &Record) -> Result<(), Failure> {
        let never = |why: &dyn ToString| Failure::Never { why: why.to_string() };
        let finding: Value = serde_json::from_slice(&record.json).map_err(|error| never(&error))?;
        let told = Told::of(&finding).ok_or_else(|| never(&"it has neither a pod nor a node"))?;
        if !self.known.contains_key(&told.name) && self.known.len() >= KNOWN {
            self.known.clear();
        }
        let count = self.known.entry(told.name.clone()).or_default();
        let total = count.of(&told.id, told.values);
        let api: Api<Event> = Api::namespaced(self.client.clone(), &told.namespace);
        self.bucket.take();
        if !count.is_there {
            let event = serde_json::from_value(told.event(total)).map_err(|error| never(&error))?;
            match api.create(&PostParams::default(), &event).await {
                // Another agent told of it, or this one before it was started again.
                Err(Error::Api(status)) if status.code == 409 => (),
                Err(error) => return Err(failure(error)),
                Ok(_) => {
                    count.is_there = true;
                    return Ok(());
                }
            }
            self.bucket.take();
        }
        let series = json!({"series": series(total)});
        match api
            .patch(&told.name, &PatchParams::default(), &Patch::Merge(series))
            .await
        {
            Ok(_) => count.is_there = true,
            // They live for an hour by default.
            Err(Error::Api(status)) if status.code == 404 && count.is_there => {
                count.is_there = false;
                return Err(Failure::Again {
                    reason: "status",
                    why: "the Event is gone".to_owned(),
                    after: None,
                });
            }
            Err(error) => return Err(failure(error)),
        }
        Ok(())
    }
}

/// A series begins with the second time.
fn series(total: u64) -> Value {
    let count = i32::try_from(total).unwrap_or(i32::MAX).max(2);
    json!({"count": count, "lastObservedTime": told::micro(Timestamp::now())})
}

impl Target for Events {
    fn most(&self) -> usize {
        1
    }

    fn rest(&mut self) -> Duration {
        self.bucket.rest(Instant::now())
    }

    async fn send(&mut self, batch: &[Record]) -> Result<Accepted, Failure> {
        for record in batch {
            self.tell(record).await?;
        }
        Ok(Accepted::default())
    }
}

/// Final is what is wrong with the Event itself, and a namespace that is gone. A role that is missing is
/// given some day.
fn failure(error: Error) -> Failure {
    let status = match error {
        Error::Api(status) => status,
        other => return Failure::transport(tls::said(&other)),
    };
    let why = format!(
        "the API server answers {}: {}",
        status.code,
        tls::shown(&status.message)
    );
    let is_ending = status.details.as_ref().is_some_and(|details| {
        let reasons = details.causes.iter().map(|cause| cause.reason.as_str());
        reasons.into_iter().any(|reason| reason == "NamespaceTerminating")
    });
    let seconds = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    match status.code {
        400 | 404 | 422 => Failure::Never { why },
        403 if is_ending => Failure::Never { why },
        413 => Failure::TooLarge { why },
        _ => Failure::Again {
            reason: "status",
            why,
            after: (seconds > 0).then(|| Duration::from_secs(u64::from(seconds))),
        },
    }
}

/// So many tokens a minute, and no more than a minute's worth at once.
#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn new(per_minute: u32, now: Instant) -> Self {
        let per_minute = f64::from(per_minute.max(1));
        Self {
            per_minute,
            tokens: per_minute,
            filled: now,
        }
    }

    /// How long until there is a token.
    fn rest(&mut self, now: Instant) -> Duration {
        let minutes = now.saturating_duration_since(self.filled).as_secs_f64() / 60.0;
        self.filled = now;
        self.tokens = (self.tokens + minutes * self.per_minute).min(self.per_minute);
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.per_minute * 60.0)
    }

    /// Owes it where there is none: a request that follows from another one does not wait.
    const fn take(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_go_and_the_rest_waits_its_turn() {
        let start = Instant::now();
        let mut bucket = Bucket::new(6, start);
        for _ in 0..6 {
            assert_eq!(bucket.rest(start), Duration::ZERO);
            bucket.take();
        }
        assert_eq!(bucket.rest(start).as_millis(), 10_000);
        assert_eq!(bucket.rest(start + Duration::from_secs(4)).as_millis(), 6_000);
        assert_eq!(bucket.rest(start + Duration::from_secs(10)), Duration::ZERO);
        bucket.take();
        // An hour of silence is worth a minute.
        let later = start + Duration::from_secs(3610);
        assert_eq!(bucket.rest(later), Duration::ZERO);
        for _ in 0..6 {
            bucket.take();
        }
        assert!(bucket.rest(later) > Duration::from_secs(9));
    }

    #[test]
    fn values_add_up_over_findings_and_not_over_repetitions() {
        let mut count = Count::default();
        assert_eq!(count.of("a", 3), 3);
        assert_eq!(count.of("a", 3), 3);
        assert_eq!(count.of("a", 7), 7);
        assert_eq!(count.of("b", 2), 9);
        assert_eq!(count.of("b", u64::MAX), u64::MAX);
    }
}
