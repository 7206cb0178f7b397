//! The uprobe programs of the object, for the ways to attach them that aya has not.
//!
//! Goes in: the eBPF object, and the maps that aya made for it. Comes out: programs in the kernel, of the object as
//! aya-obj relocates it.

use std::{
    collections::{HashMap, HashSet},
    ffi::CString,
    io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use aya_obj::{
    Function, Object, ProgramSection,
    generated::{bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type::BPF_PROG_TYPE_KPROBE},
};
use thiserror::Error;

/// `BPF_LD | BPF_DW | BPF_IMM` (uapi/linux/bpf.h).
const LOAD_NUMBER: u8 = 0x18;

#[derive(Debug, Error)]
pub enum UprobeError {
    #[error("this kernel has no uprobe_multi links (they came with 6.6)")]
    Unsupported,
    #[error("the eBPF object is not understood: {0}")]
    Object(String),
    #[error("the kernel refused type information of the eBPF object: {0}")]
    Types(#[source] io::Error),
    #[error("the eBPF object has no uprobe program {0}; the build is broken")]
    Missing(String),
    #[error(
        "the kernel refused the program {name}: {source}; `auditor doctor --programs` has what the verifier says"
    )]
    Program { name: String, source: io::Error },
    #[error("the kernel refused probes: {0}")]
    Link(#[source] io::Error),
    #[error("a path with a zero byte")]
    Path,
}

/// The programs, of which none is loaded yet.
pub struct UprobePrograms {
    programs: HashMap<String, Prepared>,
    /// Type information of the programs; a callback of `bpf_loop` is not taken without.
    types: OwnedFd,
}

struct Prepared {
    function: Function,
    license: CString,
    returns: bool,
}

impl UprobePrograms {
    /// Prepares the uprobe programs of an object whose maps are those of `ebpf`, none of them taken out yet.
    ///
    /// # Errors
    /// When the object is not understood, or the kernel does not take its type information.
    pub fn new(object: &[u8], ebpf: &Ebpf) -> Result<Self, UprobeError> {
        let not_understood = |error: &dyn std::error::Error| UprobeError::Object(error.to_string());
        let mut object = Object::parse(object).map_err(|error| not_understood(&error))?;
        let types = match aya::features().btf() {
            Some(features) => object
                .fixup_and_sanitize_btf(features)
                .map_err(|error| not_understood(&error))?
                .map(aya_obj::btf::Btf::to_bytes),
            None => None,
        };
        let types = types.ok_or_else(|| UprobeError::Object("it has no type information".to_owned()))?;
        let maps = mem::take(&mut object.maps);
        let code: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let fds = maps
            .iter()
            .filter_map(|(name, map)| Some((name.as_str(), descriptor(ebpf.map(name)?)?, map)));
        object
            .relocate_maps(fds, &code)
            .map_err(|error| not_understood(&error))?;
        object
            .relocate_calls(&code)
            .map_err(|error| not_understood(&error))?;
        object.sanitize_functions(aya::features());
        let programs = object.programs.iter().filter_map(|(name, program)| {
            let returns = match program.section {
                ProgramSection::UProbe { sleepable: false } => false,
                ProgramSection::URetProbe { sleepable: false } => true,
                _ => return None,
            };
            let prepared = Prepared {
                function: object.functions.get(&program.function_key())?.clone(),
                license: program.license.clone(),
                returns,
            };
            Some((name.clone(), prepared))
        });
        Ok(Self {
            programs: programs.collect(),
            types: load_types(&types).map_err(UprobeError::Types)?,
        })
    }

    /// Whether a program runs when a function returns.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn returns(&self, name: &str) -> Result<bool, UprobeError> {
        Ok(self.prepared(name)?.returns)
    }

    /// Loads a program for a kind of attaching (`enum bpf_attach_type`).
    ///
    /// # Errors
    /// When there is no such program, or the kernel refuses it.
    pub fn load(&self, name: &str, attach_type: u32) -> Result<OwnedFd, UprobeError> {
        let Prepared {
            function, license, ..
        } = self.prepared(name)?;
        self.load_function(name, function, license, attach_type)
    }

    /// Loads a program with another number in place of a 64-bit constant, wherever its code has that; `None` when it
    /// has it nowhere.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(&self, name: &str, constant: u64, number: u64) -> Result<Option<OwnedFd>, UprobeError> {
        let Prepared {
            function, license, ..
        } = self.prepared(name)?;
        let mut function = function.clone();
        if !replace(&mut function.instructions, constant, number) {
            return Ok(None);
        }
        self.load_function(name, &function, license, 0).map(Some)
    }

    fn prepared(&self, name: &str) -> Result<&Prepared, UprobeError> {
        self.programs
            .get(name)
            .ok_or_else(|| UprobeError::Missing(name.to_owned()))
    }

    fn load_function(
        &self,
        name: &str,
        function: &Function,
        license: &CString,
        attach_type: u32,
    ) -> Result<OwnedFd, UprobeError> {
        load(name, function, license, &self.types, attach_type).map_err(|source| UprobeError::Program {
            name: name.to_owned(),
            source,
        })
    }
}

/// Replaces the number that instructions load whole (`BPF_LD | BPF_IMM | BPF_DW`, two instructions that have half of it
/// each).
fn replace(instructions: &mut [bpf_insn], constant: u64, number: u64) -> bool {
    let half = |number: u64, high: bool| (if high { number >> 32 } else { number } as u32).cast_signed();
    let mut found = false;
    for at in 1..instructions.len() {
        let (first, second) = (instructions[at - 1], instructions[at]);
        if first.code == LOAD_NUMBER
            && first.src_reg() == 0
            && first.imm == half(constant, false)
            && second.imm == half(constant, true)
        {
            instructions[at - 1].imm = half(number, false);
            instructions[at].imm = half(number, true);
            found = true;
        }
    }
    found
}

/// The descriptor of a map of the kinds that the object has.
fn descriptor(map: &Map) -> Option<RawFd> {
    let of = |data: &MapData| std::os::fd::AsFd::as_fd(data.fd()).as_raw_fd();
    match map {
        Map::Array(data)
        | Map::ArrayOfMaps(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::SkStorage(data) => Some(of(data)),
        _ => None,
    }
}

fn load_types(types: &[u8]) -> io::Result<OwnedFd> {
    let mut attributes = blank();
    // SAFETY: all fields of the union are plain numbers, and it was zeroed.
    let of_types = unsafe { &mut attributes.__bindgen_anon_7 };
    of_types.btf = address(types);
    of_types.btf_size = length(types)?;
    // SAFETY: the address and size of a slice that outlives the call.
    unsafe { bpf(bpf_cmd::BPF_BTF_LOAD, &mut attributes) }
}

fn load(
    name: &str,
    function: &Function,
    license: &CString,
    types: &OwnedFd,
    attach_type: u32,
) -> io::Result<OwnedFd> {
    let (functions, lines) = (
        function.func_info.func_info_bytes(),
        function.line_info.line_info_bytes(),
    );
    let mut attributes = blank();
    // SAFETY: all fields of the union are plain numbers, and it was zeroed.
    let program = unsafe { &mut attributes.__bindgen_anon_3 };
    // The last byte stays zero.
    let room = program.prog_name.len() - 1;
    for (to, from) in program.prog_name[..room].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    program.prog_type = BPF_PROG_TYPE_KPROBE as u32;
    program.expected_attach_type = attach_type;
    program.insns = address(&function.instructions);
    program.insn_cnt = length(&function.instructions)?;
    program.license = license.as_ptr() as u64;
    program.prog_btf_fd = types.as_raw_fd().cast_unsigned();
    if function.func_info_rec_size > 0 {
        program.func_info = address(&functions);
        program.func_info_rec_size = number(function.func_info_rec_size)?;
        program.func_info_cnt = number(functions.len() / function.func_info_rec_size)?;
    }
    if function.line_info_rec_size > 0 {
        program.line_info = address(&lines);
        program.line_info_rec_size = number(function.line_info_rec_size)?;
        program.line_info_cnt = number(lines.len() / function.line_info_rec_size)?;
    }
    // SAFETY: addresses and sizes of what lives until the end of this function; the licence ends with a zero.
    unsafe { bpf(bpf_cmd::BPF_PROG_LOAD, &mut attributes) }
}

pub(super) fn blank() -> bpf_attr {
    // SAFETY: a union of structs of numbers, for which zero is valid.
    unsafe { mem::zeroed() }
}

/// A command that gives a descriptor.
///
/// # Safety
/// Addresses in `attributes` are valid for the lengths next to them.
pub(super) unsafe fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; the size is that of the union.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            std::ptr::from_mut(attributes),
            size_of::<bpf_attr>(),
        )
    };
    let descriptor = RawFd::try_from(result).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

pub(super) fn address<T>(slice: &[T]) -> u64 {
    slice.as_ptr() as u64
}

pub(super) fn length<T>(slice: &[T]) -> io::Result<u32> {
    number(slice.len())
}

fn number(number: usize) -> io::Result<u32> {
    u32::try_from(number).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(code: u8, source: u8, imm: i32) -> bpf_insn {
        // SAFETY: a struct of numbers.
        let mut instruction: bpf_insn = unsafe { mem::zeroed() };
        instruction.code = code;
        instruction.set_src_reg(source);
        instruction.imm = imm;
        instruction
    }

    #[test]
    fn a_constant_is_replaced_where_it_is_loaded_and_nowhere_else() {
        let mut code = [
            instruction(LOAD_NUMBER, 0, 0x11),
            instruction(0, 0, 0x22),
            // The address of a map.
            instruction(LOAD_NUMBER, 1, 0x11),
            instruction(0, 0, 0x22),
            // Half of it.
            instruction(LOAD_NUMBER, 0, 0x11),
            instruction(0, 0, 0),
            instruction(LOAD_NUMBER, 0, 0x11),
            instruction(0, 0, 0x22),
        ];
        assert!(replace(&mut code, 0x22_0000_0011, 0x4444_4444_8888_8888));
        let numbers: Vec<i32> = code.iter().map(|instruction| instruction.imm).collect();
        let low = 0x8888_8888_u32.cast_signed();
        assert_eq!(numbers, [low, 0x4444_4444, 0x11, 0x22, 0x11, 0, low, 0x4444_4444]);
        assert!(!replace(&mut code, 0x22_0000_0011, 1));
    }
}
