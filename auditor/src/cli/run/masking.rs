//! The masking ledger of the daemon: kept, shown and served.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;

use crate::config::Config;
use crate::ledger::ByteLedger;
use crate::masking::keeper::{Keeper, Settings};
use crate::masking::snapshot::Snapshot;
use crate::masking::target::Targets;
use crate::masking::{Book, Limits};
use crate::serve::health::Health;
use crate::serve::hub::Hub;
use crate::serve::metrics::{Covered, Metrics};

/// The ledger, and who writes it.
pub(super) struct Masking {
    book: Arc<Mutex<Book>>,
    keeper: Arc<Keeper>,
    targets: Targets,
}

impl Masking {
    /// Reads the file, and lets clients of the socket ask.
    ///
    /// # Errors
    /// When the thread that writes can not be started, or a target can not be read.
    pub(super) fn start(config: &Config, bytes: &Arc<ByteLedger>, hub: &Hub) -> anyhow::Result<Self> {
        let targets = targets(config)?;
        let limits = Limits {
            fields: config.masking.max_fields,
            ..Limits::default()
        };
        let book = Book::new(limits, (&config.drift).into(), Instant::now());
        let book = Arc::new(Mutex::new(book));
        let settings = Settings {
            path: config.masking_path(),
            max_age: config.masking.max_age(),
            max_bytes: config.masking.max_bytes,
        };
        let keeper = Keeper::start(Arc::clone(&book), Arc::clone(bytes), settings)
            .context("cannot start the thread that writes the masking ledger")?;
        let keeper = Arc::new(keeper);
        let (of_book, of_keeper) = (Arc::clone(&book), Arc::downgrade(&keeper));
        hub.serve_ledger(move || {
            let traffic = of_keeper.upgrade().map(|keeper| keeper.traffic());
            let book = of_book.lock().unwrap_or_else(PoisonError::into_inner);
            Snapshot::of(&book, traffic.unwrap_or_default(), Instant::now())
        });
        Ok(Self {
            book,
            keeper,
            targets,
        })
    }

    pub(super) fn book(&self) -> Arc<Mutex<Book>> {
        Arc::clone(&self.book)
    }

    /// Takes over what the configuration says now of drift.
    pub(super) fn set(&self, config: &Config) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.set_drift((&config.drift).into());
    }

    /// Brings metrics and health up to date.
    pub(super) fn show(&self, metrics: &Metrics, health: &Health) {
        let (fresh, fields, totals) = {
            let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            (book.fresh(), book.fields(), book.totals(Instant::now()))
        };
        let covered = fresh
            .iter()
            .map(|(detector, source, destination, counts)| Covered {
                detector,
                source,
                destination,
                counts,
                target: self.targets.of(detector, source, destination),
            });
        metrics.set_coverage(covered);
        let status = self.keeper.status();
        metrics.set_masking(fields, &totals, &status);
        let aside = status.set_aside.as_ref();
        let why = status.failing.clone().or_else(|| {
            aside.map(|kept| format!("a file that could not be used is kept as {}", kept.display()))
        });
        health.set_masking(status.word(), why);
    }

    /// Writes for the last time.
    pub(super) fn finish(self) {
        drop(self.keeper);
    }
}

/// The sentences of `masking.targets`.
pub(in crate::cli) fn targets(config: &Config) -> anyhow::Result<Targets> {
    let own: Vec<&str> = config.detectors.iter().map(|own| own.id.as_str()).collect();
    Targets::parse(&config.masking.targets, &own).context("masking.targets")
}
