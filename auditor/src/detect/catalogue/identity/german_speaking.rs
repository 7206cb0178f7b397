//! Numbers of Germany, Austria and Switzerland.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{austria, germany, switzerland};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&DE_STEUER_ID, &DE_RVNR, &DE_PERSONALAUSWEIS, &AT_SVNR, &CH_AHV];

static DE_STEUER_ID: DetectorInfo = DetectorInfo {
    id: "de_steuer_id",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "steuerid",
        "steueridnr",
        "steueridnummer",
        "steueridentifikationsnummer",
        "steuerlicheidentifikationsnummer",
        "steueridentnummer",
        "steueridentnr",
        "idnr",
        "steuernummer",
        "identifikationsnummer",
        "steuerlicheidnr",
        "germantaxid",
    ],
    words: &[
        "steuerid",
        "steueridnr",
        "steueridentifikationsnummer",
        "steuerlicheidentifikationsnummer",
        "idnr",
    ],
    siblings: &["geburtsdatum", "geburtstag", "dateofbirth", "dob", "birthdate"],
    explanation: "Eleven digits, not beginning with 0, of which the first ten repeat exactly one digit two or \
        three times, and the last is the check digit of ISO 7064 mod 11,10.",
    source: "Abgabenordnung § 139b; Steueridentifikationsnummerverordnung; ISO/IEC 7064",
    families: &[family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999", "99 999 999 999", "99 999999999"],
        check: germany::steuer_id,
    }],
    ..DetectorInfo::BASE
};

static DE_RVNR: DetectorInfo = DetectorInfo {
    id: "de_rvnr",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "rvnr",
        "rvnummer",
        "rentenversicherungsnummer",
        "rentenversicherungsnr",
        "rentenversicherung",
        "sozialversicherungsnummer",
        "sozialversicherungsnr",
        "svnummer",
        "svnr",
        "versicherungsnummer",
        "sozialversicherung",
        "rentennummer",
        "vsnr",
        "germansocialsecuritynumber",
    ],
    words: &[
        "rentenversicherungsnummer",
        "sozialversicherungsnummer",
        "rvnr",
        "vsnr",
        "svnr",
    ],
    siblings: &["geburtsdatum", "geburtstag", "geburtsname", "dateofbirth", "dob"],
    explanation: "Area, date of birth, the initial of the name at birth, a serial, and a check digit.",
    source: "Versicherungsnummern-, Kontoführungs- und Versicherungsverlaufsverordnung (VKVV) § 2",
    families: &[family::NATIONAL_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "99999999A999",
            "99 999999 A 999",
            "99 999999 A 99 9",
            "99-999999-A-999",
            "99/999999/A/999",
        ],
        check: germany::rvnr,
    }],
    ..DetectorInfo::BASE
};

static DE_PERSONALAUSWEIS: DetectorInfo = DetectorInfo {
    id: "de_personalausweis",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "personalausweis",
        "personalausweisnummer",
        "personalausweisnr",
        "ausweisnummer",
        "ausweisnr",
        "ausweis",
        "personalausweisid",
        "perso",
        "idkartennummer",
    ],
    words: &["personalausweis", "ausweisnummer", "personalausweisnummer"],
    siblings: &["geburtsdatum", "geburtstag", "geburtsort", "dateofbirth", "dob"],
    explanation: "Nine characters that German identity cards use, the first of them a letter; where a tenth \
        follows, it is the check digit of ICAO 9303. Only beside a name or word that says so.",
    source: "Personalausweisverordnung; Federal Ministry of the Interior, serial numbers of identity cards; ICAO 9303-3",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["ANNNNNNNN", "ANNNNNNNN9"],
        check: germany::personalausweis,
    }],
    ..DetectorInfo::BASE
};

static AT_SVNR: DetectorInfo = DetectorInfo {
    id: "at_svnr",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "svnr",
        "svnummer",
        "sozialversicherungsnummer",
        "sozialversicherungsnr",
        "versicherungsnummer",
        "versicherungsnr",
        "vsnr",
        "vnr",
        "ecardnummer",
        "ecardnr",
        "atsvnr",
        "austriansocialsecuritynumber",
    ],
    words: &["svnr", "sozialversicherungsnummer", "sozialversicherung", "vsnr"],
    siblings: &["geburtsdatum", "geburtstag", "dateofbirth", "dob", "birthdate"],
    explanation: "A serial from 100 on, a check digit modulo 11, and the date of birth as DDMMYY.",
    source: "ASVG § 31; Dachverband der österreichischen Sozialversicherungsträger",
    families: &[family::NATIONAL_ID, family::HEALTH_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "9999999999",
            "9999 999999",
            "9999-999999",
            "9999/999999",
            "999 9 999999",
            "9999 99 99 99",
        ],
        check: austria::svnr,
    }],
    ..DetectorInfo::BASE
};

static CH_AHV: DetectorInfo = DetectorInfo {
    id: "ch_ahv",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "ahv",
        "ahvnr",
        "ahvnummer",
        "ahvnumber",
        "ahvn13",
        "nahv",
        "ahv13",
        "avs",
        "avsnr",
        "numeroavs",
        "noavs",
        "navs",
        "navs13",
        "numeroavs13",
        "numeroassurancesociale",
        "sozialversicherungsnummer",
        "svnummer",
        "svnr",
        "oasinumber",
        "numerodassurancesociale",
        "numeroassuranceavs",
    ],
    words: &["ahv", "ahvnummer", "avs", "navs13", "ahvn13", "oasi"],
    siblings: &[
        "geburtsdatum",
        "datedenaissance",
        "datenaissance",
        "datadinascita",
        "dateofbirth",
        "dob",
    ],
    explanation: "756, nine digits, and the check digit of EAN-13.",
    source: "AHVG art. 50c and AHVV art. 133bis; Central Compensation Office, NAVS13",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "9999999999999",
            "999.9999.9999.99",
            "999 9999 9999 99",
            "999-9999-9999-99",
        ],
        check: switzerland::ahv,
    }],
    ..DetectorInfo::BASE
};
