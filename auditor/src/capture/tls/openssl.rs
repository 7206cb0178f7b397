//! OpenSSL 1.1.1 and later.
//!
//! `SSL_read` and `SSL_read_ex` both end in one internal function, and so do the writers: hooking
//! that pair covers every variant with two functions, and both begin with a `push`, which the
//! kernel emulates (ssl/ssl_lib.c). Where the internal function can not be told, the exported ones
//! are hooked, the `_ex` forms included: some programs (Python) use nothing else. `SSL_peek` is
//! never hooked: its bytes come again.

use std::collections::HashMap;

use auditor_common::tls::Shape;

use super::{Probe, Target};
use crate::capture::elf::{
    Elf, ElfError, Function, call_targets, entry_point, first_instruction, shifts_fourth_argument,
};

const NAMES: [&str; 6] = [
    "SSL_read",
    "SSL_read_ex",
    "SSL_write",
    "SSL_write_ex",
    "SSL_write_ex2",
    "SSL_free",
];

/// What to hook in a libssl (or a program that contains one and kept its symbols).
pub(super) fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    let functions = elf.functions(&NAMES)?;
    if !functions.contains_key("SSL_read") || !functions.contains_key("SSL_write") {
        return Ok(Vec::new());
    }
    let mut targets = Vec::new();
    match internal_pair(elf, &functions)? {
        Some([read, write]) => {
            targets.extend(call(elf, "ssl_read_internal", read.function, true, read.shape)?);
            targets.extend(call(
                elf,
                "ssl_write_internal",
                write.function,
                false,
                write.shape,
            )?);
        }
        None => {
            for (name, ingress, shape) in [
                ("SSL_read", true, Shape::ReturnsCount),
                ("SSL_read_ex", true, Shape::CountInArg4),
                ("SSL_write", false, Shape::ReturnsCount),
                ("SSL_write_ex2", false, Shape::CountInArg5),
                ("SSL_write_ex", false, Shape::CountInArg4),
            ] {
                // SSL_write_ex is a wrapper of SSL_write_ex2 where that exists.
                if name == "SSL_write_ex" && functions.contains_key("SSL_write_ex2") {
                    continue;
                }
                if let Some(&function) = functions.get(name) {
                    targets.extend(call(elf, name, function, ingress, shape)?);
                }
            }
        }
    }
    if let Some(&free) = functions.get("SSL_free")
        && let (Some(point), Some(file_offset)) =
            (entry_point(&elf.body(free)?), elf.file_offset(free.address)?)
    {
        targets.push(Target {
            function: "SSL_free".to_owned(),
            probe: Probe::Free,
            file_offset,
            point,
        });
    }
    Ok(targets)
}

struct Internal {
    function: Function,
    shape: Shape,
}

/// The common call target of each exported pair, when there is exactly one and it begins well.
fn internal_pair(
    elf: &Elf,
    functions: &HashMap<String, Function>,
) -> Result<Option<[Internal; 2]>, ElfError> {
    let (Some(read), Some(write)) = (
        common_target(elf, functions, "SSL_read", "SSL_read_ex")?,
        common_target(elf, functions, "SSL_write", "SSL_write_ex")?,
    ) else {
        return Ok(None);
    };
    let shape = match functions.get("SSL_write_ex") {
        // 3.3 put `flags` before the length pointer, which then moves from rcx to r8.
        Some(&function) if shifts_fourth_argument(&elf.body(function)?) => Shape::CountInArg5,
        _ => Shape::CountInArg4,
    };
    Ok(Some([
        Internal {
            function: read,
            shape: Shape::CountInArg4,
        },
        Internal {
            function: write,
            shape,
        },
    ]))
}

fn common_target(
    elf: &Elf,
    functions: &HashMap<String, Function>,
    plain: &str,
    extended: &str,
) -> Result<Option<Function>, ElfError> {
    let (Some(&plain), Some(&extended)) = (functions.get(plain), functions.get(extended)) else {
        return Ok(None);
    };
    let of_extended = call_targets(&elf.body(extended)?, extended.address);
    let mut common = Vec::new();
    for target in call_targets(&elf.body(plain)?, plain.address) {
        if of_extended.contains(&target) && !common.contains(&target) && elf.is_text(target)? {
            common.push(target);
        }
    }
    let [address] = common[..] else { return Ok(None) };
    let function = Function { address, size: 0 };
    let begins_well = first_instruction(&elf.body(function)?).is_some_and(|point| point.emulated);
    Ok(begins_well.then_some(function))
}

fn call(
    elf: &Elf,
    name: &str,
    function: Function,
    ingress: bool,
    shape: Shape,
) -> Result<Option<Target>, ElfError> {
    // A return probe sits on the first instruction; the entry probe there shares its trap.
    let (Some(point), Some(file_offset)) = (
        first_instruction(&elf.body(function)?),
        elf.file_offset(function.address)?,
    ) else {
        return Ok(None);
    };
    Ok(Some(Target {
        function: name.to_owned(),
        probe: Probe::Call { ingress, shape },
        file_offset,
        point,
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_system_library_is_hooked_at_its_internal_pair() {
        let library = ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib64/libssl.so.3"]
            .into_iter()
            .map(Path::new)
            .find(|path| path.exists())
            .expect("OpenSSL 3 is installed by `cargo xtask setup`");
        let targets = find(&Elf::open(library).unwrap()).unwrap();
        let names: Vec<&str> = targets.iter().map(|target| target.function.as_str()).collect();
        assert_eq!(names, ["ssl_read_internal", "ssl_write_internal", "SSL_free"]);
        assert!(
            targets[..2].iter().all(|target| target.point.emulated),
            "{targets:?}"
        );
    }

    #[test]
    fn without_a_common_internal_function_the_exported_ones_are_hooked() {
        const PLAIN: &str = "int SSL_read(void *s, void *b, int n) { return n; }
            int SSL_write(void *s, const void *b, int n) { return n - 1; }
            int SSL_read_ex(void *s, void *b, unsigned long n, unsigned long *m) { *m = n; return 1; }
            int SSL_write_ex(void *s, const void *b, unsigned long n, unsigned long *m) { *m = n + 1; return 1; }";
        const WITH_EX2: &str = "int SSL_write_ex2(void *s, const void *b, unsigned long n, unsigned long f,
            unsigned long *m) { *m = n + f; return 1; }";
        let folder = tempfile::tempdir().unwrap();
        for (source, hooked) in [
            (
                PLAIN.to_owned(),
                ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex"],
            ),
            (
                format!("{PLAIN}{WITH_EX2}"),
                ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex2"],
            ),
        ] {
            let (code, library) = (folder.path().join("ssl.c"), folder.path().join("libssl.so"));
            std::fs::write(&code, source).unwrap();
            let compiled = std::process::Command::new("cc")
                .args(["-shared", "-fPIC", "-O2", "-o"])
                .args([&library, &code])
                .status()
                .unwrap();
            assert!(compiled.success());
            let targets = find(&Elf::open(&library).unwrap()).unwrap();
            let names: Vec<&str> = targets.iter().map(|target| target.function.as_str()).collect();
            assert_eq!(names, hooked);
        }
    }

    #[test]
    fn a_program_without_openssl_has_nothing_to_hook() {
        assert!(
            find(&Elf::open(Path::new("/bin/true")).unwrap())
                .unwrap()
                .is_empty()
        );
    }
}
