//! The path of a field as text, in place: `1.3[1].2`, with digits as marked text has them.
//!
//! Goes in: field numbers, and how often each was there before. Comes out: their text, of bounded
//! length; below that, it ends in `..*`.

use crate::content::marked::{MARK, hidden};

/// Longest path, bytes.
const LONGEST: usize = 160;
/// Field numbers of one message whose occurrences are counted.
const MAX_COUNTED: usize = 16;
/// Between a path and a value.
const BEHIND: &[u8] = b": ";
/// Says that the path goes on.
const MORE: &[u8] = b"..*";

#[derive(Clone)]
pub(super) struct Path {
    /// A mark, the path, and room for what stands behind it.
    text: [u8; 1 + LONGEST + BEHIND.len()],
    length: usize,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            text: [MARK; 1 + LONGEST + BEHIND.len()],
            length: 0,
        }
    }
}

impl Path {
    pub(super) fn text(&self) -> &[u8] {
        &self.text[1..=self.length]
    }

    /// The beginning of a field's line, mark and colon included.
    pub(super) fn line(&mut self) -> &[u8] {
        let end = 1 + self.length + BEHIND.len();
        self.text[1 + self.length..end].copy_from_slice(BEHIND);
        &self.text[..end]
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Goes one field down, to its occurrence `index`, from zero. The first one needs no number.
    pub(super) fn push(&mut self, number: u32, index: u32) {
        let mut digits = [0; 20];
        let number = decimal(u64::from(number), &mut digits);
        self.push_step(number, (index > 0).then_some(index));
    }

    /// Goes one field down that has a name, and an index when it is repeated. Tells where its step begins, if
    /// there is room for it.
    pub(super) fn push_step(&mut self, name: &[u8], index: Option<u32>) -> Option<usize> {
        let index = Index::of(index);
        if self.text().ends_with(MORE) {
            return None;
        }
        if self.length + 1 + name.len() + index.text().len() + MORE.len() > LONGEST {
            self.write(MORE);
            return None;
        }
        let start = self.length;
        if self.length > 0 {
            self.write(b".");
        }
        self.write(name);
        self.write(index.text());
        Some(start)
    }

    /// Says which of several the last step is, if there is room.
    pub(super) fn push_index(&mut self, index: u32) {
        let index = Index::of(Some(index));
        if !self.text().ends_with(MORE) && self.length + index.text().len() + MORE.len() <= LONGEST {
            self.write(index.text());
        }
    }

    /// The last step, which begins at `start`: what holds it, its name as it was pushed, and its index.
    pub(super) fn last_step(&self, start: usize) -> (&[u8], &[u8], &[u8]) {
        let (holder, step) = self.text().split_at(start.min(self.length));
        let step = step.strip_prefix(b".").unwrap_or(step);
        let index = match step {
            [.., b']'] => memchr::memrchr(b'[', step).unwrap_or(step.len()),
            _ => step.len(),
        };
        (holder, &step[..index], &step[index..])
    }

    /// Begins a path of names.
    pub(super) fn begin(&mut self) {
        self.truncate(0);
        self.write(b"$");
    }

    /// Goes back to where it was `length` bytes long.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Callers have seen to it that there is room.
    fn write(&mut self, bytes: &[u8]) {
        let room = &mut self.text[1 + self.length..=self.length + bytes.len()];
        for (to, byte) in room.iter_mut().zip(bytes) {
            *to = hidden(*byte);
        }
        self.length += bytes.len();
    }
}

/// Which of several a field is: `[1]`, or nothing.
#[derive(Default)]
pub(super) struct Index {
    text: [u8; 22],
    length: usize,
}

impl Index {
    pub(super) fn of(index: Option<u32>) -> Self {
        let mut this = Self::default();
        if let Some(index) = index {
            let mut digits = [0; 20];
            let digits = decimal(u64::from(index), &mut digits);
            this.length = digits.len() + 2;
            this.text[0] = b'[';
            this.text[1..=digits.len()].copy_from_slice(digits);
            this.text[this.length - 1] = b']';
        }
        this
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// How often the fields of one message were there; of a bounded number of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    fields: [(u32, u32); MAX_COUNTED],
    used: usize,
}

impl Counts {
    /// Counts one more occurrence of a field; tells how many there were before. Those of fields that
    /// are not counted are all the first.
    pub(super) fn next(&mut self, number: u32) -> u32 {
        let known = &mut self.fields[..self.used];
        if let Some((_, count)) = known.iter_mut().find(|(known, _)| *known == number) {
            let before = *count;
            *count = count.saturating_add(1);
            return before;
        }
        if let Some(free) = self.fields.get_mut(self.used) {
            *free = (number, 1);
            self.used += 1;
        }
        0
    }
}

/// `number` in decimal, in `digits`.
pub(super) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        // The remainder is below ten.
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_bounded_and_says_that_it_goes_on() {
        let mut path = Path::default();
        let mut lengths = Vec::new();
        for _ in 0..40 {
            lengths.push(path.len());
            path.push((1 << 29) - 1, 0);
        }
        let text = |path: &Path| -> Vec<u8> {
            let digit = |byte: &u8| (b'0'..=b'9').find(|digit| hidden(*digit) == *byte);
            path.text()
                .iter()
                .map(|byte| digit(byte).unwrap_or(*byte))
                .collect()
        };
        assert!(text(&path).starts_with(b"536870911.536870911."));
        assert!(text(&path).ends_with(b"536870911..*"));
        for length in lengths.into_iter().rev() {
            path.truncate(length);
        }
        path.push(7, 0);
        assert_eq!(text(&path), b"7");
        path.push(3, 12);
        path.push(1, u32::MAX);
        assert_eq!(text(&path), b"7.3[12].1[4294967295]");
        assert_eq!(decimal(u64::MAX, &mut [0; 20]), b"18446744073709551615");
        assert_eq!(decimal(0, &mut [0; 20]), b"0");
    }

    #[test]
    fn occurrences_are_counted_of_a_bounded_number_of_fields() {
        let mut counts = Counts::default();
        assert_eq!([3, 3, 1, 3].map(|number| counts.next(number)), [0, 1, 0, 2]);
        for number in 10..100 {
            assert_eq!(counts.next(number), 0);
        }
        assert_eq!([3, 10, 99].map(|number| counts.next(number)), [3, 1, 0]);
    }
}
