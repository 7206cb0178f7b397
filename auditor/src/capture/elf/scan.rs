//! What can be told of a program without symbols: where a string stands, which code refers to it,
//! and where the function around an address begins and ends.
//!
//! The file is read in pieces of [`PIECE`] bytes that are not kept, so a search takes the same memory
//! in a file of any size, and time linear in what the file would map.

use std::os::unix::fs::FileExt as _;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Mnemonic, OpKind, Register};
use memchr::{memchr_iter, memmem};

use super::{Elf, ElfError, Function, MAX_BODY, headers::Segment};

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// Bytes of the piece before that are looked at again: the longest instruction or string sought.
const OVERLAP: usize = 512;

/// Most places that are remembered of one search.
const MAX_PLACES: usize = 4096;

/// Entries of `.eh_frame_hdr` are this long, bytes.
const ENTRY: u64 = 8;

/// The table that leads from code addresses to unwinding rules, and so lists all functions (Linux
/// Standard Base, "eh_frame_hdr"): sorted pairs of 32-bit offsets.
pub struct Functions {
    /// Address of the table's section, to which the pairs are relative.
    base: u64,
    /// Where the pairs begin in the file, and how many there are.
    offset: u64,
    count: u64,
}

impl Elf {
    /// Bytes of code the file maps.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn code_length(&self) -> Result<u64, ElfError> {
        let mapped = self.mapped()?;
        Ok(mapped
            .iter()
            .filter(|part| part.is_executable)
            .fold(0, |sum, part| sum.saturating_add(part.length)))
    }

    /// Addresses at which each of `needles` (at most 512 bytes long) stands in mapped bytes.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn strings(&self, needles: &[&[u8]]) -> Result<Vec<Vec<u64>>, ElfError> {
        let finders: Vec<memmem::Finder<'_>> = needles.iter().map(memmem::Finder::new).collect();
        let mut found = vec![Vec::new(); needles.len()];
        for part in self.mapped()? {
            self.pieces(part, |address, bytes| {
                for (finder, places) in finders.iter().zip(&mut found) {
                    for at in finder.find_iter(bytes) {
                        remember(places, address.wrapping_add(at as u64));
                    }
                }
            });
        }
        Ok(found)
    }

    /// Where the string begins that has its end or middle at `address`: behind the NUL before.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn string_start(&self, address: u64) -> Result<u64, ElfError> {
        let part = self.mapped()?.into_iter().find(|part| {
            address
                .checked_sub(part.address)
                .is_some_and(|within| within < part.length)
        });
        let Some(part) = part else { return Ok(address) };
        let within = address - part.address;
        let before = within.min(OVERLAP as u64);
        let mut bytes = vec![0; before as usize];
        let read = self
            .file
            .read_at(&mut bytes, part.offset.saturating_add(within - before))
            .unwrap_or(0);
        if read < bytes.len() {
            return Ok(address);
        }
        Ok(match memchr::memrchr(0, &bytes) {
            Some(nul) => address - before + nul as u64 + 1,
            None => address,
        })
    }

    /// Instructions that load one of the addresses `to`: where they are, and what they load.
    /// `lea reg, [rip + …]`, and in programs that are not position-independent `mov reg, …`.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn references(&self, to: &[u64]) -> Result<Vec<(u64, u64)>, ElfError> {
        let mut to = to.to_vec();
        to.sort_unstable();
        // Only a program that is not position-independent knows its addresses.
        let fixed = self.headers()?.is_fixed;
        let absolute: Vec<(u64, memmem::Finder<'static>)> = to
            .iter()
            .filter(|_| fixed)
            .filter_map(|address| Some((*address, u32::try_from(*address).ok()?.to_le_bytes())))
            .map(|(address, bytes)| (address, memmem::Finder::new(&bytes).into_owned()))
            .collect();
        let mut found = Vec::new();
        for part in self.mapped()?.into_iter().filter(|part| part.is_executable) {
            self.pieces(part, |address, bytes| {
                for at in memchr_iter(0x8d, bytes) {
                    // REX.W, the opcode, and a ModRM byte that says "relative to the next instruction".
                    let Some(&[rex, _, modrm, a, b, c, d]) =
                        at.checked_sub(1).and_then(|at| bytes.get(at..at + 7)?.as_array())
                    else {
                        continue;
                    };
                    if rex & 0xfb != 0x48 || modrm & 0xc7 != 0x05 {
                        continue;
                    }
                    let start = address.wrapping_add(at as u64 - 1);
                    let displacement = i64::from(i32::from_le_bytes([a, b, c, d]));
                    let target = start.wrapping_add(7).wrapping_add_signed(displacement);
                    if to.binary_search(&target).is_ok() {
                        remember(&mut found, (start, target));
                    }
                }
                for (target, finder) in &absolute {
                    for at in finder.find_iter(bytes) {
                        if at > 0 && bytes[at - 1] & 0xf8 == 0xb8 {
                            remember(&mut found, (address.wrapping_add(at as u64 - 1), *target));
                        }
                    }
                }
            });
        }
        Ok(found)
    }

    /// Places of direct calls of (and jumps to) the function at `address`.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn callers(&self, address: u64) -> Result<Vec<u64>, ElfError> {
        let mut found = Vec::new();
        for part in self.mapped()?.into_iter().filter(|part| part.is_executable) {
            self.pieces(part, |start, bytes| {
                for at in memchr::memchr2_iter(0xe8, 0xe9, bytes) {
                    let Some(&displacement) = bytes.get(at + 1..).and_then(<[u8]>::first_chunk) else {
                        continue;
                    };
                    let place = start.wrapping_add(at as u64);
                    let displacement = i64::from(i32::from_le_bytes(displacement));
                    if place.wrapping_add(5).wrapping_add_signed(displacement) == address {
                        remember(&mut found, place);
                    }
                }
            });
        }
        Ok(found)
    }

    /// The table of all functions; `None` when the file has none, or one in another form than
    /// linkers write.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn function_table(&self) -> Result<Option<Functions>, ElfError> {
        let Some((address, offset)) = self.segment_of_type(object::elf::PT_GNU_EH_FRAME)? else {
            return Ok(None);
        };
        let mut header = [0; 12];
        if self.file.read_exact_at(&mut header, offset).is_err() {
            return Ok(None);
        }
        // Version 1; the count as udata4; the table as sdata4, relative to the section.
        let [1, _, 0x03, 0x3b, _, _, _, _, count @ ..] = header else {
            return Ok(None);
        };
        Ok(Some(Functions {
            base: address,
            offset: offset.saturating_add(12),
            count: u64::from(u32::from_le_bytes(count)),
        }))
    }

    /// The function around `address`, by that table.
    pub fn function_around(&self, functions: &Functions, address: u64) -> Option<Function> {
        // The file's own order: a table that lies gives a wrong function, never an endless search.
        let start_of = |index: u64| -> Option<u64> {
            let mut entry = [0; 4];
            let at = functions.offset.checked_add(index.checked_mul(ENTRY)?)?;
            self.file.read_exact_at(&mut entry, at).ok()?;
            Some(
                functions
                    .base
                    .wrapping_add_signed(i64::from(i32::from_le_bytes(entry))),
            )
        };
        let (mut low, mut high) = (0, functions.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if start_of(middle)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let start = start_of(low.checked_sub(1)?)?;
        // Up to the next one: padding between them decodes as what it is.
        let end = if low < functions.count {
            start_of(low)?
        } else {
            start.checked_add(MAX_BODY)?
        };
        let size = end.checked_sub(start)?;
        (address < end).then_some(Function { address: start, size })
    }

    /// The function around each of `addresses`, where there is no table: the nearest target of a call
    /// before it. Of unknown size.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn called_before(&self, addresses: &[u64]) -> Result<Vec<Option<u64>>, ElfError> {
        let mut sorted = addresses.to_vec();
        sorted.sort_unstable();
        // The nearest target before each that is not before the one in front of it.
        let mut nearest: Vec<u64> = vec![0; sorted.len()];
        for part in self.mapped()?.into_iter().filter(|part| part.is_executable) {
            self.pieces(part, |start, bytes| {
                for at in memchr_iter(0xe8, bytes) {
                    let Some(&displacement) = bytes.get(at + 1..).and_then(<[u8]>::first_chunk) else {
                        continue;
                    };
                    let displacement = i64::from(i32::from_le_bytes(displacement));
                    let next = start.wrapping_add(at as u64 + 5);
                    let target = next.wrapping_add_signed(displacement);
                    let behind = sorted.partition_point(|address| *address < target);
                    if let (true, Some(known)) = (target >= part.address, nearest.get_mut(behind)) {
                        *known = target.max(*known);
                    }
                }
            });
        }
        for index in 1..nearest.len() {
            nearest[index] = nearest[index].max(nearest[index - 1]);
        }
        Ok(addresses
            .iter()
            .map(|address| {
                let at = sorted.partition_point(|sorted| sorted < address);
                nearest.get(at).copied().filter(|target| *target != 0)
            })
            .collect())
    }

    fn mapped(&self) -> Result<Vec<Segment>, ElfError> {
        // Segments that lie may claim the same bytes again and again.
        let mut left = self.length.saturating_mul(2);
        Ok(self
            .headers()?
            .mapped()
            .filter_map(|segment| {
                let length = segment.length.min(self.length.saturating_sub(segment.offset));
                segment.address.checked_add(length)?;
                left = left.checked_sub(length)?;
                Some(Segment { length, ..segment })
            })
            .collect())
    }

    /// Hands the bytes of a part over piece by piece, each with its address. Pieces overlap, so what
    /// is near an edge may be seen twice.
    fn pieces(&self, part: Segment, mut look: impl FnMut(u64, &[u8])) {
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while at < part.length {
            let wanted = PIECE.min(usize::try_from(part.length - at).unwrap_or(PIECE));
            let Ok(read @ 1..) = self
                .file
                .read_at(&mut buffer[..wanted], part.offset.saturating_add(at))
            else {
                return;
            };
            look(part.address.wrapping_add(at), &buffer[..read]);
            if at + read as u64 >= part.length {
                return;
            }
            at += if read > 2 * OVERLAP { read - OVERLAP } else { read } as u64;
        }
    }
}

/// Constants that a function loads into edx, the third argument of what it calls next.
pub fn third_arguments(body: &[u8]) -> Vec<u32> {
    let mut values = Vec::new();
    for instruction in Decoder::new(64, body, DecoderOptions::NONE).iter() {
        if instruction.code() == Code::Mov_r32_imm32
            && instruction.op0_register() == Register::EDX
            && instruction.op1_kind() == OpKind::Immediate32
            && !values.contains(&instruction.immediate32())
        {
            values.push(instruction.immediate32());
        }
    }
    values
}

/// What is known of the first three arguments (edi, esi, edx) at each direct call of a function: the constants
/// loaded into them since the call or jump before.
pub fn constants_at_calls(body: &[u8]) -> Vec<[Option<u32>; 3]> {
    const ARGUMENTS: [Register; 3] = [Register::RDI, Register::RSI, Register::RDX];
    let mut known = [None; 3];
    let mut calls = Vec::new();
    for instruction in Decoder::new(64, body, DecoderOptions::NONE).iter() {
        match instruction.flow_control() {
            FlowControl::Call => {
                calls.push(known);
                known = [None; 3];
                continue;
            }
            // What stands behind it is reached from elsewhere.
            FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return => {
                known = [None; 3];
                continue;
            }
            _ => {}
        }
        let target = instruction.op0_register().full_register();
        let Some(argument) = ARGUMENTS.iter().position(|argument| *argument == target) else {
            continue;
        };
        if instruction.op0_kind() == OpKind::Register
            && !matches!(
                instruction.mnemonic(),
                Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push
            )
        {
            known[argument] = (instruction.code() == Code::Mov_r32_imm32).then(|| instruction.immediate32());
        }
    }
    calls
}

/// Adds what is not there yet, up to a bound: past it a file is no program anyone wrote.
fn remember<T: PartialEq>(places: &mut Vec<T>, place: T) {
    if places.len() < MAX_PLACES && !places.iter().rev().take(16).any(|known| *known == place) {
        places.push(place);
    }
}
