//! Fields of SQL text: the column of a value in `INSERT INTO t (a, b) VALUES (…), (…)`, else the
//! word before `=` or `:` as in plain text.
//!
//! Goes in: statements. Comes out: `table.column`. It knows quotes, brackets and two key words,
//! and forgives the rest.

use std::ops::Range;

use super::cursor::{Cursor, Name, safe_name, siblings};
use super::text::Text;
use super::{Field, FieldLookup};

/// Columns whose names are kept.
const MAX_COLUMNS: usize = 256;

#[derive(Clone, Default)]
pub(super) struct Sql {
    at: usize,
    mode: Mode,
    token: Token,
    /// Start of the token, without its quote.
    start: usize,
    table: Option<Name>,
    columns: Vec<Name>,
    column: usize,
    /// Open brackets in the values.
    depth: usize,
}

/// Part of the statement.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Other,
    Table,
    Columns,
    Values,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    Word,
    Quoted {
        quote: u8,
        escaped: bool,
    },
}

impl Sql {
    fn step(&mut self, bytes: &[u8], byte: u8) {
        match byte {
            b'\'' | b'"' | b'`' => {
                self.token = Token::Quoted {
                    quote: byte,
                    escaped: false,
                };
                self.start = self.at + 1;
            }
            b if is_word(b) => {
                self.token = Token::Word;
                self.start = self.at;
            }
            b'(' if self.mode == Mode::Values => {
                self.depth += 1;
                if self.depth == 1 {
                    self.column = 0;
                }
            }
            b'(' if self.mode == Mode::Table => self.mode = Mode::Columns,
            b')' if self.mode == Mode::Values => self.depth = self.depth.saturating_sub(1),
            b',' if self.mode == Mode::Values && self.depth == 1 => self.column += 1,
            b';' => self.mode = Mode::Other,
            _ => {}
        }
        debug_assert!(self.at < bytes.len());
        self.at += 1;
    }

    /// A word or quoted name has ended.
    fn name(&mut self, bytes: &[u8], end: usize, quoted: bool) {
        let word = &bytes[self.start.min(end)..end];
        if !quoted && word.eq_ignore_ascii_case(b"into") {
            self.mode = Mode::Table;
            self.table = None;
            self.columns.clear();
        } else if !quoted && word.eq_ignore_ascii_case(b"values") {
            self.mode = Mode::Values;
            self.depth = 0;
        } else if self.mode == Mode::Table {
            self.table = Some(Name::At(self.start, end));
        } else if self.mode == Mode::Columns && self.columns.len() < MAX_COLUMNS {
            self.columns.push(Name::At(self.start, end));
        }
    }
}

impl Cursor for Sql {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            let rest = &bytes[self.at..to];
            match self.token {
                Token::None => self.step(bytes, rest[0]),
                Token::Word => {
                    let end = rest.iter().position(|b| !is_word(*b));
                    self.at = end.map_or(to, |end| self.at + end);
                    if end.is_some() {
                        self.token = Token::None;
                        self.name(bytes, self.at, false);
                    }
                }
                Token::Quoted { quote, escaped: true } => {
                    self.at += 1;
                    self.token = Token::Quoted {
                        quote,
                        escaped: false,
                    };
                }
                Token::Quoted {
                    quote,
                    escaped: false,
                } => {
                    let Some(found) = memchr::memchr2(quote, b'\\', rest) else {
                        self.at = to;
                        return;
                    };
                    let end = self.at + found;
                    self.at = end + 1;
                    if bytes[end] == quote {
                        self.token = Token::None;
                        self.name(bytes, end, true);
                    } else {
                        self.token = Token::Quoted { quote, escaped: true };
                    }
                }
            }
        }
    }

    fn rebase(&mut self, bytes: &[u8]) {
        self.table
            .iter_mut()
            .chain(&mut self.columns)
            .for_each(|name| name.keep(bytes));
        self.start = self.start.saturating_sub(self.at);
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let near = Text.field_at(bytes, at.clone());
        let column = self.columns.get(self.column);
        let (Mode::Values, 1, Some(column)) = (self.mode, self.depth, column) else {
            return near;
        };
        let key = column.text(bytes);
        let table = self
            .table
            .as_ref()
            .map(|table| table.text(bytes))
            .unwrap_or_default();
        let value = match self.token {
            Token::Quoted { quote, .. } => {
                let end = memchr::memchr2(quote, b'\n', &bytes[at.end..]);
                self.start.min(at.start)..end.map_or(bytes.len(), |end| at.end + end)
            }
            _ => near.value,
        };
        Field {
            path: Some(format!("{}.{}", safe_name(&table), safe_name(&key))),
            siblings: siblings(self.columns.iter().map(|name| name.text(bytes)), Some(&key)),
            key: Some(key),
            value,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | 0x80..)
}
