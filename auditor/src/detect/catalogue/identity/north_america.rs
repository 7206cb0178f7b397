//! Numbers of Canada and Mexico.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::{canada, mexico};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&CA_SIN, &MX_CURP, &MX_RFC];

static CA_SIN: DetectorInfo = DetectorInfo {
    id: "ca_sin",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    severity: Severity::High,
    keys: &[
        "sin",
        "sinnumber",
        "sinno",
        "socialinsurance",
        "socialinsurancenumber",
        "socialinsuranceno",
        "casin",
        "canadiansin",
        "canadasin",
        "numeroassurancesociale",
        "numerodassurancesociale",
        "assurancesociale",
        "numeronas",
    ],
    words: &["socialinsurance", "assurancesociale"],
    siblings: &["dob", "dateofbirth", "birthdate", "birthday"],
    explanation: "Nine digits that pass Luhn and begin with neither 0 nor 8; only beside a name or word \
        that says so.",
    source: "Employment and Social Development Canada, SIN code of practice",
    families: &[family::NATIONAL_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999-999-999", "999 999 999", "999999999"],
        check: canada::sin,
    }],
    ..DetectorInfo::BASE
};

static MX_CURP: DetectorInfo = DetectorInfo {
    id: "mx_curp",
    category: "identity",
    regulations: &[GDPR],
    class: Class::A,
    severity: Severity::High,
    keys: &[
        "curp",
        "clavecurp",
        "curpnumber",
        "claveunicaderegistrodepoblacion",
        "claveunicaregistropoblacion",
        "mxcurp",
    ],
    words: &["curp"],
    siblings: &[
        "rfc",
        "fechanacimiento",
        "fechadenacimiento",
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
    ],
    explanation: "Eighteen characters: initials, date of birth, sex, federal entity, consonants and a \
        check digit.",
    source: "RENAPO, instructivo normativo para la asignación de la CURP (Diario Oficial, 18 October \
        2021)",
    families: &[family::NATIONAL_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["AAAA999999AAAAAAN9"],
        check: mexico::curp,
    }],
    ..DetectorInfo::BASE
};

static MX_RFC: DetectorInfo = DetectorInfo {
    id: "mx_rfc",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "rfc",
        "rfcnumber",
        "claverfc",
        "registrofederaldecontribuyentes",
        "registrofederalcontribuyentes",
        "rfcreceptor",
        "rfcemisor",
        "mxrfc",
    ],
    words: &["rfc", "contribuyente"],
    siblings: &["curp", "razonsocial", "regimenfiscal", "usocfdi"],
    explanation: "Three or four letters, a date and a homoclave whose last sign is a check mod 11; without \
        the check only beside a name that says so.",
    source: "Código Fiscal de la Federación, article 27; SAT, anexo 20",
    families: &[family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &[
            "AAAA999999NNN",
            "AAA999999NNN",
            "AAAA-999999-NNN",
            "AAA-999999-NNN",
            "AAAA 999999 NNN",
            "AAA 999999 NNN",
        ],
        check: mexico::rfc,
    }],
    ..DetectorInfo::BASE
};
