//! Mask runs: which characters hide, and how much a masked value leaves readable.
//!
//! Goes in: the bytes of a value. Comes out: counts of hidden and clear characters and whether a
//! convention allows them. Never allocates.

use super::catalogue::Convention;
use super::verify::iban;

/// Longest masked value that is looked at, bytes.
pub(crate) const LONGEST: usize = 128;

/// Length in bytes of the mask character at `at`: `* • ● █ …`, also as JSON escapes; `None` for
/// anything else. `x X # _ .` hide only in runs, see [`run_at`].
pub(crate) fn sure_at(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'*' => Some(1),
        0xE2 => {
            let bullet = bytes.get(at..at + 3)?;
            ["•", "●", "█", "…"]
                .iter()
                .any(|mask| mask.as_bytes() == bullet)
                .then_some(3)
        }
        b'\\' => {
            let escape = bytes.get(at..at + 6)?;
            [b"\\u2022", b"\\u25cf", b"\\u2588", b"\\u2026", b"\\u25CF"]
                .iter()
                .any(|mask| mask.as_slice() == escape)
                .then_some(6)
        }
        _ => None,
    }
}

/// Length in bytes and in characters of the mask run at `at`: any sure mask characters, or two or
/// more (three or more of `_` and `.`) of the same of `x X # _ .`.
pub(crate) fn run_at(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let (mut end, mut count) = (at, 0);
    while let Some(length) = sure_at(bytes, end) {
        end += length;
        count += 1;
    }
    if count > 0 {
        return Some((end - at, count));
    }
    let first = *bytes.get(at)?;
    let least = match first {
        b'x' | b'X' | b'#' => 2,
        b'_' | b'.' => 3,
        _ => return None,
    };
    let count = bytes[at..]
        .iter()
        .take(LONGEST)
        .take_while(|b| **b == first)
        .count();
    (count >= least).then_some((count, count))
}

/// What a masked value hides and what it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mask {
    /// Clear letters and digits before the first hidden character.
    pub(crate) head: usize,
    /// Hidden characters; an ellipsis or a lone run counts what it shows.
    pub(crate) hidden: usize,
    /// Clear letters and digits between hidden ones.
    pub(crate) middle: usize,
    /// Clear letters and digits after the last hidden character.
    pub(crate) tail: usize,
    /// All clear characters are digits.
    pub(crate) digits: bool,
    /// The first two clear characters are letters.
    pub(crate) country: bool,
    /// A plus sign stands first.
    pub(crate) plus: bool,
    /// Runs of hidden or clear characters between separators, first eight.
    pub(crate) groups: [u8; 8],
}

impl Mask {
    /// Reads a masked value. `None` when it hides fewer than two characters, holds characters no
    /// masked number or token has, or is longer than [`LONGEST`].
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        if value.len() > LONGEST {
            return None;
        }
        let mut mask = Self {
            digits: true,
            ..Self::default()
        };
        let (mut at, mut group, mut letters) = (0, 0, 0);
        let mut sure = false;
        while at < value.len() {
            if let Some((length, count)) = run_at(value, at) {
                sure |= !value[at].is_ascii_alphanumeric();
                mask.middle += std::mem::take(&mut mask.tail);
                mask.hidden += count;
                mask.count_group(group, count);
                at += length;
                continue;
            }
            match value[at] {
                byte if byte.is_ascii_alphanumeric() => {
                    letters += usize::from(byte.is_ascii_alphabetic() && at < 2);
                    mask.digits &= byte.is_ascii_digit();
                    *(if mask.hidden == 0 {
                        &mut mask.head
                    } else {
                        &mut mask.tail
                    }) += 1;
                    mask.count_group(group, 1);
                }
                b'+' if at == 0 => mask.plus = true,
                b' ' | b'-' | b'.' | b'(' | b')' | b'/' | b'_' => group += usize::from(at > 0),
                _ => return None,
            }
            at += 1;
        }
        mask.country = letters == 2 && mask.head >= 2;
        // Two letters X are in many an identifier.
        (mask.hidden >= if sure || mask.digits { 2 } else { 3 }).then_some(mask)
    }

    fn count_group(&mut self, group: usize, count: usize) {
        if let Some(length) = self.groups.get_mut(group) {
            *length = length.saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
        }
    }

    /// Characters in all, separators left out.
    pub(crate) fn total(&self) -> usize {
        self.head + self.hidden + self.middle + self.tail
    }

    /// Whether it may be of an IBAN: as long, and behind the letters of a country that has them.
    pub(crate) fn is_iban(&self, text: &[u8]) -> bool {
        let is_country = |text: &[u8]| matches!(*text, [a, b, ..] if iban::is_country(a, b));
        self.country && (15..=34).contains(&self.total()) && is_country(text.trim_ascii_start())
    }

    /// Whether what it leaves is within the convention.
    pub(crate) fn keeps(&self, convention: Convention) -> bool {
        let head = match convention {
            Convention::Card => 8,
            Convention::LastFour => 0,
            Convention::Phone if self.plus => 3,
            Convention::Phone => 0,
            Convention::Email => {
                return self.head + self.middle + self.tail <= 2 || self.hidden >= 3;
            }
            Convention::Iban => 2,
            Convention::Secret(prefix) => prefix,
            // One letter of each word.
            Convention::Initials => {
                let words = self.groups.iter().filter(|length| **length > 0).count();
                return self.head <= 1 && self.middle + self.tail < words.max(1);
            }
            Convention::Network => 6,
            Convention::Hidden => return self.head + self.middle + self.tail == 0,
        };
        self.middle == 0 && self.tail <= 4 && self.head <= head
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_mask_character_is_known() {
        for value in [
            "************1111",
            "••••••••••••1111",
            "●●●● ●●●● ●●●● 1111",
            "XXXX-XXXX-XXXX-1111",
            "xxxxxxxxxxxx1111",
            "#### #### #### 1111",
            "____________1111",
            "............1111",
            "████████████1111",
            "\\u2022\\u2022\\u2022\\u2022 1111",
        ] {
            let mask = Mask::read(value.as_bytes()).unwrap_or_else(|| panic!("{value}"));
            assert_eq!((mask.head, mask.middle, mask.tail), (0, 0, 4), "{value}");
            assert!(
                mask.keeps(Convention::Card) && mask.keeps(Convention::LastFour),
                "{value}"
            );
        }
    }

    #[test]
    fn a_convention_allows_so_much_and_no_more() {
        for (value, convention, expected) in [
            ("411111******1111", Convention::Card, true),
            ("41111111****1111", Convention::Card, true),
            ("411111111***1111", Convention::Card, false),
            ("4111 11** **** 1111", Convention::Card, true),
            ("411111*****11111", Convention::Card, false),
            ("4111 **** 1111 ****", Convention::Card, false),
            ("***-**-1234", Convention::LastFour, true),
            ("XXX-XX-1234", Convention::LastFour, true),
            ("***-45-6789", Convention::LastFour, false),
            ("123-**-****", Convention::LastFour, false),
            ("+49 *** *** 1234", Convention::Phone, true),
            ("(***) ***-1234", Convention::Phone, true),
            ("(415) ***-1234", Convention::Phone, false),
            ("DE** **** **** **** 3000", Convention::Iban, true),
            ("DE89 3704 **** **** 3000", Convention::Iban, false),
            ("AKIA************MPLE", Convention::Secret(4), true),
        ] {
            let mask = Mask::read(value.as_bytes()).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(mask.keeps(convention), expected, "{value} {mask:?}");
        }
    }

    #[test]
    fn clear_values_are_no_masks() {
        for value in [
            "4111111111111111",
            "max",
            "a.b",
            "1.2.3",
            "",
            "x",
            "fox1",
            "555-0100",
        ] {
            assert_eq!(Mask::read(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read_as_a_mask(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mask) = Mask::read(&value) {
                prop_assert!(mask.total() <= value.len());
            }
        }
    }
}
