//! The score: evidence of the value, its name, its neighbours, for and against, in bits.
//!
//! Goes in: a match or a protected value, and the field it lies in. Comes out: a [`Detection`], or
//! nothing when what remains is below [`FLOOR`]. Holds no state.

use std::ops::Range;

use super::candidate::Match;
use super::catalogue::{DetectorInfo, Trigger};
use super::fingerprint::Fingerprinter;
use super::key::{Meaning, Name, Promise, Strength};
use super::state::{self, Protected};
use super::{Confidence, Detection, Evidence, State, context, sample};
use crate::content::{Document, Field};

/// Below this many bits a candidate says nothing at all and is dropped.
pub(crate) const FLOOR: f32 = 2.0;

/// What the name of a field is worth.
const EXACT: f32 = 8.0;
const PARTIAL: f32 = 4.0;
/// One weak clue: a sibling, a word near by.
const CLUE: f32 = 4.0;
/// A name that speaks of an id, a time or an amount.
const AGAINST: f32 = -6.0;

/// A field as scoring sees it.
pub(crate) struct Scene<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) field: Field,
    meaning: Meaning,
}

impl<'a> Scene<'a> {
    /// Asks the document for the field around `range`.
    pub(crate) fn of(document: &'a Document<'a>, range: Range<usize>) -> Self {
        let field = document.field_at(range);
        let key = field.key.as_deref().unwrap_or_default();
        let meaning = Meaning::of(key.as_bytes(), parent(field.path.as_deref()).as_bytes());
        Self {
            document,
            field,
            meaning,
        }
    }

    /// The detector that a protected value belongs to by its name, as a match.
    pub(crate) fn claim(
        &self,
        range: Range<usize>,
        value: Protected,
    ) -> Option<(&'static DetectorInfo, Match)> {
        let text = &self.document.bytes[range.clone()];
        let inner = state::placeholder_name(text).map(|name| Meaning::of(name, b""));
        let names = self.meaning.named().chain(inner.iter().flat_map(Meaning::named));
        let fits = |row: &DetectorInfo| !value.card_only || row.id == "payment_card";
        let best = names
            .filter(|(row, _)| fits(row))
            .max_by_key(|(_, strength)| *strength);
        let (row, strength) = best?;
        let (state, under_masked) = value.judge(row.convention);
        // Too little is hidden to say that this is such a value at all.
        if under_masked
            && value
                .mask
                .is_some_and(|mask| mask.head + mask.middle + mask.tail < 4 || mask.total() > 34)
        {
            return None;
        }
        let mut found = Match::new(range, state).because(value.bits, format!("is {}", value.how));
        if self.meaning.strength(row).is_none() {
            found = found.because(bits_of(strength), "the placeholder names the kind of value");
        }
        found.under_masked = under_masked;
        Some((row, found))
    }

    /// Adds what the field says and decides.
    pub(crate) fn judge(
        self,
        row: &'static DetectorInfo,
        found: Match,
        keyed: &Fingerprinter,
    ) -> Option<Detection> {
        let Match {
            range,
            state,
            under_masked,
            mut evidence,
            ..
        } = found;
        let mut add = |bits: f32, reason: &str| {
            evidence.push(Evidence {
                bits,
                reason: reason.into(),
            })
        };
        let strength = self.meaning.strength(row);
        match strength {
            Some(Strength::Exact) => {
                add(EXACT, "the field has a name of such values");
                if self.field.value == range {
                    add(1.0, "it is all that the field holds");
                }
            }
            Some(Strength::Partial) => add(PARTIAL, "part of the field's name speaks of such values"),
            None if context::word_near(self.document.bytes, &range, row).is_some() => {
                add(CLUE, "a word near by speaks of such values");
            }
            None => {}
        }
        if self.field.siblings.iter().any(|sibling| is_sibling(sibling, row)) {
            add(CLUE, "a field beside it usually stands beside such values");
        }
        let is_number = row
            .triggers
            .iter()
            .any(|trigger| matches!(trigger, Trigger::Digits { .. }));
        if is_number && strength != Some(Strength::Exact) && self.meaning.against.is_some() {
            add(AGAINST, "the field's name speaks of an id, a time or an amount");
        }
        let declared_masked = state == State::Clear && strength.is_some() && self.promises(row);
        if declared_masked {
            add(0.0, "the field's name promises that it is masked");
        }
        let score_bits = evidence.iter().map(|line| line.bits).sum();
        if score_bits < FLOOR {
            return None;
        }
        evidence.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        let value = &self.document.bytes[range.clone()];
        Some(Detection {
            detector: row.id,
            state,
            confidence: Confidence::of_bits(score_bits),
            score_bits,
            evidence,
            declared_masked,
            under_masked,
            sample: sample::of(row, value, state),
            length: value.len(),
            fingerprint: keyed.fingerprint(&sample::normalise(row, value, state)),
            range,
            field: self.field,
        })
    }

    /// Whether the name promises a protected value; `access_token` promises nothing of a secret.
    fn promises(&self, row: &DetectorInfo) -> bool {
        match self.meaning.promise {
            None => false,
            Some(Promise::Tokenised) => row.category != "secret",
            Some(Promise::Masked | Promise::LastFour | Promise::Hashed | Promise::Encrypted) => true,
        }
    }
}

fn bits_of(strength: Strength) -> f32 {
    match strength {
        Strength::Exact => EXACT,
        Strength::Partial => PARTIAL,
    }
}

fn is_sibling(name: &str, row: &DetectorInfo) -> bool {
    let name = Name::of(name.as_bytes());
    row.siblings.iter().any(|known| known.as_bytes() == name.joined())
}

/// The name of the object around a field: `card` of `$.buyer.cards[1].number`.
fn parent(path: Option<&str>) -> &str {
    let mut segments = path.unwrap_or_default().rsplit('.').skip(1);
    let name = segments.next().unwrap_or_default();
    let name = name.split('[').next().unwrap_or_default();
    if name == "$" {
        ""
    } else {
        name.strip_suffix('s').unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_of_a_field_is_the_object_around_it() {
        for (path, expected) in [
            ("$.buyer.cards[1].number", "card"),
            ("$.card.number", "card"),
            ("$.number", ""),
            ("number", ""),
            ("", ""),
        ] {
            assert_eq!(parent(Some(path)), expected, "{path}");
        }
    }
}
