//! What fields are called where bytes of a body are missing.

use super::*;

/// Paths of the needles in a body of which what stands between two bars is missing.
fn paths(content_type: &str, text: &str) -> Vec<Option<String>> {
    let text = text.replace('#', NEEDLE);
    let pieces: Vec<&str> = text.split('|').collect();
    let [before, missing, behind] = pieces[..] else {
        panic!("two bars: {text}")
    };
    let mut reader = Reader::new(Limits::default());
    let mut finder = Finder::default();
    let exchange = Arc::new(Exchange::default());
    let mut part = |data: &str, offset: usize, last| {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place: Place::RequestBody,
            message: 0,
            content_type: Some(content_type),
            content_encoding: None,
            offset: offset as u64,
            last,
            data: data.as_bytes(),
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut finder);
    };
    if !before.is_empty() {
        part(before, 0, false);
    }
    part(behind, before.len() + missing.len(), true);
    reader.finish(&mut finder);
    let settled: u64 = finder.settled.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(settled as usize, before.len() + behind.len());
    finder.hits.into_iter().map(|hit| hit.path).collect()
}

#[test]
fn behind_missing_bytes_a_field_has_no_path_until_one_is_known_again() {
    for (content_type, text, expected) in [
        (
            "application/json",
            r#"{"a":{"n":#,|"b":{|"pan":#}}}"#,
            &[Some("$.a.n"), None][..],
        ),
        ("application/json", r#"|{"a":|{"pan":#}}"#, &[None]),
        (
            "application/x-ndjson",
            "{\"a\":|1}\n{\"b\":|{\"pan\":#}}\n{\"pan\":#}\n",
            &[None, Some("$.pan")],
        ),
        (
            "application/json-seq",
            "\u{1e}{\"a\":|1}\n\u{1e}{\"b\":|{\"pan\":#}}\n\u{1e}{\"c\":\n{\"pan\":#}}\n",
            &[None, Some("$.c.pan")],
        ),
        (
            "application/xml",
            "<a><b>#</b>|<c>|<pan>#</pan></c></a>",
            &[Some("/a/b"), None],
        ),
        ("text/html", "|<html><body>|<p><b>Card: #</b></p>", &[None]),
        (
            "text/html",
            "<html><input value='#' name='ca|rd|'>",
            &[Some("/html/input/@value")],
        ),
        ("application/yaml", "|a:\n|  pan: #\n", &[None]),
        ("text/csv", "id,pan\n1,#\n|2,|#,3\n", &[Some("pan"), None]),
        (
            "application/x-www-form-urlencoded",
            "a=#&my_|c|ard=#&pan=#",
            &[Some("a"), None, Some("pan")],
        ),
        (
            "text/event-stream",
            "data: {\"a\":|{}|\ndata: {\"pan\":#}}\n\ndata: {\"pan\":#}\n\n",
            &[None, Some("$.pan")],
        ),
        (
            "multipart/form-data; boundary=X",
            "--X\r\n\r\n{\"pan\":#,|\"a\":{|\"pan\":#}}\r\n--X\r\n\r\n{\"pan\":#}\r\n--X--",
            &[Some("[0]:$.pan"), None, Some("[*]:$.pan")],
        ),
        ("application/cbor", "|\u{1}a|apan#", &[None]),
        ("application/msgpack", "|\u{1}a|apan#", &[None]),
        ("application/x-protobuf", "|\n\u{12}|\n\u{10}#", &[None]),
    ] {
        let mut paths = paths(content_type, text);
        let mut expected: Vec<_> = expected.iter().map(|path| path.map(str::to_owned)).collect();
        // Parts are shown before the text around them.
        paths.sort();
        expected.sort();
        assert_eq!(paths, expected, "{content_type}: {text}");
    }
}

#[test]
fn the_rest_of_an_encoded_string_is_not_taken_for_a_document() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let inner = format!("{{\"user\":{{\"pan\":\"{NEEDLE}\"}}}}");
    // Behind twelve signs, nine bytes, the object inside begins.
    let blob = STANDARD.encode(format!(" {inner}"));
    let (missing, rest) = blob.split_at(12);
    let text = format!("{{\"blob\":\"|{missing}|{rest}\",\"again\":\"{blob}\"}}");
    assert_eq!(
        paths("application/json", &text),
        [Some("|base64.user.pan".to_owned())]
    );
}
