//! The Go and rustls peers of the native tests, built for the virtual machines.
//!
//! In: their sources in tests/programs. Out: a binary each.

use std::path::{Path, PathBuf};

use crate::process;

/// Building them takes a while: whether a scenario whose name contains `filter` needs one.
pub(super) fn are_needed(filter: &str) -> bool {
    ["tls_go", "tls_rustls"].iter().any(|name| name.contains(filter))
}

/// The Go peer, built by Debian's compiler.
pub(super) fn go(folder: &Path) -> anyhow::Result<PathBuf> {
    let program = folder.join("go-peer");
    let mut go = process::command("/usr/bin/go");
    go.current_dir(process::root().join("tests/programs/go-peer"))
        .env("GOCACHE", folder.join("go-cache"))
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("GOROOT", "")
        .env("CGO_ENABLED", "0")
        .args(["build", "-o"])
        .arg(&program);
    process::run(&mut go)?;
    Ok(program)
}

/// The rustls peer, in the same build folder as the native tests have it.
pub(super) fn rustls(folder: &Path) -> anyhow::Result<PathBuf> {
    let target = folder.join("../debug/rustls-peers");
    let mut cargo = process::cargo("build");
    cargo
        .args(["--quiet", "--profile", "release", "--manifest-path"])
        .arg(process::root().join("tests/programs/rustls-peer/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS");
    process::run(&mut cargo)?;
    Ok(target.join("release/rustls-peer"))
}
