//! Brotli (RFC 7932).
//!
//! Goes in: encoded bytes as they come. Comes out: decoded bytes, a piece at a time. The window
//! grows with what was decoded, and is zeroed when it is let go. A stream that says to have a larger window
//! than it may have is decoded until it would need it: many encoders say so of short ones.

use std::panic::{AssertUnwindSafe, catch_unwind};

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, SliceWrapper, SliceWrapperMut,
};
use zeroize::Zeroize as _;

use super::{PIECE, Show, Stop};

/// Encoded bytes given to the library at once: of those in which it meets an error it shows nothing.
const AT_ONCE: usize = 512;

/// Decodes one stream.
pub(super) struct Brotli {
    /// None once it came to an end or broke.
    state: Option<Box<BrotliState<Zeroing, Plain, Plain>>>,
    begun: bool,
    most: u64,
    /// Bytes that may still be decoded, when the window is too large.
    left: Option<u64>,
}

impl Brotli {
    /// For windows of at most `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        Self {
            // The large windows of RFC 9841 are no part of `br`.
            state: Some(Box::new(BrotliState::new_strict(Zeroing, Plain, Plain))),
            begun: false,
            most,
            left: None,
        }
    }

    /// Decodes `bytes` from `at` on, and moves it.
    pub(super) fn decode(&mut self, bytes: &[u8], at: &mut usize, show: &mut Show<'_>) -> Option<Stop> {
        if !self.begun
            && let Some(first) = bytes.get(*at)
        {
            self.begun = true;
            if window(*first).is_some_and(|window| window > self.most) {
                self.left = Some(self.most);
            }
        }
        let mut piece = vec![0; PIECE];
        let stop = self.pieces(bytes, at, &mut piece, show);
        piece.zeroize();
        stop
    }

    fn pieces(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        piece: &mut [u8],
        show: &mut Show<'_>,
    ) -> Option<Stop> {
        while *at < bytes.len() {
            // Nothing follows the end of a stream.
            let Some(state) = &mut self.state else {
                return Some(Stop::Broken);
            };
            let from = *at;
            let end = bytes.len().min(from + AT_ONCE);
            loop {
                let (mut there, mut room, mut written, mut total) = (end - *at, piece.len(), 0, 0);
                // A mistake in the library shall cost this body, not the thread.
                let result = catch_unwind(AssertUnwindSafe(|| {
                    BrotliDecompressStream(
                        &mut there,
                        at,
                        bytes,
                        &mut room,
                        &mut written,
                        piece,
                        &mut total,
                        state,
                    )
                }));
                *at = (*at).min(end);
                let written = written.min(piece.len());
                let mut stop = show(&piece[..written], *at);
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(written as u64);
                    stop = stop.or((*left == 0).then_some(Stop::Limit));
                }
                match result {
                    Ok(BrotliResult::ResultFailure) | Err(_) => {
                        self.state = None;
                        *at = from;
                        return Some(stop.unwrap_or(Stop::Broken));
                    }
                    Ok(_) if stop.is_some() => return stop,
                    Ok(BrotliResult::NeedsMoreOutput) => {}
                    Ok(BrotliResult::NeedsMoreInput) => break,
                    Ok(BrotliResult::ResultSuccess) => {
                        self.state = None;
                        break;
                    }
                }
            }
        }
        None
    }
}

/// The length of the window that a stream with this first byte has (RFC 7932 §9.1).
fn window(first: u8) -> Option<u64> {
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return None,
        (_, 0, bits) => 8 + bits,
        (_, bits, _) => 17 + bits,
    };
    Some((1 << bits) - 16)
}

/// Memory for content, which is zeroed.
struct Zeroing;
/// Memory for tables.
struct Plain;

#[derive(Default)]
struct Bytes(Vec<u8>);
struct Cells<T>(Vec<T>);

impl Drop for Bytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Allocator<u8> for Zeroing {
    type AllocatedMemory = Bytes;

    fn alloc_cell(&mut self, len: usize) -> Bytes {
        Bytes(vec![0; len])
    }

    fn free_cell(&mut self, _: Bytes) {}
}

impl Allocator<u32> for Plain {
    type AllocatedMemory = Cells<u32>;

    fn alloc_cell(&mut self, len: usize) -> Cells<u32> {
        Cells(vec![0; len])
    }

    fn free_cell(&mut self, _: Cells<u32>) {}
}

impl Allocator<HuffmanCode> for Plain {
    type AllocatedMemory = Cells<HuffmanCode>;

    fn alloc_cell(&mut self, len: usize) -> Cells<HuffmanCode> {
        Cells(vec![HuffmanCode::default(); len])
    }

    fn free_cell(&mut self, _: Cells<HuffmanCode>) {}
}

impl SliceWrapper<u8> for Bytes {
    fn slice(&self) -> &[u8] {
        &self.0
    }
}

impl SliceWrapperMut<u8> for Bytes {
    fn slice_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<T> SliceWrapper<T> for Cells<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Cells<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_window() {
        for (first, bits) in [
            (0b0000_0000, 16),
            (0b0000_0001, 17),
            (0b0000_0011, 18),
            (0b0000_1011, 22),
            (0b0000_1111, 24),
            (0b0010_0001, 10),
            (0b0111_0001, 15),
        ] {
            assert_eq!(window(first), Some((1 << bits) - 16), "{first:08b}");
        }
        assert_eq!(window(0b0001_0001), None);
    }
}
