//! Numbers of patients, insured people and doctors.

use super::super::{Class, DetectorInfo, GDPR_ART9, HIPAA, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::health;

pub(super) static US_MBI: DetectorInfo = DetectorInfo {
    id: "us_mbi",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "mbi",
        "mbinumber",
        "medicarebeneficiaryidentifier",
        "medicarebeneficiaryid",
        "medicarebeneficiarynumber",
        "medicarenumber",
        "medicareid",
        "medicareno",
        "usmbi",
        "hicn",
        "hicnumber",
    ],
    words: &["mbi", "medicare"],
    siblings: &[
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
        "medicarepart",
        "partaeffectivedate",
        "partbeffectivedate",
    ],
    explanation: "Eleven places as 4-3-4, letters (without S, L, O, I, B and Z) and digits where CMS puts \
        them.",
    source: "CMS, Understanding the Medicare beneficiary identifier format",
    families: &[family::HEALTH_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["9AN9-AN9-AA99", "9AN9 AN9 AA99", "9AN9AN9AA99"],
        check: health::mbi,
    }],
    ..DetectorInfo::BASE
};

pub(super) static US_NPI: DetectorInfo = DetectorInfo {
    id: "us_npi",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "npi",
        "npinumber",
        "npino",
        "npiid",
        "nationalprovideridentifier",
        "nationalproviderid",
        "providernpi",
        "prescribernpi",
        "physiciannpi",
        "renderingnpi",
        "billingnpi",
        "referringnpi",
        "doctornpi",
        "usnpi",
    ],
    words: &["npi", "nationalprovider"],
    siblings: &["taxonomy", "taxonomycode", "dea", "deanumber", "providername"],
    explanation: "Ten digits that begin with 1 or 2 and pass Luhn with 80840 in front; only beside a name \
        or word that says so.",
    source: "45 CFR 162.406; CMS, NPI check digit",
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999999999"],
        check: health::npi,
    }],
    ..DetectorInfo::BASE
};

pub(super) static US_DEA: DetectorInfo = DetectorInfo {
    id: "us_dea",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "dea",
        "deanumber",
        "deano",
        "deaid",
        "dearegistration",
        "dearegistrationnumber",
        "prescriberdea",
        "physiciandea",
        "usdea",
    ],
    words: &["dea"],
    siblings: &["npi", "npinumber", "prescriber", "prescribername"],
    explanation: "A kind of registrant, an initial or 9, six digits and a check digit; only beside a name \
        or word that says so.",
    source: "US Drug Enforcement Administration, 21 CFR 1301; Practitioner's manual",
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["AA9999999", "A99999999"],
        check: health::dea,
    }],
    ..DetectorInfo::BASE
};

pub(super) static UK_NHS: DetectorInfo = DetectorInfo {
    id: "uk_nhs",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "nhs",
        "nhsnumber",
        "nhsno",
        "nhsnum",
        "nhsid",
        "nhspatientnumber",
        "nhsidentifier",
        "uknhs",
        "uknhsnumber",
    ],
    words: &["nhs", "nhsnumber"],
    siblings: &[
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
        "gppractice",
        "gpcode",
    ],
    explanation: "Ten digits as 3-3-4 that pass mod 11; only beside a name or word that says so.",
    source: "NHS Data Dictionary, NHS number; information standard DCB0149",
    families: &[family::HEALTH_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999 999 9999", "999-999-9999", "9999999999"],
        check: health::nhs,
    }],
    ..DetectorInfo::BASE
};

pub(super) static AU_MEDICARE: DetectorInfo = DetectorInfo {
    id: "au_medicare",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "medicare",
        "medicarecard",
        "medicarecardnumber",
        "medicarecardno",
        "medicarenumber",
        "medicareno",
        "australianmedicare",
        "australianmedicarenumber",
        "aumedicare",
        "aumedicarenumber",
    ],
    words: &["medicare"],
    siblings: &[
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
        "irn",
        "medicareirn",
        "medicareexpiry",
    ],
    explanation: "Ten digits as 4-5-1 that begin with 2 to 6 and pass their check digit, perhaps one more \
        for the person; only beside a name or word that says so.",
    source: "Services Australia, Medicare card number; METeOR 270101",
    families: &[family::HEALTH_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &[
            "9999 99999 9",
            "9999-99999-9",
            "9999 99999 9 9",
            "9999 99999 9/9",
            "9999-99999-9-9",
            "9999-99999-9/9",
            "9999999999",
            "9999999999-9",
            "9999999999/9",
            "99999999999",
        ],
        check: health::medicare_australia,
    }],
    ..DetectorInfo::BASE
};

pub(super) static DE_KVNR: DetectorInfo = DetectorInfo {
    id: "de_kvnr",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "kvnr",
        "kvnummer",
        "kvnumber",
        "krankenversichertennummer",
        "krankenversicherungsnummer",
        "krankenversicherungsnr",
        "versichertennummer",
        "versichertennr",
        "versichertenid",
        "versichertenkennung",
        "egknummer",
        "egk",
        "krankenkassennummer",
        "dekvnr",
    ],
    words: &[
        "kvnr",
        "krankenversichertennummer",
        "versichertennummer",
        "krankenkasse",
        "krankenversicherung",
    ],
    siblings: &[
        "geburtsdatum",
        "krankenkasse",
        "kasse",
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
    ],
    explanation: "A letter, eight digits and a check digit.",
    source: "SGB V, section 290; GKV-Spitzenverband, Richtlinie zur Krankenversichertennummer",
    families: &[family::HEALTH_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["A999999999", "A999 999 999"],
        check: health::kvnr,
    }],
    ..DetectorInfo::BASE
};

pub(super) static CA_PHN: DetectorInfo = DetectorInfo {
    id: "ca_phn",
    category: "health",
    regulations: &[HIPAA, GDPR_ART9],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "phn",
        "phnnumber",
        "personalhealthnumber",
        "bcphn",
        "caphn",
        "ohip",
        "ohipnumber",
        "ohipno",
        "ontariohealthcard",
        "ontariohealthnumber",
        "provincialhealthnumber",
        "provincialhealthcard",
        "ramq",
        "ramqnumber",
        "numeroramq",
        "assurancemaladie",
        "numeroassurancemaladie",
        "numerodassurancemaladie",
        "carteassurancemaladie",
    ],
    words: &["phn", "ohip", "ramq", "assurancemaladie", "healthcard"],
    siblings: &[
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
        "versioncode",
        "healthcardversion",
        "province",
    ],
    explanation: "British Columbia's ten digits (9, mod 11), Ontario's (Luhn, perhaps a version code) or \
        Quebec's four letters and a date; only beside a name or word that says so.",
    source: "BC Ministry of Health, volume 4B; Ontario Ministry of Health, technical specification of \
        the health card; RAMQ",
    families: &[family::HEALTH_ID],
    needs: Needs::Name,
    triggers: &[
        Trigger::Form {
            forms: &["9999999999", "9999 999 999", "9999-999-999"],
            check: health::phn_digits,
        },
        Trigger::Form {
            forms: &["9999999999AA", "9999 999 999 AA", "9999-999-999-AA"],
            check: health::phn_ontario,
        },
        Trigger::Form {
            forms: &["AAAA99999999", "AAAA 9999 9999", "AAAA-9999-9999"],
            check: health::phn_quebec,
        },
    ],
    ..DetectorInfo::BASE
};
