//! TLS libraries for 64-bit ARM, of Debian's packages: unit tests look for functions in them, and nothing runs them.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use crate::{cache, packages::Apt};

/// Where the packages have their libraries.
const LIBRARIES: &str = "usr/lib/aarch64-linux-gnu";

/// Packages and the library of each, under the name that programs ask for.
const PACKAGES: [(&str, &str); 5] = [
    ("libgnutls30", "libgnutls.so.30"),
    ("libmbedtls14", "libmbedtls.so.14"),
    ("libnss3", "libssl3.so"),
    ("libssl3", "libssl.so.3"),
    ("libwolfssl35", "libwolfssl.so.35"),
];

/// Whether all are there.
pub(super) fn is_there() -> bool {
    folder().is_ok_and(|folder| PACKAGES.iter().all(|(_, file)| folder.join(file).is_file()))
}

/// Downloads them.
///
/// # Errors
/// When the mirror is not reached, or a package holds no library.
pub(super) fn make() -> anyhow::Result<()> {
    let folder = folder()?;
    let work = folder.with_extension("download");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let apt = Apt::set_up("bookworm", Some("arm64"), &work)?;
    let packages = PACKAGES.map(|(package, _)| package.to_owned());
    let unpacked = apt.unpack(&packages)?.join(LIBRARIES);
    fs::create_dir_all(&folder)?;
    for (package, file) in PACKAGES {
        fs::copy(unpacked.join(file), folder.join(file))
            .with_context(|| format!("{package} for arm64 holds no {file}"))?;
    }
    Ok(fs::remove_dir_all(work)?)
}

/// tests of `capture/tls` look for them here.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(cache::folder()?.join("arm64"))
}
