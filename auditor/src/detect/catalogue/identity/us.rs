//! Numbers of the United States: social security, taxpayers, passports, driver licences.

use super::super::{CCPA, Class, Convention, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::united_states;
use crate::detect::verify::ssn;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&US_SSN, &US_ITIN, &US_EIN, &US_PASSPORT, &US_DRIVER_LICENSE];

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
        bare: false,
        verify: ssn::verify,
    }],
    ..DetectorInfo::BASE
};

static US_ITIN: DetectorInfo = DetectorInfo {
    id: "us_itin",
    category: "identity",
    regulations: &[GDPR, CCPA],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "itin",
        "itinnumber",
        "individualtaxpayeridentificationnumber",
        "individualtaxpayerid",
        "usitin",
    ],
    words: &["itin"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Nine digits as 3-2-4 that begin with 9 and have a group the IRS issues: 50 to 65, 70 to \
        88, 90 to 92, 94 to 99.",
    source: "IRS publication 4757; 26 CFR 301.6109-1",
    families: &[family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["999-99-9999", "999 99 9999", "999999999"],
        check: united_states::itin,
    }],
    ..DetectorInfo::BASE
};

static US_EIN: DetectorInfo = DetectorInfo {
    id: "us_ein",
    category: "identity",
    regulations: &[GDPR, CCPA],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "ein",
        "einnumber",
        "fein",
        "feinnumber",
        "employeridentificationnumber",
        "employeridnumber",
        "employeridno",
        "federalein",
        "federaltaxid",
        "federaltaxidnumber",
        "employertaxid",
        "usein",
    ],
    words: &["ein", "fein"],
    siblings: &["legalname", "companyname", "employername"],
    explanation: "Nine digits as 2-7 behind a prefix that the IRS assigns; only beside a name or word that \
        says so.",
    source: "IRS, How EINs are assigned and valid EIN prefixes",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["99-9999999", "999999999"],
        check: united_states::ein,
    }],
    ..DetectorInfo::BASE
};

static US_PASSPORT: DetectorInfo = DetectorInfo {
    id: "us_passport",
    category: "identity",
    regulations: &[GDPR, CCPA],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "uspassport",
        "uspassportnumber",
        "uspassportno",
        "passportbooknumber",
        "passportcardnumber",
    ],
    words: &["uspassport", "passport"],
    siblings: &[
        "passportexpiry",
        "passportexpirationdate",
        "passportissuedate",
        "nationality",
    ],
    explanation: "Nine digits, or a letter and eight digits; only beside a name or word that says so.",
    source: "US Department of State, passport book and card numbers",
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999999999", "A99999999"],
        check: united_states::passport,
    }],
    ..DetectorInfo::BASE
};

static US_DRIVER_LICENSE: DetectorInfo = DetectorInfo {
    id: "us_driver_license",
    category: "identity",
    regulations: &[GDPR, CCPA],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "driverlicense",
        "driverslicense",
        "driverlicence",
        "driverslicence",
        "driverlicensenumber",
        "driverslicensenumber",
        "driverlicenseno",
        "driverslicenseno",
        "driverlicensenum",
        "driverslicensenum",
        "driverlicenseid",
        "driverslicenseid",
        "driverlicencenumber",
        "driverslicencenumber",
        "dlnumber",
        "dlno",
        "dln",
        "licensenumberdriver",
        "usdriverlicense",
        "stateidnumber",
    ],
    words: &[
        "driverlicense",
        "driverslicense",
        "driverlicence",
        "driverslicence",
    ],
    siblings: &[
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
        "licensestate",
        "dlstate",
        "issuingstate",
        "licenseclass",
    ],
    explanation: "The whole value of a field that is named so: 5 to 17 letters and digits, three digits or \
        more. Every state has its own form, so the name decides.",
    source: "AAMVA DL/ID card design standard, field DAQ; the states' formats",
    needs: Needs::Name,
    triggers: &[Trigger::Named {
        check: united_states::driver_license,
    }],
    ..DetectorInfo::BASE
};
