//! Bytes of a message that wait, and what is shown of them.
//!
//! Goes in: places in them. Comes out, to a closure: text without marks, and numbers.

use crate::content::marked::MARK;
use crate::content::recode::Show;
use crate::content::window::Positions;

use super::known::Known;
use super::path::decimal;
use super::schema::Schema;

/// Pending bytes and how far they were read.
pub(super) struct Input<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) positions: &'a Positions,
    pub(super) at: usize,
    pub(super) schema: Option<&'a Schema>,
}

impl Input<'_> {
    /// Shows what lies before `end`, without marks.
    pub(super) fn show(&self, end: usize, show: &mut Show<'_>) {
        let mut at = self.at;
        while at < end {
            let run = self.positions.run_end(at).min(end);
            let piece = &self.bytes[at..run];
            let source = self.positions.of(at);
            match memchr::memchr(MARK, piece) {
                Some(0) => {
                    show(b" ", source);
                    at += 1;
                }
                Some(mark) => {
                    show(&piece[..mark], source);
                    at += mark;
                }
                None => {
                    show(piece, source);
                    at = run;
                }
            }
        }
    }
}

/// Shows a number, as its type says, else as one without a sign.
pub(super) fn show_number(
    known: Option<&Known>,
    value: u64,
    is_narrow: bool,
    source: u64,
    show: &mut Show<'_>,
) {
    let mut digits = [0; 40];
    match known.and_then(|known| known.written(value, is_narrow, &mut digits)) {
        Some(length) => show(&digits[..length], source),
        None => show(decimal(value, &mut [0; 20]), source),
    }
}
