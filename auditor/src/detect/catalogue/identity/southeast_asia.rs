//! Numbers of Singapore, Malaysia, Thailand, Indonesia and the Philippines.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::southeast_asia;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&SG_NRIC, &MY_NRIC, &TH_PIN, &ID_NIK, &PH_UMID];

static SG_NRIC: DetectorInfo = DetectorInfo {
    id: "sg_nric",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "nric",
        "nricnumber",
        "nricno",
        "nricfin",
        "fin",
        "finnumber",
        "finno",
        "sgnric",
        "singaporenric",
        "uinfin",
        "foreignidentificationnumber",
    ],
    words: &["nric", "nricfin"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "A series letter S, T, F, G or M, seven digits and a check letter.",
    source: "National Registration Act 1965; Immigration and Checkpoints Authority, M series of 2022",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["A9999999A"],
        check: southeast_asia::nric_singapore,
    }],
    ..DetectorInfo::BASE
};

static MY_NRIC: DetectorInfo = DetectorInfo {
    id: "my_nric",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "mykad",
        "mykadnumber",
        "mykadno",
        "mynric",
        "malaysianic",
        "icnumber",
        "icno",
        "newic",
        "newicno",
        "nokp",
        "nokadpengenalan",
        "nombokadpengenalan",
        "kadpengenalan",
        "nric",
        "nricnumber",
        "nricno",
    ],
    words: &["mykad", "kadpengenalan", "nric"],
    siblings: &["tarikhlahir", "dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Twelve digits as 6-2-4: date of birth, a place of birth that is in use, serial.",
    source: "National Registration Department of Malaysia, National Registration Regulations 1990",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["999999-99-9999", "999999 99 9999", "999999999999"],
        check: southeast_asia::nric_malaysia,
    }],
    ..DetectorInfo::BASE
};

static TH_PIN: DetectorInfo = DetectorInfo {
    id: "th_pin",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "thaiid",
        "thaiidnumber",
        "thaiidcard",
        "thaicitizenid",
        "thainationalid",
        "thpin",
        "thid",
        "citizenidth",
        "เลขประจำตัวประชาชน",
        "บัตรประชาชน",
        "เลขบัตรประชาชน",
    ],
    words: &["thaiid", "บัตรประชาชน"],
    siblings: &["วันเกิด", "dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Thirteen digits as 1-4-5-2-1 that begin with 1 to 8 and pass mod 11.",
    source: "Department of Provincial Administration of Thailand, Civil Registration Act B.E. 2534",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["9-9999-99999-99-9", "9 9999 99999 99 9", "9999999999999"],
        check: southeast_asia::pin_thailand,
    }],
    ..DetectorInfo::BASE
};

static ID_NIK: DetectorInfo = DetectorInfo {
    id: "id_nik",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "nik",
        "niknumber",
        "nomornik",
        "noktp",
        "nomorktp",
        "ktp",
        "ktpnumber",
        "ktpid",
        "nomorindukkependudukan",
        "indukkependudukan",
        "idnik",
        "ektp",
    ],
    words: &["nik", "ktp", "kependudukan"],
    siblings: &[
        "tanggallahir",
        "tempatlahir",
        "namaibu",
        "nokk",
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
    ],
    explanation: "Sixteen digits: province, regency, district, date of birth (40 more on the day for \
        women), serial; only beside a name or word that says so.",
    source: "Law 24 of 2013 on population administration; Ministry of Home Affairs, Permendagri \
        137/2017",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999999999999999", "999999 999999 9999", "9999 9999 9999 9999"],
        check: southeast_asia::nik,
    }],
    ..DetectorInfo::BASE
};

static PH_UMID: DetectorInfo = DetectorInfo {
    id: "ph_umid",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "umid",
        "umidnumber",
        "umidno",
        "umidcrn",
        "umidcard",
        "umidcardnumber",
        "umidid",
        "commonreferencenumber",
        "phumid",
    ],
    // Customers have reference numbers, too: `crn` is a hint, and the groups must speak as well.
    words: &["umid", "crn"],
    siblings: &[
        "sssnumber",
        "gsisnumber",
        "philhealthnumber",
        "tinnumber",
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
    ],
    explanation: "Twelve digits as 4-7-1; the check digit's rule is not public, so only beside a name or \
        word that says so.",
    source: "Executive Order 420 of 2005, Philippines; UMID common reference number",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999-9999999-9", "999999999999"],
        check: southeast_asia::umid,
    }],
    ..DetectorInfo::BASE
};
