//! Go's table of functions (`.gopclntab`), which the runtime needs for stack traces and which is
//! therefore there in stripped programs as well. Goes in: the section's bytes and the names to look
//! for. Comes out: where those functions begin and end.
//!
//! The layouts are those of Go's runtime/symtab.go (`pcHeader`, `_func`). The bytes belong to the
//! watched program and may be lies: they are read in pieces, a bounded number of times.

use std::{collections::HashMap, ops::Range};

use memchr::memmem;
use thiserror::Error;

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// A table may be read this many times its own length, and [`PIECE`]s this many besides. One that
/// a linker wrote is read once: names first, then functions in their order.
const READINGS: u64 = 4;
const MORE_PIECES: u64 = 64;

/// Most names that are looked for; each takes a pass over the names.
const MAX_NAMES: usize = 16;

/// Longest name that is looked for, bytes.
const MAX_NAME: usize = 256;

/// Longest table, bytes. That of a program of 100 MB has some 30 MB.
const MAX_TABLE: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PclntabError {
    #[error("its function table is of no version this build knows (Go 1.16 to 1.27)")]
    Unknown,
    #[error("its function table points outside itself")]
    Broken,
    #[error("its function table jumps back and forth as no linker writes it")]
    Scattered,
}

/// Where the table's bytes come from.
pub trait Source {
    /// Fills `buffer` from `offset` on and returns how many bytes there were.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize;
}

impl Source for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        length
    }
}

/// How entries look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Go 1.16 and 1.17: addresses of 64 bits.
    Addresses,
    /// Go 1.18 and later: 32 bits, from the beginning of the code.
    Offsets,
}

/// The header, and what is needed to read on.
#[derive(Clone, Copy, Debug)]
pub struct FunctionTable {
    layout: Layout,
    functions: u64,
    /// Address of the code's beginning, 0 when the header does not have it (Go 1.26 and later).
    text: u64,
    names: (u64, u64),
    entries: u64,
    length: u64,
}

/// Functions by name: ranges of addresses, or of offsets from the beginning of the code.
pub type Functions<'a> = HashMap<&'a str, Range<u64>>;

impl FunctionTable {
    /// Reads the header of a table of `length` bytes.
    ///
    /// # Errors
    /// When it is no table of a known version, or leads out of itself.
    pub fn read(source: &impl Source, length: u64) -> Result<Self, PclntabError> {
        let mut head = [0u8; 72];
        if length < head.len() as u64 || source.read_at(0, &mut head) < head.len() {
            return Err(PclntabError::Broken);
        }
        let word = |index: usize| number(&head[8 + index * 8..][..8]);
        // Magic, two zeros, the smallest step of an address on amd64, the size of a pointer.
        let (layout, text, names) = match (number(&head[..4]), &head[4..8]) {
            (0xffff_fffa, [0, 0, 1, 8]) => (Layout::Addresses, 0, 2),
            (0xffff_fff0 | 0xffff_fff1, [0, 0, 1, 8]) => (Layout::Offsets, word(2), 3),
            _ => return Err(PclntabError::Unknown),
        };
        let table = Self {
            layout,
            functions: word(0),
            text,
            names: (word(names), word(names + 1)),
            entries: word(names + 4),
            length: length.min(MAX_TABLE),
        };
        let room = table
            .length
            .checked_sub(table.entries)
            .ok_or(PclntabError::Broken)?;
        if table.names.0 > table.names.1
            || table.names.1 > table.length
            || table.functions >= room / table.entry_size()
        {
            return Err(PclntabError::Broken);
        }
        Ok(table)
    }

    /// Address of the code's beginning as the header has it; 0: it does not.
    pub const fn text(&self) -> u64 {
        self.text
    }

    /// True when functions are given by address, not by their offset from the code's beginning.
    pub fn has_addresses(&self) -> bool {
        self.layout == Layout::Addresses
    }

    /// Finds functions by their whole names; those that are not there are left out.
    ///
    /// # Errors
    /// When the table leads out of itself or can not be read in one go.
    pub fn find<'a>(&self, source: &impl Source, names: &[&'a str]) -> Result<Functions<'a>, PclntabError> {
        let mut wanted = self.name_offsets(source, names)?;
        let budget = self.length.saturating_mul(READINGS) / PIECE as u64 + MORE_PIECES;
        let mut entries = Window::new(source, budget);
        let mut bodies = Window::new(source, budget);
        let mut found = Functions::new();
        for index in 0..self.functions {
            if wanted.is_empty() {
                break;
            }
            let (entry, body) = self.entry(&mut entries, index)?;
            let name = self.name_of(&mut bodies, body)?;
            if let Some(name) = wanted.remove(&name) {
                // The last entry is followed by one that says where the code ends.
                let (end, _) = self.entry(&mut entries, index + 1)?;
                found.insert(name, entry..end.max(entry));
            }
        }
        Ok(found)
    }

    /// Where in the table of names these names stand.
    fn name_offsets<'a>(
        &self,
        source: &impl Source,
        names: &[&'a str],
    ) -> Result<HashMap<u64, &'a str>, PclntabError> {
        let quoted: Vec<(&str, Vec<u8>)> = names
            .iter()
            .filter(|name| name.len() <= MAX_NAME)
            .take(MAX_NAMES)
            .map(|name| (*name, [b"\0", name.as_bytes(), b"\0"].concat()))
            .collect();
        let finders: Vec<_> = quoted
            .iter()
            .map(|(name, bytes)| (*name, memmem::Finder::new(bytes)))
            .collect();
        let mut found = HashMap::new();
        let mut piece = vec![0u8; PIECE];
        let (mut at, end) = self.names;
        while at < end && found.len() < finders.len() {
            let length = (end - at).min(PIECE as u64) as usize;
            let read = source.read_at(at, &mut piece[..length]);
            if read < length {
                return Err(PclntabError::Broken);
            }
            for (name, finder) in &finders {
                if let Some(place) = finder.find(&piece[..length]) {
                    found.entry(at + place as u64 + 1 - self.names.0).or_insert(*name);
                }
            }
            // A name may lie across two pieces.
            let step = if at + length as u64 == end {
                length
            } else {
                length - (MAX_NAME + 2)
            };
            at += step as u64;
        }
        Ok(found)
    }

    const fn entry_size(&self) -> u64 {
        match self.layout {
            Layout::Addresses => 16,
            Layout::Offsets => 8,
        }
    }

    /// Entry `index`: where the function begins, and where its `_func` lies.
    fn entry<S: Source>(&self, window: &mut Window<'_, S>, index: u64) -> Result<(u64, u64), PclntabError> {
        let size = self.entry_size();
        let bytes = window.bytes(self.entries + index * size, size as usize)?;
        let (begin, body) = bytes.split_at(bytes.len() / 2);
        Ok((number(begin), number(body)))
    }

    /// Offset of a function's name: in its `_func`, behind the entry.
    fn name_of<S: Source>(&self, window: &mut Window<'_, S>, body: u64) -> Result<u64, PclntabError> {
        let at = self
            .entries
            .checked_add(body)
            .and_then(|at| at.checked_add(self.entry_size() / 2))
            .filter(|at| *at < self.length)
            .ok_or(PclntabError::Broken)?;
        Ok(number(window.bytes(at, 4)?))
    }
}

/// Up to 8 bytes, little endian.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The piece of a source that was read last.
struct Window<'a, S> {
    source: &'a S,
    start: u64,
    bytes: Vec<u8>,
    /// Pieces that may still be read.
    left: u64,
}

impl<'a, S: Source> Window<'a, S> {
    fn new(source: &'a S, left: u64) -> Self {
        Self {
            source,
            start: 0,
            bytes: Vec::new(),
            left,
        }
    }

    fn bytes(&mut self, at: u64, length: usize) -> Result<&[u8], PclntabError> {
        let inside = |window: &Self| {
            let from = usize::try_from(at.checked_sub(window.start)?).ok()?;
            let to = from.checked_add(length)?;
            (to <= window.bytes.len()).then_some(from..to)
        };
        let range = match inside(self) {
            Some(range) => range,
            None => {
                self.left = self.left.checked_sub(1).ok_or(PclntabError::Scattered)?;
                self.bytes.resize(PIECE, 0);
                let read = self.source.read_at(at, &mut self.bytes);
                self.bytes.truncate(read);
                self.start = at;
                inside(self).ok_or(PclntabError::Broken)?
            }
        };
        Ok(&self.bytes[range])
    }
}

#[cfg(test)]
mod tests;
