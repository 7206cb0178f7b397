//! Probes that are attached many at a time: `uprobe_multi` links, kernel 6.6 and later.
//!
//! Goes in: the eBPF object, and the maps that aya made for it. Comes out: its uprobe programs, loaded for such
//! links, and links. A link is all probes of one program in one file; closing it takes them out.
//!
//! aya attaches each probe through a perf event of its own. To take one out the kernel waits for grace periods and
//! holds a lock of all events meanwhile (`perf_uprobe_destroy`, kernel/trace/trace_event_perf.c): a tenth of a
//! second each, one after the other, whoever closes them. A link of this kind waits once
//! (`bpf_uprobe_multi_link_release`, kernel/trace/bpf_trace.c), and links that are closed at once wait together.
//! aya can neither load programs for it nor make it; what it lacks is here, on the object as aya-obj relocates it.

use std::{
    collections::{HashMap, HashSet},
    ffi::CString,
    io, mem,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use aya_obj::{
    Function, Object, ProgramSection,
    generated::{
        BPF_F_UPROBE_MULTI_RETURN, bpf_attach_type::BPF_TRACE_UPROBE_MULTI, bpf_attr, bpf_cmd,
        bpf_prog_type::BPF_PROG_TYPE_KPROBE,
    },
};
use thiserror::Error;

use super::probes::Place;

/// The program by which it is tried whether the kernel has such links.
const TRIED: &str = "tls_free";

#[derive(Debug, Error)]
pub enum MultiError {
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

/// The uprobe programs of the object, each loaded on first use.
pub struct MultiPrograms {
    programs: HashMap<String, Prepared>,
    /// Type information of the programs; a callback of `bpf_loop` is not taken without.
    types: OwnedFd,
}

struct Prepared {
    function: Function,
    license: CString,
    returns: bool,
    loaded: Option<OwnedFd>,
}

impl MultiPrograms {
    /// Prepares the uprobe programs of an object whose maps are those of `ebpf`, none of them taken out yet.
    ///
    /// # Errors
    /// When the kernel has no such links, or takes no program for them.
    pub fn new(object: &[u8], ebpf: &Ebpf) -> Result<Self, MultiError> {
        let not_understood = |error: &dyn std::error::Error| MultiError::Object(error.to_string());
        let mut object = Object::parse(object).map_err(|error| not_understood(&error))?;
        let types = match aya::features().btf() {
            Some(features) => object
                .fixup_and_sanitize_btf(features)
                .map_err(|error| not_understood(&error))?
                .map(aya_obj::btf::Btf::to_bytes),
            None => None,
        };
        let types = types.ok_or_else(|| MultiError::Object("it has no type information".to_owned()))?;
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
                loaded: None,
            };
            Some((name.clone(), prepared))
        });
        let mut prepared = Self {
            programs: programs.collect(),
            types: load_types(&types).map_err(MultiError::Types)?,
        };
        prepared.try_out()?;
        Ok(prepared)
    }

    /// Attaches a program to places of a file, which share one link.
    ///
    /// # Errors
    /// When the kernel takes the program or one of the places not; then none is attached.
    pub fn attach(&mut self, name: &str, path: &Path, places: &[Place]) -> Result<OwnedFd, MultiError> {
        let Self { programs, types } = self;
        let program = programs
            .get_mut(name)
            .ok_or_else(|| MultiError::Missing(name.to_owned()))?;
        let loaded = match &mut program.loaded {
            Some(loaded) => loaded,
            none => none.insert(load(name, &program.function, &program.license, types).map_err(
                |source| MultiError::Program {
                    name: name.to_owned(),
                    source,
                },
            )?),
        };
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| MultiError::Path)?;
        link(loaded, &path, places, program.returns).map_err(MultiError::Link)
    }

    /// The loaded programs.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let programs = self.programs.values();
        programs.filter_map(|program| Some(program.loaded.as_ref()?.as_raw_fd()))
    }

    /// A probe in a folder: EBADF says that the kernel knows such links, and got as far as looking at the file
    /// (`bpf_uprobe_multi_link_attach`). Other kernels have never heard of the attach type.
    fn try_out(&mut self) -> Result<(), MultiError> {
        let place = Place { offset: 0, cookie: 0 };
        match self.attach(TRIED, Path::new("/"), &[place]) {
            Err(MultiError::Link(error)) if error.raw_os_error() == Some(libc::EBADF) => Ok(()),
            Err(MultiError::Link(_)) | Ok(_) => Err(MultiError::Unsupported),
            Err(error) => Err(error),
        }
    }
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

fn load(name: &str, function: &Function, license: &CString, types: &OwnedFd) -> io::Result<OwnedFd> {
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
    program.expected_attach_type = BPF_TRACE_UPROBE_MULTI as u32;
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

fn link(program: &OwnedFd, path: &CString, places: &[Place], returns: bool) -> io::Result<OwnedFd> {
    let offsets: Vec<u64> = places.iter().map(|place| place.offset).collect();
    let cookies: Vec<u64> = places.iter().map(|place| place.cookie).collect();
    let mut attributes = blank();
    // SAFETY: all fields of the union are plain numbers, and it was zeroed.
    let link = unsafe { &mut attributes.link_create };
    link.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    link.attach_type = BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: as above.
    let probes = unsafe { &mut link.__bindgen_anon_3.uprobe_multi };
    probes.path = path.as_ptr() as u64;
    probes.offsets = address(&offsets);
    probes.cookies = address(&cookies);
    probes.cnt = length(&offsets)?;
    probes.flags = if returns { BPF_F_UPROBE_MULTI_RETURN } else { 0 };
    // SAFETY: a path that ends with a zero, and two arrays of `cnt` numbers; all outlive the call.
    unsafe { bpf(bpf_cmd::BPF_LINK_CREATE, &mut attributes) }
}

fn blank() -> bpf_attr {
    // SAFETY: a union of structs of numbers, for which zero is valid.
    unsafe { mem::zeroed() }
}

/// A command that gives a descriptor.
///
/// # Safety
/// Addresses in `attributes` are valid for the lengths next to them.
unsafe fn bpf(command: bpf_cmd, attributes: &mut bpf_attr) -> io::Result<OwnedFd> {
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

fn address<T>(slice: &[T]) -> u64 {
    slice.as_ptr() as u64
}

fn length<T>(slice: &[T]) -> io::Result<u32> {
    number(slice.len())
}

fn number(number: usize) -> io::Result<u32> {
    u32::try_from(number).map_err(io::Error::other)
}
