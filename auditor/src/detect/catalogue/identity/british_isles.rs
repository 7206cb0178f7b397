//! Numbers of the United Kingdom and Ireland.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{ireland, united_kingdom};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&UK_NINO, &UK_UTR, &UK_DRIVING_LICENCE, &IE_PPS];

static UK_NINO: DetectorInfo = DetectorInfo {
    id: "uk_nino",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "nino",
        "ninumber",
        "nationalinsurance",
        "nationalinsurancenumber",
        "nationalinsuranceno",
        "nationalinsurancenum",
        "natinsno",
        "natinsnumber",
        "uknino",
        "uknationalinsurancenumber",
        "rhifyswiriantgwladol",
    ],
    words: &["nino", "nationalinsurance"],
    siblings: &["dateofbirth", "dob", "birthdate", "birthday"],
    explanation: "Two letters that HM Revenue & Customs gives as a prefix, six digits and a suffix of A to D; \
        in one run or in pairs.",
    source: "HM Revenue & Customs, National Insurance Manual NIM39110",
    families: &[family::NATIONAL_ID],
    triggers: &[Trigger::Form {
        forms: &["AA999999A", "AA 99 99 99 A", "AA 999999 A", "AA-99-99-99-A"],
        check: united_kingdom::nino,
    }],
    ..DetectorInfo::BASE
};

static UK_UTR: DetectorInfo = DetectorInfo {
    id: "uk_utr",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "utr",
        "utrnumber",
        "utrno",
        "uniquetaxpayerreference",
        "uniquetaxpayerreferencenumber",
        "taxpayerreference",
        "sautr",
        "ctutr",
        "selfassessmentutr",
        "hmrcutr",
        "ukutr",
    ],
    words: &["utr", "uniquetaxpayerreference"],
    siblings: &[],
    explanation: "Ten digits, the first of which checks the others modulo 11; a K may follow. Only beside a \
        name or word that says so.",
    source: "HM Revenue & Customs, specification of the unique taxpayer reference",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999999999", "99999 99999", "9999999999A"],
        check: united_kingdom::utr,
    }],
    ..DetectorInfo::BASE
};

static UK_DRIVING_LICENCE: DetectorInfo = DetectorInfo {
    id: "uk_driving_licence",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "drivinglicence",
        "drivinglicencenumber",
        "drivinglicenceno",
        "driverlicence",
        "driverlicencenumber",
        "driverslicence",
        "driverslicencenumber",
        "drivinglicense",
        "drivinglicensenumber",
        "driverlicense",
        "driverlicensenumber",
        "driverslicense",
        "driverslicensenumber",
        "drivernumber",
        "dvladrivernumber",
        "dvlanumber",
        "ukdrivinglicence",
    ],
    words: &["drivinglicence", "driverlicence", "driverslicence", "dvla"],
    siblings: &[
        "dateofbirth",
        "dob",
        "birthdate",
        "birthday",
        "licencecategory",
        "licencecategories",
        "licenceexpiry",
    ],
    explanation: "The driver number of Great Britain: five letters of the surname filled up with 9, the date \
        of birth among its digits, initials, and three more characters; an issue number may follow.",
    source: "Driver and Vehicle Licensing Agency, leaflet INF45/1 and driver data interface",
    families: &[family::NATIONAL_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "NNNNN999999NNNAA",
            "NNNNN 999999 NNNAA",
            "NNNNN999999NNNAA 99",
            "NNNNN 999999 NNNAA 99",
            "NNNNN999999NNNAA99",
        ],
        check: united_kingdom::driving_licence,
    }],
    ..DetectorInfo::BASE
};

static IE_PPS: DetectorInfo = DetectorInfo {
    id: "ie_pps",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "pps",
        "ppsn",
        "ppsno",
        "ppsnumber",
        "personalpublicservicenumber",
        "personalpublicservice",
        "rsinumber",
        "uimhirpsp",
        "uimhirphearsantaseirbhisephoibli",
    ],
    words: &["pps", "ppsn", "personalpublicservice"],
    siblings: &["dateofbirth", "dob", "birthdate", "birthday"],
    explanation: "Seven digits and a check letter modulo 23, which counts the second letter where it is A, B \
        or H.",
    source: "Irish Revenue, PPS number format; Social Welfare Consolidation Act 2005, section 262",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "9999999A",
            "9999999AA",
            "9999999 A",
            "9999999 AA",
            "9999999-A",
            "9999999-AA",
        ],
        check: ireland::pps,
    }],
    ..DetectorInfo::BASE
};
