//! What holds for all rows of European numbers. What their checks claim is measured with all others, in
//! [`crate::detect::verify::national`].

use super::super::{Class, DetectorInfo, GDPR, Needs};
use super::{baltic, british_isles, central, german_speaking, nordic, south_eastern, southern, western};

fn rows() -> impl Iterator<Item = &'static DetectorInfo> {
    [
        british_isles::ROWS,
        western::ROWS,
        german_speaking::ROWS,
        nordic::ROWS,
        baltic::ROWS,
        central::ROWS,
        southern::ROWS,
        south_eastern::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[test]
fn a_row_says_what_its_class_needs() {
    for row in rows() {
        assert_eq!(row.regulations, [GDPR], "{}", row.id);
        let needs = if row.class == Class::C {
            Needs::Name
        } else {
            Needs::Nothing
        };
        assert_eq!(row.needs, needs, "{}", row.id);
        assert!(!row.keys.is_empty() && !row.families.is_empty(), "{}", row.id);
        for keys in [row.keys, row.words, row.siblings] {
            let mut sorted = keys.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), keys.len(), "{} repeats a name", row.id);
        }
    }
}
