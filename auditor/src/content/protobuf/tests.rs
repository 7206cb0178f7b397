//! What a reference encoder (prost) writes is found at its path and place.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use prost::encoding;

use super::is_all_strings;

mod any_schema;
pub(in crate::content) mod named;
use crate::content::marked::MARK;
use crate::content::{Document, Format, Limits, Origin, Reader, Receiver};
use crate::ledger::Account;
use crate::protocol::{Direction, Exchange, Part, Place};

/// A field of a message.
#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Number(u64),
    Whole(u64),
    Float(f64),
    Bytes(Vec<u8>),
    Packed(Vec<u64>),
    Message(Vec<(u32, Content)>),
    Group(Vec<(u32, Content)>),
}

/// Path, value as text, place in the wire bytes.
type Shown = (String, String, u64, u64);

/// What must be shown, and how many bytes must not.
#[derive(Default)]
struct Expected {
    shown: Vec<Shown>,
    binary: u64,
}

fn key_length(number: u32) -> usize {
    encoding::key_len(number)
}

/// Encodes the fields at `base` of the message, and notes what they are.
fn encode(fields: &[(u32, Content)], path: &str, base: u64, expected: &mut Expected) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut counts = HashMap::new();
    for (number, content) in fields {
        let mut own = path.to_owned();
        if !own.is_empty() {
            own.push('.');
        }
        write!(own, "{number}").unwrap();
        let index = counts.entry(number).or_insert(0);
        if *index > 0 {
            write!(own, "[{index}]").unwrap();
        }
        *index += 1;
        let tag = key_length(*number);
        let start = base + (wire.len() + tag) as u64;
        match content {
            Content::Text(text) => {
                encoding::string::encode(*number, text, &mut wire);
                let end = base + wire.len() as u64;
                if !text.is_empty() {
                    expected
                        .shown
                        .push((own, text.clone(), end - text.len() as u64, end));
                }
            }
            Content::Number(value) => {
                encoding::uint64::encode(*number, value, &mut wire);
                expected
                    .shown
                    .push((own, value.to_string(), start, base + wire.len() as u64));
            }
            Content::Whole(value) => {
                encoding::fixed64::encode(*number, value, &mut wire);
                expected.shown.push((own, value.to_string(), start, start + 8));
            }
            Content::Float(value) => {
                encoding::double::encode(*number, value, &mut wire);
                expected.binary += 8;
            }
            Content::Bytes(bytes) => {
                encoding::bytes::encode(*number, bytes, &mut wire);
                expected.binary += bytes.len() as u64;
            }
            Content::Packed(values) => {
                encoding::uint64::encode_packed(*number, values, &mut wire);
            }
            Content::Message(fields) => {
                // The length of the length depends on the content.
                let length = encode(fields, "", 0, &mut Expected::default()).len() as u64;
                let head = encoding::encoded_len_varint(length) as u64;
                let inner = encode(fields, &own, start + head, expected);
                encoding::encode_key(*number, encoding::WireType::LengthDelimited, &mut wire);
                encoding::encode_varint(length, &mut wire);
                wire.extend(inner);
            }
            Content::Group(fields) => {
                encoding::encode_key(*number, encoding::WireType::StartGroup, &mut wire);
                let inner = encode(fields, &own, start, expected);
                wire.extend(inner);
                encoding::encode_key(*number, encoding::WireType::EndGroup, &mut wire);
            }
        }
    }
    wire
}

fn leaf() -> impl Strategy<Value = Content> {
    prop_oneof![
        "[ -~é€😀]{0,60}"
            .prop_filter("no message", |text| {
                !is_all_strings(text.as_bytes(), text.len() as u64)
            })
            .prop_map(Content::Text),
        Just(Content::Text("a b ".repeat(6000))),
        any::<u64>().prop_map(Content::Number),
        (0..5000u64).prop_map(Content::Number),
        (0..1u64 << 60).prop_map(Content::Whole),
        (0.001..1e12f64).prop_map(Content::Float),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(|mut bytes| {
            // No field begins with a zero, and no text holds one; no number ends like this.
            bytes[0] = 0;
            if let [_, .., last] = &mut bytes[..] {
                *last = 0xff;
            }
            Content::Bytes(bytes)
        }),
    ]
}

/// Fields of a message: the first one makes it no text.
fn fields(inner: impl Strategy<Value = Content>) -> impl Strategy<Value = Vec<(u32, Content)>> {
    let number = prop_oneof![1..20u32, 1..100_000u32, Just((1 << 29) - 1)];
    prop::collection::vec((number, inner), 0..8).prop_map(|mut fields| {
        fields.insert(0, (1, Content::Number(7)));
        fields
    })
}

fn message() -> impl Strategy<Value = Vec<(u32, Content)>> {
    let content = leaf().prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            fields(inner.clone()).prop_map(Content::Message),
            fields(inner).prop_map(Content::Group),
        ]
    });
    fields(content)
}

/// Reads all fields that are shown, by their marks.
#[derive(Default)]
struct Lines {
    shown: Vec<Shown>,
    binary: u64,
    settled: u64,
    formats: Vec<Format>,
    /// Source position of the last byte.
    last: u64,
}

impl Receiver for Lines {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        self.formats.push(document.format);
        for at in document.overlap..document.bytes.len() {
            let source = origin.positions.of(at);
            assert!(source >= self.last, "positions ascend");
            self.last = source;
        }
        if document.format != Format::Protobuf {
            return;
        }
        for mark in memchr::memchr_iter(MARK, document.bytes) {
            let line = &document.bytes[mark + 1..];
            let Some(head) = line.windows(2).position(|pair| pair == b": ") else {
                continue;
            };
            let start = mark + 1 + head + 2;
            let field = document.field_at(start..start + 1);
            let value = field.value.clone();
            let at = origin.positions.of_range(&value);
            self.shown.push((
                field.path.unwrap_or_default(),
                String::from_utf8_lossy(&document.bytes[value]).into_owned(),
                at.start,
                at.end,
            ));
        }
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        self.settled += bytes;
        self.binary += if account == Account::Binary { bytes } else { 0 };
    }
}

fn read(wire: &[u8], content_type: Option<&str>, window: usize, piece: usize) -> Lines {
    let exchange = Arc::new(Exchange::default());
    let mut reader = Reader::new(Limits {
        window,
        ..Limits::default()
    });
    let mut lines = Lines::default();
    let mut offset = 0;
    for data in wire.chunks(piece.max(1)) {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::RequestBody,
            message: 0,
            content_type,
            content_encoding: None,
            offset,
            last: false,
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut lines);
        offset += data.len() as u64;
    }
    reader.finish(&mut lines);
    assert_eq!(lines.settled, wire.len() as u64);
    lines
}

const DECLARED: Option<&str> = Some("application/x-protobuf");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_string_and_number_has_its_path_and_place(
        fields in message(), piece in prop_oneof![1..40usize, Just(70_000)],
    ) {
        let mut expected = Expected::default();
        let wire = encode(&fields, "", 0, &mut expected);
        let lines = read(&wire, DECLARED, 64 << 20, piece);
        prop_assert_eq!(&lines.formats, &[Format::Protobuf]);
        prop_assert_eq!(lines.binary, expected.binary);
        prop_assert_eq!(lines.shown, expected.shown);
    }

    #[test]
    fn any_bytes_are_settled_and_positions_ascend(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..32u8, Just(b'\n'), Just(0x12)], 0..3000),
        piece in 1..400usize,
    ) {
        read(&bytes, DECLARED, 0, piece);
    }
}

#[test]
fn content_is_recognised_with_and_without_a_declaration() {
    let fields = vec![
        (1, Content::Number(42)),
        (2, Content::Text("jane@corp.test".into())),
        (
            3,
            Content::Message(vec![(1, Content::Text("5447911234560249".into()))]),
        ),
    ];
    let wire = encode(&fields, "", 0, &mut Expected::default());
    for content_type in [
        None,
        Some("application/octet-stream"),
        DECLARED,
        Some("application/vnd.google.protobuf; proto=a.B"),
    ] {
        let lines = read(&wire, content_type, 0, 5);
        let shown: Vec<_> = lines
            .shown
            .iter()
            .map(|(path, value, ..)| (path.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            shown,
            [("1", "42"), ("2", "jane@corp.test"), ("3.1", "5447911234560249")],
            "{content_type:?}"
        );
    }
    for (content_type, bytes) in [
        (DECLARED, &b"{\"a\":1}"[..]),
        (Some("image/png"), &wire),
        (None, b"\x01\x02abc"),
        (None, b"plain text\n"),
    ] {
        let lines = read(bytes, content_type, 0, 5);
        assert!(!lines.formats.contains(&Format::Protobuf), "{content_type:?}");
    }
}

#[test]
fn a_break_hides_nothing() {
    // Behind the bytes by which content is recognised.
    let fields = [(1, Content::Number(7)), (2, Content::Text("first ".repeat(500)))];
    let begun = encode(&fields, "", 0, &mut Expected::default());
    for (rest, shown) in [
        (
            &b"\x07\x1e5: 5447911234560249 "[..],
            ("", "\u{7} 5: 5447911234560249 "),
        ),
        (b"\x1a\x20jane@corp.test", ("3", "jane@corp.test")),
        (b"\x1a", ("", "\u{1a}")),
    ] {
        let lines = read(&[&begun, rest].concat(), DECLARED, 0, 3);
        let last = lines.shown.last().unwrap();
        assert_eq!((last.0.as_str(), last.1.as_str()), shown);
        assert_eq!((last.3 - begun.len() as u64) as usize, rest.len());
    }
}

#[test]
fn text_longer_than_a_window_keeps_its_path() {
    #[derive(Default)]
    struct Paths(usize);
    impl Receiver for Paths {
        fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
            for at in memchr::memmem::find_iter(document.bytes, "needle") {
                let field = document.field_at(at..at + 6);
                assert_eq!(field.path.as_deref(), Some("4.2"), "{}", origin.positions.of(at));
                self.0 += 1;
            }
        }
        fn settle(&mut self, _: Direction, _: Account, _: u64) {}
    }
    let text = "some words, a needle; ".repeat(40_000);
    let fields = [
        (1, Content::Number(7)),
        (
            4,
            Content::Message(vec![(1, Content::Number(1)), (2, Content::Text(text))]),
        ),
    ];
    let wire = encode(&fields, "", 0, &mut Expected::default());
    let exchange = Arc::new(Exchange::default());
    let mut reader = Reader::new(Limits::default());
    let mut paths = Paths::default();
    for (n, data) in wire.chunks(10_000).enumerate() {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::RequestBody,
            message: 0,
            content_type: DECLARED,
            content_encoding: None,
            offset: n as u64 * 10_000,
            last: false,
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut paths);
    }
    reader.finish(&mut paths);
    assert!(paths.0 >= 40_000);
}

#[test]
fn later_occurrences_of_a_field_have_their_index() {
    let card =
        |number: &str| Content::Message(vec![(1, Content::Text(number.into())), (2, Content::Number(7))]);
    let fields = [
        (3, card("5447911234560249")),
        (3, card("4929112345678906")),
        (2, Content::Text(String::new())),
        (2, Content::Text("jane@corp.test".into())),
        (3, card("6011112345678904")),
        (
            4,
            Content::Packed(vec![4_929_112_345_678_906, 6_011_112_345_678_904]),
        ),
        (4, Content::Number(5)),
    ];
    let wire = encode(&fields, "", 0, &mut Expected::default());
    for piece in [1, 7, 1000] {
        let lines = read(&wire, DECLARED, 0, piece);
        let shown: Vec<_> = lines
            .shown
            .iter()
            .map(|(path, value, ..)| (path.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("3.1", "5447911234560249"),
                ("3.2", "7"),
                ("3[1].1", "4929112345678906"),
                ("3[1].2", "7"),
                ("2[1]", "jane@corp.test"),
                ("3[2].1", "6011112345678904"),
                ("3[2].2", "7"),
                ("4", "4929112345678906"),
                ("4[1]", "6011112345678904"),
                ("4[2]", "5"),
            ]
        );
        assert_eq!(lines.binary, 0);
    }
}
