//! What the field lookups of all formats share: names, and a cursor that remembers where it is.
//!
//! Goes in: bytes of a window and a position. Comes out: a [`Field`]. A cursor moves only when
//! asked, or when the next window begins; it keeps names, never values, all of bounded length.

use std::cell::{RefCell, RefMut};
use std::ops::Range;

use super::{Field, FieldLookup};

/// Most names kept or reported beside a field.
pub(super) const MAX_SIBLINGS: usize = 32;
/// Longest name kept, bytes.
pub(super) const MAX_NAME: usize = 128;
/// How far behind (and, where nothing is remembered, before) a value its siblings are looked for.
pub(super) const REACH: usize = 4 * 1024;

/// A name in the document: a place in the window, or a copy once the window has gone.
#[derive(Clone, Debug)]
pub(super) enum Name {
    At(usize, usize),
    Copy(Box<str>),
}

impl Name {
    pub(super) fn text(&self, bytes: &[u8]) -> String {
        match self {
            Self::At(start, end) => text_of(bytes, *start..*end),
            Self::Copy(text) => text.to_string(),
        }
    }

    /// As it was sent, at most [`MAX_NAME`] bytes.
    pub(super) fn bytes<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Self::At(start, end) => {
                let end = (*end).min(bytes.len()).min(start.saturating_add(MAX_NAME));
                bytes.get(*start..end).unwrap_or_default()
            }
            Self::Copy(text) => text.as_bytes(),
        }
    }

    /// Makes it independent of the window.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if let Self::At(..) = self {
            *self = Self::Copy(self.text(bytes).into());
        }
    }
}

/// The text at `range`, at most [`MAX_NAME`] bytes of it.
pub(super) fn text_of(bytes: &[u8], range: Range<usize>) -> String {
    let end = range
        .end
        .min(bytes.len())
        .min(range.start.saturating_add(MAX_NAME));
    String::from_utf8_lossy(bytes.get(range.start..end).unwrap_or_default()).into_owned()
}

/// Names as siblings of `own`, without repeats.
pub(super) fn siblings(names: impl Iterator<Item = String>, own: Option<&str>) -> Vec<String> {
    let mut siblings: Vec<String> = Vec::new();
    for name in names {
        if siblings.len() == MAX_SIBLINGS {
            break;
        }
        if Some(name.as_str()) != own && !name.is_empty() && !siblings.contains(&name) {
            siblings.push(name);
        }
    }
    siblings
}

/// A name that can stand in a path: itself, or `{key}` when it may be a value.
pub(super) fn safe_name(name: &str) -> &str {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let longest = name
        .split(|c: char| !c.is_alphanumeric())
        .map(str::len)
        .max()
        .unwrap_or(0);
    let random = longest >= 16 && digits >= 3;
    let odd = name.contains('@') || name.contains('\u{fffd}') || name.chars().any(char::is_control);
    let value = odd || digits >= 6 || random || longest > 40 || name.len() >= MAX_NAME;
    if value || name.is_empty() { "{key}" } else { name }
}

/// Position in a format, moved through the bytes of a window.
pub(super) trait Cursor: Clone {
    /// Where it stands.
    fn at(&self) -> usize;
    /// Moves on, exactly to `to`.
    fn run(&mut self, bytes: &[u8], to: usize);
    /// The window now starts where the cursor stands; all names are copied.
    fn rebase(&mut self, bytes: &[u8]);
    /// The field around `at`; the cursor stands at its start.
    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field;
    /// The column it stands in.
    fn column(&self) -> Option<u16> {
        None
    }
    /// The name of a column it has come to.
    fn column_name(&self, column: u16) -> Option<String> {
        let _ = column;
        None
    }
}

/// Bytes between two places that are kept for those who ask a little further back.
const APART: usize = 1024;

/// A cursor at the start of the window, one that follows the candidates, and two that it left
/// behind, the newest last.
pub(super) struct Tracked<C> {
    base: C,
    walk: RefCell<C>,
    left: RefCell<[C; 2]>,
}

impl<C: Cursor> Tracked<C> {
    pub(super) fn new(base: C) -> Self {
        Self {
            walk: RefCell::new(base.clone()),
            left: RefCell::new([base.clone(), base.clone()]),
            base,
        }
    }

    /// The next window starts `n` bytes on.
    pub(super) fn advance(&mut self, bytes: &[u8], n: usize) {
        let walk = self.walk.get_mut();
        if walk.at() <= n {
            std::mem::swap(&mut self.base, walk);
        }
        self.base.run(bytes, n);
        self.base.rebase(bytes);
        *walk = self.base.clone();
        *self.left.get_mut() = [self.base.clone(), self.base.clone()];
    }
}

impl<C: Cursor> Tracked<C> {
    /// The cursor at `at`.
    fn walk_to(&self, bytes: &[u8], at: usize) -> RefMut<'_, C> {
        let mut walk = self.walk.borrow_mut();
        let mut left = self.left.borrow_mut();
        if walk.at() > at {
            let near = left.iter().rev().find(|cursor| cursor.at() <= at);
            *walk = near.unwrap_or(&self.base).clone();
        } else if walk.at() >= left[1].at() + APART {
            left.swap(0, 1);
            left[1] = walk.clone();
        }
        walk.run(bytes, at);
        walk
    }
}

impl<C: Cursor + Send + 'static> FieldLookup for Tracked<C> {
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field {
        let start = at.start.min(bytes.len());
        let at = start..at.end.clamp(start, bytes.len());
        self.walk_to(bytes, start).field(bytes, at)
    }

    fn column_at(&self, bytes: &[u8], at: usize) -> Option<u16> {
        self.walk_to(bytes, at.min(bytes.len())).column()
    }

    fn column_name(&self, column: u16) -> Option<String> {
        self.walk.borrow().column_name(column)
    }

    fn snapshot(&self) -> Option<Box<dyn FieldLookup + Send>> {
        Some(Box::new(Self::new(self.base.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_values_are_not_shown() {
        for (name, expected) in [
            ("number", "number"),
            ("card number", "card number"),
            ("line1", "line1"),
            ("4111111111111111", "{key}"),
            ("a@b.example", "{key}"),
            ("123-45-6789", "{key}"),
            ("ghp_abcdefghijklmnop123", "{key}"),
            ("", "{key}"),
        ] {
            assert_eq!(safe_name(name), expected);
        }
    }
}
