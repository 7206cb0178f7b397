//! What a payload is, without its type: text, a message, numbers, or bytes that say nothing.
//!
//! Goes in: the first bytes of a payload and its length. Comes out: a [`Kind`].
//!
//! Text is preferred to a message, as nearly all text is no message; the other way round, a message may be
//! printable. It is taken for one when it begins with the tag of a string in field 1, which is a line end,
//! or when [`is_all_strings`] says so.

use super::wire::{self, Item, Value};

/// Length of the shortest varint that is worth a look: shorter ones are below 2^21.
const LEAST: usize = 4;
/// Bytes by which the numbers of one field differ in length.
const SPREAD: usize = 2;
/// Fewest numbers of 32 bits that are not taken for chance, one in eight as it is.
const LEAST_FIXED32: usize = 4;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Message,
    Text,
    /// A packed field (<https://protobuf.dev/programming-guides/encoding/#packed>).
    Numbers(Numbers),
    Binary,
}

/// How packed numbers are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Numbers {
    Varint,
    Fixed64,
    Fixed32,
}

/// What a payload of `payload` bytes is, of which `look` are the first. `is_printable` tells of all of these.
pub(super) fn kind(look: &[u8], payload: u64, may_nest: bool, is_printable: impl FnOnce() -> bool) -> Kind {
    if may_nest
        && !look.is_empty()
        && wire::are_fields(look, payload)
        && (look[0] == b'\n' || !is_printable() || is_all_strings(look, payload))
    {
        Kind::Message
    } else if is_readable(look) {
        Kind::Text
    } else if payload == look.len() as u64
        && let Some(numbers) = numbers(look)
    {
        Kind::Numbers(numbers)
    } else {
        Kind::Binary
    }
}

/// Whether printable bytes that parse as fields are rather these than text: they are all there, every
/// field is a string with a tag of one byte, their numbers ascend, and there are two of them at least, or
/// neither tag nor length of the only one is a letter or a digit.
pub(in crate::content) fn is_all_strings(bytes: &[u8], total: u64) -> bool {
    if total != bytes.len() as u64 {
        return false;
    }
    let (mut at, mut fields, mut before) = (0, 0, 0);
    while at < bytes.len() {
        let Item::Field {
            number,
            value: Value::Delimited(payload),
            tag: 1,
            length,
        } = wire::item(&bytes[at..])
        else {
            return false;
        };
        let Ok(payload) = usize::try_from(payload) else {
            return false;
        };
        if number < before || payload == 0 {
            return false;
        }
        before = number;
        fields += 1;
        at = at.saturating_add(length).saturating_add(payload);
    }
    at == bytes.len() && (fields > 1 || !bytes.iter().take(2).any(u8::is_ascii_alphanumeric))
}

/// The numbers that `bytes` are, unless that is chance: they fill them, are of a size that ids, cards and
/// phone numbers have, and of about the same.
fn numbers(bytes: &[u8]) -> Option<Numbers> {
    let are_varints = || {
        let (mut at, mut shortest, mut longest) = (0, usize::MAX, 0);
        while at < bytes.len() {
            let (_, length) = Numbers::Varint.first(&bytes[at..])?;
            // A byte of zeros at the end is never written.
            if length > 1 && bytes[at + length - 1] == 0 {
                return None;
            }
            (shortest, longest) = (shortest.min(length), longest.max(length));
            at += length;
        }
        (longest >= LEAST && longest - shortest <= SPREAD).then_some(Numbers::Varint)
    };
    // Of eight bytes that may be both, one in 256 ends like varints by chance.
    let varints = are_varints();
    if varints.is_some() {
        return varints;
    }
    let is_whole = |value: u64| value >> 21 != 0 && is_whole64(value);
    let (wide, rest) = bytes.as_chunks();
    if !wide.is_empty() && rest.is_empty() && wide.iter().all(|wide| is_whole(u64::from_le_bytes(*wide))) {
        return Some(Numbers::Fixed64);
    }
    let (narrow, rest) = bytes.as_chunks();
    let is_whole = |value: u32| value >> 21 != 0 && is_whole32(value);
    if narrow.len() >= LEAST_FIXED32
        && rest.is_empty()
        && narrow.iter().all(|narrow| is_whole(u32::from_le_bytes(*narrow)))
    {
        return Some(Numbers::Fixed32);
    }
    None
}

impl Numbers {
    /// Whether `bytes` are such numbers and nothing else.
    pub(super) fn fill(self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let Some((_, length)) = self.first(bytes) else {
                return false;
            };
            bytes = &bytes[length..];
        }
        true
    }

    /// The number at the start of `bytes`, and its length.
    pub(super) fn first(self, bytes: &[u8]) -> Option<(u64, usize)> {
        match self {
            Self::Varint => wire::number(bytes),
            Self::Fixed64 => bytes.first_chunk().map(|wide| (u64::from_le_bytes(*wide), 8)),
            Self::Fixed32 => bytes
                .first_chunk()
                .map(|narrow| (u64::from(u32::from_le_bytes(*narrow)), 4)),
        }
    }
}

/// A fixed number is whole, and no floating-point one, when as such (IEEE 754) it would be smaller
/// than anything that is measured: below 2^-767.
pub(super) fn is_whole64(value: u64) -> bool {
    value >> 60 == 0
}

/// The same for 32 bits: below 2^-63.
pub(super) fn is_whole32(value: u32) -> bool {
    value >> 29 == 0
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)) || byte == 0x7f
}

/// Bytes in front that are UTF-8 without control characters.
pub(super) fn printable_length(bytes: &[u8]) -> usize {
    let control = bytes.iter().position(|b| is_control(*b)).unwrap_or(bytes.len());
    match str::from_utf8(&bytes[..control]) {
        Ok(_) => control,
        // A character that is cut off at the end is one.
        Err(error) if error.error_len().is_none() && control == bytes.len() => control,
        Err(error) => error.valid_up_to(),
    }
}

/// Text in UTF-8, or in an older encoding that has ASCII in it.
pub(super) fn is_readable(bytes: &[u8]) -> bool {
    let foreign = bytes.iter().filter(|b| !b.is_ascii()).count();
    !bytes.iter().any(|b| is_control(*b))
        && (4 * foreign <= bytes.len() || printable_length(bytes) == bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payload: &[u8]) -> Kind {
        let is_printable = || printable_length(payload) == payload.len();
        kind(payload, payload.len() as u64, true, is_printable)
    }

    #[test]
    fn printable_messages_are_told_from_text() {
        let name = "a".repeat(40);
        for (payload, expected) in [
            // Field 4, ten characters.
            ("\"\nabcdefghij".to_owned(), Kind::Message),
            (format!("\"({name}"), Kind::Message),
            (format!("\"({name}*({name}"), Kind::Message),
            (format!("B({name}J({name}"), Kind::Message),
            // Numbers that do not ascend; a length that does not fit; a field that is no string.
            (format!("*({name}\"({name}"), Kind::Text),
            (format!("\"({name}a"), Kind::Text),
            (format!(" ({name}"), Kind::Text),
            // `20` may be the beginning of a date.
            (format!("20{}", "-".repeat(48)), Kind::Text),
            ("Jane Smith".to_owned(), Kind::Text),
        ] {
            assert_eq!(of(payload.as_bytes()), expected, "{payload:?}");
        }
    }

    #[test]
    fn packed_numbers_are_told_from_other_bytes() {
        use Numbers::{Fixed32, Fixed64, Varint};
        let varint = |value: u64| {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(value, &mut bytes);
            bytes
        };
        let card = 4_111_111_111_111_111_u64;
        for (payload, expected) in [
            (varint(card), Kind::Numbers(Varint)),
            (
                [varint(card), varint(5_500_000_000_000)].concat(),
                Kind::Numbers(Varint),
            ),
            ([varint(card), varint(3)].concat(), Kind::Binary),
            ([varint(300), varint(3)].concat(), Kind::Binary),
            (card.to_le_bytes().repeat(3), Kind::Numbers(Fixed64)),
            (4.5_f64.to_le_bytes().repeat(3), Kind::Binary),
            (536_000_000_u32.to_le_bytes().repeat(5), Kind::Numbers(Fixed32)),
            (536_000_000_u32.to_le_bytes().repeat(3), Kind::Binary),
        ] {
            assert_eq!(of(&payload), expected, "{payload:?}");
        }
    }
}
