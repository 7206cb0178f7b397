//! The names of all detectors in one perfect hash table: one probe answers for any name.
//!
//! Goes in: rows with their names, once. Comes out: for a name in normal form, the rows it is a
//! name of. The table is made with displacements (hash and displace), so that a name that is not
//! in it costs one probe too, whatever a peer sends. Look-ups never allocate.

use super::catalogue::DetectorInfo;
use super::rows::{RowId, RowSet, numbered};

/// Odd, so that no power of it is zero.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
/// Longest name in the table, bytes; the powers of [`BASE`] that spans need.
pub(crate) const LONGEST: usize = 64;
static POWERS: [u64; LONGEST + 1] = {
    let mut powers = [1u64; LONGEST + 1];
    let mut n = 1;
    while n <= LONGEST {
        powers[n] = powers[n - 1].wrapping_mul(BASE);
        n += 1;
    }
    powers
};

/// Hash of all beginnings of a name: the hash of any part of it is then one subtraction away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Hash of the text so far and `byte` behind it.
    #[inline]
    pub(crate) fn push(self, byte: u8) -> Self {
        Self(self.0.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1))
    }

    /// Hash of what stands behind `before` in `self`, `length` bytes, at most [`LONGEST`].
    #[inline]
    pub(crate) fn behind(self, before: Self, length: usize) -> Self {
        Self(
            self.0
                .wrapping_sub(before.0.wrapping_mul(POWERS[length.min(LONGEST)])),
        )
    }

    pub(crate) fn of(text: &[u8]) -> Self {
        text.iter().fold(Self::default(), |hash, byte| hash.push(*byte))
    }

    fn mixed(self) -> u64 {
        let bits = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits ^ (bits >> 29)
    }
}

/// What a name is in the table for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Family,
    Hint,
    Sibling,
}

/// The rows a name belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named {
    /// Rows that have it for a field name of their own.
    pub(crate) keys: RowSet,
    /// Rows that share it with others.
    pub(crate) families: RowSet,
    /// Rows that it hints at as part of a name or near a value.
    pub(crate) hints: RowSet,
    /// Rows beside whose values such a field usually stands.
    pub(crate) siblings: RowSet,
}

struct Entry {
    name: &'static str,
    named: Named,
}

/// All names of a scanner's rows.
pub(crate) struct Vocabulary {
    entries: Vec<Entry>,
    /// Displacement of each bucket.
    displacements: Vec<u16>,
    /// Number of the entry, plus one; zero for none.
    slots: Vec<u16>,
}

impl Vocabulary {
    pub(crate) fn new(rows: &[&'static DetectorInfo]) -> Self {
        let mut names: Vec<(&'static str, Role, RowId)> = numbered(rows)
            .flat_map(|(id, row)| {
                let families = row.families.iter().flat_map(|family| family.iter());
                let keys = row.keys.iter().map(move |name| (*name, Role::Key, id));
                let families = families.map(move |name| (*name, Role::Family, id));
                let hints = row.words.iter().map(move |name| (*name, Role::Hint, id));
                let siblings = row.siblings.iter().map(move |name| (*name, Role::Sibling, id));
                keys.chain(families).chain(hints).chain(siblings)
            })
            .filter(|(name, ..)| name.len() <= LONGEST)
            .collect();
        names.sort_unstable_by_key(|(name, ..)| *name);
        let mut entries: Vec<Entry> = Vec::new();
        for (name, role, row) in names {
            if entries.last().is_none_or(|last| last.name != name) {
                let named = Named::default();
                entries.push(Entry { name, named });
            }
            let Some(Entry { named, .. }) = entries.last_mut() else {
                continue;
            };
            match role {
                Role::Key => named.keys.insert(row),
                Role::Family => named.families.insert(row),
                Role::Hint => named.hints.insert(row),
                Role::Sibling => named.siblings.insert(row),
            }
        }
        entries.truncate(usize::from(u16::MAX - 1));
        let (displacements, slots) = perfect(&entries);
        Self {
            entries,
            displacements,
            slots,
        }
    }

    /// The rows of the name `text`, whose hash is `hash`.
    #[inline]
    pub(crate) fn find(&self, text: &[u8], hash: Hash) -> Option<&Named> {
        let mixed = hash.mixed();
        let displacement = self.displacements[bucket(mixed, self.displacements.len())];
        let slot = self.slots[place(mixed, displacement, self.slots.len())];
        let entry = self.entries.get(usize::from(slot.checked_sub(1)?))?;
        (entry.name.as_bytes() == text).then_some(&entry.named)
    }
}

fn bucket(mixed: u64, buckets: usize) -> usize {
    (mixed as usize) & (buckets - 1)
}

fn place(mixed: u64, displacement: u16, slots: usize) -> usize {
    let moved = (mixed >> 16).wrapping_mul(2 * u64::from(displacement) + 1);
    ((moved >> 20) as usize) & (slots - 1)
}

/// Displacements and slots such that no two names share a slot.
fn perfect(entries: &[Entry]) -> (Vec<u16>, Vec<u16>) {
    let buckets = (entries.len() / 2).next_power_of_two().max(2);
    let mut size = (entries.len() * 2).next_power_of_two().max(4);
    loop {
        if let Some(made) = displace(entries, buckets, size) {
            return made;
        }
        // Happens next to never; a wider table has fewer collisions.
        size *= 2;
    }
}

fn displace(entries: &[Entry], buckets: usize, size: usize) -> Option<(Vec<u16>, Vec<u16>)> {
    let mut members: Vec<(usize, Vec<(u64, u16)>)> = (0..buckets).map(|n| (n, Vec::new())).collect();
    for (n, entry) in entries.iter().enumerate() {
        let mixed = Hash::of(entry.name.as_bytes()).mixed();
        members[bucket(mixed, buckets)].1.push((mixed, n as u16 + 1));
    }
    members.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    let (mut displacements, mut slots) = (vec![0; buckets], vec![0; size]);
    for (at, names) in members.iter().filter(|(_, names)| !names.is_empty()) {
        let fits = |displacement: u16| {
            let mut places: Vec<usize> = names
                .iter()
                .map(|(mixed, _)| place(*mixed, displacement, size))
                .collect();
            places.sort_unstable();
            places.windows(2).all(|pair| pair[0] != pair[1]) && places.iter().all(|place| slots[*place] == 0)
        };
        let displacement = (0..u16::MAX).find(|displacement| fits(*displacement))?;
        for (mixed, entry) in names {
            slots[place(*mixed, displacement, size)] = *entry;
        }
        displacements[*at] = displacement;
    }
    Some((displacements, slots))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::catalogue;

    #[test]
    fn every_name_of_the_catalogue_is_found_and_names_its_row() {
        let vocabulary = Vocabulary::new(catalogue::all());
        for (id, row) in numbered(catalogue::all()) {
            for key in row.keys {
                let named = vocabulary.find(key.as_bytes(), Hash::of(key.as_bytes())).unwrap();
                assert!(named.keys.contains(id), "{key} of {}", row.id);
            }
            for word in row.words {
                let named = vocabulary
                    .find(word.as_bytes(), Hash::of(word.as_bytes()))
                    .unwrap();
                assert!(named.hints.contains(id), "{word} of {}", row.id);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_in_no_row_is_not_found(text in "[a-z]{0,12}") {
            let vocabulary = Vocabulary::new(catalogue::all());
            let known = catalogue::all().iter().any(|row| {
                let families = row.families.iter().flat_map(|family| family.iter());
                row.keys.iter().chain(row.words).chain(row.siblings).chain(families).any(|name| *name == text)
            });
            prop_assert_eq!(vocabulary.find(text.as_bytes(), Hash::of(text.as_bytes())).is_some(), known);
        }

        #[test]
        fn the_hash_of_a_part_is_that_of_the_part_alone(text in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..64) {
            let cut = cut.min(text.len());
            let (before, part) = text.split_at(cut);
            prop_assert_eq!(Hash::of(&text).behind(Hash::of(before), part.len()), Hash::of(part));
        }
    }
}
