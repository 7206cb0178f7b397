//! Fields of forms and query strings (WHATWG URL, application/x-www-form-urlencoded).
//!
//! Goes in: `name=value&…`, escapes undone but for `%26`. Comes out: the parameter's name, and for a value that
//! is JSON the path in that: `payload|json.card`.

use std::ops::Range;

use super::cursor::{Cursor, MAX_SIBLINGS, Name, REACH, safe_name, siblings, text_of};
use super::json::Json;
use super::text::Text;
use super::{Field, FieldLookup as _};

#[derive(Clone, Default)]
pub(super) struct Form {
    at: usize,
    /// Start of the name or value the cursor is in.
    start: usize,
    /// Name of the value the cursor is in; none while in a name.
    name: Option<Name>,
    names: Vec<Name>,
    end: Option<usize>,
    inner: Inner,
    /// The name in front is not known.
    is_lost: bool,
}

/// What the value the cursor is in holds.
#[derive(Clone, Default)]
enum Inner {
    /// Nobody has asked.
    #[default]
    Unknown,
    Plain,
    Json(Json),
}

impl Form {
    /// Somewhere in a form: the next parameter is the first that is known.
    pub(super) fn lost() -> Self {
        Self {
            is_lost: true,
            ..Self::default()
        }
    }

    /// The cursor in a value that is JSON, at `to`.
    fn json(&mut self, bytes: &[u8], to: usize) -> Option<&mut Json> {
        if matches!(self.inner, Inner::Unknown) {
            let begins = self.name.is_some() && matches!(bytes.get(self.start), Some(b'{' | b'['));
            self.inner = if begins {
                Inner::Json(Json::from(self.start))
            } else {
                Inner::Plain
            };
        }
        let Inner::Json(json) = &mut self.inner else {
            return None;
        };
        json.run(bytes, to);
        Some(json)
    }
}

impl Cursor for Form {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            let rest = &bytes[self.at..to];
            let found = if self.name.is_some() || self.is_lost {
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
                self.is_lost = false;
            }
            // A question mark matters only in front of a query.
            if bytes[at] != b'?' || at == self.start {
                self.start = at + 1;
            }
            self.end = None;
            self.inner = Inner::Unknown;
            self.at = at + 1;
        }
    }

    fn rebase(&mut self, bytes: &[u8]) {
        if let Some(json) = self.json(bytes, self.at) {
            json.rebase(bytes);
        }
        self.name
            .iter_mut()
            .chain(&mut self.names)
            .for_each(|name| name.keep(bytes));
        self.start = self.start.saturating_sub(self.at);
        self.end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        if self.is_lost {
            return Text.field_at(bytes, at);
        }
        let end = self.end.filter(|end| *end >= at.end).unwrap_or_else(|| {
            memchr::memchr(b'&', &bytes[at.end..]).map_or(bytes.len(), |end| at.end + end)
        });
        self.end = Some(end);
        let key = self.name.as_ref().map(|name| name.text(bytes));
        let name = key.as_deref().map_or("{key}", safe_name).to_owned();
        if let Some(json) = self.json(bytes, at.start) {
            let inner = json.field(bytes, at.clone());
            let path = inner.path.unwrap_or_default();
            return Field {
                path: Some(format!("{name}|json{}", path.trim_start_matches('$'))),
                key: inner.key.or(key),
                value: inner.value.start..inner.value.end.min(end).max(at.end),
                ..inner
            };
        }
        let reach = &bytes[end..bytes.len().min(end + REACH)];
        let after = reach
            .split(|b| *b == b'&')
            .skip(1)
            .filter_map(|pair| Some(text_of(pair, 0..pair.iter().position(|b| *b == b'=')?)));
        let before = self.names.iter().map(|name| name.text(bytes));
        let siblings = siblings(before.chain(after), key.as_deref());
        Field {
            path: Some(name),
            key,
            siblings,
            value: self.start..end,
        }
    }
}
