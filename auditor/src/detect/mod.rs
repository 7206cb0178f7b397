//! Stage five: documents become detections.
//!
//! Goes in: [`crate::content::Document`]. Comes out: [`Detection`]s, which hold no value: only a
//! masked sample, a length and a keyed fingerprint. Clean bytes cost one pass and no allocation.

mod block;
mod candidate;
pub mod catalogue;
mod checksum;
mod context;
mod evidence;
mod exercise;
mod explain;
mod find;
pub mod fingerprint;
mod form;
mod glance;
mod key;
mod mask;
pub mod own;
mod prefix;
mod rows;
mod sample;
mod scan;
mod score;
pub mod sketch;
mod state;
mod test_values;
#[cfg(test)]
mod tests;
mod verify;
mod vocabulary;

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::content::{Document, Field};

/// Finds values in documents.
pub trait Scan {
    /// Adds what is in `document` to `found`, in ascending order of position. Of a window, only the
    /// values that it [reports](Document::reports): each value is then found exactly once.
    fn scan(&self, document: &Document<'_>, found: &mut Vec<Detection>);
}

pub use exercise::exercise;
pub use explain::explain;
pub use fingerprint::Fingerprinter;
pub use scan::Scanner;
pub use score::FLOOR;

/// What was found out about one value. Contains nothing of it beyond the masked sample.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Id from the catalogue (`payment_card`) or of an own detector.
    pub detector: &'static str,
    /// What is known of the detector.
    pub row: &'static catalogue::DetectorInfo,
    pub state: State,
    pub confidence: Confidence,
    /// Evidence in bits; see [`Confidence::of_bits`].
    pub score_bits: f32,
    /// Each reason with its bits, strongest first, as `detectors test` prints them.
    pub evidence: Vec<Evidence>,
    /// A clear value under a key that promises masking.
    pub declared_masked: bool,
    /// A mask that leaves more than its convention allows.
    pub under_masked: bool,
    /// Labels beside those of `row`, as the value holds more than its kind says: a token with an
    /// e-mail address in it.
    pub extra_regulations: &'static [&'static str],
    /// Type-aware masked form: `544791******0247`.
    pub sample: String,
    /// Length of the value as it stood in the document, bytes.
    pub length: usize,
    /// `<key id>:<32 hex>`: HMAC-SHA256 over the normalised value, truncated to 128 bits.
    pub fingerprint: String,
    /// Where in the document.
    pub range: Range<usize>,
    pub field: Field,
}

/// One line of a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub bits: f32,
    pub reason: Cow<'static, str>,
}

/// What a value looks like, decided before any validator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Clear,
    Masked,
    Hashed,
    Tokenised,
    Encrypted,
    Test,
}

/// How sure a detection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

impl Confidence {
    /// High from 9 bits, medium from 6; below, low.
    pub fn of_bits(bits: f32) -> Self {
        match bits {
            b if b >= 9.0 => Self::High,
            b if b >= 6.0 => Self::Medium,
            _ => Self::Low,
        }
    }
}

/// How bad a clear value is; drift, declared masking and plaintext transport raise it by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}
