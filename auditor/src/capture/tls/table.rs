//! The rows: one a library.

use auditor_common::tls::Shape;

use super::{Library, Probe, Symbols, Target, nss, openssl};
use crate::capture::elf::{Elf, ElfError};

/// A library whose functions take `(object, buffer, length, …)`.
pub(super) struct Row {
    pub(super) library: Library,
    /// How the names of its shared objects begin.
    pub(super) files: &'static [&'static str],
    /// Functions that move plaintext. All of them, or the file is not this library.
    calls: &'static [Call],
    /// Other functions that a finder asks for.
    more: &'static [&'static str],
    /// Functions after which an object's address stands for another connection.
    free: &'static [&'static str],
    /// For libraries where names are not enough.
    finder: Option<Finder>,
}

type Finder = fn(&Elf, &Symbols) -> Result<Vec<Target>, ElfError>;

struct Call {
    name: &'static str,
    ingress: bool,
    shape: Shape,
    /// Without it the file is not this library; the others are hooked where they are.
    required: bool,
}

const fn read(name: &'static str, shape: Shape) -> Call {
    Call {
        name,
        ingress: true,
        shape,
        required: true,
    }
}

const fn write(name: &'static str, shape: Shape) -> Call {
    Call {
        name,
        ingress: false,
        shape,
        required: true,
    }
}

impl Call {
    const fn where_present(self) -> Self {
        Self {
            required: false,
            ..self
        }
    }
}

pub(super) const ROWS: &[Row] = &[
    // OpenSSL and what descends from it: the finder tells them apart.
    Row {
        library: Library::OpenSsl,
        files: &["libssl.so", "libssl-"],
        calls: &[],
        more: &openssl::NAMES,
        free: &[],
        finder: Some(openssl::find),
    },
    // gnutls_record_send jumps to send2 (lib/record.c), and recv and recv_seq each to a function of
    // the library's own, so none of these is seen twice.
    Row {
        library: Library::GnuTls,
        files: &["libgnutls.so"],
        calls: &[
            read("gnutls_record_recv", Shape::ReturnsSize),
            read("gnutls_record_recv_seq", Shape::ReturnsSize).where_present(),
            write("gnutls_record_send2", Shape::ReturnsSize),
        ],
        more: &[],
        free: &["gnutls_deinit"],
        finder: None,
    },
    Row {
        library: Library::Nss,
        files: &["libssl3.so"],
        calls: &[],
        more: &nss::NAMES,
        free: &[],
        finder: Some(nss::find),
    },
    // mbedtls_ssl_session_reset makes the same object ready for the next connection.
    Row {
        library: Library::MbedTls,
        files: &["libmbedtls.so"],
        calls: &[
            read("mbedtls_ssl_read", Shape::ReturnsCount),
            write("mbedtls_ssl_write", Shape::ReturnsCount),
        ],
        more: &[],
        free: &["mbedtls_ssl_free", "mbedtls_ssl_session_reset"],
        finder: None,
    },
    // wolfSSL_send goes through wolfSSL_write; wolfSSL_read and wolfSSL_recv each call a function of
    // the library's own (src/ssl.c). wolfSSL_peek is never hooked.
    Row {
        library: Library::WolfSsl,
        files: &["libwolfssl.so"],
        calls: &[
            read("wolfSSL_read", Shape::ReturnsCount),
            read("wolfSSL_recv", Shape::ReturnsCount).where_present(),
            write("wolfSSL_write", Shape::ReturnsCount),
        ],
        more: &[],
        free: &["wolfSSL_free", "wolfSSL_clear"],
        finder: None,
    },
    Row {
        library: Library::S2n,
        files: &["libs2n.so"],
        calls: &[
            read("s2n_recv", Shape::ReturnsSize),
            write("s2n_send", Shape::ReturnsSize),
        ],
        more: &[],
        free: &["s2n_connection_free", "s2n_connection_wipe"],
        finder: None,
    },
];

impl Row {
    /// Every function the row asks for.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let calls = self.calls.iter().map(|call| call.name);
        calls.chain(self.more.iter().chain(self.free).copied())
    }

    /// What to attach in this file; empty when it does not hold the library.
    pub(super) fn find(&self, elf: &Elf, symbols: &Symbols) -> Result<Vec<Target>, ElfError> {
        if let Some(finder) = self.finder {
            return finder(elf, symbols);
        }
        let mut calls = self.calls.iter().filter(|call| call.required);
        if !calls.all(|call| symbols.contains_key(call.name)) {
            return Ok(Vec::new());
        }
        let calls = self.calls.iter().map(|call| {
            let probe = Probe::Call {
                ingress: call.ingress,
                shape: call.shape,
            };
            (call.name, probe)
        });
        let mut targets = Vec::new();
        for (name, probe) in calls.chain(self.free.iter().map(|name| (*name, Probe::Free))) {
            if let Some(&function) = symbols.get(name) {
                targets.extend(Target::at(elf, self.library, name, function, probe)?);
            }
        }
        Ok(targets)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;
    use crate::capture::tls;

    #[test]
    fn no_function_belongs_to_two_libraries() {
        let mut seen = HashSet::new();
        for name in ROWS.iter().flat_map(Row::names) {
            assert!(seen.insert(name), "{name}");
        }
    }

    /// Functions, and instructions their probes sit on, of the libraries Debian 12 has.
    #[test]
    fn the_functions_of_installed_libraries_are_found() {
        for (file, expected) in [
            (
                "libgnutls.so.30",
                &[
                    "gnutls_record_recv",
                    "gnutls_record_recv_seq",
                    "gnutls_record_send2",
                    "gnutls_deinit",
                ][..],
            ),
            (
                "libssl3.so",
                &["ssl_SecureRecv", "ssl_SecureSend", "ssl_SecureClose"],
            ),
            (
                "libmbedtls.so.14",
                &[
                    "mbedtls_ssl_read",
                    "mbedtls_ssl_write",
                    "mbedtls_ssl_free",
                    "mbedtls_ssl_session_reset",
                ],
            ),
            (
                "libwolfssl.so.35",
                &[
                    "wolfSSL_read",
                    "wolfSSL_recv",
                    "wolfSSL_write",
                    "wolfSSL_free",
                    "wolfSSL_clear",
                ],
            ),
        ] {
            let path = Path::new("/usr/lib/x86_64-linux-gnu").join(file);
            if !path.exists() {
                eprintln!("skipped: {} is not installed", path.display());
                continue;
            }
            let targets = tls::find(&Elf::open(&path).unwrap()).unwrap();
            let names: Vec<&str> = targets.iter().map(|target| target.function.as_str()).collect();
            assert_eq!(names, expected);
        }
    }
}
