//! The wire format, one field at a time
//! (<https://protobuf.dev/programming-guides/encoding/#structure>).
//!
//! Goes in: bytes at the beginning of a field. Comes out: its number, what it holds and its
//! length. Payloads are skipped, never looked into.

/// Largest field number (<https://protobuf.dev/programming-guides/proto3/#assigning>).
const MAX_NUMBER: u64 = (1 << 29) - 1;
/// Longest varint, bytes.
const MAX_VARINT: usize = 10;
/// Groups inside of each other that are followed.
const MAX_GROUPS: usize = 32;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item {
    Field {
        number: u32,
        value: Value,
        /// Bytes of the tag.
        tag: usize,
        /// Bytes of tag and value; of a length-delimited field, without its payload.
        length: usize,
    },
    /// It is cut off.
    More,
    /// It is no field.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// Length of the payload.
    Delimited(u64),
    StartGroup,
    EndGroup,
}

/// A varint and how many bytes it takes.
enum Varint {
    Of(u64, usize),
    More,
    Broken,
}

fn varint(bytes: &[u8]) -> Varint {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Varint::Of(value, at + 1);
        }
    }
    if bytes.len() < MAX_VARINT {
        Varint::More
    } else {
        Varint::Broken
    }
}

/// The varint at the start of `bytes`, and its length.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    match varint(bytes) {
        Varint::Of(value, length) => Some((value, length)),
        Varint::More | Varint::Broken => None,
    }
}

/// Reads the field at the start of `bytes`.
pub(super) fn item(bytes: &[u8]) -> Item {
    let (key, tag) = match varint(bytes) {
        Varint::Of(key, tag) => (key, tag),
        Varint::More if bytes.len() < 5 => return Item::More,
        Varint::More | Varint::Broken => return Item::Broken,
    };
    let number = match u32::try_from(key >> 3) {
        Ok(number) if number > 0 && u64::from(number) <= MAX_NUMBER => number,
        _ => return Item::Broken,
    };
    let rest = &bytes[tag..];
    let (value, length) = match key & 7 {
        kind @ (0 | 2) => match varint(rest) {
            Varint::Of(value, length) if kind == 0 => (Value::Varint(value), length),
            Varint::Of(value, length) => (Value::Delimited(value), length),
            Varint::More => return Item::More,
            Varint::Broken => return Item::Broken,
        },
        1 => match rest.first_chunk() {
            Some(fixed) => (Value::Fixed64(u64::from_le_bytes(*fixed)), 8),
            None => return Item::More,
        },
        5 => match rest.first_chunk() {
            Some(fixed) => (Value::Fixed32(u32::from_le_bytes(*fixed)), 4),
            None => return Item::More,
        },
        3 => (Value::StartGroup, 0),
        4 => (Value::EndGroup, 0),
        _ => return Item::Broken,
    };
    Item::Field {
        number,
        value,
        tag,
        length: tag + length,
    }
}

/// Whether `bytes`, the first of `total`, are fields one behind the other. Looks at one level
/// only: payloads are skipped.
pub(super) fn are_fields(bytes: &[u8], total: u64) -> bool {
    walk(bytes, total, |_, _| {}).is_some()
}

/// The number of fields, and `see` called for each with its payload as far as it is there.
fn walk<'a>(bytes: &'a [u8], total: u64, mut see: impl FnMut(Value, &'a [u8])) -> Option<usize> {
    let cut_off = total > bytes.len() as u64;
    let (mut at, mut count, mut groups) = (0_usize, 0, 0);
    while at < bytes.len() {
        let (value, length) = match item(&bytes[at..]) {
            Item::Field { value, length, .. } => (value, length),
            Item::More if cut_off => return Some(count),
            Item::More | Item::Broken => return None,
        };
        at += length;
        count += 1;
        match value {
            Value::Delimited(payload) => {
                if payload > total - at as u64 {
                    return None;
                }
                let end = usize::try_from(payload)
                    .map_or(bytes.len(), |payload| at.saturating_add(payload).min(bytes.len()));
                see(value, &bytes[at..end]);
                at = end;
            }
            Value::StartGroup if groups == MAX_GROUPS => return None,
            Value::StartGroup => groups += 1,
            Value::EndGroup if groups == 0 => return None,
            Value::EndGroup => groups -= 1,
            _ => see(value, &[]),
        }
    }
    (cut_off || groups == 0).then_some(count)
}

/// Whether content that nobody has declared to be a message is one: `bytes` are the first of
/// `total`. Two fields at least, and something readable in one of them, as chance makes short
/// bytes parse.
pub(in crate::content) fn is_message(bytes: &[u8], total: u64, declared: bool) -> bool {
    let mut readable = false;
    let fields = walk(bytes, total, |_, payload| {
        readable |= payload.len() >= 3 && is_telling(payload);
    });
    match fields {
        Some(fields) if declared => fields > 0,
        Some(fields) => fields >= 2 && readable,
        None => false,
    }
}

/// Text, or a message in which text is to be found.
fn is_telling(payload: &[u8]) -> bool {
    let text = payload.iter().all(|b| (b' '..0x7f).contains(b) || *b >= 0x80);
    let inner = |inner: &mut bool| {
        let inside = walk(payload, payload.len() as u64, |_, inside| {
            *inner |= inside.len() >= 3 && inside.iter().all(|b| (b' '..0x7f).contains(b));
        });
        inside.is_some() && *inner
    };
    (text && str::from_utf8(payload).is_ok()) || inner(&mut false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_the_encoding_guide_shows_them() {
        let field = |number, value, tag, length| Item::Field {
            number,
            value,
            tag,
            length,
        };
        for (bytes, expected) in [
            (&[0x08, 0x96, 0x01][..], field(1, Value::Varint(150), 1, 3)),
            (b"\x12\x07testing", field(2, Value::Delimited(7), 1, 2)),
            (
                &[0x1d, 1, 0, 0, 0x80],
                field(3, Value::Fixed32(0x8000_0001), 1, 5),
            ),
            (&[0x08, 0x96], Item::More),
            (&[0x09, 1, 2], Item::More),
            (&[0x00], Item::Broken),
            (&[0x0f], Item::Broken),
            (&[0xff; 11], Item::Broken),
            (&[], Item::More),
        ] {
            assert_eq!(item(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_payload_may_not_be_longer_than_what_holds_it() {
        assert!(are_fields(b"\x12\x07testing", 9));
        assert!(are_fields(b"\x12\x07test", 9));
        assert!(!are_fields(b"\x12\x07test", 6));
        assert!(!are_fields(b"\x12\x07test", 8));
        assert!(!are_fields(b"\x0b\x08\x01", 3), "a group that is not closed");
        assert!(are_fields(b"\x0b\x08\x01\x0c", 4));
    }
}
