//! What happens in a crowd all day: statuses change, pods go and others get their addresses, services get other pods.
//!
//! Of twenty writes eleven are statuses of pods, six replace two pods by others at the same addresses (delete, create,
//! status), two tell the services of those, and one is a service.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use auditor::capture::clock::monotonic_ns;
use serde_json::json;
use tokio::task::JoinSet;

use super::{CALLERS, Caller, Crowd, Size, behind, lock, objects, objects::Placed, slices};

/// Of what is done over and over, with the number of its writes.
const ROUND: [(Deed, u64); 15] = {
    use Deed::{Beat, Replace, Service, Slice};
    [
        (Beat, 1),
        (Replace, 3),
        (Beat, 1),
        (Beat, 1),
        (Beat, 1),
        (Slice, 1),
        (Beat, 1),
        (Beat, 1),
        (Replace, 3),
        (Beat, 1),
        (Beat, 1),
        (Slice, 1),
        (Beat, 1),
        (Service, 1),
        (Beat, 2),
    ]
};

#[derive(Clone, Copy)]
enum Deed {
    Beat,
    Replace,
    Slice,
    Service,
}

/// Who has an address at a time, as who gave it to him knows.
#[derive(Clone, Debug)]
pub struct Sight {
    pub ip: IpAddr,
    /// On the clock of records.
    pub at_ns: u64,
    pub uid: String,
    pub workload: String,
    /// When the write that made it so was sent; only of one that got the address.
    pub sent: Option<Instant>,
}

/// What was done.
#[derive(Debug)]
pub struct Churned {
    pub writes: u64,
    pub replaced: u64,
    pub took: Duration,
    pub sights: Vec<Sight>,
}

struct Work {
    caller: Caller,
    pods: Arc<Vec<Mutex<Placed>>>,
    size: Size,
    /// Deeds and writes begun.
    deeds: AtomicUsize,
    due: AtomicU64,
    replaced: AtomicUsize,
    beats: AtomicUsize,
    slices: AtomicUsize,
    start: Instant,
    interval: Duration,
    until: Duration,
    sights: Box<dyn Fn(Sight) + Send + Sync>,
}

impl Crowd {
    /// Writes so often a second, for so long; each handover of an address is told.
    ///
    /// # Errors
    /// When the server refuses something.
    pub fn churn(
        &self,
        rate: u32,
        time: Duration,
        told: impl Fn(Sight) + Send + Sync + 'static,
    ) -> anyhow::Result<Churned> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&all);
        let work = Arc::new(Work {
            caller: self.caller.clone(),
            pods: Arc::clone(&self.pods),
            size: self.size,
            deeds: AtomicUsize::new(0),
            due: AtomicU64::new(0),
            replaced: AtomicUsize::new(0),
            beats: AtomicUsize::new(0),
            slices: AtomicUsize::new(0),
            start: Instant::now(),
            interval: Duration::from_secs(1) / rate,
            until: time,
            sights: Box::new(move |sight: Sight| {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sight.clone());
                told(sight);
            }),
        });
        self.runtime.block_on(async {
            let mut callers = JoinSet::new();
            for _ in 0..CALLERS {
                let work = Arc::clone(&work);
                callers.spawn(async move { work.go_on().await });
            }
            while let Some(ended) = callers.join_next().await {
                ended.context("a caller panicked")??;
            }
            anyhow::Ok(())
        })?;
        let sights = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Churned {
            writes: work.due.load(Ordering::Relaxed),
            replaced: work.replaced.load(Ordering::Relaxed) as u64,
            took: work.start.elapsed(),
            sights,
        })
    }
}

impl Work {
    async fn go_on(&self) -> anyhow::Result<()> {
        while self.start.elapsed() < self.until {
            let number = self.deeds.fetch_add(1, Ordering::Relaxed);
            let (deed, writes) = ROUND[number % ROUND.len()];
            let first = self.due.fetch_add(writes, Ordering::Relaxed);
            self.is_due(first).await;
            match deed {
                Deed::Beat => {
                    for write in first..first + writes {
                        self.is_due(write).await;
                        self.beat().await?;
                    }
                }
                Deed::Replace => self.replace(first).await?,
                Deed::Slice => self.slice().await?,
                Deed::Service => self.service(number).await?,
            }
        }
        Ok(())
    }

    async fn is_due(&self, write: u64) {
        let due = self.start + self.interval * u32::try_from(write).unwrap_or(u32::MAX);
        tokio::time::sleep_until(due.into()).await;
    }

    /// Places with odd numbers are never replaced.
    async fn beat(&self) -> anyhow::Result<()> {
        let number = self.beats.fetch_add(1, Ordering::Relaxed);
        let placed = lock(&self.pods[(number * 2 + 1) % self.pods.len()]).clone();
        self.caller
            .status(&placed, self.size.nodes, number as u64 + 1)
            .await
    }

    /// Some hundred places, again and again.
    async fn replace(&self, first: u64) -> anyhow::Result<()> {
        let number = self.replaced.fetch_add(1, Ordering::Relaxed);
        let place = number % 200 * 2 % self.pods.len();
        let before = lock(&self.pods[place]).clone();
        (self.sights)(sight(&before, None));
        let path = format!("/api/v1/namespaces/{}/pods/{}", before.namespace(), before.name());
        self.caller
            .call(
                "DELETE",
                &path,
                "application/json",
                &json!({"gracePeriodSeconds": 0}),
            )
            .await?;
        let mut after = Placed::new(place, before.generation + 1);
        self.is_due(first + 1).await;
        self.caller.pod(&mut after, self.size.nodes).await?;
        self.is_due(first + 2).await;
        let sent = Instant::now();
        self.caller.status(&after, self.size.nodes, 0).await?;
        (self.sights)(sight(&after, Some(sent)));
        *lock(&self.pods[place]) = after;
        Ok(())
    }

    /// Who was replaced is not behind its service any more.
    async fn slice(&self) -> anyhow::Result<()> {
        let number = self.slices.fetch_add(1, Ordering::Relaxed);
        let service = (number % 200 * 2 / objects::BEHIND) % self.size.services;
        self.tell(service).await
    }

    async fn tell(&self, service: usize) -> anyhow::Result<()> {
        let path = format!("{}/{}-x", slices(service), objects::service_name(service));
        let endpoints = objects::endpoints(&behind(&self.pods, service));
        self.caller.patch(&path, &json!({"endpoints": endpoints})).await
    }

    async fn service(&self, number: usize) -> anyhow::Result<()> {
        let service = number % self.size.services;
        let path = format!(
            "/api/v1/namespaces/{}/services/{}",
            objects::service_namespace(service),
            objects::service_name(service)
        );
        let change = json!({"metadata": {"annotations": {"service.example/changed": number.to_string()}}});
        self.caller.patch(&path, &change).await
    }
}

fn sight(placed: &Placed, sent: Option<Instant>) -> Sight {
    Sight {
        ip: placed.ip().into(),
        at_ns: monotonic_ns(),
        uid: placed.uid.clone(),
        workload: placed.workload(),
        sent,
    }
}
