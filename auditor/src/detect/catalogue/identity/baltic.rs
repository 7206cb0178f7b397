//! Numbers of Estonia, Latvia and Lithuania.

use super::super::{Class, DetectorInfo, GDPR, Trigger, family};
use crate::detect::verify::national::baltic;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&EE_ISIKUKOOD, &LT_ASMENS_KODAS, &LV_PERSONAS_KODS];

static EE_ISIKUKOOD: DetectorInfo = DetectorInfo {
    id: "ee_isikukood",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "isikukood",
        "isikukoodi",
        "isikukoodid",
        "eestiisikukood",
        "estonianpersonalcode",
        "estonianidcode",
        "idkood",
    ],
    words: &["isikukood", "idkood"],
    siblings: &["sunniaeg", "sunnikuupaev", "dateofbirth", "dob", "birthdate"],
    explanation: "A digit for sex and century, date of birth, serial, and a check digit in up to two rounds of \
        mod 11.",
    source: "Estonian standard EVS 585:2007; Rahvastikuregistri seadus",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999"],
        check: baltic::isikukood,
    }],
    ..DetectorInfo::BASE
};

static LT_ASMENS_KODAS: DetectorInfo = DetectorInfo {
    id: "lt_asmens_kodas",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "asmenskodas",
        // How Lithuanian documents shorten it: a. k.
        "ak",
        "asmenskodai",
        "asmenskodo",
        "asmenskod",
        "asmensid",
        "ltasmenskodas",
        "gyventojokodas",
        "lithuanianpersonalcode",
        "lithuanianidcode",
    ],
    words: &["asmenskodas", "asmenskodo"],
    siblings: &["gimimodata", "dateofbirth", "dob", "birthdate"],
    explanation: "A digit for sex and century, date of birth, serial, and a check digit in up to two rounds of \
        mod 11.",
    source: "Lietuvos Respublikos gyventojų registro įstatymas, article 8",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999"],
        check: baltic::asmens_kodas,
    }],
    ..DetectorInfo::BASE
};

static LV_PERSONAS_KODS: DetectorInfo = DetectorInfo {
    id: "lv_personas_kods",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "personaskods",
        "personaskodu",
        "perskods",
        "lvpersonaskods",
        "latvianpersonalcode",
        "latvianidcode",
        "identifikacijaskods",
    ],
    words: &["personaskods", "personaskoda"],
    siblings: &[
        "dzimsanasdatums",
        "dzimsanasdatumu",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth as DDMMYY, a digit for the century, serial, and a check digit modulo 11; or a \
        code given since 2017, which begins with 32 and needs a name.",
    source: "Fizisko personu reģistra likums; Office of Citizenship and Migration Affairs",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["999999-99999", "99999999999", "999999 99999"],
        check: baltic::personas_kods,
    }],
    ..DetectorInfo::BASE
};
