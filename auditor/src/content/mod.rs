//! Stage four: parts of messages become documents that can be scanned and asked for fields.
//!
//! Goes in: [`crate::protocol::Part`]s (or a file, for `scan`). Comes out: [`Document`]s: decoded
//! bytes plus a format that says, only when asked, which field lies at byte n. Clean traffic is
//! never parsed into fields. Decompression is bounded in size and ratio.

mod body;
mod charset;
mod connect;
mod csv;
mod cursor;
pub mod encoding;
mod escape;
mod events;
mod form;
mod headers;
mod items;
pub mod json;
mod lookup;
mod marked;
mod multipart;
mod nested;
mod path;
mod prefix;
pub mod protobuf;
pub mod reader;
mod recode;
pub mod sniff;
mod sql;
#[cfg(test)]
mod tests;
mod text;
mod utf16;
pub mod window;
pub mod xml;
mod yaml;

use std::{fmt, ops::Range};

pub use reader::{Limits, Origin, Reader, Receiver};

/// How the bytes of a document are structured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    /// `application/x-www-form-urlencoded` or a URL query string.
    Form,
    /// Header lines `Name: value`, cookies inside.
    Headers,
    /// A URL path.
    Path,
    Xml,
    Html,
    Yaml,
    Csv,
    Sql,
    /// Protocol buffers, shown as text with a line for each field: `1.3.2: value`.
    Protobuf,
    /// Anything readable: logs, plain text, unknown.
    Text,
}

/// Decoded bytes and what is needed to find fields in them.
pub struct Document<'a> {
    pub bytes: &'a [u8],
    pub format: Format,
    /// Resolves positions to fields; borrowed from the part's state so that a window in the
    /// middle of a long body still knows the path it is in.
    pub fields: &'a dyn FieldLookup,
    /// Bytes at the front that the window before this one ended with.
    pub overlap: usize,
    /// Bytes at the front that were shown early, before it was known what follows: values that end
    /// inside them were reported then. At most `overlap`; all of it when the window before this one
    /// was shown early.
    pub flushed: usize,
    /// Where the window behind this one begins; `None` when nothing follows, or when this one is
    /// shown early and whatever ends in it must be reported now.
    pub next: Option<usize>,
    /// Offset of `bytes[0]` in the decoded part or the file.
    pub offset: u64,
}

/// Where a value lies. `Debug` shows the path, which holds no value, but not the names as sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// JSONPath for JSON (`$.buyer.cards[1].number`), name for forms, headers (lower case) and
    /// cookies (`cookie.session`), column for CSV, field numbers for protocol buffers (`1.3.2`);
    /// `None` in plain text. Keys that look like
    /// values (digit runs, e-mail addresses) are replaced by `{key}` so that no value is in it.
    pub path: Option<String>,
    /// The nearest name for the value: last object key, parameter, header or column name, or a
    /// word before `:` or `=` in text. As sent; it may hold anything and must not be printed.
    pub key: Option<String>,
    /// Names of fields beside this one (same object, same form, same row), at most 32.
    pub siblings: Vec<String>,
    /// Where the whole value of the field lies in the document, quotes left out.
    pub value: Range<usize>,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("path", &self.path)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// Answers which field lies at a position of a document.
pub trait FieldLookup {
    /// The field around `at` in `bytes`. Time at most linear in `bytes`; called per candidate, so
    /// implementations remember where they got to when candidates come in ascending order.
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field;

    /// The column that the cell or SQL value around `at` stands in, where content has such. Equal
    /// numbers are the same column throughout a file, also when statements for several tables
    /// alternate. Time in sum linear in `bytes` when asked in ascending order; nothing is allocated
    /// but for names when a table is first seen.
    fn column_at(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let _ = (bytes, at);
        None
    }

    /// The name of a column, as sent: it must not be printed. `None` when it has none.
    fn column_name(&self, column: u16) -> Option<String> {
        let _ = column;
        None
    }

    /// A copy that answers the same for the same window, on another thread.
    fn snapshot(&self) -> Option<Box<dyn FieldLookup + Send>> {
        None
    }
}

/// Bytes before a value that its window should hold too: they tell where it begins and its name.
const CONTEXT: usize = 256;

impl<'a> Document<'a> {
    /// A document in one piece.
    pub fn whole(bytes: &'a [u8], format: Format, fields: &'a dyn FieldLookup) -> Self {
        Self {
            bytes,
            format,
            fields,
            overlap: 0,
            flushed: 0,
            next: None,
            offset: 0,
        }
    }

    /// Whether the value at `at` is this window's to report. Of all windows that hold a value
    /// exactly one says yes: the last one that also holds what stands before it, unless a window
    /// shown early held it to its end.
    pub fn reports(&self, at: &Range<usize>) -> bool {
        let was_shown = match self.flushed {
            flushed if flushed > 0 && at.end <= flushed => true,
            flushed => flushed < self.overlap && at.start < context(self.overlap),
        };
        let is_behind = self
            .next
            .is_some_and(|next| at.start >= next + context(self.bytes.len() - next));
        !was_shown && !is_behind
    }

    /// The field around `at`.
    pub fn field_at(&self, at: Range<usize>) -> Field {
        self.fields.field_at(self.bytes, at)
    }
}

/// Bytes at the front of a window with this overlap whose values the window before reports.
fn context(overlap: usize) -> usize {
    CONTEXT.min(overlap / 4)
}
