//! OpenSSL and its descendants: LibreSSL, BoringSSL, AWS-LC.
//!
//! In OpenSSL from 1.1.1 on, `SSL_read` and `SSL_read_ex` both end in one internal function, and so
//! do the writers: hooking that pair covers every variant with two functions, and both begin with a
//! `push`, which the kernel emulates (ssl/ssl_lib.c). Where the internal function can not be told,
//! the exported ones are hooked, the `_ex` forms included: some programs (Python) use nothing else.
//! In the descendants the `_ex` forms, where there are any, call the plain ones, which are hooked
//! alone. `SSL_peek` is never hooked: its bytes come again.

use auditor_common::tls::Shape;

use super::{Library, Probe, Symbols, Target, meaning};
use crate::capture::elf::{Elf, ElfError, Function, Machine};

pub(super) const NAMES: [&str; 8] = [
    "SSL_read",
    "SSL_read_ex",
    "SSL_write",
    "SSL_write_ex",
    "SSL_write_ex2",
    "SSL_peek",
    "SSL_do_handshake",
    "SSL_free",
];

/// What to hook in a libssl, or in a program that contains one and kept its symbols.
pub(super) fn find(elf: &Elf, symbols: &Symbols) -> Result<Vec<Target>, ElfError> {
    // GnuTLS has a library of wrappers with OpenSSL's names, but not with this one.
    if !["SSL_read", "SSL_write", "SSL_do_handshake"]
        .iter()
        .all(|name| symbols.contains_key(*name))
    {
        return Ok(Vec::new());
    }
    let library = family(elf, symbols)?;
    let mut targets = Vec::new();
    match internal_pair(elf, symbols)? {
        Some([read, write]) if library == Library::OpenSsl => {
            for (name, internal, ingress) in [
                ("ssl_read_internal", read, true),
                ("ssl_write_internal", write, false),
            ] {
                let shape = internal.shape;
                let probe = Probe::Call { ingress, shape };
                targets.extend(Target::at(elf, library, name, internal.function, probe)?);
            }
        }
        _ => targets.extend(exported(elf, symbols, library)?),
    }
    if let Some(&free) = symbols.get("SSL_free") {
        targets.extend(Target::at(elf, library, "SSL_free", free, Probe::Free)?);
    }
    Ok(targets)
}

/// Which descendant it is, by which of its own functions the functions call.
fn family(elf: &Elf, symbols: &Symbols) -> Result<Library, ElfError> {
    let extended = symbols.contains_key("SSL_read_ex");
    if let Some(fork) = meaning::boringssl_file(elf)? {
        return Ok(fork);
    }
    Ok(if calls(elf, symbols, "SSL_read", "SSL_peek")? {
        // BoringSSL peeks and then takes what it saw; only AWS-LC adds the `_ex` forms to that.
        if extended {
            Library::AwsLc
        } else {
            Library::BoringSsl
        }
    } else if extended && calls(elf, symbols, "SSL_read_ex", "SSL_read")? {
        Library::LibreSsl
    } else {
        Library::OpenSsl
    })
}

/// True when one function calls the other, directly or through the linkage table.
fn calls(elf: &Elf, symbols: &Symbols, caller: &str, callee: &str) -> Result<bool, ElfError> {
    let (Some(&caller), Some(callee)) = (symbols.get(caller), symbols.get(callee)) else {
        return Ok(false);
    };
    let Some(machine) = elf.machine()? else {
        return Ok(false);
    };
    for target in machine.call_targets(&elf.body(caller)?, caller.address) {
        if target == callee.address || elf.linked(target)? == Some(callee.address) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The exported functions that move plaintext.
pub(super) fn exported(elf: &Elf, symbols: &Symbols, library: Library) -> Result<Vec<Target>, ElfError> {
    let mut targets = Vec::new();
    for (name, ingress, shape) in [
        ("SSL_read", true, Shape::ReturnsCount),
        ("SSL_read_ex", true, Shape::CountInArg4),
        ("SSL_write", false, Shape::ReturnsCount),
        ("SSL_write_ex2", false, Shape::CountInArg5),
        ("SSL_write_ex", false, Shape::CountInArg4),
    ] {
        let plain = shape == Shape::ReturnsCount;
        // SSL_write_ex is a wrapper of SSL_write_ex2 where that exists.
        let wrapper = name == "SSL_write_ex" && symbols.contains_key("SSL_write_ex2");
        if wrapper || (library != Library::OpenSsl && !plain) {
            continue;
        }
        if let Some(&function) = symbols.get(name) {
            let probe = Probe::Call { ingress, shape };
            targets.extend(Target::at(elf, library, name, function, probe)?);
        }
    }
    Ok(targets)
}

struct Internal {
    function: Function,
    shape: Shape,
}

/// The common call target of each exported pair, when there is exactly one and it begins well.
fn internal_pair(elf: &Elf, symbols: &Symbols) -> Result<Option<[Internal; 2]>, ElfError> {
    // From 3.3 on SSL_write_ex calls SSL_write_ex2.
    let extended = ["SSL_write_ex2", "SSL_write_ex"]
        .into_iter()
        .find(|name| symbols.contains_key(*name))
        .unwrap_or_default();
    let (Some(read), Some(write), Some(&plain)) = (
        common_target(elf, symbols, "SSL_read", "SSL_read_ex")?,
        common_target(elf, symbols, "SSL_write", extended)?,
        symbols.get("SSL_write"),
    ) else {
        return Ok(None);
    };
    // 3.3 put `flags` before the length pointer, which then moves from rcx to r8.
    let Some(machine) = elf.machine()? else {
        return Ok(None);
    };
    let shape = match machine.passes_fifth_argument(&elf.body(plain)?, plain.address, write.address) {
        Some(true) => Shape::CountInArg5,
        Some(false) => Shape::CountInArg4,
        None => return Ok(None),
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
    functions: &Symbols,
    plain: &str,
    extended: &str,
) -> Result<Option<Function>, ElfError> {
    let (Some(&plain), Some(&extended)) = (functions.get(plain), functions.get(extended)) else {
        return Ok(None);
    };
    let Some(machine) = elf.machine()? else {
        return Ok(None);
    };
    let of_extended = machine.call_targets(&elf.body(extended)?, extended.address);
    let mut common = Vec::new();
    for target in machine.call_targets(&elf.body(plain)?, plain.address) {
        if of_extended.contains(&target) && !common.contains(&target) && elf.is_text(target)? {
            common.push(target);
        }
    }
    let [address] = common[..] else { return Ok(None) };
    let function = Function { address, size: 0 };
    // On 64-bit ARM no function that calls others begins with a simulated instruction, so this one costs no more.
    let begins_well = machine == Machine::Aarch64
        || machine
            .first_instruction(&elf.body(function)?)
            .is_some_and(|point| point.emulated);
    Ok(begins_well.then_some(function))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::capture::tls;

    #[test]
    fn the_system_library_is_hooked_at_its_internal_pair() {
        let library = ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib64/libssl.so.3"]
            .into_iter()
            .map(Path::new)
            .find(|path| path.exists())
            .expect("OpenSSL 3 is installed by `cargo xtask setup`");
        let targets = tls::find(&Elf::open(library).unwrap()).unwrap();
        let names: Vec<&str> = targets.iter().map(|target| target.function.as_str()).collect();
        assert_eq!(names, ["ssl_read_internal", "ssl_write_internal", "SSL_free"]);
        assert!(
            targets[..2].iter().all(|target| target.point.emulated),
            "{targets:?}"
        );
    }

    /// What is hooked in a library made of this code.
    fn hooked_in(source: &str) -> (Library, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let (code, library) = (folder.path().join("ssl.c"), folder.path().join("libssl.so"));
        std::fs::write(&code, source).unwrap();
        let compiled = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-fno-inline", "-o"])
            .args([&library, &code])
            .status()
            .unwrap();
        assert!(compiled.success());
        let targets = tls::find(&Elf::open(&library).unwrap()).unwrap();
        let names = targets.iter().map(|target| target.function.clone()).collect();
        (targets[0].library, names)
    }

    #[test]
    fn without_a_common_internal_function_the_exported_ones_are_hooked() {
        const PLAIN: &str = "int SSL_do_handshake(void *s) { return s != 0; }
            int SSL_read(void *s, void *b, int n) { return n; }
            int SSL_write(void *s, const void *b, int n) { return n - 1; }
            int SSL_read_ex(void *s, void *b, unsigned long n, unsigned long *m) { *m = n; return 1; }
            int SSL_write_ex(void *s, const void *b, unsigned long n, unsigned long *m) { *m = n + 1; return 1; }";
        const WITH_EX2: &str = "int SSL_write_ex2(void *s, const void *b, unsigned long n, unsigned long f,
            unsigned long *m) { *m = n + f; return 1; }";
        let hooked = ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex"].map(str::to_owned);
        assert_eq!(hooked_in(PLAIN), (Library::OpenSsl, hooked.to_vec()));
        let hooked = ["SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex2"].map(str::to_owned);
        assert_eq!(
            hooked_in(&format!("{PLAIN}{WITH_EX2}")),
            (Library::OpenSsl, hooked.to_vec())
        );
    }

    /// The descendants, by the calls among their functions; here they go through the linkage table.
    #[test]
    fn forms_that_call_the_plain_ones_are_not_hooked_beside_them() {
        const WRITE: &str = "int SSL_do_handshake(void *s) { return s != 0; }
            int SSL_write(void *s, const void *b, int n) { return n - 1; }";
        const LIBRE: &str = "int SSL_read(void *s, void *b, int n) { return n; }
            int SSL_read_ex(void *s, void *b, unsigned long n, unsigned long *m) { *m = SSL_read(s, b, n); return *m > 0; }";
        const BORING: &str = "int SSL_peek(void *s, void *b, int n) { return n; }
            int SSL_read(void *s, void *b, int n) { int m = SSL_peek(s, b, n); return m > 3 ? m - 3 : m; }";
        const EXTENDED: &str = "int SSL_read_ex(void *s, void *b, unsigned long n, unsigned long *m) { *m = SSL_read(s, b, n); return *m > 0; }";
        let plain = ["SSL_read", "SSL_write"].map(str::to_owned).to_vec();
        for (library, source) in [
            (Library::LibreSsl, format!("{WRITE}{LIBRE}")),
            (Library::BoringSsl, format!("{WRITE}{BORING}")),
            (Library::AwsLc, format!("{WRITE}{BORING}{EXTENDED}")),
        ] {
            assert_eq!(hooked_in(&source), (library, plain.clone()));
        }
    }

    #[test]
    fn a_program_without_tls_has_nothing_to_hook() {
        assert!(
            tls::find(&Elf::open(Path::new("/bin/true")).unwrap())
                .unwrap()
                .is_empty()
        );
    }
}
