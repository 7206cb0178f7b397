//! Numbers of France, the Netherlands, Belgium and Luxembourg.

use super::super::{Class, DetectorInfo, GDPR, Needs, Trigger, family};
use crate::detect::verify::national::{benelux, france};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[&FR_NIR, &FR_SPI, &NL_BSN, &BE_NRN, &LU_NIN];

static FR_NIR: DetectorInfo = DetectorInfo {
    id: "fr_nir",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "nir",
        "nirnumber",
        "numeronir",
        "numerosecu",
        "numsecu",
        "nosecu",
        "secu",
        "numerosecuritesociale",
        "numerodesecuritesociale",
        "numsecuritesociale",
        "nosecuritesociale",
        "securitesociale",
        "numeross",
        "nss",
        "nni",
        "numerodinscriptionaurepertoire",
        "numeroinsee",
        "numinsee",
        "insee",
        "matriculeins",
        "matriculesecu",
    ],
    words: &["nir", "securitesociale", "secu", "insee"],
    siblings: &[
        "datenaissance",
        "datedenaissance",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Sex, year, month, department, commune and order in 13 characters, Corsica as 2A and 2B, and \
        a key that checks them modulo 97.",
    source: "INSEE, Code officiel géographique and NIR; Code de la sécurité sociale R. 161-1",
    families: &[family::NATIONAL_ID, family::HEALTH_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "999999N99999999",
            "9 99 99 9N 999 999 99",
            "9.99.99.9N.999.999.99",
            "999999N999999 99",
            "9 99 99 9N 999 999-99",
        ],
        check: france::nir,
    }],
    ..DetectorInfo::BASE
};

static FR_SPI: DetectorInfo = DetectorInfo {
    id: "fr_spi",
    category: "identity",
    regulations: &[GDPR],
    class: Class::C,
    keys: &[
        "spi",
        "numerospi",
        "numspi",
        "numerofiscal",
        "numfiscal",
        "numerofiscaldereference",
        "nif",
        "numerofiscaldudeclarant",
        "referencefiscale",
        "identifiantfiscal",
    ],
    words: &["spi", "numerofiscal"],
    siblings: &["datenaissance", "datedenaissance"],
    explanation: "Thirteen digits that begin with 0 to 3, the last three being the others modulo 511. Only \
        beside a name or word that says so.",
    source: "Direction générale des finances publiques; OECD, tax identification numbers: France",
    families: &[family::TAX_ID],
    needs: Needs::Name,
    triggers: &[Trigger::Form {
        forms: &["9999999999999", "99 99 999 999 999"],
        check: france::spi,
    }],
    ..DetectorInfo::BASE
};

static NL_BSN: DetectorInfo = DetectorInfo {
    id: "nl_bsn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "bsn",
        "bsnnr",
        "bsnnummer",
        "bsnnumber",
        "bsnno",
        "burgerservicenummer",
        "burgerservicenr",
        "sofinummer",
        "sofinr",
        "sofi",
        "citizenservicenumber",
        "persoonsnummer",
        "nlbsn",
    ],
    words: &["bsn", "burgerservicenummer", "sofinummer"],
    siblings: &["geboortedatum", "dateofbirth", "dob", "birthdate", "geboortejaar"],
    explanation: "Nine digits that pass the proof by eleven, in which the last digit counts minus one.",
    source: "Wet algemene bepalingen burgerservicenummer; Logisch Ontwerp BSN",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "999999999",
            "9999.99.999",
            "9999 99 999",
            "999 999 999",
            "999.999.999",
            "999-999-999",
        ],
        check: benelux::bsn,
    }],
    ..DetectorInfo::BASE
};

static BE_NRN: DetectorInfo = DetectorInfo {
    id: "be_nrn",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "nrn",
        "rrn",
        "rijksregisternummer",
        "rijksregisternr",
        "rijksregister",
        "insznummer",
        "insz",
        "niss",
        "numeroniss",
        "numeronational",
        "numeroregistrenational",
        "numeroderegistrenational",
        "registrenational",
        "nationaalnummer",
        "nationalregisternumber",
        "nationalregistrationnumber",
        "nationalregister",
        "nationalnummer",
        "nationalregisternummer",
        "bisnummer",
        "numerobis",
        "ssin",
    ],
    words: &[
        "rijksregisternummer",
        "rijksregister",
        "insz",
        "niss",
        "registrenational",
        "nrn",
    ],
    siblings: &[
        "geboortedatum",
        "datedenaissance",
        "datenaissance",
        "dateofbirth",
        "dob",
        "birthdate",
    ],
    explanation: "Date of birth, serial and two digits that check them modulo 97, for people born since 2000 \
        with a 2 before; BIS numbers, whose month is 20 or 40 higher, too.",
    source: "Royal decree of 3 April 1984 on the national register number; KSZ/BCSS on BIS numbers",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "99999999999",
            "99.99.99-999.99",
            "99.99.99-999-99",
            "999999-999-99",
            "999999-999.99",
            "99.99.99.999.99",
            "99 99 99 999 99",
            "999999 999 99",
        ],
        check: benelux::nrn,
    }],
    ..DetectorInfo::BASE
};

static LU_NIN: DetectorInfo = DetectorInfo {
    id: "lu_nin",
    category: "identity",
    regulations: &[GDPR],
    class: Class::B,
    keys: &[
        "matricule",
        "matriculenational",
        "numeromatricule",
        "numeroidentificationnational",
        "numeroidentificationnationale",
        "matriculenumber",
        "sozialversicherungsnummer",
        "matriculecns",
        "luxembourgid",
    ],
    words: &["matricule"],
    siblings: &[
        "datedenaissance",
        "datenaissance",
        "geburtsdatum",
        "dateofbirth",
        "dob",
    ],
    explanation: "Date of birth as YYYYMMDD, a serial of three digits, a Luhn digit and a Verhoeff digit.",
    source: "Luxembourg, law of 19 June 2013 on the identification of natural persons; European Commission, TIN by country",
    families: &[family::NATIONAL_ID, family::TAX_ID],
    triggers: &[Trigger::Form {
        forms: &[
            "9999999999999",
            "9999 9999 999 99",
            "99999999 99999",
            "99999999 999 99",
            "9999 99 99 999 99",
        ],
        check: benelux::lu_nin,
    }],
    ..DetectorInfo::BASE
};
