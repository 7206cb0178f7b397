//! Content as somebody would send it who wants to hold the scanner up: one thing, without end.
//!
//! Goes in: the name of a kind. Comes out: as many bytes of it as are wanted, the same in every run.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::random::Random;

/// Bytes that are written at once.
const PIECE: usize = 256 * 1024;
/// Decoded bytes of one compressed body.
const BOMB: usize = 64 << 20;

/// A kind of input.
pub struct Kind {
    pub name: &'static str,
    /// What it begins with, once: the reader takes it for a format.
    head: &'static str,
    body: Body,
}

/// What follows without end.
enum Body {
    /// The same text again and again.
    Text(&'static str),
    /// The same bytes.
    Bytes(&'static [u8]),
    /// Random bytes of these.
    Of(&'static [u8]),
    /// Any random bytes.
    Random,
    /// Text in which `#` stands for a number that counts up from [`FIRST`].
    Counted(&'static str),
    /// Card numbers that differ, in fields that say so: each is a finding.
    Cards,
    /// HTTP responses, each with a body of [`BOMB`] bytes of zeros in gzip.
    Bombs,
}

const DIGITS: &[u8] = b"0123456789";

/// Every kind there is.
#[rustfmt::skip]
pub static KINDS: &[Kind] = &[
    Kind::new("digits", "", Body::Of(DIGITS)),
    Kind::new("digits in groups", "", Body::Of(b"0123456789012345678901234567890123456789 -./")),
    Kind::new("groups of four digits", "", Body::Text("4000 1234 ")),
    Kind::new("letters and digits", "", Body::Of(b"ABCDEFGHKLMNPQRSTUVWXYZ0123456789 -")),
    Kind::new("at signs", "", Body::Text("@")),
    Kind::new("addresses without an end", "", Body::Text("a.b@")),
    Kind::new("percent signs", "a=1&b=", Body::Text("%40%")),
    Kind::new("quotes", "", Body::Text("\"")),
    Kind::new("escaped quotes", "{\"a\":\"", Body::Text("\\\"")),
    Kind::new("backslashes", "{\"a\":\"", Body::Text("\\")),
    Kind::new("single quotes in SQL", "INSERT INTO t (a) VALUES ('", Body::Text("'")),
    Kind::new("asterisks", "", Body::Text("*")),
    Kind::new("asterisks and digits", "{\"card\":\"", Body::Text("**1*")),
    Kind::new("bullets", "", Body::Text("\u{2022}")),
    Kind::new("colons", "{\"a\"", Body::Text(":")),
    Kind::new("equals signs", "a=1&b", Body::Text("=")),
    Kind::new("JSON arrays, nested", "", Body::Text("[")),
    Kind::new("JSON objects, nested", "", Body::Text("{\"card\":")),
    Kind::new("JSON braces, closed", "{\"a\":[", Body::Text("{},")),
    Kind::new("JSON braces, never opened", "{\"a\":1}", Body::Text("}]")),
    Kind::new("XML elements, nested", "<?xml version=\"1.0\"?>", Body::Text("<card>")),
    Kind::new("XML attributes", "<?xml version=\"1.0\"?><a ", Body::Counted("k#=\"1\" ")),
    Kind::new("XML, less-than signs", "<?xml version=\"1.0\"?>", Body::Text("<")),
    Kind::new("XML entities", "<?xml version=\"1.0\"?><a>", Body::Text("&#x31;")),
    Kind::new("one word", "", Body::Of(b"abcdefghijklmnopqrstuvwxyz")),
    Kind::new("one line", "", Body::Text("the quick brown fox jumps over the lazy dog ")),
    Kind::new("one key", "{\"", Body::Of(b"abcdefghijklmnopqrstuvwxyz")),
    Kind::new("one number", "{\"card_number\":", Body::Of(DIGITS)),
    Kind::new("one string", "{\"password\":\"", Body::Of(b"abcdefghijklmnopqrstuvwxyz ")),
    Kind::new("one array of a named field", "{\"password\":[\"a\"", Body::Counted(",\"x#\"")),
    Kind::new("distinct keys in JSON", "{\"a\":1", Body::Counted(",\"k#\":1")),
    Kind::new("distinct keys of words", "{\"a\":1", Body::Counted(",\"card_of_user_#_home_phone\":1")),
    Kind::new("distinct keys, named values", "{\"a\":1", Body::Counted(",\"card_number_#x\":4001234#")),
    Kind::new("distinct keys in forms", "a=1", Body::Counted("&k#=1")),
    Kind::new("distinct keys in logs", "start", Body::Counted(" k#=1")),
    Kind::new("distinct elements in XML", "<?xml version=\"1.0\"?>", Body::Counted("<k#>1</k#>")),
    Kind::new("distinct columns in CSV", "a,b,c", Body::Counted(",k#")),
    Kind::new("distinct columns in SQL", "INSERT INTO t (a", Body::Counted(",k#")),
    Kind::new("distinct headers", "GET / HTTP/1.1\r\n", Body::Counted("X-K#: 1\r\n")),
    Kind::new("one row of CSV", "card,name\n1,2\n", Body::Counted(",#")),
    Kind::new("one row of SQL", "INSERT INTO t (card) VALUES (1", Body::Counted(",#")),
    Kind::new("short records", "{\"card\":1}\n", Body::Counted("{\"card\":#}\n")),
    Kind::new("beginnings of secrets", "", Body::Text("ghp_xoxb-AKIAeyJsk-glpat-")),
    Kind::new("beginnings of keys", "", Body::Text("-----BEGIN RSA PRIVATE KEY-----")),
    Kind::new("beginnings of tokens", "", Body::Text("eyJhbGciOiJIUzI1NiJ9.")),
    Kind::new("beginnings of URLs", "", Body::Text("http://a:b")),
    Kind::new("words before dates", "", Body::Text("born May 1 ")),
    Kind::new("chunks of one byte", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Body::Text("1\r\n4\r\n")),
    Kind::new("protobuf, nested", PROTOBUF, Body::Bytes(b"\n\xff\xff\xff\x7f")),
    Kind::new("protobuf, numbers", PROTOBUF, Body::Bytes(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
    Kind::new("parts, empty", PARTS, Body::Text("--X\r\n\r\n\r\n")),
    Kind::new("parts of JSON", PARTS, Body::Counted("--X\r\n\r\n{\"card\":#}\r\n")),
    Kind::new("parts, nested", PARTS, Body::Text("--X\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n")),
    Kind::new("header of a part", PARTS, Body::Text("--X\r\na: b\r\n")),
    Kind::new("boundaries of another", PARTS, Body::Text("\r\n--XX")),
    Kind::new("header of a part in chunks", CHUNKED_PARTS, Body::Text("1\r\n\n\r\n1\r\na\r\n")),
    Kind::new("MessagePack, nested", MESSAGE_PACK, Body::Bytes(b"\x91")),
    Kind::new("MessagePack, maps", MESSAGE_PACK, Body::Bytes(b"\xdf\xff\xff\xff\xff\xa1a")),
    Kind::new("MessagePack, empty items", MESSAGE_PACK, Body::Bytes(b"\x80")),
    Kind::new("CBOR, nested", CBOR, Body::Bytes(b"\x9f")),
    Kind::new("CBOR, strings in pieces", CBOR, Body::Bytes(b"\x7f\x61a")),
    Kind::new("CBOR, an array of 2^63", CBOR, Body::Bytes(b"\x9b\x80\0\0\0\0\0\0\0\x01")),
    Kind::new("events of one line", EVENTS, Body::Text("data: {\"a\":")),
    Kind::new("events of short lines", EVENTS, Body::Text("data:{\n")),
    Kind::new("YAML aliases", "---\na: &a [lol,lol]\n", Body::Text("b: &b [*a,*a,*a,*a]\n")),
    Kind::new("YAML levels", "---\na:\n", Body::Text("- ")),
    Kind::new("XML entities of entities", "<?xml version=\"1.0\"?><!DOCTYPE l [", Body::Text("<!ENTITY b \"&a;&a;&a;\">")),
    Kind::new("HTML, not closed", "<!doctype html>", Body::Text("<b>")),
    Kind::new("HTML, inputs", "<!doctype html>", Body::Counted("<input value=# name=card>")),
    Kind::new("base64", "{\"a\":\"", Body::Text("eyJhIjoi")),
    Kind::new("base64 of one window", "", Body::Text("{\"a\":\"eyJjYXJkIjoiNTQ0NzkxMTIzNDU2MDI0OSJ9\"}\n")),
    Kind::new("JSON in strings", "{\"a\":\"{\\\"a\\\":\\\"", Body::Text("\\\\\\\"")),
    Kind::new("UTF-16", "", Body::Bytes(b"\xff\xfe4\x001\x001\x001\x00")),
    Kind::new("invalid UTF-8", "", Body::Bytes(b"\xff")),
    Kind::new("UTF-8 cut short", "text ", Body::Bytes(b"\xe2\x80")),
    Kind::new("NUL", "", Body::Bytes(b"\0")),
    Kind::new("NUL in JSON", "{\"card\":\"", Body::Bytes(b"\0")),
    Kind::new("random bytes", "", Body::Random),
    Kind::new("gzip bombs", "", Body::Bombs),
    Kind::new("cards", "", Body::Cards),
];

const PARTS: &str =
    "POST / HTTP/1.1\r\nContent-Type: multipart/mixed; boundary=X\r\nContent-Length: 99999999999\r\n\r\n";
const CHUNKED_PARTS: &str = "POST / HTTP/1.1\r\nContent-Type: multipart/mixed; boundary=X\r\n\
Transfer-Encoding: chunked\r\n\r\n5\r\n--X\r\n\r\n";
const MESSAGE_PACK: &str =
    "POST / HTTP/1.1\r\nContent-Type: application/msgpack\r\nContent-Length: 99999999999\r\n\r\n";
const CBOR: &str = "POST / HTTP/1.1\r\nContent-Type: application/cbor\r\nContent-Length: 99999999999\r\n\r\n";
const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99999999999\r\n\r\n";
const PROTOBUF: &str =
    "POST / HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: 99999999999\r\n\r\n";

/// Of as many digits as all that a gigabyte has room for, so that its end is no other content than its
/// beginning.
const FIRST: u64 = 100_000_000;

impl Kind {
    const fn new(name: &'static str, head: &'static str, body: Body) -> Self {
        Self { name, head, body }
    }

    /// Most bytes of it that are worth a run: every finding has its cost, and a line of output.
    pub fn most(&self) -> u64 {
        match self.body {
            Body::Cards => 256 << 20,
            _ => u64::MAX,
        }
    }

    /// Writes `length` bytes.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write(&self, length: u64, out: &mut dyn Write) -> io::Result<()> {
        let mut left = length;
        let mut send = |piece: &[u8]| {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            left -= take as u64;
            out.write_all(&piece[..take])?;
            Ok::<bool, io::Error>(left > 0)
        };
        if !send(self.head.as_bytes())? {
            return Ok(());
        }
        let mut source = Pieces::new(&self.body);
        while send(source.next())? {}
        Ok(())
    }
}

/// Pieces of a body, one after the other.
struct Pieces<'a> {
    body: &'a Body,
    piece: Vec<u8>,
    /// What a counted text has come to.
    count: u64,
    random: Random,
}

impl<'a> Pieces<'a> {
    fn new(body: &'a Body) -> Self {
        Self {
            body,
            piece: Vec::with_capacity(PIECE + 4096),
            count: FIRST,
            random: Random::new(20_261_128),
        }
    }

    /// The next piece; those that do not change are made once.
    fn next(&mut self) -> &[u8] {
        match self.body {
            Body::Text(text) if self.piece.is_empty() => self.repeat(text.as_bytes()),
            Body::Bytes(bytes) if self.piece.is_empty() => self.repeat(bytes),
            Body::Bombs if self.piece.is_empty() => self.repeat(&bomb()),
            Body::Of(bytes) if self.piece.is_empty() => {
                let (piece, random) = (&mut self.piece, &mut self.random);
                piece.extend((0..16 * PIECE).map(|_| random.one(bytes)));
            }
            Body::Random if self.piece.is_empty() => {
                let random = &mut self.random;
                let words = (0..2 * PIECE).flat_map(|_| random.bits().to_le_bytes());
                self.piece.extend(words);
            }
            Body::Counted(form) => self.refill(|count, _, piece| {
                for (at, part) in form.split('#').enumerate() {
                    if at > 0 {
                        write_number(count, piece);
                    }
                    piece.extend_from_slice(part.as_bytes());
                }
            }),
            Body::Cards => self.refill(|_, random, piece| {
                piece.extend_from_slice(b"{\"card_number\":\"");
                let body = 453_957_000_000_000 + random.below(1_000_000_000);
                write_number(body * 10 + u64::from(luhn(body)), piece);
                piece.extend_from_slice(b"\"}\n");
            }),
            _ => {}
        }
        &self.piece
    }

    fn repeat(&mut self, unit: &[u8]) {
        let times = PIECE.div_ceil(unit.len());
        self.piece.extend(unit.repeat(times));
    }

    fn refill(&mut self, add: impl Fn(u64, &mut Random, &mut Vec<u8>)) {
        self.piece.clear();
        while self.piece.len() < PIECE {
            add(self.count, &mut self.random, &mut self.piece);
            self.count += 1;
        }
    }
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        // A digit.
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// The digit that makes `body` pass the Luhn check (ISO/IEC 7812-1, annex B).
fn luhn(mut body: u64) -> u8 {
    let (mut sum, mut doubled) = (0, true);
    while body > 0 {
        let digit = body % 10 * if doubled { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
        (body, doubled) = (body / 10, !doubled);
    }
    ((10 - sum % 10) % 10) as u8
}

/// A response whose body is short and gets long.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b'0'; 1 << 20];
    // A vector takes everything.
    let written = (0..BOMB >> 20).try_for_each(|_| encoder.write_all(&zeros));
    let body = written.and_then(|()| encoder.finish()).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_length_that_is_asked_for_and_begins_with_its_head() {
        for kind in KINDS {
            for length in [3, 1000, 600_000] {
                let mut bytes = Vec::new();
                kind.write(length, &mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, length, "{}", kind.name);
                let head = &kind.head.as_bytes()[..kind.head.len().min(bytes.len())];
                assert!(bytes.starts_with(head), "{}", kind.name);
            }
        }
    }

    #[test]
    fn counted_keys_differ_and_cards_pass() {
        let mut pieces = Pieces::new(&Body::Counted(",k#"));
        assert!(pieces.next().starts_with(b",k100000000,k100000001,"));
        // A published test number.
        assert_eq!(luhn(411_111_111_111_111), 1);
    }

    #[test]
    fn a_bomb_is_short_and_decodes_to_its_length() {
        let bomb = bomb();
        let body = bomb.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut decoded = flate2::read::GzDecoder::new(&bomb[body..]);
        assert_eq!(io::copy(&mut decoded, &mut io::sink()).unwrap(), BOMB as u64);
        assert!(bomb.len() < BOMB / 500, "{}", bomb.len());
    }
}
