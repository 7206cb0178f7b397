//! Numbers of Australia and New Zealand.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::oceania;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&AU_TFN, &AU_ABN, &NZ_IRD];

static AU_TFN: DetectorInfo = DetectorInfo {
    id: "au_tfn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "tfn",
        "tfnnumber",
        "taxfilenumber",
        "taxfileno",
        "autfn",
        "australiantfn",
        "australiantaxfilenumber",
    ],
    words: &["tfn", "taxfile"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday", "abn"],
    explanation: "Eight or nine digits whose weighted sum is divisible by 11; only beside a name or word \
        that says so.",
    source: "Australian Taxation Office, Taxation Administration Act 1953 part VA",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &[
            "999 999 999",
            "999-999-999",
            "999999999",
            "99 999 999",
            "99999999",
        ],
        check: oceania::tfn,
    }],
    ..DetectorInfo::BASE
};

static AU_ABN: DetectorInfo = DetectorInfo {
    id: "au_abn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "abn",
        "abnnumber",
        "australianbusinessnumber",
        "auabn",
        "businessabn",
    ],
    words: &["abn"],
    siblings: &["acn", "businessname", "entityname", "tradingname"],
    explanation: "Eleven digits, the first two check digits mod 89; only beside a name or word that says \
        so.",
    source: "Australian Business Register, format of the ABN; A New Tax System (ABN) Act 1999",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["99 999 999 999", "99-999-999-999", "99999999999"],
        check: oceania::abn,
    }],
    ..DetectorInfo::BASE
};

static NZ_IRD: DetectorInfo = DetectorInfo {
    id: "nz_ird",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "ird",
        "irdnumber",
        "irdno",
        "inlandrevenuenumber",
        "nzird",
        "nzirdnumber",
        "taxird",
    ],
    words: &["ird", "inlandrevenue"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Eight or nine digits between 10 and 150 million that pass mod 11; only beside a name or \
        word that says so.",
    source: "Inland Revenue Te Tari Taake, RWT and NRWT specification, IRD number validation",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &[
            "999-999-999",
            "99-999-999",
            "999 999 999",
            "99 999 999",
            "999999999",
            "99999999",
        ],
        check: oceania::ird,
    }],
    ..DetectorInfo::BASE
};
