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
    /// What it calls with its own arguments and result: hooked in its place where the kernel takes no probe on it.
    inner: Option<&'static str>,
}

const fn read(name: &'static str, shape: Shape) -> Call {
    Call {
        name,
        ingress: true,
        shape,
        required: true,
        inner: None,
    }
}

const fn write(name: &'static str, shape: Shape) -> Call {
    Call {
        name,
        ingress: false,
        shape,
        required: true,
        inner: None,
    }
}

impl Call {
    const fn where_present(self) -> Self {
        Self {
            required: false,
            ..self
        }
    }

    const fn or(self, inner: &'static str) -> Self {
        Self {
            inner: Some(inner),
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
    // wolfSSL_send goes through wolfSSL_write, and wolfSSL_recv through wolfSSL_read (src/ssl.c).
    // wolfSSL_peek is never hooked.
    Row {
        library: Library::WolfSsl,
        files: &["libwolfssl.so"],
        calls: &[
            read("wolfSSL_read", Shape::ReturnsCount),
            write("wolfSSL_write", Shape::ReturnsCount),
        ],
        more: &[],
        free: &["wolfSSL_free", "wolfSSL_clear"],
        finder: None,
    },
    // s2n_recv_impl is a function of the file's own (tls/s2n_recv.c), which nothing else calls. s2n_sendv takes a list
    // of buffers and is not hooked.
    Row {
        library: Library::S2n,
        files: &["libs2n.so"],
        calls: &[
            read("s2n_recv", Shape::ReturnsSize).or("s2n_recv_impl"),
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
        let calls = self
            .calls
            .iter()
            .flat_map(|call| [Some(call.name), call.inner])
            .flatten();
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
        let mut targets = Vec::new();
        for call in self.calls {
            let probe = Probe::Call {
                ingress: call.ingress,
                shape: call.shape,
            };
            for name in [Some(call.name), call.inner].into_iter().flatten() {
                let target = self.target(elf, symbols, name, probe)?;
                if target.is_some() {
                    targets.extend(target);
                    break;
                }
            }
        }
        for name in self.free {
            targets.extend(self.target(elf, symbols, name, Probe::Free)?);
        }
        Ok(targets)
    }

    fn target(
        &self,
        elf: &Elf,
        symbols: &Symbols,
        name: &str,
        probe: Probe,
    ) -> Result<Option<Target>, ElfError> {
        match symbols.get(name) {
            Some(&function) => Target::at(elf, self.library, name, function, probe),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;
    use crate::capture::{
        elf::Machine,
        tls::{self, meaning::tests::cached},
    };

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
                &["wolfSSL_read", "wolfSSL_write", "wolfSSL_free", "wolfSSL_clear"],
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

    /// Where the probes would sit in the same libraries for 64-bit ARM. No kernel has taken them yet.
    #[test]
    fn the_functions_of_libraries_for_64_bit_arm_are_found() {
        for (file, expected) in [
            (
                "libssl.so.3",
                &[
                    ("ssl_read_internal", 0, "sub sp", false),
                    ("ssl_write_internal", 0, "sub sp", false),
                    ("SSL_free", 0, "cbz", true),
                ][..],
            ),
            (
                "libgnutls.so.30",
                &[
                    ("gnutls_record_recv", 0, "stp", false),
                    ("gnutls_record_recv_seq", 0, "ldr", false),
                    ("gnutls_record_send2", 0, "stp", false),
                    ("gnutls_deinit", 0, "cbz", true),
                ],
            ),
            (
                "libssl3.so",
                &[
                    ("ssl_SecureRecv", 0, "stp", false),
                    ("ssl_SecureSend", 0, "stp", false),
                    ("ssl_SecureClose", 0, "stp", false),
                ],
            ),
            (
                "libmbedtls.so.14",
                &[
                    ("mbedtls_ssl_read", 0, "stp", false),
                    ("mbedtls_ssl_write", 0, "stp", false),
                    ("mbedtls_ssl_free", 0, "cbz", true),
                    ("mbedtls_ssl_session_reset", 0, "mov", false),
                ],
            ),
            // A return probe behind two conditional comparisons: the link register is still the caller's.
            (
                "libwolfssl.so.35",
                &[
                    ("wolfSSL_read", 0, "cbz", true),
                    ("wolfSSL_write", 12, "b.cond", true),
                    ("wolfSSL_free", 0, "cbz", true),
                    ("wolfSSL_clear", 12, "cbz", true),
                ],
            ),
        ] {
            let Some(path) = cached(&format!("arm64/{file}")) else {
                continue;
            };
            let elf = Elf::open(&path).unwrap();
            assert_eq!(elf.machine().unwrap(), Some(Machine::Aarch64));
            let targets = tls::find(&elf).unwrap();
            let points: Vec<(&str, u64, &str, bool)> = targets
                .iter()
                .map(|target| {
                    let point = &target.point;
                    let instruction = point.instruction.as_str();
                    (
                        target.function.as_str(),
                        point.offset,
                        instruction,
                        point.emulated,
                    )
                })
                .collect();
            assert_eq!(points, expected, "{file}");
        }
    }
}
