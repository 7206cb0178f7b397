//! Forms of identifiers: which characters are digits, which letters, how they are grouped.
//!
//! Goes in: forms as rows write them (`999.999.999-99`), and words as text holds them. Comes out:
//! the forms that a word, a number or groups of both may have. Two comparisons of bit masks
//! decide; nothing is allocated after the tables are built.

use super::candidate::Proof;
use super::rows::RowId;

/// Letters and digits of the longest form.
pub(super) const LONGEST: usize = 44;
/// Groups of the longest form.
pub(super) const GROUPS: usize = 8;
/// Letters and digits of a group of a form that has letters.
const LONGEST_GROUP: usize = 15;

/// One form of a row.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) row: RowId,
    pub(super) check: fn(&[u8]) -> Option<Proof>,
    length: usize,
    /// Places of `A` and of `9`; both clear for `N`.
    letters: u64,
    digits: u64,
    groups: [u8; GROUPS],
    /// What stands between groups; zero behind the last.
    separators: [u8; GROUPS],
    count: usize,
}

/// Letters and digits as they stand in a text, without what separates them.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) text: [u8; LONGEST],
    pub(super) length: usize,
    letters: u64,
    digits: u64,
    pub(super) groups: [u8; GROUPS],
    separators: [u8; GROUPS],
    pub(super) count: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            text: [0; LONGEST],
            length: 0,
            letters: 0,
            digits: 0,
            groups: [0; GROUPS],
            separators: [0; GROUPS],
            count: 0,
        }
    }
}

impl Shape {
    /// Appends one more group, behind `separator` unless it is the first. False when it is too much.
    pub(super) fn push(&mut self, separator: u8, group: &[u8]) -> bool {
        if self.count == GROUPS || self.length + group.len() > LONGEST || group.is_empty() {
            return false;
        }
        if let Some(last) = self.count.checked_sub(1) {
            self.separators[last] = separator;
        }
        if group.iter().all(u8::is_ascii_digit) {
            let end = self.length + group.len();
            self.text[self.length..end].copy_from_slice(group);
            self.digits |= ((1 << group.len()) - 1) << self.length;
            self.length = end;
            self.groups[self.count] = group.len() as u8;
            self.count += 1;
            return true;
        }
        for byte in group {
            self.text[self.length] = byte.to_ascii_uppercase();
            let bit = 1 << self.length;
            if byte.is_ascii_digit() {
                self.digits |= bit;
            } else {
                self.letters |= bit;
            }
            self.length += 1;
        }
        self.groups[self.count] = group.len() as u8;
        self.count += 1;
        true
    }

    /// Appends one more letter or digit to the last group; nothing when there are too many.
    pub(super) fn extend(&mut self, byte: u8) {
        if self.length < LONGEST {
            self.text[self.length] = byte.to_ascii_uppercase();
            self.length += 1;
        }
    }

    /// The letters and digits, in upper case.
    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl Form {
    /// Reads `form`. `None` when it has no letters or digits or too many, or ends in a separator.
    pub(super) fn read(row: RowId, form: &str, check: fn(&[u8]) -> Option<Proof>) -> Option<Self> {
        let mut read = Self {
            row,
            check,
            length: 0,
            letters: 0,
            digits: 0,
            groups: [0; GROUPS],
            separators: [0; GROUPS],
            count: 0,
        };
        let mut in_group = false;
        for byte in form.bytes() {
            if !matches!(byte, b'9' | b'A' | b'N') {
                if !std::mem::take(&mut in_group) {
                    return None;
                }
                read.separators[read.count - 1] = byte;
                continue;
            }
            if !std::mem::replace(&mut in_group, true) {
                read.count += 1;
            }
            if read.length == LONGEST || read.count > GROUPS {
                return None;
            }
            let bit = 1 << read.length;
            match byte {
                b'9' => read.digits |= bit,
                b'A' => read.letters |= bit,
                _ => {}
            }
            read.groups[read.count - 1] += 1;
            read.length += 1;
        }
        in_group.then_some(read)
    }

    /// Whether only digits have it.
    fn is_of_digits(&self) -> bool {
        self.digits.count_ones() as usize == self.length
    }

    /// Whether `shape` has it.
    #[inline]
    pub(super) fn fits(&self, shape: &Shape) -> bool {
        self.length == shape.length
            && shape.letters & self.digits == 0
            && shape.digits & self.letters == 0
            && self.count == shape.count
            && self.groups == shape.groups
            && self.separators == shape.separators
    }

    /// Whether its first groups are as long as those of `shape`, and separated so.
    pub(super) fn begins_like(&self, shape: &Shape) -> bool {
        let count = shape.count;
        self.count >= count
            && self.groups[..count] == shape.groups[..count]
            && self.separators[..count - 1] == shape.separators[..count - 1]
    }

    /// Whether its second group, and its third if it has one, are of these lengths and behind these
    /// separators.
    pub(super) fn goes_on_with(&self, separators: [u8; 2], lengths: [usize; 2]) -> bool {
        let is =
            |n: usize| self.separators[n] == separators[n] && usize::from(self.groups[n + 1]) == lengths[n];
        is(0) && (self.count == 2 || is(1))
    }

    /// Whether it is four groups of at most three, joined by full stops.
    pub(super) fn is_quads(&self) -> bool {
        self.count == 4 && self.groups[..4].iter().all(|group| *group <= 3) && self.separators[..3] == *b"..."
    }

    /// What stands behind its first group, and the length of the second.
    fn second(&self) -> (u8, usize) {
        (self.separators[0], usize::from(self.groups[1]))
    }

    /// What its grouping is worth: a random number is seldom written so.
    pub(super) fn grouping_bits(&self) -> f32 {
        match self.count {
            0 | 1 => 0.0,
            2 => 2.0,
            _ => 3.0,
        }
    }
}

/// All forms of a scanner's rows.
pub(super) struct Forms {
    /// Forms of one group that digits can have, by length: those of rows that need no name, and
    /// the others.
    numbers: [[Vec<Form>; LONGEST + 1]; 2],
    /// Forms of several groups that digits can have, by number of digits.
    grouped: [Vec<Form>; LONGEST + 1],
    /// Forms of one group that have or allow letters, by length.
    words: [Vec<Form>; LONGEST + 1],
    /// Their places of letters and of digits.
    masks: [Vec<(u64, u64)>; LONGEST + 1],
    /// Forms of several groups with letters, by [`signature`] of the first.
    groups: [Vec<Form>; SIGNATURES],
}

impl Default for Forms {
    fn default() -> Self {
        Self {
            numbers: [const { [const { Vec::new() }; LONGEST + 1] }; 2],
            grouped: [const { Vec::new() }; LONGEST + 1],
            words: [const { Vec::new() }; LONGEST + 1],
            masks: [const { Vec::new() }; LONGEST + 1],
            groups: [const { Vec::new() }; SIGNATURES],
        }
    }
}

impl Forms {
    /// Adds a form; `free` when its row needs no name.
    pub(super) fn add(&mut self, form: Form, free: bool) {
        let length = form.length;
        if form.letters == 0 && form.count == 1 {
            self.numbers[usize::from(!free)][length].push(form);
        } else if form.letters == 0 {
            self.grouped[length].push(form);
        }
        if form.is_of_digits() {
            return;
        }
        if form.count == 1 {
            self.words[length].push(form);
            self.masks[length].push((form.letters, form.digits));
            return;
        }
        let first = usize::from(form.groups[0]);
        let here = (1u64 << first) - 1;
        for kind in [Kind::Digits, Kind::Letters, Kind::Mixed] {
            let allowed = match kind {
                Kind::Digits => form.letters & here == 0,
                Kind::Letters => form.digits & here == 0,
                Kind::Mixed => {
                    (form.digits | form.letters) & here != here
                        || (form.digits & here != 0 && form.letters & here != 0)
                }
            };
            if let Some(signature) = signature(kind, first).filter(|_| allowed) {
                self.groups[signature].push(form);
            }
        }
    }

    /// Forms of so many digits in one run, of rows that need no name or of the others.
    pub(super) fn numbers(&self, digits: usize, free: bool) -> &[Form] {
        self.numbers[usize::from(!free)]
            .get(digits)
            .map_or(&[], Vec::as_slice)
    }

    /// Forms of so many digits in groups.
    pub(super) fn grouped(&self, digits: usize) -> &[Form] {
        self.grouped.get(digits).map_or(&[], Vec::as_slice)
    }

    /// Whether digits of this number may have a form.
    pub(super) fn has_numbers(&self, digits: usize) -> bool {
        let lone = [true, false]
            .iter()
            .any(|free| !self.numbers(digits, *free).is_empty());
        lone || !self.grouped(digits).is_empty()
    }

    /// Forms that a word may have, by its length and the places of its digits.
    #[inline]
    pub(super) fn words(&self, length: usize, digits: u64) -> impl Iterator<Item = &Form> {
        let letters = ((1u64 << length.min(63)) - 1) & !digits;
        let masks = self.masks.get(length).map_or(&[][..], Vec::as_slice);
        masks
            .iter()
            .enumerate()
            .filter(move |(_, form)| form.0 & digits == 0 && form.1 & letters == 0)
            .map(move |(n, _)| &self.words[length][n])
    }

    /// Forms of several groups that may begin with a group of so many letters and digits, with
    /// digits in these places.
    pub(super) fn beginning_with(&self, length: usize, digits: u64) -> &[Form] {
        let kind = match digits.count_ones() as usize {
            0 => Kind::Letters,
            n if n == length => Kind::Digits,
            _ => Kind::Mixed,
        };
        signature(kind, length).map_or(&[], |signature| &self.groups[signature])
    }

    /// What stands behind the first group of each form that begins so, and the length of the second.
    pub(super) fn beginnings(&self, kind: Kind, length: usize) -> impl Iterator<Item = (u8, usize)> {
        let forms = signature(kind, length).map_or(&[][..], |signature| &self.groups[signature]);
        forms.iter().map(Form::second)
    }
}

/// What the letters and digits of a group are.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Digits,
    Letters,
    Mixed,
}

/// Signatures there are.
const SIGNATURES: usize = 3 * (LONGEST_GROUP + 1);

/// Number of a group of so many letters and digits; `None` when it is longer than any.
fn signature(kind: Kind, length: usize) -> Option<usize> {
    (length <= LONGEST_GROUP).then_some(kind as usize * (LONGEST_GROUP + 1) + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Option<Form> {
        Form::read(RowId::new(0).unwrap(), text, |_| None)
    }

    fn shape(text: &str) -> Shape {
        let mut shape = Shape::default();
        let mut separator = 0;
        for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let group = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            assert!(shape.push(separator, group.as_bytes()));
            separator = *part.as_bytes().last().unwrap();
        }
        shape
    }

    #[test]
    fn a_form_is_had_by_what_is_written_so_and_by_nothing_else() {
        for (text, written, expected) in [
            ("99999999A", "12345678z", true),
            ("99999999A", "123456789", false),
            ("99999999-A", "12345678-Z", true),
            ("99999999-A", "12345678 Z", false),
            ("999.999.999-99", "123.456.789-09", true),
            ("999.999.999-99", "123.456.78909", false),
            ("AA 99 99 99 A", "AB 12 34 56 C", true),
            ("NNN-99", "1a2-34", true),
            ("NNN-99", "1a2-3b", false),
        ] {
            assert_eq!(form(text).unwrap().fits(&shape(written)), expected, "{written}");
        }
        for text in ["", "-9", "9--9", "99-", &"9".repeat(LONGEST + 1)] {
            assert!(form(text).is_none(), "{text}");
        }
    }

    #[test]
    fn forms_are_found_by_their_first_group() {
        let mut forms = Forms::default();
        forms.add(form("AA 99 99 99 A").unwrap(), true);
        forms.add(form("NN9-99A").unwrap(), true);
        forms.add(form("999-999").unwrap(), true);
        assert_eq!(forms.beginning_with(2, 0b00).len(), 1);
        assert_eq!(forms.beginning_with(2, 0b11).len(), 0);
        assert_eq!(forms.beginning_with(3, 0b101).len(), 1);
        assert_eq!(forms.beginning_with(3, 0b111).len(), 1);
        assert_eq!(forms.grouped(6).len(), 1);
    }

    #[test]
    fn every_form_of_the_catalogue_can_be_read() {
        use crate::detect::catalogue::{self, Trigger};
        for row in catalogue::all() {
            for trigger in row.triggers {
                if let Trigger::Form { forms, .. } = trigger {
                    forms
                        .iter()
                        .for_each(|text| assert!(form(text).is_some(), "{text} of {}", row.id));
                }
            }
        }
    }
}
