//! Any bytes, hostile runs, and prefixes that must not hide each other.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::detect::candidate::Value;

#[test]
fn no_prefix_hides_another_row_behind_it() {
    let rows: Vec<_> = rows()
        .flat_map(|row| row.triggers.iter().map(move |trigger| (row, trigger)))
        .filter_map(|(row, trigger)| match trigger {
            Trigger::Prefix { prefixes, .. } => Some((row, *prefixes)),
            _ => None,
        })
        .flat_map(|(row, prefixes)| prefixes.iter().map(move |prefix| (row.id, *prefix)))
        .collect();
    for (n, (id, prefix)) in rows.iter().enumerate() {
        for (other, later) in &rows[n + 1..] {
            // A secret beside a key id is looked for where the id is.
            let paired = *other == "aws_secret_access_key";
            assert!(
                paired || !later.starts_with(prefix),
                "{prefix} of {id} hides {later} of {other}"
            );
        }
    }
}

#[test]
fn hostile_runs_take_linear_time() {
    const SIZE: usize = 1 << 20;
    let key = format!("AKIA{} ", upper(16));
    for unit in [
        "eyJ",
        "eyJ.",
        "eyJ-",
        "eyJhbGciOiJIUzI1NiJ9.",
        "://",
        "@",
        "a:b@",
        "://a:b@",
        "x:@",
        "sk_live_",
        "sk_live_ ",
        "ghp_*",
        "glpat-x.",
        "AIza-",
        "Password=",
        "Server=;Password=a;",
        "password=a ",
        "session=",
        "; session=",
        "Cookie: session=a;",
        "Bearer ",
        "Bearer a.",
        "Basic ",
        "sig=",
        "?sig=a%3D&se=&sv=",
        "us1",
        "-us1",
        "key-",
        "SK0",
        "otpauth://totp/?secret=",
        "private_key_id",
        "BEGIN ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "hooks.slack.com/services/a/",
        "AccountKey=",
        key.as_str(),
        "xoxb-1-",
        "xoxe.xoxp-",
        "dp.pt.",
        "hvs.",
        "@tcp(",
        "a:b@tcp(",
        "pypi-AgEI",
        "sk-ant-a1-",
        "sk-",
    ] {
        let text = unit.repeat(SIZE / unit.len());
        let begun = Instant::now();
        run(text.as_bytes());
        // Measured in a test build: 0.8 s at most, and 6 s on a machine with eight times the work it can do.
        // A quadratic verifier would need minutes.
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{unit:?} took {:?}",
            begun.elapsed()
        );
    }
}

/// Asks every verifier at every place its trigger fits, by first bytes.
fn run(text: &[u8]) {
    let mut by_byte: Vec<Vec<(&str, Verifier)>> = vec![Vec::new(); 256];
    for row in rows() {
        for trigger in row.triggers {
            match trigger {
                Trigger::Prefix { prefixes, verify } => prefixes
                    .iter()
                    .for_each(|prefix| by_byte[usize::from(prefix.as_bytes()[0])].push((*prefix, *verify))),
                Trigger::At { verify } => by_byte[usize::from(b'@')].push(("@", *verify)),
                _ => {}
            }
        }
    }
    for at in 0..text.len() {
        for (prefix, verify) in &by_byte[usize::from(text[at])] {
            if text[at..].starts_with(prefix.as_bytes()) {
                let place = Place {
                    bytes: text,
                    at,
                    format: Format::Text,
                };
                let _ = verify(&place);
            }
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static str> = rows()
        .flat_map(|row| row.triggers)
        .flat_map(|trigger| match trigger {
            Trigger::Prefix { prefixes, .. } => *prefixes,
            _ => &[],
        })
        .copied()
        .chain([
            "-----",
            "****",
            "…",
            "[REDACTED]",
            "@",
            "://",
            ":",
            "=",
            "; ",
            "Cookie: ",
            "?secret=",
            "%3D",
            "\\u2026",
            "%",
        ])
        .collect();
    prop_oneof![
        3 => prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        1 => "[a-zA-Z0-9]{0,50}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn no_verifier_panics_and_every_range_lies_in_the_text(parts in prop::collection::vec(pieces(), 0..12)) {
        let text = parts.concat();
        for (_, found) in found(&text, Format::Text) {
            prop_assert!(found.range.start < found.range.end && found.range.end <= text.len());
            prop_assert!(!found.under_masked || found.state == State::Clear);
        }
    }

    #[test]
    fn no_check_of_a_value_panics(text in prop::collection::vec(any::<u8>(), 1..513), quoted: bool) {
        for row in rows() {
            for trigger in row.triggers {
                if let Trigger::Named { check } = trigger {
                    for format in [Format::Json, Format::Text, Format::Form] {
                        let _ = check(&Value { text: &text, quoted, format });
                    }
                }
            }
        }
    }
}
