//! The stage as a whole: documents in, detections out.

use std::ops::Range;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::checksum::luhn;
use super::*;
use crate::content::{Document, FieldLookup, Format};

/// Fields of flat documents: the quoted or bare name before the value, all quoted names beside it.
struct Flat;

impl FieldLookup for Flat {
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field {
        let text = String::from_utf8_lossy(&bytes[..at.start]).into_owned();
        let open = text.rfind(['"', ':', '=', '\n']).map_or(0, |n| n + 1);
        let head = text[..open].trim_end_matches(['"', ' ']);
        let key = head.strip_suffix([':', '=']).map(|head| {
            let head = head.trim_end_matches('"');
            head[head.rfind(['"', '{', ',', '&', ' ', '\n']).map_or(0, |n| n + 1)..].to_owned()
        });
        let all = String::from_utf8_lossy(bytes).into_owned();
        let siblings = all
            .split('"')
            .skip(1)
            .step_by(2)
            .take(32)
            .map(str::to_owned)
            .collect();
        let end = bytes[at.end..]
            .iter()
            .position(|b| b"\",}&\n".contains(b))
            .map_or(bytes.len(), |n| at.end + n);
        Field {
            path: key.clone(),
            key,
            siblings,
            value: open..end,
        }
    }
}

fn scanner() -> Scanner {
    Scanner::new(Fingerprinter::new([7; 32]))
}

fn scan(bytes: &[u8], format: Format) -> Vec<Detection> {
    let mut found = Vec::new();
    scanner().scan(&Document::whole(bytes, format, &Flat), &mut found);
    found
}

/// Detector, state, confidence, under-masked and declared-masked of all but low detections.
fn told(text: &str, format: Format) -> Vec<(&'static str, State, Confidence, bool, bool)> {
    let found = scan(text.as_bytes(), format);
    let known = found.iter().filter(|found| found.confidence > Confidence::Low);
    known
        .map(|d| {
            (
                d.detector,
                d.state,
                d.confidence,
                d.under_masked,
                d.declared_masked,
            )
        })
        .collect()
}

fn format_of(text: &str) -> Format {
    if text.starts_with(['{', '[']) {
        Format::Json
    } else {
        Format::Text
    }
}

const CARD: &str = "5447911234560249";

#[test]
fn clear_values_are_told_with_their_confidence() {
    use Confidence::{High, Medium};
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl";
    for (text, detector, confidence) in [
        (format!(r#"{{"card_number":"{CARD}"}}"#), "payment_card", High),
        (format!(r#"{{"card_number":{CARD}}}"#), "payment_card", High),
        (format!(r#"{{"x_card_y":"{CARD}"}}"#), "payment_card", High),
        (
            format!(r#"{{"value":"{CARD}","cvv":"123"}}"#),
            "payment_card",
            High,
        ),
        (r#"{"value":"5447-9112-3456-0249"}"#.into(), "payment_card", High),
        (
            "paid by card 5447 9112 3456 0249 today".into(),
            "payment_card",
            High,
        ),
        (format!("paid by card {CARD} today"), "payment_card", High),
        (r#"{"ssn":"536221234"}"#.into(), "us_ssn", High),
        (r#"{"ssn":"536-22-1234"}"#.into(), "us_ssn", High),
        (r#"{"note":"536-22-1234"}"#.into(), "us_ssn", Medium),
        (r#"{"x":"DE27100777770209299700"}"#.into(), "iban", High),
        ("DE27 1007 7777 0209 2997 00".into(), "iban", High),
        (r#"{"x":"jane.doe@corp.de"}"#.into(), "email_address", High),
        (r#"{"phone":"+14155552671"}"#.into(), "phone_number", High),
        (r#"{"phone":"(415) 555-2671"}"#.into(), "phone_number", High),
        (r#"{"mobile_number":4155552671}"#.into(), "phone_number", High),
        ("call me at 415-555-2671".into(), "phone_number", Medium),
        (format!("token {jwt}"), "jwt", High),
        ("aws AKIAQ3EGRIY7LZ4TMXQ2".into(), "aws_access_key_id", High),
        (
            "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".into(),
            "github_token",
            High,
        ),
        (
            "Authorization: Basic c3ZjOlMzY3IzdC1wYXNz".into(),
            "basic_auth",
            High,
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----".into(),
            "private_key",
            High,
        ),
    ] {
        let found = told(&text, format_of(&text));
        let found: Vec<_> = found.iter().map(|f| (f.0, f.1, f.2)).collect();
        if detector == "phone_number" && confidence == Medium {
            // A word is a weak clue for a weak kind: it may stay medium or low, never high.
            assert!(
                found.iter().all(|f| *f == (detector, State::Clear, Medium)),
                "{text}: {found:?}"
            );
            continue;
        }
        assert_eq!(found, [(detector, State::Clear, confidence)], "{text}");
    }
}

#[test]
fn a_card_number_with_nothing_beside_it_is_low() {
    let found = scan(format!(r#"{{"value":"{CARD}"}}"#).as_bytes(), Format::Json);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].detector, found[0].confidence),
        ("payment_card", Confidence::Low)
    );
    assert!((found[0].score_bits - 5.4).abs() < 0.01);
}

#[test]
fn every_masking_convention_has_its_state() {
    let sha = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for (text, detector, state) in [
        (
            r#"{"card_number":"************1111"}"#.to_owned(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"XXXX-XXXX-XXXX-1111"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"xxxxxxxxxxxx1111"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"•••• •••• •••• 1111"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"\u2022\u2022\u2022\u2022 1111"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"544791******0249"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"544791XXXXXX0249"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            "{\"card_number\":\"####-####-####-0249\"}".into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"Visa **** 1111"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"[REDACTED]"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number": "REDACTED"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"{{{REDACTED-card}}}"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            r#"{"card_number":"tok_1JXyzAbc"}"#.into(),
            "payment_card",
            State::Tokenised,
        ),
        (
            r#"{"card_number":"544791abcdef0249"}"#.into(),
            "payment_card",
            State::Tokenised,
        ),
        (
            r#"{"card_number":"vault:v1:8SDd3WHDOjf7mq69"}"#.into(),
            "payment_card",
            State::Encrypted,
        ),
        (
            format!(r#"{{"card_number":"{sha}"}}"#),
            "payment_card",
            State::Hashed,
        ),
        (
            r#"{"note":"544791******0249"}"#.into(),
            "payment_card",
            State::Masked,
        ),
        (
            "charged ************0249 ok".into(),
            "payment_card",
            State::Masked,
        ),
        ("card=544791******0249&x=1".into(), "payment_card", State::Masked),
        (r#"{"ssn":"***-**-1234"}"#.into(), "us_ssn", State::Masked),
        (r#"{"ssn":"XXX-XX-1234"}"#.into(), "us_ssn", State::Masked),
        (r#"{"note":"***-**-1234"}"#.into(), "us_ssn", State::Masked),
        (format!(r#"{{"ssn_hash":"{sha}"}}"#), "us_ssn", State::Hashed),
        (r#"{"ssn":"<US_SSN>"}"#.into(), "us_ssn", State::Masked),
        (
            r#"{"email":"j***@corp.de"}"#.into(),
            "email_address",
            State::Masked,
        ),
        (
            r#"{"note":"j***@example.com"}"#.into(),
            "email_address",
            State::Masked,
        ),
        (r#"{"email":"[Filtered]"}"#.into(), "email_address", State::Masked),
        (
            r#"{"note":"<EMAIL_ADDRESS>"}"#.into(),
            "email_address",
            State::Masked,
        ),
        (
            format!(r#"{{"email_sha256":"{sha}"}}"#),
            "email_address",
            State::Hashed,
        ),
        (
            r#"{"phone":"***-***-2671"}"#.into(),
            "phone_number",
            State::Masked,
        ),
        (
            r#"{"phone":"+1 *** *** 2671"}"#.into(),
            "phone_number",
            State::Masked,
        ),
        (
            r#"{"phone":"(***) ***-2671"}"#.into(),
            "phone_number",
            State::Masked,
        ),
        (
            r#"{"iban":"DE** **** **** **** 9700"}"#.into(),
            "iban",
            State::Masked,
        ),
        (
            r#"{"iban":"DE******************9700"}"#.into(),
            "iban",
            State::Masked,
        ),
        (
            "key AKIA************MXQ2".into(),
            "aws_access_key_id",
            State::Masked,
        ),
        (
            r#"{"card_number":"4111111111111111"}"#.into(),
            "payment_card",
            State::Test,
        ),
        (r#"{"ssn":"078-05-1120"}"#.into(), "us_ssn", State::Test),
        (r#"{"ssn":"987-65-4320"}"#.into(), "us_ssn", State::Test),
        (r#"{"ssn":"999-12-3456"}"#.into(), "us_ssn", State::Test),
        (
            r#"{"email":"jane@example.com"}"#.into(),
            "email_address",
            State::Test,
        ),
        (
            r#"{"phone":"+1 415 555 0123"}"#.into(),
            "phone_number",
            State::Test,
        ),
        (r#"{"iban":"GB29NWBK60161331926819"}"#.into(), "iban", State::Test),
        ("AKIAIOSFODNN7EXAMPLE".into(), "aws_access_key_id", State::Test),
    ] {
        let found: Vec<_> = told(&text, format_of(&text))
            .iter()
            .map(|f| (f.0, f.1, f.3))
            .collect();
        assert_eq!(found, [(detector, state, false)], "{text}");
    }
}

#[test]
fn a_mask_that_leaves_too_much_is_clear_and_says_so() {
    for (text, detector) in [
        (r#"{"card_number":"5447911234**0249"}"#, "payment_card"),
        (r#"{"card_number":"544791******30249"}"#, "payment_card"),
        (r#"{"ssn":"***-22-1234"}"#, "us_ssn"),
        (r#"{"phone":"(415) ***-2671"}"#, "phone_number"),
        (r#"{"email":"jane.d*e@corp.de"}"#, "email_address"),
        (r#"{"iban":"DE27 1007 **** **** **** 00"}"#, "iban"),
    ] {
        let found: Vec<_> = told(text, Format::Json).iter().map(|f| (f.0, f.1, f.3)).collect();
        assert_eq!(found, [(detector, State::Clear, true)], "{text}");
    }
}

#[test]
fn a_clear_value_under_a_name_that_promises_a_mask_is_declared_masked() {
    for (key, expected) in [
        ("card_number_masked", true),
        ("masked_pan", true),
        ("card_last4", true),
        ("pan_hash", true),
        ("card_token", true),
        ("card_number", false),
    ] {
        let found = told(&format!(r#"{{"{key}":"{CARD}"}}"#), Format::Json);
        assert_eq!(found.len(), 1, "{key}");
        assert_eq!((found[0].1, found[0].4), (State::Clear, expected), "{key}");
    }
}

#[test]
fn empty_and_absent_values_are_not_told() {
    for value in ["null", "\"\"", "\"?\"", "\"n/a\"", "true", "0"] {
        for key in ["card_number", "ssn", "email", "phone", "iban"] {
            assert!(
                told(&format!(r#"{{"{key}":{value}}}"#), Format::Json).is_empty(),
                "{key} {value}"
            );
        }
    }
}

/// A small generator with a seed (xorshift64*), so that the rates below are the same in every run.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn digits(&mut self, n: u64) -> String {
        (0..n).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    fn hex(&mut self, n: usize) -> String {
        (0..n.div_ceil(16))
            .map(|_| format!("{:016x}", self.next()))
            .collect::<String>()[..n]
            .to_owned()
    }
}

#[test]
fn ids_times_and_digests_are_hardly_ever_told() {
    let mut random = Seeded(0x5EED);
    let keys = [
        "order_id",
        "trace_id",
        "timestamp",
        "request_id",
        "created_at",
        "invoiceNumber",
        "span_id",
        "seq",
    ];
    let scanner = scanner();
    let (mut told, mut asked) = (Vec::new(), 0);
    for round in 0..8_000 {
        let key = keys[round % keys.len()];
        let length = 9 + random.below(11);
        let uuid = random.hex(32);
        let values = [
            format!("{}", 1_500_000_000 + random.below(500_000_000)),
            format!("{}", 1_500_000_000_000 + random.below(500_000_000_000)),
            format!(
                "\"{}-{}-{}-{}-{}\"",
                &uuid[..8],
                &uuid[8..12],
                &uuid[12..16],
                &uuid[16..20],
                &uuid[20..]
            ),
            format!("\"{}\"", random.hex([32, 40, 64][round % 3])),
            format!(
                "{}",
                1_000_000_000_000_000_000 + random.below(900_000_000_000_000_000)
            ),
            format!("\"{}\"", random.digits(length)),
            random.digits(length),
        ];
        for value in values {
            let text = format!(r#"{{"{key}":{value},"amount":12.50}}"#);
            let mut found = Vec::new();
            let document = Document::whole(text.as_bytes(), Format::Json, &Flat);
            scanner.scan(&document, &mut found);
            asked += 1;
            told.extend(
                found
                    .iter()
                    .filter(|d| d.confidence > Confidence::Low)
                    .map(|d| (text.clone(), d.detector)),
            );
        }
    }
    assert!(
        asked >= 20_000 && told.len() * 10_000 < asked,
        "{} of {asked}: {:?}",
        told.len(),
        told.first()
    );
}

#[test]
fn hostile_input_takes_linear_time() {
    const SIZE: usize = 2 << 20;
    let scanner = scanner();
    for unit in [
        "1",
        "@",
        "\"",
        "eyJ",
        "eyJ.",
        "a@",
        "4 ",
        "4111-",
        "4111 1111 1111 1111 ",
        "*",
        "* ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "Basic ",
        "AKIA",
        "GB29",
        "\"card_number\":\"",
        ":*",
        ":x",
        ":[R",
        "=$2b$",
        "a.a@a.com",
        "(1) 2",
        "\\u2022",
        "•",
        "card ",
        "card *1",
        "536-22-1234 ",
        "+1415",
        "{\"a\":",
        "\0",
    ] {
        let text = unit.repeat(SIZE / unit.len());
        let begun = Instant::now();
        for window in text.as_bytes().chunks(64 << 10) {
            let mut found = Vec::new();
            let document = Document::whole(window, Format::Text, &NoField);
            scanner.scan(&document, &mut found);
        }
        // A quadratic verifier would need minutes.
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{unit:?} took {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn digits_before_a_dash_and_a_letter_are_not_all_of_a_number() {
    // The first eight digits of either pass the check of a RUT.
    let kinds = |text: &str| {
        told(text, Format::Json)
            .into_iter()
            .map(|found| found.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(r#"{"rut":"22869949"}"#), ["cl_rut"]);
    assert!(!kinds(r#"{"rut":"22869949-K"}"#).contains(&"cl_rut"));
}

pub(super) struct NoField;

impl FieldLookup for NoField {
    fn field_at(&self, _: &[u8], at: Range<usize>) -> Field {
        Field {
            value: at,
            ..Field::default()
        }
    }
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![
        Format::Json,
        Format::Form,
        Format::Headers,
        Format::Path,
        Format::Xml,
        Format::Csv,
        Format::Sql,
        Format::Text,
    ])
}

/// Pieces that triggers, values and separators are made of.
fn pieces() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "4111 1111 1111 1111",
        "5447911234560249",
        "536-22-1234",
        "jane.doe@corp.de",
        "DE27100777770209299700",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2ln",
        "AKIAQ3EGRIY7LZ4TMXQ2",
        "***-**-1234",
        "+14155552671",
        "544791******0249",
        "card ",
        "\"ssn\":\"",
        "\"",
        ",",
        " ",
        "\n",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n",
        "lorem ipsum dolor sit amet ",
        "{\"k\":",
        "}",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => "[ -~]{0,60}"]
}

proptest! {
    #[test]
    fn any_bytes_can_be_scanned(bytes in prop::collection::vec(any::<u8>(), 0..400), format in formats(), overlap in 0usize..500) {
        let mut found = Vec::new();
        let overlap = overlap.min(bytes.len());
        let next = (overlap % 2 == 0).then_some(bytes.len() - overlap);
        let document = Document { overlap, flushed: overlap / 2, next, ..Document::whole(&bytes, format, &Flat) };
        scanner().scan(&document, &mut found);
        for found in found {
            prop_assert!(found.range.start < found.range.end && found.range.end <= bytes.len());
        }
    }

    #[test]
    fn any_readable_text_can_be_scanned(parts in prop::collection::vec(pieces(), 0..40), format in formats()) {
        let text = parts.concat();
        for found in scan(text.as_bytes(), format) {
            prop_assert!(found.range.end <= text.len());
            prop_assert!(!found.evidence.is_empty() && found.fingerprint.len() == 42);
        }
    }

    #[test]
    fn windows_find_what_one_pass_finds(parts in prop::collection::vec(pieces(), 0..200), window in 1200usize..2000) {
        const OVERLAP: usize = 1024;
        // A byte stands between any two values, as it does in every format.
        let text = parts.join("\n");
        let bytes = text.as_bytes();
        let scanner = scanner();
        let whole = |found: &Detection, from: usize| (found.detector, found.range.start + from, found.state);
        let mut expected = Vec::new();
        scanner.scan(&Document::whole(bytes, Format::Text, &NoField), &mut expected);
        let expected: Vec<_> = expected.iter().map(|found| whole(found, 0)).collect();
        let (mut got, mut from, mut overlap) = (Vec::new(), 0, 0);
        loop {
            let end = bytes.len().min(from + window);
            let more = end < bytes.len();
            let mut found = Vec::new();
            let shown = &bytes[from..end];
            let next = more.then_some(shown.len().saturating_sub(OVERLAP));
            let document = Document { overlap, next, ..Document::whole(shown, Format::Text, &NoField) };
            scanner.scan(&document, &mut found);
            got.extend(found.iter().map(|found| whole(found, from)));
            if !more {
                break;
            }
            overlap = OVERLAP;
            from = end - overlap;
        }
        got.sort_by_key(|found| found.1);
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_masked_card_is_never_clear(
        digits in "[3-6][0-9]{15}", head in 0usize..=8, mask in prop::sample::select(vec!["*", "x", "X", "#", "•", "●", "█"]),
        key in prop::sample::select(vec!["card_number", "pan", "note", "customer_card"]),
    ) {
        let hidden = mask.repeat(12 - head);
        let text = format!(r#"{{"{key}":"{}{hidden}{}"}}"#, &digits[..head], &digits[12..]);
        for found in scan(text.as_bytes(), Format::Json) {
            prop_assert_ne!(found.state, State::Clear, "{}", text);
        }
    }

    #[test]
    fn no_sample_or_reason_holds_the_value(digits in "[3-6][0-9]{14}") {
        let card = (0..10).map(|d| format!("{digits}{d}")).find(|card| luhn(card.as_bytes())).unwrap_or_default();
        for found in scan(format!(r#"{{"card_number":"{card}"}}"#).as_bytes(), Format::Json) {
            let shown = format!("{} {:?} {}", found.sample, found.evidence, found.fingerprint);
            prop_assert!(!shown.contains(&card[4..14]));
        }
    }
}

/// A window with so many candidates that they are judged in parts is judged as one with few.
#[test]
fn what_is_judged_in_parts_is_judged_alike() {
    // Sixteen lines a piece; what stands around a number does not reach over a piece's edge.
    let piece = |first: u64| {
        let numbers =
            (0..16).map(|n| format!("{}\n", 4_000_000_000_000_000 + (first * 16 + n) * 7_919_000_003));
        format!("{}{}\n", numbers.collect::<String>(), "-\n".repeat(150))
    };
    let scanner = Scanner::new(Fingerprinter::new([7; 32])).telling_all();
    let found = |text: &str, offset: usize| {
        let mut found = Vec::new();
        scanner.scan(
            &Document::whole(text.as_bytes(), Format::Text, &NoField),
            &mut found,
        );
        let told = found
            .into_iter()
            .map(|found| (found.range.start + offset, found.detector, found.score_bits));
        told.collect::<Vec<_>>()
    };
    let (mut text, mut parts) = (String::new(), Vec::new());
    for piece in (0..1_000).map(piece) {
        parts.extend(found(&piece, text.len()));
        text.push_str(&piece);
    }
    assert!(parts.len() > 500, "{}", parts.len());
    assert_eq!(found(&text, 0), parts);
}
