//! Numbers of South Africa.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::south_africa;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&ZA_ID];

static ZA_ID: DetectorInfo = DetectorInfo {
    id: "za_id",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "saidnumber",
        "southafricanid",
        "southafricanidnumber",
        "rsaid",
        "rsaidnumber",
        "zaid",
        "zaidnumber",
        "idnommer",
        "identiteitsnommer",
    ],
    words: &["rsaid", "saidnumber", "idnommer"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Thirteen digits: date of birth, serial, status and a check digit (Luhn).",
    source: "Identification Act 68 of 1997, section 7; Department of Home Affairs",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &[
            "9999999999999",
            "999999 9999 999",
            "999999 9999 99 9",
            "999999-9999-99-9",
            "999999 9999 9 9 9",
        ],
        check: south_africa::id,
    }],
    ..DetectorInfo::BASE
};
