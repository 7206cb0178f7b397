//! Mexico: CURP of people, RFC of taxpayers.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`Proof`], or nothing.

use super::date::{exists, is_short_date};
use crate::detect::candidate::Proof;
use crate::detect::checksum::digits;

/// The federal entities' codes, and NE for those born abroad.
const ENTITIES: [&[u8; 2]; 33] = [
    b"AS", b"BC", b"BS", b"CC", b"CH", b"CL", b"CM", b"CS", b"DF", b"DG", b"GR", b"GT", b"HG", b"JC", b"MC",
    b"MN", b"MS", b"NE", b"NL", b"NT", b"OC", b"PL", b"QR", b"QT", b"SL", b"SP", b"SR", b"TC", b"TL", b"TS",
    b"VZ", b"YN", b"ZS",
];

/// CURP: initials, date of birth, sex, entity of birth, consonants, a sign for the century and a
/// check digit. The initials that spell rude words, which the register replaces, are not listed.
pub(crate) fn curp(value: &[u8]) -> Option<Proof> {
    let value: &[u8; 18] = value.try_into().ok()?;
    let date: [u32; 6] = digits(&value[4..10])?;
    let [check]: [u32; 1] = digits(&value[17..])?;
    let letters = value[..4]
        .iter()
        .chain(&value[10..16])
        .all(u8::is_ascii_uppercase);
    let century = if value[16].is_ascii_digit() { 1900 } else { 2000 };
    let year = century + 10 * date[0] + date[1];
    let born = exists(year, 10 * date[2] + date[3], 10 * date[4] + date[5]);
    // X: non-binary, since 2023.
    let sex = matches!(value[10], b'H' | b'M' | b'X');
    let entity = ENTITIES.contains(&&[value[11], value[12]]);
    if !(letters && born && sex && entity) || check != curp_check(&value[..17])? {
        return None;
    }
    let published = (value == b"HEGG560427MVZRRL04" || value == b"BOXW310820HNERXN09")
        .then_some("the register's printed examples");
    Some(
        Proof::new(
            15.5,
            "holds a date, a sex and an entity and passes the check digit",
        )
        .or_test(published),
    )
}

fn curp_check(body: &[u8]) -> Option<u32> {
    let mut sum = 0;
    for (weight, &byte) in (2u32..=18).rev().zip(body) {
        sum += weight * letter_value(byte)?;
    }
    Some((10 - sum % 10) % 10)
}

/// RFC: three letters of a firm or four of a person, a date, and a homoclave whose last sign is a
/// check. Letters outside of A to Z (`&`, `Ñ`) make another form and are not looked for.
///
/// Old numbers whose check sign is wrong are in use, so one without it is worth little, not nothing.
pub(crate) fn rfc(value: &[u8]) -> Option<Proof> {
    let letters = match value.len() {
        12 => 3,
        13 => 4,
        _ => return None,
    };
    let (name, rest) = value.split_at(letters);
    let date: [u32; 6] = digits(&rest[..6])?;
    let homoclave = &rest[6..];
    let shaped = name.iter().all(u8::is_ascii_uppercase) && homoclave.iter().all(u8::is_ascii_alphanumeric);
    // XAXX010101000 and XEXX010101000 stand for anybody.
    let anybody = matches!(value, b"XAXX010101000" | b"XEXX010101000");
    if !shaped || anybody || !is_short_date(&date) {
        return None;
    }
    let issued = matches!(homoclave[0], b'1'..=b'9' | b'A'..=b'V')
        && matches!(homoclave[1], b'1'..=b'9' | b'A'..=b'Z')
        && rfc_check(&value[..value.len() - 1]) == Some(homoclave[2]);
    let published = matches!(value, b"EKU9003173C9" | b"CACX7605101P8" | b"GODE561231GR8")
        .then_some("the tax administration's test certificates and examples");
    let proof = if issued {
        // 10 bits by count, but letters and a date are how many a reference number is made.
        Proof::new(8.0, "holds a date and passes the check sign")
    } else {
        Proof::new(2.0, "holds a date")
    };
    Some(proof.or_test(published))
}

fn rfc_check(body: &[u8]) -> Option<u8> {
    // Firms have one letter less; a space, which counts 37, stands in front.
    let mut sum = if body.len() == 11 { 37 * 13 } else { 0 };
    for (weight, &byte) in (2u32..=13)
        .rev()
        .skip(12usize.saturating_sub(body.len()))
        .zip(body)
    {
        sum += weight * letter_value(byte)?;
    }
    Some(match (11 - sum % 11) % 11 {
        10 => b'A',
        digit => b'0' + digit as u8,
    })
}

/// Digits as they are, then the letters in order with a place between N and O: `&` in an RFC, `Ñ`
/// in a CURP.
fn letter_value(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'N' => Some(u32::from(byte - b'A') + 10),
        b'O'..=b'Z' => Some(u32::from(byte - b'A') + 11),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_codes_hold_a_date_a_sex_an_entity_and_a_check_digit() {
        for (value, expected) in [
            ("BOXW310820HNERXN09", true),
            ("HEGG560427MVZRRL04", true),
            ("BOXW310820HNERXN08", false),
            ("BOXW310231HNERXN09", false),
            ("BOXW310820HXXRXN09", false),
            ("BOXW310820ZNERXN09", false),
        ] {
            assert_eq!(curp(value.as_bytes()).is_some(), expected, "{value}");
        }
    }

    #[test]
    fn tax_codes_hold_a_date_and_are_worth_more_with_their_check_sign() {
        for (value, bits) in [
            ("GODE561231GR8", Some(8.0)),
            ("EKU9003173C9", Some(8.0)),
            ("CACX7605101P8", Some(8.0)),
            ("GODE561231GR9", Some(2.0)),
            ("ORD240115001", Some(2.0)),
            ("GODE561331GR8", None),
            ("XAXX010101000", None),
        ] {
            assert_eq!(rfc(value.as_bytes()).map(|proof| proof.bits), bits, "{value}");
        }
    }
}
