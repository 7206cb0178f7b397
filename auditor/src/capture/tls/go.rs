//! Go's `crypto/tls` in programs built with Go 1.17 and later, stripped or not, PIE or not.
//!
//! Names come from the function table the runtime carries; the instructions from the code. Never a
//! return probe: goroutine stacks move. See auditor-ebpf's hooks/go.rs for what the probes read.

mod pclntab;
mod sites;

use std::ops::Range;

use auditor_common::go::{GoPoint, IN_RAX};
use thiserror::Error;

pub use self::pclntab::{FunctionTable, PclntabError, Source};
pub use self::sites::{Count, GoCode};
use super::{Library, Probe, Target};
use crate::capture::elf::{AttachPoint, Elf, ElfError, Function, Section};

/// The table is in its own section; PIE programs before Go 1.26 have it among relocated data.
const TABLES: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// The runtime's `moduledata`, a section of its own from Go 1.26 on, and its field `text`.
const MODULE: &str = ".go.module";
const MODULE_TEXT: u64 = 22 * 8;

const WRITE: &str = "crypto/tls.(*Conn).Write";
const WRITE_RECORD: &str = "crypto/tls.(*Conn).writeRecordLocked";
const READ: &str = "crypto/tls.(*Conn).Read";
const CLOSE: &str = "crypto/tls.(*Conn).Close";
const MEMMOVE: &str = "runtime.memmove";
const TCP_READ: &str = "net.(*TCPConn).Read";

/// Why a Go program with `crypto/tls` is not hooked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GoError {
    #[error(transparent)]
    Table(#[from] PclntabError),
    #[error("it was built with Go before 1.17, or for another processor")]
    OldAbi,
    #[error("where its code begins can not be told")]
    NoText,
    #[error("its {0} is not compiled as expected (built without optimisation?)")]
    Unexpected(&'static str),
}

/// One of the kernel programs for Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoProgram {
    Write,
    Written,
    Read,
    Close,
}

impl GoProgram {
    /// Its name in the eBPF object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "go_write",
            Self::Written => "go_written",
            Self::Read => "go_read",
            Self::Close => "go_close",
        }
    }
}

/// What to hook in a Go program; empty when it is none, or has no TLS.
pub(super) fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    let mut table = None;
    for name in TABLES {
        table = table.or(elf.section(name)?);
    }
    let Some(section) = table else {
        return Ok(Vec::new());
    };
    let source = Part { elf, section };
    targets(elf, &source).map_err(|source| match source {
        Failure::Elf(error) => error,
        Failure::Go(source) => elf.go_error(source),
    })
}

/// A section as a source of bytes.
struct Part<'a> {
    elf: &'a Elf,
    section: Section,
}

impl Source for Part<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = self.section.size.saturating_sub(offset);
        let length = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        match self.section.offset.checked_add(offset) {
            Some(at) => self.elf.read_at(at, &mut buffer[..length]),
            None => 0,
        }
    }
}

enum Failure {
    Elf(ElfError),
    Go(GoError),
}

impl From<ElfError> for Failure {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

impl From<GoError> for Failure {
    fn from(error: GoError) -> Self {
        Self::Go(error)
    }
}

fn targets(elf: &Elf, source: &Part<'_>) -> Result<Vec<Target>, Failure> {
    let table = FunctionTable::read(source, source.section.size).map_err(GoError::from)?;
    let names = [WRITE, WRITE_RECORD, READ, CLOSE, MEMMOVE, TCP_READ];
    let ranges = table.find(source, &names).map_err(GoError::from)?;
    if !ranges.contains_key(WRITE) {
        return Ok(Vec::new());
    }
    let mut failure = GoError::NoText;
    for text in text_candidates(elf, &table)? {
        let program = Program {
            elf,
            range: &|name| {
                let range = ranges.get(name)?;
                Some(range.start.checked_add(text)?..range.end.checked_add(text)?)
            },
        };
        match program.targets() {
            Ok(targets) => return Ok(targets),
            Err(Failure::Go(error)) => failure = error,
            Err(error) => return Err(error),
        }
    }
    Err(Failure::Go(failure))
}

/// Where the code may begin, likeliest first: as the header says, the module data, or the section.
/// A wrong one is found out: the calls in the code would lead nowhere.
fn text_candidates(elf: &Elf, table: &FunctionTable) -> Result<Vec<u64>, ElfError> {
    if table.has_addresses() {
        return Ok(vec![0]);
    }
    let mut candidates = vec![table.text()];
    if let Some(module) = elf.section(MODULE)?
        && module.size >= MODULE_TEXT + 8
        && let Some(at) = module.offset.checked_add(MODULE_TEXT)
    {
        let mut text = [0; 8];
        if elf.read_at(at, &mut text) == text.len() {
            candidates.push(u64::from_le_bytes(text));
        }
    }
    candidates.extend(elf.section(".text")?.map(|section| section.address));
    candidates.dedup();
    candidates.retain(|text| *text != 0);
    Ok(candidates)
}

/// A Go program once it is known where its code lies.
struct Program<'a> {
    elf: &'a Elf,
    range: &'a dyn Fn(&str) -> Option<Range<u64>>,
}

impl Program<'_> {
    fn targets(&self) -> Result<Vec<Target>, Failure> {
        let address = |name| {
            (self.range)(name)
                .map(|range| range.start)
                .ok_or(GoError::Unexpected(name))
        };
        let mut targets = Vec::new();
        let code = self.code(WRITE)?;
        if !code.has_register_abi() {
            return Err(Failure::Go(GoError::OldAbi));
        }
        let calls = code
            .write_calls(address(WRITE_RECORD)?)
            .ok_or(GoError::Unexpected(WRITE))?;
        for call in calls {
            let count_at = match call.count {
                Count::Rax => IN_RAX,
                Count::Slot(slot) => slot,
            };
            // What begins a call comes first: each goroutine's next write replaces what it noted.
            targets.push(self.target(WRITE, GoProgram::Write, call.call, 0, IN_RAX)?);
            targets.push(self.target(WRITE, GoProgram::Written, call.behind, 0, count_at)?);
        }
        let copy = self
            .code(READ)?
            .read_copy(address(MEMMOVE)?)
            .ok_or(GoError::Unexpected(READ))?;
        targets.push(self.target(READ, GoProgram::Read, copy.call, copy.receiver, IN_RAX)?);
        let point = self.code(CLOSE)?.entry().ok_or(GoError::Unexpected(CLOSE))?;
        targets.push(self.target(CLOSE, GoProgram::Close, point, 0, IN_RAX)?);
        Ok(targets)
    }

    fn function(&self, name: &'static str) -> Result<Function, GoError> {
        let range = (self.range)(name).ok_or(GoError::Unexpected(name))?;
        Ok(Function {
            address: range.start,
            size: range.end - range.start,
        })
    }

    fn code(&self, name: &'static str) -> Result<GoCode, Failure> {
        let function = self.function(name)?;
        Ok(GoCode::new(&self.elf.body(function)?, function.address))
    }

    fn target(
        &self,
        name: &'static str,
        program: GoProgram,
        point: AttachPoint,
        conn_at: u32,
        count_at: u32,
    ) -> Result<Target, Failure> {
        let address = self.function(name)?.address;
        let file_offset = self.elf.file_offset(address)?.ok_or(GoError::NoText)?;
        let tcp_read = (self.range)(TCP_READ).map_or(0, |range| range.start);
        let place = GoPoint {
            address: address.saturating_add(point.offset),
            tcp_read,
            conn_at,
            count_at,
        };
        Ok(Target {
            library: Library::Go,
            function: name.to_owned(),
            probe: Probe::Go { program, place },
            file_offset,
            point,
        })
    }
}
