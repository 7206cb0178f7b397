//! Values made up at run time, so that no file of the repository holds one: valid, and none published for testing.

use std::{fs::File, io::Read as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// `count` random bytes.
pub fn random(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let filled = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    assert!(filled.is_ok(), "/dev/urandom cannot be read");
    bytes
}

/// A random text of `count` characters out of `alphabet`.
fn text(alphabet: &[u8], count: usize) -> String {
    random(count)
        .iter()
        .map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]))
        .collect()
}

pub fn digits(count: usize) -> String {
    text(b"0123456789", count)
}

pub fn letters(count: usize) -> String {
    text(b"abcdefghijklmnopqrstuvwxyz", count)
}

/// Sixteen digits that pass the Luhn check, within Mastercard's ranges; no test number begins like these.
pub fn card() -> String {
    let issuers = ["544791", "531462", "526219"];
    let body = issuers[usize::from(random(1)[0]) % issuers.len()].to_owned() + &digits(9);
    let sum: u32 = body
        .bytes()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            if at % 2 == 0 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// The sample auditor shows of a card: first six and last four digits.
pub fn card_sample(card: &str) -> String {
    format!("{}******{}", &card[..6], &card[12..])
}

/// A number of the United States' social security, with dashes.
pub fn social_security_number() -> String {
    let part = |least: u32, most: u32| {
        let number = random(4)
            .iter()
            .fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        least + number % (most - least + 1)
    };
    format!(
        "{:03}-{:02}-{:04}",
        part(230, 600),
        part(10, 99),
        part(1200, 9800)
    )
}

/// The local part of an e-mail address: eighteen letters and a point.
pub fn local_part() -> String {
    format!("{}.{}", letters(8), letters(10))
}

/// A German account number with its check digits (ISO 13616).
pub fn iban() -> String {
    let account = digits(18);
    let rest = format!("{account}131400")
        .bytes()
        .fold(0u32, |rest, byte| (rest * 10 + u32::from(byte - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

/// The sample auditor shows of it: country and last four digits.
pub fn iban_sample(iban: &str) -> String {
    format!("{}**************{}", &iban[..2], &iban[iban.len() - 4..])
}

/// A signed token (RFC 7519) of somebody unknown.
pub fn jwt() -> String {
    let claims = format!(r#"{{"sub":"{}","iat":1795000000}}"#, letters(16));
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims),
        URL_SAFE_NO_PAD.encode(random(32))
    )
}
