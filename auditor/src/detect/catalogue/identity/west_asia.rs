//! Numbers of Israel.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::israel;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&IL_ID];

static IL_ID: DetectorInfo = DetectorInfo {
    id: "il_id",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "teudatzehut",
        "teudatzehutnumber",
        "misparzehut",
        "zehut",
        "israeliid",
        "israeliidnumber",
        "israelid",
        "ilid",
        // The initials, as Israeli forms print them. No time zone is nine digits that pass Luhn.
        "tz",
        "mispartz",
        "tznumber",
        "תעודתזהות",
        "מספרזהות",
        "מספרתעודתזהות",
    ],
    words: &["zehut", "teudat", "israeliid", "תעודת", "זהות"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Nine digits that pass Luhn, zeros in front perhaps left out; only beside a name or word \
        that says so.",
    source: "Population Registry Law 5725-1965; Israel Tax Authority, check digit of identity numbers",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999999999", "99999999-9", "99999999", "9999999-9"],
        check: israel::id,
    }],
    ..DetectorInfo::BASE
};
