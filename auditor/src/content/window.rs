//! The buffer that turns a long body into overlapping windows.
//!
//! Goes in: decoded bytes in order, each run with its position in the source. Comes out: windows
//! of bounded size that start with the end of the one before, escapes undone where the format has
//! them. It holds bytes only in a [`Secret`] and never more than a window and what was added.

use std::ops::Range;

use memchr::memmem;

use crate::secret::Secret;

use super::reader::Limits;
use super::{CONTEXT, Format, escape};

/// Default bytes of the previous window that a window starts with. A value of three quarters of
/// it is sure to be found although it lies across two windows.
pub const OVERLAP: usize = 1024;
/// Default length of the longest value that is sure to be found across two windows when it can be
/// told from its bytes that it goes on: tokens without a break, armoured keys.
pub const LONGEST: usize = 17 * 1024;
/// Default length of a window, overlap included, bytes.
pub const WINDOW: usize = 64 * 1024;
/// Least length of a window that is not the last.
pub const MIN_WINDOW: usize = 256;

/// Where bytes of a window came from, as ascending pairs of window and source positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(Vec<(usize, u64)>);

impl Positions {
    /// One unbroken run.
    pub fn contiguous(source: u64) -> Self {
        Self(vec![(0, source)])
    }

    /// The source position of a byte of the window.
    pub fn of(&self, at: usize) -> u64 {
        let index = self.0.partition_point(|(window, _)| *window <= at);
        let Some((window, source)) = index.checked_sub(1).map(|index| self.0[index]) else {
            return at as u64;
        };
        let position = source + (at - window) as u64;
        // A run can be longer than its source: a number in decimal, the path in front of a value.
        match self.0.get(index) {
            Some((_, next)) => position.min(next.saturating_sub(1).max(source)),
            None => position,
        }
    }

    /// Where the run that holds `at` ends; `usize::MAX` for the last one.
    pub(super) fn run_end(&self, at: usize) -> usize {
        let index = self.0.partition_point(|(window, _)| *window <= at);
        self.0.get(index).map_or(usize::MAX, |(window, _)| *window)
    }

    /// The source range of a range of the window, from its first to behind its last byte.
    pub fn of_range(&self, range: &Range<usize>) -> Range<u64> {
        let start = self.of(range.start);
        let end = if range.is_empty() {
            start
        } else {
            self.of(range.end - 1) + 1
        };
        // An escape is one byte in the window and several in the source.
        let next = self.0.partition_point(|(window, _)| *window < range.end);
        match self.0.get(next) {
            Some((window, source)) if *window == range.end && *source > end && *source - end < 12 => {
                start..*source
            }
            _ => start..end,
        }
    }

    /// Says that the byte at `window` comes from `source`.
    pub(super) fn mark(&mut self, window: usize, source: u64) {
        let mut source = source;
        if let Some((last, from)) = self.0.last().copied() {
            // The rest of a run that is longer than its source may begin behind the next one.
            source = source.max(from);
            if last <= window && from + (window - last) as u64 == source {
                return;
            }
            if last == window {
                self.0.pop();
            }
        }
        self.0.push((window, source));
    }

    /// Forgets the first `n` bytes of the window.
    pub(super) fn consume(&mut self, n: usize) {
        let first = self.of(n);
        self.0.retain(|(window, _)| *window > n);
        self.0.iter_mut().for_each(|(window, _)| *window -= n);
        self.0.insert(0, (0, first));
    }
}

/// Bytes waiting to become a window.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Secret,
    positions: Positions,
    /// Bytes in front that were part of the window before; their escapes are undone already.
    overlap: usize,
    /// Bytes in front that a window showed early.
    flushed: usize,
}

/// Why a window ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is long enough; another one follows.
    Full,
    /// Nothing came for a while: it takes all there is, and more may follow.
    Early,
    /// Nothing follows.
    Last,
}

/// A window that is ready.
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) overlap: usize,
    pub(super) flushed: usize,
    pub(super) positions: &'a Positions,
    /// Where in this window the next one starts.
    pub(super) next: usize,
}

impl Buffer {
    /// Bytes not yet seen in a window.
    pub(super) fn fresh(&self) -> usize {
        self.bytes.len() - self.overlap
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Hands over all it holds, to be read in another way: each run with its place.
    pub(super) fn drain(&mut self, mut show: impl FnMut(&[u8], u64)) {
        let all = std::mem::take(self);
        let (bytes, mut at) = (all.bytes.expose(), 0);
        while at < bytes.len() {
            let end = all.positions.run_end(at).min(bytes.len());
            show(&bytes[at..end], all.positions.of(at));
            at = end;
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8], source: u64) {
        self.positions.mark(self.bytes.len(), source);
        self.bytes.extend(bytes);
    }

    /// Forgets all, as after a gap: nothing may be joined across it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Shows the next window to `show` and moves on. A full window ends where no value is likely
    /// to be cut; the others take all there is.
    pub(super) fn window(
        &mut self,
        ending: Ending,
        limits: &Limits,
        format: Format,
        show: impl FnOnce(Window<'_>),
    ) {
        let bytes = self.bytes.expose();
        let end = match ending {
            Ending::Full => cut(bytes, self.overlap, limits.overlap),
            Ending::Early => bytes.len() - escape::unfinished(format, bytes),
            Ending::Last => bytes.len(),
        };
        if end <= self.overlap {
            return;
        }
        let decoded = escape::undo(format, &self.bytes.expose()[self.overlap..end]);
        let end = match decoded {
            None => end,
            Some(decoded) => {
                self.replace(end, &decoded);
                self.overlap + decoded.bytes.len()
            }
        };
        let bytes = &self.bytes.expose()[..end];
        let start = match ending {
            Ending::Last => end,
            Ending::Full | Ending::Early => next_start(bytes, limits),
        };
        show(Window {
            bytes,
            overlap: self.overlap,
            flushed: self.flushed,
            positions: &self.positions,
            next: start,
        });
        self.bytes.consume(start);
        self.positions.consume(start);
        self.overlap = end - start;
        self.flushed = if ending == Ending::Early {
            self.overlap
        } else {
            self.flushed.saturating_sub(start)
        };
    }

    /// Puts the decoded form in place of the fresh bytes before `end`.
    fn replace(&mut self, end: usize, decoded: &escape::Decoded) {
        let old = std::mem::take(&mut self.bytes);
        let positions = std::mem::take(&mut self.positions);
        self.bytes.extend(&old.expose()[..self.overlap]);
        self.bytes.extend(decoded.bytes.expose());
        self.positions
            .0
            .extend(positions.0.iter().filter(|(window, _)| *window < self.overlap));
        // Both lists ascend: every run of the old positions and every escape starts a new one.
        let mut runs = positions
            .0
            .iter()
            .map(|(window, _)| *window)
            .filter(|w| (self.overlap..end).contains(w))
            .peekable();
        for &(to, from) in &decoded.runs {
            while let Some(run) = runs.next_if(|run| *run < self.overlap + from) {
                let at = decoded.position_of(run - self.overlap);
                self.positions.mark(self.overlap + at, positions.of(run));
            }
            self.positions
                .mark(self.overlap + to, positions.of(self.overlap + from));
        }
        for run in runs {
            let at = decoded.position_of(run - self.overlap);
            self.positions.mark(self.overlap + at, positions.of(run));
        }
        let tail = self.bytes.len();
        self.bytes.extend(&old.expose()[end..]);
        self.positions.mark(tail, positions.of(end));
        for (window, source) in positions.0.iter().filter(|(window, _)| *window > end) {
            self.positions.mark(tail + window - end, *source);
        }
    }
}

/// Where the window behind `bytes` starts. Starting behind a delimiter too keeps names whole.
fn next_start(bytes: &[u8], limits: &Limits) -> usize {
    let behind_delimiter = |start: usize| cut(&bytes[..start], 0, limits.overlap);
    let start = behind_delimiter(bytes.len().saturating_sub(limits.overlap));
    match unfinished(bytes, limits.longest) {
        Some(value) => {
            let before = CONTEXT.min(limits.longest / 2 + limits.overlap);
            start.min(behind_delimiter(value.saturating_sub(before)))
        }
        None => start,
    }
}

/// Where a value begins that may go on behind `bytes` and be longer than an overlap: a token
/// without a break, or an armoured block (RFC 7468) without its last line.
fn unfinished(bytes: &[u8], longest: usize) -> Option<usize> {
    let low = bytes.len().saturating_sub(longest);
    let tail = &bytes[low..];
    let in_token = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let run = tail.iter().rev().take_while(in_token).count();
    let token = (run < tail.len() || low == 0).then_some(tail.len() - run);
    let begin = memmem::find_iter(tail, b"-----BEGIN ").last();
    let block = begin.filter(|at| {
        let end = memmem::find(&tail[*at..], b"-----END ").map(|end| at + end + 9);
        end.is_none_or(|end| memmem::find(&tail[end..], b"-----").is_none())
    });
    token.into_iter().chain(block).min().map(|at| low + at)
}

/// Where to end a window: behind the last delimiter of the strongest kind in its last `reach`
/// bytes, so that no value is cut and then judged by its first half.
fn cut(bytes: &[u8], from: usize, reach: usize) -> usize {
    let low = bytes.len().saturating_sub(reach).max(from + 1).min(bytes.len());
    let tail = &bytes[low..];
    let strong = |b: &u8| matches!(b, b'\n' | b',' | b';' | b'&' | b'>' | b'{' | b'}' | b'[' | b']');
    let weak = |b: &u8| matches!(b, b'"' | b'\'' | b' ' | b'\t' | b'|' | b'=');
    let found = tail
        .iter()
        .rposition(strong)
        .or_else(|| tail.iter().rposition(weak));
    let cut = found.map_or(bytes.len(), |at| low + at + 1);
    whole_escape(bytes, cut, from)
}

/// Moves a cut in front of an escape that it would split.
fn whole_escape(bytes: &[u8], cut: usize, from: usize) -> usize {
    let low = cut.saturating_sub(12).max(from + 1).min(cut);
    let near = &bytes[low..cut];
    if cut == bytes.len()
        && let Some(at) = near.iter().position(|b| matches!(b, b'\\' | b'%'))
    {
        return low + at;
    }
    character_start(bytes, cut).max(from + 1).min(bytes.len())
}

/// The nearest UTF-8 character boundary at or before `at`.
fn character_start(bytes: &[u8], at: usize) -> usize {
    let low = at.saturating_sub(3);
    (low..=at)
        .rev()
        .find(|at| bytes.get(*at).is_none_or(|b| b & 0xc0 != 0x80))
        .unwrap_or(at)
}
