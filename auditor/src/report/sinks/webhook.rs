//! Findings by HTTP POST, signed.
//!
//! Goes in: batches. Comes out: one request each, of the form of Standard Webhooks 1.0: a JSON object with
//! `type`, `timestamp` and `data`, the headers `webhook-id`, which is the same when a batch is sent again,
//! `webhook-timestamp`, and `webhook-signature`, an HMAC-SHA256 with the secret both sides know.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Url};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::format::Format;
use super::remote::{Accepted, Failure, Target};
use super::spool::Record;
use super::tls::{self, SetupError, Tls};

/// Shortest secret, bytes.
const SHORTEST: usize = 16;

/// Where findings are sent to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: String,
    pub secret_file: Option<PathBuf>,
    pub headers_file: Option<PathBuf>,
    pub tls: Tls,
    pub format: Format,
    pub timeout: Duration,
}

/// A receiver of webhooks.
pub struct Webhook {
    url: Url,
    client: Client,
    headers: HeaderMap,
    secret: Option<Zeroizing<Vec<u8>>>,
    format: Format,
}

impl Webhook {
    /// # Errors
    /// When the address, a certificate or the secret can not be used.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        const KEY: &str = "report.webhook";
        Ok(Self {
            url: tls::url("report.webhook.url", &settings.url)?,
            client: tls::client(KEY, &settings.tls, settings.timeout)?,
            headers: tls::headers("report.webhook.headers_file", settings.headers_file.as_deref())?,
            secret: settings.secret_file.as_deref().map(secret).transpose()?,
            format: settings.format,
        })
    }

    fn body(&self, batch: &[Record]) -> Result<String, Failure> {
        let mut data = Vec::with_capacity(batch.len());
        for record in batch {
            let line = self.format.line(&record.json);
            data.push(line.map_err(|error| Failure::Never {
                why: error.to_string(),
            })?);
        }
        let now = Timestamp::now();
        Ok(format!(
            r#"{{"type":"auditor.findings","timestamp":"{now}","data":[{}]}}"#,
            data.join(",")
        ))
    }
}

/// `whsec_` and base64, as Standard Webhooks has it, or else the bytes of the text.
fn secret(path: &std::path::Path) -> Result<Zeroizing<Vec<u8>>, SetupError> {
    const KEY: &str = "report.webhook.secret_file";
    let wrong = |why: &str| SetupError::File {
        key: KEY,
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let text = Zeroizing::new(tls::secret_text(KEY, path)?);
    let text = text.trim();
    let bytes = match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| wrong("what follows whsec_ is no base64"))?,
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() < SHORTEST {
        return Err(wrong(
            "the secret is shorter than 16 bytes: `openssl rand -base64 32` makes one",
        ));
    }
    Ok(Zeroizing::new(bytes))
}

/// The same for the same records.
fn id(batch: &[Record]) -> String {
    let mut hash = Sha256::new();
    for record in batch {
        hash.update((record.json.len() as u64).to_le_bytes());
        hash.update(&record.json);
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{hex}")
}

fn signature(secret: &[u8], id: &str, seconds: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

impl Target for Webhook {
    async fn send(&mut self, batch: &[Record]) -> Result<Accepted, Failure> {
        let body = self.body(batch)?;
        let (id, seconds) = (id(batch), Timestamp::now().as_second());
        let mut request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds);
        let signature = self
            .secret
            .as_ref()
            .and_then(|secret| signature(secret, &id, seconds, &body));
        if let Some(signature) = signature {
            request = request.header("webhook-signature", signature);
        }
        let response = request.body(body).send().await;
        let response = response.map_err(|error| Failure::transport(tls::said(&error.without_url())))?;
        tls::judged(&response).map(|()| Accepted::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the specification of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_of_base64_or_text_and_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let set = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            secret(&path)
        };
        assert_eq!(
            set("whsec_AAECAwQFBgcICQoLDA0ODw==\n", 0o600).unwrap().as_slice(),
            (0..16).collect::<Vec<u8>>()
        );
        assert_eq!(
            set("sixteen letters!", 0o640).unwrap().as_slice(),
            b"sixteen letters!"
        );
        for (text, mode, why) in [
            ("whsec_%%%", 0o600, "base64"),
            ("too short", 0o600, "16 bytes"),
            ("sixteen letters!", 0o644, "everybody"),
        ] {
            let error = set(text, mode).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains(text), "{error}");
        }
    }
}
