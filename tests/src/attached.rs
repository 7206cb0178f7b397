//! What is attached, as the kernel and the memory of the targets have it. auditor itself is not asked.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use aya::programs::{loaded_links, loaded_programs};

/// The instruction that stands where a probe is (`int3`).
const BREAKPOINT: u8 = 0xcc;

/// Links and programs of one process, by the kernel's numbers, which are not given again for a long time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub links: BTreeSet<u32>,
    pub programs: BTreeSet<u32>,
}

impl Held {
    /// What a running process has open. Links and programs of others never get in here.
    ///
    /// # Errors
    /// When its descriptors cannot be read, or the kernel does not list what it holds: then a list without them
    /// would prove nothing later.
    pub fn by(pid: u32) -> anyhow::Result<Self> {
        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            // A descriptor may have been closed meanwhile.
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim().parse::<u32>().ok()
            };
            held.links.extend(number("link_id:"));
            held.programs.extend(number("prog_id:"));
        }
        ensure!(
            held.left() == held,
            "the kernel does not list what {pid} holds: {held:?}"
        );
        Ok(held)
    }

    /// Those of them that exist.
    pub fn left(&self) -> Self {
        // What goes away while it is listed is an error there, and gone.
        let links = loaded_links().flatten().map(|link| link.id());
        let programs = loaded_programs().flatten().map(|program| program.id());
        Self {
            links: links.filter(|id| self.links.contains(id)).collect(),
            programs: programs.filter(|id| self.programs.contains(id)).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.programs.is_empty()
    }
}

/// Addresses at which a process runs a breakpoint where the file below `folder` has something else. Only files of the
/// test itself are looked at: others may have probes in files that everybody uses.
///
/// # Errors
/// When its memory cannot be read, or differs from the file in something else.
pub fn breakpoints(pid: u32, folder: &Path) -> anyhow::Result<Vec<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = fs::File::open(format!("/proc/{pid}/mem"))?;
    let mut found = Vec::new();
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [range, rights, offset, _, _, path] = fields[..] else {
            continue;
        };
        if !rights.contains('x') || !Path::new(path).starts_with(folder) {
            continue;
        }
        let number = |text: &str| u64::from_str_radix(text, 16);
        let (start, end) = range.split_once('-').context("a range")?;
        let (start, end, offset) = (number(start)?, number(end)?, number(offset)?);
        let mut mapped = vec![0; usize::try_from(end - start)?];
        memory.read_exact_at(&mut mapped, start)?;
        // The last page may go on behind the end of the file.
        let mut stored = vec![0; mapped.len()];
        let read = fs::File::open(PathBuf::from(path))?.read_at(&mut stored, offset)?;
        for (at, (is, was)) in (start..).zip(mapped[..read].iter().zip(&stored)) {
            if is != was {
                ensure!(
                    *is == BREAKPOINT,
                    "{path} has {is:#x} at {at:#x} instead of {was:#x}"
                );
                found.push(at);
            }
        }
    }
    Ok(found)
}
