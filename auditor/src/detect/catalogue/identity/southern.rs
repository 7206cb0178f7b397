//! Numbers of Spain, Portugal and Italy.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{italy, portugal, spain};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&ES_DNI, &ES_NUSS, &PT_NIF, &IT_CODICE_FISCALE, &IT_PARTITA_IVA];

static ES_DNI: DetectorInfo = DetectorInfo {
    id: "es_dni",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "dni",
        "dninie",
        "dninumber",
        "numerodni",
        "numdni",
        "nodni",
        "nrodni",
        "dninif",
        "nif",
        "nifnie",
        "nie",
        "numeronie",
        "numnie",
        "nienumber",
        "documentonacionaldeidentidad",
        "documentoidentidad",
        "documentodeidentidad",
        "numerodocumento",
        "spanishid",
        "numeroidentidadextranjero",
        "numerodeidentidaddeextranjero",
    ],
    words: &["dni", "nif", "documentonacionaldeidentidad", "dninie"],
    siblings: &[
        "fechanacimiento",
        "fechadenacimiento",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Eight digits, or X, Y or Z and seven digits, and the letter that checks them modulo 23.",
    source: "Real Decreto 1553/2005 (DNI); Real Decreto 557/2011 (NIE); Ministerio del Interior, cálculo del dígito de control",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "99999999A",
            "99999999-A",
            "99999999 A",
            "99.999.999-A",
            "99.999.999A",
            "99.999.999 A",
            "A9999999A",
            "A-9999999-A",
            "A9999999-A",
            "A 9999999 A",
            "A-9999999A",
        ],
        check: spain::dni,
    }],
    ..DetectorInfo::BASE
};

static ES_NUSS: DetectorInfo = DetectorInfo {
    id: "es_nuss",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "nuss",
        "nussnumber",
        "numeroseguridadsocial",
        "numerodeseguridadsocial",
        "numerodelaseguridadsocial",
        "numeroafiliacion",
        "numeroafiliacionss",
        "numeroafiliacionseguridadsocial",
        "numss",
        "numseguridadsocial",
        "seguridadsocial",
        "naf",
        "nss",
        "afiliacionseguridadsocial",
    ],
    words: &["nuss", "seguridadsocial"],
    siblings: &[
        "fechanacimiento",
        "fechadenacimiento",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "A province, a number of eight digits, and two digits that check both modulo 97.",
    source: "Tesorería General de la Seguridad Social, número de la Seguridad Social; Orden of 17 January 1996",
    families: &[family::NATIONAL_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "999999999999",
            "99/99999999/99",
            "99 99999999 99",
            "99-99999999-99",
            "99/9999999999",
            "99 9999999999",
        ],
        check: spain::nuss,
    }],
    ..DetectorInfo::BASE
};

static PT_NIF: DetectorInfo = DetectorInfo {
    id: "pt_nif",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "nif",
        "numerofiscal",
        "numerodeidentificacaofiscal",
        "numeroidentificacaofiscal",
        "numerocontribuinte",
        "numerodecontribuinte",
        "contribuinte",
        "nrcontribuinte",
        "nifpt",
        "ncontribuinte",
        "nipc",
        "niffiscal",
        "ptnif",
    ],
    words: &["nif", "contribuinte", "nipc"],
    siblings: &[
        "datanascimento",
        "datadenascimento",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Nine digits that begin with a kind of taxpayer and pass mod 11; PT may stand before.",
    source: "Decreto-Lei n.º 14/2013; Portaria n.º 377/2003",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "999999999",
            "999 999 999",
            "999.999.999",
            "AA999999999",
            "AA 999999999",
            "AA 999 999 999",
        ],
        check: portugal::nif,
    }],
    ..DetectorInfo::BASE
};

static IT_CODICE_FISCALE: DetectorInfo = DetectorInfo {
    id: "it_codice_fiscale",
    category: "identity",
    regulations: &[GDPR],
    class: Class::A,
    keys: &[
        "codicefiscale",
        "codfiscale",
        "codfisc",
        "cf",
        "codicefisc",
        "cfisc",
        "codicefiscalecliente",
        "codicefiscalepersona",
        "fiscalcode",
        "italianfiscalcode",
    ],
    words: &["codicefiscale", "codfiscale", "fiscalcode"],
    siblings: &[
        "datanascita",
        "datadinascita",
        "luogonascita",
        "luogodinascita",
        "comunenascita",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Letters of the name, year, month as a letter, day (40 higher for women) and municipality, \
        and a letter that checks them; digits may be written as the letters that tell namesakes \
        apart.",
    source: "Decreto ministeriale 23 dicembre 1976 n. 13813; Agenzia delle Entrate",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "AAAAAANNANNANNNA",
            "AAA AAA NNANN ANNNA",
            "AAAAAA NNANN ANNNA",
            "AAA AAA NNA NN ANNNA",
            "AAA-AAA-NNANN-ANNNA",
        ],
        check: italy::codice_fiscale,
    }],
    ..DetectorInfo::BASE
};

static IT_PARTITA_IVA: DetectorInfo = DetectorInfo {
    id: "it_partita_iva",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "partitaiva",
        "piva",
        "partiva",
        "numeropartitaiva",
        "partitaivacliente",
        "pivacliente",
        "italianvat",
        "codicepartitaiva",
    ],
    words: &["partitaiva", "piva"],
    siblings: &["codicefiscale", "ragionesociale", "codicedestinatario"],
    explanation: "Eleven digits that name a tax office and pass Luhn; IT may stand before. Only beside a name \
        or word that says so.",
    source: "DPR 633/1972 art. 35; Agenzia delle Entrate, struttura della partita IVA",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["99999999999", "AA99999999999", "AA 99999999999"],
        check: italy::partita_iva,
    }],
    ..DetectorInfo::BASE
};
