//! Which compiler builds the kernel programs.
//!
//! In: what rustup, rustc and PATH answer. Out: a [`Toolchain`], or the one sentence that says what is missing.
//! Never installs, never prints. Shared by `auditor/build.rs` and `cargo xtask`, so both always agree; std only.

use std::{
    env,
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Name under which `cargo xtask setup` links Debian's compiler into rustup.
pub(crate) const LINKED_NAME: &str = "ebpf";

/// The target whose `core` is needed; big-endian hosts are not supported.
const TARGET: &str = "bpfel-unknown-none";

/// A compiler that can build for BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// A rustup toolchain that has a ready-made `core` for BPF (Debian's rustc-web, linked as `ebpf`).
    Linked,
    /// rustup's nightly with rust-src, from which `core` is built (`-Z build-std`).
    Nightly,
    /// There is no rustup, and the compiler on PATH has a ready-made `core` for BPF.
    Current,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linked => "rustup toolchain `ebpf` (ready-made core for BPF)",
            Self::Nightly => "rustup nightly with rust-src",
            Self::Current => "rustc on PATH (ready-made core for BPF)",
        })
    }
}

/// What this machine has of the things an eBPF build needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// `rustup` is on PATH.
    pub(crate) rustup: bool,
    /// The rustup toolchain `ebpf` has `core` for BPF.
    pub(crate) linked_core: bool,
    /// rustup has a nightly.
    pub(crate) nightly: bool,
    /// That nightly has rust-src.
    pub(crate) nightly_source: bool,
    /// The compiler on PATH has `core` for BPF.
    pub(crate) current_core: bool,
    /// `bpf-linker` is on PATH and answers `--version`.
    pub(crate) linker: bool,
}

impl Found {
    /// Looks at this machine; takes some tens of milliseconds.
    pub(crate) fn on_this_machine() -> Self {
        let rustup = on_path("rustup").is_some();
        let nightly = if rustup { sysroot(Some("nightly")) } else { None };
        Self {
            rustup,
            linked_core: rustup && sysroot(Some(LINKED_NAME)).is_some_and(|root| has_core(&root)),
            nightly_source: nightly.as_ref().is_some_and(|root| has_source(root)),
            nightly: nightly.is_some(),
            current_core: !rustup && sysroot(None).is_some_and(|root| has_core(&root)),
            linker: succeeds("bpf-linker"),
        }
    }

    /// Chooses the compiler: one with a ready-made `core` first, for it needs no unstable cargo.
    ///
    /// # Errors
    /// One sentence that names everything that is missing and what installs it.
    pub(crate) fn choose(&self) -> Result<Toolchain, String> {
        let compiler = if self.linked_core {
            Some(Toolchain::Linked)
        } else if self.nightly_source {
            Some(Toolchain::Nightly)
        } else if self.current_core {
            Some(Toolchain::Current)
        } else {
            None
        };
        match compiler {
            Some(toolchain) if self.linker => Ok(toolchain),
            _ => Err(self.explain(compiler.is_some())),
        }
    }

    fn explain(&self, compiler: bool) -> String {
        let mut missing = Vec::new();
        if !compiler {
            missing.push(match (self.rustup, self.nightly) {
                (false, _) => {
                    "a compiler for BPF (rustup is not on PATH, and the rustc there has no core for bpfel-unknown-none)"
                }
                (true, true) => {
                    "a compiler for BPF (no rustup toolchain `ebpf`, and the nightly has no rust-src component)"
                }
                (true, false) => "a compiler for BPF (neither a rustup toolchain `ebpf` nor a nightly with rust-src)",
            });
        }
        if !self.linker {
            missing.push("bpf-linker (not on PATH)");
        }
        format!(
            "the kernel programs can not be built: missing {}; run `cargo xtask setup` to install what is missing, \
             or set AUDITOR_EBPF_OBJECT to a prebuilt object",
            missing.join(" and ")
        )
    }
}

/// First file called `name` in PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn succeeds(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The sysroot of a rustup toolchain, or of the rustc on PATH.
fn sysroot(toolchain: Option<&str>) -> Option<PathBuf> {
    let mut command = match toolchain {
        Some(name) => {
            let mut command = Command::new("rustup");
            command.args(["run", name, "rustc"]);
            command
        }
        None => Command::new("rustc"),
    };
    let output = command
        .args(["--print", "sysroot"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let root = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !root.trim().is_empty()).then(|| PathBuf::from(root.trim()))
}

fn has_core(sysroot: &Path) -> bool {
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::read_dir(libraries).is_ok_and(|entries| entries.flatten().any(|entry| is_core(&entry.file_name())))
}

fn is_core(file: &OsStr) -> bool {
    let name = file.to_string_lossy();
    name.starts_with("libcore-") && name.ends_with(".rlib")
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_made_core_is_preferred_to_building_one() {
        let rustup = Found {
            rustup: true,
            linker: true,
            ..Found::default()
        };
        let nightly = Found {
            nightly: true,
            nightly_source: true,
            ..rustup.clone()
        };
        let both = Found {
            linked_core: true,
            ..nightly.clone()
        };
        let debian = Found {
            current_core: true,
            linker: true,
            ..Found::default()
        };
        assert_eq!(both.choose(), Ok(Toolchain::Linked));
        assert_eq!(nightly.choose(), Ok(Toolchain::Nightly));
        assert_eq!(debian.choose(), Ok(Toolchain::Current));
    }

    #[test]
    fn one_sentence_names_all_that_is_missing() {
        let complete = Found {
            rustup: true,
            linked_core: true,
            linker: true,
            ..Found::default()
        };
        for (found, parts) in [
            (
                Found {
                    linker: false,
                    ..complete.clone()
                },
                &["missing bpf-linker"][..],
            ),
            (
                Found {
                    linked_core: false,
                    nightly: true,
                    ..complete.clone()
                },
                &["no rust-src component"],
            ),
            (
                Found {
                    linked_core: false,
                    ..complete
                },
                &["neither a rustup toolchain `ebpf` nor a nightly"],
            ),
            (
                Found::default(),
                &["rustup is not on PATH", " and bpf-linker", "AUDITOR_EBPF_OBJECT"],
            ),
        ] {
            let message = found.choose().expect_err("something is missing");
            assert!(message.contains("cargo xtask setup"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            for part in parts {
                assert!(message.contains(part), "{part} not in {message}");
            }
        }
    }
}
