//! Numbers of Poland, Czechia, Slovakia and Hungary.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{czechia, hungary, poland};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&PL_PESEL, &PL_NIP, &CZ_RODNE_CISLO, &HU_TAJ];

static PL_PESEL: DetectorInfo = DetectorInfo {
    id: "pl_pesel",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "pesel",
        "nrpesel",
        "numerpesel",
        "peselnr",
        "peselnumber",
        "peselno",
        "numerpeselklienta",
        "peselnumer",
        "peselnum",
        "polishpesel",
    ],
    words: &["pesel"],
    siblings: &["dataurodzenia", "dateofbirth", "dob", "birthdate"],
    explanation: "Date of birth with the century in its month, serial, and a check digit modulo 10.",
    source: "Ustawa o ewidencji ludności, art. 15; gov.pl, Czym jest numer PESEL",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999"],
        check: poland::pesel,
    }],
    ..DetectorInfo::BASE
};

static PL_NIP: DetectorInfo = DetectorInfo {
    id: "pl_nip",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "nip",
        "nrnip",
        "numernip",
        "nipnumber",
        "nipnr",
        "nipno",
        "numeridentyfikacjipodatkowej",
        "polishnip",
        "plvat",
        "nipnabywcy",
        "nipsprzedawcy",
        "nipue",
        "vatpl",
    ],
    words: &["nip", "numeridentyfikacjipodatkowej"],
    siblings: &["regon", "krs"],
    explanation: "Ten digits, the last of which checks the others modulo 11; PL may stand before. Only beside \
        a name or word that says so.",
    source: "Ustawa o zasadach ewidencji i identyfikacji podatników i płatników, art. 8b",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &[
            "9999999999",
            "999-999-99-99",
            "999-99-99-999",
            "999 999 99 99",
            "999 99 99 999",
            "AA9999999999",
            "AA 9999999999",
        ],
        check: poland::nip,
    }],
    ..DetectorInfo::BASE
};

static CZ_RODNE_CISLO: DetectorInfo = DetectorInfo {
    id: "cz_rodne_cislo",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "rodnecislo",
        "rodnec",
        "rodcislo",
        "rc",
        "birthnumber",
        "czechbirthnumber",
        "slovakbirthnumber",
        "rcislo",
    ],
    words: &["rodnecislo", "rodneho", "birthnumber"],
    siblings: &[
        "datumnarozeni",
        "datumnarodenia",
        "narozeni",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth, a woman's month 50 higher, and a serial; ten digits that pass mod 11, or nine \
        until 1953, which only count with their slash.",
    source: "Zákon č. 133/2000 Sb., § 13; Slovak Act 301/1995",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[
        Trigger::Form {
            forms: &["999999/9999", "999999/999"],
            check: czechia::rodne_cislo,
        },
        Trigger::Form {
            forms: &["9999999999"],
            check: czechia::rodne_cislo_bare,
        },
    ],
    ..DetectorInfo::BASE
};

static HU_TAJ: DetectorInfo = DetectorInfo {
    id: "hu_taj",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "taj",
        "tajszam",
        "tajsz",
        "tajnumber",
        "tajkartya",
        "tajkartyaszam",
        "tarsadalombiztositasiazonositojel",
        "tarsadalombiztositasiszam",
        "tbszam",
        "tajazonosito",
    ],
    words: &["taj", "tajszam", "tajkartya", "tarsadalombiztositasi"],
    siblings: &["szuletesidatum", "szuletesiido", "anyjaneve"],
    explanation: "Nine digits, the last of which checks the others modulo 10. Only beside a name or word that \
        says so.",
    source: "1996. évi XX. törvény, annex 2",
    families: &[family::NATIONAL_ID, family::HEALTH_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999999999", "999 999 999", "999-999-999"],
        check: hungary::taj,
    }],
    ..DetectorInfo::BASE
};
