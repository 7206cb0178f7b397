//! Category `health`: what says something about a patient.

use super::DetectorInfo;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[];
