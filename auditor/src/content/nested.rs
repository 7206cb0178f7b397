//! Content that is encoded in a string: base64 and base64url (RFC 4648), so also data URLs, and the claims
//! of JSON Web Tokens (RFC 7519).
//!
//! Goes in: a document. Comes out: where such a string is, what it is called in a path, and what it
//! decodes to, where that is text or compressed. Clean text is looked at eight bytes at a time and nothing
//! is allocated. Shorter strings than [`LEAST`] are left, and of those longer than a window the first.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::secret::Secret;

use super::encoding::{Magic, by_magic};
use super::sniff::SAMPLE;
use super::{Document, Format};

/// Shortest string that is decoded, bytes: that of sixteen to eighteen.
const LEAST: usize = 24;
/// Strings of one document that are decoded: each costs as much as a document of its own.
const MOST: usize = 512;
/// Decoded bytes by which it is decided whether a string is worth it. By chance 18 bytes are text one time
/// in thirty million.
const LOOK: usize = 18;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// A string that was decoded.
pub(super) struct Nested {
    /// Where it stands, without padding.
    pub(super) range: Range<usize>,
    /// `base64` or `jwt`.
    pub(super) encoding: &'static str,
    pub(super) content: Secret,
}

/// Calls `found` for each such string that is this document's to report, up to [`MOST`] of them.
pub(super) fn look(document: &Document<'_>, mut found: impl FnMut(Nested)) {
    let bytes = document.bytes;
    let (mut from, mut count) = (0, 0);
    while count < MOST
        && let Some(range) = next(bytes, from, document.format)
    {
        from = range.end;
        // In the middle of what another window began.
        let is_rest = range.start == 0 && document.overlap > 0;
        if is_rest || !document.reports(&range) {
            continue;
        }
        if let Some(nested) = decoded(bytes, range) {
            count += 1;
            found(nested);
        }
    }
}

/// The next run of at least [`LEAST`] letters, digits and signs of base64.
fn next(bytes: &[u8], from: usize, format: Format) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        at += clean(&bytes[at..])?;
        // In a path, slashes are between names.
        let is_sign = |b: &u8| is_sign(*b) && !(format == Format::Path && *b == b'/');
        let before = bytes[from..at].iter().rev().take_while(|b| is_sign(b)).count();
        let behind = bytes[at..].iter().take_while(|b| is_sign(b)).count();
        if behind >= 16 && before + behind >= LEAST {
            return Some(at - before..at + behind);
        }
        at += behind.max(8);
        if at >= bytes.len() {
            return None;
        }
    }
}

/// Where sixteen bytes begin of which none is below `+`, that is, no quote, blank or line end, and near which some
/// are capitals and some small letters. In any run of [`LEAST`] bytes of base64 there are such at one of the places
/// that are looked at; most identifiers, times and addresses have none.
fn clean(bytes: &[u8]) -> Option<usize> {
    let (words, remainder) = bytes.as_chunks::<8>();
    let (blocks, rest) = words.as_chunks::<8>();
    // Zeros are not clean.
    let mut last = [[0; 8]; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut before = 0;
    for (n, block) in blocks.iter().chain([&last]).enumerate() {
        // A bit for each word, and no branch but one a block: each is predicted badly.
        let mut clean = 0_u64;
        for (at, word) in block.iter().enumerate() {
            clean |= u64::from(is_clean(u64::from_ne_bytes(*word))) << at;
        }
        let mut pairs = clean & (clean << 1 | before);
        before = clean >> 7;
        while pairs != 0 {
            let second = 8 * n + pairs.trailing_zeros() as usize;
            pairs &= pairs - 1;
            if is_mixed_near(words, remainder, second) {
                return Some(8 * (second - 1));
            }
        }
    }
    None
}

/// Whether capitals and small letters are among the words `second` and the one before it, or next to these: a run of
/// [`LEAST`] bytes that holds both words has no byte further away.
fn is_mixed_near(words: &[[u8; 8]], remainder: &[u8], second: usize) -> bool {
    let near = &words[second.saturating_sub(2)..words.len().min(second + 2)];
    let has = |bits: fn(u64) -> u64| near.iter().any(|word| bits(u64::from_ne_bytes(*word)) != 0);
    let behind = if second + 1 == words.len() { remainder } else { &[] };
    (has(capitals) || behind.iter().any(u8::is_ascii_uppercase))
        && (has(small) || behind.iter().any(u8::is_ascii_lowercase))
}

/// Whether none of eight bytes is below `+`: the classic test, whose borrows may only add to the right
/// answer.
fn is_clean(word: u64) -> bool {
    word.wrapping_sub(ONES * u64::from(b'+')) & !word & (ONES << 7) == 0
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const LETTER: u64 = ONES << 6;

/// Not zero when some of eight bytes are capitals (0x40 to 0x5f, without the underscore).
fn capitals(word: u64) -> u64 {
    let underscores = word ^ (ONES * u64::from(b'_'));
    // The same test, for a byte that is zero.
    let underscores = underscores.wrapping_sub(ONES) & !underscores & (ONES << 7);
    word & !(word << 1) & LETTER & !(underscores >> 1)
}

/// Not zero when some of eight bytes are small letters (0x60 to 0x7f).
fn small(word: u64) -> u64 {
    word & (word << 1) & LETTER
}

fn is_sign(byte: u8) -> bool {
    static SIGNS: [bool; 256] = {
        let mut signs = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let of = byte as u8;
            signs[byte] = of.is_ascii_alphanumeric() || matches!(of, b'+' | b'/' | b'-' | b'_');
            byte += 1;
        }
        signs
    };
    SIGNS[usize::from(byte)]
}

fn decoded(bytes: &[u8], range: Range<usize>) -> Option<Nested> {
    let text = &bytes[range.clone()];
    let near = &text[..text.len().min(64)];
    let is_mixed = near.iter().any(u8::is_ascii_uppercase) && near.iter().any(u8::is_ascii_lowercase);
    if !is_mixed {
        return None;
    }
    let is_url = text.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if is_url { &URL } else { &PLAIN };
    let mut first = [0; LOOK];
    let length = engine.decode_slice(&text[..LEAST], &mut first).ok()?;
    let begins_as_worth = is_worth(&first[..length]);
    zeroize::Zeroize::zeroize(&mut first);
    if !begins_as_worth {
        return None;
    }
    // One sign alone stands for no byte.
    let whole = text.len() - usize::from(text.len() % 4 == 1);
    let content = Secret::new(engine.decode(&text[..whole]).ok()?);
    // Certificates and pictures have words in them.
    if !is_worth(&content.expose()[..content.len().min(SAMPLE)]) {
        return None;
    }
    let encoding = if is_claims(bytes, range.start) && content.expose().first() == Some(&b'{') {
        "jwt"
    } else {
        "base64"
    };
    let is_header = bytes.get(range.end) == Some(&b'.')
        && content.expose().starts_with(b"{\"")
        && memchr::memmem::find(content.expose(), b"\"alg\"").is_some();
    (!is_header).then_some(Nested {
        range,
        encoding,
        content,
    })
}

/// Whether the string at `start` is the second of a token whose first one is JSON.
fn is_claims(bytes: &[u8], start: usize) -> bool {
    let Some(before) = bytes[..start].strip_suffix(b".") else {
        return false;
    };
    let length = before.iter().rev().take_while(|b| is_sign(**b)).count();
    before[before.len() - length..].starts_with(b"eyJ")
}

/// Text, or compressed.
fn is_worth(bytes: &[u8]) -> bool {
    is_text(bytes) || matches!(by_magic(bytes), Magic::Coded(_))
}

/// UTF-8, but for a cut at the end, without control characters.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let is_control = |b: &u8| (*b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) || *b == 0x7f;
    valid && !bytes.iter().any(is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::text::Text;

    fn all(text: &str, format: Format) -> Vec<(&str, &'static str, String)> {
        let mut all = Vec::new();
        look(&Document::whole(text.as_bytes(), format, &Text), |nested| {
            let content = String::from_utf8_lossy(nested.content.expose()).into_owned();
            all.push((&text[nested.range], nested.encoding, content));
        });
        all
    }

    #[test]
    fn strings_are_decoded_where_that_gives_text() {
        let plain = "{\"card\":\"4111111111111111\",\"é?>\":1}";
        for engine in [&PLAIN, &URL] {
            let encoded = engine.encode(plain);
            for text in [
                encoded.clone(),
                format!("{{\"blob\":\"{encoded}\"}}"),
                format!("a=data:text/plain;base64,{encoded}&b=1"),
                format!("xx {} yy", encoded.trim_end_matches('=')),
            ] {
                let found = all(&text, Format::Json);
                assert_eq!(found.len(), 1, "{text}");
                assert_eq!((found[0].1, found[0].2.as_str()), ("base64", plain), "{text}");
            }
        }
        let short = PLAIN.encode("jane.doe@corp.example");
        assert_eq!(all(&short, Format::Text)[0].2, "jane.doe@corp.example");
        let path = format!("/users/{}/orders", URL.encode("jane.doe@corp.example"));
        assert_eq!(all(&path, Format::Path)[0].2, "jane.doe@corp.example");
        for other in [
            "https://static.example.com/assets/scripts/application.js",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "createdAtTimestampInMilliseconds",
            "2f4a6b8c0d1e3f5a7b9c1d3e5f7a9b1c3d5e7f9a",
            "transaction_reference_number_of_the_order",
            "2026-02-03T10:11:12.123456Z",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
            "amFuZUBjb3JwLmV4YW1wbGU",
        ] {
            assert_eq!(all(other, Format::Text), [], "{other}");
        }
    }

    #[test]
    fn bytes_that_begin_with_words_are_left() {
        let mut bytes = b"DigiCert Global Root CA".to_vec();
        bytes.extend([0x30, 0x82, 1, 0, 0xff]);
        assert_eq!(all(&PLAIN.encode(bytes), Format::Text), []);
    }

    #[test]
    fn of_a_token_the_claims_are_decoded() {
        let header = URL.encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
        let claims = URL.encode("{\"email\":\"jane@corp.example\"}");
        let token = format!(
            "Bearer {}.{}.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
            header.trim_end_matches('='),
            claims.trim_end_matches('=')
        );
        let found = all(&token, Format::Headers);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, "jwt");
        assert_eq!(found[0].2, "{\"email\":\"jane@corp.example\"}");
    }

    proptest! {
        #[test]
        fn a_string_is_found_wherever_it_stands(
            before in "[ \",:]{0,20}", content in "[a-z]{18,60}@[a-z]{3}", behind in "[ \",}]{0,20}",
        ) {
            let text = format!("{before}{}{behind}", PLAIN.encode(&content));
            let found = all(&text, Format::Text);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].2, &content);
        }

        #[test]
        fn any_text_has_such_strings_in_order(text in "[ -~]{0,300}") {
            let mut end = 0;
            look(&Document::whole(text.as_bytes(), Format::Json, &Text), |nested| {
                assert!(nested.range.start >= end && nested.range.len() >= LEAST);
                end = nested.range.end;
            });
        }
    }
}
