//! Category `health`.

use super::Shape::Regex;
use super::{Row, named};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    (
        "us_mbi",
        Regex(
            r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}\b",
        ),
    ),
    (
        "us_npi",
        named!(
            "npi|npi_?number|national_?provider_?id(?:entifier)?",
            r"[12]\d{9}"
        ),
    ),
    ("us_dea", named!("dea|dea_?(?:no|number)", r"[a-z][a-z9]\d{7}")),
    (
        "uk_nhs",
        named!("nhs|nhs_?(?:no|number)", r"\d{3}[ -]?\d{3}[ -]?\d{4}"),
    ),
    (
        "au_medicare",
        named!(
            "medicare|medicare_?(?:card_?)?(?:no|number)",
            r"[2-6]\d{3}[ -]?\d{5}[ -]?\d{1,2}"
        ),
    ),
    ("de_kvnr", Regex(r"\b[A-Z]\d{9}\b")),
    (
        "ca_phn",
        named!(
            "phn|personal_?health_?number|health_?card(?:_?number)?|ohip",
            r"\d{4}[ -]?\d{3}[ -]?\d{3}|\d{9}"
        ),
    ),
    (
        "medical_record_number",
        named!(
            "mrn|medical_?record_?(?:no|number)|patient_?(?:id|number)",
            "[a-z0-9-]{4,20}"
        ),
    ),
    (
        "health_plan_id",
        named!(
            "health_?plan_?(?:id|number)|insurance_?(?:id|number)|member_?id|policy_?number",
            "[a-z0-9-]{5,20}"
        ),
    ),
    (
        "diagnosis_code",
        named!(
            "diagnosis|diagnosis_?code|icd_?(?:10)?(?:_?code)?",
            r"[a-z]\d[0-9a-z](?:\.[0-9a-z]{1,4})?"
        ),
    ),
    (
        "medication",
        named!(
            "medication|drug|ndc|ndc_?code|rxnorm|rxcui|prescription",
            "[a-z0-9][a-z0-9 .-]{3,}"
        ),
    ),
    (
        "medical_condition",
        named!(
            "condition|medical_?condition|disease|allerg(?:y|ies)|symptoms?",
            "[a-z][a-z0-9 ,.-]{3,}"
        ),
    ),
];
