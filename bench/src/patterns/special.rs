//! Category `special`.

use super::{Row, named};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    (
        "race_ethnicity",
        named!("race|ethnicity|ethnic_?(?:group|origin)", "[a-z][a-z ,/-]{2,}"),
    ),
    (
        "religion",
        named!(
            "religion|religious_?(?:belief|affiliation)|faith|confession",
            "[a-z][a-z ,/-]{2,}"
        ),
    ),
    (
        "political_opinion",
        named!(
            "political_?(?:opinion|party|affiliation|view)|party_?membership",
            "[a-z][a-z ,/-]{2,}"
        ),
    ),
    (
        "trade_union",
        named!("trade_?union|union_?member(?:ship)?", "[a-z][a-z ,/-]{2,}"),
    ),
    (
        "sexual_orientation",
        named!(
            "sexual_?(?:orientation|preference)|orientation",
            "[a-z][a-z ,/-]{2,}"
        ),
    ),
    ("gender", named!("gender|sex|gender_?identity", "[a-z][a-z-]{0,}")),
    (
        "biometric",
        named!(
            "biometrics?|fingerprint_?(?:template|data)|face_?(?:id|template|encoding)|iris|retina|voice_?print",
            "[a-z0-9+/=_-]{8,}"
        ),
    ),
    (
        "genetic",
        named!(
            "genetic|genome|dna|genotype|snp|rsid",
            "[a-z0-9][a-z0-9 ;,/-]{1,}"
        ),
    ),
    (
        "criminal_record",
        named!(
            "criminal_?(?:record|history)|convictions?|offen[cs]es?|arrests?",
            "[a-z0-9][a-z0-9 ,/-]{2,}"
        ),
    ),
    (
        "salary",
        named!(
            "salary|wage|annual_?income|base_?pay|gross_?pay|net_?pay|gehalt|salaire|salario",
            r"\d[\d.,]{2,}"
        ),
    ),
    (
        "credit_score",
        named!(
            "credit_?(?:score|rating)|fico(?:_?score)?|schufa(?:_?score)?",
            r"\d{3}"
        ),
    ),
];
