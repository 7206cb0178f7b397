//! The scope maps: which processes and cgroups the kernel programs look at.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use auditor_common::scope::{NAME_BYTES, PATH_BYTES, mark, reach};
use aya::maps::MapError;
use thiserror::Error;

use super::load::Maps;

#[derive(Debug, Error)]
pub enum ScopeError {
    #[error("there is no process {0}; check the pid (`ps -p {0}`)")]
    NoProcess(u32),
    #[error("there is no cgroup at {path}: {source}; give a path under the cgroup v2 mount")]
    NoCgroup { path: String, source: io::Error },
    #[error("{0} is not a cgroup v2 directory (it has no cgroup.procs)")]
    NotACgroup(String),
    #[error("cgroup v2 is not mounted, so a scope by cgroup or container is not possible on this host")]
    NoCgroup2,
    #[error("no cgroup of a container {0} on this host; is it running?")]
    NoContainer(String),
    #[error("the scope map is full: {0}")]
    Full(MapError),
}

impl Maps {
    /// Watches one process (its future children follow by themselves).
    ///
    /// # Errors
    /// When the map is full.
    pub fn watch_process(&mut self, tgid: u32) -> Result<(), ScopeError> {
        self.tgids.insert(tgid, mark::NAMED, 0).map_err(ScopeError::Full)
    }

    /// Entries in the map of watched processes.
    pub fn watched_processes(&self) -> u64 {
        self.tgids.keys().filter(Result::is_ok).count() as u64
    }

    /// Every process in the map of watched processes.
    pub fn watched(&self) -> Vec<u32> {
        self.tgids.keys().filter_map(Result::ok).collect()
    }

    /// Watches a running process and all its descendants.
    ///
    /// # Errors
    /// When there is no such process or the map is full.
    pub fn watch_tree(&mut self, tgid: u32) -> Result<Vec<u32>, ScopeError> {
        if !Path::new(&format!("/proc/{tgid}")).exists() {
            return Err(ScopeError::NoProcess(tgid));
        }
        // The root first: from then on its new children are followed by the kernel, so that only
        // those that exist now have to be listed.
        self.watch_process(tgid)?;
        let tree = descendants(tgid);
        for &process in &tree {
            self.watch_process(process)?;
        }
        Ok(tree)
    }

    /// Watches a cgroup v2 directory and everything below it.
    ///
    /// # Errors
    /// When there is no such cgroup or the map is full.
    pub fn watch_cgroup(&mut self, path: &Path) -> Result<(), ScopeError> {
        let id = cgroup_id(path)?;
        self.cgroups.insert(id, reach::BELOW, 0).map_err(ScopeError::Full)
    }

    /// Watches a process because of what it is. `is_still` looks once more whether it is that: what it becomes from
    /// before that look on makes the kernel side forget it. True when it is watched.
    ///
    /// # Errors
    /// When the map is full.
    pub fn choose_process(
        &mut self,
        tgid: u32,
        by_program: bool,
        is_still: impl FnOnce() -> bool,
    ) -> Result<bool, ScopeError> {
        /// `BPF_EXIST` (uapi/linux/bpf.h): only an entry that is there is changed.
        const EXIST: u64 = 2;
        let mark = if by_program {
            mark::CHOSEN_PROGRAM
        } else {
            mark::CHOSEN
        };
        match self.tgids.get(&tgid, 0) {
            Ok(before) if before == mark::NAMED || before == mark => return Ok(true),
            _ => {}
        }
        self.tgids
            .insert(tgid, mark::CHECKED, 0)
            .map_err(ScopeError::Full)?;
        if !is_still() {
            let _ = self.tgids.remove(&tgid);
            return Ok(false);
        }
        match self.tgids.insert(tgid, mark, EXIST) {
            Ok(()) => Ok(true),
            // It became something else meanwhile, and that will be told.
            Err(MapError::KeyNotFound) => Ok(false),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
                Ok(false)
            }
            Err(error) => Err(ScopeError::Full(error)),
        }
    }

    /// Whether a process is in the map of watched processes and is watched.
    pub fn is_marked(&self, tgid: u32) -> bool {
        self.tgids.get(&tgid, 0).is_ok_and(|mark| mark != mark::CHECKED)
    }

    /// Whether a process is watched because it was named, and not by what it is.
    pub fn is_named(&self, tgid: u32) -> bool {
        self.tgids.get(&tgid, 0).is_ok_and(|mark| mark == mark::NAMED)
    }

    /// No longer watches a process that was chosen.
    pub fn leave_process(&mut self, tgid: u32) {
        if self.tgids.get(&tgid, 0).is_ok_and(|mark| mark != mark::NAMED) {
            let _ = self.tgids.remove(&tgid);
        }
    }

    /// Watches the processes of one cgroup, by its id, and not those of cgroups below it.
    ///
    /// # Errors
    /// When the map is full.
    pub fn choose_cgroup(&mut self, id: u64) -> Result<(), ScopeError> {
        match self.cgroups.get(&id, 0) {
            Ok(_) => Ok(()),
            Err(_) => self.cgroups.insert(id, reach::ALONE, 0).map_err(ScopeError::Full),
        }
    }

    /// No longer watches a cgroup that was chosen.
    pub fn leave_cgroup(&mut self, id: u64) {
        if self.cgroups.get(&id, 0).is_ok_and(|reach| reach == reach::ALONE) {
            let _ = self.cgroups.remove(&id);
        }
    }

    /// The ids of cgroups that were chosen.
    pub fn chosen_cgroups(&self) -> Vec<u64> {
        let all = self.cgroups.iter().filter_map(Result::ok);
        all.filter(|(_, reach)| *reach == reach::ALONE)
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether what a process moves, which is not watched, is counted until that is decided.
    pub fn set_undecided(&mut self, tgid: u32, undecided: bool) {
        // It is counted only as far as there is room.
        let _ = match undecided {
            true => self.undecided.insert(tgid, 1, 0),
            false => self.undecided.remove(&tgid),
        };
    }

    /// Leaves a process out from now on.
    ///
    /// # Errors
    /// When the map is full.
    pub fn exclude(&mut self, tgid: u32) -> Result<(), ScopeError> {
        self.excluded.insert(tgid, 1, 0).map_err(ScopeError::Full)
    }

    /// Leaves out every process that becomes a program of this name, from its exec on.
    ///
    /// # Errors
    /// When the map is full.
    pub fn exclude_name(&mut self, name: &str) -> Result<(), ScopeError> {
        self.excluded_names
            .insert(padded::<NAME_BYTES>(name), 1, 0)
            .map_err(ScopeError::Full)
    }

    /// The same for a program that is run by this path. One by another name of the file is left out
    /// as soon as the daemon has seen it.
    ///
    /// # Errors
    /// When the map is full.
    pub fn exclude_path(&mut self, path: &str) -> Result<(), ScopeError> {
        self.excluded_paths
            .insert(padded::<PATH_BYTES>(path), 1, 0)
            .map_err(ScopeError::Full)
    }

    /// Processes that are left out.
    pub fn excluded(&self) -> Vec<u32> {
        self.excluded.keys().filter_map(Result::ok).collect()
    }

    /// No longer leaves a process out.
    pub fn include(&mut self, tgid: u32) {
        let _ = self.excluded.remove(&tgid);
    }

    /// No longer leaves out what becomes a program of this name.
    pub fn include_name(&mut self, name: &str) {
        let _ = self.excluded_names.remove(&padded::<NAME_BYTES>(name));
    }

    /// The same for a program that is run by this path.
    pub fn include_path(&mut self, path: &str) {
        let _ = self.excluded_paths.remove(&padded::<PATH_BYTES>(path));
    }
}

/// A text as the kernel keeps it: as many bytes as there is room for, and zeros.
fn padded<const ROOM: usize>(text: &str) -> [u8; ROOM] {
    let mut kept = [0; ROOM];
    for (to, from) in kept.iter_mut().zip(text.bytes().take(ROOM - 1)) {
        *to = from;
    }
    kept
}

/// The id `bpf_get_current_cgroup_id` gives for a cgroup directory: its inode number.
///
/// # Errors
/// When the path is not a cgroup v2 directory.
pub fn cgroup_id(path: &Path) -> Result<u64, ScopeError> {
    let meta = fs::metadata(path).map_err(|source| ScopeError::NoCgroup {
        path: path.display().to_string(),
        source,
    })?;
    if !path.join("cgroup.procs").exists() {
        return Err(ScopeError::NotACgroup(path.display().to_string()));
    }
    Ok(meta.ino())
}

/// Where cgroup v2 is mounted: `/sys/fs/cgroup`, or beside v1 on a hybrid host.
pub fn cgroup2_mount() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    })
}

/// Where cgroup v2 is mounted, if the paths in `/proc/PID/cgroup` are below it and nothing is in a cgroup of v1.
pub fn unified_mount() -> Option<PathBuf> {
    /// `PROC_CGROUP_INIT_INO` (include/linux/proc_ns.h).
    const FIRST: &str = "cgroup:[4026531835]";
    let is_the_hosts = fs::read_link("/proc/self/ns/cgroup").is_ok_and(|link| link == Path::new(FIRST));
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let has_first = mounts
        .lines()
        .any(|line| line.split(' ').nth(2) == Some("cgroup"));
    (is_the_hosts && !has_first).then(cgroup2_mount).flatten()
}

/// Turns what a user wrote into a cgroup directory: an absolute path, or one below the mount.
///
/// # Errors
/// When it is not there.
pub fn find_cgroup(given: &str) -> Result<PathBuf, ScopeError> {
    let mount = cgroup2_mount().ok_or(ScopeError::NoCgroup2)?;
    let path = Path::new(given);
    let path = if path.starts_with(&mount) {
        path.to_owned()
    } else {
        mount.join(given.trim_start_matches('/'))
    };
    cgroup_id(&path)?;
    Ok(path)
}

/// Finds the cgroup of a container by (a prefix of at least 12 digits of) its id.
///
/// # Errors
/// When no cgroup name contains it.
pub fn find_container(id: &str) -> Result<PathBuf, ScopeError> {
    const DEEPEST: usize = 12;
    let mount = cgroup2_mount().ok_or(ScopeError::NoCgroup2)?;
    let missing = || ScopeError::NoContainer(id.to_owned());
    if id.len() < 12 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(missing());
    }
    let mut queue = vec![(mount, 0)];
    while let Some((directory, depth)) = queue.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.contains(id) && !name.starts_with("crio-conmon-") {
                return Ok(entry.path());
            }
            if depth < DEEPEST {
                queue.push((entry.path(), depth + 1));
            }
        }
    }
    Err(missing())
}

/// Processes in a cgroup and below.
pub fn cgroup_processes(path: &Path) -> Vec<u32> {
    let mut processes = Vec::new();
    let mut queue = vec![path.to_owned()];
    while let Some(directory) = queue.pop() {
        if let Ok(text) = fs::read_to_string(directory.join("cgroup.procs")) {
            processes.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
        if let Ok(entries) = fs::read_dir(&directory) {
            queue.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                    .map(|entry| entry.path()),
            );
        }
    }
    processes
}

/// All processes on the host.
pub fn all_processes() -> Vec<u32> {
    fs::read_dir("/proc").map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .collect()
        },
    )
}

/// The process and everything that descends from it, by parent pids.
fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all_processes()
        .into_iter()
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut tree = vec![root];
    let mut next = 0;
    while next < tree.len() {
        let current = tree[next];
        tree.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == current)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    tree
}

/// Field 4 of `/proc/PID/stat` (proc(5)); the name before it may contain anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..]
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_contain_the_process_itself_and_its_children() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let tree = descendants(std::process::id());
        assert!(tree.contains(&std::process::id()) && tree.contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_long_name_is_kept_as_the_kernel_keeps_it() {
        assert_eq!(&padded::<NAME_BYTES>("curl"), b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(
            &padded::<NAME_BYTES>("a-program-with-a-long-name"),
            b"a-program-with-\0"
        );
    }

    #[test]
    fn a_container_id_that_is_too_short_or_not_hex_is_refused() {
        for id in ["", "abc", "../../../../etc", "zzzzzzzzzzzzzzzz"] {
            assert!(find_container(id).is_err(), "{id}");
        }
    }
}
