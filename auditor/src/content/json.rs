//! Fields of JSON (RFC 8259) and of newline-delimited JSON, whose paths start anew on each line.
//!
//! Goes in: bytes that should be JSON. Comes out: JSONPath (RFC 9535), key and siblings of a
//! position. It validates nothing and forgives everything: damaged input gives a worse path. Below
//! [`MAX_DEPTH`] levels the path ends in `..*`, which says that it goes on unseen. A string that holds JSON is
//! followed inside, up to [`MAX_LEVELS`] times: `$.payload|json.card`.

mod leap;
mod lost;
mod marks;
mod strings;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::Range;

use super::cursor::{Cursor, MAX_SIBLINGS, Name, safe_name, siblings};
use super::text::Text;
use super::{Field, FieldLookup as _};
use lost::Lost;
use strings::{holds_json, level_of, names_behind, text_end};

/// Levels of nesting that are followed.
pub const MAX_DEPTH: usize = 128;
/// JSON in strings of JSON that is followed.
const MAX_LEVELS: usize = 3;

#[derive(Clone, Default)]
pub(super) struct Json {
    at: usize,
    state: State,
    /// Start of the string or scalar the cursor is in, without its quote.
    token: usize,
    /// End of that, once it was looked for.
    token_end: Option<usize>,
    /// Only the first `depth` are in use; the others keep their memory.
    frames: Vec<Frame>,
    depth: usize,
    /// Levels below those followed.
    deeper: usize,
    /// An object ended at the top level; a line end behind it begins the next document.
    closed: bool,
    /// Each line is a document: what lies before the last one need not be followed.
    lines: bool,
    /// How many strings around the cursor hold JSON, and the depth at which each stands.
    level: usize,
    bases: [usize; MAX_LEVELS],
    /// The next value is the beginning of what a string holds.
    embeds: bool,
    /// Backslashes right in front of the cursor.
    slashes: u32,
    /// Up to here each byte is looked at: something is odd.
    careful_to: usize,
    /// What is in front is not known.
    lost: Option<Lost>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text {
        key: bool,
    },
    Scalar,
}

#[derive(Clone, Default)]
struct Frame {
    array: bool,
    /// The outermost value in a string.
    embedded: bool,
    index: u64,
    wants_key: bool,
    key: Option<Name>,
    names: Vec<Name>,
}

impl Json {
    /// At the beginning of a document, which is at `at`.
    pub(super) fn from(at: usize) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    /// The same, at another place.
    pub(super) fn moved(self, at: usize) -> Self {
        Self { at, ..self }
    }

    /// Looks at each byte up to `to`.
    fn walk(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            self.step(bytes, to);
        }
    }

    fn step(&mut self, bytes: &[u8], to: usize) {
        match self.state {
            State::Between => self.between(bytes),
            State::Scalar => {
                let rest = &bytes[self.at..to];
                let end = rest.iter().position(|b| ends_scalar(*b));
                self.at = end.map_or(to, |end| self.at + end);
                if end.is_some() {
                    self.state = State::Between;
                }
            }
            State::Text { key } => self.text(bytes, to, key),
        }
    }

    fn between(&mut self, bytes: &[u8]) {
        let byte = bytes[self.at];
        self.at += 1;
        if self.level > 0 && byte == b'\\' {
            self.slashes = self.slashes.saturating_add(1);
            return;
        }
        let slashes = std::mem::take(&mut self.slashes);
        match byte {
            b'"' => self.quote(bytes, slashes),
            // The letter of an escape, as of a line end.
            _ if slashes > 0 => {}
            b'{' => self.open(false),
            b'[' => self.open(true),
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1).max(self.base());
                self.closed = self.depth == 0;
            }
            b',' => {
                if let Some(top) = self.top() {
                    top.index += 1;
                    top.wants_key = !top.array;
                }
            }
            b':' => {
                if let Some(top) = self.top() {
                    top.wants_key = false;
                }
            }
            b'\n' => self.lines |= self.closed && self.depth == 0,
            // The mark in front of a text of a sequence is white space too (RFC 7464).
            b' ' | b'\t' | b'\r' | 0x1e => {}
            _ => self.begin(State::Scalar, self.at - 1),
        }
    }

    /// Behind a quote with so many backslashes in front of it, outside of strings.
    fn quote(&mut self, bytes: &[u8], slashes: u32) {
        let level = level_of(slashes);
        if level < self.level {
            self.leave(level);
            return;
        }
        let key = self.top().is_some_and(|top| top.wants_key);
        self.begin(State::Text { key }, self.at);
        if !key && self.level < MAX_LEVELS && holds_json(&bytes[self.at..], self.level) {
            self.bases[self.level] = self.depth;
            self.level += 1;
            self.embeds = true;
            self.state = State::Between;
        }
    }

    /// The string that held JSON has ended.
    fn leave(&mut self, level: usize) {
        self.depth = self.bases[level];
        self.level = level;
        self.deeper = 0;
        self.embeds = false;
        self.state = State::Between;
    }

    /// Levels outside of the innermost string that holds JSON.
    fn base(&self) -> usize {
        self.level.checked_sub(1).map_or(0, |level| self.bases[level])
    }

    fn reset(&mut self) {
        self.state = State::Between;
        self.depth = 0;
        self.deeper = 0;
        self.level = 0;
        self.slashes = 0;
        self.embeds = false;
    }

    /// Moves to the last document that begins a line before `to`.
    fn skip_lines(&mut self, bytes: &[u8], to: usize) {
        let last = memchr::memrchr(b'\n', &bytes[self.at.min(to)..to]);
        let Some(start) = last.map(|end| self.at + end + 1) else {
            return;
        };
        if bytes.get(start) == Some(&b'{') {
            self.at = start;
            self.reset();
        }
    }

    fn begin(&mut self, state: State, token: usize) {
        self.state = state;
        self.token = token;
        self.token_end = None;
    }

    /// The innermost level, unless it is below those followed.
    fn top(&mut self) -> Option<&mut Frame> {
        if self.deeper > 0 || self.depth <= self.base() && self.level > 0 {
            return None;
        }
        self.frames[..self.depth].last_mut()
    }

    fn open(&mut self, array: bool) {
        if self.depth == MAX_DEPTH {
            self.deeper += 1;
            return;
        }
        if self.frames.len() == self.depth {
            self.frames.push(Frame::default());
        }
        let frame = &mut self.frames[self.depth];
        frame.names.clear();
        *frame = Frame {
            array,
            embedded: std::mem::take(&mut self.embeds),
            wants_key: !array,
            names: std::mem::take(&mut frame.names),
            ..Frame::default()
        };
        self.depth += 1;
    }

    /// Moves through a string, up to and with its closing quote or a line end, which no string
    /// contains: what follows is taken for a new document, so that one damaged line does not
    /// spoil the next.
    fn text(&mut self, bytes: &[u8], to: usize, key: bool) {
        if self.slashes == 0 {
            let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[self.at..to]) else {
                self.at = to;
                return;
            };
            self.at += found;
        }
        let end = self.at;
        self.at += 1;
        if bytes[end] == b'\\' {
            self.slashes = self.slashes.saturating_add(1);
            return;
        }
        let slashes = std::mem::take(&mut self.slashes);
        if bytes[end] == b'\n' {
            self.reset();
            return;
        }
        if bytes[end] != b'"' {
            return;
        }
        let level = level_of(slashes);
        if level < self.level {
            self.leave(level);
        } else if level == self.level {
            self.end_text(end.saturating_sub((1 << level) - 1), key);
        }
    }

    /// A string ends, whose content ends at `end`.
    fn end_text(&mut self, end: usize, key: bool) {
        if key {
            let name = Name::At(self.token, end.max(self.token));
            if let Some(top) = self.top() {
                if top.names.len() < MAX_SIBLINGS {
                    top.names.push(name.clone());
                }
                top.key = Some(name);
            }
        }
        self.state = State::Between;
    }

    fn path(&self, bytes: &[u8], in_key: bool) -> String {
        let mut path = String::from("$");
        for (level, frame) in self.frames[..self.depth].iter().enumerate() {
            if frame.embedded {
                path.push_str("|json");
            }
            if frame.array {
                // Writing to a string cannot fail.
                let _ = write!(path, "[{}]", frame.index);
            } else if in_key && level + 1 == self.depth {
                path.push_str(".{key}");
            } else if let Some(key) = &frame.key {
                push_key(&mut path, &key.text(bytes));
            }
        }
        if self.deeper > 0 {
            path.push_str("..*");
        }
        path
    }

    /// The end of the value that starts at `from`; `at_end` is a place inside it.
    fn value_end(&mut self, bytes: &[u8], text: bool, at_end: usize) -> usize {
        let known = self.token_end.filter(|end| *end >= at_end);
        let end = known.unwrap_or_else(|| {
            if text {
                text_end(bytes, at_end, self.level)
            } else {
                scalar_end(bytes, at_end)
            }
        });
        self.token_end = Some(end);
        end
    }
}

impl Cursor for Json {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        if self.lost.is_some() {
            self.find_beginning(bytes, to);
        }
        if self.lines {
            self.skip_lines(bytes, to);
        }
        while self.at < to {
            if self.state != State::Between {
                self.step(bytes, to);
            } else if !self.leap(bytes, to) {
                self.walk(bytes, to.min(self.at + leap::LEAST));
            }
        }
    }

    fn rebase(&mut self, bytes: &[u8]) {
        for frame in &mut self.frames[..self.depth] {
            frame
                .key
                .iter_mut()
                .chain(&mut frame.names)
                .for_each(|name| name.keep(bytes));
        }
        self.frames.truncate(self.depth);
        self.token = self.token.saturating_sub(self.at);
        self.careful_to = self.careful_to.saturating_sub(self.at);
        self.token_end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        if self.lost.is_some() {
            return Text.field_at(bytes, at);
        }
        let quoted = self.state == State::Between && bytes.get(at.start) == Some(&b'"');
        let wants_key = self.top().is_some_and(|top| top.wants_key);
        let (text, in_key, start) = match self.state {
            State::Text { key } => (true, key, self.token),
            State::Scalar => (false, false, self.token),
            State::Between if quoted => (true, wants_key, at.start + 1),
            State::Between => (false, false, at.start),
        };
        let inside = at.end.max(start).saturating_sub(usize::from(
            quoted && bytes.get(at.end.wrapping_sub(1)) == Some(&b'"'),
        ));
        let end = self.value_end(bytes, text, inside.max(start));
        let levels = &self.frames[..self.depth.saturating_sub(usize::from(in_key && self.deeper == 0))];
        let named = levels
            .iter()
            .rposition(|frame| !frame.array && frame.key.is_some());
        let key = named.and_then(|level| Some(levels[level].key.as_ref()?.text(bytes)));
        let siblings = match named.map(|level| (level, &levels[level])) {
            Some((level, frame)) if !in_key => {
                let before = frame.names.iter().map(|name| name.text(bytes));
                let inner = self.depth - 1 - level + self.deeper;
                let quote = if text { 1 << self.level } else { 0 };
                let after = names_behind(bytes, end + quote, inner, self.level);
                siblings(before.chain(after), key.as_deref())
            }
            _ => Vec::new(),
        };
        Field {
            path: Some(self.path(bytes, in_key)),
            key,
            siblings,
            value: start.min(end)..end,
        }
    }
}

pub(super) fn push_key(path: &mut String, key: &str) {
    let key = safe_name(key);
    let identifier = key == "{key}"
        || key.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !key.starts_with(|c: char| c.is_ascii_digit());
    if identifier {
        path.push('.');
        path.push_str(key);
    } else {
        path.push_str("['");
        path.push_str(&key.replace('\\', "\\\\").replace('\'', "\\'"));
        path.push_str("']");
    }
}

fn ends_scalar(byte: u8) -> bool {
    matches!(
        byte,
        b',' | b'}' | b']' | b'{' | b'[' | b':' | b'"' | b' ' | b'\t' | b'\r' | b'\n'
    )
}

fn scalar_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|b| ends_scalar(*b))
        .map_or(bytes.len(), |end| from + end)
}
