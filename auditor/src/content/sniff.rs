//! What content is: its format, or that it holds no text.
//!
//! Goes in: a declared content type, if any, and the first bytes. Comes out: a [`Kind`]. A
//! declaration is believed only as far as the bytes agree; without one the bytes decide.

use super::{Format, protobuf};

/// Bytes that are looked at.
pub const SAMPLE: usize = 1024;

/// What to do with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text {
        format: Format,
        /// Between the cells of [`Format::Csv`].
        delimiter: u8,
    },
    /// Images, archives and the like.
    Binary,
}

/// First bytes of formats without text (their specifications; the list of file(1)).
const MAGIC: [&[u8]; 24] = [
    // Text, in UTF-32, which nothing here reads.
    b"\xff\xfe\0\0",
    b"\0\0\xfe\xff",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"\x28\xb5\x2f\xfd",
    b"%PDF-",
    b"\x7fELF",
    b"\0asm",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"wOFF",
    b"wOF2",
    b"\0\0\x01\0",
    b"MZ\x90\0",
    b"\xca\xfe\xba\xbe",
];

/// Chooses how to read content.
pub fn kind(content_type: Option<&str>, bytes: &[u8]) -> Kind {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let media = content_type.map(media_type).unwrap_or_default();
    let is_text = looks_like_text(sample);
    let is_protobuf_type = is_protobuf_type(&media);
    // A message may be all text.
    let may_be_text =
        |sample: &[u8]| sample.first() == Some(&b'\n') || protobuf::is_all_strings(sample, total(bytes));
    if (!is_text || is_protobuf_type && may_be_text(sample))
        && !is_known_binary(sample)
        && may_be_protobuf(&media)
        && protobuf::is_message(sample, total(bytes), is_protobuf_type)
    {
        return Kind::Text {
            format: Format::Protobuf,
            delimiter: 0,
        };
    }
    if !is_text && (is_known_binary(sample) || is_binary_type(&media)) {
        return Kind::Binary;
    }
    let declared = declared(&media);
    let format = match declared {
        Some(Format::Json) if !starts_like_json(sample) => None,
        Some(Format::Xml) if first(sample) != Some(b'<') => None,
        Some(Format::Form) if sample.contains(&b'\n') && !sample.contains(&b'=') => None,
        declared => declared,
    };
    let format = format.unwrap_or_else(|| guess(sample));
    let delimiter = if format == Format::Csv {
        delimiter(sample).unwrap_or(b',')
    } else {
        0
    };
    Kind::Text { format, delimiter }
}

/// Whether content is declared to be of a type without text.
pub(super) fn is_binary(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|content_type| is_binary_type(&media_type(content_type)))
}

/// What is known of the length of content whose first bytes these are: more than a sample may go
/// on without end.
fn total(bytes: &[u8]) -> u64 {
    if bytes.len() < SAMPLE {
        bytes.len() as u64
    } else {
        u64::MAX
    }
}

/// Of one message; the frames that gRPC and Connect put around it are the protocol's.
fn is_protobuf_type(media: &str) -> bool {
    matches!(
        media,
        "application/x-protobuf"
            | "application/protobuf"
            | "application/vnd.google.protobuf"
            | "application/x-google-protobuf"
            | "application/proto"
            | "application/grpc"
            | "application/grpc-web"
    ) || media.ends_with("+proto")
        || media.ends_with("+protobuf")
}

/// Types that say nothing, or say so.
fn may_be_protobuf(media: &str) -> bool {
    matches!(media, "" | "application/octet-stream") || is_protobuf_type(media)
}

fn is_known_binary(sample: &[u8]) -> bool {
    MAGIC.iter().any(|magic| sample.starts_with(magic)) || is_ftyp(sample)
}

/// `text/html; charset=utf-8` → `text/html`.
fn media_type(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn declared(media: &str) -> Option<Format> {
    match media {
        "application/x-www-form-urlencoded" => Some(Format::Form),
        "text/csv" | "text/tab-separated-values" | "application/csv" => Some(Format::Csv),
        "application/sql" | "application/x-sql" => Some(Format::Sql),
        "text/html" => Some(Format::Text),
        _ if media.ends_with("json") || media.contains("json") => Some(Format::Json),
        _ if media.ends_with("/xml") || media.ends_with("+xml") => Some(Format::Xml),
        _ => None,
    }
}

/// Types whose content is never text. `application/octet-stream` says nothing and is scanned.
fn is_binary_type(media: &str) -> bool {
    let (kind, name) = media.split_once('/').unwrap_or_default();
    match kind {
        "image" => !name.ends_with("+xml"),
        "audio" | "video" | "font" => true,
        "application" => matches!(
            name,
            "zip"
                | "gzip"
                | "x-gzip"
                | "x-tar"
                | "x-bzip2"
                | "x-7z-compressed"
                | "zstd"
                | "pdf"
                | "wasm"
                | "java-archive"
        ),
        _ => false,
    }
}

/// ISO media (MP4, HEIC): a box called `ftyp`.
fn is_ftyp(sample: &[u8]) -> bool {
    sample.get(4..8) == Some(b"ftyp")
}

/// Valid UTF-8, but for a cut at the end, without control characters that no text has.
fn looks_like_text(sample: &[u8]) -> bool {
    let valid = match str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid
        && !sample
            .iter()
            .any(|b| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}

fn without_bom(sample: &[u8]) -> &[u8] {
    sample
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(sample)
        .trim_ascii_start()
}

fn first(sample: &[u8]) -> Option<u8> {
    without_bom(sample).first().copied()
}

fn starts_like_json(sample: &[u8]) -> bool {
    matches!(
        first(sample),
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    )
}

fn guess(sample: &[u8]) -> Format {
    let text = without_bom(sample);
    match text.first() {
        Some(b'{' | b'[') if is_json(text) => return Format::Json,
        Some(b'<') if is_xml(text) => return Format::Xml,
        _ => {}
    }
    if is_sql(text) {
        Format::Sql
    } else if is_form(text) {
        Format::Form
    } else if delimiter(text).is_some() {
        Format::Csv
    } else {
        Format::Text
    }
}

/// An object or array that goes on as one; `[2024-01-01 …] message` does not.
fn is_json(text: &[u8]) -> bool {
    let rest = text[1..].trim_ascii_start();
    match (text[0], rest.first()) {
        (_, None) | (b'{', Some(b'"' | b'}')) | (b'[', Some(b'{' | b'[' | b'"' | b']')) => true,
        (b'[', Some(b'-' | b'0'..=b'9')) => {
            let number = rest
                .iter()
                .skip(1)
                .position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E'));
            let next = number.map(|at| rest[at + 1..].trim_ascii_start());
            next.is_none_or(|next| matches!(next.first(), None | Some(b',' | b']')))
        }
        (b'[', Some(_)) => [&b"true"[..], b"false", b"null"].iter().any(|word| {
            let after = rest.strip_prefix(*word).map(<[u8]>::trim_ascii_start);
            after.is_some_and(|after| matches!(after.first(), None | Some(b',' | b']')))
        }),
        _ => false,
    }
}

fn is_xml(text: &[u8]) -> bool {
    let lower = text[..text.len().min(16)].to_ascii_lowercase();
    let html = lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html");
    !html
        && matches!(text.get(1), Some(b'?' | b'!' | b'a'..=b'z' | b'A'..=b'Z' | b'_'))
        && text.contains(&b'>')
}

fn is_sql(text: &[u8]) -> bool {
    let lower = text[..text.len().min(SAMPLE)].to_ascii_lowercase();
    let starts = [
        &b"insert into "[..],
        b"create table ",
        b"select ",
        b"update ",
        b"delete from ",
        b"begin;",
        b"replace into ",
        b"drop table ",
        b"-- ",
        b"--\n",
        b"--\r\n",
        b"/*!",
        b"pragma foreign_keys",
        b"copy ",
    ];
    let words = [
        &b"insert into "[..],
        b"create table ",
        b" from ",
        b" set ",
        b"values",
        b"copy ",
        b" database dump",
        b"sql dump",
        b"mariadb dump",
        b"begin transaction",
    ];
    starts.iter().any(|start| lower.starts_with(start))
        && words
            .iter()
            .any(|word| memchr::memmem::find(&lower, word).is_some())
}

/// `name=value` pairs joined by `&`, without blanks.
fn is_form(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let name = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"_.-%[]+*".contains(b))
        .count();
    name > 0
        && text.get(name) == Some(&b'=')
        && text
            .iter()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'{'))
}

/// The delimiter that cuts the first rows into the same number of cells, two or more, with a
/// first row that is a row and not a sentence.
fn delimiter(sample: &[u8]) -> Option<u8> {
    let mut rows = sample
        .split(|b| *b == b'\n')
        .filter(|row| !row.trim_ascii().is_empty());
    let (head, second) = (rows.next()?, rows.next()?);
    let third = rows.next();
    let whole_third = third.filter(|_| rows.next().is_some());
    [b',', b';', b'\t', b'|'].into_iter().find(|delimiter| {
        let cells = cells(head, *delimiter);
        let short = head.split(|b| b == delimiter).all(|cell| {
            let cell = cell.trim_ascii();
            !cell.is_empty()
                && cell.len() <= 64
                && !cell.iter().any(|b| matches!(b, b':' | b'=' | b'{' | b'('))
        });
        let second_whole = third.is_some() || sample.ends_with(b"\n") || sample.len() < SAMPLE;
        cells >= 2
            && short
            && second_whole
            && self::cells(second, *delimiter) == cells
            && whole_third.is_none_or(|third| self::cells(third, *delimiter) == cells)
    })
}

fn cells(row: &[u8], delimiter: u8) -> usize {
    let mut quoted = false;
    let mut cells = 1;
    for byte in row {
        quoted ^= *byte == b'"';
        cells += usize::from(!quoted && *byte == delimiter);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_recognised_by_its_bytes() {
        for (bytes, expected) in [
            (&br#"{"a":1}"#[..], Format::Json),
            (b"\xef\xbb\xbf [1, 2]", Format::Json),
            (b"[{\"a\":1}]", Format::Json),
            (b"[2024-01-01 10:00] started", Format::Text),
            (b"{not json}", Format::Text),
            (b"<?xml version=\"1.0\"?><a/>", Format::Xml),
            (b"<!DOCTYPE html><html>", Format::Text),
            (b"card=4111+1111&name=a%20b", Format::Form),
            (b"user=ada id=7", Format::Text),
            (b"name,email\nAda,a@b.test\n", Format::Csv),
            (b"a;b\n1;2\n3;4\n", Format::Csv),
            (b"Dear Sir, hello\nI write, to you, again\n", Format::Text),
            (b"INSERT INTO users (a) VALUES (1);", Format::Sql),
            (b"plain text", Format::Text),
            (b"", Format::Text),
        ] {
            let Kind::Text { format, .. } = kind(None, bytes) else {
                panic!("binary")
            };
            assert_eq!(format, expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_declaration_is_believed_as_far_as_the_bytes_agree() {
        let text = |format| Kind::Text { format, delimiter: 0 };
        for (media, bytes, expected) in [
            (
                "application/json; charset=utf-8",
                &b"{\"a\":1}"[..],
                text(Format::Json),
            ),
            ("application/vnd.api+json", b"\"x\"", text(Format::Json)),
            ("application/json", b"<a>b</a>", text(Format::Xml)),
            ("image/png", b"\x89PNG\r\n\x1a\n\0", Kind::Binary),
            ("image/png", b"card 4111", text(Format::Text)),
            ("application/json", b"\x89PNG\r\n\x1a\n\0", Kind::Binary),
            ("application/octet-stream", b"\x01\x02abc", text(Format::Text)),
            ("video/mp4", b"\x01\x02abc", Kind::Binary),
            ("text/html", b"<p>x</p>", text(Format::Text)),
            ("application/grpc", b"\"\x05words", text(Format::Protobuf)),
            ("application/grpc+proto", b"\n\x05words", text(Format::Protobuf)),
            ("application/grpc-web", b"\x12\x05words", text(Format::Protobuf)),
            (
                "application/grpc-web+proto",
                b"\x12\x05words",
                text(Format::Protobuf),
            ),
            ("application/proto", b"\x12\x05words", text(Format::Protobuf)),
            (
                "application/connect+proto",
                b"\x12\x05words",
                text(Format::Protobuf),
            ),
            ("application/grpc", b"plain words", text(Format::Text)),
            ("application/grpc+json", b"{\"a\":1}", text(Format::Json)),
            ("application/connect+json", b"{\"a\":1}", text(Format::Json)),
        ] {
            assert_eq!(kind(Some(media), bytes), expected, "{media}");
        }
    }
}
