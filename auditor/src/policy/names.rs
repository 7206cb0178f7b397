//! The names a policy may use: detectors, categories, regulations.
//!
//! Goes in: the catalogue and the user's own detectors. Comes out: [`Names`], which know each
//! detector by a small number, so that a set of them is a few words.

use std::collections::{BTreeSet, HashMap};

use crate::config::keys::distance;
use crate::detect::catalogue;
use crate::detect::own::Definition;

/// Detectors some of whose values fall under one more regulation than the detector: a token with
/// an e-mail address in it.
const MAY_ADD: &[(&str, &str)] = &[("jwt", catalogue::GDPR)];

/// All detectors there are.
#[derive(Clone, Debug)]
pub struct Names {
    detectors: Vec<Detector>,
    by_id: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Detector {
    id: String,
    category: String,
    regulations: Vec<String>,
}

/// Some of the detectors of [`Names`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DetectorSet(Vec<u64>);

impl Names {
    /// The catalogue's, and `own`.
    pub fn new(own: &[Definition]) -> Self {
        let catalogue = catalogue::all().iter().map(|row| Detector {
            id: row.id.to_owned(),
            category: row.category.to_owned(),
            regulations: row.regulations.iter().map(|law| (*law).to_owned()).collect(),
        });
        let own = own.iter().map(|definition| Detector {
            id: definition.id.clone(),
            category: definition.category.clone(),
            regulations: definition.regulations.clone(),
        });
        let detectors: Vec<Detector> = catalogue.chain(own).collect();
        let by_id = detectors
            .iter()
            .enumerate()
            .map(|(n, one)| (one.id.clone(), n))
            .collect();
        Self { detectors, by_id }
    }

    /// The number of a detector.
    pub fn detector(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The id of a detector.
    pub fn id(&self, detector: usize) -> &str {
        self.detectors.get(detector).map_or("", |one| &one.id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.detectors.len()
    }

    /// False: there is a catalogue.
    pub fn is_empty(&self) -> bool {
        self.detectors.is_empty()
    }

    /// Every detector.
    pub fn everything(&self) -> DetectorSet {
        self.set(|_| true)
    }

    /// Detectors of a category; `None` when there is no such.
    pub fn of_category(&self, category: &str) -> Option<DetectorSet> {
        Some(self.set(|one| one.category == category)).filter(|set| !set.is_empty())
    }

    /// Detectors under a regulation; `None` when there is no such.
    pub fn of_regulation(&self, regulation: &str) -> Option<DetectorSet> {
        Some(self.set(|one| one.regulations.iter().any(|law| law == regulation)))
            .filter(|set| !set.is_empty())
    }

    /// Detectors whose values may be under a regulation that the detector is not under.
    pub fn may_add(&self, regulation: &str) -> impl Iterator<Item = usize> {
        let adds = MAY_ADD.iter().filter(move |(_, law)| *law == regulation);
        adds.filter_map(|(id, _)| self.detector(id))
    }

    /// The detector that was probably meant.
    pub fn nearest_detector(&self, id: &str) -> Option<&str> {
        nearest(id, self.detectors.iter().map(|one| one.id.as_str()))
    }

    /// The category that was probably meant.
    pub fn nearest_category(&self, category: &str) -> Option<&str> {
        nearest(category, self.detectors.iter().map(|one| one.category.as_str()))
    }

    /// All regulations.
    pub fn regulations(&self) -> BTreeSet<&str> {
        self.detectors
            .iter()
            .flat_map(|one| one.regulations.iter().map(String::as_str))
            .collect()
    }

    fn set(&self, is_in: impl Fn(&Detector) -> bool) -> DetectorSet {
        let mut set = DetectorSet::default();
        for (number, one) in self.detectors.iter().enumerate() {
            if is_in(one) {
                set.insert(number);
            }
        }
        set
    }
}

/// The name with the fewest edits, if it is near enough to have been meant.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: String = wanted.chars().take(64).collect();
    let within = |name: &str| name.split(['_', '-']).any(|word| word == wanted);
    known
        .map(|name| (!within(name), distance(&wanted, name), name))
        .min()
        .filter(|(apart, edits, name)| !apart || *edits <= (name.len() / 3).max(2))
        .map(|(_, _, name)| name)
}

impl DetectorSet {
    pub fn insert(&mut self, detector: usize) {
        let word = detector / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (detector % 64);
    }

    pub fn contains(&self, detector: usize) -> bool {
        self.0
            .get(detector / 64)
            .is_some_and(|word| word >> (detector % 64) & 1 == 1)
    }

    pub fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0
            .iter_mut()
            .zip(&other.0)
            .for_each(|(word, more)| *word |= more);
    }

    /// One that is in both.
    pub fn common(&self, other: &Self) -> Option<usize> {
        let words = self.0.iter().zip(&other.0).map(|(a, b)| a & b).enumerate();
        words
            .into_iter()
            .find(|(_, word)| *word != 0)
            .map(|(index, word)| index * 64 + word.trailing_zeros() as usize)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn each(&self) -> impl Iterator<Item = usize> {
        let bits = |(index, word): (usize, &u64)| {
            let word = *word;
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| index * 64 + bit)
        };
        self.0.iter().enumerate().flat_map(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_known_has_a_nearest_one() {
        let names = Names::new(&[]);
        assert_eq!(names.nearest_detector("payment_crad"), Some("payment_card"));
        assert_eq!(names.nearest_detector("zzzzzzzzzzzz"), None);
        assert_eq!(names.nearest_category("paymnt"), Some("payment"));
        assert_eq!(nearest("pci", names.regulations().into_iter()), Some("pci-dss"));
    }

    #[test]
    fn every_detector_that_may_add_a_regulation_is_in_the_catalogue() {
        let names = Names::new(&[]);
        assert!(MAY_ADD.iter().all(|(id, _)| names.detector(id).is_some()));
    }
}
