use super::*;
use crate::detect::{Confidence, Fingerprinter, Scanner, explain};

fn definition(yaml: &str) -> Definition {
    serde_norway::from_str(yaml).unwrap()
}

fn scanner(definitions: &[Definition]) -> Result<Scanner, OwnError> {
    Scanner::with_own(Fingerprinter::new([7; 32]), definitions)
}

/// Id, state and confidence of what is found.
fn told(scanner: &Scanner, value: &str, key: Option<&str>) -> Vec<(&'static str, State, Confidence)> {
    explain(scanner, value, key)
        .iter()
        .map(|found| (found.detector, found.state, found.confidence))
        .collect()
}

const CUSTOMER: &str = r"
id: acme_customer
pattern: 'ACME-[0-9]{8}\b'
states:
  masked: ['ACME-\*{4}[0-9]{4}']
  test: ['ACME-0{8}']
severity: critical
regulations: [gdpr]
examples:
  match: [ACME-12345678, see ACME-12345678 for more]
  no_match: [ACME-1234, XACME-12345678, acme-12345678]
";

const REFERENCE: &str = r"
id: acme_reference
pattern: '[0-9]{10}'
keys: [customer_ref, kundenReferenz]
validator: luhn
examples:
  match: ['4532015114']
  no_match: ['4532015113', '45320151']
";

#[test]
fn an_own_detector_is_found_by_its_literal_in_all_its_states() {
    let scanner = scanner(&[definition(CUSTOMER)]).unwrap();
    for (value, expected) in [
        ("id ACME-12345678.", Some((State::Clear, Confidence::High))),
        ("ACME-****5678", Some((State::Masked, Confidence::High))),
        ("ACME-00000000", Some((State::Test, Confidence::High))),
        ("ACME-123456789", None),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(state, confidence)| ("acme_customer", state, confidence))
            .collect();
        assert_eq!(told(&scanner, value, None), expected, "{value}");
    }
}

#[test]
fn an_own_detector_without_a_literal_is_found_by_its_names() {
    let scanner = scanner(&[definition(REFERENCE)]).unwrap();
    let found = ("acme_reference", State::Clear, Confidence::High);
    for key in ["customer_ref", "customerRef", "kunden-referenz"] {
        assert_eq!(told(&scanner, "4532015114", Some(key)), [found], "{key}");
    }
    assert!(told(&scanner, "4532015113", Some("customer_ref")).is_empty());
    assert!(told(&scanner, "4532015114", None).is_empty());
}

#[test]
fn a_pattern_without_literal_and_names_must_say_that_it_is_slow() {
    let text = "id: acme_any\npattern: '[A-Z]{4}[0-9]{6}'\n";
    assert!(matches!(
        scanner(&[definition(text)]),
        Err(OwnError::Unanchored(_))
    ));
    let slow = scanner(&[definition(&format!("{text}slow: true"))]).unwrap();
    assert_eq!(told(&slow, "a WXYZ123456 b", None)[0].0, "acme_any");
}

#[test]
fn a_definition_that_cannot_be_used_is_refused_with_the_reason() {
    for (yaml, expected) in [
        ("id: X\npattern: 'ACME-1'", "3 to 64 lower case"),
        ("id: payment_card\npattern: 'ACME-1'", "the id is taken"),
        ("id: acme_a\npattern: 'ACME-('", "no regular expression"),
        (
            "id: acme_a\npattern: 'ACME-1'\nvalidator: mod12",
            "no validator \"mod12\"",
        ),
        (
            "id: acme_a\npattern: 'ACME-1'\nkeys: ['--']",
            "no name of a field",
        ),
        (
            "id: acme_a\npattern: 'ACME-1'\nexamples: {match: [SECRETVALUE]}",
            "example 1 under match is not found",
        ),
        (
            "id: acme_a\npattern: 'ACME-1'\nexamples: {no_match: ['ACME-2', 'ACME-1']}",
            "example 2 under no_match is found",
        ),
    ] {
        let error = scanner(&[definition(yaml)]).err().unwrap().to_string();
        assert!(error.contains(expected), "{yaml}: {error}");
        assert!(!error.contains("SECRETVALUE"), "{error}");
    }
    let unknown = serde_norway::from_str::<Definition>("id: acme_a\npattern: a\nregex: b");
    assert!(unknown.unwrap_err().to_string().contains("unknown field `regex`"));
}

#[test]
fn two_detectors_cannot_have_one_id_and_there_is_a_most() {
    let one = definition("id: acme_a\npattern: 'ACME-1'");
    assert!(matches!(
        scanner(&[one.clone(), one.clone()]),
        Err(OwnError::Taken(_))
    ));
    assert!(matches!(accept(&vec![one; MOST + 1]), Err(OwnError::TooMany)));
}
