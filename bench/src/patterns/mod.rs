//! The regular expressions all peers search for: one for each detector of the catalogue.
//!
//! Each says what a tool that knows regular expressions alone would look for: the digits, letters
//! and separators of a form, a literal beginning, or a field name and what may follow it. Checksums,
//! dates and context are beyond them; so they find more than the scanner and have less to do.
//! Written from the catalogue's forms. Holds no value and runs nothing.

mod contact;
mod health;
mod identity;
mod payment;
mod secret;
mod special;

use std::collections::HashSet;

/// What stands for a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Syntax that the regex crate without Unicode and Hyperscan without flags read alike.
    Regex(&'static str),
    /// Why no regular expression can stand for it.
    #[cfg_attr(not(test), expect(dead_code, reason = "every row has a shape so far"))]
    None(&'static str),
}

/// A detector's id and its shape.
pub type Row = (&'static str, Shape);

/// A field name, then `:` or `=`, then the value.
macro_rules! named {
    ($names:literal, $value:literal) => {
        $crate::patterns::Shape::Regex(concat!(
            r#"(?i)\b(?:"#,
            $names,
            r#")["']?\s{0,3}[:=]\s{0,3}["']?(?:"#,
            $value,
            r")\b"
        ))
    };
}
use named;

/// Every row, whether this build has the detector or not.
pub fn all() -> impl Iterator<Item = Row> {
    [
        secret::ROWS,
        payment::ROWS,
        identity::ROWS,
        health::ROWS,
        contact::ROWS,
        special::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The regular expressions for the detectors that this build has.
pub fn of_this_build() -> Vec<&'static str> {
    let known: HashSet<&str> = auditor::detect::catalogue::all()
        .iter()
        .map(|row| row.id)
        .collect();
    regexes(|id| known.contains(id))
}

/// The regular expressions for the detectors that `wanted` says yes to.
pub fn regexes(wanted: impl Fn(&str) -> bool) -> Vec<&'static str> {
    all()
        .filter(|(id, _)| wanted(id))
        .filter_map(|(_, shape)| match shape {
            Shape::Regex(regex) => Some(regex),
            Shape::None(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use auditor::detect::catalogue;

    #[test]
    fn every_detector_of_the_catalogue_has_a_shape_or_a_reason_why_not() {
        for row in catalogue::all() {
            let mut shapes = all().filter(|(id, _)| *id == row.id);
            let (_, shape) = shapes
                .next()
                .unwrap_or_else(|| panic!("{} has no row in bench/src/patterns", row.id));
            assert!(shape != Shape::None(""), "{} gives no reason", row.id);
            assert!(shapes.next().is_none(), "{} has two rows", row.id);
        }
    }

    #[test]
    fn every_shape_is_a_regular_expression_that_matches_no_empty_text() {
        for (id, shape) in all() {
            let Shape::Regex(regex) = shape else { continue };
            let regex = regex::bytes::RegexBuilder::new(regex).unicode(false).build();
            let regex = regex.unwrap_or_else(|error| panic!("{id}: {error}"));
            assert!(!regex.is_match(b""), "{id}");
        }
    }

    #[test]
    fn shapes_find_published_test_values() {
        for (id, text) in [
            ("payment_card", r#""number":"4111 1111 1111 1111""#),
            ("iban", "GB29NWBK60161331926819"),
            ("us_ssn", "ssn: 078-05-1120"),
            ("email_address", "someone@example.com"),
            ("phone_number", "+1 202 555 0143"),
            ("aws_access_key_id", "AKIAIOSFODNN7EXAMPLE"),
            ("date_of_birth", r#""birth_date": "1980-02-03""#),
            ("card_cvv", r#""cvv":"123""#),
            ("password", "PASSWORD=hunter22"),
        ] {
            let found = all().any(|(row, shape)| {
                let Shape::Regex(regex) = shape else { return false };
                let regex = regex::bytes::RegexBuilder::new(regex).unicode(false).build();
                row == id && regex.unwrap().is_match(text.as_bytes())
            });
            assert!(found, "{id}");
        }
    }
}
