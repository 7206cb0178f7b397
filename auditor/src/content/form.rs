//! Fields of forms and query strings (WHATWG URL, application/x-www-form-urlencoded).
//!
//! Goes in: `name=value&…`, escapes undone but for `%26`. Comes out: the parameter's name.

use std::ops::Range;

use super::Field;
use super::cursor::{Cursor, MAX_SIBLINGS, Name, REACH, safe_name, siblings, text_of};

#[derive(Clone, Default)]
pub(super) struct Form {
    at: usize,
    /// Start of the name or value the cursor is in.
    start: usize,
    /// Name of the value the cursor is in; none while in a name.
    name: Option<Name>,
    names: Vec<Name>,
    end: Option<usize>,
}

impl Cursor for Form {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            let rest = &bytes[self.at..to];
            let found = if self.name.is_some() {
                memchr::memchr(b'&', rest)
            } else {
                memchr::memchr3(b'&', b'=', b'?', rest)
            };
            let Some(found) = found else {
                self.at = to;
                return;
            };
            let at = self.at + found;
            if bytes[at] == b'=' {
                let name = Name::At(self.start, at);
                if self.names.len() < MAX_SIBLINGS {
                    self.names.push(name.clone());
                }
                self.name = Some(name);
            } else if bytes[at] == b'&' {
                self.name = None;
            }
            // A question mark matters only in front of a query.
            if bytes[at] != b'?' || at == self.start {
                self.start = at + 1;
            }
            self.end = None;
            self.at = at + 1;
        }
    }

    fn rebase(&mut self, bytes: &[u8]) {
        self.name
            .iter_mut()
            .chain(&mut self.names)
            .for_each(|name| name.keep(bytes));
        self.start = self.start.saturating_sub(self.at);
        self.end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let end = self.end.filter(|end| *end >= at.end).unwrap_or_else(|| {
            memchr::memchr(b'&', &bytes[at.end..]).map_or(bytes.len(), |end| at.end + end)
        });
        self.end = Some(end);
        let key = self.name.as_ref().map(|name| name.text(bytes));
        let reach = &bytes[end..bytes.len().min(end + REACH)];
        let after = reach
            .split(|b| *b == b'&')
            .skip(1)
            .filter_map(|pair| Some(text_of(pair, 0..pair.iter().position(|b| *b == b'=')?)));
        let before = self.names.iter().map(|name| name.text(bytes));
        let siblings = siblings(before.chain(after), key.as_deref());
        let path = key.as_deref().map_or("{key}", safe_name).to_owned();
        Field {
            path: Some(path),
            key,
            siblings,
            value: self.start..end,
        }
    }
}
