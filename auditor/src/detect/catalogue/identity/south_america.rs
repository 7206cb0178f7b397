//! Numbers of Brazil, Argentina, Chile and Colombia.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::Severity;
use crate::detect::verify::national::{brazil, south_america};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&BR_CPF, &BR_CNPJ, &AR_CUIT, &CL_RUT, &CO_NIT];

static BR_CPF: DetectorInfo = DetectorInfo {
    id: "br_cpf",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "cpf",
        "cpfnumber",
        "numerocpf",
        "nrcpf",
        "nocpf",
        "cpfcnpj",
        "cpfoucnpj",
        "cadastrodepessoafisica",
        "cadastropessoafisica",
        "cpfcliente",
        "brcpf",
    ],
    words: &["cpf"],
    siblings: &[
        "rg",
        "datanascimento",
        "datadenascimento",
        "nomecompleto",
        "dob",
        "dateofbirth",
        "birthdate",
        "birthday",
    ],
    explanation: "Eleven digits, the last two check digits mod 11, not all the same.",
    source: "Receita Federal, Instrução Normativa RFB 2.172/2024",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["999.999.999-99", "99999999999", "999999999-99"],
        check: brazil::cpf,
    }],
    ..DetectorInfo::BASE
};

static BR_CNPJ: DetectorInfo = DetectorInfo {
    id: "br_cnpj",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "cnpj",
        "cnpjnumber",
        "numerocnpj",
        "nrcnpj",
        "nocnpj",
        "cpfcnpj",
        "cpfoucnpj",
        "cadastronacionaldapessoajuridica",
        "cnpjempresa",
        "brcnpj",
    ],
    words: &["cnpj"],
    siblings: &["razaosocial", "nomefantasia", "inscricaoestadual"],
    explanation: "Fourteen digits, or from July 2026 twelve letters and digits and two digits; the last \
        two check digits mod 11.",
    source: "Receita Federal, Instrução Normativa RFB 2.229/2024 (alphanumeric form)",
    families: &[family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &[
            "99.999.999/9999-99",
            "99999999999999",
            "99999999/9999-99",
            "NN.NNN.NNN/NNNN-99",
            "NNNNNNNNNNNN99",
        ],
        check: brazil::cnpj,
    }],
    ..DetectorInfo::BASE
};

static AR_CUIT: DetectorInfo = DetectorInfo {
    id: "ar_cuit",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "cuit",
        "cuil",
        "cuitcuil",
        "cuilcuit",
        "cuitnumber",
        "numerocuit",
        "numerodecuit",
        "nrocuit",
        "nrocuil",
        "claveunicadeidentificaciontributaria",
        "arcuit",
    ],
    words: &["cuit", "cuil"],
    siblings: &["dni", "razonsocial", "condicioniva"],
    explanation: "Eleven digits as 2-8-1: a kind of holder that is issued and a check digit mod 11.",
    source: "ARCA (AFIP), Resolución General 10/97",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &["99-99999999-9", "99 99999999 9", "99999999999"],
        check: south_america::cuit,
    }],
    ..DetectorInfo::BASE
};

static CL_RUT: DetectorInfo = DetectorInfo {
    id: "cl_rut",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "rut",
        "rutnumber",
        "numerorut",
        "runcliente",
        "runpaciente",
        "runtrabajador",
        "numerorun",
        "rutcliente",
        "rutempresa",
        "rolunicotributario",
        "rolunico",
        "rolunaconacional",
        "rolunconacional",
        "rolunicnacional",
        "clrut",
        "clrun",
        "numerorun",
    ],
    words: &["rut"],
    siblings: &["razonsocial", "giro"],
    explanation: "Seven or eight digits and a check sign mod 11, K for ten.",
    source: "Servicio de Impuestos Internos, DFL 3 of 1969; Registro Civil",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &[
            "99.999.999-9",
            "99.999.999-A",
            "9.999.999-9",
            "9.999.999-A",
            "99999999-9",
            "99999999-A",
            "9999999-9",
            "9999999-A",
            "999999999",
            "99999999A",
            "99999999",
            "9999999A",
        ],
        check: south_america::rut,
    }],
    ..DetectorInfo::BASE
};

static CO_NIT: DetectorInfo = DetectorInfo {
    id: "co_nit",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    severity: Severity::High,
    keys: &[
        "nit",
        "nitnumber",
        "numeronit",
        "nronit",
        "numerodeidentificaciontributaria",
        "nitempresa",
        "conit",
    ],
    words: &["nitempresa"],
    siblings: &["razonsocial", "digitoverificacion", "dv"],
    explanation: "Seven to ten digits and a check digit mod 11 over prime weights.",
    source: "DIAN, Orden Administrativa 4 of 1989",
    families: &[family::TAX_ID],
    needs: Needs::Nothing,
    triggers: &[Trigger::Form {
        forms: &[
            "999.999.999-9",
            "999999999-9",
            "9999999999",
            "99.999.999-9",
            "99999999-9",
            "999999999",
            "9.999.999.999-9",
            "9999999999-9",
            "99999999999",
        ],
        check: south_america::nit,
    }],
    ..DetectorInfo::BASE
};
