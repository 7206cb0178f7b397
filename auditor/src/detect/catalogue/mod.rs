//! What can be detected: one row per detector, one file per category.
//!
//! A detector is a row here plus a verifier in [`super::verify`]; the scanner finds candidates by
//! the row's [`Trigger`] and needs no change for a new row. Ids are a contract: they appear in
//! findings, metric labels and policies. Holds no state and looks at no traffic.

mod contact;
mod describe;
pub(crate) mod family;
mod health;
mod identity;
#[cfg(test)]
mod languages;
mod payment;
mod secret;
mod special;

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use super::Severity;
use super::candidate::{Digits, Match, Place, Proof, Value};

/// General Data Protection Regulation.
pub const GDPR: &str = "gdpr";
/// GDPR article 9, special categories.
pub const GDPR_ART9: &str = "gdpr-art9";
/// Payment Card Industry Data Security Standard.
pub const PCI_DSS: &str = "pci-dss";
/// Health Insurance Portability and Accountability Act.
pub const HIPAA: &str = "hipaa";
/// California Consumer Privacy Act.
pub const CCPA: &str = "ccpa";
/// No law: a credential that opens something.
pub const SECRET: &str = "secret";

/// How much a value of a kind proves by itself. Describes; the bits of the score decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Self-proving.
    A,
    /// Checksum and structure; one weak clue makes it sure.
    B,
    /// Nothing without a key, a column or a word beside it.
    C,
    /// The key makes it sensitive.
    D,
}

impl Class {
    /// One letter.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }
}

/// What may stay readable in a masked value of this kind, how its sample is cut and how it is
/// normalised before fingerprinting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Convention {
    /// First six (eight with an eight-digit issuer number) and last four digits.
    Card,
    /// Last four characters.
    LastFour,
    /// Last four digits; a country code behind `+` may stay.
    Phone,
    /// Two characters of the local part or a mask run of three, and the domain.
    Email,
    /// Country and last four characters.
    Iban,
    /// The public prefix of a secret (this many bytes) and its last four characters.
    Secret(usize),
    /// The first letter of each word: names.
    Initials,
    /// The first two groups: network addresses.
    Network,
    /// Nothing: short or free values.
    Hidden,
}

/// What must stand around a value before it may be reported at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// A field name, a column or a word near by that speaks of such values.
    Name,
    /// A field name or a column; words near by do not do.
    Key,
    /// A field name or a column, and a sibling.
    KeyAndSibling,
    /// A field name, a column, or a sibling.
    KeyOrSibling,
}

/// What in the text makes the scanner ask a verifier.
#[derive(Clone)]
pub(crate) enum Trigger {
    /// Digits, in one run or in groups, of one of these total lengths, not inside of a word.
    Digits {
        lengths: &'static [u8],
        /// Whether `verify` may take digits in one run, without a plus sign, where neither a name
        /// nor a word speaks of such values.
        bare: bool,
        verify: fn(&Digits<'_>) -> Option<Match>,
    },
    /// Two letters and two digits at the start of a word.
    Country { verify: fn(&Place<'_>) -> Option<Match> },
    /// An at sign.
    At { verify: fn(&Place<'_>) -> Option<Match> },
    /// One of these literal beginnings (case-sensitive, three bytes or more).
    Prefix {
        prefixes: &'static [&'static str],
        verify: fn(&Place<'_>) -> Option<Match>,
    },
    /// Letters and digits in one of these forms, at word boundaries.
    ///
    /// In a form `9` is a digit, `A` a letter and `N` either; anything else is a separator and
    /// stands for itself, once between two groups: `999.999.999-99`. A space stands for any white
    /// space a format can write there. `check` gets the letters and digits alone, in upper case,
    /// and need not look at what the form already says.
    Form {
        forms: &'static [&'static str],
        check: fn(&[u8]) -> Option<Proof>,
    },
    /// A word of letters and digits, at least one of them a digit, by its length in bytes and its
    /// first byte; its letters keep their case.
    Word {
        lengths: RangeInclusive<usize>,
        first: &'static [u8],
        verify: fn(&Place<'_>) -> Option<Match>,
    },
    /// The whole value of a field whose name is one of the row's.
    Named { check: fn(&Value<'_>) -> Option<Proof> },
}

/// One detector.
pub struct DetectorInfo {
    /// Name in findings, metrics and policies.
    pub id: &'static str,
    pub category: &'static str,
    pub regulations: &'static [&'static str],
    pub class: Class,
    /// Severity of a clear value.
    pub severity: Severity,
    /// Normalised names of fields that hold such values (lower case, no separators, no marks).
    pub keys: &'static [&'static str],
    /// Words that hint at such a value when they are part of a name or stand near the value.
    pub words: &'static [&'static str],
    /// Normalised names of fields that usually stand beside such a value.
    pub siblings: &'static [&'static str],
    /// What is checked, for people.
    pub explanation: &'static str,
    /// Where the rules come from.
    pub source: &'static str,
    /// Names that several countries' values share (`nationalid`): see [`family`].
    pub(crate) families: &'static [&'static [&'static str]],
    pub(crate) needs: Needs,
    pub(crate) convention: Convention,
    pub(crate) triggers: &'static [Trigger],
}

impl DetectorInfo {
    /// What rows leave out: `DetectorInfo { id: "…", …, ..DetectorInfo::BASE }`.
    pub(crate) const BASE: Self = Self {
        id: "",
        category: "",
        regulations: &[],
        class: Class::C,
        severity: Severity::High,
        keys: &[],
        words: &[],
        siblings: &[],
        explanation: "",
        source: "",
        families: &[],
        needs: Needs::Nothing,
        convention: Convention::LastFour,
        triggers: &[],
    };
}

impl std::fmt::Debug for DetectorInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DetectorInfo").field(&self.id).finish()
    }
}

static ALL: LazyLock<Vec<&'static DetectorInfo>> = LazyLock::new(|| {
    [
        &[payment::ROWS],
        identity::ROWS,
        &[health::ROWS, contact::ROWS, special::ROWS, secret::ROWS],
    ]
    .concat()
    .concat()
});

/// Every detector of this build, by category.
pub fn all() -> &'static [&'static DetectorInfo] {
    &ALL
}

/// The detector of this id.
pub fn find(id: &str) -> Option<&'static DetectorInfo> {
    all().iter().copied().find(|row| row.id == id)
}

/// The known id that has `id` for a word or takes the fewest edits, for error messages. `id` is
/// cut at 64 bytes.
pub fn nearest(id: &str) -> &'static str {
    let wanted = &id.as_bytes()[..id.len().min(64)];
    let distance = |known: &&str| {
        let within = known.split('_').any(|word| word.as_bytes() == wanted);
        (!within, edits(wanted, known.as_bytes()))
    };
    all().iter().map(|row| row.id).min_by_key(distance).unwrap_or("")
}

/// Levenshtein distance in bytes.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::key::Name;

    #[test]
    fn ids_are_unique_and_found() {
        for row in all() {
            assert_eq!(find(row.id).map(|found| found.id), Some(row.id));
            assert_eq!(all().iter().filter(|other| other.id == row.id).count(), 1);
            assert!(!row.explanation.is_empty() && !row.source.is_empty());
        }
        assert!(find("nothing").is_none());
    }

    #[test]
    fn the_names_in_the_tables_are_in_normal_form() {
        for row in all() {
            for name in row.keys.iter().chain(row.words).chain(row.siblings) {
                assert_eq!(Name::of(name.as_bytes()).joined(), name.as_bytes(), "{}", row.id);
            }
        }
    }

    #[test]
    fn a_mistyped_id_finds_the_one_meant() {
        assert_eq!(nearest("payment_crad"), "payment_card");
        assert_eq!(nearest("email"), "email_address");
        assert_eq!(nearest("ssn"), "us_ssn");
    }
}
