//! Peers in Rust: programs of tests/programs, each built in a workspace of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::peers;

/// What makes cargo build a peer with AWS-LC.
const AWS_LC: &[&str] = &["--no-default-features", "--features", "aws-lc-rs"];

/// AWS-LC's functions that seal and open records, in the order in which they are hooked.
pub const AEAD: [&str; 4] = [
    "EVP_AEAD_CTX_init_with_direction",
    "EVP_AEAD_CTX_seal",
    "EVP_AEAD_CTX_open_gather",
    "EVP_AEAD_CTX_seal_scatter",
];

/// Builds the peer with a profile of its manifest (`release`, `lto`, `stripped`), unless that was done before.
///
/// # Errors
/// When the compiler fails.
pub fn build(profile: &str) -> anyhow::Result<PathBuf> {
    program("rustls-peer", profile, &[])
}

/// Builds the peer with AWS-LC in place of ring, unless that was done before; the library takes a minute and a half.
///
/// # Errors
/// When the compiler fails.
pub fn build_with_aws_lc() -> anyhow::Result<PathBuf> {
    program("rustls-peer", "release", AWS_LC)
}

/// Builds the program with many connections on tokio, unless that was done before.
///
/// # Errors
/// When the compiler fails.
pub fn storm() -> anyhow::Result<PathBuf> {
    program("rustls-storm", "release", &[])
}

/// The same with AWS-LC in place of ring.
///
/// # Errors
/// When the compiler fails.
pub fn storm_with_aws_lc() -> anyhow::Result<PathBuf> {
    program("rustls-storm", "release", AWS_LC)
}

/// Builds the client of AWS-LC's own libssl, unless that was done before; the library takes a minute and a half.
///
/// # Errors
/// When the compiler fails.
pub fn aws_lc() -> anyhow::Result<PathBuf> {
    program("aws-lc-client", "release", &[])
}

/// Builds the server and client of tonic, unless that was done before; it takes about a minute.
///
/// # Errors
/// When the compiler fails.
pub fn tonic() -> anyhow::Result<PathBuf> {
    program("tonic-peer", "release", &[])
}

fn program(name: &str, profile: &str, features: &[&str]) -> anyhow::Result<PathBuf> {
    // One with other features has the same file name.
    let folder = env::current_exe()?
        .parent()
        .and_then(Path::parent)
        .context("no build folder")?
        .join(if features.is_empty() {
            "rustls-peers"
        } else {
            "rustls-peers-aws-lc"
        });
    fs::create_dir_all(&folder)?;
    let output = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--profile", profile])
        .args(features)
        .arg("--manifest-path")
        .arg(peers::program(name).join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &folder)
        .env_remove("RUSTFLAGS")
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "{name} did not build: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(folder.join(profile).join(name))
}
