//! The table of TLS libraries: how to find each one's functions, and how to read their arguments.
//! A new library is a row here plus, where symbols are not enough, a finder in a file of its own.

mod openssl;

use auditor_common::tls::Shape;

use super::elf::{AttachPoint, Elf, ElfError};

/// A library we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Library {
    OpenSsl = 1,
}

impl Library {
    /// All rows.
    pub const ALL: [Self; 1] = [Self::OpenSsl];

    /// Value of `captured_by` and of the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
        }
    }

    /// The library of an attach cookie.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|library| *library as u8 == id)
    }

    /// True when a mapped file of this name may be the library.
    pub fn matches_file(self, name: &str) -> bool {
        match self {
            Self::OpenSsl => name.starts_with("libssl.so") || name.starts_with("libssl-"),
        }
    }

    /// Finds what to attach in a file; empty when it is not this library.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn find(self, elf: &Elf) -> Result<Vec<Target>, ElfError> {
        match self {
            Self::OpenSsl => openssl::find(elf),
        }
    }
}

/// What kind of probe a target needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Entry and return: the moved length is known only on return.
    Call { ingress: bool, shape: Shape },
    /// Entry only: the object is gone.
    Free,
}

/// One function to attach to.
#[derive(Clone, Debug)]
pub struct Target {
    pub function: String,
    pub probe: Probe,
    /// Offset of the function in the file.
    pub file_offset: u64,
    pub point: AttachPoint,
}
