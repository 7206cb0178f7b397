//! Sections by name, and bytes that are looked at once and not kept.

use std::os::unix::fs::FileExt as _;

use object::read::elf::SectionHeader as _;

use super::{Elf, ElfError};

/// A section that has bytes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Virtual address.
    pub address: u64,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// Bytes, as the file claims.
    pub size: u64,
}

impl Elf {
    /// The first section of that name.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn section(&self, name: &str) -> Result<Option<Section>, ElfError> {
        let headers = self.headers()?;
        Ok(headers.section(name).and_then(|section| {
            let (offset, size) = section.file_range(headers.endian)?;
            Some(Section {
                address: section.sh_addr(headers.endian),
                offset,
                size,
            })
        }))
    }

    /// The path it was opened by, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Fills `buffer` with what lies at `offset` of the file; returns how many bytes there were.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(read @ 1..) => filled += read,
                Ok(0) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        filled
    }

    /// An error about this file's Go code.
    pub(in crate::capture) fn go_error(&self, source: crate::capture::tls::GoError) -> ElfError {
        ElfError::Go {
            path: self.path.clone(),
            source,
        }
    }
}
