//! Google's service account files: JSON that holds a private key and says whose it is.
//!
//! Goes in: the place of the word `private_key_id`. Comes out: a match of the key's id when the
//! file's type and a private key stand near it; the key itself is told by its armour. Source:
//! Google Cloud's documentation of service account keys.

use super::dummy;
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

/// Bytes around the id in which the rest of the file's beginning stands.
const AROUND: usize = 400;
const ID: usize = 40;

/// Judges the id behind the name.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let behind = place.at + b"private_key_id".len();
    let glue = |b: &&u8| matches!(b, b'"' | b'\\' | b':' | b' ' | b'\n' | b'\t' | b'\'' | b'=');
    let start = behind + place.bytes[behind..].iter().take(16).take_while(glue).count();
    let id = place.bytes.get(start..start + ID)?;
    if !id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) || dummy::variety(id) < 6 {
        return None;
    }
    let around = &place.bytes[place.at.saturating_sub(AROUND)..place.bytes.len().min(start + ID + AROUND)];
    let has = |text: &[u8]| memchr::memmem::find(around, text).is_some();
    (has(b"service_account") && has(b"-----BEGIN PRIVATE KEY-----")).then(|| {
        Match::new(start..start + ID, State::Clear)
            .because(16.0, "belongs to a service account file with its private key")
    })
}
