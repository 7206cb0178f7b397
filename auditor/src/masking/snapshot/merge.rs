//! Ledgers of several nodes as one.
//!
//! Goes in: snapshots, one after the other. Comes out: one that counts nothing twice. Of each input only counts stay, so
//! that memory goes by the number of different fields of the fleet, and little by that of its nodes.
//!
//! A value that the sender's node and the receiver's both saw counts once: what receivers' nodes count is taken as far as
//! it is beyond what others count as sent. A ledger that is given twice counts once, as it is in the newer input.

use std::collections::HashMap;

use super::super::book::Totals;
use super::super::record::Counts;
use super::super::row::{Field, Row};
use super::super::store::Traffic;
use super::{Header, Snapshot};

/// Takes snapshots, and makes one of them.
#[derive(Debug, Default)]
pub struct Merger {
    inputs: Vec<Input>,
    /// By id of a ledger: the input that it is in.
    ledgers: HashMap<String, usize>,
    rows: HashMap<Field, Folded>,
}

#[derive(Debug)]
struct Input {
    header: Header,
    /// Another input has a newer state of the same.
    is_old: bool,
}

/// What inputs say of one field: what all of them say together, and what each of them counts.
#[derive(Debug)]
struct Folded {
    row: Row,
    counts: Vec<(usize, Counts, Counts)>,
}

/// A ledger is in two inputs, one of which has others as well: which of both is right is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ledger in it is in another input, too")]
pub struct Twice {
    /// The number of the other input, from 0 on.
    pub other: usize,
}

impl Merger {
    /// Adds one input. Returns the number of another one, from 0 on, that is of the same ledgers: the newer of both
    /// counts.
    ///
    /// # Errors
    /// When some of its ledgers were there before, and others were not.
    pub fn add(&mut self, snapshot: Snapshot) -> Result<Option<usize>, Twice> {
        let number = self.inputs.len();
        let Snapshot { header, rows } = snapshot;
        let known = header.ledgers.iter().find_map(|id| self.ledgers.get(id)).copied();
        let mut is_old = false;
        if let Some(other) = known {
            let before = &mut self.inputs[other];
            if before.header.ledgers != header.ledgers {
                return Err(Twice { other });
            }
            is_old = age(&header.totals) < age(&before.header.totals);
            before.is_old = !is_old;
        }
        if !is_old {
            let ids = header.ledgers.iter().cloned();
            self.ledgers.extend(ids.map(|id| (id, number)));
            rows.into_iter().for_each(|row| self.fold(number, row));
        }
        self.inputs.push(Input { header, is_old });
        Ok(known)
    }

    fn fold(&mut self, number: usize, row: Row) {
        let counts = (number, row.record.sent, row.record.received);
        match self.rows.get_mut(&row.field) {
            Some(known) => {
                known.row.record.stretch(&row.record);
                known.counts.push(counts);
            }
            None => {
                let counts = vec![counts];
                self.rows.insert(row.field.clone(), Folded { row, counts });
            }
        }
    }

    /// All of them as one.
    pub fn finish(self) -> Snapshot {
        let mut merged = Snapshot::with(Totals::default(), Traffic::default(), Vec::new());
        let is_old: Vec<bool> = self.inputs.iter().map(|input| input.is_old).collect();
        let counted = is_old.iter().filter(|is_old| !**is_old).count();
        for input in self.inputs.into_iter().filter(|input| !input.is_old) {
            merged.header.add(input.header);
        }
        merged.header.ledgers.sort();
        let rows = self.rows.into_values().filter_map(|mut folded| {
            folded.counts.retain(|(number, ..)| !is_old[*number]);
            folded.finish(counted == 1)
        });
        merged.rows = rows.collect();
        merged.rows.sort_by(|a, b| a.field.cmp(&b.field));
        merged
    }
}

/// Newer states of a ledger have been watched for longer, and counted more.
const fn age(totals: &Totals) -> (u64, u64) {
    (totals.watched, totals.observed)
}

impl Header {
    fn add(&mut self, own: Self) {
        let totals = &mut self.totals;
        totals.watched = totals.watched.max(own.totals.watched);
        totals.began = match totals.began {
            0 => own.totals.began,
            began if own.totals.began == 0 => began,
            began => began.min(own.totals.began),
        };
        totals.wall = totals.wall.max(own.totals.wall);
        totals.observed = totals.observed.saturating_add(own.totals.observed);
        totals.expired = totals.expired.saturating_add(own.totals.expired);
        totals.evicted = totals.evicted.saturating_add(own.totals.evicted);
        totals.edges_lost = totals.edges_lost.saturating_add(own.totals.edges_lost);
        totals.untold = totals.untold.saturating_add(own.totals.untold);
        self.traffic.add(&own.traffic);
        self.journal |= own.journal;
        self.ledgers.extend(own.ledgers);
    }
}

impl Folded {
    /// Of one node all counts; of several the sum of what senders' nodes count, with what is beyond that of each
    /// receiver's. `None` where no input that counts has the field.
    fn finish(self, is_one: bool) -> Option<Row> {
        let mut sent = Counts::default();
        self.counts.iter().for_each(|(_, own, _)| sent.add(own));
        let mut received = Counts::default();
        for (_, own, seen) in &self.counts {
            let known = if is_one {
                Counts::default()
            } else {
                sent.beyond(own)
            };
            received.add(&seen.beyond(&known));
        }
        let mut row = (!self.counts.is_empty()).then_some(self.row)?;
        (row.record.sent, row.record.received) = (sent, received);
        Some(row)
    }
}
