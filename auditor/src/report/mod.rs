//! Stage six: detections become findings: aggregated, written and served.
//!
//! Goes in: [`crate::detect::Detection`] with the ends of its connection. Comes out:
//! [`finding::Finding`]s. A finding never holds a value.

pub mod aggregate;
pub mod finding;
pub mod group;
pub mod json;
pub mod naming;
pub mod observation;
pub mod operations;
pub mod shortfall;
pub mod sinks;
pub mod summary;
pub mod table;

#[cfg(test)]
mod schema_tests;
