//! Numbers of the United States.

use super::super::{CCPA, Class, Convention, DetectorInfo, GDPR, Trigger};
use crate::detect::Severity;
use crate::detect::verify::ssn;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&US_SSN];

static US_SSN: DetectorInfo = DetectorInfo {
    id: "us_ssn",
    category: "identity",
    regulations: &[GDPR, CCPA],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "ssn",
        "ssnumber",
        "ssno",
        "ssnnumber",
        "ussn",
        "usssn",
        "socialsecurity",
        "socialsecuritynumber",
        "socialsecurityno",
        "socialsecuritynum",
        "socsec",
        "socialsec",
        "taxpayerssn",
        "ssntin",
    ],
    words: &["ssn", "socialsecurity"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Nine digits as 3-2-4 with an area other than 000, 666 and 900 to 999, a group \
        other than 00 and a serial other than 0000; without separators only beside a name or word that \
        says so.",
    source: "US Social Security Administration, numbering since 2011-06-25 (POMS RM 10201.030)",
    convention: Convention::LastFour,
    triggers: &[Trigger::Digits {
        lengths: &[9],
        verify: ssn::verify,
    }],
    ..DetectorInfo::BASE
};
