//! Category `identity`: a form for numbers that have one, a name where the form says nothing.

use super::Shape::Regex;
use super::{Row, named};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    (
        "us_ssn",
        Regex(
            r"\b\d{3}-\d{2}-\d{4}\b|(?i)\b(?:ssn|social_?security(?:_?(?:no|number))?)[\x22']?\s{0,3}[:=]\s{0,3}[\x22']?\d{9}\b",
        ),
    ),
    ("us_itin", Regex(r"\b9\d{2}-[5-9]\d-\d{4}\b")),
    (
        "us_ein",
        named!(
            "ein|fein|employer_?id(?:entification)?_?(?:no|number)|tax_?id",
            r"\d{2}-?\d{7}"
        ),
    ),
    (
        "us_passport",
        named!("(?:us_?)?passport(?:_?(?:no|num|number|id))?", r"[a-z]?\d{8,9}"),
    ),
    (
        "us_driver_license",
        named!(
            "driver'?s?_?licen[cs]e(?:_?(?:no|num|number|id))?|dl_?(?:no|number)",
            "[a-z0-9-]{5,20}"
        ),
    ),
    (
        "uk_nino",
        Regex(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
    ),
    (
        "uk_utr",
        named!("utr|unique_?taxpayer_?reference", r"\d{5} ?\d{5}"),
    ),
    (
        "uk_driving_licence",
        Regex(r"\b[A-Z9]{5}\d{6}[A-Z9]{2}[A-Z0-9]{3}\b"),
    ),
    (
        "ca_sin",
        named!(
            "sin|social_?insurance(?:_?(?:no|number))?|nas",
            r"\d{3}[ -]?\d{3}[ -]?\d{3}"
        ),
    ),
    (
        "au_tfn",
        named!("tfn|tax_?file_?(?:no|number)", r"\d{3} ?\d{3} ?\d{2,3}"),
    ),
    (
        "au_abn",
        named!("abn|australian_?business_?number", r"\d{2} ?\d{3} ?\d{3} ?\d{3}"),
    ),
    (
        "nz_ird",
        named!("ird|ird_?(?:no|number)", r"\d{2,3}[ -]?\d{3}[ -]?\d{3}"),
    ),
    ("br_cpf", Regex(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b|\b\d{11}\b")),
    (
        "br_cnpj",
        Regex(r"\b[A-Z0-9]{2}\.[A-Z0-9]{3}\.[A-Z0-9]{3}/[A-Z0-9]{4}-\d{2}\b|\b\d{14}\b"),
    ),
    (
        "mx_curp",
        Regex(r"\b[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d\b"),
    ),
    ("mx_rfc", Regex(r"\b[A-Z&]{3,4}-?\d{6}-?[A-Z0-9]{3}\b")),
    ("ar_cuit", Regex(r"\b(?:20|23|24|27|30|33|34)-?\d{8}-?\d\b")),
    ("cl_rut", Regex(r"\b\d{1,2}\.?\d{3}\.?\d{3}-[0-9Kk]\b")),
    ("co_nit", Regex(r"\b\d{3}\.?\d{3}\.?\d{3}-\d\b")),
    (
        "fr_nir",
        Regex(r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3}(?: ?\d{2})?\b"),
    ),
    (
        "fr_spi",
        named!("spi|numero_?fiscal", r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}"),
    ),
    ("es_dni", Regex(r"\b(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z]\b")),
    ("es_nuss", Regex(r"\b\d{2}[ /]?\d{8}[ /]?\d{2}\b")),
    ("pt_nif", Regex(r"\b[1-35689]\d{2} ?\d{3} ?\d{3}\b")),
    (
        "it_codice_fiscale",
        Regex(r"\b[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]\b"),
    ),
    (
        "it_partita_iva",
        named!("partita_?iva|p_?iva|vat(?:_?(?:no|number|id))?", r"(?:it)?\d{11}"),
    ),
    ("de_steuer_id", Regex(r"\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b")),
    ("de_rvnr", Regex(r"\b\d{2} ?\d{6} ?[A-Z] ?\d{3}\b")),
    (
        "de_personalausweis",
        named!(
            "personalausweis(?:_?nummer)?|ausweisnummer|id_?card_?(?:no|number)",
            "[cfghjklmnprtvwxyz0-9]{9}[0-9]?"
        ),
    ),
    ("at_svnr", Regex(r"\b[1-9]\d{3} ?\d{6}\b")),
    ("ch_ahv", Regex(r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b")),
    ("nl_bsn", Regex(r"\b\d{4}\.?\d{2}\.?\d{3}\b")),
    ("be_nrn", Regex(r"\b\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}\b")),
    (
        "lu_nin",
        Regex(r"\b(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{5}\b"),
    ),
    ("ie_pps", Regex(r"\b\d{7}[A-W][A-IW]?\b")),
    (
        "se_personnummer",
        Regex(r"\b(?:19|20)?\d{2}[01]\d[0-3]\d[-+]?\d{4}\b"),
    ),
    ("no_fnr", Regex(r"\b[0-7]\d[0-9]\d{3} ?\d{5}\b")),
    (
        "dk_cpr",
        named!("cpr|cpr_?(?:nr|nummer)|personnummer", r"[0-3]\d[01]\d{3}-?\d{4}"),
    ),
    (
        "fi_hetu",
        Regex(r"\b[0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b"),
    ),
    ("is_kennitala", Regex(r"\b[0-7]\d[01]\d{3}-?\d{3}[089]\b")),
    ("ee_isikukood", Regex(r"\b[1-8]\d{2}[01]\d[0-3]\d{5}\b")),
    ("lt_asmens_kodas", Regex(r"\b[3-6]\d{2}[01]\d[0-3]\d{5}\b")),
    ("lv_personas_kods", Regex(r"\b[0-3]\d[01]\d{3}-?[012]\d{4}\b")),
    ("pl_pesel", Regex(r"\b\d{2}[0-389]\d[0-3]\d{6}\b")),
    ("pl_nip", named!("nip", r"\d{3}-?\d{3}-?\d{2}-?\d{2}")),
    ("cz_rodne_cislo", Regex(r"\b\d{2}[0-8]\d[0-3]\d/?\d{3,4}\b")),
    ("hu_taj", named!("taj|taj_?szam", r"\d{3}[ -]?\d{3}[ -]?\d{3}")),
    ("ro_cnp", Regex(r"\b[1-9]\d{2}[01]\d[0-3]\d{7}\b")),
    ("bg_egn", Regex(r"\b\d{2}[0-5]\d[0-3]\d{5}\b")),
    ("hr_oib", Regex(r"\b\d{11}\b")),
    ("si_emso", Regex(r"\b[0-3]\d[01]\d[09]\d{8}\b")),
    ("gr_amka", Regex(r"\b[0-3]\d[01]\d{8}\b")),
    (
        "gr_afm",
        named!("afm|vat(?:_?(?:no|number|id))?", r"(?:el)?\d{9}"),
    ),
    ("tr_tckn", Regex(r"\b[1-9]\d{9}[02468]\b")),
    ("il_id", named!("teudat_?zehut|israeli?_?id|tz", r"\d{8,9}")),
    ("za_id", Regex(r"\b\d{2}[01]\d[0-3]\d{5}[012]\d{2}\b")),
    (
        "in_aadhaar",
        named!("aadhaar|aadhar|uid(?:ai)?", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}"),
    ),
    ("in_pan", Regex(r"\b[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]\b")),
    ("in_gstin", Regex(r"\b\d{2}[A-Z]{5}\d{4}[A-Z][A-Z0-9]Z[A-Z0-9]\b")),
    (
        "cn_resident_id",
        Regex(r"\b[1-8]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[0-9Xx]\b"),
    ),
    ("kr_rrn", Regex(r"\b\d{2}[01]\d[0-3]\d-?[1-8]\d{6}\b")),
    (
        "jp_my_number",
        named!("my_?number|kojin_?bango", r"\d{4}[ -]?\d{4}[ -]?\d{4}"),
    ),
    ("tw_id", Regex(r"\b[A-Z][1289A-D]\d{8}\b")),
    ("hk_id", Regex(r"\b[A-Z]{1,2}\d{6}\(?[0-9A]\)?")),
    ("sg_nric", Regex(r"\b[STFGM]\d{7}[A-Z]\b")),
    ("my_nric", Regex(r"\b\d{2}[01]\d[0-3]\d-?\d{2}-?\d{4}\b")),
    ("th_pin", Regex(r"\b[1-8]-?\d{4}-?\d{5}-?\d{2}-?\d\b")),
    ("id_nik", named!("nik|ktp|no_?ktp", r"\d{16}")),
    ("ph_umid", named!("umid|crn", r"\d{4}-?\d{7}-?\d")),
    (
        "passport_mrz",
        Regex(r"\bP[A-Z<][A-Z]{3}[A-Z<]{39}|\b[A-Z0-9<]{9}\d[A-Z<]{3}\d{7}[MFX<]\d{7}"),
    ),
    (
        "passport_number",
        named!(
            "passport(?:_?(?:no|num|number|id))?|reisepass(?:nummer)?|pasaporte|passeport",
            "[a-z0-9]{6,9}"
        ),
    ),
    (
        "vin",
        named!(
            "vin|vehicle_?id(?:entification)?_?(?:no|number)|chassis(?:_?number)?",
            "[a-hj-npr-z0-9]{17}"
        ),
    ),
];
