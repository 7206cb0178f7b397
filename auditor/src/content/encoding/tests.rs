//! What decoders make of good, broken and hostile data, however it is cut.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli_of(bytes: &[u8], window_bits: i32) -> Vec<u8> {
    let parameters = ::brotli::enc::BrotliEncoderParams {
        quality: 5,
        lgwin: window_bits,
        ..Default::default()
    };
    let mut encoded = Vec::new();
    ::brotli::BrotliCompress(&mut &bytes[..], &mut encoded, &parameters).unwrap();
    encoded
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn encode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => gzip(bytes),
        Coding::Deflate => zlib(bytes),
        Coding::Brotli => brotli_of(bytes, 22),
        Coding::Zstd => zstd(bytes),
    }
}

/// Decodes what comes in pieces of `piece` bytes: what came out, how many bytes were read, and why
/// it stopped.
fn decode(mut decoder: Decoder, bytes: &[u8], piece: usize) -> (Vec<u8>, usize, Option<Stop>) {
    let (mut decoded, mut read) = (Vec::new(), 0);
    let mut stop = None;
    for piece in bytes.chunks(piece.max(1)) {
        let (taken, stopped) = decoder.decode(piece, |bytes| decoded.extend_from_slice(bytes));
        assert!(taken <= piece.len() && (taken == piece.len() || stopped.is_some()));
        read += taken;
        stop = stopped;
        if stop.is_some() {
            break;
        }
    }
    let ended = decoder.finish(|bytes| decoded.extend_from_slice(bytes));
    (decoded, read, stop.or(ended))
}

fn text(length: usize) -> Vec<u8> {
    let line = |n: usize| {
        format!(
            "{{\"order\":{n},\"note\":\"{}\"}}\n",
            n.wrapping_mul(2_654_435_761) % 9973
        )
    };
    let mut text: Vec<u8> = (0..)
        .map(line)
        .flat_map(String::into_bytes)
        .take(length)
        .collect();
    text.truncate(length);
    text
}

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

#[test]
fn a_header_names_codings_in_the_order_they_were_applied() {
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    for (header, expected) in [
        (None, Encoding::Identity),
        (Some(""), Encoding::Identity),
        (Some("identity"), Encoding::Identity),
        (Some("GZIP"), Encoding::Coded(vec![Gzip])),
        (Some("x-gzip, identity"), Encoding::Coded(vec![Gzip])),
        (Some("gzip, br"), Encoding::Coded(vec![Gzip, Brotli])),
        (
            Some("deflate,zstd , br,gzip"),
            Encoding::Coded(vec![Deflate, Zstd, Brotli, Gzip]),
        ),
        (Some("br,br,br,br,br"), Encoding::TooDeep),
        (Some("gzip, compress"), Encoding::Unsupported),
        (Some("br2"), Encoding::Unsupported),
    ] {
        assert_eq!(Encoding::of(header), expected, "{header:?}");
    }
}

#[test]
fn every_stack_of_two_codings_is_undone_however_it_is_cut() {
    let text = text(70_000);
    for first in ALL {
        for second in ALL {
            let encoded = encode(second, &encode(first, &text));
            for piece in [1, 17, 4096, usize::MAX] {
                let decoder = Decoder::new(&[first, second], false, DecodeLimits::default());
                let (decoded, read, stop) = decode(decoder, &encoded, piece);
                assert!(decoded == text, "{first:?} {second:?} {piece}");
                assert_eq!((read, stop), (encoded.len(), None), "{first:?} {second:?}");
            }
        }
    }
}

#[test]
fn what_command_line_tools_write_is_decoded() {
    macro_rules! corpus {
        ($name:literal) => {
            &include_bytes!(concat!("../../../../tests/fuzz/corpus/encoding/", $name))[2..]
        };
    }
    let line = |n: u64| {
        let note = n * 2_654_435_761 % 9973;
        format!("{{\"order\":{n},\"note\":\"{note}\",\"card\":\"4111111111111111\"}}\n")
    };
    let text: String = (0..40).map(line).collect();
    for (coding, encoded) in [
        (Coding::Gzip, corpus!("gzip")),
        (Coding::Deflate, corpus!("zlib")),
        (Coding::Brotli, corpus!("brotli")),
        (Coding::Brotli, corpus!("brotli_best")),
        (Coding::Zstd, corpus!("zstd")),
        (Coding::Zstd, corpus!("zstd_best")),
    ] {
        for piece in [1, 100, usize::MAX] {
            let (decoded, read, stop) = decode(
                Decoder::new(&[coding], false, DecodeLimits::default()),
                encoded,
                piece,
            );
            assert!(decoded == text.as_bytes(), "{coding:?}");
            assert_eq!((read, stop), (encoded.len(), None));
        }
    }
}

#[test]
fn a_coding_that_nobody_named_is_told_by_its_magic_number_four_deep() {
    let text = text(1000);
    let mut encoded = text.clone();
    let mut deep = Vec::new();
    for coding in [
        Coding::Gzip,
        Coding::Zstd,
        Coding::Zstd,
        Coding::Gzip,
        Coding::Gzip,
    ] {
        encoded = encode(coding, &encoded);
        deep.push(encoded.clone());
    }
    for (n, encoded) in deep.iter().enumerate() {
        for piece in [1, 3, usize::MAX] {
            let (decoded, ..) = decode(Decoder::new(&[], true, DecodeLimits::default()), encoded, piece);
            let expected = n.checked_sub(MAX_DEPTH).map_or(&text, |deeper| &deep[deeper]);
            assert!(decoded == *expected, "{n}");
        }
    }
    for plain in [&b""[..], b"\x1f", b"\x1f\x8b", b"\x28\xb5\x2f", b"\x1f\x8b\x00zz"] {
        for piece in [1, usize::MAX] {
            let (decoded, read, stop) =
                decode(Decoder::new(&[], true, DecodeLimits::default()), plain, piece);
            assert_eq!((&decoded[..], read, stop), (plain, plain.len(), None));
        }
    }
}

#[test]
fn a_body_that_is_cut_off_is_shown_as_far_as_it_came() {
    let text = text(100_000);
    for coding in ALL {
        let encoded = encode(coding, &text);
        let half = &encoded[..encoded.len() / 2];
        let (decoded, read, _) = decode(Decoder::new(&[coding], false, DecodeLimits::default()), half, 999);
        assert_eq!(read, half.len());
        assert!(text.starts_with(&decoded), "{coding:?}");
        // A block of Zstandard is whole or waits.
        let expected = if coding == Coding::Zstd { 0 } else { 30_000 };
        assert!(decoded.len() >= expected, "{coding:?} {}", decoded.len());
    }
}

#[test]
fn bombs_and_windows_beyond_the_limit_end_as_such() {
    let limits = DecodeLimits {
        total: 8 << 20,
        window: 1 << 20,
        ..DecodeLimits::default()
    };
    let zeros = vec![0; 32 << 20];
    for coding in ALL {
        let limits = DecodeLimits {
            window: 64 << 20,
            ..limits
        };
        let encoded = encode(coding, &zeros);
        let (decoded, read, stop) = decode(Decoder::new(&[coding], false, limits), &encoded, 64);
        assert_eq!(stop, Some(Stop::Limit), "{coding:?}");
        assert!(read < encoded.len(), "{coding:?}");
        assert!(
            decoded.len() <= (8 << 20) + 2 * 128 * 1024,
            "{coding:?} {}",
            decoded.len()
        );
    }
    // A window of 4 MiB, which a short stream does not need.
    for (length, expected) in [(10_000, None), (3 << 20, Some(Stop::Limit))] {
        let encoded = brotli_of(&text(length), 22);
        let (decoded, _, stop) = decode(Decoder::new(&[Coding::Brotli], false, limits), &encoded, 100);
        assert_eq!(stop, expected);
        assert!(decoded.len() <= (1 << 20) + PIECE && decoded.len() >= length.min(1 << 20));
    }
    // A frame with a window of 2 MiB, RFC 8878 §3.1.1.1.2.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 11 << 3, 1, 0, 0];
    let (decoded, read, stop) = decode(Decoder::new(&[Coding::Zstd], false, limits), &frame, 100);
    assert_eq!((decoded.len(), read, stop), (0, 0, Some(Stop::Limit)));
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3, 1, 0, 0];
    let (decoded, read, stop) = decode(Decoder::new(&[Coding::Zstd], false, limits), &frame, 100);
    assert_eq!((decoded.len(), read, stop), (0, 9, None));
}

#[test]
fn what_follows_a_stream_is_another_one_or_broken() {
    let text = b"one two three four five six seven eight";
    for coding in ALL {
        let encoded = encode(coding, text);
        let twice = [&encoded[..], &encoded[..]].concat();
        let repeats = matches!(coding, Coding::Gzip | Coding::Zstd);
        for piece in [1, usize::MAX] {
            let (decoded, read, stop) = decode(
                Decoder::new(&[coding], false, DecodeLimits::default()),
                &twice,
                piece,
            );
            if repeats {
                assert_eq!((decoded.len(), read, stop), (2 * text.len(), twice.len(), None));
            } else {
                assert_eq!(
                    (decoded.len(), stop),
                    (text.len(), Some(Stop::Broken)),
                    "{coding:?}"
                );
                assert!(read >= encoded.len() && read < twice.len(), "{coding:?}");
            }
        }
    }
    // A skippable frame in front of a frame.
    let mut skipped = vec![0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    skipped.extend(zstd(text));
    for piece in [1, 9, usize::MAX] {
        let (decoded, read, stop) = decode(
            Decoder::new(&[Coding::Zstd], false, DecodeLimits::default()),
            &skipped,
            piece,
        );
        assert_eq!((&decoded[..], read, stop), (&text[..], skipped.len(), None));
    }
}

/// Good data with some of its bytes changed.
fn damaged() -> impl Strategy<Value = (Coding, Vec<u8>)> {
    let coding = proptest::sample::select(ALL.to_vec());
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (coding, 0..3000_usize, prop::collection::vec(change, 0..4)).prop_map(|(coding, length, changes)| {
        let mut encoded = encode(coding, &text(length));
        for (at, byte) in changes {
            let at = at.index(encoded.len());
            encoded[at] = byte;
        }
        (coding, encoded)
    })
}

proptest! {
    #[test]
    fn damaged_data_gives_the_same_however_it_is_cut((coding, bytes) in damaged(), piece in 1..900_usize) {
        let limits = DecodeLimits::default();
        let whole = decode(Decoder::new(&[coding], true, limits), &bytes, usize::MAX);
        let pieces = decode(Decoder::new(&[coding], true, limits), &bytes, piece);
        // Brotli shows nothing of the last bytes before an error, however many those are.
        if coding == Coding::Brotli {
            prop_assert!(whole.0.starts_with(&pieces.0) || pieces.0.starts_with(&whole.0));
        } else {
            prop_assert!(whole.0 == pieces.0);
        }
        prop_assert_eq!(whole.2, pieces.2);
    }

    #[test]
    fn any_bytes_are_decoded_within_the_limits(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        codings in prop::collection::vec(proptest::sample::select(ALL.to_vec()), 0..=4),
        piece in 1..900_usize,
    ) {
        let limits = DecodeLimits { total: 1 << 16, free: 1 << 10, ..DecodeLimits::default() };
        let (decoded, read, _) = decode(Decoder::new(&codings, true, limits), &bytes, piece);
        prop_assert!(read <= bytes.len());
        prop_assert!(decoded.len() <= (1 << 16) + 2 * (128 << 10));
    }
}
