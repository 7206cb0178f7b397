//! Placing probes and taking them out, in the way that this kernel does best.
//!
//! Goes in: a program's name, a file, places in it. Comes out: links, which are probes until they are closed. What is
//! watched, and where, is decided elsewhere.

use std::{
    collections::HashSet,
    os::fd::{OwnedFd, RawFd},
    path::Path,
    thread,
};

use aya::{
    Ebpf,
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};
use thiserror::Error;

use super::{
    object::Object, uprobe_constant::ConstantPrograms, uprobe_multi::MultiPrograms,
    uprobe_programs::UprobeError,
};

/// Most links that are closed at the same time. Each is a thread that waits for the kernel.
const CLOSERS: usize = 16;

/// Where a program is attached, and what it is told about that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the instruction, in the file.
    pub offset: u64,
    pub cookie: u64,
}

/// Probes that are in place until this is closed.
pub enum Link {
    /// All of a program in a file.
    Multi(OwnedFd),
    Single(UProbeLink),
    /// One, of a program that was loaded for it.
    Constant(OwnedFd),
}

#[derive(Debug, Error)]
pub enum ProbeError {
    #[error(transparent)]
    Own(#[from] UprobeError),
    #[error(transparent)]
    Single(#[from] ProgramError),
}

/// The uprobe programs, loaded on first use.
pub enum Probes {
    Multi(MultiPrograms),
    Constant(ConstantPrograms),
    Single {
        loaded: HashSet<&'static str>,
        /// Why not all of a file at once.
        why: String,
    },
}

impl Probes {
    /// Takes the best that this kernel has. The maps of `ebpf`, which was made of `object`, are all still in it.
    pub fn new(object: Object, ebpf: &Ebpf) -> Self {
        let best = match object {
            Object::Full => MultiPrograms::new(object.bytes(), ebpf).map(Self::Multi),
            Object::Reduced => ConstantPrograms::new(object.bytes(), ebpf).map(Self::Constant),
        };
        best.unwrap_or_else(|error| Self::Single {
            loaded: HashSet::new(),
            why: error.to_string(),
        })
    }

    /// Attaches a program to places of a file, for all processes that map it.
    ///
    /// # Errors
    /// When the kernel takes the program or one of the places not; then none stays attached.
    pub fn attach(
        &mut self,
        ebpf: &mut Ebpf,
        name: &'static str,
        path: &Path,
        places: &[Place],
    ) -> Result<Vec<Link>, ProbeError> {
        let loaded = match self {
            Self::Multi(programs) => return Ok(vec![Link::Multi(programs.attach(name, path, places)?)]),
            Self::Constant(programs) => {
                let attach = |place| Ok(Link::Constant(programs.attach(name, path, place)?));
                return places.iter().map(attach).collect();
            }
            Self::Single { loaded, .. } => loaded,
        };
        let program: &mut UProbe = ebpf
            .program_mut(name)
            .ok_or(ProgramError::NotLoaded)?
            .try_into()?;
        if loaded.insert(name) {
            program.load()?;
        }
        let attach = |place: &Place| {
            let point = UProbeAttachPoint {
                location: UProbeAttachLocation::AbsoluteOffset(place.offset),
                cookie: Some(place.cookie),
            };
            let link = program.attach(point, path, UProbeScope::AllProcesses)?;
            Ok(Link::Single(program.take_link(link)?))
        };
        places.iter().map(attach).collect()
    }

    /// Descriptors of the loaded programs that aya does not know.
    pub fn descriptors(&self) -> Vec<RawFd> {
        match self {
            Self::Multi(programs) => programs.descriptors().collect(),
            Self::Constant(programs) => programs.descriptors().collect(),
            Self::Single { .. } => Vec::new(),
        }
    }
}

/// Takes probes out, and returns once the last call of their programs has ended. The kernel lets a link wait for grace
/// periods; those of links that are closed at once are the same ones.
pub fn close(links: Vec<Link>) {
    let each = links.len().div_ceil(CLOSERS).max(1);
    let mut links = links.into_iter();
    thread::scope(|scope| {
        loop {
            let some: Vec<Link> = links.by_ref().take(each).collect();
            if some.is_empty() {
                break;
            }
            // Without a thread they are closed here, one after the other.
            let _ = thread::Builder::new()
                .name("detach".to_owned())
                .spawn_scoped(scope, move || drop(some));
        }
    });
}
