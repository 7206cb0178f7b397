//! auditor watches what services really send each other and reports personal data and secrets
//! that should have been masked, without ever repeating a value.
//!
//! One module per stage, in the order a byte takes through them; each stage knows only the output
//! type of the one before it:
//!
//! | stage | in | out |
//! |---|---|---|
//! | [`capture`] | kernel rings | `Segment` |
//! | [`stream`] | `Segment` | `Chunk` with both ends named |
//! | [`protocol`] | `Chunk` | [`protocol::Part`] of a message |
//! | [`content`] | `Part` | [`content::Document`] |
//! | [`detect`] | `Document` | [`detect::Detection`] |
//! | [`report`] | `Detection` | [`report::finding::Finding`] |
//!
//! [`identity`] names the ends, [`policy`] judges, [`ledger`] and [`config`] serve all.

pub mod capture;
pub mod cli;
pub mod config;
pub mod content;
pub mod detect;
pub mod files;
pub mod glob;
pub mod identity;
pub mod ledger;
pub mod masking;
#[cfg(test)]
mod page;
pub mod pipeline;
pub mod policy;
pub mod protocol;
pub mod report;
pub mod secret;
pub mod serve;
pub mod stream;
pub mod vital;
