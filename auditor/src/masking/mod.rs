//! The masking ledger: of every field, how often each kind of data went through it in which state.
//!
//! Goes in: each value that is sure enough, with who sent it to whom and what policy says. Comes
//! out: [`Row`]s with counts by state, [`drift::Drift`]s as they begin, and a file that survives
//! the daemon. It holds no value: masked samples, names and counts only. Memory is bounded; what has
//! no row of its own is counted in one row for its ends and its kind of data, so that no count is
//! ever lost.

pub mod book;
mod clock;
pub mod coverage;
pub mod drift;
mod edge;
mod frequency;
pub mod keeper;
mod pace;
mod party;
mod rank;
pub mod record;
pub mod require;
mod room;
mod row;
pub mod snapshot;
pub mod store;
pub mod target;
#[cfg(test)]
pub(crate) mod tests;

pub use book::{Book, Limits, Sighting};
pub use party::{Party, not_kept};
pub use record::{Counts, Record, Side};
pub use row::{Field, Row};
