//! The shapes a finding may leave in.
//!
//! Goes in: the JSON of a finding. Comes out: that, or an event of the Open Cybersecurity Schema Framework.

use serde::Deserialize;
use serde_json::Value;

use super::ocsf;
use crate::report::json;

/// How a sink writes findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// docs/finding.schema.json.
    #[default]
    Auditor,
    /// A Data Security Finding, class 2006.
    Ocsf,
}

impl Format {
    /// One line of JSON in which nothing steers a terminal.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn line(self, finding: &[u8]) -> serde_json::Result<String> {
        match self {
            Self::Auditor => std::str::from_utf8(finding)
                .map(str::to_owned)
                .map_err(serde::de::Error::custom),
            Self::Ocsf => {
                let finding: Value = serde_json::from_slice(finding)?;
                json::line(&ocsf::event(&finding))
            }
        }
    }
}
