//! Category `health`: what says something about a patient.

mod numbers;
mod record;

use super::DetectorInfo;

/// The rows of this category.
pub(super) const ROWS: &[&DetectorInfo] = &[
    &numbers::US_MBI,
    &numbers::US_NPI,
    &numbers::US_DEA,
    &numbers::UK_NHS,
    &numbers::AU_MEDICARE,
    &numbers::DE_KVNR,
    &numbers::CA_PHN,
    &record::MEDICAL_RECORD_NUMBER,
    &record::HEALTH_PLAN_ID,
    &record::DIAGNOSIS_CODE,
    &record::MEDICATION,
    &record::MEDICAL_CONDITION,
];
