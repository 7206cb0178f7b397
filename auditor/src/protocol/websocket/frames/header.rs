//! The header of a frame (RFC 6455 §5.2).
//!
//! Goes in: the first bytes of a frame. Comes out: a [`Header`], once it is complete.

use zeroize::Zeroizing;

/// The header of a frame.
pub(super) struct Header {
    pub(super) opcode: u8,
    /// The reserved bits, where they are in the first byte.
    pub(super) reserved: u8,
    pub(super) is_last: bool,
    pub(super) payload: u64,
    pub(super) key: Option<[u8; 4]>,
    /// Its own length.
    pub(super) length: usize,
}

impl Header {
    /// `None` until it is complete.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (payload, at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let key = if second & 0x80 != 0 {
            Some(*bytes.get(at..)?.first_chunk()?)
        } else {
            None
        };
        Some(Self {
            opcode: first & 0x0f,
            reserved: first & 0x70,
            is_last: first & 0x80 != 0,
            payload,
            key,
            length: at + if key.is_some() { 4 } else { 0 },
        })
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.payload.checked_add(self.length as u64)
    }
}

/// Whether `bytes` are one masked frame with text in it, and no more.
pub(in crate::protocol::websocket) fn is_masked_text(bytes: &[u8]) -> bool {
    let Some(header) = Header::parse(bytes) else {
        return false;
    };
    let Some(key) = header.key else { return false };
    let payload = &bytes[header.length..];
    if bytes[0] != 0x81 || header.total() != Some(bytes.len() as u64) || payload.len() < 2 {
        return false;
    }
    let sample = &payload[..payload.len().min(256)];
    let plain: Zeroizing<Vec<u8>> = Zeroizing::new(
        sample
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect(),
    );
    let is_text = match str::from_utf8(&plain) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_text
        && !plain
            .iter()
            .any(|b| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r'))
}
