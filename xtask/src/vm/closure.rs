//! What a program needs in order to run elsewhere: its shared libraries (from ldd) and, for Python, its modules.
//!
//! In: paths of this machine. Out: paths of this machine. Copies nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::process;

/// All shared libraries, dynamic loader included, that these ELF files need, directly or not.
///
/// # Errors
/// When ldd fails or a library is not found.
pub(super) fn libraries(files: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    // ldd exits 1 if any of the files is static or a script, and still lists the others.
    let output = process::command("ldd")
        .args(files)
        .output()
        .context("can not start ldd")?;
    parse_ldd(&String::from_utf8_lossy(&output.stdout))
}

/// Lines are `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)`, `NAME => not found`, or headings `FILE:`.
fn parse_ldd(text: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in text.lines().filter(|line| line.starts_with(char::is_whitespace)) {
        let line = line.trim();
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        if path == "not found" {
            bail!("ldd: {line}: install the package that brings it");
        }
        let path = path.split_once(" (0x").map_or(path, |(path, _)| path);
        // Without a slash it is the kernel's own linux-vdso.so.1, or a remark.
        if path.starts_with('/') && !libraries.iter().any(|known| known == Path::new(path)) {
            libraries.push(PathBuf::from(path));
        }
    }
    Ok(libraries)
}

/// Prints every file that importing these modules reads: source, byte code and native module.
const LIST_MODULES: &str = "
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    for path in (getattr(module, '__file__', None), getattr(module, '__cached__', None)):
        if path and path.startswith('/'):
            print(path)
";

/// The files of Python modules and of everything they import.
///
/// # Errors
/// When Python has not one of the modules.
pub(super) fn python_modules(python: &Path, modules: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let listing = process::output(process::command(python).args(["-c", LIST_MODULES]).args(modules))?;
    Ok(listing
        .lines()
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_taken_once_and_the_kernels_own_is_not() {
        let text = "/usr/bin/a:\n\
                    \tlinux-vdso.so.1 (0x00007ffd1a9f2000)\n\
                    \tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f0a7a000000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f0a7a5b0000)\n\
                    /usr/bin/b:\n\
                    \tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f0a7a000000)\n\
                    /usr/bin/c:\n\
                    \tstatically linked\n\
                    /usr/bin/d:\n\
                    \tnot a dynamic executable\n";
        let expected =
            ["/lib/x86_64-linux-gnu/libssl.so.3", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_ldd(text).expect("all are found"), expected);
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let error = parse_ldd("\tlibfoo.so.1 => not found\n").expect_err("it is missing");
        assert!(error.to_string().contains("libfoo.so.1"), "{error}");
    }
}
