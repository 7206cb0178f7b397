//! What a leak has to say, compared in one go so that a failure shows everything that differs.

use anyhow::ensure;
use serde_json::{Value, json};

/// The parts of a finding that tests compare.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub sample: &'a str,
    pub operation: &'a str,
    pub part: &'a str,
    pub field: &'a str,
    /// Process ids of sender and receiver.
    pub source: u32,
    pub destination: u32,
    pub encrypted: bool,
}

/// Compares a leak with what is expected of it.
///
/// # Errors
/// When something differs.
pub fn leak(found: &Value, expected: Expected<'_>) -> anyhow::Result<()> {
    let by = if expected.encrypted { "openssl" } else { "socket" };
    captured_by(found, expected, by)
}

/// The same, of bytes that another library than OpenSSL took.
///
/// # Errors
/// When something differs.
pub fn captured_by(found: &Value, expected: Expected<'_>, library: &str) -> anyhow::Result<()> {
    let flow = &found["flow"];
    let seen = json!({
        "kind": found["kind"],
        "state": found["state"],
        "count": found["count"],
        "sample": found["sample"],
        "operation": flow["operation"],
        "part": found["location"]["part"],
        "field": found["location"]["field"],
        "source": found["source"]["process"]["pid"],
        "destination": found["destination"]["process"]["pid"],
        "encrypted": flow["encrypted"],
        "captured_by": flow["captured_by"],
    });
    let wanted = json!({
        "kind": "leak",
        "state": "clear",
        // Seen at both ends, it is still one value.
        "count": 1,
        "sample": expected.sample,
        "operation": expected.operation,
        "part": expected.part,
        "field": expected.field,
        "source": expected.source,
        "destination": expected.destination,
        "encrypted": expected.encrypted,
        "captured_by": library,
    });
    ensure!(seen == wanted, "found    {seen}\nexpected {wanted}\nin {found:#}");
    Ok(())
}
