//! Fields of separated values (RFC 4180 and its relatives with `;`, tab and `|`).
//!
//! Goes in: rows. Comes out: the name of the column, from the first row when that holds names,
//! else its number from 1 in brackets (`[3]`).

use std::ops::Range;

use super::Field;
use super::cursor::{Cursor, Name, safe_name, siblings};

/// Columns whose names are kept.
const MAX_COLUMNS: usize = 256;

#[derive(Clone)]
pub(super) struct Csv {
    delimiter: u8,
    at: usize,
    first_row: bool,
    columns: Vec<Name>,
    column: usize,
    quoted: bool,
    start: usize,
    end: Option<usize>,
}

impl Csv {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            at: 0,
            first_row: true,
            columns: Vec::new(),
            column: 0,
            quoted: false,
            start: 0,
            end: None,
        }
    }

    fn end_cell(&mut self, bytes: &[u8], at: usize) {
        if self.first_row && self.columns.len() < MAX_COLUMNS {
            let cell = unquoted(bytes, self.start..at);
            self.columns.push(Name::At(cell.start, cell.end));
        }
        self.start = at + 1;
        self.end = None;
        self.column += 1;
        if bytes[at] == b'\n' {
            self.column = 0;
            if self.first_row && !self.columns.iter().all(|name| is_column_name(&name.text(bytes))) {
                self.columns.clear();
            }
            // Columns are asked for without the bytes that name them.
            self.columns.iter_mut().for_each(|name| name.keep(bytes));
            self.first_row = false;
        }
    }
}

impl Cursor for Csv {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            let rest = &bytes[self.at..to];
            let found = if self.quoted {
                memchr::memchr(b'"', rest)
            } else {
                memchr::memchr3(self.delimiter, b'"', b'\n', rest)
            };
            let Some(found) = found else {
                self.at = to;
                return;
            };
            let at = self.at + found;
            self.at = at + 1;
            if bytes[at] == b'"' {
                // A quote inside an unquoted cell is text.
                self.quoted =
                    !self.quoted && at == self.start || !self.quoted && at > 0 && bytes[at - 1] == b'"';
            } else {
                self.end_cell(bytes, at);
            }
        }
    }

    fn rebase(&mut self, bytes: &[u8]) {
        self.columns.iter_mut().for_each(|name| name.keep(bytes));
        self.start = self.start.saturating_sub(self.at);
        self.end = None;
        self.at = 0;
    }

    /// None in the first row, which may name the columns.
    fn column(&self) -> Option<u16> {
        let column = u16::try_from(self.column).ok()?;
        (!self.first_row).then_some(column)
    }

    fn column_name(&self, column: u16) -> Option<String> {
        let columns = if self.first_row { &[][..] } else { &self.columns };
        columns.get(usize::from(column)).map(|name| name.text(&[]))
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let quoted = self.quoted || bytes.get(self.start) == Some(&b'"');
        let delimiter = self.delimiter;
        let end = self.end.filter(|end| *end >= at.end).unwrap_or_else(|| {
            let rest = &bytes[at.end..];
            let found = if quoted {
                memchr::memchr2(b'"', b'\n', rest)
            } else {
                memchr::memchr2(delimiter, b'\n', rest)
            };
            found.map_or(bytes.len(), |found| at.end + found)
        });
        self.end = Some(end);
        let columns = if self.first_row { &[][..] } else { &self.columns };
        let key = columns.get(self.column).map(|name| name.text(bytes));
        let path = match &key {
            Some(key) => safe_name(key).to_owned(),
            None => format!("[{}]", self.column + 1),
        };
        let siblings = siblings(columns.iter().map(|name| name.text(bytes)), key.as_deref());
        Field {
            path: Some(path),
            key,
            siblings,
            value: unquoted(bytes, self.start..end),
        }
    }
}

/// A first row of such cells names the columns.
fn is_column_name(cell: &str) -> bool {
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    digits < 4 && !cell.contains('@') && cell.len() <= 64 && cell.chars().any(char::is_alphabetic)
}

fn unquoted(bytes: &[u8], cell: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = cell;
    if end > start && bytes[end - 1] == b'\r' {
        end -= 1;
    }
    if end > start && bytes[start] == b'"' {
        start += 1;
        if end > start && bytes[end - 1] == b'"' {
            end -= 1;
        }
    }
    start..end
}
