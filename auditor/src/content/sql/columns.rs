//! Numbers and names of the columns of all tables of a dump.
//!
//! Goes in: a table's name and its columns, where a statement lists or defines them. Comes out: a
//! number for each column that stays the same through the whole content. It keeps names of bounded
//! number and length, and no value.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use super::MAX_COLUMNS;
use crate::content::cursor::Name;

/// Lists of columns that are told apart.
const MAX_TABLES: usize = 128;

/// All lists of columns seen so far; a clone shares them.
#[derive(Clone, Default)]
pub(super) struct Tables(Arc<Vec<Known>>);

#[derive(Clone)]
struct Known {
    /// Of the table's name and the listed columns.
    hash: u64,
    columns: Columns,
    names: Vec<Box<str>>,
}

/// The columns of one table, or of one list of a table's columns.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    first: u16,
    count: u16,
    index: usize,
}

impl Columns {
    /// The number of the column at `index`.
    pub(super) fn number(&self, index: usize) -> Option<u16> {
        let index = u16::try_from(index).ok().filter(|index| *index < self.count)?;
        Some(self.first + index)
    }
}

impl Tables {
    /// Columns of the values behind `INSERT INTO table (columns)`; without a list, those the table
    /// was defined with.
    pub(super) fn columns(
        &mut self,
        bytes: &[u8],
        table: Option<&Name>,
        columns: &[Name],
    ) -> Option<Columns> {
        let hash = hash(bytes, table, columns);
        self.find(hash).or_else(|| self.add(hash, bytes, columns))
    }

    /// A `CREATE TABLE` names the columns.
    pub(super) fn define(&mut self, bytes: &[u8], table: Option<&Name>, columns: &[Name]) {
        let hash = hash(bytes, table, &[]);
        if self.find(hash).is_none() {
            self.add(hash, bytes, columns);
        }
    }

    pub(super) fn names(&self, columns: &Columns) -> &[Box<str>] {
        self.0.get(columns.index).map_or(&[], |known| &known.names)
    }

    pub(super) fn name_of(&self, column: u16) -> Option<String> {
        self.0.iter().find_map(|known| {
            let index = column.checked_sub(known.columns.first)?;
            known.names.get(usize::from(index)).map(|name| name.to_string())
        })
    }

    fn find(&self, hash: u64) -> Option<Columns> {
        let known = self.0.iter().find(|known| known.hash == hash)?;
        Some(known.columns)
    }

    fn add(&mut self, hash: u64, bytes: &[u8], columns: &[Name]) -> Option<Columns> {
        let index = self.0.len();
        if index == MAX_TABLES {
            return None;
        }
        let last = self.0.last().map(|known| known.columns);
        // Without a list nobody knows how many there are.
        let count = if columns.is_empty() {
            MAX_COLUMNS
        } else {
            columns.len()
        };
        let columns_added = Columns {
            first: last.map_or(0, |last| last.first + last.count),
            count: u16::try_from(count).ok()?,
            index,
        };
        Arc::make_mut(&mut self.0).push(Known {
            hash,
            columns: columns_added,
            names: columns.iter().map(|name| name.text(bytes).into()).collect(),
        });
        Some(columns_added)
    }
}

fn hash(bytes: &[u8], table: Option<&Name>, columns: &[Name]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in table.into_iter().chain(columns) {
        hasher.write(name.bytes(bytes));
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// Whether a definition that begins with this word is none of a column.
pub(super) fn is_constraint(word: &[u8]) -> bool {
    [
        &b"primary"[..],
        b"foreign",
        b"unique",
        b"constraint",
        b"key",
        b"index",
        b"check",
        b"exclude",
        b"fulltext",
        b"spatial",
        b"like",
        b"period",
    ]
    .iter()
    .any(|known| word.eq_ignore_ascii_case(known))
}
