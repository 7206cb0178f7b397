//! Probes that are attached many at a time: `uprobe_multi` links, kernel 6.6 and later.
//!
//! Goes in: the eBPF object, and the maps that aya made for it. Comes out: its uprobe programs, loaded for such
//! links, and links. A link is all probes of one program in one file; closing it takes them out.
//!
//! aya attaches each probe through a perf event of its own. To take one out the kernel waits for grace periods and
//! holds a lock of all events meanwhile (`perf_uprobe_destroy`, kernel/trace/trace_event_perf.c): a tenth of a
//! second each, one after the other, whoever closes them. A link of this kind waits once
//! (`bpf_uprobe_multi_link_release`, kernel/trace/bpf_trace.c), and links that are closed at once wait together.
//! aya can neither load programs for it nor make it.

use std::{
    collections::HashMap,
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::Ebpf;
use aya_obj::generated::{BPF_F_UPROBE_MULTI_RETURN, bpf_attach_type::BPF_TRACE_UPROBE_MULTI, bpf_cmd};

use super::{
    probes::Place,
    uprobe_programs::{UprobeError, UprobePrograms, address, blank, bpf, length},
};

/// The program by which it is tried whether the kernel has such links.
const TRIED: &str = "tls_free";

/// The uprobe programs of the object, each loaded on first use.
pub struct MultiPrograms {
    programs: UprobePrograms,
    loaded: HashMap<String, OwnedFd>,
}

impl MultiPrograms {
    /// Prepares the uprobe programs of an object whose maps are those of `ebpf`, none of them taken out yet.
    ///
    /// # Errors
    /// When the kernel has no such links, or takes no program for them.
    pub fn new(object: &[u8], ebpf: &Ebpf) -> Result<Self, UprobeError> {
        let mut prepared = Self {
            programs: UprobePrograms::new(object, ebpf)?,
            loaded: HashMap::new(),
        };
        prepared.try_out()?;
        Ok(prepared)
    }

    /// Attaches a program to places of a file, which share one link.
    ///
    /// # Errors
    /// When the kernel takes the program or one of the places not; then none is attached.
    pub fn attach(&mut self, name: &str, path: &Path, places: &[Place]) -> Result<OwnedFd, UprobeError> {
        if !self.loaded.contains_key(name) {
            let program = self.programs.load(name, BPF_TRACE_UPROBE_MULTI as u32)?;
            self.loaded.insert(name.to_owned(), program);
        }
        let program = &self.loaded[name];
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| UprobeError::Path)?;
        link(program, &path, places, self.programs.returns(name)?).map_err(UprobeError::Link)
    }

    /// The loaded programs.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.loaded.values().map(|program| program.as_raw_fd())
    }

    /// A probe in a folder: EBADF says that the kernel knows such links, and got as far as looking at the file
    /// (`bpf_uprobe_multi_link_attach`). Other kernels have never heard of the attach type.
    fn try_out(&mut self) -> Result<(), UprobeError> {
        let place = Place { offset: 0, cookie: 0 };
        match self.attach(TRIED, Path::new("/"), &[place]) {
            Err(UprobeError::Link(error)) if error.raw_os_error() == Some(libc::EBADF) => Ok(()),
            Err(UprobeError::Link(_)) | Ok(_) => Err(UprobeError::Unsupported),
            Err(error) => Err(error),
        }
    }
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
