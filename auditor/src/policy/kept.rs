//! The last good policies in a file, for a restart.
//!
//! Goes in: what is in force. Comes out: the same, after a restart. It is written whole or not at all; what cannot be
//! read is as if it were not there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::admission::Good;
use super::model::Document;

/// Largest file, bytes: more than 20,000 rules take.
const LIMIT: u64 = 128 << 20;

/// The last good policies, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub(super) struct Kept {
    /// Of files and presets.
    pub documents: Vec<Document>,
    /// Of the API server.
    pub objects: Vec<Good>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Both {
        documents: Vec<Document>,
        objects: Vec<Good>,
    },
    /// As before there were policies of the API.
    Files(Vec<Document>),
}

impl From<Written> for Kept {
    fn from(written: Written) -> Self {
        match written {
            Written::Both { documents, objects } => Self { documents, objects },
            Written::Files(documents) => Self {
                documents,
                objects: Vec::new(),
            },
        }
    }
}

impl Kept {
    /// What a file holds, if it can be used.
    pub fn read(file: &Path) -> Option<Self> {
        let mut text = String::new();
        let file = fs::File::open(file).ok()?;
        file.take(LIMIT).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Takes the place of what the file holds.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let new = file.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut written = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        written.write_all(&text)?;
        written.sync_all()?;
        fs::rename(&new, file)
    }
}
