//! The table of TLS libraries: what each one's functions are called, how to find them, and how to
//! read their arguments.
//!
//! A library is a row of [`table`]. Where names are not enough the row names a finder, which has a
//! file of its own. What is found in a file is a list of [`Target`]s; attaching them is not done
//! here.

pub mod exported;
mod go;
mod meaning;
mod nss;
mod openssl;
mod rustls;
mod table;

use std::collections::HashMap;

use auditor_common::tls::Shape;

use auditor_common::go::GoPoint;

pub use self::go::{FunctionTable, GoCode, GoError, GoProgram, PclntabError, Source};
use super::elf::{AttachPoint, Elf, ElfError, Function, Machine};

/// A library we know. The number goes into attach cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Library {
    OpenSsl = 1,
    BoringSsl = 2,
    AwsLc = 3,
    LibreSsl = 4,
    GnuTls = 5,
    Nss = 6,
    MbedTls = 7,
    WolfSsl = 8,
    S2n = 9,
    Go = 20,
    Rustls = 21,
}

impl Library {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::OpenSsl,
        Self::BoringSsl,
        Self::AwsLc,
        Self::LibreSsl,
        Self::GnuTls,
        Self::Nss,
        Self::MbedTls,
        Self::WolfSsl,
        Self::S2n,
        Self::Go,
        Self::Rustls,
    ];

    /// Value of `captured_by` and of the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
            Self::BoringSsl => "boringssl",
            Self::AwsLc => "aws-lc",
            Self::LibreSsl => "libressl",
            Self::GnuTls => "gnutls",
            Self::Nss => "nss",
            Self::MbedTls => "mbedtls",
            Self::WolfSsl => "wolfssl",
            Self::S2n => "s2n",
            Self::Go => "go",
            Self::Rustls => "rustls",
        }
    }

    /// The library of an attach cookie.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|library| *library as u8 == id)
    }
}

/// True when a file of this name is one of the libraries, shipped as a shared object: worth hooking
/// before a program maps it.
pub fn is_library_file(name: &str) -> bool {
    table::ROWS
        .iter()
        .flat_map(|row| row.files)
        .any(|prefix| name.starts_with(prefix))
}

/// Finds what to attach in a file: a library, or a program that holds one. Empty when it is neither.
///
/// # Errors
/// When the file is not ELF.
pub fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    let mut targets = Vec::new();
    let is_x86_64 = elf.machine()? == Some(Machine::X86_64);
    if is_x86_64 {
        targets.extend(or_none(go::find(elf))?);
        targets.extend(or_none(rustls::find(elf))?);
    }
    let symbols = symbols(elf)?;
    for row in table::ROWS {
        targets.extend(row.find(elf, &symbols)?);
    }
    // Not designed for 64-bit ARM yet, as is what Go and rustls are found by.
    if targets.is_empty() && is_x86_64 {
        targets = meaning::find(elf)?;
    }
    Ok(targets)
}

/// The functions of a file that the table asks for.
fn symbols(elf: &Elf) -> Result<Symbols, ElfError> {
    let names: Vec<&str> = table::ROWS.iter().flat_map(|row| row.names()).collect();
    elf.functions(&names)
}

/// A part of a file that can not be read does not keep others from what they find elsewhere in it.
fn or_none(found: Result<Vec<Target>, ElfError>) -> Result<Vec<Target>, ElfError> {
    match found {
        Err(ElfError::Parse { .. }) => Ok(Vec::new()),
        found => found,
    }
}

/// The functions of a file that the table asks for, by name.
pub type Symbols = HashMap<String, Function>;

/// Where in what is found probes are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Where they cost least.
    #[default]
    Chosen,
    /// Where other tools put them, see [`exported`].
    Exported,
}

/// What kind of probe a target needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Entry and return: the moved length is known only on return.
    Call { ingress: bool, shape: Shape },
    /// Entry only: the object is gone, or begins anew.
    Free,
    /// An instruction of a Go program.
    Go { program: GoProgram, place: GoPoint },
    /// A function of rustls, and where in a connection the address is that identifies it.
    Rustls { call: RustlsCall, identity: Option<u16> },
    /// A function that seals or opens records for whatever library there is.
    Aead(AeadCall),
}

/// What a function of AWS-LC's AEADs does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AeadCall {
    /// A context is given its key: entry.
    Begin,
    /// A record is sealed: entry.
    Seal,
    /// The same by a function with more arguments.
    SealScatter,
    /// A record is opened: entry and return.
    Open,
}

/// What a function of rustls does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RustlsCall {
    /// A handshake ends: entry.
    Begin,
    /// Plaintext to send: entry and return.
    Write,
    /// Plaintext that was received: entry.
    Read,
}

impl Probe {
    /// Hooked at entry and on return.
    pub const fn returns(self) -> bool {
        matches!(
            self,
            Self::Call { .. }
                | Self::Rustls {
                    call: RustlsCall::Write,
                    ..
                }
                | Self::Aead(AeadCall::Open)
        )
    }
}

/// One function to attach to.
#[derive(Clone, Debug)]
pub struct Target {
    pub library: Library,
    pub function: String,
    pub probe: Probe,
    /// Offset of the function in the file.
    pub file_offset: u64,
    pub point: AttachPoint,
}

impl Target {
    /// A function to attach to with the best instruction for its probe; `None` when its code can
    /// not be read, or the kernel takes no probe there.
    fn at(
        elf: &Elf,
        library: Library,
        name: &str,
        function: Function,
        probe: Probe,
    ) -> Result<Option<Self>, ElfError> {
        let body = elf.body(function)?;
        let Some(machine) = elf.machine()? else {
            return Ok(None);
        };
        let point = if probe.returns() {
            machine.return_point(&body)
        } else {
            machine.entry_point(&body)
        };
        let (Some(point), Some(file_offset)) = (point, elf.file_offset(function.address)?) else {
            tracing::debug!(file = elf.path(), name, "no place for a probe in this function");
            return Ok(None);
        };
        Ok(Some(Self {
            library,
            function: name.to_owned(),
            probe,
            file_offset,
            point,
        }))
    }
}
