//! What an ELF file says about where to attach: symbols, code bytes, and the choice of the
//! instruction.
//!
//! The file is untrusted: it belongs to the watched program. It is read in pieces, never mapped
//! (a file that shrinks must not kill the daemon), and every number in it may be a lie.

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter as _, Instruction, Mnemonic, NasmFormatter, OpKind,
    Register,
};
use object::{
    Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _, SegmentFlags, SymbolKind,
    read::ReadCache,
};
use thiserror::Error;

/// Longest function body that is decoded, bytes.
const MAX_BODY: u64 = 16 * 1024;

/// Bytes from a function's start within which an entry probe may be moved.
const ENTRY_WINDOW: usize = 64;

#[derive(Debug, Error)]
pub enum ElfError {
    #[error("cannot open {path}: {source}")]
    Open { path: String, source: std::io::Error },
    #[error("{path} is not a readable ELF file: {source}")]
    Parse { path: String, source: object::Error },
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
    cache: ReadCache<BufReader<File>>,
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
        // Not a FIFO, device or directory: opening those may block or never end.
        if !std::fs::metadata(path).map_err(open)?.is_file() {
            return Err(open(std::io::Error::other("it is not a regular file")));
        }
        let file = File::open(path).map_err(open)?;
        Ok(Self {
            path: path.display().to_string(),
            cache: ReadCache::new(BufReader::new(file)),
        })
    }

    /// The functions among `names`, from the dynamic or the full symbol table.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn functions(&self, names: &[&str]) -> Result<HashMap<String, Function>, ElfError> {
        let file = self.parse()?;
        let mut found = HashMap::new();
        for symbol in file.dynamic_symbols().chain(file.symbols()) {
            if symbol.address() == 0 || symbol.kind() != SymbolKind::Text {
                continue;
            }
            let Ok(name) = symbol.name() else { continue };
            if names.contains(&name) {
                found.entry(name.to_owned()).or_insert(Function {
                    address: symbol.address(),
                    size: symbol.size(),
                });
                if found.len() == names.len() {
                    break;
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
            let (start, size) = (section.address(), section.size());
            if function.address >= start && function.address - start < size {
                let length = length.min(size - (function.address - start));
                if let Ok(Some(bytes)) = section.data_range(function.address, length) {
                    return Ok(bytes.to_vec());
                }
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
        }))
    }

    fn parse(&self) -> Result<object::File<'_, &ReadCache<BufReader<File>>>, ElfError> {
        object::File::parse(&self.cache).map_err(|source| ElfError::Parse {
            path: self.path.clone(),
            source,
        })
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
