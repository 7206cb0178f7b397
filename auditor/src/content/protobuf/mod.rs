//! Protocol buffers without their schema (<https://protobuf.dev/programming-guides/encoding/>).
//!
//! Goes in: wire bytes. Comes out: text that can be scanned, one line per field, and for a place in
//! that text the field's path: the field numbers from the outermost message inward (`1.3.2`), the second
//! and later occurrences of one with their index from zero (`1.3[1].2`).
//! Nothing is known of names and types, so a field has no key. Bytes that are neither text nor a
//! message are not shown.

mod path;
mod recode;
mod shape;
#[cfg(test)]
mod tests;
mod wire;

use std::ops::Range;

use super::Field;
use super::cursor::Cursor;
use path::Path;

pub(super) use recode::{Recoder, Show};
pub(super) use shape::is_all_strings;
pub(super) use wire::is_message;

/// Stands in front of every field. No value has it, so a path can always be told from content.
const MARK: u8 = 0x1e;

/// Fields of the text a [`Recoder`] makes.
#[derive(Clone, Default)]
pub(super) struct Fields {
    at: usize,
    /// Behind the mark of the field the cursor is in, unless that is in a window that has gone.
    start: Option<usize>,
    /// Path of the field that began in a window before.
    kept: Path,
    end: Option<usize>,
}

impl Fields {
    fn path<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        match self.start {
            Some(start) => path_at(&bytes[start.min(bytes.len())..]),
            None => self.kept.text(),
        }
    }
}

/// The path at the start of `field`, which ends at a colon.
fn path_at(field: &[u8]) -> &[u8] {
    let length = field.iter().take(path::LONGEST + 1).position(|b| *b == b':');
    &field[..length.unwrap_or(0)]
}

impl Cursor for Fields {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        if let Some(mark) = memchr::memrchr(MARK, &bytes[self.at..to]) {
            self.start = Some(self.at + mark + 1);
            self.end = None;
        }
        self.at = to;
    }

    fn rebase(&mut self, bytes: &[u8]) {
        if let Some(start) = self.start.take() {
            self.kept = Path::of(path_at(&bytes[start.min(self.at)..self.at]));
        }
        self.end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let end = self.end.filter(|end| *end >= at.end).unwrap_or_else(|| {
            let mark = memchr::memchr(MARK, &bytes[at.end..]);
            let end = mark.map_or(bytes.len(), |mark| at.end + mark);
            // In front of the mark a line ends.
            end - usize::from(end > at.end && bytes[end - 1] == b'\n')
        });
        self.end = Some(end);
        let path = self.path(bytes);
        let value = self.start.map_or(0, |start| start + path.len() + ": ".len());
        Field {
            path: (!path.is_empty()).then(|| String::from_utf8_lossy(path).into_owned()),
            value: value.min(at.start)..end,
            ..Field::default()
        }
    }
}
