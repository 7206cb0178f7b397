//! One body of each format.

use auditor::content::Limits;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::format::multipart::Content;
use crate::format::{charset, coding, csv, events, form, html, items, json, multipart, nested, xml, yaml};
use crate::reading;
use crate::tree::{self, Node};
use crate::whim::Whim;
use crate::written::{Expected, Values, Written};

/// How a body comes.
#[derive(Clone, Debug)]
struct Cuts {
    cuts: Vec<Index>,
    /// From and to where bytes are missing.
    gap: (Index, Index),
    seed: u64,
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let cuts = prop::collection::vec(any::<Index>(), 0..12);
    (cuts, any::<(Index, Index)>(), any::<u64>()).prop_map(|(cuts, gap, seed)| Cuts { cuts, gap, seed })
}

/// What is said of a body.
#[derive(Clone, Copy)]
struct Types<'a> {
    media: Option<&'a str>,
    encoding: Option<&'a str>,
}

fn media(media: &str) -> Types<'_> {
    Types {
        media: Some(media),
        encoding: None,
    }
}

/// Checks that a body gives what was written, however it is cut, and nothing wrong where some of it is missing.
fn check(written: &Written, types: Types<'_>, cuts: &Cuts) {
    let body = &written.bytes;
    let mut expected = written.expected.clone();
    expected.sort();
    let read = |limits, pieces: Vec<(usize, &[u8])>| {
        let mut found = reading::body(limits, types.media, types.encoding, pieces);
        without_unknown_places(&mut found, &expected);
        found
    };
    let content = || String::from_utf8_lossy(body);
    let whole = read(Limits::default(), vec![(0, body)]);
    assert_eq!(whole, expected, "whole: {}", content());
    let ends = ends(cuts, body.len());
    let cut = read(Limits::default(), pieces(body, 0, &ends));
    assert_eq!(cut, expected, "cut at {ends:?}: {}", content());
    let bytes: Vec<usize> = (1..body.len()).collect();
    let single = read(Limits::default(), pieces(body, 0, &bytes));
    assert_eq!(single, expected, "byte by byte: {}", content());

    let mut gap = [cuts.gap.0.index(body.len() + 1), cuts.gap.1.index(body.len() + 1)];
    gap.sort_unstable();
    let [from, to] = gap;
    let mut parts = pieces(&body[..from], 0, &ends);
    parts.extend(pieces(&body[to..], to, &ends));
    let found = reading::body(Limits::default(), types.media, types.encoding, parts);
    for found in found {
        assert!(
            is_right(&found, &expected),
            "{found:?} behind a gap at {from}..{to} of {}",
            content()
        );
    }
}

/// Leaves out the places of values where the writer does not know them.
fn without_unknown_places(found: &mut [Expected], expected: &[Expected]) {
    for found in found.iter_mut() {
        let same = |known: &&Expected| known.value == found.value && known.at.is_none();
        if expected.iter().any(|known| same(&known)) {
            found.at = None;
        }
    }
    found.sort();
}

/// Whether a value, or what is left of it, is called by its name, by a part of that, or by none.
pub fn is_right(found: &Expected, expected: &[Expected]) -> bool {
    let Some(field) = &found.field else {
        return true;
    };
    let holds = |known: &&Expected| known.value.contains(&found.value);
    // What is left of an escape looks like a part of the value.
    let is_whole = expected.iter().any(|known| holds(&known));
    let mut sources = expected.iter().filter(|known| !is_whole || holds(known));
    sources.any(|known| known.field.as_ref() == Some(field) || is_part(field, known.field.as_deref()))
}

/// Whether some of a path is not known: `[*]:$.a` for `[7]:$.a`, `|base64.a` for `$.b|base64.a`,
/// `/form/input/@value` for `/form/input[@name='a']/@value`.
fn is_part(field: &str, known: Option<&str>) -> bool {
    let known = known.unwrap_or_default();
    if let Some((element, attribute)) = known.split_once("[@name=") {
        let attribute = attribute.split_once(']').map_or("", |(_, attribute)| attribute);
        return field == format!("{element}{attribute}");
    }
    // Without what stands in front of them, claims are not told from other strings.
    let known = known.replace("|jwt", "|base64");
    let behind = field
        .strip_prefix("[*]")
        .or(field.starts_with('|').then_some(field));
    behind.is_some_and(|behind| known.ends_with(&behind.replace("|jwt", "|base64")))
}

fn ends(cuts: &Cuts, length: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.cuts.iter().map(|cut| cut.index(length.max(1))).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// What lies between `cuts`, with offsets from `base`.
fn pieces<'a>(bytes: &'a [u8], base: usize, cuts: &[usize]) -> Vec<(usize, &'a [u8])> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    let inside = cuts.iter().map(|cut| cut.saturating_sub(base));
    for to in inside.chain([bytes.len()]) {
        let to = to.clamp(from, bytes.len());
        if to > from {
            pieces.push((base + from, &bytes[from..to]));
        }
        from = to;
    }
    pieces
}

fn parts() -> impl Strategy<Value = Vec<Content>> {
    let leaf = prop_oneof![
        Just(Content::Field(Node::Card)),
        Just(Content::Field(Node::Email)),
        tree::map().prop_map(Content::Json),
        tree::map().prop_map(Content::Xml),
        tree::rows().prop_map(Content::Csv),
        tree::map().prop_map(Content::Packed),
        Just(Content::Picture),
    ];
    let part = leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 1..4).prop_map(Content::Parts)
    });
    prop::collection::vec(part, 1..5)
}

proptest! {
    #[test]
    fn json_is_read_wherever_it_is_cut(node in tree::map(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = json::write(&node, &mut values, &mut whim, json::FREE);
        let types = whim.one(&[None, Some("application/json"), Some("application/json; charset=utf-8")]);
        check(&written, Types { media: types, encoding: None }, &cuts);
    }

    #[test]
    fn json_lines_are_read_wherever_they_are_cut(
        nodes in prop::collection::vec(tree::map(), 1..6), cuts in cuts(),
    ) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = json::lines(&nodes, &mut values, &mut whim);
        check(&written, media("application/x-ndjson"), &cuts);
    }

    #[test]
    fn yaml_is_read_wherever_it_is_cut(node in tree::map(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = yaml::write(&node, &mut values, &mut whim);
        check(&written, media("application/yaml"), &cuts);
    }

    #[test]
    fn xml_is_read_wherever_it_is_cut(node in tree::map(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = xml::write("order", &node, &mut values, &mut whim);
        check(&written, media("application/xml"), &cuts);
    }

    #[test]
    fn html_is_read_wherever_it_is_cut(members in tree::members(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = html::write(&members, &mut values, &mut whim);
        check(&written, media("text/html"), &cuts);
    }

    #[test]
    fn separated_values_are_read_wherever_they_are_cut(rows in tree::rows(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let (types, delimiter) = whim.one(&[("text/csv", ','), ("text/tab-separated-values", '\t')]);
        let written = csv::write(&rows, delimiter, &mut values, &mut whim);
        check(&written, media(types), &cuts);
    }

    #[test]
    fn forms_are_read_wherever_they_are_cut(
        members in tree::members(), payload in prop::option::of(tree::map()), cuts in cuts(),
    ) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = form::write(&members, payload.as_ref(), &mut values, &mut whim);
        check(&written, media("application/x-www-form-urlencoded"), &cuts);
    }

    #[test]
    fn message_pack_is_read_wherever_it_is_cut(node in tree::map(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = items::write(items::Format::MessagePack, &node, &mut values, &mut whim);
        check(&written, media("application/msgpack"), &cuts);
    }

    #[test]
    fn cbor_is_read_wherever_it_is_cut(node in tree::map(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = items::write(items::Format::Cbor, &node, &mut values, &mut whim);
        check(&written, media("application/cbor"), &cuts);
    }

    #[test]
    fn events_are_read_wherever_they_are_cut(
        nodes in prop::collection::vec(tree::map(), 1..5), cuts in cuts(),
    ) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = events::write(&nodes, &mut values, &mut whim);
        check(&written, media("text/event-stream"), &cuts);
    }

    #[test]
    fn parts_are_read_wherever_they_are_cut(parts in parts(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let (written, boundary) = multipart::write(&parts, 0, &mut values, &mut whim);
        check(&written, media(&format!("multipart/form-data; boundary=\"{boundary}\"")), &cuts);
    }

    #[test]
    fn what_strings_hold_is_read_wherever_they_are_cut(node in tree::map(), depth in 1..=3_usize, cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let written = nested::write(&node, depth, &mut values, &mut whim);
        check(&written, media("application/json"), &cuts);
    }

    #[test]
    fn older_encodings_are_read_wherever_they_are_cut(node in tree::map(), cuts in cuts()) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let charset = &charset::ALL[whim.below(charset::ALL.len())];
        let (text, name) = match whim.below(3) {
            0 => (json::write(&node, &mut values, &mut whim, json::FREE), "application/json"),
            1 => (xml::write("order", &node, &mut values, &mut whim), "application/xml"),
            _ => (yaml::write(&node, &mut values, &mut whim), "application/yaml"),
        };
        let types = match charset.label {
            Some(label) => format!("{name}; charset={label}"),
            None => name.to_owned(),
        };
        check(&charset.of(&text), media(&types), &cuts);
    }

    #[test]
    fn encodings_over_each_other_are_undone_wherever_they_are_cut(
        node in tree::map(), depth in 1..=4_usize, says: bool, cuts in cuts(),
    ) {
        let (mut values, mut whim) = (Values::default(), Whim::new(cuts.seed));
        let json = json::write(&node, &mut values, &mut whim, json::FREE);
        let (bytes, names) = coding::stack(&json.bytes, depth, &mut whim);
        // gzip and Zstandard are told by their first bytes, too.
        let is_told = names.split(", ").all(|name| matches!(name, "gzip" | "zstd"));
        let names = if is_told && !says { None } else { Some(names.as_str()) };
        let written = Written { bytes, expected: json.expected };
        check(&written, Types { media: Some("application/json"), encoding: names }, &cuts);
    }
}
