//! How a receiver is reached: over HTTP, with which certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Response, StatusCode, Url};

use super::remote::Failure;
use crate::report::table::steers;

/// Files of certificates, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whose certificates are trusted; not set: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What auditor shows of itself, with [`Self::key_file`].
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

/// Why a receiver can not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{key}: {path}: {why}")]
    File {
        key: &'static str,
        path: PathBuf,
        why: String,
    },
    #[error("{key}: {value:?} {why}")]
    Value {
        key: &'static str,
        value: String,
        why: String,
    },
    #[error("{0}: {1}")]
    Client(&'static str, String),
}

impl Tls {
    /// The certificates to trust, and the certificate and key to show, as they are in their files.
    pub(super) fn read(&self, key: &'static str) -> Result<Material, SetupError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|error| SetupError::File {
                key,
                path: path.to_owned(),
                why: error.to_string(),
            })
        };
        let ca = self.ca_file.as_deref().map(read).transpose()?;
        let own = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some((read(cert)?, read(key)?)),
            (None, None) => None,
            _ => {
                return Err(SetupError::Client(
                    key,
                    "cert_file and key_file go together: set both, or neither".to_owned(),
                ));
            }
        };
        Ok(Material { ca, own })
    }
}

/// PEM.
pub(super) struct Material {
    pub ca: Option<Vec<u8>>,
    /// Certificate and key.
    pub own: Option<(Vec<u8>, Vec<u8>)>,
}

/// A client for one receiver: no redirects, no cookies; proxies as the environment says.
pub(super) fn client(key: &'static str, tls: &Tls, timeout: Duration) -> Result<Client, SetupError> {
    let failed = |error: reqwest::Error| SetupError::Client(key, said(&error));
    let material = tls.read(key)?;
    let mut builder = Client::builder()
        .user_agent(concat!("auditor/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(timeout)
        .timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(60));
    if let Some(ca) = &material.ca {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(ca).map_err(failed)?);
    }
    if let Some((cert, own_key)) = &material.own {
        let both = [cert.as_slice(), b"\n", own_key.as_slice()].concat();
        builder = builder.identity(Identity::from_pem(&both).map_err(failed)?);
    }
    builder.build().map_err(failed)
}

/// The address of a receiver.
pub(super) fn url(key: &'static str, text: &str) -> Result<Url, SetupError> {
    let wrong = |why: String| SetupError::Value {
        key,
        value: text.to_owned(),
        why,
    };
    let url: Url = text
        .parse()
        .map_err(|error| wrong(format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(
            "has to begin with http:// or https:// and a host".to_owned(),
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "must not hold a password: give it in headers_file".to_owned(),
        ));
    }
    Ok(url)
}

/// Headers of a file, `name: value` a line: it holds what authorises, so only its owner may read it.
pub(super) fn headers(key: &'static str, file: Option<&Path>) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    let Some(path) = file else { return Ok(headers) };
    let wrong = |why: String| SetupError::File {
        key,
        path: path.to_owned(),
        why,
    };
    let text = secret_text(key, path)?;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // What is wrong with it is not shown: it may be the token.
        let bad = || wrong(format!("line {} is no header: write `name: value`", number + 1));
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// A file that only its owner, and at most its group, may read.
pub(super) fn secret_text(key: &'static str, path: &Path) -> Result<String, SetupError> {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = |why: String| SetupError::File {
        key,
        path: path.to_owned(),
        why,
    };
    let metadata = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(wrong("everybody may read or write it: chmod o-rwx".to_owned()));
    }
    if metadata.len() > 64 << 10 {
        return Err(wrong("it is larger than 64 KiB".to_owned()));
    }
    fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

/// An error and what caused it, which is the part that helps.
pub fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// What another program says, short and without what steers a terminal.
pub(super) fn shown(message: &str) -> String {
    message.chars().filter(|c| !steers(*c)).take(200).collect()
}

/// What the status of an answer means for the batch. What a human has to repair there (a wrong token, a
/// wrong path) does not cost findings; only what is wrong with the batch itself does.
pub(super) fn judged(response: &Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let why = format!("the receiver answers {status}");
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Err(Failure::TooLarge { why }),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Err(Failure::Never { why })
        }
        _ => Err(Failure::Again {
            reason: "status",
            why,
            after: retry_after(response.headers()),
        }),
    }
}

/// Seconds only (RFC 9110, section 10.2.3): a date needs clocks that agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(reqwest::header::RETRY_AFTER, HeaderValue::from_bytes(value).ok()?);
        retry_after(&headers)
    }

    #[test]
    fn a_receiver_asks_for_a_pause_in_seconds() {
        for (text, wanted) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
            ("", None),
        ] {
            assert_eq!(
                asked(text.as_bytes()),
                wanted.map(Duration::from_secs),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_another_program_says_is_short_and_steers_nothing() {
        assert_eq!(shown("no\u{1b}[31m\r\nroom\u{202e}"), "no[31mroom");
        assert_eq!(shown(&"x".repeat(5000)).len(), 200);
    }

    proptest::proptest! {
        /// [`super::super::remote`] bounds what it waits.
        #[test]
        fn any_header_is_a_pause_or_none(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let digits: String = String::from_utf8_lossy(&value).trim().to_owned();
            let wanted = digits.parse::<u64>().ok().filter(|_| HeaderValue::from_bytes(&value).is_ok());
            proptest::prop_assert_eq!(asked(&value), wanted.map(Duration::from_secs));
        }
    }
}
