//! What a scanner sees of content of every format, however it is cut.

mod gaps;
mod inside;

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;
use crate::ledger::Account;
use crate::protocol::{Direction, Exchange, Part, Place};

const NEEDLE: &str = "4111111111111111";

/// One occurrence of the needle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    source: Range<u64>,
    path: Option<String>,
    key: Option<String>,
    siblings: Vec<String>,
    value: String,
}

#[derive(Default)]
struct Finder {
    hits: Vec<Hit>,
    settled: Vec<(Account, u64)>,
    formats: Vec<Format>,
    longest: usize,
}

impl Receiver for Finder {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        self.formats.push(document.format);
        self.longest = self.longest.max(document.bytes.len());
        assert!(document.overlap < document.bytes.len());
        assert_eq!(document.offset, origin.positions.of(0));
        if document.bytes.len() < 3000 {
            ask_everywhere(document);
        }
        for start in memchr::memmem::find_iter(document.bytes, NEEDLE) {
            let at = start..start + NEEDLE.len();
            if at.end <= document.overlap {
                continue;
            }
            let field = document.field_at(at.clone());
            assert!(
                field.value.start <= at.start && at.end <= field.value.end,
                "{field:?} {at:?}"
            );
            self.hits.push(Hit {
                source: origin.positions.of_range(&at),
                path: field.path,
                key: field.key,
                siblings: field.siblings,
                value: String::from_utf8_lossy(
                    &document.bytes[field.value.start..field.value.end.min(field.value.start + 100)],
                )
                .into_owned(),
            });
        }
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        match self.settled.iter_mut().find(|(known, _)| *known == account) {
            Some((_, sum)) => *sum += bytes,
            None => self.settled.push((account, bytes)),
        }
    }
}

/// Any position may be asked for, in any order.
fn ask_everywhere(document: &Document<'_>) {
    let length = document.bytes.len();
    for start in (0..length).step_by(17).chain((0..length).rev().step_by(501)) {
        let field = document.field_at(start..(start + 5).min(length));
        assert!(
            field.value.start <= field.value.end && field.value.end <= length,
            "{field:?}"
        );
        assert!(field.siblings.len() <= 32);
    }
}

fn small() -> Limits {
    Limits {
        window: 256,
        overlap: 48,
        longest: 32,
        ..Limits::default()
    }
}

/// Reads one body that comes in pieces of `piece` bytes.
fn read(
    limits: Limits,
    place: Place,
    types: (Option<&str>, Option<&str>),
    body: &[u8],
    piece: usize,
) -> Finder {
    let mut reader = Reader::new(limits);
    let mut finder = Finder::default();
    let exchange = Arc::new(Exchange::default());
    let mut offset = 0;
    for data in body.chunks(piece.max(1)) {
        let last = offset + data.len() == body.len();
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place,
            message: 0,
            content_type: types.0,
            content_encoding: types.1,
            offset: offset as u64,
            last,
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut finder);
        offset += data.len();
    }
    reader.finish(&mut finder);
    let settled: u64 = finder.settled.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(settled, body.len() as u64, "{:?}", finder.settled);
    finder
}

fn body(content_type: Option<&str>, text: &str) -> Finder {
    read(
        Limits::default(),
        Place::RequestBody,
        (content_type, None),
        text.as_bytes(),
        usize::MAX,
    )
}

#[test]
fn the_field_of_a_value_is_known_in_every_format() {
    // Place, text with N for the needle, path, key, siblings, whole value.
    type Case = (
        Place,
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
        &'static [&'static str],
        &'static str,
    );
    let cases: &[Case] = &[
        (
            Place::File,
            r#"{"buyer":{"cards":[{"cvv":1},{"exp":"1/30","number":"N","name":{"x":1},"ok":true}],"z":1}}"#,
            Some("$.buyer.cards[1].number"),
            Some("number"),
            &["exp", "name", "ok"],
            "N",
        ),
        (
            Place::File,
            r#"[1, {"a b": N}, 3]"#,
            Some("$[1]['a b']"),
            Some("a b"),
            &[],
            "N",
        ),
        (
            Place::File,
            r#"{"pans":["x","N"],"k":2}"#,
            Some("$.pans[1]"),
            Some("pans"),
            &["k"],
            "N",
        ),
        (
            Place::File,
            r#"{"a":{"N":1}}"#,
            Some("$.a.{key}"),
            Some("a"),
            &[],
            "N",
        ),
        (
            Place::File,
            r#"{"5500005555555559":{"b":"see N \"ok\""}}"#,
            Some("$.{key}.b"),
            Some("b"),
            &[],
            r#"see N \"ok\""#,
        ),
        // JSON in a string, and in a string of that.
        (
            Place::File,
            r#"{"id":1,"payload":"{\"card\":{\"a\":[1],\"number\":\"N\",\"exp\":2},\"z\":\"x\"}","b":2}"#,
            Some("$.payload|json.card.number"),
            Some("number"),
            &["a", "exp"],
            "N",
        ),
        (
            Place::File,
            r#"{"p":"{\"q\":\"[{\\\"pan\\\":\\\"N\\\",\\\"cvv\\\":1}]\",\"r\":1}","s":2}"#,
            Some("$.p|json.q|json[0].pan"),
            Some("pan"),
            &["cvv"],
            "N",
        ),
        (
            Place::File,
            r#"{"p":"{\n \"a\": {\"pan\": N}}","s":2}"#,
            Some("$.p|json.a.pan"),
            Some("pan"),
            &[],
            "N",
        ),
        // Behind it, and where there is none.
        (
            Place::File,
            r#"{"p":"{\"a\":[1,{\"b\":2","pan":"N","s":2}"#,
            Some("$.pan"),
            Some("pan"),
            &["p", "s"],
            "N",
        ),
        (
            Place::File,
            r#"{"p":"[1] see {N} \"x\"","s":2}"#,
            Some("$.p"),
            Some("p"),
            &["s"],
            r#"[1] see {N} \"x\""#,
        ),
        (
            Place::File,
            "{\"a\":1}\n{\"a\":{\"c\":\"N\"}}\n",
            Some("$.a.c"),
            Some("c"),
            &[],
            "N",
        ),
        (
            Place::File,
            "{\"a\":\"broken\n{\"a\":1,\"c\":\"N\"}\n",
            Some("$.c"),
            Some("c"),
            &["a"],
            "N",
        ),
        (
            Place::RequestQuery,
            "?a=1&card=N&b=2",
            Some("card"),
            Some("card"),
            &["a", "b"],
            "N",
        ),
        (
            Place::File,
            "card[number]=N&name=Ada",
            Some("card[number]"),
            Some("card[number]"),
            &["name"],
            "N",
        ),
        (
            Place::RequestQuery,
            "a=1&payload={\"x\":1,\"card\":{\"pan\":\"N\"}}&b=2",
            Some("payload|json.card.pan"),
            Some("pan"),
            &[],
            "N",
        ),
        (
            Place::RequestHeaders,
            "Host: a\r\nX-Card:  N \r\nVia: b\r\n\r\n",
            Some("x-card"),
            Some("X-Card"),
            &["Host", "Via"],
            "N",
        ),
        (
            Place::RequestHeaders,
            "Cookie: a=1; pan=N; b=2\r\n",
            Some("cookie.pan"),
            Some("pan"),
            &["a", "b"],
            "N",
        ),
        // Without spaces, and with semicolons that were escaped in a value.
        (
            Place::RequestHeaders,
            "Cookie: a=1;pan=N;b=2\r\n",
            Some("cookie.pan"),
            Some("pan"),
            &["a", "b"],
            "N",
        ),
        (
            Place::ResponseHeaders,
            "Set-Cookie: pan=N; Path=/\r\n",
            Some("cookie.pan"),
            Some("pan"),
            &[],
            "N",
        ),
        (Place::RequestPath, "/cards/N/pay", None, Some("cards"), &[], "N"),
        (
            Place::File,
            "name,card,\"when\"\nAda,N,1\n",
            Some("card"),
            Some("card"),
            &["name", "when"],
            "N",
        ),
        (
            Place::File,
            "name;card\n\"A;\"\"da\";\"N\"\n",
            Some("card"),
            Some("card"),
            &["name"],
            "N",
        ),
        (
            Place::File,
            "Ada,5500005555555559\nBob,N\n",
            Some("[2]"),
            None,
            &[],
            "N",
        ),
        (
            Place::File,
            "<?xml version='1.0'?><order><!-- <x> --><id>1</id><card number='N' exp=\"1\"/></order>",
            Some("/order/card/@number"),
            Some("number"),
            &["exp"],
            "N",
        ),
        (
            Place::File,
            "<a><b/><c><d>x</d><pan>N</pan><e>2</e></c></a>",
            Some("/a/c/pan"),
            Some("pan"),
            &["d", "e"],
            "N",
        ),
        (
            Place::File,
            "<a><p><![CDATA[N]]></p></a>",
            Some("/a/p"),
            Some("p"),
            &[],
            "N]]>",
        ),
        (
            Place::File,
            "insert into `users` (id, `pan`, x) values (1,'it''s', now()), (2,'N',3);",
            Some("users.pan"),
            Some("pan"),
            &["id", "x"],
            "N",
        ),
        (
            Place::File,
            "UPDATE users SET pan = 'N' WHERE id = 1;",
            None,
            Some("pan"),
            &["id"],
            "N",
        ),
        (
            Place::File,
            "12:00 INFO paid user=ada pan=N ok=1\n",
            None,
            Some("pan"),
            &["12", "user", "ok"],
            "N",
        ),
        (
            Place::File,
            "Dear all,\nCard number: N, thanks\n",
            None,
            Some("Card number"),
            &[],
            "N",
        ),
        (Place::File, "just N here", None, None, &[], "N"),
        (
            Place::File,
            r#"{"phones":["+1","N"]}"#,
            Some("$.phones[1]"),
            Some("phones"),
            &[],
            "N",
        ),
        (
            Place::File,
            r#"{"name":{"first":"N","last":"x"},"z":[{"a":[[1]]}]}"#,
            Some("$.name.first"),
            Some("first"),
            &["last"],
            "N",
        ),
        (
            Place::File,
            "level=info msg=\"paid by N ok\" user=ada\n",
            None,
            Some("msg"),
            &["level", "user"],
            "paid by N ok",
        ),
        (
            Place::File,
            "<165>1 2003-10-11T22:14:15Z host app - ID47 [pay@32473 iut=\"3\" pan=\"N\"] done\n",
            None,
            Some("pan"),
            &["2003-10-11T22", "14", "iut"],
            "N",
        ),
        (
            Place::File,
            "start\nkey=value card='N'\nkey=other\n",
            None,
            Some("card"),
            &["key"],
            "N",
        ),
        (
            Place::File,
            "--\n-- PostgreSQL database dump\n--\n-- don't\nCOPY public.users (id, pan, note) FROM stdin;\n1\tN\tx y\n\\.\n",
            Some("public.users.pan"),
            Some("pan"),
            &["id", "note"],
            "N",
        ),
        (
            Place::File,
            "create table `users` (\n `id` int(11),\n `pan` varchar(19) default 'a,b',\n primary key (`id`)\n);\ninsert into `users` values (1,'x'),(2,'N');\n",
            Some("users.pan"),
            Some("pan"),
            &["id"],
            "N",
        ),
    ];
    for (place, text, path, key, siblings, value) in cases {
        let text = text.replace('N', NEEDLE).replace(&format!("I{NEEDLE}FO"), "INFO");
        let finder = read(
            Limits::default(),
            *place,
            (None, None),
            text.as_bytes(),
            usize::MAX,
        );
        let [hit] = &finder.hits[..] else {
            panic!("{text}: {:?}", finder.hits)
        };
        assert_eq!(hit.path.as_deref(), *path, "{text}");
        assert_eq!(hit.key.as_deref(), *key, "{text}");
        assert_eq!(hit.siblings, *siblings, "{text}");
        assert_eq!(hit.value, value.replace('N', NEEDLE), "{text}");
        let at = text.find(NEEDLE).unwrap() as u64;
        assert_eq!(hit.source, at..at + 16, "{text}");
    }
}

#[test]
fn escaped_values_are_found_once_and_where_they_are_in_the_source() {
    for (text, path, start, end) in [
        ("a=%20%41&card=41111111%31%31111111&b=%26", "card", 14, 34),
        (
            r#"{"\u0061\/":"x","card":"\u0034111111111111111"}"#,
            "$.card",
            24,
            45,
        ),
        (r#"{"card":"4111111111111111","m":"a\u0040b"}"#, "$.card", 9, 25),
    ] {
        for piece in [1, 7, usize::MAX] {
            let finder = read(
                Limits::default(),
                Place::File,
                (None, None),
                text.as_bytes(),
                piece,
            );
            let [hit] = &finder.hits[..] else {
                panic!("{text}: {:?}", finder.hits)
            };
            assert_eq!(
                (hit.path.as_deref(), hit.source.clone()),
                (Some(path), start..end),
                "{text}"
            );
        }
    }
}

/// Long bodies with the needle in known fields, escapes in between.
fn long_json(records: usize) -> String {
    let record = |n: usize| {
        format!(r#"{{"id":{n},"note":"a \u00e9 \"q\" \/ b","card":{{"pan":"{NEEDLE}","n":[1,2]}}}}"#)
    };
    format!(
        r#"{{"v":1,"orders":[{}]}}"#,
        (0..records).map(record).collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn windows_lose_no_value_no_path_and_repeat_nothing() {
    let json = long_json(300);
    for (limits, piece) in [
        (small(), 1),
        (small(), 100),
        (small(), usize::MAX),
        (Limits::default(), 1000),
    ] {
        let finder = read(
            limits,
            Place::ResponseBody,
            (Some("application/json"), None),
            json.as_bytes(),
            piece,
        );
        let paths: Vec<_> = finder.hits.iter().map(|hit| hit.path.clone().unwrap()).collect();
        let expected: Vec<_> = (0..300).map(|n| format!("$.orders[{n}].card.pan")).collect();
        assert_eq!(paths, expected);
        let sources: Vec<_> = finder.hits.iter().map(|hit| hit.source.start).collect();
        assert_eq!(
            sources,
            json.match_indices(NEEDLE)
                .map(|(at, _)| at as u64)
                .collect::<Vec<_>>()
        );
        assert!(finder.longest <= limits.window);
    }
    let rows: String = (0..300).map(|n| format!("{n},\"x, y\",{NEEDLE}\n")).collect();
    let elements: String = (0..300)
        .map(|n| format!("<o n='{n}'><pan>{NEEDLE}</pan></o>"))
        .collect();
    for (text, path) in [
        (format!("id,note,card\n{rows}"), "card"),
        (format!("<a>{elements}</a>"), "/a/o/pan"),
        (
            format!(
                "INSERT INTO t (id, note, card) VALUES {}",
                format!("(1, 'x, y', '{NEEDLE}'),\n").repeat(300)
            ),
            "t.card",
        ),
        (
            format!("a={}&card={NEEDLE}&c={}", "x".repeat(2000), "y".repeat(2000)),
            "card",
        ),
    ] {
        let finder = read(small(), Place::File, (None, None), text.as_bytes(), 100);
        assert_eq!(finder.hits.len(), text.matches(NEEDLE).count());
        assert!(
            finder.hits.iter().all(|hit| hit.path.as_deref() == Some(path)),
            "{path}"
        );
    }
}

#[test]
fn compressed_bodies_are_read_however_they_are_cut() {
    let json = long_json(50);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(json.as_bytes()).unwrap();
    let mut gzip = gzip.finish().unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(json.as_bytes()).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(json.as_bytes()).unwrap();
    for (encoding, bytes) in [
        ("gzip", gzip.clone()),
        ("x-gzip, identity", gzip.clone()),
        ("", gzip.clone()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
    ] {
        for piece in [1, 13, usize::MAX] {
            let finder = read(
                small(),
                Place::RequestBody,
                (Some("application/json"), Some(encoding)),
                &bytes,
                piece,
            );
            assert_eq!(finder.hits.len(), 50, "{encoding}");
            assert_eq!(finder.hits[49].path.as_deref(), Some("$.orders[49].card.pan"));
            assert_eq!(finder.settled, [(Account::Scanned, bytes.len() as u64)]);
        }
    }
    let half = gzip.len() / 2;
    gzip.truncate(half);
    gzip.extend((0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8));
    let finder = read(small(), Place::RequestBody, (None, Some("gzip")), &gzip, 10);
    assert!(!finder.hits.is_empty());
    assert!(
        finder
            .settled
            .iter()
            .any(|(account, n)| *account == Account::Undecodable && *n > 0)
    );
}

#[test]
fn bytes_that_are_not_scanned_say_why() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..80 {
        bomb.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let finder = read(
        Limits::default(),
        Place::RequestBody,
        (None, Some("gzip")),
        &bomb,
        1000,
    );
    assert!(
        finder
            .settled
            .iter()
            .any(|(account, n)| *account == Account::Limit && *n > 60_000),
        "{:?}",
        finder.settled
    );
    for (types, bytes, account) in [
        (
            (None, Some("br, compress")),
            &b"xyz"[..],
            Account::UnsupportedEncoding,
        ),
        ((None, Some("br,br,br,br,br")), b"xyz", Account::Limit),
        ((None, Some("gzip, gzip")), b"xyz", Account::Undecodable),
        ((None, Some("zstd")), b"xyzxyz", Account::Undecodable),
        // A file that is an archive by its type is one.
        (
            (Some("application/gzip"), None),
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            Account::Binary,
        ),
        ((None, Some("gzip")), b"xyz", Account::Undecodable),
        (
            (Some("image/png"), None),
            b"\x89PNG\r\n\x1a\n\0\0\0",
            Account::Binary,
        ),
        ((None, None), b"PK\x03\x04\0\0\x08", Account::Binary),
        (
            (Some("application/octet-stream"), None),
            b"\0\x01\x02abc",
            Account::Scanned,
        ),
    ] {
        for piece in [1, 100] {
            let finder = read(small(), Place::RequestBody, types, bytes, piece);
            assert_eq!(finder.settled, [(account, bytes.len() as u64)], "{types:?}");
        }
    }
}

#[test]
fn nothing_is_joined_across_a_gap_and_a_flush_loses_no_value() {
    let exchange = Arc::new(Exchange::default());
    let part = |data: &'static [u8], offset, last| (data, offset, last);
    let feed = |parts: &[(&'static [u8], u64, bool)], flush: bool| {
        let mut reader = Reader::new(small());
        let mut finder = Finder::default();
        for &(data, offset, last) in parts {
            let part = Part {
                exchange: &exchange,
                direction: Direction::ToClient,
                place: Place::Stream,
                message: 0,
                content_type: None,
                content_encoding: None,
                offset,
                last,
                data,
                wire_bytes: data.len() as u64,
            };
            reader.part(&part, &mut finder);
            if flush {
                reader.flush(&mut finder);
            }
        }
        reader.finish(&mut finder);
        finder.hits.len()
    };
    assert_eq!(
        feed(
            &[part(b"pan=41111111", 0, false), part(b"11111111", 12, true)],
            false
        ),
        1
    );
    assert_eq!(
        feed(
            &[part(b"pan=41111111", 0, false), part(b"11111111", 12, true)],
            true
        ),
        1
    );
    assert_eq!(
        feed(
            &[part(b"pan=41111111", 0, false), part(b"11111111", 13, true)],
            false
        ),
        0
    );
}

#[test]
fn many_candidates_and_deep_nesting_take_linear_time() {
    let start = std::time::Instant::now();
    let deep = format!("{}\"{NEEDLE}\"", "[{\"a\":".repeat(60_000));
    let finder = body(Some("application/json"), &deep);
    let path = finder.hits[0].path.clone().unwrap();
    assert!(path.starts_with("$[0].a[0].a") && path.ends_with("..*") && path.len() < 1000);
    for text in [
        format!("{{\"k\":\"{}\"}}", format!("{NEEDLE} \\\" ").repeat(60_000)),
        format!("[{}]", format!("\"{NEEDLE}\",").repeat(60_000)),
        format!("<a>{}", format!("{NEEDLE} ").repeat(60_000)),
        format!("<a b='{}", format!("{NEEDLE} ").repeat(60_000)),
        format!("a,b\n{}", format!("{NEEDLE},{NEEDLE}\n").repeat(60_000)),
        format!("a={}", NEEDLE.repeat(60_000)),
        format!("{NEEDLE}:").repeat(60_000),
    ] {
        let limits = Limits {
            window: 1 << 24,
            ..Limits::default()
        };
        let finder = read(limits, Place::File, (None, None), text.as_bytes(), usize::MAX);
        assert!(finder.hits.len() >= 60_000);
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

fn any_place() -> impl Strategy<Value = Place> {
    proptest::sample::select(vec![
        Place::RequestPath,
        Place::RequestQuery,
        Place::RequestHeaders,
        Place::ResponseBody,
        Place::Stream,
        Place::File,
    ])
}

/// Bytes that are nearly structured.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "\\u0041",
        "\\/",
        ":",
        ",",
        "\n",
        "\r\n",
        "=",
        "&",
        "%41",
        "%",
        "+",
        "<a",
        "<",
        ">",
        "/>",
        "</a>",
        "<!--",
        "-->",
        "'",
        ";",
        " ",
        "Cookie: ",
        "INSERT INTO t (a) VALUES (",
        ")",
        "é",
        NEEDLE,
        "a",
        "key",
        "<![CDATA[",
    ]);
    proptest::collection::vec(words, 0..300).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_content_of_any_format_is_settled_without_panic(
        body in prop_oneof![nearly(), proptest::collection::vec(any::<u8>(), 0..2000)],
        place in any_place(),
        media in proptest::sample::select(vec![None, Some("application/json"), Some("text/xml"), Some("text/csv"), Some("application/x-www-form-urlencoded"), Some("image/png")]),
        encoding in proptest::sample::select(vec![None, None, None, Some("gzip"), Some("deflate")]),
        piece in 1..700usize,
    ) {
        read(small(), place, (media, encoding), &body, piece);
    }

    #[test]
    fn the_pieces_a_body_comes_in_change_no_finding(body in nearly(), piece in 1..300usize) {
        let whole = read(Limits::default(), Place::File, (None, None), &body, usize::MAX);
        let pieces = read(Limits::default(), Place::File, (None, None), &body, piece);
        prop_assert_eq!(whole.hits, pieces.hits);
    }
}

#[test]
fn a_field_does_not_show_the_names_that_were_sent() {
    let field = Field {
        path: Some("$.{key}".into()),
        key: Some(NEEDLE.into()),
        siblings: vec![NEEDLE.into()],
        value: 1..2,
    };
    let shown = format!("{field:?}");
    assert!(!shown.contains(NEEDLE));
    assert!(shown.contains("$.{key}"));
}

#[test]
fn a_column_has_one_number_and_name_throughout_a_file() {
    struct Columns(Vec<(u16, Option<String>)>);
    impl Receiver for Columns {
        fn document(&mut self, _: &Origin<'_>, document: &Document<'_>) {
            for at in memchr::memmem::find_iter(document.bytes, NEEDLE) {
                let column = document.fields.column_at(document.bytes, at);
                if at >= document.overlap
                    && let Some(column) = column
                {
                    self.0.push((column, document.fields.column_name(column)));
                }
            }
        }
        fn settle(&mut self, _: Direction, _: Account, _: u64) {}
    }
    let rows = |row: &str| row.replace('#', NEEDLE).repeat(100);
    for (text, expected) in [
        (format!("id,pan\n{}", rows("1,#\n")), vec![(1, "pan", 100)]),
        (
            format!("INSERT INTO t (a, b) VALUES {};", rows("(1, '#'),\n")),
            vec![(1, "b", 100)],
        ),
        (
            rows("INSERT INTO t (a, b) VALUES (1, '#');\nINSERT INTO u (x, c) VALUES (f(1,2), #);\n"),
            vec![(1, "b", 100), (3, "c", 100)],
        ),
        (
            format!(
                "COPY t (a, b) FROM stdin;\n{}\\.\n\nCOPY u (c) FROM stdin;\n{}\\.\nselect '{NEEDLE}';\n",
                rows("1\t#\n"),
                rows("#\n")
            ),
            vec![(1, "b", 100), (2, "c", 100)],
        ),
    ] {
        let mut reader = Reader::new(small());
        let mut columns = Columns(Vec::new());
        let exchange = Arc::new(Exchange::default());
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::File,
            message: 0,
            content_type: None,
            content_encoding: None,
            offset: 0,
            last: true,
            data: text.as_bytes(),
            wire_bytes: text.len() as u64,
        };
        reader.part(&part, &mut columns);
        let mut counts: Vec<(u16, String, usize)> = Vec::new();
        for (column, name) in columns.0 {
            let name = name.unwrap();
            match counts.iter_mut().find(|(known, ..)| *known == column) {
                Some((_, known, count)) => {
                    assert_eq!(*known, name);
                    *count += 1;
                }
                None => counts.push((column, name, 1)),
            }
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(c, n, count)| (*c, n.as_str(), *count))
            .collect();
        assert_eq!(counts, expected, "{}", &text[..60]);
    }
}
