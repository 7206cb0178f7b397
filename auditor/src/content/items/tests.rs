//! What items become, however they are cut.

use proptest::prelude::*;

use super::*;

/// The text of `bytes` that come in pieces, and how many were left out.
fn text(mut recoder: Recoder, bytes: &[u8], piece: usize) -> (String, u64) {
    let (mut text, mut last) = (Vec::new(), 0);
    let mut show = |shown: &[u8], source: u64| {
        assert!(source >= last && source <= bytes.len() as u64, "places ascend");
        last = source;
        text.extend_from_slice(shown);
    };
    for (n, data) in bytes.chunks(piece).enumerate() {
        recoder.feed(data, (n * piece) as u64, &mut show);
    }
    recoder.finish(&mut show);
    assert_eq!(recoder.taken, bytes.len() as u64);
    (String::from_utf8_lossy(&text).into_owned(), recoder.binary)
}

/// Any piece length gives the same.
fn shown(make: fn() -> Recoder, bytes: &[u8]) -> (String, u64) {
    let whole = text(make(), bytes, usize::MAX);
    for piece in 1..bytes.len().min(12) {
        assert_eq!(text(make(), bytes, piece), whole);
    }
    whole
}

#[test]
fn message_pack_is_shown_as_json() {
    let card = 4_111_111_111_111_111_u64.to_be_bytes();
    let wide = [&[0x81, 0xa1, b'n', 0xcf][..], &card].concat();
    for (bytes, expected, binary) in [
        (
            &b"\x82\xa5buyer\x81\xa4card\xb04111111111111111\xa3ids\x93\x01\xcd\x01\x00\xff"[..],
            "{\"buyer\":{\"card\":\"4111111111111111\"},\"ids\":[1,256,-1]}\n",
            0,
        ),
        (&wide, "{\"n\":4111111111111111}\n", 0),
        (b"\x80\x90\xc0\xc3", "{}\n[]\nnull\ntrue\n", 0),
        (b"\x81\x07\xa3a\"\n", "{\"7\":\"a\\\"\\n\"}\n", 0),
        (b"\xc4\x03abc\xc4\x03\0\x01\x02", "\"abc\"\n\"\"\n", 3),
        (b"\xd2\xff\xff\xff\x00\xd0\x05", "-256\n5\n", 0),
        // An extension, one of a timestamp's length.
        (b"\xd6\xff\0\0\0\x01\x01", "\"\"\n1\n", 4),
        (b"\xcb\x40\x29\x00\0\0\0\0\0", "12.5\n", 0),
        // What is broken is shown as it is.
        (b"\x91\xc1 4111", "[\n\"\u{fffd} 4111", 0),
        (b"\x92\xa5ab", "[\"ab", 0),
    ] {
        let (text, left_out) = shown(Recoder::message_pack, bytes);
        assert_eq!((text.as_str(), left_out), (expected, binary));
    }
}

#[test]
fn cbor_is_shown_as_json() {
    for (bytes, expected, binary) in [
        (
            &b"\xa2\x65buyer\xa1\x64card\x704111111111111111\x63ids\x83\x01\x19\x01\x00\x20"[..],
            "{\"buyer\":{\"card\":\"4111111111111111\"},\"ids\":[1,256,-1]}\n",
            0,
        ),
        // Without ends, and in pieces.
        (b"\xbf\x61a\x9f\x01\x02\xff\xff", "{\"a\":[1,2]}\n", 0),
        (b"\x7f\x6241\x6211\xff", "\"4111\"\n", 0),
        (b"\xd9\xd9\xf7\xa0\xf4\xf6", "{}\nfalse\nnull\n", 0),
        (
            b"\xf9\x3c\x00\xfb\x42\xae\x9f\x5e\xcc\xea\xbc\xf8",
            "1\n16834919560542.484\n",
            0,
        ),
        (b"\x43abc\x43\0\x01\x02", "\"abc\"\n\"\"\n", 3),
        (b"\x81\xff", "[\n\"\u{fffd}", 0),
    ] {
        let (text, left_out) = shown(Recoder::cbor, bytes);
        assert_eq!((text.as_str(), left_out), (expected, binary), "{bytes:?}");
    }
}

#[test]
fn maps_with_names_are_told_from_other_bytes() {
    assert!(is_message_pack(b"\x81\xa1a\x01"));
    assert!(is_message_pack(b"\x92\x81\xa1a\x01\x81\xa1"));
    assert!(is_cbor(b"\xa1\x61a\x01"));
    assert!(is_cbor(b"\xd9\xd9\xf7\xbf\x61a"));
    for bytes in [
        &b""[..],
        b"\x80",
        b"\x81\x01\x02",
        b"\x81\xa1a\xc1",
        b"text",
        b"\xff\xff",
        b"\x81\xa1a\x01\x02\x03",
    ] {
        assert!(!is_message_pack(bytes), "{bytes:?}");
        assert!(!is_cbor(bytes), "{bytes:?}");
    }
}

#[test]
fn nesting_is_bounded_and_takes_linear_time() {
    for (make, byte) in [
        (Recoder::message_pack as fn() -> Recoder, 0x91),
        (Recoder::cbor, 0x81),
    ] {
        let (text, _) = text(make(), &vec![byte; 1_000_000], 10_000);
        assert!(text.starts_with(&format!("{}\n\"", "[".repeat(MAX_DEPTH))));
    }
}

proptest! {
    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x60..0xc8_u8, Just(0x81)], 0..600),
        piece in 1..200_usize,
    ) {
        for make in [Recoder::message_pack, Recoder::cbor] {
            prop_assert_eq!(text(make(), &bytes, piece), text(make(), &bytes, usize::MAX));
        }
    }
}
