//! Pages made of what native tests proved.
//!
//! A native test leaves a line for each thing it proved in a file of its own (`tests/src/proof.rs`), in the folder that a
//! variable names. Goes in: those lines, and what a page makes of them. Comes out: the page, or whether it is the same.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process;

/// A page and where its lines are.
pub(crate) struct Page {
    /// What tests are told the folder by.
    pub(crate) variable: &'static str,
    /// Its file, without folder and ending; also the name of the folder and of the task.
    pub(crate) name: &'static str,
    /// Tests that leave lines, by their names.
    pub(crate) tests: &'static str,
    pub(crate) text: fn(&[Value]) -> String,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the page is not what the results say.
    #[arg(long)]
    pub(crate) check: bool,
}

impl Page {
    /// The folder of the results, under the build folder.
    pub(crate) fn folder(&self) -> PathBuf {
        process::root().join("target").join(self.name)
    }

    /// Forgets the results, before a run of all tests.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(self.folder()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} can not be emptied", self.folder().display()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn run(&self, arguments: &Arguments) -> anyhow::Result<ExitCode> {
        let results = self.results()?;
        if results.is_empty() {
            bail!(
                "there are no results in {}: run `cargo xtask test --only native {}` first",
                self.folder().display(),
                self.tests
            );
        }
        let (page, file) = ((self.text)(&results), format!("docs/{}.md", self.name));
        let path = process::root().join(&file);
        let there = fs::read_to_string(&path).unwrap_or_default();
        if there == page {
            println!("{file} is what the tests proved");
            return Ok(ExitCode::SUCCESS);
        }
        if arguments.check {
            for line in differences(&there, &page) {
                println!("{line}");
            }
            println!(
                "{file} differs from what the tests proved: run `cargo xtask {}`",
                self.name
            );
            return Ok(ExitCode::FAILURE);
        }
        fs::write(&path, page).with_context(|| format!("{file} can not be written"))?;
        println!("wrote {file}");
        Ok(ExitCode::SUCCESS)
    }

    /// One line a file, by file name.
    fn results(&self) -> anyhow::Result<Vec<Value>> {
        let Ok(entries) = fs::read_dir(self.folder()) else {
            return Ok(Vec::new());
        };
        let mut lines = BTreeMap::new();
        for entry in entries.flatten() {
            let text = fs::read_to_string(entry.path())?;
            let line = serde_json::from_str(&text).with_context(|| format!("{}", entry.path().display()))?;
            lines.insert(entry.file_name(), line);
        }
        Ok(lines.into_values().collect())
    }
}

/// Lines that only one of the two has: `-` for the page that is there, `+` for what was proved.
fn differences(there: &str, proved: &str) -> Vec<String> {
    let only = |sign: &str, one: &str, other: &str| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|same| same == *line));
        lines.map(|line| format!("{sign}{line}")).collect()
    };
    [only("-", there, proved), only("+", proved, there)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_named() {
        assert_eq!(differences("a\nb\nc\n", "a\nx\nc\n"), ["-b", "+x"]);
        assert!(differences("a\n", "a\n").is_empty());
    }
}
