//! Contents that text is made of, and contents inside of others.

use super::*;

/// Path and key of each needle in a body, however it is cut and compressed; all of the body is settled
/// in these accounts.
fn found(content_type: Option<&str>, body: &[u8], settled: &[(Account, u64)]) -> Vec<(String, String)> {
    let fields = |finder: &Finder| -> Vec<(String, String)> {
        let fields = finder.hits.iter();
        fields
            .map(|hit| {
                (
                    hit.path.clone().unwrap_or_default(),
                    hit.key.clone().unwrap_or_default(),
                )
            })
            .collect()
    };
    let types = (content_type, None);
    let whole = read(Limits::default(), Place::RequestBody, types, body, usize::MAX);
    let mut accounts = whole.settled.clone();
    accounts.sort_by_key(|(account, _)| account.name());
    assert_eq!(accounts, settled);
    for piece in [1, 3, 50] {
        let pieces = read(Limits::default(), Place::RequestBody, types, body, piece);
        assert_eq!(fields(&pieces), fields(&whole), "{piece}");
    }
    let small = read(small(), Place::RequestBody, types, body, 20);
    assert_eq!(small.hits.len(), whole.hits.len());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(body).unwrap();
    let gzip = gzip.finish().unwrap();
    for piece in [7, usize::MAX] {
        let types = (content_type, Some("gzip"));
        let packed = read(Limits::default(), Place::RequestBody, types, &gzip, piece);
        assert_eq!(fields(&packed), fields(&whole), "compressed");
    }
    fields(&whole)
}

fn with_needle(text: &str) -> Vec<u8> {
    text.replace('#', NEEDLE).into_bytes()
}

fn pairs(found: &[(String, String)]) -> Vec<(&str, &str)> {
    found
        .iter()
        .map(|(path, key)| (path.as_str(), key.as_str()))
        .collect()
}

#[test]
fn each_part_of_a_multipart_body_is_read_as_what_it_is() {
    let body = with_needle(
        "--XX\r\nContent-Disposition: form-data; name=\"card\"\r\n\r\n#\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n\
         {\"buyer\":{\"pan\":\"#\"}}\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"rows\"; filename=\"#.csv\"\r\n\r\n\
         id,pan\n1,#\n2,3\n\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"inner\"\r\n\
         Content-Type: multipart/mixed; boundary=YY\r\n\r\n\
         --YY\r\n\r\n<a><pan>#</pan></a>\r\n--YY--\r\n\
         --XX\r\nX-Note: #\r\n\r\n{\"pan\":#}\r\n--XX--\r\nepilogue #",
    );
    for content_type in [Some("multipart/form-data; boundary=XX"), None] {
        let all = [(Account::Scanned, body.len() as u64)];
        let found = found(content_type, &body, &all);
        let mut found = pairs(&found);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ("", ""),
                ("[5].headers", "[5].headers"),
                ("[5]:$.pan", "pan"),
                ("card", "card"),
                ("inner:[0]:/a/pan", "pan"),
                ("meta:$.buyer.pan", "pan"),
                ("rows.filename", "rows.filename"),
                ("rows:pan", "pan"),
            ]
        );
    }
}

#[test]
fn files_in_a_multipart_body_that_are_no_text_are_binary() {
    let random: Vec<u8> = (0..4000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for (head, media) in [
        (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "application/zip"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "application/gzip"),
    ] {
        for declared in [media, "application/octet-stream"] {
            // gzip that is not said to be an archive is looked into.
            if media == "application/gzip" && declared != media {
                continue;
            }
            let file = [head, &random].concat();
            let mut body = b"--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n".to_vec();
            body.extend(format!("Content-Type: {declared}\r\n\r\n").bytes());
            body.extend(&file);
            body.extend(b"\r\n--XX\r\nContent-Disposition: form-data; name=\"pan\"\r\n\r\n");
            body.extend(NEEDLE.bytes());
            body.extend(b"\r\n--XX--\r\n");
            let scanned = (body.len() - file.len()) as u64;
            let settled = [(Account::Binary, file.len() as u64), (Account::Scanned, scanned)];
            let found = found(Some("multipart/form-data; boundary=XX"), &body, &settled);
            assert_eq!(pairs(&found), [("pan", "pan")], "{declared}");
        }
    }
}

#[test]
fn fields_of_a_form_in_parts_know_each_other() {
    let body = with_needle(
        "--X\r\nContent-Disposition: form-data; name=\"card\"\r\n\r\n#\r\n\
         --X\r\nContent-Disposition: form-data; name=\"cvv\"\r\n\r\n123\r\n--X--\r\n",
    );
    let types = (Some("multipart/form-data; boundary=X"), None);
    let finder = read(Limits::default(), Place::RequestBody, types, &body, usize::MAX);
    assert_eq!(finder.hits[0].siblings, ["cvv"]);
    assert_eq!(finder.hits[0].value, NEEDLE);
    let at = memchr::memmem::find(&body, NEEDLE.as_bytes()).unwrap() as u64;
    assert_eq!(finder.hits[0].source, at..at + 16);
}

#[test]
fn multiparts_inside_of_each_other_are_followed_to_a_depth() {
    let mut body = with_needle("{\"pan\":\"#\"}");
    for depth in (0..6).rev() {
        let head = format!(
            "--B{depth}\r\nContent-Type: {}\r\n\r\n",
            if depth == 5 {
                "application/json".into()
            } else {
                format!("multipart/mixed; boundary=B{}", depth + 1)
            }
        );
        body = [head.as_bytes(), &body, format!("\r\n--B{depth}--\r\n").as_bytes()].concat();
    }
    let types = (Some("multipart/mixed; boundary=B0"), None);
    for piece in [1, usize::MAX] {
        let finder = read(Limits::default(), Place::RequestBody, types, &body, piece);
        let [hit] = &finder.hits[..] else {
            panic!("{:?}", finder.hits)
        };
        assert_eq!(hit.path.as_deref(), Some("[0]:[0]:[0]"));
    }
}

#[test]
fn many_tiny_parts_take_linear_time_and_little_memory() {
    let start = std::time::Instant::now();
    for part in [
        "--X\r\n\r\n1\r\n",
        "--X\n\n1\n",
        "--X\r\n",
        "--X\r\n\r\n{\r\n",
        "--X\r\n\r\n[1]\r\n",
    ] {
        let body = part.repeat(200_000);
        let types = (Some("multipart/mixed; boundary=X"), None);
        read(
            Limits::default(),
            Place::RequestBody,
            types,
            body.as_bytes(),
            60_000,
        );
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn a_boundary_that_begins_with_the_outer_one_is_another() {
    let body = with_needle(
        "--X\r\nContent-Type: multipart/mixed; boundary=XY\r\n\r\n--XY\r\n\r\n{\"pan\":#}\r\n\
         --XY \r\nContent-Disposition: form-data; name=card\r\n\r\n#\r\n--XY--\r\n\r\n\
         --X \t\r\n\r\n{\"pan\":#}\r\n--X--",
    );
    let all = [(Account::Scanned, body.len() as u64)];
    let found = found(Some("multipart/mixed; boundary=X"), &body, &all);
    assert_eq!(
        pairs(&found),
        [
            ("[0]:[0]:$.pan", "pan"),
            ("[0]:card", "card"),
            ("[1]:$.pan", "pan")
        ]
    );
}

#[test]
fn the_data_of_an_event_has_paths_of_its_own() {
    let stream = with_needle(
        ": #\nid: #\nevent: paid\ndata: {\"card\":{\"pan\":\"#\"}}\n\ndata: {\"a\":[1,\ndata: {\"pan\":#}]}\n\n\
         data: call #\n\ndata: [DONE]\n\n",
    );
    let all = [(Account::Scanned, stream.len() as u64)];
    let fields = found(Some("text/event-stream; charset=utf-8"), &stream, &all);
    assert_eq!(
        pairs(&fields),
        [
            ("comment", "comment"),
            ("id", "id"),
            ("$.card.pan", "pan"),
            ("$.a[1].pan", "pan"),
            ("data", "data"),
        ]
    );
    let text = with_needle("data: card: #\n\nid: 7\n\n");
    let all = [(Account::Scanned, text.len() as u64)];
    let fields = found(Some("text/event-stream"), &text, &all);
    assert_eq!(pairs(&fields), [("data", "card")]);
}

#[test]
fn message_pack_and_cbor_have_the_paths_of_json() {
    let message_pack = with_needle("\u{1}buyer\u{2}cards\u{3}pan#");
    let swap = |map: u8, five: u8, one_map: u8, array: u8, three: u8, needle: &[u8]| {
        message_pack
            .iter()
            .flat_map(|b| match b {
                1 => vec![map, five],
                2 => vec![one_map, five],
                3 => vec![array, 0, map, three],
                b => vec![*b],
            })
            .collect::<Vec<u8>>()
            .split(|b| *b == b'4')
            .next()
            .map(|head| [head, needle, NEEDLE.as_bytes()].concat())
            .unwrap()
    };
    let pack = swap(0x81, 0xa5, 0x81, 0x92, 0xa3, &[0xb0]);
    let cbor = swap(0xa1, 0x65, 0xa1, 0x82, 0x63, &[0x70]);
    for (content_type, body) in [
        (Some("application/msgpack"), &pack),
        (None, &pack),
        (Some("application/cbor"), &cbor),
        (Some("application/octet-stream"), &cbor),
    ] {
        let all = [(Account::Scanned, body.len() as u64)];
        let found = found(content_type, body, &all);
        assert_eq!(
            pairs(&found),
            [("$.buyer.cards[1].pan", "pan")],
            "{content_type:?}"
        );
    }
}

/// Bytes that are nearly a multipart body or a stream of events.
fn nearly_inside() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::sample::select(vec![
        "--X",
        "--X--",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "Content-Disposition: form-data; name=\"a\"",
        "Content-Type: multipart/mixed; boundary=X",
        "Content-Type: application/json",
        "content-type: text/event-stream",
        "data: ",
        "data:",
        "id: 1",
        ": ",
        "{\"a\":",
        "}",
        "\u{1e}",
        "\u{1f}",
        NEEDLE,
        "\u{81}",
        "\0",
        "\u{1f}\u{8b}\u{8}",
        "a=b&c=d",
    ]);
    proptest::collection::vec(words, 0..120).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_parts_and_events_are_settled_without_panic(
        body in prop_oneof![nearly_inside(), proptest::collection::vec(any::<u8>(), 0..1000)],
        media in proptest::sample::select(vec![
            Some("multipart/form-data; boundary=X"), Some("text/event-stream"),
            Some("application/msgpack"), Some("application/cbor"),
        ]),
        encoding in proptest::sample::select(vec![None, None, Some("gzip"), Some("zstd")]),
        piece in 1..300usize,
    ) {
        read(small(), Place::RequestBody, (media, encoding), &body, piece);
    }

    #[test]
    fn the_pieces_that_parts_and_events_come_in_change_no_finding(
        body in nearly_inside(),
        media in proptest::sample::select(vec![
            Some("multipart/form-data; boundary=X"), Some("text/event-stream"),
        ]),
        piece in 1..100usize,
    ) {
        let sorted = |finder: Finder| {
            let mut hits: Vec<_> = finder.hits.into_iter().map(|hit| (hit.path, hit.source.start)).collect();
            hits.sort();
            hits
        };
        let types = (media, None);
        let whole = read(Limits::default(), Place::RequestBody, types, &body, usize::MAX);
        let pieces = read(Limits::default(), Place::RequestBody, types, &body, piece);
        prop_assert_eq!(sorted(whole), sorted(pieces));
    }
}

#[test]
fn what_is_encoded_in_a_string_has_a_path_through_it() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let json = format!("{{\"user\":{{\"pan\":\"{NEEDLE}\"}}}}");
    let blob = STANDARD.encode(&json);
    let twice = STANDARD.encode(format!("{{\"inner\":\"{blob}\"}}"));
    let token = format!(
        "{}.{}.c2ln",
        URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"),
        URL_SAFE_NO_PAD.encode(&json)
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(json.as_bytes()).unwrap();
    let gzip = STANDARD.encode(gzip.finish().unwrap());
    let form = STANDARD.encode(format!("pan={NEEDLE}&cvv=123"));
    let text = STANDARD.encode(format!("the number is {NEEDLE}"));
    for (content_type, body, path, key) in [
        (
            None,
            format!("{{\"a\":1,\"blob\":\"{blob}\"}}"),
            "$.blob|base64.user.pan",
            "pan",
        ),
        (
            None,
            format!("{{\"token\":\"{token}\"}}"),
            "$.token|jwt.user.pan",
            "pan",
        ),
        (
            None,
            format!("{{\"z\":\"{gzip}\"}}"),
            "$.z|base64.user.pan",
            "pan",
        ),
        (
            None,
            format!("{{\"o\":\"{twice}\"}}"),
            "$.o|base64.inner|base64.user.pan",
            "pan",
        ),
        (None, format!("{{\"f\":\"{form}\"}}"), "$.f|base64:pan", "pan"),
        (None, format!("{{\"card\":\"{text}\"}}"), "$.card|base64", "card"),
        (
            None,
            format!("{{\"img\":\"data:application/json;base64,{blob}\"}}"),
            "$.img|base64.user.pan",
            "pan",
        ),
        (
            Some("application/x-www-form-urlencoded"),
            format!("a=1&token={token}"),
            "token|jwt.user.pan",
            "pan",
        ),
        (
            Some("multipart/form-data; boundary=X"),
            format!("--X\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n{token}\r\n--X--\r\n"),
            "t|jwt.user.pan",
            "pan",
        ),
        (
            Some("text/plain"),
            format!("INFO login token={token} ok"),
            "|jwt.user.pan",
            "pan",
        ),
    ] {
        let all = [(Account::Scanned, body.len() as u64)];
        let fields = found(content_type, body.as_bytes(), &all);
        assert_eq!(pairs(&fields), [(path, key)], "{path}");
    }
}

#[test]
fn html_and_yaml_know_what_a_value_is_called() {
    for (content_type, text, path, key, siblings) in [
        (
            "text/html",
            "<!doctype html><html><head><script>if (a<b) {}</script><meta name=x content=y></head>\
             <body><p>one<p>two<br><form><input type=text value=\"#\" name=\"card\"></form></body></html>",
            "/html/body/p/p/form/input[@name='card']/@value",
            "card",
            &["type", "name"][..],
        ),
        (
            "text/html",
            "<html><body><ul><li>a<li>b</ul><b>Card number: #</b></body></html>",
            "/html/body/b",
            "Card number",
            &[],
        ),
        (
            "application/yaml",
            "buyer:\n  name: Ada\n  cards:\n    - kind: x\n      pan: '1'\n    - kind: y\n      pan: '#'\n      cvv: 1\n",
            "$.buyer.cards[1].pan",
            "pan",
            &["kind", "cvv"],
        ),
        (
            "application/yaml",
            "a:\n- 1\n- # two\n  b: |\n    some: text\n    #\nc: 1\n",
            "$.a[1].b",
            "b",
            &[],
        ),
        (
            "application/yaml",
            "list:\n- {pan: #, cvv: 1}\n",
            "$.list[0]",
            "pan",
            &[],
        ),
        (
            "text/tab-separated-values",
            "id\tpan\n1\t#\n",
            "pan",
            "pan",
            &["id"],
        ),
        (
            "application/json-seq",
            "\u{1e}{\"a\":1}\n\u{1e}{\"pan\":\"#\"}\n",
            "$.pan",
            "pan",
            &[],
        ),
        (
            "application/x-ndjson",
            "{\"a\":1}\n{\"pan\":#}\n",
            "$.pan",
            "pan",
            &[],
        ),
    ] {
        // Comments stay.
        let text = text
            .replace('#', NEEDLE)
            .replace(&format!("{NEEDLE} two"), "# two");
        for piece in [1, 9, usize::MAX] {
            let types = (Some(content_type), None);
            let finder = read(
                Limits::default(),
                Place::RequestBody,
                types,
                text.as_bytes(),
                piece,
            );
            let [hit] = &finder.hits[..] else {
                panic!("{text}: {:?}", finder.hits)
            };
            assert_eq!(hit.path.as_deref(), Some(path), "{text}");
            assert_eq!(hit.key.as_deref(), Some(key), "{text}");
            for sibling in siblings {
                assert!(
                    hit.siblings.iter().any(|known| known == sibling),
                    "{text}: {:?}",
                    hit.siblings
                );
            }
        }
    }
}

#[test]
fn text_in_an_older_encoding_is_read_as_declared() {
    let body = [
        &b"{\"name\":\"Jos\xe9\",\"pan\":\""[..],
        NEEDLE.as_bytes(),
        b"\"}",
    ]
    .concat();
    for piece in [1, usize::MAX] {
        let types = (Some("application/json; charset=iso-8859-1"), None);
        let finder = read(Limits::default(), Place::RequestBody, types, &body, piece);
        let [hit] = &finder.hits[..] else {
            panic!("{:?}", finder.hits)
        };
        assert_eq!(hit.path.as_deref(), Some("$.pan"));
        assert_eq!(hit.siblings, ["name"]);
        let at = memchr::memmem::find(&body, NEEDLE.as_bytes()).unwrap() as u64;
        assert_eq!(hit.source, at..at + 16);
    }
}
