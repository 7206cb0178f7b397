//! The heads of MessagePack items (<https://github.com/msgpack/msgpack/blob/master/spec.md>).
//!
//! Goes in: bytes at the beginning of an item. Comes out: what it is and how long its head is. The payload of
//! an extension is read as bytes; a timestamp is one.

use super::{Item, Read, big_endian};

pub(super) fn read(bytes: &[u8]) -> Read {
    let Some(first) = bytes.first().copied() else {
        return Read::More;
    };
    let number = |width| match width {
        0 => big_endian::<1>(bytes),
        1 => big_endian::<2>(bytes),
        2 => big_endian::<4>(bytes),
        _ => big_endian::<8>(bytes),
    };
    let sized = |width, item: fn(u64) -> Item, more: usize| match number(width) {
        Some((number, length)) if bytes.len() >= length + more => Read::Item(item(number), length + more),
        _ => Read::More,
    };
    match first {
        0..=0x7f => Read::Item(Item::Number(u64::from(first)), 1),
        0x80..=0x8f => Read::Item(Item::Map(Some(u64::from(first & 15))), 1),
        0x90..=0x9f => Read::Item(Item::Array(Some(u64::from(first & 15))), 1),
        0xa0..=0xbf => Read::Item(Item::Text(u64::from(first & 31)), 1),
        0xc0 => Read::Item(Item::Literal("null"), 1),
        0xc1 => Read::Broken,
        0xc2 => Read::Item(Item::Literal("false"), 1),
        0xc3 => Read::Item(Item::Literal("true"), 1),
        0xc4..=0xc6 => sized(first - 0xc4, Item::Bytes, 0),
        // The type of an extension is a byte in front of its payload.
        0xc7..=0xc9 => sized(first - 0xc7, Item::Bytes, 1),
        0xca => match bytes.get(1..).and_then(<[u8]>::first_chunk) {
            Some(float) => Read::Item(Item::Float(f64::from(f32::from_be_bytes(*float))), 5),
            None => Read::More,
        },
        0xcb => match bytes.get(1..).and_then(<[u8]>::first_chunk) {
            Some(float) => Read::Item(Item::Float(f64::from_be_bytes(*float)), 9),
            None => Read::More,
        },
        0xcc..=0xcf => sized(first - 0xcc, Item::Number, 0),
        0xd0..=0xd3 => match number(first - 0xd0) {
            Some((number, length)) => Read::Item(signed(number, first - 0xd0), length),
            None => Read::More,
        },
        0xd4..=0xd8 if bytes.len() < 2 => Read::More,
        0xd4..=0xd8 => Read::Item(Item::Bytes(1 << (first - 0xd4)), 2),
        0xd9..=0xdb => sized(first - 0xd9, Item::Text, 0),
        0xdc..=0xdd => sized(first - 0xdc + 1, |count| Item::Array(Some(count)), 0),
        0xde..=0xdf => sized(first - 0xde + 1, |count| Item::Map(Some(count)), 0),
        0xe0.. => Read::Item(Item::Negative(u64::from(!first)), 1),
    }
}

/// A number of `2^width` bytes in two's complement.
fn signed(number: u64, width: u8) -> Item {
    let unused = 64 - (8 << width);
    // Shifted up and down again, the sign fills the bits above it.
    let number = ((number << unused) as i64) >> unused;
    match u64::try_from(number) {
        Ok(number) => Item::Number(number),
        Err(_) => Item::Negative(!number as u64),
    }
}
