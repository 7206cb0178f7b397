//! Where a value is sent, between whom, and where a finding says that it is.

use std::fmt;

use serde_json::Value;

/// Who sent a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Client,
    Server,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) detector: String,
    pub(super) protocol: String,
    pub(super) operation: String,
    pub(super) part: String,
    pub(super) field: String,
    pub(super) by: By,
}

/// One connection, or several alike: who talks to whom. Values are sent over every leg.
#[derive(Clone, Copy, Debug)]
pub struct Leg<'a> {
    pub clients: &'a [u32],
    pub servers: &'a [u32],
    /// What is spoken here, where it is not what the values were noted under.
    pub protocol: Option<&'static str>,
    pub encrypted: bool,
}

impl<'a> Leg<'a> {
    /// In the open.
    pub const fn plain(clients: &'a [u32], servers: &'a [u32]) -> Self {
        Self {
            clients,
            servers,
            protocol: None,
            encrypted: false,
        }
    }

    /// Sender and receiver.
    pub(super) const fn ends(&self, by: By) -> (&'a [u32], &'a [u32]) {
        match by {
            By::Client => (self.clients, self.servers),
            By::Server => (self.servers, self.clients),
        }
    }

    /// Over TLS.
    pub const fn tls(clients: &'a [u32], servers: &'a [u32]) -> Self {
        Self {
            encrypted: true,
            ..Self::plain(clients, servers)
        }
    }

    /// The same, with another protocol.
    #[must_use]
    pub const fn speaking(self, protocol: &'static str) -> Self {
        Self {
            protocol: Some(protocol),
            ..self
        }
    }
}

/// Where a finding says that a value is.
pub(super) struct Seen {
    pub(super) kind: String,
    pub(super) detector: String,
    pub(super) protocol: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) part: Option<String>,
    pub(super) field: Option<String>,
    ends: [Option<u64>; 2],
}

impl Seen {
    pub(super) fn of(finding: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (flow, location) = (&finding["flow"], &finding["location"]);
        Self {
            kind: text(&finding["kind"]).unwrap_or_default(),
            detector: text(&finding["detector"]).unwrap_or_default(),
            protocol: text(&flow["protocol"]),
            operation: text(&flow["operation"]),
            part: text(&location["part"]),
            field: text(&location["field"]),
            ends: ["source", "destination"].map(|end| finding[end]["process"]["pid"].as_u64()),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let end = |end: Option<u64>| end.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        write!(
            out,
            "{} | {} | {} | {} | {} {} from {} to {}",
            shown(&self.protocol),
            shown(&self.operation),
            shown(&self.part),
            shown(&self.field),
            self.detector,
            self.kind,
            end(self.ends[0]),
            end(self.ends[1]),
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} | {} | {} | {} | {} leak from the {:?}",
            self.protocol, self.operation, self.part, self.field, self.detector, self.by
        )
    }
}

/// Only clients send requests, and only servers answer.
pub(super) fn by(part: &str) -> By {
    assert!(
        part.starts_with("request.") || part.starts_with("response."),
        "{part} does not say who sends it"
    );
    if part.starts_with("request.") {
        By::Client
    } else {
        By::Server
    }
}

pub(super) fn is_among(end: &Value, pids: &[u32]) -> bool {
    let pid = end["process"]["pid"].as_u64();
    pids.iter().any(|one| pid == Some(u64::from(*one)))
}
