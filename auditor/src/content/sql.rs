//! Fields of SQL text: the column of a value in `INSERT INTO t (a, b) VALUES (…), (…)` and in the rows
//! behind `COPY t (a, b) FROM stdin;` as pg_dump writes them, else the word before `=` or `:` as in
//! plain text.
//!
//! Goes in: statements. Comes out: `table.column`, and the column's number. An `INSERT` that lists no
//! columns gets them from the `CREATE TABLE` before it. It knows quotes, brackets, comments and a few
//! key words, and forgives the rest.

mod columns;

use std::ops::Range;

use super::cursor::{Cursor, Name, safe_name, siblings};
use super::text::Text;
use super::{Field, FieldLookup};
use columns::{Columns, Tables};

/// Columns whose names are kept.
const MAX_COLUMNS: usize = 256;

#[derive(Clone, Default)]
pub(super) struct Sql {
    at: usize,
    mode: Mode,
    token: Token,
    /// Start of the token, without its quote; in rows, of the value.
    start: usize,
    /// Start of the row in [`Mode::Rows`].
    row: usize,
    table: Option<Name>,
    columns: Vec<Name>,
    tables: Tables,
    /// Columns of the values the cursor is in.
    current: Option<Columns>,
    column: usize,
    /// Open brackets in the values or the definition.
    depth: usize,
    /// The next word is the name of a column that is defined.
    wants_column: bool,
    copy: Copy,
}

/// Part of the statement.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Other,
    /// Behind `CREATE`.
    Create,
    /// The name of the table that is defined.
    Defined,
    Definition,
    Table,
    Columns,
    Listed,
    Values,
    /// The rest of the line behind a `COPY`, which ends before its rows.
    BeforeRows,
    /// Values between tabs, up to a line `\.`.
    Rows,
}

/// How much was seen of `COPY … FROM stdin`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Copy {
    #[default]
    No,
    Begun,
    FromInput,
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
    Comment,
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
            b'-' if bytes.get(self.at + 1) == Some(&b'-') => self.token = Token::Comment,
            b if is_word(b) => {
                self.token = Token::Word;
                self.start = self.at;
            }
            b'(' => self.open(),
            b')' => self.close(bytes),
            b',' if self.depth == 1 => match self.mode {
                Mode::Values => self.column += 1,
                Mode::Definition => self.wants_column = true,
                _ => {}
            },
            b';' => self.end_statement(bytes),
            _ => {}
        }
        debug_assert!(self.at < bytes.len());
        self.at += 1;
    }

    fn open(&mut self) {
        match self.mode {
            Mode::Values => {
                self.depth += 1;
                if self.depth == 1 {
                    self.column = 0;
                }
            }
            Mode::Definition => self.depth += 1,
            Mode::Table => self.mode = Mode::Columns,
            Mode::Defined => {
                self.mode = Mode::Definition;
                self.depth = 1;
                self.wants_column = true;
            }
            _ => {}
        }
    }

    fn close(&mut self, bytes: &[u8]) {
        match self.mode {
            Mode::Values => self.depth = self.depth.saturating_sub(1),
            Mode::Columns => self.mode = Mode::Listed,
            Mode::Definition => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.tables.define(bytes, self.table.as_ref(), &self.columns);
                    self.mode = Mode::Other;
                }
            }
            _ => {}
        }
    }

    fn end_statement(&mut self, bytes: &[u8]) {
        self.mode = Mode::Other;
        if self.copy == Copy::FromInput {
            self.mode = Mode::BeforeRows;
            self.current = self.tables.columns(bytes, self.table.as_ref(), &self.columns);
        }
        self.copy = Copy::No;
    }

    /// A word or quoted name has ended.
    fn name(&mut self, bytes: &[u8], end: usize, quoted: bool) {
        let word = &bytes[self.start.min(end)..end];
        let is = |known: &[u8]| !quoted && word.eq_ignore_ascii_case(known);
        match self.mode {
            _ if is(b"into") => self.begin(Mode::Table),
            _ if is(b"values") => {
                self.mode = Mode::Values;
                self.depth = 0;
                self.current = self.tables.columns(bytes, self.table.as_ref(), &self.columns);
            }
            Mode::Other if is(b"create") => self.mode = Mode::Create,
            Mode::Other if is(b"copy") => {
                self.begin(Mode::Table);
                self.copy = Copy::Begun;
            }
            Mode::Create if is(b"table") => self.begin(Mode::Defined),
            Mode::Defined if is(b"if") || is(b"not") || is(b"exists") => {}
            Mode::Table | Mode::Listed if self.copy == Copy::Begun && is(b"stdin") => {
                self.copy = Copy::FromInput;
            }
            // Of `schema`.`table` the last name counts.
            Mode::Table | Mode::Defined if self.table.is_none() || follows_dot(bytes, self.start, quoted) => {
                self.table = Some(Name::At(self.start, end));
            }
            Mode::Columns if self.columns.len() < MAX_COLUMNS => {
                self.columns.push(Name::At(self.start, end));
            }
            // Only the first word of a definition counts.
            Mode::Definition
                if std::mem::take(&mut self.wants_column)
                    && self.columns.len() < MAX_COLUMNS
                    && (quoted || !columns::is_constraint(word)) =>
            {
                self.columns.push(Name::At(self.start, end));
            }
            _ => {}
        }
    }

    fn begin(&mut self, mode: Mode) {
        self.mode = mode;
        self.table = None;
        self.columns.clear();
        self.current = None;
        self.copy = Copy::No;
    }

    /// Moves through rows up to the next tab or line end.
    fn rows(&mut self, bytes: &[u8], to: usize) {
        let Some(found) = memchr::memchr2(b'\t', b'\n', &bytes[self.at..to]) else {
            self.at = to;
            return;
        };
        let end = self.at + found;
        self.at = end + 1;
        self.start = self.at;
        if bytes[end] == b'\t' {
            self.column += 1;
            return;
        }
        self.column = 0;
        let row = &bytes[self.row.min(end)..end];
        if self.mode == Mode::Rows && row.trim_ascii_end() == b"\\." {
            self.mode = Mode::Other;
        } else {
            self.mode = Mode::Rows;
        }
        self.row = self.at;
    }

    /// Moves through a quoted text up to its end or an escape.
    fn quoted(&mut self, bytes: &[u8], to: usize, quote: u8) {
        let Some(found) = memchr::memchr2(quote, b'\\', &bytes[self.at..to]) else {
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

    fn is_in_values(&self) -> bool {
        self.mode == Mode::Values && self.depth == 1 || self.mode == Mode::Rows
    }

    /// Names of the columns of the values it is in.
    fn names(&self, bytes: &[u8]) -> Vec<String> {
        if self.columns.is_empty() {
            let names = self.current.as_ref().map(|columns| self.tables.names(columns));
            names
                .unwrap_or_default()
                .iter()
                .map(|name| name.to_string())
                .collect()
        } else {
            self.columns.iter().map(|name| name.text(bytes)).collect()
        }
    }
}

impl Cursor for Sql {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            if matches!(self.mode, Mode::Rows | Mode::BeforeRows) {
                self.rows(bytes, to);
                continue;
            }
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
                } => self.quoted(bytes, to, quote),
                Token::Comment => {
                    let end = memchr::memchr(b'\n', rest);
                    self.at = end.map_or(to, |end| self.at + end);
                    if end.is_some() {
                        self.token = Token::None;
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
        self.row = self.row.saturating_sub(self.at);
        self.at = 0;
    }

    fn column(&self) -> Option<u16> {
        let columns = self.current.as_ref().filter(|_| self.is_in_values())?;
        columns.number(self.column)
    }

    fn column_name(&self, column: u16) -> Option<String> {
        self.tables.name_of(column)
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let near = Text.field_at(bytes, at.clone());
        let names = if self.is_in_values() {
            self.names(bytes)
        } else {
            Vec::new()
        };
        let Some(key) = names.get(self.column).cloned() else {
            return near;
        };
        let table = self
            .table
            .as_ref()
            .map(|table| table.text(bytes))
            .unwrap_or_default();
        let value = match self.token {
            _ if self.mode == Mode::Rows => {
                let end = memchr::memchr2(b'\t', b'\n', &bytes[at.end..]);
                self.start.min(at.start)..end.map_or(bytes.len(), |end| at.end + end)
            }
            Token::Quoted { quote, .. } => {
                let end = memchr::memchr2(quote, b'\n', &bytes[at.end..]);
                self.start.min(at.start)..end.map_or(bytes.len(), |end| at.end + end)
            }
            _ => near.value,
        };
        Field {
            path: Some(format!("{}.{}", safe_name(&table), safe_name(&key))),
            siblings: siblings(names.into_iter(), Some(&key)),
            key: Some(key),
            value,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | 0x80..)
}

fn follows_dot(bytes: &[u8], start: usize, quoted: bool) -> bool {
    let before = start.checked_sub(1 + usize::from(quoted));
    before.is_some_and(|before| bytes.get(before) == Some(&b'.'))
}
