//! Verifiers of credentials: vendors' tokens, keys, passwords, cookies, connection strings.
//!
//! Goes in: a place where a known beginning stands, or the whole value of a named field. Comes
//! out: a match with the value's state, or nothing. Never looks further than a few hundred bytes
//! around the place, but for the bodies of armoured keys and of tokens with long claims.

pub(crate) mod aws;
pub(crate) mod azure;
pub(crate) mod basic;
pub(crate) mod bearer;
pub(crate) mod connection_string;
mod dummy;
mod example;
mod hidden;
pub(crate) mod jwt;
pub(crate) mod keyed;
pub(crate) mod mailchimp;
pub(crate) mod otpauth;
pub(crate) mod password;
pub(crate) mod pem;
pub(crate) mod service_account;
pub(crate) mod session_cookie;
pub(crate) mod slack;
#[cfg(test)]
mod tests;
pub(crate) mod token;
pub(crate) mod url_credentials;
