//! Probes on kernels without attach cookies (they came with 5.15): a program is loaded once for each cookie, which is a
//! constant in its code.
//!
//! Goes in: the reduced eBPF object, and the maps that aya made for it. Comes out: perf events, each a probe until it is
//! closed. The kernel keeps a program as long as a probe runs it.

use std::{
    collections::HashMap,
    ffi::CString,
    fs, io, mem,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use auditor_common::tls::COOKIE_PLACE;
use aya::Ebpf;
use aya_obj::generated::{
    PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF, PERF_FLAG_FD_CLOEXEC, perf_event_attr,
};

use super::{
    probes::Place,
    uprobe_programs::{UprobeError, UprobePrograms},
};

/// Programs that are kept for the next file with the same cookies. Those of libraries are few; each point of a Go program
/// has a cookie of its own.
const KEPT: usize = 64;

/// perf's kind of events that are uprobes.
const PMU: &str = "/sys/bus/event_source/devices/uprobe";

/// The uprobe programs of the object, each loaded when it is first attached with a cookie.
pub struct ConstantPrograms {
    programs: UprobePrograms,
    loaded: HashMap<(String, u64), OwnedFd>,
}

impl ConstantPrograms {
    /// Prepares the uprobe programs of an object whose maps are those of `ebpf`, none of them taken out yet.
    ///
    /// # Errors
    /// When the object is not understood, or the kernel does not take its type information.
    pub fn new(object: &[u8], ebpf: &Ebpf) -> Result<Self, UprobeError> {
        Ok(Self {
            programs: UprobePrograms::new(object, ebpf)?,
            loaded: HashMap::new(),
        })
    }

    /// Attaches a program to a place of a file, for all processes that map it.
    ///
    /// # Errors
    /// When the kernel takes the program or the place not.
    pub fn attach(&mut self, name: &str, path: &Path, place: &Place) -> Result<OwnedFd, UprobeError> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| UprobeError::Path)?;
        let event = event(&path, place.offset, self.programs.returns(name)?).map_err(UprobeError::Link)?;
        let key = (name.to_owned(), place.cookie);
        if let Some(program) = self.loaded.get(&key) {
            run(&event, program).map_err(UprobeError::Link)?;
            return Ok(event);
        }
        let program = match self.programs.load_with(name, COOKIE_PLACE, place.cookie)? {
            Some(program) => program,
            // It does not ask for its cookie.
            None => self.programs.load(name, 0)?,
        };
        run(&event, &program).map_err(UprobeError::Link)?;
        if self.loaded.len() < KEPT {
            self.loaded.insert(key, program);
        }
        Ok(event)
    }

    /// The programs that are kept.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.loaded.values().map(|program| program.as_raw_fd())
    }
}

/// A perf event that is a uprobe (kernel/events/core.c `perf_uprobe`), not enabled yet.
fn event(path: &CString, offset: u64, returns: bool) -> io::Result<OwnedFd> {
    let kind = fs::read_to_string(format!("{PMU}/type"))?;
    // SAFETY: a struct of numbers, for which zero is valid.
    let mut attributes: perf_event_attr = unsafe { mem::zeroed() };
    attributes.size = u32::try_from(size_of::<perf_event_attr>()).map_err(io::Error::other)?;
    attributes.type_ = kind.trim().parse().map_err(io::Error::other)?;
    attributes.config = if returns { 1 << return_bit()? } else { 0 };
    attributes.__bindgen_anon_3.config1 = path.as_ptr() as u64;
    attributes.__bindgen_anon_4.config2 = offset;
    let (every_process, cpu, no_group) = (-1, 0, -1);
    // SAFETY: the attributes and the path in them outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            every_process,
            cpu,
            no_group,
            libc::c_ulong::from(PERF_FLAG_FD_CLOEXEC),
        )
    };
    let descriptor = RawFd::try_from(result).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Has a program run at an event from now on.
fn run(event: &OwnedFd, program: &OwnedFd) -> io::Result<()> {
    for (request, argument) in [
        (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: neither request takes a pointer.
        if unsafe { libc::ioctl(event.as_raw_fd(), request.into(), argument) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The bit that says that a probe is for returns: `config:0`.
fn return_bit() -> io::Result<u32> {
    let format = fs::read_to_string(format!("{PMU}/format/retprobe"))?;
    format
        .trim()
        .strip_prefix("config:")
        .and_then(|bit| bit.parse().ok())
        .filter(|bit| *bit < 64)
        .ok_or_else(|| io::Error::other(format!("{PMU}/format/retprobe is not understood")))
}
