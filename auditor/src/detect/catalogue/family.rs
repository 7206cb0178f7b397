//! Names that the values of many countries share: each speaks of a kind, none of one country.
//!
//! Normal forms, as in [`super::DetectorInfo::keys`]. A name of a family is worth less than a name
//! of one detector, and nothing to a value that passes no check.

/// Numbers by which a state knows a person.
pub(crate) static NATIONAL_ID: &[&str] = &[
    "nationalid",
    "nationalidnumber",
    "nationalidno",
    "nationalidentifier",
    "nationalidentitynumber",
    "nationalidentificationnumber",
    "nationalinsurance",
    "idnumber",
    "idno",
    "idcard",
    "idcardnumber",
    "identitynumber",
    "identitycard",
    "identitycardnumber",
    "identificationnumber",
    "identitydocument",
    "identitydocumentnumber",
    "documentnumber",
    "documentid",
    "docnumber",
    "personalid",
    "personalidnumber",
    "personalnumber",
    "personalcode",
    "personalidentitycode",
    "personalidentificationnumber",
    "personid",
    "personnumber",
    "citizenid",
    "citizenidnumber",
    "governmentid",
    "govid",
    "govtid",
    "nin",
    "pin",
    "socialsecurity",
    "socialsecuritynumber",
    "socialsecurityno",
    "socialinsurancenumber",
    "ssn",
];

/// What Sweden's law calls its number, and Danes at times theirs, which its own name is the shorter
/// for. A number that passes the checks of both is read as Sweden's under this name.
pub(crate) static PERSONNUMMER: &[&str] = &["personnummer", "personnr"];

/// Numbers of accounts, with banks mostly.
pub(crate) static ACCOUNT_NUMBER: &[&str] = &[
    "accountnumber",
    "accountno",
    "accountnum",
    "acctnumber",
    "acctno",
    "acctnum",
];

/// Secret numbers of cards, and of what else one unlocks.
pub(crate) static PIN: &[&str] = &["pin", "pinno"];

/// Numbers by which a tax office knows a person or a firm.
pub(crate) static TAX_ID: &[&str] = &[
    "taxid",
    "taxidnumber",
    "taxno",
    "taxnumber",
    "taxcode",
    "taxpayerid",
    "taxpayernumber",
    "taxpayeridentificationnumber",
    "taxidentificationnumber",
    "taxidentifier",
    "fiscalcode",
    "fiscalnumber",
    "fiscalid",
    "tin",
    "vat",
    "vatid",
    "vatno",
    "vatnumber",
    "vatregistrationnumber",
    "companyid",
    "companynumber",
    "businessnumber",
    "registrationnumber",
];

/// Numbers by which a health service knows a patient.
pub(crate) static HEALTH_ID: &[&str] = &[
    "healthid",
    "healthnumber",
    "healthcardnumber",
    "healthcareid",
    "healthcarenumber",
    "healthinsurancenumber",
    "healthinsuranceid",
    "insurancenumber",
    "insuranceid",
    "insuredid",
    "memberid",
    "patientid",
    "patientnumber",
    "patientidentifier",
    "subscriberid",
];

/// One list of two that have `N` names together.
pub(crate) const fn joined<const N: usize>(
    first: &[&'static str],
    second: &[&'static str],
) -> [&'static str; N] {
    assert!(first.len() + second.len() == N, "N is the length of both");
    let mut all = [""; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() {
            first[at]
        } else {
            second[at - first.len()]
        };
        at += 1;
    }
    all
}
