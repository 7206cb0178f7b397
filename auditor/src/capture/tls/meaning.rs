//! OpenSSL, BoringSSL and what rustls encrypts with, inside programs without symbols, found by what their code says.
//!
//! Both report errors with where they happened. OpenSSL 3 and later name the function (`__func__`),
//! so each of four names is referred to by exactly one function; earlier versions number it
//! ([`numbered`]). BoringSSL names the file and gives a reason: the set of reasons of a function of
//! `ssl_lib.cc` tells which one it is. rustls says nothing of the kind, so its records are read where AWS-LC seals and
//! opens them ([`aead`]), and only where no library was found that calls the same functions. Nothing is hooked unless
//! every part of the answer is unique.

mod aead;
mod numbered;

use auditor_common::tls::Shape;

use super::{Library, Probe, Target};
use crate::capture::elf::{
    Elf, ElfError, Function,
    instruction::{call_targets, passes_fifth_argument},
    scan::{Functions, third_arguments},
};

/// Less code than this holds no TLS library: OpenSSL's has over 2 MiB, BoringSSL's over 1 MiB.
const LEAST_CODE: u64 = 512 << 10;

/// Most places of one of the strings that are looked for.
const MOST_PLACES: usize = 64;

/// Reason codes of BoringSSL (include/openssl/ssl.h, include/openssl/err.h).
const UNINITIALIZED: u32 = 226;
const HANDSHAKE_FAILURE: u32 = 215;
const BAD_LENGTH: u32 = 111;
/// `ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED`: reading and peeking are not for QUIC.
const NOT_FOR_QUIC: u32 = 66;

/// `SSL_peek` calls three functions: for an error, `ssl_read_impl`, and `memcpy`. `SSL_read` calls
/// one more.
const CALLED_BY_PEEK: usize = 3;

/// The names of OpenSSL's functions, as `__func__` holds them, in the order they are used below.
const OPENSSL: [&[u8]; 4] = [
    b"ssl_read_internal\0",
    b"ssl_write_internal\0",
    b"SSL_write\0",
    b"SSL_read\0",
];

/// Behind it stands the NUL; before it the path of the build.
const BORINGSSL: &[u8] = b"ssl/ssl_lib.cc\0";

/// The same before OpenSSL 3; in 1.0.2 without the folder.
const OPENSSL_1: &[u8] = b"ssl_lib.c\0";

/// What to hook in a file in which no symbol told.
pub(super) fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    if elf.code_length()? < LEAST_CODE {
        return Ok(Vec::new());
    }
    let [read, write, plain_write, plain_read] = OPENSSL;
    let needles = [
        read,
        write,
        plain_write,
        plain_read,
        BORINGSSL,
        OPENSSL_1,
        aead::FILE,
    ];
    let [read, write, plain_write, plain_read, file, old, aead] =
        <[Vec<u64>; 7]>::try_from(elf.strings(&needles)?).unwrap_or_default();
    // A program has these a few times; more are made up.
    if [&read, &write, &plain_write, &plain_read, &file, &old, &aead]
        .iter()
        .any(|places| places.len() > MOST_PLACES)
    {
        return Ok(Vec::new());
    }
    if [&read, &write, &plain_write, &plain_read]
        .iter()
        .all(|places| !places.is_empty())
    {
        // 1.1.1 has the names as well, in a table of texts that nothing refers to.
        let targets = openssl(elf, [&read, &write, &plain_write])?;
        if !targets.is_empty() {
            return Ok(targets);
        }
    }
    if !file.is_empty() {
        return boringssl(elf, &file);
    }
    if !old.is_empty() {
        return numbered::find(elf, &old);
    }
    if !aead.is_empty() {
        return aead::find(elf, &aead);
    }
    Ok(Vec::new())
}

/// The file that BoringSSL's functions name in errors, if the program holds it.
pub(super) fn boringssl_file(elf: &Elf) -> Result<Option<Library>, ElfError> {
    let places = elf.strings(&[BORINGSSL])?.pop().unwrap_or_default();
    let Some(&place) = places.first() else {
        return Ok(None);
    };
    fork_of(elf, elf.string_start(place)?).map(Some)
}

/// AWS-LC's sources lie in a folder of that name.
fn fork_of(elf: &Elf, path: u64) -> Result<Library, ElfError> {
    let amazon = elf.strings(&[b"aws-lc/"])?.pop().unwrap_or_default();
    let near = amazon.iter().any(|place| place.wrapping_sub(path) < 512);
    Ok(if near { Library::AwsLc } else { Library::BoringSsl })
}

/// `names`: where the strings of `OPENSSL` stand.
fn openssl(elf: &Elf, names: [&[u64]; 3]) -> Result<Vec<Target>, ElfError> {
    let code = Code::of(elf)?;
    let [read, write] = [code.referring_to(names[0])?, code.referring_to(names[1])?];
    let ([read], [write]) = (&read[..], &write[..]) else {
        return Ok(Vec::new());
    };
    // Others may use the public name, as bindings do; the function itself calls the internal one.
    let mut fifth = Vec::new();
    for writer in code.referring_to(names[2])? {
        let body = elf.body(writer)?;
        fifth.extend(passes_fifth_argument(&body, writer.address, write.address));
    }
    // 3.3 put `flags` before the length pointer, which then moves from rcx to r8.
    let shape = match fifth[..] {
        [false] => Shape::CountInArg4,
        [true] => Shape::CountInArg5,
        _ => return Ok(Vec::new()),
    };
    let mut targets = Vec::new();
    for (name, function, ingress, shape) in [
        ("ssl_read_internal", read, true, Shape::CountInArg4),
        ("ssl_write_internal", write, false, shape),
    ] {
        let probe = Probe::Call { ingress, shape };
        targets.extend(Target::at(elf, Library::OpenSsl, name, *function, probe)?);
    }
    Ok(targets)
}

/// `names`: where the file's name ends.
fn boringssl(elf: &Elf, names: &[u64]) -> Result<Vec<Target>, ElfError> {
    let code = Code::of(elf)?;
    let mut paths = names
        .iter()
        .map(|place| elf.string_start(*place))
        .collect::<Result<Vec<u64>, _>>()?;
    paths.dedup();
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for function in code.referring_to(&paths)? {
        let reasons = third_arguments(&elf.body(function)?);
        if !reasons.contains(&UNINITIALIZED) || !reasons.contains(&HANDSHAKE_FAILURE) {
            continue;
        }
        if reasons.contains(&BAD_LENGTH) {
            writes.push(function);
        } else {
            reads.push(function);
        }
    }
    let ([write], [read_impl]) = (&writes[..], &reads[..]) else {
        return Ok(Vec::new());
    };
    let Some(read) = code.boringssl_read(*read_impl)? else {
        return Ok(Vec::new());
    };
    let library = fork_of(elf, paths[0])?;
    let mut targets = Vec::new();
    for (name, function, ingress) in [("SSL_read", read, true), ("SSL_write", *write, false)] {
        let shape = Shape::ReturnsCount;
        let probe = Probe::Call { ingress, shape };
        targets.extend(Target::at(elf, library, name, function, probe)?);
    }
    Ok(targets)
}

/// The functions of a file without symbols.
struct Code<'a> {
    elf: &'a Elf,
    table: Option<Functions>,
}

impl<'a> Code<'a> {
    fn of(elf: &'a Elf) -> Result<Self, ElfError> {
        let table = elf.function_table()?;
        Ok(Self { elf, table })
    }

    /// The functions around these addresses, each once.
    fn around(&self, addresses: &[u64]) -> Result<Vec<Function>, ElfError> {
        let mut functions: Vec<Function> = match &self.table {
            Some(table) => addresses
                .iter()
                .filter_map(|address| self.elf.function_around(table, *address))
                .collect(),
            None => {
                let starts = self.elf.called_before(addresses)?;
                let around = addresses.iter().zip(starts);
                around
                    .filter_map(|(address, start)| {
                        let start = start?;
                        // Its end is not known; at least what refers belongs to it.
                        let size = (address - start).saturating_add(64);
                        Some(Function { address: start, size })
                    })
                    .collect()
            }
        };
        functions.sort_by_key(|function| (function.address, std::cmp::Reverse(function.size)));
        functions.dedup_by_key(|function| function.address);
        Ok(functions)
    }

    /// The functions that refer to one of these addresses.
    fn referring_to(&self, addresses: &[u64]) -> Result<Vec<Function>, ElfError> {
        let references = self.elf.references(addresses)?;
        let places: Vec<u64> = references.iter().map(|(place, _)| *place).collect();
        self.around(&places)
    }

    /// `SSL_read`, by what reads for it. It may have `SSL_peek` inside, or call it.
    fn boringssl_read(&self, read_impl: Function) -> Result<Option<Function>, ElfError> {
        let mut callers = Vec::new();
        for caller in self.around(&self.elf.callers(read_impl.address)?)? {
            // SSL_shutdown calls it as well; in AWS-LC it is not for QUIC either.
            let reasons = third_arguments(&self.elf.body(caller)?);
            if reasons.contains(&NOT_FOR_QUIC) && !reasons.contains(&UNINITIALIZED) {
                callers.push(caller);
            }
        }
        match callers[..] {
            [only] => {
                if self.called_by(only)?.len() > CALLED_BY_PEEK {
                    return Ok(Some(only));
                }
                let readers = self.around(&self.elf.callers(only.address)?)?;
                let mut small = Vec::new();
                for reader in readers {
                    if self.called_by(reader)?.len() <= CALLED_BY_PEEK {
                        small.push(reader);
                    }
                }
                let [read] = small[..] else { return Ok(None) };
                Ok(Some(read))
            }
            [one, other] => {
                let (first, second) = (self.called_by(one)?, self.called_by(other)?);
                let contains = |all: &[u64], some: &[u64]| some.iter().all(|target| all.contains(target));
                Ok(match (contains(&first, &second), contains(&second, &first)) {
                    (true, false) => Some(one),
                    (false, true) => Some(other),
                    _ => None,
                })
            }
            _ => Ok(None),
        }
    }

    /// What a function calls, each once.
    fn called_by(&self, function: Function) -> Result<Vec<u64>, ElfError> {
        let mut targets = call_targets(&self.elf.body(function)?, function.address);
        targets.sort_unstable();
        targets.dedup();
        Ok(targets)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        path::{Path, PathBuf},
        process::Command,
    };

    use super::*;
    use crate::capture::tls;

    /// Files of the packages that `cargo xtask setup` installs; `None` when it did not.
    fn package(file: &str) -> Option<PathBuf> {
        let library = cached("python-peers/lib")?;
        let python = std::fs::read_dir(library).ok()?.flatten().next()?.path();
        there(python.join("site-packages").join(file))
    }

    /// The same by their place in the cache.
    pub(in crate::capture) fn cached(file: &str) -> Option<PathBuf> {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
            .or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
        there(cache.join("auditor").join(file))
    }

    fn there(path: PathBuf) -> Option<PathBuf> {
        if !path.exists() {
            // What CI set up is there, and a test that did not run must not look like one that passed.
            assert!(
                std::env::var_os("CI").is_none(),
                "{} is not there",
                path.display()
            );
            eprintln!(
                "skipped: {} is not there, see `cargo xtask setup`",
                path.display()
            );
            return None;
        }
        Some(path)
    }

    /// Name and place of what moves plaintext.
    pub(super) fn calls(targets: &[Target]) -> Vec<(&str, Probe, u64)> {
        targets
            .iter()
            .filter(|target| matches!(target.probe, Probe::Call { .. }))
            .map(|target| (target.function.as_str(), target.probe, target.file_offset))
            .collect()
    }

    /// What is found in a file as it is, and in a copy without its symbols.
    pub(super) fn with_and_without_symbols(path: &Path) -> (Vec<Target>, Vec<Target>) {
        let folder = tempfile::tempdir().unwrap();
        let stripped = folder.path().join("stripped.so");
        let status = Command::new("strip")
            .args(["--strip-all", "-o"])
            .args([stripped.as_path(), path])
            .status();
        assert!(status.unwrap().success());
        let found_in = |path: &Path| tls::find(&Elf::open(path).unwrap()).unwrap();
        (found_in(path), found_in(&stripped))
    }

    #[test]
    fn without_its_symbols_a_program_shows_the_functions_its_symbols_name() {
        for file in [
            "cryptography/hazmat/bindings/_rust.abi3.so",
            "curl_cffi/_wrapper.abi3.so",
        ] {
            let Some(path) = package(file) else { continue };
            let (named, found) = with_and_without_symbols(&path);
            assert_eq!(calls(&found).len(), 2, "{file}: {found:?}");
            assert_eq!(calls(&found), calls(&named), "{file}");
        }
    }

    #[test]
    fn the_boringssl_of_grpcio_is_found_though_it_has_no_symbol() {
        let Some(folder) = package("grpc/_cython") else {
            return;
        };
        let library = std::fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|end| end == "so"))
            .expect("the package has one library");
        let targets = tls::find(&Elf::open(&library).unwrap()).unwrap();
        let names: Vec<&str> = calls(&targets).iter().map(|call| call.0).collect();
        assert_eq!(names, ["SSL_read", "SSL_write"]);
        assert!(targets.iter().all(|target| target.library == Library::BoringSsl));
        assert!(targets.iter().all(|target| target.point.emulated), "{targets:?}");
    }
}
