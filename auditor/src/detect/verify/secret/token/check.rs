//! What a token's body must hold beyond its alphabet: parts, marks, checksums.
//!
//! Goes in: the characters behind the prefix, of the form's alphabet and length. Comes out: a
//! [`Finding`], or nothing when they are no such token. Never allocates but to decode a macaroon.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::detect::checksum::{base62_6, crc32};

/// What a check adds to the form.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Finding {
    pub(crate) because: Option<(f32, &'static str)>,
    pub(crate) test: Option<&'static str>,
}

const PASSES: Option<Finding> = Some(Finding {
    because: None,
    test: None,
});

fn because(bits: f32, reason: &'static str) -> Option<Finding> {
    Some(Finding {
        because: Some((bits, reason)),
        test: None,
    })
}

/// Every body of the right length and alphabet.
pub(super) fn any(_: &[u8]) -> Option<Finding> {
    PASSES
}

/// Digits and letters, or letters of both cases in such numbers as words joined in camel case have
/// not: a number, a word or a name alone is no such body.
pub(super) fn varied(body: &[u8]) -> Option<Finding> {
    let count = |is: fn(&u8) -> bool| body.iter().filter(|byte| is(byte)).count();
    let lower = count(u8::is_ascii_lowercase);
    let upper = count(u8::is_ascii_uppercase);
    let digits = count(u8::is_ascii_digit);
    let of_both = |count: usize| 4 * count >= body.len();
    let is_varied = digits > 0 && lower + upper > 0 || of_both(lower) && of_both(upper);
    is_varied.then_some(Finding::default())
}

/// AWS: base 32, but for AWS's own examples, which use digits that base 32 lacks.
pub(super) fn aws(body: &[u8]) -> Option<Finding> {
    if body.ends_with(b"EXAMPLE") {
        return Some(Finding {
            because: None,
            test: Some("AWS documentation"),
        });
    }
    body.iter()
        .all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
        .then_some(Finding::default())
}

/// GitHub and npm: the last six characters are the CRC-32 of those before, in base 62.
pub(super) fn crc32_base62(body: &[u8]) -> Option<Finding> {
    let (rest, sum) = body.split_last_chunk::<6>()?;
    if base62_6(crc32(rest)) == *sum {
        because(10.0, "its last six characters are the CRC-32 of those before")
    } else {
        because(-6.0, "its last six characters are not the CRC-32 of those before")
    }
}

/// GitHub's fine-grained tokens: 22 characters, an underscore, 59 characters.
pub(super) fn github_fine_grained(body: &[u8]) -> Option<Finding> {
    let mut parts = body.split(|b| *b == b'_');
    let shaped = parts.next()?.len() == 22 && parts.next()?.len() == 59 && parts.next().is_none();
    if shaped { PASSES } else { None }
}

/// Prefixes of Atlassian's tokens for accounts and for repositories.
const ATLASSIAN: [&str; 2] = ["ATATT3xFfGF0", "ATCTT3xFfGN0"];

/// Atlassian: `=` and eight hexadecimal digits at the end, the CRC-32 of all before them with the prefix,
/// as other scanners check it (crate dd-sensitive-data-scanner); Atlassian does not say so itself.
pub(super) fn atlassian(body: &[u8]) -> Option<Finding> {
    let (rest, sum) = body.split_last_chunk::<8>()?;
    let shaped = rest.ends_with(b"=") && sum.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    if !shaped {
        return None;
    }
    let said = std::str::from_utf8(sum).ok()?;
    let said = u32::from_str_radix(said, 16).ok()?;
    // As it is not published, another sum says nothing.
    let is_sum = |prefix: &str| crc32(prefix.as_bytes().iter().chain(rest)) == said;
    if ATLASSIAN.into_iter().any(is_sum) {
        because(4.0, "its last eight digits are the CRC-32 of what stands before")
    } else {
        PASSES
    }
}

/// Slack: groups joined by dashes, the first of digits, the last of twenty characters or more.
pub(super) fn slack(body: &[u8]) -> Option<Finding> {
    let mut groups = body.split(|b| *b == b'-');
    let first = groups.next()?;
    let last = groups.next_back()?;
    let shaped = !first.is_empty() && first.iter().all(u8::is_ascii_digit) && last.len() >= 20;
    if shaped { PASSES } else { None }
}

/// SendGrid: 22 characters, a dot, 43 characters.
pub(super) fn sendgrid(body: &[u8]) -> Option<Finding> {
    let mut parts = body.split(|b| *b == b'.');
    let shaped = parts.next()?.len() == 22 && parts.next()?.len() == 43 && parts.next().is_none();
    if shaped { PASSES } else { None }
}

/// PyPI: a macaroon of version 2 whose location is an index of packages.
pub(super) fn pypi(body: &[u8]) -> Option<Finding> {
    // Version 2, field 1 (location), its length, the host.
    let head = Zeroizing::new(URL_SAFE_NO_PAD.decode(body.get(..20)?).ok()?);
    let host = head.strip_prefix(&[2, 1])?;
    let known = host
        .strip_prefix(&[8])
        .is_some_and(|host| host.starts_with(b"pypi\x2eorg"))
        || host
            .strip_prefix(&[13])
            .is_some_and(|host| host.starts_with(b"test.pypi."));
    if known {
        because(6.0, "is a macaroon of the package index")
    } else {
        None
    }
}

/// OpenAI: the mark that stands in the middle of its keys.
pub(super) fn openai(body: &[u8]) -> Option<Finding> {
    if memchr::memmem::find(body, b"T3BlbkFJ").is_some() {
        because(8.0, "holds OpenAI's mark")
    } else {
        varied(body)
    }
}

/// OpenAI before 2024: twenty characters, the mark, twenty characters.
pub(super) fn openai_legacy(body: &[u8]) -> Option<Finding> {
    if body.get(20..28) == Some(b"T3BlbkFJ") {
        PASSES
    } else {
        None
    }
}

/// Anthropic: kind and version of the key (`api03`), a dash, the rest.
pub(super) fn anthropic(body: &[u8]) -> Option<Finding> {
    let dash = body.iter().position(|b| *b == b'-')?;
    let (kind, version) = body[..dash].split_last_chunk::<2>()?;
    let shaped = (3..=8).contains(&kind.len())
        && kind.iter().all(u8::is_ascii_lowercase)
        && version.iter().all(u8::is_ascii_digit);
    if shaped { PASSES } else { None }
}

/// Doppler: an optional name of the environment and a dot, then forty characters or more.
pub(super) fn doppler(body: &[u8]) -> Option<Finding> {
    let last = body.rsplit(|b| *b == b'.').next()?;
    let shaped = last.len() >= 40 && last.iter().all(u8::is_ascii_alphanumeric);
    if shaped { PASSES } else { None }
}

/// Databricks: thirty-two hexadecimal digits, and perhaps a dash and a digit.
pub(super) fn databricks(body: &[u8]) -> Option<Finding> {
    let hex = match body {
        [hex @ .., b'-', b'0'..=b'9'] if hex.len() == 32 => hex,
        hex if hex.len() == 32 => hex,
        _ => return None,
    };
    let is_hex = hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { varied(hex) } else { None }
}

/// Bitbucket app passwords: letters and digits and eight hexadecimal digits.
pub(super) fn bitbucket(body: &[u8]) -> Option<Finding> {
    let (_, sum) = body.split_last_chunk::<8>()?;
    if sum.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
        PASSES
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_a_number_or_a_name_in_camel_case_is_no_random_body() {
        for (body, expected) in [
            ("q7ZkV2mW0rT9xN4bL1cD8fGh", true),
            ("qWZkVdmWarTcxNubLbcDafGh", true),
            ("abcdefghijklmnopqrstuvwx", false),
            ("ABCDEFGHIJKLMNOPQRSTUVWX", false),
            ("myWebhookSecretForOrders", false),
            ("012345678901234567890123", false),
        ] {
            assert_eq!(varied(body.as_bytes()).is_some(), expected, "{body}");
        }
    }
}
