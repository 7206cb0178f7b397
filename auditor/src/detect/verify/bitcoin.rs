//! Bitcoin addresses: base58check, and bech32 with its successor bech32m.
//!
//! Goes in: a word. Comes out: whether its checksum holds, and of which network it is. BIP 13,
//! BIP 173, BIP 350; never allocates.

use sha2::{Digest, Sha256};

use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value};

/// Characters of the longest address, BIP 173.
const LONGEST: usize = 90;
/// Characters of an address in base 58.
const BASE58: std::ops::RangeInclusive<usize> = 26..=35;
const TEST: &str = "Bitcoin's test networks";

/// Judges the word that begins at `place.at` as an address of any kind.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    // Most digests hold a zero, which is no digit of base 58.
    let is_bech32 = matches!(text.first()? | 0x20, b'b' | b't');
    if !is_bech32 && memchr::memchr(b'0', text.get(..*BASE58.start())?).is_some() {
        return None;
    }
    let length = text
        .iter()
        .take(LONGEST + 1)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    if place.before(place.at).is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let proof = of(&text[..length])?;
    let state = if proof.test.is_some() {
        State::Test
    } else {
        State::Clear
    };
    let mut found = Match::new(place.at..place.at + length, state).because(proof.bits, proof.reason);
    if let Some(source) = proof.test {
        found = found.because(0.0, format!("is a test value: {source}"));
    }
    Some(found)
}

/// Judges a whole value.
pub(crate) fn address(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    of(text.strip_prefix(b"bitcoin:").unwrap_or(text))
}

fn of(word: &[u8]) -> Option<Proof> {
    segwit(word).or_else(|| base58check(word))
}

/// A version byte, 20 bytes of a hash and four of a checksum.
fn base58check(word: &[u8]) -> Option<Proof> {
    if !BASE58.contains(&word.len()) || !matches!(word[0], b'1' | b'3' | b'm' | b'n' | b'2') {
        return None;
    }
    if word.iter().any(|letter| base58(*letter).is_none()) {
        return None;
    }
    let mut bytes = [0u8; 25];
    for &letter in word {
        let mut carry = u32::from(base58(letter)?);
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    // Each leading zero byte is a `1`.
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let ones = word.iter().take_while(|letter| **letter == b'1').count();
    let (body, check) = bytes.split_at(21);
    if zeros != ones || Sha256::digest(Sha256::digest(body))[..4] != *check {
        return None;
    }
    let proof = Proof::new(32.0, "passes the checksum of base58check");
    match body[0] {
        0x00 | 0x05 => Some(proof),
        0x6F | 0xC4 => Some(proof.or_test(Some(TEST))),
        _ => None,
    }
}

fn base58(letter: u8) -> Option<u8> {
    Some(match letter {
        b'1'..=b'9' => letter - b'1',
        b'A'..=b'H' => letter - b'A' + 9,
        b'J'..=b'N' => letter - b'J' + 17,
        b'P'..=b'Z' => letter - b'P' + 22,
        b'a'..=b'k' => letter - b'a' + 33,
        b'm'..=b'z' => letter - b'm' + 44,
        _ => return None,
    })
}

/// A prefix, `1`, a version, a program and a checksum of six characters.
fn segwit(word: &[u8]) -> Option<Proof> {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const BECH32: u32 = 1;
    const BECH32M: u32 = 0x2BC8_30A3;
    if !(14..=LONGEST).contains(&word.len()) {
        return None;
    }
    let starts = |prefix: &[u8]| word[..prefix.len()].eq_ignore_ascii_case(prefix);
    let prefix = [b"bc1".as_slice(), b"tb1", b"bcrt1"]
        .into_iter()
        .find(|prefix| starts(prefix))?;
    let one_case = !word.iter().any(u8::is_ascii_lowercase) || !word.iter().any(u8::is_ascii_uppercase);
    if !one_case {
        return None;
    }
    let (name, data) = (&prefix[..prefix.len() - 1], &word[prefix.len()..]);
    let mut checksum = Polymod(1);
    name.iter().for_each(|letter| checksum.add(letter >> 5));
    checksum.add(0);
    name.iter().for_each(|letter| checksum.add(letter & 31));
    let mut version = 0;
    for (place, letter) in data.iter().enumerate() {
        let lower = letter.to_ascii_lowercase();
        let five = ALPHABET.iter().position(|known| *known == lower)? as u8;
        checksum.add(five);
        if place == 0 {
            version = five;
        }
    }
    // Version, program in groups of five bits, checksum.
    let program = data.len().checked_sub(7)?;
    let fits = match version {
        0 => matches!(program, 32 | 52) && checksum.0 == BECH32,
        1 => program == 52 && checksum.0 == BECH32M,
        2..=16 => (4..=64).contains(&program) && checksum.0 == BECH32M,
        _ => false,
    };
    let test = (name != b"bc").then_some(TEST);
    fits.then_some(Proof::new(30.0, "passes the checksum of bech32").or_test(test))
}

/// The checksum of BIP 173 over groups of five bits.
struct Polymod(u32);

impl Polymod {
    fn add(&mut self, five: u8) {
        const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
        let top = self.0 >> 25;
        self.0 = (self.0 & 0x01FF_FFFF) << 5 ^ u32::from(five);
        for (bit, value) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                self.0 ^= value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_standards_pass() {
        for (word, test) in [
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", false),
            ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", false),
            ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", false),
            ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", true),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", false),
            ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", false),
            (
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
                false,
            ),
            ("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", true),
        ] {
            let proof = of(word.as_bytes()).unwrap_or_else(|| panic!("{word}"));
            assert_eq!(proof.test.is_some(), test, "{word}");
        }
    }

    #[test]
    fn one_changed_character_fails() {
        for word in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ] {
            for at in 1..word.len() {
                let mut other = word.as_bytes().to_vec();
                other[at] = if other[at] == b'q' { b'p' } else { b'q' };
                assert!(of(&other).is_none());
            }
        }
        for word in [
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7KV8F3T4",
            "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du",
            "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",
            "bc1",
            "",
            "1111111111111111111111111111111111",
        ] {
            assert!(of(word.as_bytes()).is_none(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_not(
            word in prop::collection::vec(any::<u8>(), 0..120),
            base58 in "[13][1-9A-HJ-NP-Za-km-z]{20,36}",
            bech32 in "(bc|tb|bcrt)1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{0,90}",
        ) {
            for word in [word.as_slice(), base58.as_bytes(), bech32.as_bytes()] {
                let _ = of(word);
            }
        }
    }
}
