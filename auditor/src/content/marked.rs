//! Text that content is made, a line for each field: a mark, the path of the field, `: `, the value.
//!
//! Goes in: such text. Comes out: path, key and siblings of a position. The path ends in the field's
//! name, set off so that it stands right in front of its value, where a scanner looks for it; a field
//! without a name has a path only.

use std::ops::Range;

use super::Field;
use super::cursor::{Cursor, REACH, siblings};

/// Stands in front of every field. No value has it, so a path can always be told from content.
pub(super) const MARK: u8 = 0x1e;
/// Stands in front of an index and a name behind the path, which is that of what holds them.
const NAME: u8 = 0x1f;
/// Stands for 0 in a path and an index; the nine bytes behind it stand for 1 to 9. A scanner has no interest in
/// them, and would look at digits.
const ZERO: u8 = 0x10;
/// Longest head of a field, from behind its mark to its colon, bytes.
const LONGEST: usize = 512;
/// Marks that are looked at for siblings, each way.
const AROUND: usize = 32;

/// A digit as it stands in a path and an index; other bytes as they are.
pub(super) const fn hidden(byte: u8) -> u8 {
    if byte.is_ascii_digit() {
        byte - b'0' + ZERO
    } else {
        byte
    }
}

/// The same the other way round.
pub(super) const fn shown(byte: u8) -> u8 {
    if byte >= ZERO && byte < ZERO + 10 {
        byte - ZERO + b'0'
    } else {
        byte
    }
}

/// Writes the beginning of a named field's line: `$.buyer`, `[1]` and `card` for `$.buyer.card[1]`.
pub(super) fn begin(line: &mut Vec<u8>, holder: &str, index: &str, name: &str) {
    line.push(MARK);
    line.extend(holder.bytes().map(hidden));
    line.push(NAME);
    line.extend(index.bytes().map(hidden));
    line.push(NAME);
    let plain = |c: char| if c.is_control() || c == ':' { '_' } else { c };
    let end = name.floor_char_boundary(LONGEST / 4);
    line.extend(name[..end].chars().map(plain).collect::<String>().bytes());
    line.extend_from_slice(b": ");
}

/// Longest beginning of a line that [`begin_in`] writes, bytes.
pub(super) const LINE: usize = LONGEST;

/// The same without an allocation: `$.buyer`, `[1]` and `card`. Tells how long it is.
pub(super) fn begin_in(line: &mut [u8; LINE], holder: &[u8], index: &[u8], name: &[u8]) -> usize {
    let mut length = 0;
    let mut write = |bytes: &[u8], most: usize, to: fn(u8) -> u8| {
        for byte in bytes.iter().take(most) {
            line[length] = to(*byte);
            length += 1;
        }
    };
    let as_it_is: fn(u8) -> u8 = |byte| byte;
    // There is room for a path, an index and a name; what does not fit is cut off.
    write(&[MARK], 1, as_it_is);
    write(holder, LONGEST / 2, hidden);
    write(&[NAME], 1, as_it_is);
    write(index, LONGEST / 16, hidden);
    write(&[NAME], 1, as_it_is);
    write(name, LONGEST / 4, shown);
    write(b": ", 2, as_it_is);
    length
}

/// What a line begins with.
#[derive(Default)]
struct Head<'a> {
    path: &'a [u8],
    index: &'a [u8],
    name: Option<&'a [u8]>,
    length: usize,
}

impl<'a> Head<'a> {
    /// At the start of `line`, behind the mark. Empty when it is not whole.
    fn of(line: &'a [u8]) -> Self {
        let Some(length) = line.iter().take(LONGEST).position(|b| *b == b':') else {
            return Self::default();
        };
        let mut parts = line[..length].splitn(3, |b| *b == NAME);
        let path = parts.next().unwrap_or_default();
        let index = parts.next().unwrap_or_default();
        Self {
            path,
            index,
            name: parts.next(),
            length,
        }
    }

    fn field(&self) -> (Option<String>, Option<String>) {
        let text = |bytes: &[u8]| {
            let bytes: Vec<u8> = bytes.iter().copied().map(shown).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let Some(name) = self.name else {
            return ((!self.path.is_empty()).then(|| text(self.path)), None);
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let mut path = text(self.path);
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(super::cursor::safe_name(&name));
        path.push_str(&text(self.index));
        (Some(path), Some(name))
    }
}

/// Fields of marked text.
#[derive(Clone, Default)]
pub(super) struct Marked {
    at: usize,
    /// Behind the mark of the field the cursor is in, unless that is in a window that has gone.
    start: Option<usize>,
    /// Head of the field that began in a window before.
    kept: Vec<u8>,
    end: Option<usize>,
}

impl Marked {
    fn head<'a>(&'a self, bytes: &'a [u8]) -> Head<'a> {
        match self.start {
            Some(start) => Head::of(&bytes[start.min(bytes.len())..]),
            None => Head::of(&self.kept),
        }
    }
}

impl Cursor for Marked {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        if let Some(mark) = memchr::memrchr(MARK, &bytes[self.at..to]) {
            self.start = Some(self.at + mark + 1);
            self.end = None;
        }
        self.at = to;
    }

    fn rebase(&mut self, bytes: &[u8]) {
        if let Some(start) = self.start.take() {
            let length = Head::of(&bytes[start.min(self.at)..self.at]).length;
            self.kept.clear();
            if length > 0 {
                self.kept.extend_from_slice(&bytes[start..start + length + 1]);
            }
        }
        self.end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let end = self.end.filter(|end| *end >= at.end).unwrap_or_else(|| {
            let mark = memchr::memchr(MARK, &bytes[at.end..]);
            let end = mark.map_or(bytes.len(), |mark| at.end + mark);
            // In front of the mark a line ends.
            end - usize::from(end > at.end && bytes[end - 1] == b'\n')
        });
        self.end = Some(end);
        let head = self.head(bytes);
        let value = self.start.map_or(0, |start| start + head.length + ": ".len());
        let (path, key) = head.field();
        let siblings = match &key {
            Some(key) => beside(bytes, head.path, &at, key),
            None => Vec::new(),
        };
        Field {
            path,
            key,
            siblings,
            value: value.min(at.start)..end,
        }
    }
}

/// Names of the fields around that the same thing holds.
fn beside(bytes: &[u8], holder: &[u8], at: &Range<usize>, own: &str) -> Vec<String> {
    let low = at.start.saturating_sub(REACH);
    let high = bytes.len().min(at.end + REACH);
    let before = memchr::memrchr_iter(MARK, &bytes[low..at.start]).take(AROUND);
    let after = memchr::memchr_iter(MARK, &bytes[at.end..high]).take(AROUND);
    let marks = before
        .map(|mark| low + mark)
        .chain(after.map(|mark| at.end + mark));
    let names = marks.filter_map(|mark| {
        let head = Head::of(&bytes[mark + 1..high]);
        let name = head.name.filter(|_| head.path == holder)?;
        Some(String::from_utf8_lossy(name).into_owned())
    });
    siblings(names, Some(own))
}
