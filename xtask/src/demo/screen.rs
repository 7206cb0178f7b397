//! What the demo prints, and a copy of it in a file.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;

/// Standard output, and the file given with `--keep-output`.
pub(super) struct Screen {
    kept: Option<File>,
}

impl Screen {
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn new(keep: Option<&Path>) -> anyhow::Result<Self> {
        let kept = keep
            .map(|path| File::create(path).with_context(|| format!("cannot write {}", path.display())))
            .transpose()?;
        Ok(Self { kept })
    }

    /// Prints one line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{line}")?;
        if let Some(file) = &mut self.kept {
            writeln!(file, "{line}")?;
        }
        Ok(())
    }
}
