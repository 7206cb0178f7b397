//! The path of a field as text, in place: `1.3.2`.
//!
//! Goes in: field numbers. Comes out: their text, of bounded length; below that, it ends in `..*`.

/// Longest path, bytes.
pub(super) const LONGEST: usize = 64;
/// Digits of the largest field number, 2^29 − 1, and a dot.
const STEP: usize = 10;
/// Says that the path goes on.
const MORE: &[u8] = b"..*";

#[derive(Clone)]
pub(super) struct Path {
    text: [u8; LONGEST],
    length: usize,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            text: [0; LONGEST],
            length: 0,
        }
    }
}

impl Path {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut path = Self::default();
        path.write(&text[..text.len().min(LONGEST)]);
        path
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Goes one field down.
    pub(super) fn push(&mut self, number: u32) {
        if self.length + STEP + MORE.len() <= LONGEST {
            if self.length > 0 {
                self.write(b".");
            }
            let mut digits = [0; 20];
            self.write(decimal(u64::from(number), &mut digits));
        } else if !self.text().ends_with(MORE) {
            self.write(MORE);
        }
    }

    /// Goes back to where it was `length` bytes long.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Callers have seen to it that there is room.
    fn write(&mut self, bytes: &[u8]) {
        self.text[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
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
            path.push((1 << 29) - 1);
        }
        assert!(path.text().starts_with(b"536870911.536870911."));
        assert!(path.text().ends_with(b"536870911..*"));
        for length in lengths.into_iter().rev() {
            path.truncate(length);
        }
        path.push(7);
        assert_eq!(path.text(), b"7");
        assert_eq!(decimal(u64::MAX, &mut [0; 20]), b"18446744073709551615");
        assert_eq!(decimal(0, &mut [0; 20]), b"0");
    }
}
