//! What the masking ledger keeps, and when drift is told, as it is configured.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masking {
    /// See [`super::Config::masking_path`].
    pub path: Option<PathBuf>,
    /// Fields with a row of their own.
    pub max_fields: usize,
    pub max_age_days: u64,
    pub max_bytes: u64,
    /// Sentences of [`crate::masking::target::Targets`].
    pub targets: Vec<String>,
}

impl Masking {
    /// How long a field is kept that is not seen.
    pub const fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age_days.saturating_mul(86_400))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    pub enabled: bool,
    pub learning_seconds: u64,
    pub rate_factor: u64,
}

impl From<&Drift> for crate::masking::drift::Settings {
    fn from(drift: &Drift) -> Self {
        Self {
            enabled: drift.enabled,
            learning: Duration::from_secs(drift.learning_seconds),
            rate_factor: drift.rate_factor,
        }
    }
}
