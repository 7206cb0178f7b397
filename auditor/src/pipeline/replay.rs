//! All stages behind the rings, without a kernel: what records that were made up or kept come to.
//!
//! Goes in: [`Record`]s, in the order of one ring. Comes out: findings, on the caller's thread. It is what a
//! ring's thread and the reporter do, in one.

use std::sync::{Arc, atomic::AtomicBool};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{
    Naming, Observed, Shared, Totals,
    flow::MessageFlow,
    hold,
    protocols::Protocols,
    reporter::Reporter,
    selection::{Selected, Selection, Told},
    watchlist,
};
use crate::{
    capture::ring::Record,
    content::protobuf::{Registry, Schema},
    detect::Scanner,
    ledger::ByteLedger,
    policy::Judge,
    report::{aggregate::Settings, finding::Finding},
    serve::metrics::Metrics,
    stream::Streams,
};

/// Most series of the metrics that nobody reads here.
const SERIES: usize = 1000;

/// Stages from `stream` to `report`.
pub struct Replay {
    pub(super) streams: Streams<MessageFlow>,
    pub(super) observations: Receiver<Observed>,
    pub(super) reporter: Reporter,
    pub(super) shared: Arc<Shared>,
}

impl Replay {
    /// # Errors
    /// When the metrics can not be made.
    pub fn new(scanner: Scanner) -> Result<Self, prometheus::Error> {
        // Nobody listens to what the kernel side is told.
        let (policies, _) = bounded(1);
        Self::selecting(scanner, Selection::default(), policies)
    }

    /// The same with connections that are left out; `policies` takes what the kernel side is told of streams.
    pub(super) fn selecting(
        scanner: Scanner,
        selection: Selection,
        policies: Sender<Told>,
    ) -> Result<Self, prometheus::Error> {
        let ledger = Arc::new(ByteLedger::default());
        let shared = Arc::new(Shared {
            scanner,
            descriptors: Arc::new(Registry::new(Schema::default(), true)),
            metrics: Arc::new(Metrics::new(Arc::clone(&ledger), SERIES)?),
            ledger: Arc::clone(&ledger),
            peers: Arc::default(),
            clock: super::Clock::now(),
            totals: Totals::default(),
            protocols: Protocols::default(),
            naming: Naming::default(),
            shed: super::shed::Shed::default(),
            watchlist: watchlist::Watchlist::default(),
            selection: Selected::new(selection),
            critical: super::critical::Critical::new(Arc::default()),
            ceiling: super::Ceiling::default(),
            policies,
            held: hold::Room::default(),
            stopping: AtomicBool::new(false),
            rounds: Arc::default(),
        });
        let (out, observations) = unbounded();
        let of_stream = Arc::clone(&shared);
        Ok(Self {
            streams: Streams::new(Arc::clone(&shared.peers), ledger, move |connection| {
                MessageFlow::new(connection, Arc::clone(&of_stream), out.clone())
            }),
            observations,
            reporter: Reporter::new(Settings::default(), Judge::default(), Arc::clone(&shared)),
            shared,
        })
    }

    /// Takes one record through all stages.
    pub fn record(&mut self, record: &Record<'_>) -> Vec<Finding> {
        self.streams.record(record);
        self.reported()
    }

    /// Findings of what was observed since the last time.
    pub(super) fn reported(&mut self) -> Vec<Finding> {
        self.observations
            .try_iter()
            .flat_map(|observed| self.reporter.take(observed))
            .collect()
    }

    /// Ends all streams.
    pub fn finish(&mut self) -> Vec<Finding> {
        self.streams.finish();
        let mut findings = self.reported();
        findings.extend(self.reporter.finish());
        findings
    }

    /// The account and the totals.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}
