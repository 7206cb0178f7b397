//! Protocol buffers without their schema (<https://protobuf.dev/programming-guides/encoding/>).
//!
//! Goes in: wire bytes. Comes out: text that can be scanned, one line per field, and for a place in
//! that text the field's path: the field numbers from the outermost message inward (`1.3.2`), the second
//! and later occurrences of one with their index from zero (`1.3[1].2`).
//! Nothing is known of names and types, so a field has no key, unless a [`Schema`] says it, which a [`Registry`] keeps: then
//! the path is one of names. Bytes that are neither text nor a
//! message are not shown.

mod descriptors;
mod files;
mod input;
mod known;
mod levels;
mod path;
mod recode;
mod registry;
mod schema;
mod shape;
#[cfg(test)]
pub(in crate::content) mod tests;
mod wire;

pub use descriptors::Refusal;
pub use files::{DescriptorsError, read};
pub(super) use recode::Recoder;
pub(super) use registry::{Answer, is_reflection};
pub use registry::{Registry, Tally};
pub use schema::{MessageId, Schema};
pub(super) use shape::is_all_strings;
pub(super) use wire::is_message;
