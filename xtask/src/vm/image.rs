//! The virtual machine's root file system, a tree of files of this machine written as one cpio archive.
//!
//! In: programs, Python modules, single files. Out: an archive. All of it is a copy of what the native tests run with.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::BufWriter,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::{closure, cpio::Archive};
use crate::process;

/// Peers and tools the scenarios may run.
const PROGRAMS: &[&str] = &["python3", "openssl", "curl", "nginx", "sh"];

/// Python modules the scenarios may import.
const PYTHON_MODULES: &[&str] = &[
    "array",
    "codecs",
    "ctypes",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "gzip",
    "http.client",
    "http.server",
    "json",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
];

/// Files that programs look for, taken from this machine where it has them.
const FILES: &[&str] = &["/usr/lib/ssl/openssl.cnf", "/etc/protocols", "/etc/services"];

/// Files written here: the machine's own have no place in the guest.
const WRITTEN: &[(&str, &str)] = &[
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n"),
    (
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\n",
    ),
];

const DIRECTORIES: &[&str] = &[
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/root",
    "/tmp",
    "/var/lib/nginx",
    "/var/lib/auditor",
    "/var/log/nginx",
];

/// What a path of the guest is.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    Symlink(String),
    Copy(PathBuf),
    Text(&'static str),
}

/// Paths of the guest, sorted, so that every directory comes before what is in it.
#[derive(Default)]
pub(super) struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Tree {
    /// Everything but the binaries of this repository.
    ///
    /// # Errors
    /// When a program, a library or a module is missing on this machine.
    pub(super) fn base() -> anyhow::Result<Self> {
        let mut tree = Self::default();
        for directory in DIRECTORIES {
            tree.add_directory(Path::new(directory));
        }
        tree.add_merged_folders();
        let mut elf = Vec::new();
        for name in PROGRAMS {
            elf.push(program(name)?);
        }
        let python = closure::python_modules(&program("python3")?, PYTHON_MODULES)?;
        elf.extend(
            python
                .iter()
                .filter(|path| path.extension().is_some_and(|e| e == "so"))
                .cloned(),
        );
        for path in closure::libraries(&elf)?.iter().chain(&elf).chain(&python) {
            tree.add(path)?;
        }
        for file in FILES.iter().map(Path::new).filter(|file| file.exists()) {
            tree.add(file)?;
        }
        for (path, text) in WRITTEN {
            tree.insert(Path::new(path), Entry::Text(text));
        }
        Ok(tree)
    }

    /// Adds a binary of this repository under another path, with the libraries it needs.
    ///
    /// # Errors
    /// When a library is missing.
    pub(super) fn add_binary(&mut self, source: &Path, path: &str) -> anyhow::Result<()> {
        for library in closure::libraries(&[source.to_owned()])? {
            self.add(&library)?;
        }
        self.insert(Path::new(path), Entry::Copy(source.to_owned()));
        Ok(())
    }

    /// Adds a file under its own path; a symbolic link brings what it points to.
    fn add(&mut self, path: &Path) -> anyhow::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            bail!("{} is no file", path.display());
        };
        // Links among the folders are resolved, so that the guest needs only those of add_merged_folders.
        let parent = parent
            .canonicalize()
            .with_context(|| format!("no folder {}", parent.display()))?;
        let real = parent.join(name);
        if self.entries.contains_key(&real) {
            return Ok(());
        }
        let about = fs::symlink_metadata(&real).with_context(|| format!("no file {}", real.display()))?;
        if !about.is_symlink() {
            self.insert(&real, Entry::Copy(real.clone()));
            return Ok(());
        }
        let target = fs::read_link(&real)?;
        self.insert(&real, Entry::Symlink(target.to_string_lossy().into_owned()));
        self.add(&parent.join(target))
    }

    /// `/bin`, `/lib` and the like, where they are links into /usr.
    fn add_merged_folders(&mut self) {
        for folder in ["/bin", "/sbin", "/lib", "/lib64"] {
            if let Ok(target) = fs::read_link(folder) {
                let target = Path::new("/").join(target);
                self.add_directory(&target);
                self.insert(
                    Path::new(folder),
                    Entry::Symlink(target.to_string_lossy().into_owned()),
                );
            }
        }
    }

    fn add_directory(&mut self, path: &Path) {
        self.insert(path, Entry::Directory);
    }

    fn insert(&mut self, path: &Path, entry: Entry) {
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("/"))
            && !self.entries.contains_key(parent)
        {
            self.add_directory(parent);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When a file can not be read or the archive not be written.
    pub(super) fn write(&self, to: &Path) -> anyhow::Result<()> {
        let file = File::create(to).with_context(|| format!("can not write {}", to.display()))?;
        let mut archive = Archive::new(BufWriter::new(file));
        for (path, entry) in &self.entries {
            let name = path
                .to_str()
                .with_context(|| format!("{} is not UTF-8", path.display()))?;
            match entry {
                Entry::Directory => archive.directory(name)?,
                Entry::Symlink(target) => archive.symlink(name, target)?,
                Entry::Text(text) => archive.file(name, 0o644, 0, text.as_bytes())?,
                Entry::Copy(source) => {
                    let content =
                        fs::read(source).with_context(|| format!("can not read {}", source.display()))?;
                    let about = fs::metadata(source)?;
                    archive.file(name, about.permissions().mode(), modified(&about), &content)?;
                }
            }
            if name == "/dev" {
                // The kernel opens it for /init before anything is mounted.
                archive.device("/dev/console", 5, 1)?;
            }
        }
        archive.finish()?;
        Ok(())
    }
}

/// Python compares a source's time with the one in its byte code, so it has to be kept.
fn modified(about: &Metadata) -> u32 {
    u32::try_from(about.mtime()).unwrap_or(0)
}

/// The system's own program: another in the user's PATH (of pyenv, say) has its libraries elsewhere.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .or_else(|| process::find(name))
        .with_context(|| format!("{name} is missing: run `cargo xtask setup`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_before_what_is_in_them() {
        let mut tree = Tree::default();
        tree.insert(Path::new("/usr/lib/x/libx.so"), Entry::Text("x"));
        tree.insert(Path::new("/usr/bin/x"), Entry::Text("x"));
        let paths: Vec<_> = tree.entries.keys().filter_map(|path| path.to_str()).collect();
        assert_eq!(
            paths,
            [
                "/usr",
                "/usr/bin",
                "/usr/bin/x",
                "/usr/lib",
                "/usr/lib/x",
                "/usr/lib/x/libx.so"
            ]
        );
    }

    #[test]
    fn a_link_brings_what_it_points_to() {
        let folder = std::env::temp_dir().join(format!("xtask-image-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        let folder = folder.canonicalize().expect("it exists");
        fs::write(folder.join("libx.so.1.2"), "x").expect("temporary file");
        std::os::unix::fs::symlink("libx.so.1.2", folder.join("libx.so.1")).expect("temporary link");
        let mut tree = Tree::default();
        tree.add(&folder.join("libx.so.1")).expect("both exist");
        fs::remove_dir_all(&folder).expect("temporary folder");
        assert_eq!(
            tree.entries.get(&folder.join("libx.so.1")),
            Some(&Entry::Symlink("libx.so.1.2".into()))
        );
        let file = folder.join("libx.so.1.2");
        assert_eq!(tree.entries.get(&file), Some(&Entry::Copy(file.clone())));
    }
}
