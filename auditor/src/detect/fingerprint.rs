//! Keyed fingerprints: the same value gives the same fingerprint, and nobody without the key can
//! try values against it.
//!
//! Goes in: a normalised value. Comes out: `k<8 hex>:<32 hex>`, what names the key, and HMAC-SHA256 truncated to 128 bits
//! (FIPS 198-1, NIST SP 800-107). The key never comes out and is zeroed on drop.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a key.
const KEY: usize = 32;

/// Why a key could not be had. No message holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    #[error("cannot read random bytes from /dev/urandom: {0}; mount /dev in this environment")]
    Random(#[source] std::io::Error),
    #[error("cannot read the fingerprint key {path}: {source}; check the path and its owner")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "cannot create the fingerprint key {path}: {source}; check that its directory exists and is writable"
    )]
    Create { path: PathBuf, source: std::io::Error },
    #[error(
        "fingerprint key {path} has {length} bytes; it needs {KEY} or 64 hexadecimal digits: remove the file to have a new one made"
    )]
    Length { path: PathBuf, length: usize },
    #[error("fingerprint key {path} can be read by others (mode {mode:o}); run chmod 600 on it")]
    Mode { path: PathBuf, mode: u32 },
}

/// Makes fingerprints under one key.
pub struct Fingerprinter {
    key: Zeroizing<[u8; KEY]>,
    /// Names the key, so that fingerprints under another one are not compared.
    id: String,
}

impl Fingerprinter {
    /// Uses `key`.
    pub fn new(key: [u8; KEY]) -> Self {
        Self::of(Zeroizing::new(key))
    }

    fn of(key: Zeroizing<[u8; KEY]>) -> Self {
        let mut id = String::from("k");
        write_hex(&mut id, &tag(&key, NAME)[..4]);
        Self { key, id }
    }

    /// A key that lives as long as this process: fingerprints compare within one run only.
    ///
    /// # Errors
    /// When /dev/urandom cannot be read.
    pub fn random() -> Result<Self, FingerprintError> {
        let mut key = Zeroizing::new([0; KEY]);
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut *key))
            .map_err(FingerprintError::Random)?;
        Ok(Self::of(key))
    }

    /// Reads the key from `path` (32 bytes, or 64 hexadecimal digits). With `create`, a missing
    /// file is made with a random key and mode 0600.
    ///
    /// # Errors
    /// When the file cannot be read or made, has another length, or others can read it.
    pub fn from_file(path: &Path, create: bool) -> Result<Self, FingerprintError> {
        let in_reading = |source| FingerprintError::Read {
            path: path.to_owned(),
            source,
        };
        match File::open(path) {
            Ok(file) => {
                let mode = file.metadata().map_err(in_reading)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(FingerprintError::Mode {
                        path: path.to_owned(),
                        mode,
                    });
                }
                let mut content = Zeroizing::new(Vec::with_capacity(256));
                file.take(256).read_to_end(&mut content).map_err(in_reading)?;
                let key = parse_key(&content).ok_or_else(|| FingerprintError::Length {
                    path: path.to_owned(),
                    length: content.len(),
                })?;
                Ok(Self::of(key))
            }
            Err(error) if create && error.kind() == ErrorKind::NotFound => {
                let made = Self::random()?;
                let in_making = |source| FingerprintError::Create {
                    path: path.to_owned(),
                    source,
                };
                let mut file = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(in_making)?;
                file.write_all(&*made.key)
                    .and_then(|()| file.sync_all())
                    .map_err(in_making)?;
                Ok(made)
            }
            Err(source) => Err(in_reading(source)),
        }
    }

    /// The fingerprint of an already normalised value.
    pub fn fingerprint(&self, normalised: &[u8]) -> String {
        let tag = tag(&self.key, normalised);
        let mut out = String::with_capacity(self.id.len() + 33);
        out.push_str(&self.id);
        out.push(':');
        write_hex(&mut out, &tag[..16]);
        out
    }
}

/// What the id of a key is a tag of. Values are never empty, so it is none of them.
const NAME: &[u8] = b"";

fn tag(key: &[u8; KEY], message: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut tag = Zeroizing::new([0; 32]);
    // Invariant: HMAC takes keys of any length, so this cannot fail.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(message);
        let mut made = mac.finalize().into_bytes();
        tag.copy_from_slice(&made);
        made.as_mut_slice().zeroize();
    }
    tag
}

fn write_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn parse_key(content: &[u8]) -> Option<Zeroizing<[u8; KEY]>> {
    let mut key = Zeroizing::new([0; KEY]);
    if content.len() == KEY {
        key.copy_from_slice(content);
        return Some(key);
    }
    let hex = content.trim_ascii();
    if hex.len() != 2 * KEY {
        return None;
    }
    let (pairs, _) = hex.as_chunks::<2>();
    for (byte, [high, low]) in key.iter_mut().zip(pairs) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = (nibble(*high)? * 16 + nibble(*low)?) as u8;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_truncated_hmac_of_the_value() {
        let made = Fingerprinter::new([0x0b; KEY]).fingerprint(b"Hi There");
        assert_eq!(
            made.split_once(':').unwrap().1,
            "198a607eb44bfbc69903a0f1cf2bbdc5"
        );
        assert_ne!(made, Fingerprinter::random().unwrap().fingerprint(b"Hi There"));
    }

    #[test]
    fn the_id_tells_keys_apart_and_stays_with_the_key() {
        let id = |byte: u8, value: &[u8]| {
            let made = Fingerprinter::new([byte; KEY]).fingerprint(value);
            made.split_once(':').unwrap().0.to_owned()
        };
        assert_eq!(id(1, b"one"), id(1, b"two"));
        assert_ne!(id(1, b"one"), id(2, b"one"));
        assert_eq!(id(1, b"one").len(), 9);
    }

    #[test]
    fn a_key_file_is_made_once_with_mode_0600_and_read_again() {
        let path = std::env::temp_dir().join(format!("auditor-key-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        assert!(matches!(
            Fingerprinter::from_file(&path, false),
            Err(FingerprintError::Read { .. })
        ));
        let made = Fingerprinter::from_file(&path, true).unwrap().fingerprint(b"a");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            Fingerprinter::from_file(&path, true).unwrap().fingerprint(b"a"),
            made
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Fingerprinter::from_file(&path, true),
            Err(FingerprintError::Mode { mode: 0o644, .. })
        ));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "too short").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(
            Fingerprinter::from_file(&path, true),
            Err(FingerprintError::Length { length: 9, .. })
        ));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_key_may_be_written_in_hexadecimal() {
        let key = parse_key(format!("{}\n", "0b".repeat(32)).as_bytes()).unwrap();
        assert_eq!(*key, [0x0b; KEY]);
        assert!(parse_key("zz".repeat(32).as_bytes()).is_none());
    }
}
