//! Zstandard (RFC 8878), without dictionaries.
//!
//! Goes in: encoded bytes as they come. Comes out: decoded bytes, block by block. A block waits until
//! all of it is there: at most 128 KiB and a header. The library keeps a window of decoded bytes back
//! until their frame ends, so that is when they are shown; a frame that does not end is ended here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use zeroize::Zeroize as _;

use crate::secret::Secret;

use super::{PIECE, Show, Stop};

/// `Block_Maximum_Size` (RFC 8878 §3.1.1.2.4).
const MAX_BLOCK: usize = 128 * 1024;
/// An empty block that says to be the last, and as many bytes as a checksum has: they are not compared.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decodes frames one behind the other.
pub(super) struct Zstd {
    pending: Secret,
    state: State,
    decoder: FrameDecoder,
}

#[derive(Clone, Copy)]
enum State {
    /// In front of a frame.
    Between,
    Blocks {
        /// Bytes behind the last block.
        checksum: usize,
    },
    /// In a skippable frame (RFC 8878 §3.1.2).
    Skip(u64),
    Broken,
}

/// What stands at a place.
enum Item {
    /// A frame's header of this length.
    Header { length: usize, checksum: usize },
    /// A skippable frame of this length.
    Skippable(u64),
    /// A block of this length, header included.
    Block { length: usize, is_last: bool },
    /// It is cut off.
    More,
}

impl Zstd {
    /// For windows of at most `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(most);
        Self {
            pending: Secret::default(),
            state: State::Between,
            decoder,
        }
    }

    /// Decodes `bytes` from `at` on, and moves it.
    pub(super) fn decode(&mut self, bytes: &[u8], at: &mut usize, show: &mut Show<'_>) -> Option<Stop> {
        // Bytes of this call that are not pending.
        let waited = self.pending.len();
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend(&bytes[*at..]);
        let from = *at;
        let mut done = 0;
        let stop = loop {
            let read = |done: usize| from + done.saturating_sub(waited);
            match self.step(&pending.expose()[done..]) {
                Ok(0) => break None,
                Ok(length) => {
                    done += length;
                    if let Some(stop) = self.drain(read(done), show) {
                        break Some(stop);
                    }
                }
                Err(stop) => break Some(stop),
            }
        };
        *at = if stop.is_some() {
            from + done.saturating_sub(waited)
        } else {
            bytes.len()
        };
        pending.consume(done);
        self.pending = pending;
        stop
    }

    /// Nothing follows: what was decoded is shown.
    pub(super) fn finish(&mut self, show: &mut Show<'_>) -> Option<Stop> {
        if !matches!(self.state, State::Blocks { .. }) {
            return None;
        }
        self.blocks(&LAST_BLOCK).ok()?;
        self.state = State::Broken;
        self.drain(0, show)
    }

    /// Takes what stands at the beginning of `bytes`, and tells its length; 0 when it is cut off.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self.item(bytes)? {
            Item::More => Ok(0),
            Item::Header { length, checksum } => {
                let decoder = &mut self.decoder;
                match guarded(|| decoder.init(&bytes[..length])) {
                    Some(Ok(())) => self.state = State::Blocks { checksum },
                    Some(Err(error)) => return Err(stop_of(&error)),
                    None => return Err(self.give_up()),
                }
                Ok(length)
            }
            Item::Block { length, is_last } => {
                self.blocks(&bytes[..length])?;
                if is_last {
                    self.state = State::Between;
                }
                Ok(length)
            }
            Item::Skippable(length) => {
                let there = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                self.state = match length - there as u64 {
                    0 => State::Between,
                    left => State::Skip(left),
                };
                Ok(there)
            }
        }
    }

    fn item(&self, bytes: &[u8]) -> Result<Item, Stop> {
        match self.state {
            State::Broken => Err(Stop::Broken),
            State::Skip(_) if bytes.is_empty() => Ok(Item::More),
            State::Skip(left) => Ok(Item::Skippable(left)),
            State::Between => header(bytes).ok_or(Stop::Broken),
            State::Blocks { checksum } => block(bytes, checksum).ok_or(Stop::Broken),
        }
    }

    /// Decodes one block, which is all of `bytes`.
    fn blocks(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let decoder = &mut self.decoder;
        let decoded = guarded(|| decoder.decode_blocks(bytes, BlockDecodingStrategy::UptoBlocks(1)));
        match decoded {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) => {
                self.state = State::Broken;
                Err(Stop::Broken)
            }
            None => Err(self.give_up()),
        }
    }

    /// A mistake in the library costs this body, not the thread.
    fn give_up(&mut self) -> Stop {
        self.state = State::Broken;
        self.decoder = FrameDecoder::new();
        Stop::Broken
    }

    /// Shows what the library lets go of.
    fn drain(&mut self, read: usize, show: &mut Show<'_>) -> Option<Stop> {
        let mut piece = Vec::new();
        let mut stop = None;
        while stop.is_none() && self.decoder.can_collect() > 0 {
            piece.resize(PIECE, 0);
            let decoder = &mut self.decoder;
            match guarded(|| std::io::Read::read(decoder, &mut piece)) {
                Some(Ok(length)) if length > 0 => stop = show(&piece[..length.min(PIECE)], read),
                Some(_) => break,
                None => stop = Some(self.give_up()),
            }
        }
        piece.zeroize();
        // Blocks without content are read as well.
        stop.or_else(|| show(&[], read))
    }
}

/// None when the library panics.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

fn stop_of(error: &FrameDecoderError) -> Stop {
    match error {
        FrameDecoderError::WindowSizeTooBig { .. }
        | FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { .. }) => Stop::Limit,
        _ => Stop::Broken,
    }
}

/// The header at the start of `bytes`; none when there is no frame.
fn header(bytes: &[u8]) -> Option<Item> {
    let is_skippable = bytes.first().is_some_and(|first| first & 0xf0 == 0x50);
    let (skipped, magic) = if is_skippable {
        (1, &[0x2a, 0x4d, 0x18][..])
    } else {
        (0, &[0x28, 0xb5, 0x2f, 0xfd][..])
    };
    let there = &bytes[bytes.len().min(skipped)..bytes.len().min(4)];
    if !magic.starts_with(there) {
        return None;
    }
    if bytes.len() < 4 {
        return Some(Item::More);
    }
    if is_skippable {
        let size = bytes[4..].first_chunk().map(|size| u32::from_le_bytes(*size));
        return Some(size.map_or(Item::More, |size| Item::Skippable(8 + u64::from(size))));
    }
    let Some(descriptor) = bytes.get(4) else {
        return Some(Item::More);
    };
    let is_single = descriptor & 0x20 != 0;
    let window = usize::from(!is_single);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [usize::from(is_single), 2, 4, 8][usize::from(descriptor >> 6)];
    let length = 5 + window + dictionary + size;
    let checksum = if descriptor & 4 == 0 { 0 } else { 4 };
    Some(if bytes.len() < length {
        Item::More
    } else {
        Item::Header { length, checksum }
    })
}

/// The block at the start of `bytes`; none when it is longer than blocks may be.
fn block(bytes: &[u8], checksum: usize) -> Option<Item> {
    let Some([a, b, c]) = bytes.first_chunk() else {
        return Some(Item::More);
    };
    let header = u32::from_le_bytes([*a, *b, *c, 0]);
    let is_last = header & 1 != 0;
    let size = (header >> 3) as usize;
    if size > MAX_BLOCK {
        return None;
    }
    // Of a run of one byte that byte is there.
    let content = if header >> 1 & 3 == 1 { 1 } else { size };
    let length = 3 + content + if is_last { checksum } else { 0 };
    Some(if bytes.len() < length {
        Item::More
    } else {
        Item::Block { length, is_last }
    })
}
