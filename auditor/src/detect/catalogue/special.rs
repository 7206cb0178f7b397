//! Category `special`: what article 9 of the GDPR protects, and what is as delicate.

mod belief;
mod body;
mod standing;

use super::DetectorInfo;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[
    &belief::RACE_ETHNICITY,
    &belief::RELIGION,
    &belief::POLITICAL_OPINION,
    &belief::TRADE_UNION,
    &body::SEXUAL_ORIENTATION,
    &body::GENDER,
    &body::BIOMETRIC,
    &body::GENETIC,
    &standing::CRIMINAL_RECORD,
    &standing::SALARY,
    &standing::CREDIT_SCORE,
];
