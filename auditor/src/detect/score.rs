//! The score: evidence of the value, its name, its neighbours, for and against, in bits.
//!
//! Goes in: a match or a protected value, and the field it lies in. Comes out: a [`Detection`], or
//! nothing when what remains is below [`FLOOR`]. Holds no state.

use std::cell::OnceCell;
use std::ops::Range;

use super::candidate::Match;
use super::catalogue::{DetectorInfo, Needs};
use super::evidence;
use super::glance::Names;
use super::key::{Meaning, Promise, Strength};
use super::rows::{RowId, RowSet};
use super::scan::Scanner;
use super::state::{self, Protected};
use super::{Confidence, Detection, Evidence, State, context, sample};
use crate::content::{Document, Field};

/// Below this many bits a candidate says nothing at all and is dropped.
pub const FLOOR: f32 = 2.0;

/// What the name of a field is worth.
const EXACT: f32 = 8.0;
const FAMILY: f32 = 6.0;
const PARTIAL: f32 = 4.0;
/// A shared name that is also the very name of another detector: `ssn`.
const FAMILY_OF_ANOTHER: f32 = 4.0;
/// The same for a value that proves next to nothing by itself: a name in part is then no proof.
const PARTIAL_OF_WEAK: f32 = 2.0;
/// One weak clue: a sibling, a word near by.
const CLUE: f32 = 4.0;
/// The words right before the value are a name of such values.
const NAMED_BEFORE: f32 = 6.0;
/// A number in a field that has a name of other numbers.
const OTHER: f32 = -4.0;

/// A place in a field as scoring sees it, for all candidates that lie there.
pub(crate) struct Scene<'a> {
    scanner: &'a Scanner,
    pub(crate) document: &'a Document<'a>,
    range: Range<usize>,
    pub(crate) field: Field,
    meaning: Meaning,
    /// Rows beside whose values the fields around it usually stand.
    beside: RowSet,
    /// Rows beside whose values a field called like the object around it usually stands.
    object: RowSet,
    /// Rows that the words right before the place name, and those of which words near by speak; once
    /// asked.
    named_before: OnceCell<RowSet>,
    hinted: OnceCell<RowSet>,
}

impl<'a> Scene<'a> {
    /// Asks the document for the field around `range`.
    pub(crate) fn of(
        scanner: &'a Scanner,
        names: &mut Names,
        document: &'a Document<'a>,
        range: Range<usize>,
    ) -> Self {
        let field = document.field_at(range.clone());
        let key = field.key.as_deref().unwrap_or_default();
        let parent = parent(field.path.as_deref());
        let meaning = Meaning::of(&scanner.vocabulary, key.as_bytes(), parent.as_bytes());
        let mut beside = |name: &str| {
            let answer = names.answer(&scanner.vocabulary, name.as_bytes(), 0);
            names.glance(answer).beside
        };
        let object = beside(parent);
        let siblings = field.siblings.iter();
        let beside = siblings.fold(RowSet::EMPTY, |rows, sibling| rows.or(&beside(sibling.as_str())));
        Self {
            scanner,
            document,
            range,
            object,
            field,
            meaning,
            beside,
            named_before: OnceCell::new(),
            hinted: OnceCell::new(),
        }
    }

    /// True for the place of these candidates.
    pub(crate) fn is_at(&self, range: &Range<usize>) -> bool {
        self.range == *range
    }

    fn named_before(&self) -> &RowSet {
        let (vocabulary, bytes) = (&self.scanner.vocabulary, self.document.bytes);
        self.named_before
            .get_or_init(|| context::names_before(vocabulary, bytes, &self.range))
    }

    fn hinted(&self) -> &RowSet {
        let (vocabulary, bytes) = (&self.scanner.vocabulary, self.document.bytes);
        self.hinted
            .get_or_init(|| context::hints_near(vocabulary, bytes, &self.range))
    }

    /// The detector that a protected value belongs to by its name, as a match.
    pub(crate) fn claim(&self, range: Range<usize>, value: Protected) -> Option<(RowId, Match)> {
        let text = &self.document.bytes[range.clone()];
        let vocabulary = &self.scanner.vocabulary;
        let inner = state::placeholder_name(text).map(|name| Meaning::of(vocabulary, name, b""));
        let meanings = [Some(&self.meaning), inner.as_ref()];
        let (row, strength) = meanings
            .into_iter()
            .flatten()
            .flat_map(|meaning| {
                let rows = meaning.named().iter();
                rows.filter_map(|row| Some((row, meaning.strength(row)?)))
            })
            .filter(|(row, _)| !value.card_only || self.info(*row).id == "payment_card")
            .max_by_key(|(row, strength)| (*strength, std::cmp::Reverse(*row)))?;
        let row = self.written_as(row, value, text);
        let (state, under_masked) = value.judge(self.info(row).convention);
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
            found = found.because(bits_of(strength), "the name speaks of the kind of value");
        }
        found.under_masked = under_masked;
        Some((row, found))
    }

    /// Accounts are written as IBANs, too: a mask that leaves the country is one.
    fn written_as(&self, row: RowId, value: Protected, text: &[u8]) -> RowId {
        let is_iban = value.mask.is_some_and(|mask| mask.is_iban(text));
        if is_iban && self.info(row).id == "bank_account" {
            return self.scanner.row("iban").unwrap_or(row);
        }
        row
    }

    fn info(&self, row: RowId) -> &'static DetectorInfo {
        self.scanner.rows[row.index()]
    }

    /// Adds what the field says and decides. `is_beaten` is asked of a rank: by what overlaps it and is
    /// better. Then the rest is not worth the time.
    pub(crate) fn judge(
        &self,
        id: RowId,
        found: Match,
        is_beaten: impl FnOnce(Rank) -> bool,
    ) -> Option<Detection> {
        let row = self.info(id);
        let Match {
            range,
            state,
            under_masked,
            mut evidence,
            extra_regulations,
        } = found;
        let value = &self.document.bytes[range.clone()];
        let own_bits: f32 = evidence.iter().map(|line| line.bits).sum();
        let mut add = |bits: f32, reason: &'static str| {
            evidence.push(Evidence {
                bits,
                reason: reason.into(),
            })
        };
        let strength = self.meaning.strength(id);
        let beside = self.company(id, strength);
        match strength {
            Some(Strength::Exact) => {
                add(EXACT, "the field has a name of such values");
                if self.field.value == range {
                    add(1.0, "it is all that the field holds");
                }
            }
            Some(Strength::Family) => add(
                // `pin` is a password's name, too: what stands beside it says which.
                if self.meaning.is_exact() && beside.is_none() {
                    FAMILY_OF_ANOTHER
                } else {
                    FAMILY
                },
                "the field has a name that such values share with others",
            ),
            Some(Strength::Partial) if own_bits < 3.0 && state == State::Clear => {
                add(PARTIAL_OF_WEAK, "part of the field's name speaks of such values");
            }
            Some(Strength::Partial) => add(PARTIAL, "part of the field's name speaks of such values"),
            None => {}
        }
        let named = strength.is_none() && self.named_before().contains(id);
        let hinted = named || strength.is_none() && self.hinted().contains(id);
        if named {
            add(NAMED_BEFORE, "the words before it are a name of such values");
        } else if hinted {
            add(CLUE, "a word near by speaks of such values");
        }
        if let Some(reason) = beside {
            add(CLUE, reason);
        }
        let enough = match row.needs {
            Needs::Nothing => true,
            Needs::Name => strength.is_some() || hinted,
            Needs::Key => strength.is_some(),
            Needs::KeyAndSibling => strength.is_some() && beside.is_some(),
            Needs::KeyOrSibling => strength.is_some() || beside.is_some(),
        };
        if !enough && state == State::Clear {
            return None;
        }
        let numbers = &self.scanner.numbers;
        if strength.is_none() && numbers.contains(id) && self.meaning.is_of_one(numbers) {
            add(OTHER, "the field has a name of other values");
        }
        if self.scanner.numbers.contains(id) && strength != Some(Strength::Exact) {
            for (bits, reason) in evidence::against(value, self.meaning.against, strength) {
                add(bits, reason);
            }
        }
        let declared_masked = state == State::Clear && strength.is_some() && self.promises(row);
        if declared_masked {
            add(0.0, "the field's name promises that it is masked");
        }
        let score_bits = evidence.iter().map(|line| line.bits).sum();
        if score_bits < self.scanner.floor || is_beaten(Rank::new(score_bits, &range, state)) {
            return None;
        }
        evidence.sort_by(|a, b| b.bits.total_cmp(&a.bits));
        Some(Detection {
            detector: row.id,
            row,
            state,
            confidence: Confidence::of_bits(score_bits),
            score_bits,
            evidence,
            declared_masked,
            under_masked,
            extra_regulations,
            sample: sample::of(row, value, state),
            length: value.len(),
            fingerprint: self
                .scanner
                .fingerprinter
                .fingerprint(&sample::normalise(row, value, state)),
            range,
            field: self.field.clone(),
        })
    }

    /// Why what stands around the field speaks for the row: `cardNumber` beside `pin`, or `pin` in an
    /// object called `card`. The object says nothing of a field whose own name says nothing.
    fn company(&self, row: RowId, strength: Option<Strength>) -> Option<&'static str> {
        if self.beside.contains(row) {
            Some("a field beside it usually stands beside such values")
        } else if strength.is_some() && self.object.contains(row) {
            Some("the object around it usually holds such values")
        } else {
            None
        }
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

/// Which of two readings of the same bytes is better: more bits, then more bytes, then a protected or
/// test reading over a clear one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(i32, usize, bool);

impl Rank {
    fn new(score_bits: f32, range: &Range<usize>, state: State) -> Self {
        Self((score_bits * 16.0) as i32, range.len(), state != State::Clear)
    }

    pub(crate) fn of(detection: &Detection) -> Self {
        Self::new(detection.score_bits, &detection.range, detection.state)
    }
}

fn bits_of(strength: Strength) -> f32 {
    match strength {
        Strength::Exact => EXACT,
        Strength::Family => FAMILY,
        Strength::Partial => PARTIAL,
    }
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
    use crate::content::{FieldLookup, Format};
    use crate::detect::{Fingerprinter, Scan as _};

    /// The same field everywhere.
    struct Fixed(Field);

    impl FieldLookup for Fixed {
        fn field_at(&self, _: &[u8], at: Range<usize>) -> Field {
            Field {
                value: at,
                ..self.0.clone()
            }
        }
    }

    /// Detectors of all but low detections in a text whose one field is `path` and has `siblings`.
    fn told(text: &str, path: &str, siblings: &[&str]) -> Vec<(&'static str, Confidence)> {
        let format = if text.starts_with('{') {
            Format::Json
        } else {
            Format::Text
        };
        let fields = Fixed(Field {
            path: Some(path.to_owned()),
            key: path
                .rsplit('.')
                .next()
                .filter(|_| !path.is_empty())
                .map(str::to_owned),
            siblings: siblings.iter().map(|name| (*name).to_owned()).collect(),
            ..Field::default()
        });
        let mut found = Vec::new();
        Scanner::new(Fingerprinter::new([7; 32]))
            .scan(&Document::whole(text.as_bytes(), format, &fields), &mut found);
        let known = found.iter().filter(|found| found.confidence > Confidence::Low);
        known.map(|found| (found.detector, found.confidence)).collect()
    }

    #[test]
    fn what_stands_around_a_shared_name_says_whose_it_is() {
        use Confidence::High;
        for (text, path, siblings, expected) in [
            // Alone a PIN is a password; beside a card, or in an object called so, it is a card's.
            (r#"{"pin":"4711"}"#, "$.pin", &[][..], Some(("password", High))),
            (
                r#"{"pin":"4711"}"#,
                "$.user.pin",
                &["login"],
                Some(("password", High)),
            ),
            (
                r#"{"pin":"4711"}"#,
                "$.pin",
                &["card_number"],
                Some(("card_pin", High)),
            ),
            (
                r#"{"card":{"pin":"4711"}}"#,
                "$.card.pin",
                &[],
                Some(("card_pin", High)),
            ),
            (
                r#"{"cards":[{"pin":"4711"}]}"#,
                "$.cards[0].pin",
                &["number"],
                Some(("card_pin", High)),
            ),
            // A bare number is no password, and no PIN without a card: `{"pin":110001}` is a postal code in India.
            (r#"{"pin":110001}"#, "$.pin", &["city"], None),
            (
                r#"{"card":{"pin":4711}}"#,
                "$.card.pin",
                &[],
                Some(("card_pin", High)),
            ),
            (
                r#"{"card":{"cvc":"123"}}"#,
                "$.card.cvc",
                &["number"],
                Some(("card_cvv", High)),
            ),
            (
                r#"{"card":{"exp":"12/28"}}"#,
                "$.card.exp",
                &["number"],
                Some(("card_expiry", High)),
            ),
            (r#"{"cvc":"123"}"#, "$.cvc", &["number"], None),
            // The object says nothing where the name of the field says nothing.
            (
                r#"{"account":{"count":"12345678"}}"#,
                "$.account.count",
                &[],
                None,
            ),
        ] {
            assert_eq!(
                told(text, path, siblings).first().copied(),
                expected,
                "{text} {path}"
            );
        }
    }

    #[test]
    fn words_before_a_value_name_it_in_a_sentence() {
        use Confidence::{High, Medium};
        for (text, expected) in [
            ("Her IMSI is 262011234567890 now", Some(("imsi", Medium))),
            ("IMSI of which 262011234567890 is one", None),
            ("a call about 262011234567890", None),
            ("born on 3 May 1984 in Leeds", Some(("date_of_birth", Medium))),
            ("geboren am 3. Mai 1984", Some(("date_of_birth", Medium))),
            ("née le 3 mai 1984 à Lyon", Some(("date_of_birth", Medium))),
            ("nato il 3 maggio 1984", Some(("date_of_birth", Medium))),
            ("urodzona 3 maja 1984", Some(("date_of_birth", Medium))),
            ("met on 3 May 1984 in Leeds", None),
            ("came from IP 81.2.69.142 twice", Some(("ip_address", Medium))),
            ("release 81.2.69.142 is out", None),
            ("its MAC is 3c:22:fb:4e:9a:01", Some(("mac_address", High))),
            ("at 3c:22:fb:4e:9a:01", None),
            (
                "IDFA 6d92078a-8246-4ba4-ae5b-76104861e7dc",
                Some(("advertising_id", High)),
            ),
            ("request 6d92078a-8246-4ba4-ae5b-76104861e7dc", None),
        ] {
            assert_eq!(told(text, "", &[]).first().copied(), expected, "{text}");
        }
    }

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
