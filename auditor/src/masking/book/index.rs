//! Names that many fields share, and the hashes that fields are found by.
//!
//! A field is known by 128 bits of a hash with secret factors, so that nobody can make two fields
//! look the same.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::names::{Names, TEXT_LIMIT, cut};
use crate::masking::Party;
use crate::masking::row::{Field, Row};
use crate::report::observation::Observation;

/// Names kept before those that nobody uses are looked for.
const NAMES: usize = 65_536;

/// Hashes of a field of one kind of data, of the field whatever its data, and of its two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) field: u128,
    pub(super) place: u128,
    pub(super) ends: u128,
}

type Quick = foldhash::fast::RandomState;

type Detector = (Arc<str>, Arc<[Box<str>]>);

#[derive(Debug, Default)]
pub(super) struct Index {
    seeds: [RandomState; 2],
    text: Vec<u8>,
    parties: HashSet<Arc<Party>, Quick>,
    texts: HashSet<Arc<str>, Quick>,
    detectors: HashMap<Arc<str>, Detector, Quick>,
}

impl Index {
    /// The same name, shared.
    pub(super) fn party(&mut self, party: Party) -> Arc<Party> {
        if let Some(known) = self.parties.get(&party) {
            return Arc::clone(known);
        }
        if self.parties.len() >= NAMES {
            self.parties.retain(|party| Arc::strong_count(party) > 1);
        }
        let party = Arc::new(party);
        self.parties.insert(Arc::clone(&party));
        party
    }

    /// The same text, shared: of parts and detectors, which are few.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= NAMES {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    /// What is known of a detector, shared; with regulations of one value of it where it has some.
    pub(super) fn detector(
        &mut self,
        id: &str,
        category: &str,
        regulations: &[impl AsRef<str>],
        extra: &[&str],
    ) -> (Arc<str>, Arc<str>, Arc<[Box<str>]>) {
        let id = self.text(id);
        if !self.detectors.contains_key(&id) {
            let category = self.text(category);
            let regulations = regulations.iter().map(|text| text.as_ref().into()).collect();
            self.detectors.insert(Arc::clone(&id), (category, regulations));
        }
        let (category, base) = self.detectors[&id].clone();
        if extra.is_empty() {
            return (id, category, base);
        }
        let mut all = base.to_vec();
        all.extend(extra.iter().map(|&text| text.into()));
        all.sort();
        all.dedup();
        (id, category, all.into())
    }

    pub(super) fn keys(&mut self, source: &Party, destination: &Party, observation: &Observation) -> Keys {
        let detection = &observation.detection;
        let field = detection.field.path.as_deref().map(without_indices);
        self.hash_all(
            [source, destination],
            observation.flow.operation.as_deref(),
            observation.place.name(),
            field.as_deref(),
            detection.detector,
        )
    }

    pub(super) fn keys_of(&mut self, field: &Field) -> Keys {
        self.hash_all(
            [&field.source, &field.destination],
            field.operation.as_deref(),
            &field.part,
            field.field.as_deref(),
            &field.detector,
        )
    }

    pub(super) fn ends(&mut self, source: &Party, destination: &Party) -> u128 {
        self.text.clear();
        party(&mut self.text, source);
        party(&mut self.text, destination);
        self.hash()
    }

    pub(super) fn names(&mut self, row: &Row) -> Names {
        let field = &row.field;
        let (detector, category, regulations) =
            self.detector(&field.detector, &row.category, &row.regulations, &[]);
        let regulations = match *regulations == *row.regulations {
            true => regulations,
            false => row.regulations.as_slice().into(),
        };
        Names {
            source: self.party(field.source.clone()),
            destination: self.party(field.destination.clone()),
            operation: field.operation.as_deref().map(cut),
            part: self.text(&field.part),
            field: field.field.as_deref().map(cut),
            detector,
            category,
            regulations,
        }
    }

    fn hash_all(
        &mut self,
        ends: [&Party; 2],
        operation: Option<&str>,
        part: &str,
        field: Option<&str>,
        detector: &str,
    ) -> Keys {
        let ends = self.ends(ends[0], ends[1]);
        for text in [operation, Some(part), field] {
            // As it is kept, so that it is found again.
            write(
                &mut self.text,
                text.map(|text| &text[..text.floor_char_boundary(TEXT_LIMIT)]),
            );
        }
        let place = self.hash();
        write(&mut self.text, Some(detector));
        Keys {
            field: self.hash(),
            place,
            ends,
        }
    }

    fn hash(&self) -> u128 {
        let [a, b] = [&self.seeds[0], &self.seeds[1]].map(|seed| u128::from(seed.hash_one(&self.text)));
        a << 64 | b
    }
}

/// `$.items[7].card` as `$.items[*].card`: all elements of a list are one field, as in policies.
pub(in crate::masking) fn without_indices(path: &str) -> Cow<'_, str> {
    if !path.contains('[') {
        return Cow::Borrowed(path);
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        let (before, bracket) = rest.split_at(open + 1);
        text.push_str(before);
        let digits = bracket.bytes().take_while(u8::is_ascii_digit).count();
        let is_index = digits > 0 && bracket[digits..].starts_with(']');
        text.push_str(if is_index { "*" } else { &bracket[..digits] });
        rest = &bracket[digits..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn party(text: &mut Vec<u8>, party: &Party) {
    for part in [&party.namespace, &party.kind, &party.name] {
        write(text, Some(part));
    }
    text.push(u8::from(party.external));
}

/// A text with its length before it, so that two can not run together.
fn write(text: &mut Vec<u8>, part: Option<&str>) {
    let length = part.map_or(u32::MAX, |part| u32::try_from(part.len()).unwrap_or(u32::MAX));
    text.extend(length.to_le_bytes());
    text.extend(part.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_of_lists_are_left_out_and_nothing_else() {
        for (path, expected) in [
            ("$.a[0].b[17][2].c", "$.a[*].b[*][*].c"),
            ("$.a['x'][1", "$.a['x'][1"),
            ("$.a[1x][]", "$.a[1x][]"),
            ("é[3]é", "é[*]é"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_indices(path), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_can_be_read_and_a_second_time_changes_nothing(path in "[\\[\\]0-9a*é.]{0,40}") {
            let once = without_indices(&path).into_owned();
            proptest::prop_assert_eq!(without_indices(&once), once.as_str());
        }
    }
}
