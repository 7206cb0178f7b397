//! What an ELF file says about where to attach: symbols, code bytes, and the choice of the
//! instruction.
//!
//! The file is untrusted: it belongs to the watched program. It is read in pieces, never mapped
//! (a file that shrinks must not kill the daemon), and every number in it may be a lie.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter as _, Instruction, Mnemonic, NasmFormatter, OpKind,
    Register,
};
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSegment as _, ReadRef, SegmentFlags,
    elf::STT_FUNC,
    read::{
        ReadCache,
        elf::{ElfFile64, Sym as _},
    },
};
use thiserror::Error;

/// Longest function body that is decoded, bytes.
const MAX_BODY: u64 = 16 * 1024;

/// Bytes from a function's start within which an entry probe may be moved.
const ENTRY_WINDOW: usize = 64;

/// Most of a file that is read, and so held in memory, bytes: headers, symbol tables and the bodies
/// of a few functions. Symbols of the largest programs take some ten million.
const MAX_READ: u64 = 64 << 20;

/// Most sections and segments; linkers write some forty of the one and ten of the other.
const MAX_PARTS: usize = 1024;

#[derive(Debug, Error)]
pub enum ElfError {
    #[error("cannot open {path}: {source}")]
    Open { path: String, source: io::Error },
    #[error("{path} is not a readable ELF file: {source}")]
    Parse { path: String, source: object::Error },
    #[error("{path} claims more sections or segments than a linker writes; it is not hooked")]
    TooManyParts { path: String },
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
    cache: ReadCache<Metered>,
}

type Parsed<'a> = ElfFile64<'a, Endianness, Pieces<'a>>;

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
        let metadata = file.metadata().map_err(open)?;
        if !metadata.is_file() {
            return Err(irregular());
        }
        Ok(Self {
            path: path.display().to_string(),
            length: metadata.len(),
            cache: ReadCache::new(Metered { file, left: MAX_READ }),
        })
    }

    /// The functions among `names`, from the dynamic or the full symbol table.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn functions(&self, names: &[&str]) -> Result<HashMap<String, Function>, ElfError> {
        let file = self.parse()?;
        let mut found = HashMap::new();
        for table in [file.elf_dynamic_symbol_table(), file.elf_symbol_table()] {
            // All names in one piece: one read, and none of them copied.
            let Some(strings) = file
                .section_by_index(table.string_section())
                .ok()
                .and_then(|section| section.data().ok())
            else {
                continue;
            };
            for symbol in table.iter() {
                let address = symbol.st_value(file.endian());
                if address == 0 || symbol.st_type() != STT_FUNC {
                    continue;
                }
                let Some(rest) = strings.get(symbol.st_name(file.endian()) as usize..) else {
                    continue;
                };
                let Some(name) = names.iter().find(|name| is_string(rest, name)) else {
                    continue;
                };
                found.entry((*name).to_owned()).or_insert(Function {
                    address,
                    size: symbol.st_size(file.endian()),
                });
                if found.len() == names.len() {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// The code bytes of a function.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn body(&self, function: Function) -> Result<Vec<u8>, ElfError> {
        let file = self.parse()?;
        let length = if function.size == 0 {
            ENTRY_WINDOW as u64
        } else {
            function.size.min(MAX_BODY)
        };
        for section in file.sections() {
            let Some(within) = function.address.checked_sub(section.address()) else {
                continue;
            };
            let Some((offset, size)) = section.file_range() else {
                continue;
            };
            if within < size
                && let Some(start) = offset.checked_add(within)
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
        let file = self.parse()?;
        Ok(file.sections().any(|section| {
            section.kind() == object::SectionKind::Text
                && !section.name().unwrap_or("").starts_with(".plt")
                && address >= section.address()
                && address - section.address() < section.size()
        }))
    }

    /// The offset in the file of a virtual address, as uprobes want it.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn file_offset(&self, address: u64) -> Result<Option<u64>, ElfError> {
        let file = self.parse()?;
        Ok(file.segments().find_map(|segment| {
            let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
                return None;
            };
            let (offset, length) = segment.file_range();
            let within = address.checked_sub(segment.address())?;
            (p_flags.contains(object::elf::PF_X) && within < length)
                .then(|| offset.checked_add(within))
                .flatten()
                .filter(|offset| *offset < self.length)
        }))
    }

    fn parse(&self) -> Result<Parsed<'_>, ElfError> {
        let file = Parsed::parse(Pieces(&self.cache)).map_err(|source| ElfError::Parse {
            path: self.path.clone(),
            source,
        })?;
        if file
            .elf_section_table()
            .len()
            .max(file.elf_program_headers().len())
            > MAX_PARTS
        {
            return Err(ElfError::TooManyParts {
                path: self.path.clone(),
            });
        }
        Ok(file)
    }
}

/// True when the string that `bytes` begin with is `name`.
fn is_string(bytes: &[u8], name: &str) -> bool {
    bytes
        .strip_prefix(name.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&0))
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

/// Where in a function to put a probe, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachPoint {
    /// Bytes from the function's start.
    pub offset: u64,
    /// Bytes the stack pointer has moved down by then.
    pub stack_delta: u16,
    /// The kernel emulates it: a trap of some 200 ns instead of some 3,000.
    pub emulated: bool,
    /// Disassembly, for people.
    pub instruction: String,
}

/// The first instruction of a function: the only place for a return probe.
pub fn first_instruction(body: &[u8]) -> Option<AttachPoint> {
    let instruction = Decoder::with_ip(64, body, 0, DecoderOptions::NONE)
        .into_iter()
        .next()?;
    (!instruction.is_invalid()).then(|| point(&instruction, 0))
}

/// The cheapest instruction for an entry probe: the first one the kernel emulates
/// (arch/x86/kernel/uprobes.c: push, near jump, conditional jump, call, nop) before any argument
/// register is written and before control can leave; else the first instruction.
pub fn entry_point(body: &[u8]) -> Option<AttachPoint> {
    let window = &body[..body.len().min(ENTRY_WINDOW)];
    let mut stack_delta = 0u16;
    for instruction in Decoder::with_ip(64, window, 0, DecoderOptions::NONE).iter() {
        if instruction.is_invalid() {
            break;
        }
        if is_emulated(&instruction) {
            return Some(point(&instruction, stack_delta));
        }
        if instruction.flow_control() != FlowControl::Next || writes_argument(&instruction) {
            break;
        }
        match stack_change(&instruction) {
            Some(change) => stack_delta = stack_delta.checked_add(change)?,
            None => break,
        }
    }
    first_instruction(body)
}

/// Near call and tail-jump targets of a function body loaded at `address`, in order.
pub fn call_targets(body: &[u8], address: u64) -> Vec<u64> {
    let end = address.saturating_add(body.len() as u64);
    Decoder::with_ip(64, body, address, DecoderOptions::NONE)
        .iter()
        .filter(|instruction| instruction.op0_kind() == OpKind::NearBranch64)
        .filter_map(|instruction| {
            let target = instruction.near_branch_target();
            match instruction.flow_control() {
                FlowControl::Call => Some(target),
                FlowControl::UnconditionalBranch if target < address || target >= end => Some(target),
                _ => None,
            }
        })
        .collect()
}

/// True when a body moves its 4th argument into the 5th place: it calls on with one argument more.
pub fn shifts_fourth_argument(body: &[u8]) -> bool {
    Decoder::with_ip(64, body, 0, DecoderOptions::NONE)
        .iter()
        .any(|instruction| {
            instruction.mnemonic() == Mnemonic::Mov
                && instruction.op0_register() == Register::R8
                && instruction.op1_register() == Register::RCX
        })
}

fn point(instruction: &Instruction, stack_delta: u16) -> AttachPoint {
    AttachPoint {
        offset: instruction.ip(),
        stack_delta,
        emulated: is_emulated(instruction),
        instruction: {
            let mut text = String::new();
            let mut formatter = NasmFormatter::new();
            if instruction.op0_kind() == OpKind::NearBranch64 {
                // A target relative to the function means nothing to a reader.
                formatter.format_mnemonic(instruction, &mut text);
            } else {
                formatter.format(instruction, &mut text);
            }
            text
        },
    }
}

fn is_emulated(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Push => instruction.op0_kind() == OpKind::Register,
        Mnemonic::Nop => true,
        _ => match instruction.flow_control() {
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::Call => {
                instruction.op0_kind() == OpKind::NearBranch64
            }
            _ => false,
        },
    }
}

fn writes_argument(instruction: &Instruction) -> bool {
    const ARGUMENTS: [Register; 6] = [
        Register::RDI,
        Register::RSI,
        Register::RDX,
        Register::RCX,
        Register::R8,
        Register::R9,
    ];
    instruction.op0_kind() == OpKind::Register
        && ARGUMENTS.contains(&instruction.op0_register().full_register())
        && !matches!(
            instruction.mnemonic(),
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push
        )
}

/// How far an instruction moves the stack pointer down; `None` when it can not be told.
fn stack_change(instruction: &Instruction) -> Option<u16> {
    match (instruction.mnemonic(), instruction.op0_register()) {
        (Mnemonic::Sub, Register::RSP) => u16::try_from(instruction.try_immediate(1).ok()?).ok(),
        (Mnemonic::Push, _) => Some(8),
        (Mnemonic::Pop | Mnemonic::Leave | Mnemonic::Enter, _) | (_, Register::RSP) => None,
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_probe_moves_past_endbr64_to_the_push() {
        // endbr64; push rbp; mov rbp, rsp
        let point = entry_point(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5]).unwrap();
        assert_eq!((point.offset, point.stack_delta, point.emulated), (4, 0, true));
    }

    #[test]
    fn an_entry_probe_counts_what_the_stack_moved() {
        // sub rsp, 0x18; call +0
        let point = entry_point(&[0x48, 0x83, 0xec, 0x18, 0xe8, 0, 0, 0, 0]).unwrap();
        assert_eq!((point.offset, point.stack_delta, point.emulated), (4, 0x18, true));
    }

    #[test]
    fn an_entry_probe_stays_at_the_start_when_an_argument_would_be_lost() {
        // mov edi, 1; push rbp
        let point = entry_point(&[0xbf, 1, 0, 0, 0, 0x55]).unwrap();
        assert_eq!((point.offset, point.emulated), (0, false));
    }

    #[test]
    fn a_return_probe_is_only_ever_at_the_first_instruction() {
        let point = first_instruction(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55]).unwrap();
        assert_eq!((point.offset, point.emulated), (0, false));
    }

    proptest::proptest! {
        #[test]
        fn any_code_bytes_are_decoded_without_a_panic(body in proptest::collection::vec(0u8.., 0..128), address: u64) {
            let _ = entry_point(&body);
            let _ = first_instruction(&body);
            let _ = call_targets(&body, address);
            let _ = shifts_fourth_argument(&body);
        }
    }
}
