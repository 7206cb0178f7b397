//! JSON in which bytes are missing.
//!
//! Goes in: a type, and bytes that begin somewhere in content of it. Comes out: where a text begins that is there
//! from its start. Before that no path is known.

use super::Json;

/// Where a document begins again.
#[derive(Clone, Copy)]
pub(super) enum Lost {
    ForGood,
    /// Behind this byte.
    Until(u8),
}

impl Json {
    /// Somewhere in content of this type.
    pub(in crate::content) fn lost(content_type: Option<&str>) -> Self {
        let names = |word| content_type.is_some_and(|content_type| content_type.contains(word));
        let lost = if names("ndjson") || names("jsonl") {
            Lost::Until(b'\n')
        } else if names("json-seq") {
            Lost::Until(0x1e)
        } else {
            Lost::ForGood
        };
        Self {
            lost: Some(lost),
            ..Self::default()
        }
    }

    /// Goes on, still without knowing where it is, or at the beginning of a document.
    pub(super) fn find_beginning(&mut self, bytes: &[u8], to: usize) {
        let found = match self.lost {
            Some(Lost::Until(byte)) => memchr::memchr(byte, &bytes[self.at.min(to)..to]),
            _ => None,
        };
        match found {
            Some(found) => {
                self.at += found + 1;
                self.lost = None;
            }
            None => self.at = to,
        }
    }
}
