//! Which field a value was in: the same for every message of a flow.
//!
//! Goes in: both ends, the operation, the part and the [`Field`]. Comes out: hashes. Neither a
//! name nor a path is kept, so an entry has one size whatever a peer sends, and a file of sketches
//! tells nobody which fields there are.

use sha2::{Digest as _, Sha256};

use super::number_of;
use crate::content::Field;
use crate::detect::Fingerprinter;

/// A field of an operation, whoever talks. Not keyed: stays in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spot {
    hash: u128,
    /// Of the nearest name alone; see [`super::Suspects::may_be_named`].
    pub(super) name: u64,
}

impl Spot {
    /// The field of this part of this operation; `None` where the text has no fields.
    pub fn of(operation: Option<&str>, part: &str, field: &Field) -> Option<Self> {
        let name = name_hash(field.key.as_deref().unwrap_or_default().as_bytes());
        let mut hash = Sha256::new();
        for text in [operation.unwrap_or_default(), part] {
            add(&mut hash, text.as_bytes());
        }
        match (&field.path, &field.key) {
            (Some(path), _) => add(&mut hash, generalised(path).as_bytes()),
            (None, Some(key)) => add(&mut hash, key.as_bytes()),
            (None, None) => return None,
        }
        Some(Self {
            hash: first_half(&hash.finalize()),
            name,
        })
    }
}

impl Spot {
    /// A hash of the field, a number's lead and what it failed: in memory only.
    pub fn with(&self, detector: &str, lead: u64) -> u64 {
        (self.hash as u64 ^ lead ^ name_hash(detector.as_bytes())).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1
    }
}

/// A field between two ends, or of a file: what a sketch is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// Keyed.
    pub(super) key: u128,
    pub(super) spot: Spot,
}

impl FieldRef {
    /// The field at `spot` between `ends`: any texts that name them, in order.
    pub(super) fn of(keyed: &Fingerprinter, ends: &[&str], spot: Spot) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"field");
        for end in ends {
            add(&mut hash, end.as_bytes());
        }
        hash.update(spot.hash.to_le_bytes());
        Self {
            key: number_of(&keyed.fingerprint(&hash.finalize())),
            spot,
        }
    }
}

/// A hash of a name as sent; in memory only.
pub(super) fn name_hash(name: &[u8]) -> u64 {
    // FNV-1a; who provokes a collision gets a name that is looked at once more.
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    name.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Texts of any content stay apart by their lengths.
fn add(hash: &mut Sha256, text: &[u8]) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn first_half(digest: &[u8]) -> u128 {
    digest
        .iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// `$.cards[12].number` → `$.cards[*].number`.
fn generalised(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        let (before, bracket) = rest.split_at(open + 1);
        out.push_str(before);
        let digits = bracket.bytes().take_while(u8::is_ascii_digit).count();
        let is_index = digits > 0 && bracket.as_bytes().get(digits) == Some(&b']');
        if is_index {
            out.push('*');
            rest = &bracket[digits..];
        } else {
            rest = bracket;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_an_array_are_one_field() {
        for (path, expected) in [
            ("$.cards[12].number", "$.cards[*].number"),
            ("$[0][1]", "$[*][*]"),
            ("$.a['x'].b[", "$.a['x'].b["),
            ("$.a[1", "$.a[1"),
            ("$.é[7].ü", "$.é[*].ü"),
            ("number", "number"),
        ] {
            assert_eq!(generalised(path), expected);
        }
    }

    #[test]
    fn a_field_is_told_by_ends_operation_part_and_path() {
        let keyed = Fingerprinter::new([7; 32]);
        let spot = |operation, part, path: &str| {
            let field = Field {
                path: Some(path.into()),
                ..Field::default()
            };
            Spot::of(operation, part, &field).unwrap()
        };
        let base = spot(Some("POST /a"), "request.body", "$.a[1]");
        assert_eq!(base, spot(Some("POST /a"), "request.body", "$.a[2]"));
        for other in [
            spot(None, "request.body", "$.a[1]"),
            spot(Some("POST /a"), "response.body", "$.a[1]"),
            spot(Some("POST /a"), "request.body", "$.b[1]"),
            spot(Some("POST /arequest"), ".body", "$.a[1]"),
        ] {
            assert_ne!(base, other);
        }
        assert_ne!(
            FieldRef::of(&keyed, &["a", "b"], base),
            FieldRef::of(&keyed, &["b", "a"], base)
        );
        assert_ne!(
            FieldRef::of(&keyed, &["a", "b"], base).key,
            FieldRef::of(&Fingerprinter::new([8; 32]), &["a", "b"], base).key
        );
        assert!(Spot::of(None, "file", &Field::default()).is_none());
    }
}
