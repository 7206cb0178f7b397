//! Numbers by which health services know patients, doctors and insured people.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use super::national::date::exists;
use crate::detect::candidate::Proof;
use crate::detect::checksum::{digits, luhn, weighted_sum};

/// US Medicare beneficiary identifier: eleven places, letters without S, L, O, I, B and Z.
pub(crate) fn mbi(value: &[u8]) -> Option<Proof> {
    let value: &[u8; 11] = value.try_into().ok()?;
    let letter = |byte: u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte);
    let fits = value.iter().zip(b"1AN9AN9AA99").all(|(&byte, kind)| match kind {
        b'1' => matches!(byte, b'1'..=b'9'),
        b'A' => letter(byte),
        b'N' => letter(byte) || byte.is_ascii_digit(),
        _ => byte.is_ascii_digit(),
    });
    let published = matches!(value, b"1EG4TE5MK72" | b"1EG4TE5MK73").then_some("the sample card of CMS");
    fits.then_some(Proof::new(
        2.2,
        "has the letters and digits of a Medicare number in their places",
    ))
    .map(|proof| proof.or_test(published))
}

/// US national provider identifier: ten digits, the first 1 or 2, Luhn with 80840 in front.
pub(crate) fn npi(value: &[u8]) -> Option<Proof> {
    let value: &[u8; 10] = value.try_into().ok()?;
    let mut full = *b"80840..........";
    full[5..].copy_from_slice(value);
    let published = (value == b"1234567893").then_some("the worked example of CMS");
    (matches!(value[0], b'1' | b'2') && luhn(&full))
        .then_some(Proof::new(5.6, "begins with 1 or 2 and passes Luhn with 80840"))
        .map(|proof| proof.or_test(published))
}

/// US DEA registration number: a kind of registrant, an initial or 9, six digits and a check digit.
pub(crate) fn dea(value: &[u8]) -> Option<Proof> {
    let [kind, initial, rest @ ..] = value else {
        return None;
    };
    let d: [u32; 7] = digits(rest)?;
    let registrant = b"ABCDEFGHJKLMPRSTUX".contains(kind);
    let initial = initial.is_ascii_uppercase() || *initial == b'9';
    let check = weighted_sum(&d[..6], &[1, 2, 1, 2, 1, 2]) % 10;
    (registrant && initial && check == d[6]).then_some(Proof::new(
        3.8,
        "has a kind of registrant and passes its check digit",
    ))
}

/// British NHS number: nine digits and a check digit mod 11 that is never ten.
///
/// Ten times the same digit passes the sum, but none is issued. Numbers that begin with 999 are
/// kept for tests.
pub(crate) fn nhs(value: &[u8]) -> Option<Proof> {
    let d: [u32; 10] = digits(value)?;
    let passes = weighted_sum(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11);
    let varied = d.iter().any(|digit| *digit != d[0]);
    let published = value
        .starts_with(b"999")
        .then_some("the range that the NHS keeps for tests");
    (passes && varied)
        .then_some(Proof::new(3.5, "passes the check digit mod 11"))
        .map(|proof| proof.or_test(published))
}

/// Australian Medicare card number: first digit 2 to 6, a check digit at the ninth place, the card's
/// issue, and sometimes the person's place on it.
pub(crate) fn medicare_australia(value: &[u8]) -> Option<Proof> {
    let (d, person): ([u32; 10], _) = match value.len() {
        10 => (digits(value)?, b'1'),
        11 => (digits(&value[..10])?, value[10]),
        _ => return None,
    };
    let passes = weighted_sum(&d[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == d[8];
    let fits = matches!(d[0], 2..=6) && d[9] != 0 && matches!(person, b'1'..=b'9');
    (fits && passes).then_some(Proof::new(4.5, "begins with 2 to 6 and passes its check digit"))
}

/// German health insurance number: a letter, eight digits and a check digit; the letter counts as
/// its place in the alphabet, two digits.
pub(crate) fn kvnr(value: &[u8]) -> Option<Proof> {
    let (&letter, rest) = value.split_first()?;
    let d: [u32; 9] = digits(rest)?;
    if !letter.is_ascii_uppercase() {
        return None;
    }
    let place = u32::from(letter - b'A') + 1;
    let mut sum = 0;
    let all = [place / 10, place % 10].into_iter().chain(d[..8].iter().copied());
    for (digit, weight) in all.zip([1, 2].into_iter().cycle()) {
        let product = digit * weight;
        sum += product / 10 + product % 10;
    }
    let published = (value == b"A123456780").then_some("the usual worked example of the check digit");
    (sum % 10 == d[8])
        .then_some(Proof::new(3.3, "passes the check digit"))
        .map(|proof| proof.or_test(published))
}

/// Ten digits of a Canadian province: British Columbia's begin with 9 and pass mod 11, Ontario's
/// pass Luhn.
pub(crate) fn phn_digits(value: &[u8]) -> Option<Proof> {
    let d: [u32; 10] = digits(value)?;
    let rest = weighted_sum(&d[1..9], &[2, 4, 8, 5, 10, 9, 7, 3]) % 11;
    if d[0] == 9 && (11 - rest) % 11 == d[9] {
        return Some(Proof::new(
            6.8,
            "begins with 9 and passes mod 11, as British Columbia's do",
        ));
    }
    (d[0] != 0 && luhn(value)).then_some(Proof::new(3.5, "passes Luhn, as Ontario's do"))
}

/// Ontario's health number with the version code of the card, two letters.
pub(crate) fn phn_ontario(value: &[u8]) -> Option<Proof> {
    let (number, version) = value.split_at_checked(10)?;
    let letters = version.len() == 2 && version.iter().all(u8::is_ascii_uppercase);
    (letters && number[0] != b'0' && luhn(number)).then_some(Proof::new(
        3.5,
        "passes Luhn and ends with a version code, as Ontario's do",
    ))
}

/// Quebec's health insurance number: four letters of the name, the date of birth (50 more on the
/// month for women) and two more characters.
pub(crate) fn phn_quebec(value: &[u8]) -> Option<Proof> {
    let (letters, rest) = value.split_at_checked(4)?;
    let d: [u32; 8] = digits(rest)?;
    let month = 10 * d[2] + d[3];
    let month = if month > 50 { month - 50 } else { month };
    let born = exists(2000 + 10 * d[0] + d[1], month, 10 * d[4] + d[5]);
    (letters.iter().all(u8::is_ascii_uppercase) && born)
        .then_some(Proof::new(3.7, "holds a date, as Quebec's do"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_pass_what_their_services_publish() {
        type Check = fn(&[u8]) -> Option<Proof>;
        for (check, value, expected) in [
            (mbi as Check, "1EG4TE5MK73", true),
            (mbi, "0EG4TE5MK73", false),
            (mbi, "1SG4TE5MK73", false),
            (npi, "1234567893", true),
            (npi, "1234567890", false),
            (npi, "3234567893", false),
            (dea, "F91234563", true),
            (dea, "AB1234563", true),
            (dea, "AB1234564", false),
            (dea, "NB1234563", false),
            (nhs, "9434765870", true),
            (nhs, "9434765871", false),
            (nhs, "1111111111", false),
            (medicare_australia, "2123456701", true),
            (medicare_australia, "21234567011", true),
            (medicare_australia, "2123456711", false),
            (medicare_australia, "1123456701", false),
            (kvnr, "A123456780", true),
            (kvnr, "A123456781", false),
            (kvnr, "1123456780", false),
            (phn_digits, "9698658215", true),
            (phn_digits, "1234567897", true),
            (phn_digits, "5736504210", false),
            (phn_ontario, "1234567897AB", true),
            (phn_ontario, "12345678971B", false),
            (phn_quebec, "TREM85622914", true),
            (phn_quebec, "TREM85322914", false),
        ] {
            assert_eq!(check(value.as_bytes()).is_some(), expected, "{value}");
        }
        assert!(nhs(b"9990000018").is_none_or(|proof| proof.test.is_some()));
    }
}
