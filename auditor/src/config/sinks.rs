//! Where findings go, as it is configured.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::detect::Severity;
use crate::report::sinks::format::Format;
use crate::report::sinks::otlp::Protocol;
use crate::report::sinks::tls::Tls;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stdout {
    pub enabled: bool,
    pub format: Format,
}

/// An OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Not set: none.
    pub endpoint: Option<String>,
    pub protocol: Protocol,
    pub headers_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub timeout_seconds: u64,
    pub min_severity: Least,
    pub format: Format,
}

/// A receiver of signed requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Not set: none.
    pub url: Option<String>,
    pub secret_file: Option<PathBuf>,
    pub headers_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub timeout_seconds: u64,
    pub min_severity: Least,
    pub format: Format,
}

/// Events of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    pub enabled: bool,
    /// Requests.
    pub per_minute: u32,
    pub min_severity: Least,
}

/// The lowest severity that a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Least {
    Low,
    Medium,
    High,
    Critical,
}

impl From<Least> for Severity {
    fn from(least: Least) -> Self {
        match least {
            Least::Low => Self::Low,
            Least::Medium => Self::Medium,
            Least::High => Self::High,
            Least::Critical => Self::Critical,
        }
    }
}

impl Otlp {
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    pub fn tls(&self) -> Tls {
        Tls {
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}

impl Webhook {
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    pub fn tls(&self) -> Tls {
        Tls {
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}
