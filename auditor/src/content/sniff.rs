//! What content is: its format, or that it holds no text.
//!
//! Goes in: a declared content type, if any, and the first bytes. Comes out: a [`Kind`]. A
//! declaration is believed only as far as the bytes agree; without one the bytes decide.

mod binary;
mod guess;

use binary::{is_binary_type, is_known_binary};
use guess::{delimiter, guess};

use super::{Format, events, items, multipart, protobuf};

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
    /// Text is made of it, or of what is inside of it.
    Made(Made),
    /// Images, archives and the like.
    Binary,
}

/// Content that is no text as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Parts with contents of their own (RFC 2046 §5.1).
    Multipart,
    MessagePack,
    Cbor,
    /// Server-Sent Events, whose data is JSON, or text.
    Events {
        json: bool,
    },
}

impl Kind {
    /// The format of the text that is scanned.
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Text { format, .. } => Some(format),
            Self::Made(Made::MessagePack | Made::Cbor | Made::Events { json: true }) => Some(Format::Json),
            Self::Made(Made::Multipart | Made::Events { json: false }) => Some(Format::Text),
            Self::Binary => None,
        }
    }

    /// For content that was made text of already.
    pub(super) fn without_recoding(self) -> Self {
        match self {
            Self::Made(_) => Self::Text {
                format: Format::Text,
                delimiter: 0,
            },
            kind => kind,
        }
    }

    /// For content that lies too deep in others for another one to be looked for.
    pub(super) fn without_parts(self) -> Self {
        match self {
            Self::Made(Made::Multipart) => self.without_recoding(),
            kind => kind,
        }
    }
}

/// Chooses how to read content.
pub fn kind(content_type: Option<&str>, bytes: &[u8]) -> Kind {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let media = content_type.map(media_type).unwrap_or_default();
    let is_text = looks_like_text(sample);
    let is_protobuf_type = is_protobuf_type(&media);
    if let Some(made) = made(&media, sample, is_text) {
        return Kind::Made(made);
    }
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
    if multipart::boundary(content_type, sample).is_some() {
        return Kind::Made(Made::Multipart);
    }
    if !is_text && (is_known_binary(sample) || is_binary_type(&media)) {
        return Kind::Binary;
    }
    let declared = declared(&media);
    let format = match declared {
        Some(Format::Json) if !starts_like_json(sample) => None,
        Some(Format::Xml | Format::Html) if first(sample) != Some(b'<') => None,
        Some(Format::Form) if sample.contains(&b'\n') && !sample.contains(&b'=') => None,
        declared => declared,
    };
    let format = format.unwrap_or_else(|| guess(sample));
    let delimiter = if format == Format::Csv {
        let usual = if media == "text/tab-separated-values" {
            b'\t'
        } else {
            b','
        };
        delimiter(sample).unwrap_or(usual)
    } else {
        0
    };
    Kind::Text { format, delimiter }
}

/// Whether content is declared to be a message of protocol buffers, and may be one.
pub(super) fn is_declared_message(content_type: Option<&str>, bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    content_type.is_some_and(|content_type| is_protobuf_type(&media_type(content_type)))
        && protobuf::is_message(sample, total(bytes), true)
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

/// Formats that text is made of, by type and bytes.
fn made(media: &str, sample: &[u8], is_text: bool) -> Option<Made> {
    if media == "text/event-stream" {
        let json = events::has_json(sample);
        return Some(Made::Events { json });
    }
    if is_known_binary(sample) {
        return None;
    }
    if is_message_pack_type(media) && !(is_text && starts_like_json(sample)) {
        return Some(Made::MessagePack);
    }
    if is_cbor_type(media) && !(is_text && starts_like_json(sample)) {
        return Some(Made::Cbor);
    }
    let says_nothing = matches!(media, "" | "application/octet-stream");
    if is_text || !says_nothing {
        return None;
    }
    if items::is_message_pack(sample) {
        Some(Made::MessagePack)
    } else {
        items::is_cbor(sample).then_some(Made::Cbor)
    }
}

fn is_message_pack_type(media: &str) -> bool {
    matches!(
        media,
        "application/msgpack"
            | "application/x-msgpack"
            | "application/vnd.msgpack"
            | "application/messagepack"
    ) || media.ends_with("+msgpack")
}

fn is_cbor_type(media: &str) -> bool {
    matches!(media, "application/cbor" | "application/cbor-seq")
        || media.ends_with("+cbor")
        || media.ends_with("+cbor-seq")
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
            | "application/grpc-web-text"
    ) || media.ends_with("+proto")
        || media.ends_with("+protobuf")
}

/// Types that say nothing, or say so.
fn may_be_protobuf(media: &str) -> bool {
    matches!(media, "" | "application/octet-stream") || is_protobuf_type(media)
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
        "text/html" | "application/xhtml+xml" => Some(Format::Html),
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/vnd.yaml" => {
            Some(Format::Yaml)
        }
        _ if media.ends_with("+yaml") => Some(Format::Yaml),
        _ if media.ends_with("json") || media.contains("json") => Some(Format::Json),
        _ if media.ends_with("/xml") || media.ends_with("+xml") => Some(Format::Xml),
        _ => None,
    }
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
    // Texts of a sequence have a mark in front (RFC 7464).
    let sample = sample.strip_prefix(b"\x1e").unwrap_or(sample);
    matches!(
        first(sample),
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    )
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
            (b"<!DOCTYPE html><html>", Format::Html),
            (b"card=4111+1111&name=a%20b", Format::Form),
            (b"user=ada id=7", Format::Text),
            (b"name,email\nAda,a@b.test\n", Format::Csv),
            (b"a;b\n1;2\n3;4\n", Format::Csv),
            (b"Dear Sir, hello\nI write, to you, again\n", Format::Text),
            (b"INSERT INTO users (a) VALUES (1);", Format::Sql),
            (b"plain text", Format::Text),
            (b"---\n# x\na: 1\n", Format::Yaml),
            (b"---\nsome text\n", Format::Text),
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
            ("text/html", b"<p>x</p>", text(Format::Html)),
            ("text/html", b"plain", text(Format::Text)),
            ("application/yaml", b"a: 1", text(Format::Yaml)),
            ("application/grpc", b"\"\x05words", text(Format::Protobuf)),
            ("application/grpc+proto", b"\n\x05words", text(Format::Protobuf)),
            ("application/grpc-web", b"\x12\x05words", text(Format::Protobuf)),
            (
                "application/grpc-web+proto",
                b"\x12\x05words",
                text(Format::Protobuf),
            ),
            (
                "application/grpc-web-text",
                b"\n\x05words",
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
