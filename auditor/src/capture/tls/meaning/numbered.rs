//! OpenSSL before 3.0: errors name the file, and number the library, the function and the reason.
//!
//! `ERR_put_error(20, function, reason, file, line)` (include/openssl/err.h), so a function of `ssl_lib.c` is told
//! by the number it gives. 1.1.1 has the internal pair that 3.0 has; 1.0.2 and 1.1.0 only the exported one.

use auditor_common::tls::Shape;

use super::{Code, Library, Probe, Target};
use crate::capture::elf::{Elf, ElfError, Function, call_targets, scan::constants_at_calls};

/// `ERR_LIB_SSL`.
const SSL: u32 = 20;

/// Numbers of functions (include/openssl/sslerr.h; in 1.0.2 include/openssl/ssl.h).
const SSL_READ: u32 = 223;
const SSL_WRITE: u32 = 208;
const SSL_READ_INTERNAL: u32 = 523;
const SSL_WRITE_INTERNAL: u32 = 524;

/// Numbers of reasons: the object is not set up, and a negative length.
const UNINITIALIZED: u32 = 276;
const BAD_LENGTH: u32 = 271;

/// What to hook. `names`: where the file's name ends.
pub(super) fn find(elf: &Elf, names: &[u64]) -> Result<Vec<Target>, ElfError> {
    let code = Code::of(elf)?;
    let mut paths = names
        .iter()
        .map(|place| elf.string_start(*place))
        .collect::<Result<Vec<u64>, _>>()?;
    paths.dedup();
    let mut errors = Errors(Vec::new());
    for function in code.referring_to(&paths)? {
        for constants in constants_at_calls(&elf.body(function)?) {
            if let [Some(SSL), Some(number), Some(reason)] = constants {
                errors.0.push((number, reason, function));
            }
        }
    }
    let calls = if errors.have(SSL_READ_INTERNAL) || errors.have(SSL_WRITE_INTERNAL) {
        internal(elf, &errors)?
    } else {
        errors
            .only(SSL_READ, UNINITIALIZED)
            .zip(errors.only(SSL_WRITE, UNINITIALIZED))
            .map(|(read, write)| {
                let shape = Shape::ReturnsCount;
                [("SSL_read", read, shape), ("SSL_write", write, shape)]
            })
    };
    let mut targets = Vec::new();
    for (name, function, shape) in calls.into_iter().flatten() {
        let ingress = name.contains("read");
        let probe = Probe::Call { ingress, shape };
        targets.extend(Target::at(elf, Library::OpenSsl, name, function, probe)?);
    }
    Ok(targets)
}

/// The internal pair of 1.1.1, when the exported functions call it.
fn internal(elf: &Elf, errors: &Errors) -> Result<Option<[Call; 2]>, ElfError> {
    let told = |name, exported, internal| -> Result<Option<Call>, ElfError> {
        let (Some(caller), Some(callee)) = (
            errors.only(exported, BAD_LENGTH),
            errors.only(internal, UNINITIALIZED),
        ) else {
            return Ok(None);
        };
        let targets = call_targets(&elf.body(caller)?, caller.address);
        Ok(targets
            .contains(&callee.address)
            .then_some((name, callee, Shape::CountInArg4)))
    };
    let read = told("ssl_read_internal", SSL_READ, SSL_READ_INTERNAL)?;
    let write = told("ssl_write_internal", SSL_WRITE, SSL_WRITE_INTERNAL)?;
    Ok(read.zip(write).map(|(read, write)| [read, write]))
}

/// A function that moves plaintext, and how it says how much.
type Call = (&'static str, Function, Shape);

/// The errors that functions report: number, reason, function.
struct Errors(Vec<(u32, u32, Function)>);

impl Errors {
    fn have(&self, number: u32) -> bool {
        self.0.iter().any(|error| error.0 == number)
    }

    /// The one function that reports this error.
    fn only(&self, number: u32, reason: u32) -> Option<Function> {
        let mut functions = self
            .0
            .iter()
            .filter(|error| (error.0, error.1) == (number, reason))
            .map(|error| error.2);
        let first = functions.next()?;
        functions.all(|other| other == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::capture::tls::{
        self,
        meaning::{
            OPENSSL_1,
            tests::{cached, calls, with_and_without_symbols},
        },
    };

    #[test]
    fn without_its_symbols_a_program_with_openssl_1_1_shows_the_functions_its_symbols_name() {
        for (version, functions) in [
            ("1.1.0", ["SSL_read", "SSL_write"]),
            ("1.1.1", ["ssl_read_internal", "ssl_write_internal"]),
        ] {
            let file = "cryptography/hazmat/bindings/_openssl.abi3.so";
            let Some(path) = cached(&format!("python-openssl-{version}/{file}")) else {
                continue;
            };
            let (named, found) = with_and_without_symbols(&path);
            let names: Vec<&str> = calls(&found).iter().map(|call| call.0).collect();
            assert_eq!(names, functions, "{version}");
            assert_eq!(calls(&found), calls(&named), "{version}");
        }
    }

    /// Shared libraries, whose symbols are not asked here.
    #[test]
    fn the_functions_of_shared_libraries_are_found_where_their_symbols_say() {
        for (version, folder) in [("1.0.2", "psycopg2/.libs"), ("1.1.1", "psycopg2_binary.libs")] {
            let Some(folder) = cached(&format!("python-openssl-{version}/{folder}")) else {
                continue;
            };
            let is_ssl = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("libssl-");
            let mut files = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let elf = Elf::open(&files.find(is_ssl).unwrap()).unwrap();
            let places = elf.strings(&[OPENSSL_1]).unwrap().pop().unwrap();
            let found = find(&elf, &places).unwrap();
            assert_eq!(calls(&found).len(), 2, "{version}: {found:?}");
            assert_eq!(calls(&found), calls(&tls::find(&elf).unwrap()), "{version}");
        }
    }
}
