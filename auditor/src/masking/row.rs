//! One line of the masking ledger, as it is stored and shown.

use serde::{Deserialize, Serialize};

use super::book::without_indices;
use super::{Party, Record};

/// `part` of the row that counts what has no row of its own.
pub const REST: &str = "other";

/// What makes a field of one kind of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Field {
    /// The sender of the bytes.
    pub source: Party,
    pub destination: Party,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Box<str>>,
    /// As `location.part` of findings, or [`REST`].
    pub part: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    pub detector: Box<str>,
}

impl Field {
    /// A path of a value as the ledger keeps it: all elements of a list are one field.
    pub fn path(path: &str) -> Box<str> {
        without_indices(path).into()
    }
}

/// A field and what went through it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    #[serde(flatten)]
    pub field: Field,
    pub category: Box<str>,
    pub regulations: Vec<Box<str>>,
    #[serde(flatten)]
    pub record: Record,
}

impl Row {
    /// Whether it counts what has no row of its own.
    pub fn is_rest(&self) -> bool {
        &*self.field.part == REST
    }
}
