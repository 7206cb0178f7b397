//! The certificate that the endpoint shows, as its files change.
//!
//! Goes in: a file of certificates and one of a key, PEM. Comes out: what TLS asks for. Files that do not fit together, as in
//! the middle of a rotation, change nothing.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

/// Largest file of certificates or of a key, bytes.
const LARGEST: u64 = 256 << 10;

/// Why the files can not be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {}: {why}", path.display())]
pub struct CertificateError {
    key: &'static str,
    path: PathBuf,
    why: String,
}

/// What is shown now.
#[derive(Debug)]
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    shown: RwLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    /// Digests of the files it is from, and of those that were refused last.
    from: Digests,
    refused: Option<Digests>,
}

/// Of the two files.
type Digests = [[u8; 32]; 2];

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// When one can not be read, everybody may read the key, or they do not fit together.
    pub fn read(cert_file: &Path, key_file: &Path) -> Result<Self, CertificateError> {
        let (cert, key) = (content(CERT, cert_file)?, secret(key_file)?);
        let shown = Shown {
            key: certified(cert_file, &cert, key_file, &key)?,
            from: digests(&cert, &key),
            refused: None,
        };
        Ok(Self {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            shown: RwLock::new(shown),
        })
    }

    /// Takes over what the files hold now; `true` when that is something else.
    ///
    /// # Errors
    /// When it can not be used, once for each content; what was shown before is shown on.
    pub fn refresh(&self) -> Result<bool, CertificateError> {
        let (cert, key) = (content(CERT, &self.cert_file)?, secret(&self.key_file)?);
        let found = digests(&cert, &key);
        {
            let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
            if shown.from == found || shown.refused == Some(found) {
                return Ok(false);
            }
        }
        let read = certified(&self.cert_file, &cert, &self.key_file, &key);
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(key) => {
                *shown = Shown {
                    key,
                    from: found,
                    refused: None,
                };
                Ok(true)
            }
            Err(error) => {
                shown.refused = Some(found);
                Err(error)
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown.key))
    }
}

const CERT: &str = "tail.cert_file";
const KEY: &str = "tail.key_file";

fn certified(
    cert_file: &Path,
    cert: &[u8],
    key_file: &Path,
    key: &[u8],
) -> Result<Arc<CertifiedKey>, CertificateError> {
    let wrong = |key, path: &Path, why: String| CertificateError {
        key,
        path: path.to_owned(),
        why,
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    let chain = chain.map_err(|error| wrong(CERT, cert_file, format!("it is no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(CERT, cert_file, "it holds no certificate".to_owned()));
    }
    // What is wrong with a key is not repeated in more words than these.
    let no_key = |_| wrong(KEY, key_file, "it holds no private key in PEM".to_owned());
    let own = PrivateKeyDer::from_pem_slice(key).map_err(no_key)?;
    CertifiedKey::from_der(chain, own, &ring::default_provider())
        .map(Arc::new)
        .map_err(|error| {
            wrong(
                KEY,
                key_file,
                format!("it does not go with {}: {error}", cert_file.display()),
            )
        })
}

/// Only its owner, and at most its group, may read it.
fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let wrong = |why: String| CertificateError {
        key: KEY,
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(wrong("everybody may read or write it: chmod o-rwx".to_owned()));
    }
    read(KEY, path, file).map(Zeroizing::new)
}

fn content(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let file = File::open(path).map_err(|error| CertificateError {
        key,
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    read(key, path, file)
}

fn read(key: &'static str, path: &Path, file: File) -> Result<Vec<u8>, CertificateError> {
    let wrong = |why: String| CertificateError {
        key,
        path: path.to_owned(),
        why,
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!("it is larger than {} KiB", LARGEST >> 10)));
    }
    Ok(bytes)
}

fn digests(cert: &[u8], key: &[u8]) -> Digests {
    use sha2::{Digest as _, Sha256};
    [Sha256::digest(cert).into(), Sha256::digest(key).into()]
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    /// Of a test only: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 36500 -subj /CN=agent -addext
    /// subjectAltName=DNS:agent.example`, twice.
    pub(in crate::serve::remote) const PAIRS: [(&str, &str); 2] = [
        (
            include_str!("testdata/first.pem"),
            include_str!("testdata/first.key"),
        ),
        (
            include_str!("testdata/second.pem"),
            include_str!("testdata/second.key"),
        ),
    ];

    pub(in crate::serve::remote) fn put(folder: &Path, cert: &str, key: &str) -> (PathBuf, PathBuf) {
        let (cert_file, key_file) = (folder.join("tls.crt"), folder.join("tls.key"));
        fs::write(&cert_file, cert).unwrap();
        fs::write(&key_file, key).unwrap();
        fs::set_permissions(&key_file, Permissions::from_mode(0o640)).unwrap();
        (cert_file, key_file)
    }

    fn shown(certificate: &Certificate) -> Vec<u8> {
        certificate.shown.read().unwrap().key.cert[0].to_vec()
    }

    #[test]
    fn a_rotated_certificate_is_taken_over_once_it_goes_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (cert_file, key_file) = put(folder.path(), PAIRS[0].0, PAIRS[0].1);
        let certificate = Certificate::read(&cert_file, &key_file).unwrap();
        let first = shown(&certificate);
        assert_eq!(certificate.refresh(), Ok(false));
        // Half of a rotation.
        fs::write(&cert_file, PAIRS[1].0).unwrap();
        let error = certificate.refresh().unwrap_err().to_string();
        assert!(
            error.starts_with("tail.key_file: ") && error.contains("does not go with"),
            "{error}"
        );
        assert_eq!(certificate.refresh(), Ok(false), "told once");
        assert_eq!(shown(&certificate), first);
        fs::write(&key_file, PAIRS[1].1).unwrap();
        assert_eq!(certificate.refresh(), Ok(true));
        assert_ne!(shown(&certificate), first);
    }

    #[test]
    fn files_that_can_not_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = PAIRS[0];
        for (cert, key, says) in [
            ("", key, "tls.crt: it holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\n", key, "tls.crt: it is no PEM"),
            (cert, "", "tls.key: it holds no private key"),
            (cert, PAIRS[1].1, "tls.key: it does not go with"),
            (&"x".repeat(300_000), key, "tls.crt: it is larger than 256 KiB"),
        ] {
            let (cert_file, key_file) = put(folder.path(), cert, key);
            let error = Certificate::read(&cert_file, &key_file).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let (cert_file, key_file) = put(folder.path(), cert, key);
        fs::set_permissions(&key_file, Permissions::from_mode(0o644)).unwrap();
        let error = Certificate::read(&cert_file, &key_file).unwrap_err().to_string();
        assert!(error.contains("everybody may read or write it"), "{error}");
        fs::remove_file(&key_file).unwrap();
        let error = Certificate::read(&cert_file, &key_file).unwrap_err().to_string();
        assert!(error.contains("tls.key: No such file"), "{error}");
    }
}
