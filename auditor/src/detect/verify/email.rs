//! E-mail addresses: a local part, an at sign, a host below a public suffix.

use crate::content::Format;
use crate::detect::State;
use crate::detect::candidate::{Match, Place};
use crate::detect::mask;
use crate::detect::test_values;

/// RFC 5321, 4.5.3.1: octets of a local part and of a domain.
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// Judges the text around an at sign.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let bytes = place.bytes;
    let is_escaped = place.format == Format::Form && bytes[place.at] == b'%';
    let behind = place.at + if is_escaped { 3 } else { 1 };
    let quoted = quoted_start(bytes, place.at);
    let start = quoted.unwrap_or_else(|| local_start(bytes, place.at));
    let end = domain_end(bytes, behind);
    let (local, domain) = (&bytes[start..place.at], &bytes[behind..end]);
    if local.is_empty() || domain.len() < 3 || is_userinfo(bytes, start) {
        return None;
    }
    let mut lower = [0u8; DOMAIN];
    let lower = &mut lower[..domain.len()];
    lower.copy_from_slice(domain);
    lower.make_ascii_lowercase();
    let reserved = test_values::host(lower);
    let masks_domain = domain.contains(&b'*');
    let listed =
        psl::suffix(lower).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() < domain.len());
    if (!listed && reserved.is_none()) || !are_labels(domain) {
        return None;
    }
    let local_mask = LocalMask::read(local);
    let state = match local_mask {
        LocalMask::Kept => State::Masked,
        _ if masks_domain => State::Masked,
        _ if reserved.is_some() => State::Test,
        _ => State::Clear,
    };
    let mut found = Match::new(start..end, state)
        .because(4.0, "has a local part and an at sign")
        .because(6.0, "names a host below a public suffix");
    found.under_masked = local_mask == LocalMask::LeavesTooMuch && state != State::Masked;
    if found.under_masked {
        found.state = if reserved.is_some() {
            State::Test
        } else {
            State::Clear
        };
    }
    if matches!(local, b"git" | b"hg" | b"svn") {
        found = found.because(-6.0, "is the login of a code host");
    }
    if let Some(source) = reserved {
        found = found.because(0.0, format!("is a test value: {source}"));
    }
    Some(found)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LocalMask {
    None,
    Kept,
    LeavesTooMuch,
}

impl LocalMask {
    fn read(local: &[u8]) -> Self {
        let (mut at, mut clear, mut hidden, mut longest) = (0, 0, 0, 0);
        let mut sure = false;
        while at < local.len() {
            let run = mask::run_at(local, at).filter(|_| local[at] != b'.');
            match run {
                // `x` and `_` are letters of real addresses: only long runs of them hide.
                Some((length, count)) if mask::sure_at(local, at).is_some() || count >= 3 => {
                    sure |= mask::sure_at(local, at).is_some();
                    hidden += count;
                    longest = longest.max(count);
                    at += length;
                }
                _ => {
                    clear += usize::from(local[at].is_ascii_alphanumeric());
                    at += 1;
                }
            }
        }
        match (hidden, sure) {
            (0, _) => Self::None,
            (_, false) if clear > 2 => Self::None,
            _ if clear <= 2 || longest >= 3 => Self::Kept,
            _ => Self::LeavesTooMuch,
        }
    }
}

fn local_start(bytes: &[u8], at: usize) -> usize {
    let mut start = at;
    while start > 0 && at - start < LOCAL {
        let byte = bytes[start - 1];
        if byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte) {
            if matches!(
                byte,
                b'=' | b'&' | b'?' | b'/' | b'\'' | b'`' | b'{' | b'|' | b'}'
            ) {
                break;
            }
            start -= 1;
        } else if byte >= 0x80 && start >= 3 && mask::sure_at(bytes, start - 3) == Some(3) {
            start -= 3;
        } else if let Some(letter) = letter_before(&bytes[..start]) {
            // RFC 6531. Scripts without spaces run into an address that is written in ASCII.
            let runs_in = letter.is_lowercase() || letter.is_uppercase();
            if !runs_in && bytes[start..at].iter().any(u8::is_ascii) || start < letter.len_utf8() {
                break;
            }
            start -= letter.len_utf8();
        } else {
            break;
        }
    }
    // What is left of an escape such as `\n` or `%20`, and dots, are not the address's.
    if start > 0 && bytes[start - 1] == b'\\' && start < at && matches!(bytes[start], b'n' | b't' | b'r') {
        start += 1;
    }
    while start < at && matches!(bytes[start], b'.' | b'-' | b'%' | b'!') {
        start += 1;
    }
    start
}

/// The letter or digit beyond ASCII that `text` ends with.
fn letter_before(text: &[u8]) -> Option<char> {
    let tail = &text[text.len().saturating_sub(4)..];
    let start = tail.iter().rposition(|byte| byte & 0xC0 != 0x80)?;
    let letter = std::str::from_utf8(&tail[start..]).ok()?.chars().next()?;
    (!letter.is_ascii() && letter.is_alphanumeric()).then_some(letter)
}

/// Where a quoted local part begins: `"jane doe"@corp.example`, in JSON with escaped quotes.
fn quoted_start(bytes: &[u8], at: usize) -> Option<usize> {
    let before = bytes[..at].strip_suffix(b"\"")?;
    let escaped = before.last() == Some(&b'\\');
    let before = before.strip_suffix(b"\\").unwrap_or(before);
    let from = before.len().saturating_sub(LOCAL);
    let open = from + before[from..].iter().rposition(|byte| *byte == b'"')?;
    let inside = &before[open + 1..];
    let is_escaped = open > 0 && before[open - 1] == b'\\';
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\\:,{}[]<>=".contains(byte) || *byte == b' ';
    (escaped == is_escaped && !inside.is_empty() && inside.iter().all(plain))
        .then_some(open - usize::from(escaped))
}

fn domain_end(bytes: &[u8], from: usize) -> usize {
    let domain = &bytes[from..bytes.len().min(from + DOMAIN)];
    let (mut length, mut label) = (0, 0);
    while let Some(&byte) = domain.get(length) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'*') {
            length += 1;
            if byte == b'.' {
                label = length;
            }
            continue;
        }
        // Names of RFC 5890. Scripts without spaces go on behind an address in ASCII.
        let rest = &domain[length..domain.len().min(length + 4)];
        let valid = rest
            .utf8_chunks()
            .next()
            .and_then(|chunk| chunk.valid().chars().next());
        let Some(letter) = valid.filter(|c| !c.is_ascii() && c.is_alphanumeric()) else {
            break;
        };
        let cased = letter.is_lowercase() || letter.is_uppercase();
        if !cased && domain[label..length].iter().any(u8::is_ascii) {
            break;
        }
        length += letter.len_utf8();
    }
    let domain = &domain[..length];
    let trailing = domain
        .iter()
        .rev()
        .take_while(|b| matches!(b, b'.' | b'-'))
        .count();
    from + length - trailing
}

fn are_labels(domain: &[u8]) -> bool {
    let mut labels = domain.split(|b| *b == b'.').rev();
    let top = labels.next().unwrap_or_default();
    let scale =
        domain.first().is_some_and(u8::is_ascii_digit) && domain.get(1) == Some(&b'x') && domain[2] == b'.';
    // `icon@2x.zip` is a file.
    !scale
        && !top.iter().any(|b| b.is_ascii_digit() || *b == b'*') | top.starts_with(b"xn--")
        && domain.split(|b| *b == b'.').all(|label| {
            (1..=63).contains(&label.len()) && !label.starts_with(b"-") && !label.ends_with(b"-")
        })
}

/// `scheme://user:password@host` is a credential, `git@host:path` is seen elsewhere.
fn is_userinfo(bytes: &[u8], start: usize) -> bool {
    let before = &bytes[start.saturating_sub(72)..start];
    match before.last() {
        Some(b'/') => before.ends_with(b"://"),
        Some(b':') => {
            let word = before
                .iter()
                .rposition(|b| b.is_ascii_whitespace() || *b == b'"')
                .map_or(0, |at| at + 1);
            before[word..].windows(3).any(|three| three == b"://")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(State, bool, String)> {
        let at = text.find('@').unwrap();
        let found = verify(&Place {
            bytes: text.as_bytes(),
            at,
            format: Format::Text,
        })?;
        Some((found.state, found.under_masked, text[found.range].to_owned()))
    }

    #[test]
    fn an_address_is_cut_out_of_what_surrounds_it() {
        for (text, expected) in [
            ("mail jane.doe+tag@corp.co.uk.", "jane.doe+tag@corp.co.uk"),
            ("<jane@corp.de>", "jane@corp.de"),
            ("to=jane@corp.de&x=1", "jane@corp.de"),
            (r#""\njane@corp.de""#, "jane@corp.de"),
            ("mailto:jane@corp.de?subject=x", "jane@corp.de"),
            ("JANE_D@MAIL.CORP.COM", "JANE_D@MAIL.CORP.COM"),
            (r#"to "jane doe"@corp.de now"#, r#""jane doe"@corp.de"#),
            (r#"{"to":"\"jane doe\"@corp.de"}"#, r#"\"jane doe\"@corp.de"#),
            ("josé.müller@müller.de", "josé.müller@müller.de"),
            ("jane@xn--mller-kva.de", "jane@xn--mller-kva.de"),
            ("张伟@例子.中国", "张伟@例子.中国"),
            ("邮箱jane@corp.de联系", "jane@corp.de"),
        ] {
            let (state, under_masked, value) = found(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (state, under_masked, value.as_str()),
                (State::Clear, false, expected),
                "{text}"
            );
        }
    }

    #[test]
    fn masks_and_reserved_hosts_decide_the_state() {
        for (text, state, under_masked) in [
            ("j***@gmail.com", State::Masked, false),
            ("j***@example.com", State::Masked, false),
            ("ja****oe@gmail.com", State::Masked, false),
            ("j•••@gmail.com", State::Masked, false),
            ("***@gmail.com", State::Masked, false),
            ("j***@g***.com", State::Masked, false),
            ("jane@g***.com", State::Masked, false),
            ("jxxx@gmail.com", State::Masked, false),
            ("maxxxon@gmail.com", State::Clear, false),
            ("jane.d*e@gmail.com", State::Clear, true),
            ("jane@example.com", State::Test, false),
            ("jane@corp.test", State::Test, false),
        ] {
            let (found, under, _) = found(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found, under), (state, under_masked), "{text}");
        }
    }

    #[test]
    fn what_only_has_an_at_sign_is_no_address() {
        for text in [
            "icon@2x.png",
            "icon@2x.zip",
            "pkg@1.2.3",
            "@scope/pkg",
            "a@b",
            "user@localserver",
            "@",
            "a@",
            "a@-b.com",
            "a@b..com",
            "https://user:secret@corp.com/",
            "postgres://app@corp.com/db",
            "a@com",
        ] {
            assert!(found(text).is_none(), "{text}");
        }
    }
}
