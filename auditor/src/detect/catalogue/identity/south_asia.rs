//! Numbers of India.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::india;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&IN_AADHAAR, &IN_PAN, &IN_GSTIN];

static IN_AADHAAR: DetectorInfo = DetectorInfo {
    id: "in_aadhaar",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "aadhaar",
        "aadhar",
        "adhaar",
        "adhar",
        "aadhaarnumber",
        "aadharnumber",
        "aadhaarno",
        "aadharno",
        "aadhaarnum",
        "aadhaarid",
        "aadharid",
        "aadhaarcard",
        "aadharcard",
        "aadhaarcardnumber",
        "aadharcardnumber",
        "uidai",
        "uidainumber",
        "inaadhaar",
        "आधार",
        "आधारसंखया",
        "आधारनंबर",
    ],
    words: &["aadhaar", "aadhar", "adhaar", "uidai", "आधार"],
    siblings: &[
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
        "pannumber",
        "pancard",
    ],
    explanation: "Twelve digits that begin with 2 to 9 and pass Verhoeff; only beside a name or word that \
        says so.",
    source: "UIDAI, UID numbering scheme; Aadhaar Act 2016",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999 9999 9999", "9999-9999-9999", "999999999999"],
        check: india::aadhaar,
    }],
    ..DetectorInfo::BASE
};

static IN_PAN: DetectorInfo = DetectorInfo {
    id: "in_pan",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        // A card number almost everywhere; no card number has letters.
        "pan",
        "pancard",
        "pancardnumber",
        "pancardno",
        "panid",
        "permanentaccountnumber",
        "inpan",
        "indianpan",
    ],
    words: &["pan", "pancard", "permanentaccount", "incometax"],
    siblings: &[
        "aadhaar",
        "aadhaarnumber",
        "aadhar",
        "gstin",
        "gst",
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
    ],
    explanation: "Five letters, four digits and a letter; the fourth letter tells the kind of holder.",
    source: "Income-tax Rules 1962, rule 114; Income Tax Department",
    families: &[family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[
        Trigger::Form {
            forms: &["AAAAA9999A"],
            check: india::pan,
        },
        Trigger::Named {
            check: india::named_pan,
        },
    ],
    ..DetectorInfo::BASE
};

static IN_GSTIN: DetectorInfo = DetectorInfo {
    id: "in_gstin",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "gstin",
        "gstinnumber",
        "gstinno",
        "gstnumber",
        "gstno",
        "gstregistrationnumber",
        "gstidentificationnumber",
        "ingstin",
    ],
    words: &["gstin", "gst"],
    siblings: &["pan", "pannumber", "legalname", "tradename"],
    explanation: "Fifteen characters: a state, a PAN, a count, Z and a base 36 Luhn check character.",
    source: "Central Goods and Services Tax Rules 2017, rule 10",
    families: &[family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["99AAAAA9999ANAN"],
        check: india::gstin,
    }],
    ..DetectorInfo::BASE
};
