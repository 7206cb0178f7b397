//! The parts of a multipart body, each read as what it is.
//!
//! Goes in: the body as it comes. Comes out: of a part that is a field of a form, a line of marked text;
//! of another, the documents of a body of its own, whose paths begin with the part's name (`meta:$.card`)
//! or its number (`[1]:$.card`). At most a header of [`MAX_HEAD`] bytes waits, or a boundary.

use memchr::memmem;
use zeroize::Zeroize as _;

use crate::content::Receiver;
use crate::content::cursor::safe_name;
use crate::content::marked::{self, MARK};
use crate::content::multipart::{PartHead, end_of_head};
use crate::content::prefix::Prefix;
use crate::content::recode::Taken;
use crate::content::window::Positions;
use crate::protocol::Part;
use crate::secret::Secret;

use super::Body;
use super::inner::Inner;

/// Longest header of a part, bytes; what is longer is content.
const MAX_HEAD: usize = 8 * 1024;
/// Parts that are read as what they are; further ones are text, as each costs as much as a body of its own.
const MAX_INNER: usize = 1024;
/// Longest rest of a line behind a boundary, bytes.
const MAX_LINE: usize = 256;
/// Bytes behind a boundary that tell it from a longer one.
const BEHIND: usize = 2;
/// A line end in front of a boundary, bytes.
const LINE_END: usize = 2;

/// Takes what the parts become.
pub(super) struct Out<'a> {
    pub(super) body: &'a mut Body,
    pub(super) receiver: &'a mut dyn Receiver,
}

impl<'a> Out<'a> {
    pub(super) fn new(body: &'a mut Body, receiver: &'a mut dyn Receiver) -> Self {
        Self { body, receiver }
    }

    fn text(&mut self, text: &[u8], source: u64) {
        self.body.append(text, source, self.receiver);
    }
}

/// Splits one body.
pub(super) struct Parts {
    /// `--` and the boundary.
    delimiter: memmem::Finder<'static>,
    pending: Secret,
    positions: Positions,
    state: State,
    /// Parts so far; none when some may be missing.
    count: Option<usize>,
    /// Of these, those with a body of their own.
    inner: usize,
    /// A line of text was begun and not ended.
    in_line: bool,
    /// Bytes of a header that are known to hold no end of it.
    searched: usize,
    taken: Taken,
}

enum State {
    /// In front of the first boundary, or behind the last one.
    Outside {
        begun: bool,
    },
    /// Behind a boundary, up to the end of its line.
    Line,
    Head,
    /// At the beginning of content, whose first byte tells what it is.
    First(Box<PartHead>),
    /// A field of a form.
    Field,
    Inner(Box<Inner>),
}

impl Parts {
    pub(super) fn new(boundary: &[u8]) -> Self {
        Self {
            delimiter: memmem::Finder::new(&[b"--", boundary].concat()).into_owned(),
            pending: Secret::default(),
            positions: Positions::default(),
            state: State::Outside { begun: false },
            count: Some(0),
            inner: 0,
            in_line: false,
            searched: 0,
            taken: Taken::default(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], source: u64, out: &mut Out<'_>) {
        self.positions.mark(self.pending.len(), source);
        self.pending.extend(bytes);
        self.run(false, out);
    }

    /// Shows what waits for a full window.
    pub(super) fn flush(&mut self, out: &mut Out<'_>) {
        if let State::Inner(inner) = &mut self.state {
            inner.flush(false, &mut self.taken, out);
        }
    }

    /// Nothing follows, or something is missing: then the next boundary tells how to go on.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.run(true, out);
        self.end_part(out);
        self.in_line = false;
        self.state = State::Outside { begun: false };
    }

    /// Bytes are missing, and with them maybe parts.
    pub(super) fn lose_count(&mut self) {
        self.count = None;
    }

    /// What was decided on since the last time.
    pub(super) fn taken(&mut self) -> Taken {
        std::mem::take(&mut self.taken)
    }

    fn run(&mut self, last: bool, out: &mut Out<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut positions = std::mem::take(&mut self.positions);
        let mut at = 0;
        while let Some(taken) = self.step(&pending.expose()[at..], (&positions, at), last, out) {
            at += taken;
        }
        pending.consume(at);
        positions.consume(at);
        self.pending = pending;
        self.positions = positions;
    }

    /// Goes on by what can be decided on at the start of `bytes`; none when that is nothing.
    fn step(
        &mut self,
        bytes: &[u8],
        places: (&Positions, usize),
        last: bool,
        out: &mut Out<'_>,
    ) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        match self.state {
            State::Line => self.line(bytes, last),
            State::Head => self.head(bytes, places, last, out),
            State::First(_) => {
                // A boundary right here ends an empty part.
                if self.find(bytes, last) != Some((0, 0)) {
                    if bytes.len() < self.longest() && !last {
                        return None;
                    }
                    self.begin(bytes, places, out);
                    return Some(0);
                }
                self.content(bytes, places, last, out)
            }
            State::Outside { .. } | State::Field | State::Inner(_) => self.content(bytes, places, last, out),
        }
    }

    /// Bytes by which it is known whether a boundary begins with the first of them.
    fn longest(&self) -> usize {
        LINE_END + self.delimiter.needle().len() + BEHIND
    }

    /// Where the content before the next boundary ends, and where that boundary begins.
    fn find(&self, bytes: &[u8], last: bool) -> Option<(usize, usize)> {
        let needle = self.delimiter.needle().len();
        // In the middle of content, a line end in front of a boundary is there as well.
        let is_start = matches!(self.state, State::First(_) | State::Outside { begun: false });
        let mut from = 0;
        while let Some(found) = self.delimiter.find(&bytes[from..]) {
            let at = from + found;
            let begins_line = match &bytes[..at] {
                [.., b'\r', b'\n'] => Some(at - 2),
                [.., b'\n'] => Some(at - 1),
                [] if is_start => Some(0),
                _ => None,
            };
            // Boundaries of bodies inside of this one may begin with this one's.
            let is_whole = match &bytes[at + needle..] {
                [b'-', b'-', ..] | [b' ' | b'\t' | b'\r' | b'\n', _, ..] => true,
                [_, _, ..] => false,
                _ => last,
            };
            if let Some(end) = begins_line
                && is_whole
            {
                return Some((end, at));
            }
            from = at + 2;
        }
        None
    }

    /// Content, up to a boundary.
    fn content(
        &mut self,
        bytes: &[u8],
        places: (&Positions, usize),
        last: bool,
        out: &mut Out<'_>,
    ) -> Option<usize> {
        let needle = self.delimiter.needle().len();
        if let Some((end, at)) = self.find(bytes, last) {
            self.pass(&bytes[..end], places, true, out);
            self.end_part(out);
            self.taken.all += (at - end + needle) as u64;
            self.state = State::Line;
            return Some(at + needle);
        }
        // A line end, a boundary and what tells it from a longer one may be cut off.
        let held = if last { 0 } else { self.longest() - 1 };
        let ready = bytes.len().saturating_sub(held);
        if ready == 0 {
            return None;
        }
        self.pass(&bytes[..ready], places, last, out);
        Some(ready)
    }

    fn line(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        if bytes.starts_with(b"--") {
            self.state = State::Outside { begun: false };
            self.taken.all += 2;
            return Some(2);
        }
        let end = bytes.iter().take(MAX_LINE).position(|b| *b == b'\n');
        let length = match end {
            Some(end) => end + 1,
            None if bytes.len() >= MAX_LINE || last => bytes.len().min(MAX_LINE),
            None => return None,
        };
        self.state = State::Head;
        self.taken.all += length as u64;
        Some(length)
    }

    fn head(
        &mut self,
        bytes: &[u8],
        (positions, base): (&Positions, usize),
        last: bool,
        out: &mut Out<'_>,
    ) -> Option<usize> {
        let near = &bytes[..bytes.len().min(MAX_HEAD)];
        let searched = std::mem::take(&mut self.searched);
        let (length, head) = match end_of_head(near, searched) {
            Some((end, length)) => (length, end),
            None if bytes.len() >= MAX_HEAD => (0, 0),
            None if last => (near.len(), near.len()),
            None => {
                // The end of a line may be half there, and an empty one behind it.
                self.searched = near.len().saturating_sub(LINE_END);
                return None;
            }
        };
        let mut head = PartHead::of(&near[..head]);
        let path = self.path(&head);
        let source = positions.of(base);
        let name = head.name.as_deref().filter(|name| safe_name(name) == "{key}");
        let file_name = head.file_name.as_deref();
        let mut line = Vec::new();
        for (key, text) in [("name", name), ("filename", file_name)] {
            if let Some(text) = text {
                marked::begin(&mut line, "", "", &format!("{path}.{key}"));
                line.extend(text.bytes().map(unmarked));
                line.push(b'\n');
            }
        }
        for other in &head.others {
            marked::begin(&mut line, "", "", &format!("{path}.headers"));
            line.extend(other.bytes().map(unmarked));
            line.push(b'\n');
        }
        let line = Secret::new(line);
        out.text(line.expose(), source);
        // What was shown is not needed any more, but that there was a file.
        head.others.zeroize();
        if let Some(name) = &mut head.file_name {
            name.zeroize();
        }
        self.taken.all += length as u64;
        self.state = State::First(Box::new(head));
        Some(length)
    }

    /// The name of a part for a path.
    fn path(&self, head: &PartHead) -> String {
        match &head.name {
            Some(name) => safe_name(name).to_owned(),
            None => self
                .count
                .map_or_else(|| "[*]".to_owned(), |count| format!("[{count}]")),
        }
    }

    /// Finds out what a part is, which begins with `bytes`.
    fn begin(&mut self, bytes: &[u8], (positions, base): (&Positions, usize), out: &mut Out<'_>) {
        let State::First(head) = std::mem::replace(&mut self.state, State::Field) else {
            return;
        };
        let path = self.path(&head);
        self.count = self.count.map(|count| count + 1);
        let media = head.content_type.as_deref().unwrap_or("text/plain");
        let is_plain = media.eq_ignore_ascii_case("text/plain")
            || media.eq_ignore_ascii_case("text/plain; charset=utf-8")
            || media.eq_ignore_ascii_case("text/plain;charset=utf-8");
        let begins_other = matches!(bytes.first(), Some(b'{' | b'[' | b'<' | 0..9 | 0x0e..=0x1f));
        let is_field = head.name.is_some()
            && is_plain
            && !begins_other
            && head.file_name.is_none()
            && head.content_encoding.is_none();
        if is_field || self.inner == MAX_INNER {
            let mut line = Vec::new();
            marked::begin(&mut line, "", "", head.name.as_ref().unwrap_or(&path));
            out.text(&line, positions.of(base));
            self.in_line = true;
            return;
        }
        self.inner += 1;
        let prefix = Prefix::of_part(&path, head.name.as_deref());
        let body = &*out.body;
        let part = Part {
            exchange: &body.exchange,
            direction: body.direction,
            place: body.place,
            message: body.message,
            content_type: head.content_type.as_deref(),
            content_encoding: head.content_encoding.as_deref(),
            offset: 0,
            last: false,
            data: &[],
            wire_bytes: 0,
        };
        let inner = Body::inside(&part, body.limits, body.depth + 1);
        self.state = State::Inner(Box::new(Inner {
            body: inner,
            prefix,
            head: *head,
            offset: 0,
        }));
    }

    /// Content that is ready; `last` when no more of it follows.
    fn pass(&mut self, bytes: &[u8], (positions, base): (&Positions, usize), last: bool, out: &mut Out<'_>) {
        let taken = &mut self.taken;
        if let State::Inner(inner) = &mut self.state {
            inner.take(bytes, (positions, base), last, taken, out);
            return;
        }
        taken.all += bytes.len() as u64;
        if let State::Outside { begun } = &mut self.state
            && !bytes.is_empty()
            && !std::mem::replace(begun, true)
        {
            out.text(&[MARK, b':', b' '], positions.of(base));
            self.in_line = true;
        }
        let mut at = 0;
        while at < bytes.len() {
            let run = positions.run_end(base + at).saturating_sub(base).min(bytes.len());
            let piece = &bytes[at..run];
            let end = memchr::memchr(MARK, piece).unwrap_or(piece.len());
            if end == 0 {
                out.text(b" ", positions.of(base + at));
                at += 1;
            } else {
                out.text(&piece[..end], positions.of(base + at));
                at += end;
            }
        }
        if last && std::mem::take(&mut self.in_line) {
            let end = match bytes.len() {
                0 => positions.of(base),
                length => positions.of(base + length - 1) + 1,
            };
            out.text(b"\n", end);
        }
    }

    fn end_part(&mut self, out: &mut Out<'_>) {
        if let State::Inner(mut inner) = std::mem::replace(&mut self.state, State::Outside { begun: false }) {
            inner.flush(true, &mut self.taken, out);
        }
    }
}

fn unmarked(byte: u8) -> u8 {
    if byte == MARK { b' ' } else { byte }
}
