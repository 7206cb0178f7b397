//! Content encodings (RFC 9110 §8.4): what they are called, and a decoder for several at once.
//!
//! Goes in: the header's value or the first bytes, then encoded bytes as they come. Comes out:
//! decoded bytes, a piece at a time, and how many encoded bytes were read, until the end, a break in
//! the data or a limit. Of the content it holds one piece a coding, and what the coding itself looks
//! back at: 32 KiB of deflate, up to [`DecodeLimits::window`] of Brotli and Zstandard.

mod brotli;
mod inflate;
mod magic;
#[cfg(test)]
mod tests;
mod zstd;

pub use magic::{Magic, by_magic};

use brotli::Brotli;
use inflate::Inflate;
use magic::Tail;
use zstd::Zstd;

/// Decoded bytes handed on at once, as far as a coding lets choose.
const PIECE: usize = 16 * 1024;
/// Codings over each other that are undone.
pub const MAX_DEPTH: usize = 4;

/// One coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    /// zlib by its name's standard, raw deflate as some servers have it.
    Deflate,
    Brotli,
    Zstd,
}

/// How a body is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    /// In the order in which they were applied; one to [`MAX_DEPTH`].
    Coded(Vec<Coding>),
    /// More of them than [`MAX_DEPTH`].
    TooDeep,
    /// One that is not known.
    Unsupported,
}

impl Coding {
    fn of(name: &str) -> Option<Self> {
        let known = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        let mut known = known.into_iter();
        known.find_map(|(known, coding)| name.eq_ignore_ascii_case(known).then_some(coding))
    }
}

impl Encoding {
    /// From `Content-Encoding` (RFC 9110 §8.4).
    pub fn of(content_encoding: Option<&str>) -> Self {
        let names = content_encoding
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
        let mut codings = Vec::new();
        for name in names {
            if codings.len() == MAX_DEPTH {
                return Self::TooDeep;
            }
            match Coding::of(name) {
                Some(coding) => codings.push(coding),
                None => return Self::Unsupported,
            }
        }
        if codings.is_empty() {
            Self::Identity
        } else {
            Self::Coded(codings)
        }
    }
}

/// Bounds of decompression.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Most decoded bytes of one body, of each coding.
    pub total: u64,
    /// Most decoded bytes per encoded byte, once more than `free` were decoded.
    pub ratio: u64,
    pub free: u64,
    /// Largest window of Brotli and Zstandard, bytes. The windows grow with what was decoded, so a
    /// short body takes little, and one of Brotli that says to have a larger window is decoded up to
    /// that length. RFC 9659 has 8 MiB for Zstandard in HTTP; Brotli's largest window has 16 MiB.
    pub window: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            total: 64 << 20,
            ratio: 200,
            free: 1 << 20,
            window: 8 << 20,
        }
    }
}

/// Why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The data is broken.
    Broken,
    /// A limit of [`DecodeLimits`] was reached.
    Limit,
}

/// Takes a piece and how many of the encoded bytes of this call were read for it; says when to stop.
type Show<'a> = dyn FnMut(&[u8], usize) -> Option<Stop> + 'a;

/// Decodes one body.
pub struct Decoder {
    /// The last one applied, which is undone first, is the first.
    stages: Vec<Stage>,
    tail: Tail,
}

impl Decoder {
    /// For codings in the order in which they were applied. With `sniff`, content that is encoded
    /// once more without saying so is decoded as well, up to [`MAX_DEPTH`] codings in all.
    pub fn new(codings: &[Coding], sniff: bool, limits: DecodeLimits) -> Self {
        let depth = MAX_DEPTH.saturating_sub(codings.len());
        Self {
            stages: codings
                .iter()
                .rev()
                .map(|coding| Stage::new(*coding, limits))
                .collect(),
            tail: Tail::new(if sniff { depth } else { 0 }, limits),
        }
    }

    /// Decodes `bytes` into pieces for `show`. Returns how many of them were read and, unless
    /// that is all, why it stopped.
    pub fn decode(&mut self, bytes: &[u8], mut show: impl FnMut(&[u8])) -> (usize, Option<Stop>) {
        self.run(bytes, &mut show)
    }

    /// Nothing follows: shows what was decoded and not shown yet.
    pub fn finish(&mut self, mut show: impl FnMut(&[u8])) -> Option<Stop> {
        self.end(&mut show)
    }

    fn run(&mut self, bytes: &[u8], show: &mut dyn FnMut(&[u8])) -> (usize, Option<Stop>) {
        let tail = &mut self.tail;
        run(&mut self.stages, bytes, &mut |piece| tail.take(piece, show))
    }

    fn end(&mut self, show: &mut dyn FnMut(&[u8])) -> Option<Stop> {
        let tail = &mut self.tail;
        let mut stop = None;
        for first in 0..self.stages.len() {
            let (ending, behind) = self.stages[first..].split_at_mut(1);
            let ended =
                ending[0].finish(&mut |piece| run(behind, piece, &mut |piece| tail.take(piece, show)).1);
            stop = stop.or(ended);
        }
        stop.or(self.tail.finish(show))
    }
}

/// Through all stages, the first one outermost.
fn run(
    stages: &mut [Stage],
    bytes: &[u8],
    show: &mut dyn FnMut(&[u8]) -> Option<Stop>,
) -> (usize, Option<Stop>) {
    match stages.split_first_mut() {
        None => (bytes.len(), show(bytes)),
        Some((stage, behind)) => stage.decode(bytes, &mut |piece| run(behind, piece, show).1),
    }
}

/// One coding that is being undone, and its account.
struct Stage {
    codec: Codec,
    limits: DecodeLimits,
    encoded: u64,
    decoded: u64,
}

enum Codec {
    Inflate(Inflate),
    Brotli(Brotli),
    Zstd(Box<Zstd>),
}

impl Stage {
    fn new(coding: Coding, limits: DecodeLimits) -> Self {
        Self {
            codec: match coding {
                Coding::Gzip => Codec::Inflate(Inflate::new(true)),
                Coding::Deflate => Codec::Inflate(Inflate::new(false)),
                Coding::Brotli => Codec::Brotli(Brotli::new(limits.window)),
                Coding::Zstd => Codec::Zstd(Box::new(Zstd::new(limits.window))),
            },
            limits,
            encoded: 0,
            decoded: 0,
        }
    }

    fn decode(&mut self, bytes: &[u8], show: &mut dyn FnMut(&[u8]) -> Option<Stop>) -> (usize, Option<Stop>) {
        let mut at = 0;
        let Self {
            codec,
            limits,
            encoded,
            decoded,
        } = self;
        let before = *encoded;
        let show: &mut Show<'_> = &mut |piece, read| {
            *decoded += piece.len() as u64;
            let stop = if piece.is_empty() { None } else { show(piece) };
            stop.or(limits.stop(before + read as u64, *decoded))
        };
        let stop = match codec {
            Codec::Inflate(codec) => codec.decode(bytes, &mut at, show),
            Codec::Brotli(codec) => codec.decode(bytes, &mut at, show),
            Codec::Zstd(codec) => codec.decode(bytes, &mut at, show),
        };
        *encoded += at as u64;
        (at, stop)
    }

    /// Zstandard keeps a window back; the others show all they have.
    fn finish(&mut self, show: &mut dyn FnMut(&[u8]) -> Option<Stop>) -> Option<Stop> {
        match &mut self.codec {
            Codec::Zstd(codec) => codec.finish(&mut |piece, _| show(piece)),
            Codec::Inflate(_) | Codec::Brotli(_) => None,
        }
    }
}

impl DecodeLimits {
    fn stop(&self, encoded: u64, decoded: u64) -> Option<Stop> {
        let beyond = decoded >= self.total || decoded > self.free && decoded / encoded.max(1) > self.ratio;
        beyond.then_some(Stop::Limit)
    }
}
