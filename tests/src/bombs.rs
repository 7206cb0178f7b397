//! Requests that are small or plain to send and made to be dear to read: decompression bombs, nesting, endless heads, and
//! content on which a scanner could lose itself.

use std::io::Write as _;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use crate::{message, values};

/// Bytes of content that is sent as it is.
const LENGTH: usize = 2 << 20;
/// Bytes that a compressed body becomes; decoding has to stop long before.
const EXPLODED: usize = 64 << 20;
/// Decoded bytes of a coding that are read whatever their ratio (`DecodeLimits::free`), and one window more.
const FREE: usize = (1 << 20) + (64 << 10);

/// One request.
pub struct Bomb {
    pub name: &'static str,
    pub request: Vec<u8>,
    /// Most bytes that auditor may make of it, by the limits it documents, those of the request among them.
    pub work: usize,
    /// Where bytes of it have to go.
    pub account: &'static str,
}

impl Bomb {
    fn plain(name: &'static str, content_type: &str, body: &[u8]) -> Self {
        let request = message::post("/v1/bombs", content_type, body);
        Self {
            name,
            work: request.len(),
            request,
            account: "scanned",
        }
    }

    /// Of codings over each other, each of which may become [`FREE`] bytes.
    fn packed(name: &'static str, coding: &str, body: &[u8]) -> Self {
        let codings = coding.split(',').count();
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
        let request = message::post_with("/v1/bombs", &headers, body);
        Self {
            name,
            work: request.len() + codings * FREE,
            request,
            account: "limit",
        }
    }
}

/// Orders as programs send them: what bombs are compared with.
pub fn ordinary() -> Bomb {
    Bomb::plain("ordinary", "application/json", orders(2 * LENGTH).as_bytes())
}

fn orders(length: usize) -> String {
    let mut text = "[".to_owned();
    let mut number = 10_000;
    while text.len() < length {
        number += 17;
        text += &format!(
            r#"{{"order":{number},"status":"shipped","items":[{{"sku":"ABC-{number}","price":"12.50"}}],"note":"{}"}},"#,
            message::words(60)
        );
    }
    text + "{}]"
}

/// All of them.
///
/// # Errors
/// When something can not be compressed.
pub fn all() -> anyhow::Result<Vec<Bomb>> {
    let mut all = packed()?;
    all.extend(plain());
    Ok(all)
}

fn packed() -> anyhow::Result<Vec<Bomb>> {
    let zeros = vec![b'0'; EXPLODED];
    let once = gzip(&zeros)?;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&zeros)?;
    let mut brotli = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 2,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &zeros[..], &mut brotli, &parameters).context("brotli")?;
    // What stays below the ratio is decoded to its end.
    let below = gzip(&orders(8 << 10).repeat(EXPLODED / (8 << 12)).into_bytes())?;
    let mut below = Bomb {
        account: "scanned",
        ..Bomb::packed("gzip below the ratio", "gzip", &below)
    };
    below.work += EXPLODED / 4;
    Ok(vec![
        Bomb::packed("gzip", "gzip", &once),
        Bomb::packed("deflate", "deflate", &zlib.finish()?),
        Bomb::packed("Brotli", "br", &brotli),
        Bomb::packed("Zstandard", "zstd", &zstandard()),
        Bomb::packed("gzip in gzip", "gzip, gzip", &gzip(&once)?),
        Bomb {
            work: once.len() + 2 * FREE,
            ..Bomb::packed("gzip in gzip that is not named", "gzip", &gzip(&once)?)
        },
        below,
    ])
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A frame of blocks that each say one byte so many times (RFC 8878 §3.1.1), with a window of 8 MiB.
fn zstandard() -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let mut frame = b"\x28\xb5\x2f\xfd\x00\x68".to_vec();
    for start in (0..EXPLODED).step_by(BLOCK) {
        let last = u32::from(start + BLOCK == EXPLODED);
        let header = last | 1 << 1 | (BLOCK as u32) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(b'0');
    }
    frame
}

fn plain() -> Vec<Bomb> {
    const LEVELS: usize = 100_000;
    let json = |name, text: &str| {
        Bomb::plain(
            name,
            "application/json",
            format!(r#"{{"note":"{text}"}}"#).as_bytes(),
        )
    };
    let filled = |unit: &str| unit.repeat(LENGTH / unit.len());
    let objects = r#"{"a":"#.repeat(LEVELS) + "1" + &"}".repeat(LEVELS);
    let arrays = "[".repeat(LEVELS) + "1" + &"]".repeat(LEVELS);
    let groups: Vec<String> = (0..LENGTH / 4).map(|_| "123".to_owned()).collect();
    let mut parts = String::new();
    for number in 0..LEVELS {
        parts += &format!("--X\r\nContent-Disposition: form-data; name=\"a{number}\"\r\n\r\n1\r\n");
    }
    parts += "--X--\r\n";
    let mut head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: ".to_vec();
    head.extend(filled("4111 ").into_bytes());
    head.extend(b"\r\n\r\n");
    vec![
        Bomb::plain("objects in objects", "application/json", objects.as_bytes()),
        Bomb::plain("arrays in arrays", "application/json", arrays.as_bytes()),
        Bomb::plain("entities of entities", "application/xml", laughs().as_bytes()),
        Bomb {
            name: "a head of megabytes",
            work: head.len(),
            request: head,
            account: "limit",
        },
        Bomb::plain("parts", "multipart/form-data; boundary=X", parts.as_bytes()),
        json("digits", &values::digits(LENGTH)),
        json("one digit", &filled("4")),
        json("digits in groups", &groups.join("-")),
        json("base64", &STANDARD.encode(values::random(LENGTH / 4 * 3))),
        json("words like base64", &filled("eyJhIjoi")),
        json("signs of addresses", &filled("a@")),
        json("labels of domains", &filled("a.a@a.")),
        json("heads of keys", &filled("-----BEGIN PRIVATE KEY-----")),
        json("names of fields", &filled("card_number: ")),
        json("escapes", &filled("\\u0034")),
        Bomb::plain(
            "parameters",
            "application/x-www-form-urlencoded",
            filled("card=%34&").as_bytes(),
        ),
    ]
}

/// "Billion laughs": each entity is ten of the one before, and the last one is used again and again.
fn laughs() -> String {
    let mut text = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a0 \"4111 1111 1111 1111\">".to_owned();
    for level in 1..10 {
        let ten = format!("&a{};", level - 1).repeat(10);
        text += &format!("<!ENTITY a{level} \"{ten}\">");
    }
    text += "]><l>";
    text += &"&a9;".repeat(LENGTH / 8);
    text + "</l>"
}
