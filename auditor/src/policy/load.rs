//! Policies from files, folders and presets.
//!
//! Goes in: paths and names of presets. Comes out: documents, each with where it was found, or every
//! error with file, document and line. It reads and changes nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use thiserror::Error;

use super::model::Document;
use super::names::nearest;
use super::presets;
use crate::files::{self, Unusable};

/// Largest file, bytes.
const FILE_LIMIT: u64 = 8 << 20;
/// Most files of one folder, and most documents of all.
const MOST: usize = 4096;
/// Files of tests lie beside policies.
const TESTS: &str = ".test";

/// A document and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub document: Document,
    /// `FILE`, `FILE (document 2)` or `preset NAME`.
    pub origin: String,
}

/// Where policies are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Files, and folders of them: their `.yaml`, `.yml` and `.json` files but for those that end
    /// in `.test.yaml` or are hidden.
    pub paths: Vec<PathBuf>,
    pub presets: Vec<String>,
}

impl Places {
    /// True when there is no policy to be read.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.presets.is_empty()
    }
}

/// Why a policy cannot be read.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("cannot read {}: {source}; check that it exists and that auditor may read it", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than 8 MiB: it is no policy of auditor", .0.display())]
    TooLarge(PathBuf),
    #[error("everybody may change the policy {}, and so what is reported: chmod o-w", .0.display())]
    Writable(PathBuf),
    #[error("{} holds more than {MOST} files or documents", .0.display())]
    TooMany(PathBuf),
    #[error("{} holds no policy: a folder of policies has .yaml, .yml or .json files", .0.display())]
    Nothing(PathBuf),
    #[error("{origin}: {message}")]
    Document { origin: String, message: String },
    #[error("unknown preset {name}{}; presets are {}", hint(nearest), presets::names())]
    Preset {
        name: String,
        nearest: Option<&'static str>,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

/// What is in the files: all of it, so that two readings can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(Vec<(PathBuf, String)>);

/// Reads the files of `places`, and looks into none.
///
/// # Errors
/// For what cannot be read.
pub fn content(places: &Places) -> Result<Content, LoadError> {
    let mut files = Vec::new();
    for path in &places.paths {
        if path.is_dir() {
            for file in files_of(path)? {
                files.push((file.clone(), read(&file)?));
            }
        } else {
            files.push((path.clone(), read(path)?));
        }
    }
    Ok(Content(files))
}

/// The documents of files and presets.
///
/// # Errors
/// Every file's first error, and every preset that is not known.
pub fn documents(content: &Content, preset_names: &[String]) -> Result<Vec<Loaded>, Vec<LoadError>> {
    let (mut loaded, mut errors) = (Vec::new(), Vec::new());
    for (path, text) in &content.0 {
        let read = parse(text, &path.display().to_string(), &mut loaded);
        errors.extend(read.err());
        if loaded.len() > MOST {
            errors.push(LoadError::TooMany(path.clone()));
            break;
        }
    }
    for name in preset_names {
        let Some((name, text)) = presets::find(name) else {
            errors.push(LoadError::Preset {
                name: name.clone(),
                nearest: nearest(name, presets::ALL.iter().map(|(name, _)| *name)),
            });
            continue;
        };
        errors.extend(parse(text, &format!("preset {name}"), &mut loaded).err());
    }
    if errors.is_empty() {
        Ok(loaded)
    } else {
        Err(errors)
    }
}

/// Adds the documents of a text.
///
/// # Errors
/// The first of the text, with line and column.
pub fn parse(text: &str, origin: &str, loaded: &mut Vec<Loaded>) -> Result<(), LoadError> {
    for (index, part) in serde_norway::Deserializer::from_str(text).enumerate() {
        let origin = match index {
            0 => origin.to_owned(),
            _ => format!("{origin} (document {})", index + 1),
        };
        match Option::<Document>::deserialize(part) {
            Ok(Some(document)) => loaded.push(Loaded { document, origin }),
            // Between separators there may be nothing, or comments.
            Ok(None) => (),
            Err(error) => {
                return Err(LoadError::Document {
                    origin,
                    message: with_nearest(&error.to_string()),
                });
            }
        }
        if loaded.len() > MOST {
            break;
        }
    }
    Ok(())
}

/// Names the known key that was probably meant, where serde lists all.
fn with_nearest(message: &str) -> String {
    let quoted = |text: &str| -> Vec<String> {
        let parts = text.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    for unknown in ["unknown field `", "unknown variant `"] {
        let Some((before, rest)) = message.split_once(unknown) else {
            continue;
        };
        let Some((wanted, known)) = rest.split_once('`') else {
            continue;
        };
        let known = quoted(known);
        if let Some(meant) = nearest(wanted, known.iter().map(String::as_str)) {
            let rest = rest[wanted.len() + 1..].trim_start_matches(", ");
            return format!("{before}{unknown}{wanted}`, did you mean `{meant}`? {rest}");
        }
    }
    message.to_owned()
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
        let is_policy = matches!(ending, "yaml" | "yml" | "json") && !stem.ends_with(TESTS);
        if is_policy && !name.starts_with('.') && path.is_file() {
            files.push(path);
        }
        if files.len() > MOST {
            return Err(LoadError::TooMany(folder.to_owned()));
        }
    }
    if files.is_empty() {
        return Err(LoadError::Nothing(folder.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// A file's text.
///
/// # Errors
/// When it cannot be read or is too large.
pub fn read(path: &Path) -> Result<String, LoadError> {
    let path_of = || path.to_owned();
    files::deciding(path, FILE_LIMIT).map_err(|why| match why {
        Unusable::Read(source) => LoadError::Read {
            path: path_of(),
            source,
        },
        Unusable::TooLarge => LoadError::TooLarge(path_of()),
        Unusable::Writable => LoadError::Writable(path_of()),
    })
}
