//! Content encodings (RFC 9110 §8.4).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::whim::Whim;

/// Packs once, as the name of the coding says.
pub fn pack(bytes: &[u8], whim: &mut Whim) -> (Vec<u8>, &'static str) {
    match whim.below(5) {
        0 => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            (encoder.finish().unwrap(), "gzip")
        }
        1 => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            (encoder.finish().unwrap(), "deflate")
        }
        2 => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            (encoder.finish().unwrap(), "deflate")
        }
        3 => {
            let mut encoded = Vec::new();
            let parameters = brotli::enc::BrotliEncoderParams {
                quality: 4,
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &bytes[..], &mut encoded, &parameters).unwrap();
            (encoded, "br")
        }
        _ => (compress_to_vec(bytes, CompressionLevel::Fastest), "zstd"),
    }
}

/// Packs several times: the bytes, and the header's value.
pub fn stack(bytes: &[u8], depth: usize, whim: &mut Whim) -> (Vec<u8>, String) {
    let (mut packed, mut names) = (bytes.to_vec(), Vec::new());
    for _ in 0..depth {
        let (next, name) = pack(&packed, whim);
        packed = next;
        names.push(name);
    }
    (packed, names.join(", "))
}
