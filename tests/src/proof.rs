//! What tests proved, for the pages that are made of it.
//!
//! Goes in: a line of JSON. Comes out: a file of its own in the folder that a variable names; none where
//! `cargo xtask test` did not set it.

use std::{env, fs, path::Path};

use anyhow::Context as _;
use serde_json::Value;

/// Leaves a line under a name, in place of what was left under it before.
///
/// # Errors
/// When it can not be written.
pub fn note(variable: &str, name: &str, line: &Value) -> anyhow::Result<()> {
    let Some(folder) = env::var_os(variable) else {
        return Ok(());
    };
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    fs::create_dir_all(&folder)?;
    let path = Path::new(&folder).join(format!("{name}.json"));
    fs::write(path, format!("{line}\n")).context("what was proved can not be written")
}
