//! Judges one value as if it stood alone in a document, for `detectors test`.
//!
//! Goes in: a value and the name of its field, if any. Comes out: detections with their evidence
//! and without fingerprints. Keeps nothing.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Detection, Scan as _, Scanner};
use crate::content::{Document, Field, FieldLookup, Format};

/// A document of one field.
struct OneField {
    key: Option<String>,
    value: Range<usize>,
}

impl FieldLookup for OneField {
    fn field_at(&self, _: &[u8], _: Range<usize>) -> Field {
        let path = self.key.as_ref().map(|key| format!("$.{key}"));
        Field {
            path,
            key: self.key.clone(),
            siblings: Vec::new(),
            value: self.value.clone(),
        }
    }
}

/// What `value` is, in a field called `key` or in free text. Ranges count from the start of
/// `value`; fingerprints are empty.
pub fn explain(scanner: &Scanner, value: &str, key: Option<&str>) -> Vec<Detection> {
    let name: Option<String> = key.map(|key| key.chars().filter(|c| !matches!(c, '"' | '\\')).collect());
    let opening = name
        .as_ref()
        .map(|name| format!("{{\"{name}\":\""))
        .unwrap_or_default();
    let closing = if name.is_some() { "\"}" } else { "" };
    let text = Zeroizing::new([opening.as_str(), value, closing].concat());
    let from = opening.len();
    let fields = OneField {
        key: name,
        value: from..from + value.len(),
    };
    let format = if key.is_some() { Format::Json } else { Format::Text };
    let document = Document::whole(text.as_bytes(), format, &fields);
    let mut found = Vec::new();
    scanner.scan(&document, &mut found);
    // What stands in the name is not the value.
    found.retain(|detection| detection.range.start >= from && detection.range.end <= from + value.len());
    for detection in &mut found {
        detection.fingerprint.clear();
        detection.range = detection.range.start - from..detection.range.end - from;
        detection.field.value = 0..value.len();
    }
    found
}
