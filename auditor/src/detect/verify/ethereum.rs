//! Ethereum addresses: `0x`, forty hexadecimal digits, and the checksum that their case holds.
//!
//! Goes in: a word. Comes out: how sure it is. ERC-55 (mixed-case checksum over Keccak-256); never
//! allocates.

use sha3::{Digest, Keccak256};

use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value};

/// Bytes of an address with its prefix.
const LENGTH: usize = 42;

/// Judges the word that begins with `0x` at `place.at`. Without a name, only a checksum proves
/// such an address.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    let word = text.get(..LENGTH)?;
    let is_cut = text.get(LENGTH).is_some_and(u8::is_ascii_alphanumeric)
        || place.before(place.at).is_some_and(|b| b.is_ascii_alphanumeric());
    let proof = of(word).filter(|proof| !is_cut && proof.bits > 5.0)?;
    Some(Match::new(place.at..place.at + LENGTH, State::Clear).because(proof.bits, proof.reason))
}

/// Judges a whole value.
pub(crate) fn address(value: &Value<'_>) -> Option<Proof> {
    of(value.text)
}

fn of(word: &[u8]) -> Option<Proof> {
    let hex: &[u8; 40] = word.strip_prefix(b"0x")?.try_into().ok()?;
    let zeros = hex.iter().filter(|b| **b == b'0').count();
    // The zero address and its neighbours belong to nobody.
    if !hex.iter().all(u8::is_ascii_hexdigit) || zeros > 30 {
        return None;
    }
    let letters = hex.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let capitals = hex.iter().filter(|b| b.is_ascii_uppercase()).count();
    if capitals == 0 || capitals == letters {
        return Some(Proof::new(2.0, "is 0x and forty hexadecimal digits"));
    }
    // A letter is a capital when the digit of the hash at its place is 8 or more.
    let mut lower = *hex;
    lower.make_ascii_lowercase();
    let hash = Keccak256::digest(lower);
    let holds = hex.iter().enumerate().all(|(place, byte)| {
        let digit = hash[place / 2] >> (4 * (1 - place % 2)) & 15;
        !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() == (digit >= 8)
    });
    // One bit for each letter.
    holds.then_some(Proof::new(
        letters as f32,
        "passes the mixed-case checksum of ERC-55",
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_the_standard_pass() {
        for word in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let proof = of(word.as_bytes()).unwrap_or_else(|| panic!("{word}"));
            assert!(proof.bits > 9.0, "{word}");
            let lower = word.to_lowercase();
            assert_eq!(of(lower.as_bytes()).map(|proof| proof.bits), Some(2.0), "{word}");
        }
    }

    #[test]
    fn a_wrong_case_or_length_fails() {
        for word in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
            "0x0000000000000000000000000000000000000000",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x",
        ] {
            assert!(of(word.as_bytes()).is_none(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_not(word in prop::collection::vec(any::<u8>(), 0..60), hex in "0x[0-9a-fA-F]{38,42}") {
            let _ = (of(&word), of(hex.as_bytes()));
        }
    }
}
