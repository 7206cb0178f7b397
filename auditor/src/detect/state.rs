//! The state of a field's whole value, decided before any validator runs.
//!
//! Goes in: the bytes of a value as its field holds them. Comes out: [`Protected`] when it is a
//! mask, a placeholder, a hash, a token or ciphertext; nothing for all else, which the verifiers
//! then judge as clear or test. Never allocates.

use super::State;
use super::catalogue::Convention;
use super::mask::{self, Mask};

/// Longest value that is looked at, bytes: a hash in base 64 with its parameters, a short JWE.
pub(crate) const LONGEST: usize = 512;

/// A value that somebody protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protected {
    pub(crate) state: State,
    /// For the evidence: how it is protected.
    pub(crate) how: &'static str,
    pub(crate) bits: f32,
    pub(crate) mask: Option<Mask>,
    /// For card numbers only (letters between the first six and the last four digits).
    pub(crate) card_only: bool,
}

impl Protected {
    fn new(state: State, bits: f32, how: &'static str) -> Self {
        Self {
            state,
            how,
            bits,
            mask: None,
            card_only: false,
        }
    }

    /// State of this value when it is of a kind with this convention, and whether the mask leaves
    /// too much.
    pub(crate) fn judge(&self, convention: Convention) -> (State, bool) {
        match self.mask {
            Some(mask) if !mask.keeps(convention) => (State::Clear, true),
            _ => (self.state, false),
        }
    }
}

/// Quick look at the first bytes: whether [`of`] may have an answer. Most clear values end here.
#[inline]
pub(crate) fn may_be_protected(value: &[u8]) -> bool {
    let Some(&first) = value.first() else {
        return false;
    };
    match first {
        b'*' | b'\\' | 0xE2 => mask::sure_at(value, 0).is_some(),
        b'x' | b'X' | b'#' => value.get(1) == Some(&first),
        b'_' | b'.' => value.starts_with(&[first; 3]),
        b'(' if value.get(1).is_some_and(u8::is_ascii_digit) => leads_to_mask(&value[1..]),
        b'[' | b'<' | b'(' => value
            .get(1)
            .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'*'),
        b'{' => matches!(value.get(1), Some(b'{' | b'S' | b's')),
        b'$' => matches!(
            value.get(1),
            Some(b'{' | b'2' | b'a' | b'6' | b'5' | b'1' | b's' | b'y')
        ),
        b'+' => leads_to_mask(&value[1..]),
        b'&' => value.starts_with(b"&lt;"),
        b'0'..=b'9' => leads_to_mask(value) || is_hex_run(value) || six_then_letters(value),
        b'a'..=b'f' | b'A'..=b'F' if is_hex_run(value) => true,
        b'a'..=b'z' | b'A'..=b'Z' => {
            starts_with_word(value)
                || (first.is_ascii_uppercase() && leads_to_mask(&value[2.min(value.len())..]))
        }
        _ => false,
    }
}

/// The state of the whole value `value`.
pub(crate) fn of(value: &[u8]) -> Option<Protected> {
    let value = value.trim_ascii();
    if value.is_empty() || value.len() > LONGEST {
        return None;
    }
    placeholder(value)
        .or_else(|| hash(value))
        .or_else(|| token(value))
        .or_else(|| between_six_and_four(value))
        .or_else(|| masked(value))
}

fn leads_to_mask(value: &[u8]) -> bool {
    let clear = value
        .iter()
        .take(24)
        .take_while(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'(' | b')'))
        .count();
    clear < value.len() && mask::run_at(value, clear).is_some()
}

fn six_then_letters(value: &[u8]) -> bool {
    value.len() >= 13
        && value[..6].iter().all(u8::is_ascii_digit)
        && value[6..9].iter().all(u8::is_ascii_alphanumeric)
        && value[6..15.min(value.len())].iter().any(u8::is_ascii_alphabetic)
}

fn is_hex_run(value: &[u8]) -> bool {
    // Without an early end, all bytes are compared at once.
    let all = |all: bool, b: &u8| all & b.is_ascii_hexdigit();
    value
        .first_chunk::<32>()
        .is_some_and(|chunk| chunk[31].is_ascii_hexdigit() && chunk.iter().fold(true, all))
}

/// Beginnings of tokens, ciphertexts and hashes with a name.
const NAMED: [(&[u8], State, &str); 27] = [
    (b"tok_", State::Tokenised, "a token by its prefix"),
    (b"pm_", State::Tokenised, "a token by its prefix"),
    (b"card_", State::Tokenised, "a token by its prefix"),
    (b"src_", State::Tokenised, "a token by its prefix"),
    (
        b"vault:v",
        State::Encrypted,
        "ciphertext of Vault's transit engine",
    ),
    (b"enc:", State::Encrypted, "ciphertext by its prefix"),
    (b"ENC(", State::Encrypted, "ciphertext by its prefix"),
    (b"ENC[", State::Encrypted, "ciphertext by its prefix"),
    (b"$2a$", State::Hashed, "a bcrypt hash"),
    (b"$2b$", State::Hashed, "a bcrypt hash"),
    (b"$2y$", State::Hashed, "a bcrypt hash"),
    (b"$argon2", State::Hashed, "an Argon2 hash"),
    (b"$6$", State::Hashed, "a SHA-512 crypt hash"),
    (b"$5$", State::Hashed, "a SHA-256 crypt hash"),
    (b"$1$", State::Hashed, "an MD5 crypt hash"),
    (b"$scrypt$", State::Hashed, "a scrypt hash"),
    (b"$y$", State::Hashed, "a yescrypt hash"),
    (b"{SSHA}", State::Hashed, "a salted SHA-1 hash"),
    (b"{SSHA512}", State::Hashed, "a salted SHA-512 hash"),
    (b"{SHA}", State::Hashed, "a SHA-1 hash"),
    (b"pbkdf2_sha", State::Hashed, "a PBKDF2 hash"),
    (b"sha256:", State::Hashed, "a SHA-256 hash"),
    (b"sha256$", State::Hashed, "a SHA-256 hash"),
    (b"sha512:", State::Hashed, "a SHA-512 hash"),
    (b"sha1:", State::Hashed, "a SHA-1 hash"),
    (b"md5:", State::Hashed, "an MD5 hash"),
    (b"hmac-sha256:", State::Hashed, "an HMAC"),
];

/// Words that stand for a value.
const STAND_INS: [&[u8]; 9] = [
    b"redacted",
    b"masked",
    b"filtered",
    b"hidden",
    b"removed",
    b"scrubbed",
    b"suppressed",
    b"obfuscated",
    b"sanitized",
];

fn starts_with_word(value: &[u8]) -> bool {
    let [first, second, ..] = value else {
        return false;
    };
    // A few letters in a hundred pass.
    if SECONDS[usize::from(first & 31)] & (1 << (second & 31)) == 0 {
        return false;
    }
    NAMED.iter().any(|(prefix, ..)| value.starts_with(prefix))
        || STAND_INS.iter().any(|word| starts_with_any_case(value, word))
        || is_jwe(value)
}

/// For each first letter of a word of [`NAMED`] and [`STAND_INS`], a bit for each second one; both
/// by their place in the alphabet, in any case.
static SECONDS: [u32; 32] = {
    let mut seconds = [0; 32];
    let mut n = 0;
    while n < NAMED.len() {
        let word = NAMED[n].0;
        seconds[(word[0] & 31) as usize] |= 1 << (word[1] & 31);
        n += 1;
    }
    n = 0;
    while n < STAND_INS.len() {
        let word = STAND_INS[n];
        seconds[(word[0] & 31) as usize] |= 1 << (word[1] & 31);
        n += 1;
    }
    // `eyJ` of a JWE.
    seconds[(b'e' & 31) as usize] |= 1 << (b'y' & 31);
    seconds
};

fn starts_with_any_case(value: &[u8], word: &[u8]) -> bool {
    value
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn placeholder(value: &[u8]) -> Option<Protected> {
    let found = |how| Some(Protected::new(State::Masked, 4.0, how));
    let bare = value.trim_ascii_start();
    let stars = bare.iter().take_while(|b| **b == b'*').count();
    let core = bare[stars..].strip_suffix(&bare[..stars]).unwrap_or(bare);
    if STAND_INS.iter().any(|word| core.eq_ignore_ascii_case(word)) {
        return found("a word that stands for the value");
    }
    let inner = placeholder_name(value)?;
    if STAND_INS.iter().any(|word| starts_with_any_case(inner, word)) {
        return found("a placeholder that says so");
    }
    found("a placeholder")
}

/// What stands inside the brackets of a placeholder: `EMAIL_ADDRESS` of `<EMAIL_ADDRESS>`.
pub(crate) fn placeholder_name(value: &[u8]) -> Option<&[u8]> {
    if value.len() > 64 {
        return None;
    }
    let pairs: [(&[u8], &[u8]); 7] = [
        (b"{{{", b"}}}"),
        (b"{{", b"}}"),
        (b"${", b"}"),
        (b"[", b"]"),
        (b"<", b">"),
        // In XML.
        (b"&lt;", b"&gt;"),
        (b"(", b")"),
    ];
    let (open, inner) = pairs.iter().find_map(|(open, close)| {
        Some((
            *open,
            value.strip_prefix(*open)?.strip_suffix(*close)?.trim_ascii(),
        ))
    })?;
    let named = inner.len() >= 2
        && inner[0].is_ascii_alphabetic()
        && inner
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' ' | b':'));
    let says_so = STAND_INS.iter().any(|word| starts_with_any_case(inner, word));
    let upper = inner.iter().all(|b| !b.is_ascii_lowercase());
    // `(mobile)` and `<b>` are ordinary text, `[null]` and `[true]` are JSON.
    let plain = match open {
        b"(" => says_so,
        b"<" | b"&lt;" | b"[" => says_so || upper,
        _ => true,
    };
    (named && plain).then_some(inner)
}

fn hash(value: &[u8]) -> Option<Protected> {
    let hex = value.strip_prefix(b"0x").unwrap_or(value);
    if matches!(hex.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && hex.iter().all(u8::is_ascii_hexdigit)
        && hex.iter().any(u8::is_ascii_alphabetic)
        // An address of Ethereum.
        && (hex.len() != 40 || hex.len() == value.len())
    {
        return Some(Protected::new(
            State::Hashed,
            2.0,
            "hexadecimal of a digest's length",
        ));
    }
    None
}

fn token(value: &[u8]) -> Option<Protected> {
    if let Some((prefix, state, how)) = NAMED.iter().find(|(prefix, ..)| value.starts_with(prefix)) {
        let body = &value[prefix.len()..];
        let opaque = body.len() >= 4 && body.iter().all(|b| b.is_ascii_graphic());
        return opaque.then(|| Protected::new(*state, 4.0, how));
    }
    is_jwe(value).then(|| Protected::new(State::Encrypted, 6.0, "a five-part JWE"))
}

fn is_jwe(value: &[u8]) -> bool {
    value.starts_with(b"eyJ")
        && value.iter().filter(|b| **b == b'.').count() == 4
        && value
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A token that keeps a card's first six and last four digits and has letters between.
fn between_six_and_four(value: &[u8]) -> Option<Protected> {
    if !(13..=19).contains(&value.len()) {
        return None;
    }
    let (head, rest) = value.split_at(6);
    let (middle, tail) = rest.split_at(rest.len() - 4);
    let shaped = head.iter().chain(tail).all(u8::is_ascii_digit)
        && middle.iter().all(u8::is_ascii_alphanumeric)
        && middle
            .iter()
            .any(|b| b.is_ascii_alphabetic() && !b.eq_ignore_ascii_case(&b'x'));
    shaped.then(|| Protected {
        card_only: true,
        ..Protected::new(
            State::Tokenised,
            4.0,
            "letters between the first six and the last four digits",
        )
    })
}

fn masked(value: &[u8]) -> Option<Protected> {
    // `Visa **** 1111`, `ending in ••••1111`: the words say nothing of the value.
    let words = value
        .split_inclusive(|b| *b == b' ')
        .take_while(|word| word.len() > 3 && word.iter().all(|b| b.is_ascii_alphabetic() || *b == b' '))
        .filter(|word| !word.iter().all(|b| matches!(b, b'x' | b'X' | b' ')))
        .map(<[u8]>::len)
        .sum::<usize>();
    let mask = Mask::read(&value[words.min(value.len())..]).or_else(|| Mask::read(value))?;
    Some(Protected {
        mask: Some(mask),
        ..Protected::new(State::Masked, 4.0, "a mask run")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_convention_of_protecting_a_value_is_known() {
        let hex = |n: usize| "0123456789abcdef".repeat(n / 16 + 1)[..n].to_owned();
        let mut table: Vec<(String, State)> = [32, 40, 56, 64, 96, 128]
            .into_iter()
            .map(|length| (hex(length), State::Hashed))
            .collect();
        for (value, state) in [
            ("[REDACTED]", State::Masked),
            ("<EMAIL_ADDRESS>", State::Masked),
            ("&lt;EMAIL_ADDRESS&gt;", State::Masked),
            ("[Filtered]", State::Masked),
            ("[FILTERED]", State::Masked),
            ("{{card}}", State::Masked),
            ("${CARD_NUMBER}", State::Masked),
            ("{{{REDACTED-card}}}", State::Masked),
            ("REDACTED", State::Masked),
            ("***REDACTED***", State::Masked),
            ("***", State::Masked),
            ("************1111", State::Masked),
            ("411111xxxxxx1111", State::Masked),
            (
                "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
                State::Hashed,
            ),
            ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", State::Hashed),
            ("$6$salt$hashhash", State::Hashed),
            ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", State::Hashed),
            ("pbkdf2_sha256$1000$salt$hash", State::Hashed),
            ("sha256:abcdef", State::Hashed),
            ("tok_1JXyzAbc", State::Tokenised),
            ("pm_1Nabcdefgh", State::Tokenised),
            ("card_1Nabcdefgh", State::Tokenised),
            ("src_1Nabcdefgh", State::Tokenised),
            ("411111abcdef1111", State::Tokenised),
            ("vault:v1:8SDd3WHDOjf7mq69", State::Encrypted),
            ("enc:8SDd3WHDOjf7mq69", State::Encrypted),
            ("eyJhbGciOiJSU0EifQ.abc.def.ghi.jkl", State::Encrypted),
        ] {
            table.push((value.to_owned(), state));
        }
        for (value, state) in table {
            // Words before a run of stars are found by the stars.
            assert!(
                may_be_protected(value.as_bytes()) || value.starts_with("Visa"),
                "{value}"
            );
            assert_eq!(
                of(value.as_bytes()).map(|found| found.state),
                Some(state),
                "{value}"
            );
        }
    }

    #[test]
    fn clear_and_empty_values_have_no_such_state() {
        for value in [
            "",
            "null",
            "n/a",
            "?",
            "4111111111111111",
            "true",
            "Jane Doe",
            "max",
            "token",
            "car",
            "e",
            "tok_",
            "[1,2,3]",
            "[null]",
            "<b>",
            "(mobile)",
            "2024-01-01",
            "+14155552671",
            "DE89370400440532013000",
            "00000000000000000000000000000000",
        ] {
            assert!(of(value.as_bytes()).is_none(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_state_or_none(value in proptest::collection::vec(any::<u8>(), 0..600)) {
            let quick = may_be_protected(&value);
            let _ = (quick, of(&value));
        }
    }
}
