//! The heads of CBOR items (RFC 8949 §3).
//!
//! Goes in: bytes at the beginning of an item. Comes out: what it is and how long its head is.

use super::{Item, Read, big_endian};

pub(super) fn read(bytes: &[u8]) -> Read {
    let Some(first) = bytes.first().copied() else {
        return Read::More;
    };
    let (major, minor) = (first >> 5, first & 31);
    let argument = match minor {
        0..24 => Some((u64::from(minor), 1)),
        24 => big_endian::<1>(bytes),
        25 => big_endian::<2>(bytes),
        26 => big_endian::<4>(bytes),
        27 => big_endian::<8>(bytes),
        31 => return without_end(major),
        _ => return Read::Broken,
    };
    let Some((argument, length)) = argument else {
        return Read::More;
    };
    let item = match major {
        0 => Item::Number(argument),
        1 => Item::Negative(argument),
        2 => Item::Bytes(argument),
        3 => Item::Text(argument),
        4 => Item::Array(Some(argument)),
        5 => Item::Map(Some(argument)),
        6 => Item::Tag,
        _ => match (minor, argument) {
            (25, bits) => Item::Float(half(bits as u16)),
            (26, bits) => Item::Float(f64::from(f32::from_bits(bits as u32))),
            (27, bits) => Item::Float(f64::from_bits(bits)),
            (_, 20) => Item::Literal("false"),
            (_, 21) => Item::Literal("true"),
            _ => Item::Literal("null"),
        },
    };
    Read::Item(item, length)
}

/// Items of indefinite length (RFC 8949 §3.2).
fn without_end(major: u8) -> Read {
    let item = match major {
        2 | 3 => Item::Pieces,
        4 => Item::Array(None),
        5 => Item::Map(None),
        7 => Item::End,
        _ => return Read::Broken,
    };
    Read::Item(item, 1)
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let value = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}
