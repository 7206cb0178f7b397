//! What the name of a value says: the key before it, the array or object around it, its column.
//!
//! Goes in: where a value begins. Comes out: an [`Answer`]. What was asked last is remembered, as the next value is mostly in
//! the same object, array or row.

use std::ops::Range;

use super::Finder;
use crate::content::Format;
use crate::detect::context::{self, Peek};
use crate::detect::glance::Answer;

/// How far back the object around a field is looked for, bytes. Of a field further behind, a name
/// that says nothing by itself says nothing.
const PARENT: usize = 512;

impl<'d> Finder<'_, 'd> {
    /// What is known of the name of a value that begins at `at`.
    pub(super) fn named(&mut self, at: usize) -> Option<Answer> {
        match self.peek(at) {
            Peek::Name(name) => Some(self.answer_within(name)),
            Peek::Nothing => None,
            Peek::Elsewhere if self.format == Format::Json => Some(self.array(at)),
            Peek::Elsewhere => Some(self.column(at)),
        }
    }

    /// The name of a value that begins at `at`, quotes or not.
    #[inline]
    pub(super) fn peek(&self, at: usize) -> Peek<'d> {
        if self.format == Format::Json {
            let quote = at
                .checked_sub(1)
                .is_some_and(|before| self.bytes.get(before) == Some(&b'"'));
            let colon = at.checked_sub(1 + usize::from(quote));
            let name = colon
                .filter(|colon| self.bytes[*colon] == b':')
                .and_then(|colon| self.json_name(colon));
            if let Some(name) = name {
                return Peek::Name(&self.bytes[name]);
            }
        }
        context::peek(self.bytes, at, self.format)
    }

    /// What a name says by itself.
    #[inline(always)]
    pub(super) fn answer(&mut self, name: Range<usize>) -> Answer {
        let text = &self.bytes[..name.end];
        let answer = self.names.answer(&self.scanner.vocabulary, text, name.start);
        self.saw(answer);
        answer
    }

    /// Remembers what speaks for values beside it.
    #[inline]
    pub(super) fn saw(&mut self, answer: Answer) {
        if answer.is_of_others() {
            self.seen[answer.index() / 64] |= 1 << (answer.index() % 64);
        }
    }

    /// Where a name lies that is part of the document.
    #[inline]
    pub(super) fn place_of(&self, name: &'d [u8]) -> Range<usize> {
        let start = name.as_ptr().addr() - self.bytes.as_ptr().addr();
        start..start + name.len()
    }

    /// What a name says; one that says nothing by itself is read with the object around it.
    pub(super) fn answer_within(&mut self, name: &'d [u8]) -> Answer {
        let answer = self.answer(self.place_of(name));
        if !answer.is_of_any() || self.format == Format::Xml || !self.names.glance(answer).generic {
            return answer;
        }
        let parent = match self.format {
            Format::Json => self.parent_of(name),
            _ => &[],
        };
        if parent.is_empty() {
            return self.names.alone(answer);
        }
        let parent = parent.strip_suffix(b"s").unwrap_or(parent);
        self.names.answer_in(&self.scanner.vocabulary, name, parent)
    }

    /// What the name of the JSON array says that holds the element at `at`.
    pub(super) fn array(&mut self, at: usize) -> Answer {
        let bytes = self.bytes;
        let (known, answer) = self.array;
        let since = known..at.max(known);
        let same = 0 < known
            && known <= at
            && since.len() <= PARENT
            && memchr::memchr2(b'[', b']', &bytes[since]).is_none();
        let answer = if same {
            answer
        } else {
            let near = &bytes[at.saturating_sub(PARENT)..at];
            let opened = memchr::memrchr2(b'[', b']', near).filter(|open| near[*open] == b'[');
            let name = opened.and_then(|open| {
                let colon = (at - near.len() + open).checked_sub(1)?;
                let colon = if bytes[colon] == b' ' {
                    colon.checked_sub(1)?
                } else {
                    colon
                };
                let end = colon.checked_sub(1).filter(|_| bytes[colon] == b':')?;
                let before = &bytes[end.saturating_sub(PARENT)..end];
                let start = memchr::memrchr(b'"', before).filter(|_| bytes[end] == b'"')?;
                Some(&before[start + 1..])
            });
            name.map_or(Answer::UNKNOWN, |name| self.answer_within(name))
        };
        self.array = (at, answer);
        answer
    }

    /// The name of the JSON object that holds the field `name`, when it begins close by.
    pub(super) fn parent_of(&mut self, name: &'d [u8]) -> &'d [u8] {
        let start = name.as_ptr().addr() - self.bytes.as_ptr().addr();
        let (known, _) = self.parent;
        // The name looked at last may be in the same object: then no brace stands between.
        let since = known..start.max(known);
        let same = 0 < known
            && known <= start
            && since.len() <= PARENT
            && memchr::memchr2(b'{', b'}', &self.bytes[since]).is_none();
        if !same {
            let parent = context::parent(self.bytes, start, PARENT).unwrap_or_default();
            let at = parent.as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr());
            self.parent.1 = if parent.is_empty() {
                0..0
            } else {
                at..at + parent.len()
            };
        }
        self.parent.0 = start;
        &self.bytes[self.parent.1.clone()]
    }

    /// What the column says that the cell at `at` is in.
    pub(super) fn column(&mut self, at: usize) -> Answer {
        if !matches!(self.format, Format::Csv | Format::Sql) {
            return Answer::UNKNOWN;
        }
        let fields = self.document.fields;
        let Some(column) = fields.column_at(self.bytes, at) else {
            return Answer::UNKNOWN;
        };
        let index = usize::from(column);
        if index >= self.columns.len() {
            self.columns.resize(index + 1, None);
        }
        if let Some(answer) = self.columns[index] {
            return answer;
        }
        let name = fields.column_name(column).unwrap_or_default();
        let answer = self.names.answer(&self.scanner.vocabulary, name.as_bytes(), 0);
        self.saw(answer);
        self.columns[index] = Some(answer);
        answer
    }
}
