//! Category `special`: what article 9 of the GDPR protects, and what is as delicate.

use super::DetectorInfo;

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] = &[];
