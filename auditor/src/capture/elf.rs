//! What an ELF file says about where to attach: symbols and code bytes. The choice of the
//! instruction is in [`instruction`].
//!
//! The file is untrusted: it belongs to the watched program. It is read in pieces, never mapped
//! (a file that shrinks must not kill the daemon), and every number in it may be a lie.

mod headers;
pub mod instruction;
mod relocation;
pub mod scan;
mod sections;
mod symbols;
pub mod trait_object;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use object::{
    ReadRef,
    read::{
        ReadCache,
        elf::{ProgramHeader as _, SectionHeader as _},
    },
};
use thiserror::Error;

use self::headers::Headers;
use super::file::FileId;

pub use instruction::{AttachPoint, Machine, call_targets};
pub use sections::Section;

/// Longest function body that is decoded, bytes.
const MAX_BODY: u64 = 16 * 1024;

/// Most of a file that is held in memory, bytes: headers, relocations and the bodies of a few
/// functions. What is searched as a whole is read in pieces and not kept.
const MAX_READ: u64 = 24 << 20;

#[derive(Debug, Error)]
pub enum ElfError {
    #[error("cannot open {path}: {source}")]
    Open { path: String, source: io::Error },
    #[error("{path} is not a readable ELF file: {source}")]
    Parse { path: String, source: object::Error },
    #[error("{path} claims more sections or segments than a linker writes; it is not hooked")]
    TooManyParts { path: String },
    #[error("{path} is a Go program with TLS that is not hooked: {source}")]
    Go {
        path: String,
        source: super::tls::GoError,
    },
}

/// A function symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Virtual address.
    pub address: u64,
    /// Size in bytes, 0 when unknown.
    pub size: u64,
}

/// An opened ELF file.
pub struct Elf {
    path: String,
    length: u64,
    /// For what is read in pieces and not kept.
    file: File,
    cache: ReadCache<Metered>,
}

impl Elf {
    /// Opens a file; nothing is parsed yet.
    ///
    /// # Errors
    /// When it can not be opened, or is not a regular file.
    pub fn open(path: &Path) -> Result<Self, ElfError> {
        let open = |source| ElfError::Open {
            path: path.display().to_string(),
            source,
        };
        let irregular = || open(io::Error::other("it is not a regular file"));
        // Not a FIFO, device or directory: opening those may block, have effects or never end.
        if !std::fs::metadata(path).map_err(open)?.is_file() {
            return Err(irregular());
        }
        // Its owner may have put something else there meanwhile.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(open)?;
        if !file.metadata().map_err(open)?.is_file() {
            return Err(irregular());
        }
        Self::of(file, path.display().to_string()).map_err(open)
    }

    /// An open file; `path` is for messages.
    fn of(file: File, path: String) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            path,
            length: metadata.len(),
            file: file.try_clone()?,
            cache: ReadCache::new(Metered { file, left: MAX_READ }),
        })
    }

    /// Identity of the file.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn id(&self) -> io::Result<FileId> {
        FileId::of_open(&self.file)
    }

    /// The open file, to be kept while something is done to it.
    pub fn into_file(self) -> File {
        self.file
    }

    /// The processor its code is for; `None` for one that is not known here.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn machine(&self) -> Result<Option<Machine>, ElfError> {
        Ok(self.headers()?.machine)
    }

    /// The code bytes of a function.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn body(&self, function: Function) -> Result<Vec<u8>, ElfError> {
        let headers = self.headers()?;
        let length = if function.size == 0 {
            instruction::ENTRY_WINDOW as u64
        } else {
            function.size.min(MAX_BODY)
        };
        for section in headers
            .sections()
            .filter(|part| headers.lies_in(part, function.address))
        {
            let within = function.address - section.sh_addr(headers.endian);
            let Some((offset, size)) = section.file_range(headers.endian) else {
                continue;
            };
            if let Some(start) = offset.checked_add(within)
                && let Ok(bytes) = Pieces(&self.cache).read_bytes_at(start, length.min(size - within))
            {
                return Ok(bytes.to_vec());
            }
        }
        Ok(Vec::new())
    }

    /// True when `address` lies in a section of executable code that is no linkage table.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn is_text(&self, address: u64) -> Result<bool, ElfError> {
        let headers = self.headers()?;
        Ok(headers
            .code_at(address)
            .is_some_and(|section| !headers.is_linkage(section)))
    }

    /// The offset in the file of a virtual address, as uprobes want it.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn file_offset(&self, address: u64) -> Result<Option<u64>, ElfError> {
        Ok(self.headers()?.mapped().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            (segment.is_executable && within < segment.length)
                .then(|| segment.offset.checked_add(within))
                .flatten()
                .filter(|offset| *offset < self.length)
        }))
    }

    /// Address and place in the file of the first segment of a type.
    fn segment_of_type(&self, wanted: object::elf::ProgramType) -> Result<Option<(u64, u64)>, ElfError> {
        let headers = self.headers()?;
        Ok(headers
            .segment(wanted)
            .map(|header| (header.p_vaddr(headers.endian), header.p_offset(headers.endian))))
    }

    fn headers(&self) -> Result<Headers<'_>, ElfError> {
        Headers::read(Pieces(&self.cache))
            .map_err(|source| ElfError::Parse {
                path: self.path.clone(),
                source,
            })?
            .ok_or_else(|| ElfError::TooManyParts {
                path: self.path.clone(),
            })
    }
}

/// The cache, which makes room before it reads: what is too long must not get so far.
#[derive(Clone, Copy)]
struct Pieces<'a>(&'a ReadCache<Metered>);

impl<'a> ReadRef<'a> for Pieces<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > MAX_READ {
            return Err(());
        }
        self.0.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, delimiter)
    }
}

/// A file of which at most [`MAX_READ`] bytes are read. What is read stays in the cache, and tables
/// that lie may name the same bytes again and again.
struct Metered {
    file: File,
    left: u64,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..length])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
