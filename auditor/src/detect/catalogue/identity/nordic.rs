//! Numbers of Sweden, Norway, Denmark, Finland and Iceland.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{denmark, finland, iceland, norway, sweden};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&SE_PERSONNUMMER, &NO_FNR, &DK_CPR, &FI_HETU, &IS_KENNITALA];

static SE_PERSONNUMMER: DetectorInfo = DetectorInfo {
    id: "se_personnummer",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "personnummer",
        "personnr",
        "pnr",
        "personnummret",
        "samordningsnummer",
        "samordningsnr",
        "svensktpersonnummer",
        "swedishpersonalnumber",
        "swedishpersonalidentitynumber",
        "personalidentitynumber",
        "personnummerse",
    ],
    words: &["personnummer", "samordningsnummer"],
    siblings: &[
        "fodelsedatum",
        "fodelsedag",
        "fodelsear",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth with two digits of the year or four, a serial, and Luhn over the last ten \
        digits; coordination numbers, whose day is 60 higher, too.",
    source: "Folkbokföringslagen (1991:481) § 18; Skatteverket SKV 704 and SKV 707",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "999999-9999",
            "999999+9999",
            "9999999999",
            "99999999-9999",
            "99999999+9999",
            "999999999999",
            "999999 9999",
            "99999999 9999",
        ],
        check: sweden::personnummer,
    }],
    ..DetectorInfo::BASE
};

static NO_FNR: DetectorInfo = DetectorInfo {
    id: "no_fnr",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "fnr",
        "fodselsnummer",
        "fodselsnr",
        "fdselsnummer",
        "foedselsnummer",
        "personnummer",
        "personnr",
        "dnummer",
        "dnr",
        "fnrdnr",
        "norwegiannationalid",
        "norskfodselsnummer",
        "fodselsogpersonnummer",
        "fodselnummer",
    ],
    words: &[
        "fodselsnummer",
        "foedselsnummer",
        "personnummer",
        "dnummer",
        "fnr",
    ],
    siblings: &["fodselsdato", "foedselsdato", "dateofbirth", "dob", "birthdate"],
    explanation: "Date of birth as DDMMYY, three digits that fit its century, and two check digits modulo 11; \
        D-numbers, whose day is 40 higher, too.",
    source: "Folkeregisterforskriften § 2-2-1; Skatteetaten on identity numbers",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "99999999999",
            "999999 99999",
            "999999-99999",
            "99 99 99 99999",
            "99.99.99 99999",
        ],
        check: norway::fodselsnummer,
    }],
    ..DetectorInfo::BASE
};

static DK_CPR: DetectorInfo = DetectorInfo {
    id: "dk_cpr",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "cpr",
        "cprnr",
        "cprnummer",
        "cprno",
        "cprnumber",
        "cprnummeret",
        "centralpersonregister",
        "danishcpr",
        "borgercpr",
        "patientcpr",
    ],
    words: &["cpr", "cprnr", "cprnummer", "personnummer"],
    siblings: &[
        "fodselsdato",
        "foedselsdato",
        "fodselsdag",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth as DDMMYY and four digits, the first of which fits its century; mod 11 adds \
        evidence, as not all numbers given since 2007 pass it. Only beside a name or word that says \
        so.",
    source: "CPR-loven; CPR-kontoret, Personnummeret i CPR",
    families: &[family::NATIONAL_ID, family::TAX_ID, family::PERSONNUMMER],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999999-9999", "9999999999", "999999 9999"],
        check: denmark::cpr,
    }],
    ..DetectorInfo::BASE
};

static FI_HETU: DetectorInfo = DetectorInfo {
    id: "fi_hetu",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "hetu",
        "henkilotunnus",
        "henkilotunnukset",
        "hlotunnus",
        "hetutunnus",
        "sotu",
        "sosiaaliturvatunnus",
        "personbeteckning",
        "finnishhetu",
        "finnishpersonalidentitycode",
        "henkilonumero",
    ],
    words: &["hetu", "henkilotunnus", "sosiaaliturvatunnus", "personbeteckning"],
    siblings: &[
        "syntymaaika",
        "syntymapaiva",
        "fodelsedatum",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth as DDMMYY, a sign of the century, a serial, and a character that checks them \
        modulo 31.",
    source: "Valtioneuvoston asetus väestötietojärjestelmästä 128/2010; Digital and Population Data Services Agency",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["999999-999N", "999999+999N", "999999A999N"],
        check: finland::hetu,
    }],
    ..DetectorInfo::BASE
};

static IS_KENNITALA: DetectorInfo = DetectorInfo {
    id: "is_kennitala",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "kennitala",
        "kennitalan",
        "kennitolu",
        "kennitolur",
        "kt",
        "ktnumer",
        "kennitalaeinstaklings",
        "icelandicid",
        "icelandicnationalid",
    ],
    words: &["kennitala", "kennitolu", "kennitolur"],
    siblings: &[
        "faedingardagur",
        "faedingardagsetning",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth as DDMMYY, two digits, a check digit modulo 11, and a digit that tells the \
        century.",
    source: "Registers Iceland (Þjóðskrá), on identification numbers",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["999999-9999", "9999999999", "999999 9999"],
        check: iceland::kennitala,
    }],
    ..DetectorInfo::BASE
};
