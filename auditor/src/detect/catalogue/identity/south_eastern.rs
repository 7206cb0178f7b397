//! Numbers of Romania, Bulgaria, Greece, Turkey and the countries of former Yugoslavia.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{bulgaria, croatia, greece, romania, slovenia, turkey};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&RO_CNP, &BG_EGN, &HR_OIB, &SI_EMSO, &GR_AMKA, &GR_AFM, &TR_TCKN];

static RO_CNP: DetectorInfo = DetectorInfo {
    id: "ro_cnp",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "cnp",
        "codnumericpersonal",
        "codulnumericpersonal",
        "cnpclient",
        "cnpnumber",
        "numarcnp",
        "nrcnp",
        "romaniancnp",
    ],
    words: &["cnp", "codnumericpersonal"],
    siblings: &["datanasterii", "datanastere", "dateofbirth", "dob", "birthdate"],
    explanation: "A digit for sex and century, date of birth, county, serial, and a check digit modulo 11.",
    source: "OUG 97/2005; HG 64/2011; Direcția Generală pentru Evidența Persoanelor",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["9999999999999"],
        check: romania::cnp,
    }],
    ..DetectorInfo::BASE
};

static BG_EGN: DetectorInfo = DetectorInfo {
    id: "bg_egn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "egn",
        "egnnumber",
        "egnno",
        "edinengrazhdanskinomer",
        "edinengrajdanskinomer",
        "bulgarianegn",
        "uniformcivilnumber",
        "егн",
        "единенгражданскиномер",
    ],
    words: &["egn", "егн"],
    siblings: &[
        "datanarazhdane",
        "датанараждане",
        "рожденадата",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth with the century in its month, serial, and a check digit modulo 11.",
    source: "Закон за гражданската регистрация, чл. 11; GRAO",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["9999999999"],
        check: bulgaria::egn,
    }],
    ..DetectorInfo::BASE
};

static HR_OIB: DetectorInfo = DetectorInfo {
    id: "hr_oib",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "oib",
        "oibbroj",
        "brojoib",
        "osobniidentifikacijskibroj",
        "oibnumber",
        "oibklijenta",
        "croatianoib",
        "oibkupca",
    ],
    words: &["oib", "osobniidentifikacijskibroj"],
    siblings: &["datumrodjenja", "datumrodenja", "dateofbirth", "dob", "birthdate"],
    explanation: "Eleven digits that pass ISO 7064 mod 11,10; HR may stand before.",
    source: "Zakon o osobnom identifikacijskom broju; ISO/IEC 7064",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999", "AA99999999999", "AA 99999999999"],
        check: croatia::oib,
    }],
    ..DetectorInfo::BASE
};

static SI_EMSO: DetectorInfo = DetectorInfo {
    id: "si_emso",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "emso",
        "emsostevilka",
        "enotnamaticnastevilka",
        "enotnamaticnastevilkaobcana",
        "jmbg",
        "jmbgbroj",
        "maticnibroj",
        "jedinstvenimaticnibroj",
        "jedinstvenimaticnibrojgradjana",
        "jmb",
        "embg",
        "umcn",
        "јмбг",
        "јединствениматичниброј",
        "ембг",
        "матиченброј",
    ],
    words: &["emso", "jmbg", "embg", "јмбг", "ембг"],
    siblings: &[
        "datumrojstva",
        "datumrodjenja",
        "datumrodenja",
        "датумрођења",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth with three digits of the year, region, serial, and a check digit modulo 11: \
        EMŠO, and JMBG or EMBG of the other countries.",
    source: "Zakon o centralnem registru prebivalstva (Slovenia); Zakon o jedinstvenom matičnom broju građana (Serbia, Bosnia and Herzegovina)",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["9999999999999", "9999999 999999"],
        check: slovenia::emso,
    }],
    ..DetectorInfo::BASE
};

static GR_AMKA: DetectorInfo = DetectorInfo {
    id: "gr_amka",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &["amka", "amkanumber", "aramka", "αμκα", "greekamka"],
    words: &["amka", "αμκα"],
    siblings: &[
        "imerominiagennisis",
        "ημερομηνίαγέννησης",
        "ημερομηνιαγεννησης",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth as DDMMYY, serial and Luhn.",
    source: "Greek law 3655/2008, article 153; IDIKA",
    families: &[family::NATIONAL_ID, family::HEALTH_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999", "999999 99999", "999999-99999"],
        check: greece::amka,
    }],
    ..DetectorInfo::BASE
};

static GR_AFM: DetectorInfo = DetectorInfo {
    id: "gr_afm",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "afm",
        "afmnumber",
        "arithmosforologikoumitroou",
        "αφμ",
        "αριθμόςφορολογικούμητρώου",
        "greekvat",
        "greekafm",
    ],
    words: &["afm", "αφμ"],
    siblings: &["doy", "δου"],
    explanation: "Nine digits, the last of which checks the others modulo 11; EL may stand before. Only beside \
        a name or word that says so.",
    source: "Independent Authority for Public Revenue (AADE); European Commission, TIN by country",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["999999999", "AA999999999", "AA 999999999"],
        check: greece::afm,
    }],
    ..DetectorInfo::BASE
};

static TR_TCKN: DetectorInfo = DetectorInfo {
    id: "tr_tckn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "tckn",
        "tcno",
        "tckimlik",
        "tckimlikno",
        "tckimliknumarasi",
        "kimlikno",
        "kimliknumarasi",
        "tcnumarasi",
        "tcidentityno",
        "turkishid",
        "turkishidentitynumber",
        "vatandaslikno",
        "vatandasliknumarasi",
        "tcidentitynumber",
        "tcid",
    ],
    words: &["tckn", "tckimlik", "kimlikno", "tckimlikno"],
    siblings: &["dogumtarihi", "dateofbirth", "dob", "birthdate"],
    explanation: "Eleven digits, not beginning with 0, the last two of which check the others.",
    source: "Nüfus ve Vatandaşlık İşleri Genel Müdürlüğü, Nüfus Hizmetleri Kanunu 5490",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &["99999999999", "999 999 999 99"],
        check: turkey::tckn,
    }],
    ..DetectorInfo::BASE
};
