//! Descriptor sets of the configuration.
//!
//! Goes in: paths of files that `protoc --descriptor_set_out` wrote. Comes out: one [`Schema`], or a sentence that says
//! which file is no good, and why.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::descriptors::Refusal;
use super::schema::Schema;

/// Largest descriptor set, bytes.
const MAX_FILE: u64 = 32 << 20;

/// Why descriptors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorsError {
    #[error("cannot read the descriptor set {}: {source}; give the path of a file that protoc --include_imports --descriptor_set_out=FILE wrote", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the descriptor set {} is larger than 32 MiB; leave out services that are not watched", .0.display())]
    TooLarge(PathBuf),
    #[error("the descriptor set {} cannot be used: {refusal}; make one of the .proto files with protoc --include_imports --descriptor_set_out=FILE", path.display())]
    Refused { path: PathBuf, refusal: Refusal },
}

/// Reads all of them.
///
/// # Errors
/// For one that is missing, unreadable, too large, or no descriptor set.
pub fn read(paths: &[PathBuf]) -> Result<Schema, DescriptorsError> {
    let mut schema = Schema::default();
    for path in paths {
        let bytes = read_one(path)?;
        schema
            .add_set(&bytes)
            .map_err(|refusal| DescriptorsError::Refused {
                path: path.clone(),
                refusal,
            })?;
    }
    Ok(schema)
}

fn read_one(path: &Path) -> Result<Vec<u8>, DescriptorsError> {
    let failed = |source| DescriptorsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(DescriptorsError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_no_use_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let large = folder.path().join("large.pb");
        File::create(&large).unwrap().set_len(MAX_FILE + 1).unwrap();
        for (path, said) in [
            (folder.path().join("missing.pb"), "cannot read the descriptor set"),
            (folder.path().to_owned(), "cannot read the descriptor set"),
            (large, "is larger than 32 MiB"),
            (
                path("shop.proto", b"syntax = \"proto3\";\npackage shop;\n"),
                "it is no descriptor set",
            ),
            (path("empty.pb", b""), "it is no descriptor set"),
            (path("cut.pb", b"\x0a\x20\x0a\x04shop"), "it is no descriptor set"),
        ] {
            let error = read(std::slice::from_ref(&path)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
