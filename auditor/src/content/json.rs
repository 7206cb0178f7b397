//! Fields of JSON (RFC 8259) and of newline-delimited JSON, whose paths start anew on each line.
//!
//! Goes in: bytes that should be JSON. Comes out: JSONPath (RFC 9535), key and siblings of a
//! position. It validates nothing and forgives everything: damaged input gives a worse path. Below
//! [`MAX_DEPTH`] levels the path ends in `..*`, which says that it goes on unseen.

use std::fmt::Write as _;
use std::ops::Range;

use super::Field;
use super::cursor::{Cursor, MAX_SIBLINGS, Name, REACH, safe_name, siblings, text_of};

/// Levels of nesting that are followed.
pub const MAX_DEPTH: usize = 128;

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
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text {
        key: bool,
        escaped: bool,
    },
    Scalar,
}

#[derive(Clone, Default)]
struct Frame {
    array: bool,
    index: u64,
    wants_key: bool,
    key: Option<Name>,
    names: Vec<Name>,
}

impl Json {
    fn between(&mut self, byte: u8) {
        self.at += 1;
        match byte {
            b'{' => self.open(false),
            b'[' => self.open(true),
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
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
            b'"' => {
                let key = self.top().is_some_and(|top| top.wants_key);
                self.begin(State::Text { key, escaped: false }, self.at);
            }
            b'\n' => self.lines |= self.closed && self.depth == 0,
            b' ' | b'\t' | b'\r' => {}
            _ => self.begin(State::Scalar, self.at - 1),
        }
    }

    /// Moves to the last document that begins a line before `to`.
    fn skip_lines(&mut self, bytes: &[u8], to: usize) {
        let last = memchr::memrchr(b'\n', &bytes[self.at.min(to)..to]);
        let Some(start) = last.map(|end| self.at + end + 1) else {
            return;
        };
        if bytes.get(start) == Some(&b'{') {
            self.at = start;
            self.state = State::Between;
            self.depth = 0;
            self.deeper = 0;
        }
    }

    fn begin(&mut self, state: State, token: usize) {
        self.state = state;
        self.token = token;
        self.token_end = None;
    }

    /// The innermost level, unless it is below those followed.
    fn top(&mut self) -> Option<&mut Frame> {
        if self.deeper > 0 {
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
            wants_key: !array,
            names: std::mem::take(&mut frame.names),
            ..Frame::default()
        };
        self.depth += 1;
    }

    /// Moves through a string, up to and with its closing quote or a line end, which no string
    /// contains: what follows is taken for a new document, so that one damaged line does not
    /// spoil the next.
    fn text(&mut self, bytes: &[u8], to: usize, key: bool, escaped: bool) {
        if escaped {
            self.at += 1;
            self.state = State::Text { key, escaped: false };
            return;
        }
        let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[self.at..to]) else {
            self.at = to;
            return;
        };
        let end = self.at + found;
        self.at = end + 1;
        if bytes[end] == b'\\' {
            self.state = State::Text { key, escaped: true };
            return;
        }
        if bytes[end] == b'\n' {
            self.depth = 0;
            self.deeper = 0;
        } else if key {
            let name = Name::At(self.token, end);
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
                text_end(bytes, at_end)
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
        if self.lines {
            self.skip_lines(bytes, to);
        }
        while self.at < to {
            match self.state {
                State::Between => self.between(bytes[self.at]),
                State::Scalar => {
                    let rest = &bytes[self.at..to];
                    let end = rest.iter().position(|b| ends_scalar(*b));
                    self.at = end.map_or(to, |end| self.at + end);
                    if end.is_some() {
                        self.state = State::Between;
                    }
                }
                State::Text { key, escaped } => self.text(bytes, to, key, escaped),
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
        self.token_end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let quoted = self.state == State::Between && bytes.get(at.start) == Some(&b'"');
        let wants_key = self.top().is_some_and(|top| top.wants_key);
        let (text, in_key, start) = match self.state {
            State::Text { key, .. } => (true, key, self.token),
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
                let after = names_behind(bytes, end + usize::from(text), inner);
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

fn push_key(path: &mut String, key: &str) {
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

/// The closing quote at or after `from`, a place outside any escape.
fn text_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes[at] != b'\\' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

/// Keys that follow in the object `inner` levels out, within reach.
fn names_behind(bytes: &[u8], from: usize, mut inner: usize) -> Vec<String> {
    let end = bytes.len().min(from.saturating_add(REACH));
    let mut names = Vec::new();
    let mut at = from;
    while at < end && names.len() <= MAX_SIBLINGS {
        match bytes[at] {
            b'{' | b'[' => inner += 1,
            b'}' | b']' if inner == 0 => break,
            b'}' | b']' => inner -= 1,
            b'"' => {
                let close = text_end(&bytes[..end], at + 1);
                let colon = bytes[close.min(end)..end]
                    .iter()
                    .skip(1)
                    .find(|b| !b.is_ascii_whitespace());
                if inner == 0 && colon == Some(&b':') {
                    names.push(text_of(bytes, at + 1..close));
                }
                at = close;
            }
            _ => {}
        }
        at += 1;
    }
    names
}
