//! Attaching TLS programs to files: once per (device, inode), whoever maps it.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use auditor_common::{
    go::{GoPoint, MAX_POINTS, POINT_WORDS},
    tls::{AttachCookie, Shape},
};
use aya::maps::{Array, MapError};

pub use super::file::FileId;
use super::{
    load::{Kernel, error_chain},
    object::Object,
    probes::{self, Link, Place},
    search::Found,
    tls::{self, AeadCall, Probe, RustlsCall, Target},
    trial::{self, Verdict},
};

/// One hooked function, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooked {
    /// [`tls::Library::name`].
    pub library: &'static str,
    /// The file, as its container sees it.
    pub path: String,
    pub function: String,
    /// The instruction the probe replaced.
    pub instruction: String,
    /// Kind of probe, and whether the kernel emulates the instruction.
    pub method: &'static str,
}

/// What came of looking at a file.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// These functions are hooked.
    Attached(Vec<Hooked>),
    /// The file holds none of the libraries.
    NothingToHook,
    /// The reason it could not be hooked.
    Failed(String),
}

/// TLS programs that look at the end of a call. They are taken out first: a call whose beginning nobody saw would
/// count as lost.
const CALL_ENDS: [&str; 4] = ["tls_exit", "go_written", "rustls_written", "aead_opened"];

/// Links with the name of their program.
type Links = Vec<(&'static str, Link)>;
/// Places of one file by program, in the order in which they are attached.
type Places = Vec<(&'static str, Vec<Place>)>;

/// A file that was looked at and is remembered.
struct Attachment {
    outcome: Outcome,
    links: Links,
    /// It stays hooked without users.
    ahead: bool,
    /// When it was first seen without users.
    unused: Option<Instant>,
}

/// Remembers every file that was looked at.
#[derive(Default)]
pub struct Attachments {
    files: HashMap<FileId, Attachment>,
    /// Entries of `GO_POINTS` in use.
    go_points: u32,
    /// Made when the first return probe is needed.
    return_probes: Option<Verdict>,
}

impl Attachments {
    /// Hooks what was found in a file, unless something was before.
    ///
    /// Returns the outcome when it is new.
    pub fn attach(&mut self, kernel: &mut Kernel, found: &Found) -> Option<Outcome> {
        if let Some(file) = self.files.get_mut(&found.id) {
            file.ahead |= found.why.ahead;
            return None;
        }
        let mut links = Vec::new();
        let outcome = match &found.targets {
            Ok(targets) if targets.is_empty() => return Some(Outcome::NothingToHook),
            Ok(targets) => self
                .try_attach(kernel, found, targets, &mut links)
                .map_or_else(Outcome::Failed, Outcome::Attached),
            // Anything may be mapped; only what bears a library's name is worth a word.
            Err(_) if !is_named_like_a_library(&found.path) => return Some(Outcome::NothingToHook),
            Err(error) => Outcome::Failed(error.clone()),
        };
        let file = Attachment {
            outcome: outcome.clone(),
            links,
            ahead: found.why.ahead,
            unused: None,
        };
        self.files.insert(found.id, file);
        Some(outcome)
    }

    /// Takes the probes out of files that nobody in scope has had mapped for `after`. Returns these
    /// files, which are forgotten.
    pub fn detach_unused(&mut self, used: &HashSet<FileId>, after: Duration) -> Vec<FileId> {
        let now = Instant::now();
        let mut gone = Vec::new();
        for (id, file) in &mut self.files {
            if file.ahead || used.contains(id) {
                file.unused = None;
            } else if now.duration_since(*file.unused.get_or_insert(now)) >= after {
                gone.push(*id);
            }
        }
        let files = gone.iter().filter_map(|id| self.files.remove(id));
        take_out(files.flat_map(|file| file.links).collect());
        gone
    }

    /// Takes out every probe; calls that are under way return unseen.
    pub fn detach(self) {
        take_out(self.files.into_values().flat_map(|file| file.links).collect());
    }

    /// Every hooked function so far.
    pub fn functions(&self) -> Vec<Hooked> {
        let mut functions: Vec<Hooked> = self
            .files
            .values()
            .filter_map(|file| match &file.outcome {
                Outcome::Attached(functions) => Some(functions.clone()),
                Outcome::NothingToHook | Outcome::Failed(_) => None,
            })
            .flatten()
            .collect();
        functions.sort_by(|a, b| (&a.path, &a.function).cmp(&(&b.path, &b.function)));
        functions
    }

    fn try_attach(
        &mut self,
        kernel: &mut Kernel,
        found: &Found,
        targets: &[Target],
        links: &mut Links,
    ) -> Result<Vec<Hooked>, String> {
        let path = &found.path;
        let is_aead = |target: &Target| matches!(target.probe, Probe::Aead(_));
        if kernel.object == Object::Reduced && targets.iter().any(is_aead) {
            return Err("rustls without symbols is not read on kernels before 5.17".to_owned());
        }
        if targets.iter().any(|target| target.probe.returns()) {
            self.require_return_probes(kernel)?;
        }
        let failed = |what: &str, error: &dyn std::error::Error| {
            format!("{what} in {}: {}", path.display(), error_chain(error))
        };
        let mut functions = Vec::new();
        let mut all = Places::new();
        for target in targets {
            self.add_places(kernel, target, &mut all)
                .map_err(|error| failed(&target.function, &error))?;
            functions.push(Hooked {
                library: target.library.name(),
                path: shown(path),
                function: target.function.clone(),
                instruction: target.point.instruction.clone(),
                method: method(target),
            });
        }
        for (name, places) in all {
            let attached = kernel
                .probes
                .attach(&mut kernel.ebpf, name, &found.open_path(), &places)
                .map_err(|error| failed(name, &error))?;
            links.extend(attached.into_iter().map(|link| (name, link)));
        }
        Ok(functions)
    }

    /// Return probes are used only where they are known to hurt nobody.
    fn require_return_probes(&mut self, kernel: &mut Kernel) -> Result<(), String> {
        self.try_return_probes(kernel);
        match &self.return_probes {
            Some(Verdict::Unsafe(why)) => Err(why.clone()),
            Some(Verdict::Safe) | None => Ok(()),
        }
    }

    /// Tries once, with a child process, whether return probes hurt anybody here.
    pub fn try_return_probes(&mut self, kernel: &mut Kernel) {
        if self.return_probes.is_none() {
            let Kernel { probes, ebpf, .. } = kernel;
            let verdict = trial::return_probes(|path, place| probes.attach(ebpf, "tls_exit", path, &[place]));
            self.return_probes = Some(verdict);
        }
    }

    /// Adds the places that a function needs probes at.
    fn add_places(&mut self, kernel: &mut Kernel, target: &Target, all: &mut Places) -> Result<(), MapError> {
        let library = target.library as u8;
        let delta = target.point.stack_delta;
        // The end of a call first: one that is entered between the two is not half seen.
        let (cookie, programs): (_, &[&'static str]) = match target.probe {
            Probe::Call { ingress, shape } => (
                AttachCookie::new(library, ingress, shape, delta),
                &["tls_exit", "tls_enter"],
            ),
            Probe::Free => (
                AttachCookie::new(library, false, Shape::ReturnsCount, 0),
                &["tls_free"],
            ),
            Probe::Rustls { call, identity } => {
                let (ingress, programs): (_, &[&'static str]) = match call {
                    RustlsCall::Begin => (false, &["rustls_begin"]),
                    RustlsCall::Write => (false, &["rustls_written", "rustls_write"]),
                    RustlsCall::Read => (true, &["rustls_read"]),
                };
                let cookie = AttachCookie::new(library, ingress, Shape::ReturnsSize, delta);
                let cookie = identity.map_or(cookie, |offset| cookie.identified_at(offset));
                (cookie, programs)
            }
            Probe::Aead(call) => {
                let (ingress, shape, programs): (_, _, &[&'static str]) = match call {
                    AeadCall::Begin => (false, Shape::ReturnsCount, &["aead_begin"]),
                    AeadCall::Seal => (false, Shape::Seal, &["aead_seal"]),
                    AeadCall::SealScatter => (false, Shape::SealScatter, &["aead_seal"]),
                    AeadCall::Open => (true, Shape::ReturnsCount, &["aead_opened", "aead_open"]),
                };
                (AttachCookie::new(library, ingress, shape, delta), programs)
            }
            Probe::Go { program, place } => {
                let index = self.go_point(kernel, place)?;
                (AttachCookie::of_point(library, index), &[program.name()])
            }
        };
        let place = Place {
            offset: target.file_offset + target.point.offset,
            cookie: cookie.0,
        };
        for name in programs {
            match all.iter_mut().find(|(other, _)| other == name) {
                Some((_, places)) => places.push(place),
                None => all.push((name, vec![place])),
            }
        }
        Ok(())
    }

    /// Gives a point of a Go program an entry of the kernel's map.
    fn go_point(&mut self, kernel: &mut Kernel, place: GoPoint) -> Result<u32, MapError> {
        let name = "GO_POINTS";
        let map = kernel.ebpf.map_mut(name).ok_or_else(|| MapError::InvalidName {
            name: name.to_owned(),
        })?;
        let index = self.go_points;
        if index >= MAX_POINTS {
            return Err(MapError::OutOfBounds {
                index,
                max_entries: MAX_POINTS,
            });
        }
        Array::<_, [u64; POINT_WORDS]>::try_from(map)?.set(index, place.words(), 0)?;
        self.go_points += 1;
        Ok(index)
    }
}

fn take_out(links: Links) {
    let (ends, others): (Links, Links) = links.into_iter().partition(|(name, _)| CALL_ENDS.contains(name));
    for links in [ends, others] {
        probes::close(links.into_iter().map(|(_, link)| link).collect());
    }
}

fn method(target: &Target) -> &'static str {
    match (target.probe, target.point.emulated) {
        (Probe::Go { .. }, true) => "instruction, emulated",
        (Probe::Go { .. }, false) => "instruction, single-stepped",
        (probe, true) if probe.returns() => "entry+return, emulated",
        (probe, false) if probe.returns() => "entry+return, single-stepped",
        (_, true) => "entry, emulated",
        (_, false) => "entry, single-stepped",
    }
}

fn is_named_like_a_library(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| tls::is_library_file(&name.to_string_lossy()))
}

/// The path as its container sees it.
fn shown(path: &Path) -> String {
    let text = if path.components().any(|part| part.as_os_str() == "map_files") {
        // Behind chroot(2), or gone from where it was.
        let target = std::fs::read_link(path).unwrap_or_else(|_| path.to_owned());
        target.display().to_string()
    } else {
        path.display().to_string()
    };
    match text
        .strip_prefix("/proc/")
        .and_then(|rest| rest.split_once("/root/"))
    {
        Some((_, inside)) => format!("/{inside}"),
        None => text,
    }
}

/// TLS libraries of the host itself: hooked before a program that is only about to load them.
pub fn host_libraries() -> Vec<PathBuf> {
    const DIRECTORIES: [&str; 7] = [
        "/usr/lib/x86_64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/lib64",
        "/usr/lib",
        "/usr/local/lib",
    ];
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if tls::is_library_file(&name) {
                found.push(entry.path());
            }
        }
    }
    found
}
