//! What each kind of work needs: a file that proves it is there, and the Debian package that brings it.

use std::path::Path;

use crate::process;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// Building auditor and its kernel programs.
    Build,
    /// The native tests and the demo: real peers.
    Test,
    /// The virtual machines.
    Vm,
    /// Building and emulating programs for 64-bit ARM; not among [`Self::ALL`], as one stage of the tests asks for it.
    Arm64,
    /// The peers of `cargo xtask bench`; not among [`Self::ALL`], as Debian has them for x86-64 only.
    Bench,
}

impl Group {
    pub(crate) const ALL: [Self; 3] = [Self::Build, Self::Test, Self::Vm];
}

/// One thing to have.
pub(crate) struct Need {
    /// A program to find on PATH, or an absolute path to exist.
    proof: &'static str,
    package: &'static str,
}

const fn need(proof: &'static str, package: &'static str) -> Need {
    Need { proof, package }
}

const BUILD: &[Need] = &[
    need("cc", "gcc"),
    need("/usr/include/x86_64-linux-gnu/sys/types.h", "libc6-dev"),
];

/// Debian's Rust compiler with `core` for BPF (from the security suite of Debian 12).
pub(super) const COMPILER: &[Need] = &[
    need("/usr/bin/rustc", "rustc-web"),
    need("/usr/bin/cargo", "cargo-web"),
    need(
        "/usr/lib/rustlib/bpfel-unknown-none/lib",
        "libstd-rust-web-dev-bpf",
    ),
];

/// What bpf-linker is built from.
pub(super) const LINKER: &[Need] = &[
    need("c++", "g++"),
    need("/usr/lib/llvm-22/bin/llvm-config", "llvm-22-dev"),
    need("/usr/lib/llvm-22/include/clang-c/Index.h", "libclang-22-dev"),
    need("/usr/include/zlib.h", "zlib1g-dev"),
    need("/usr/include/zstd.h", "libzstd-dev"),
];

const TEST: &[Need] = &[
    need("nginx", "nginx-light"),
    need("curl", "curl"),
    need("openssl", "openssl"),
    need("buildah", "buildah"),
    need("/usr/bin/python3", "python3"),
    need("/var/lib/dpkg/info/python3-venv.list", "python3-venv"),
    need("promtool", "prometheus"),
    need("ip", "iproute2"),
    need("nft", "nftables"),
    need("/usr/bin/go", "golang-go"),
    need("caddy", "caddy"),
    need("gnutls-cli", "gnutls-bin"),
    need("wget", "wget"),
    need("tstclnt", "libnss3-tools"),
    need("node", "nodejs"),
    need("npm", "npm"),
    need("nghttp", "nghttp2-client"),
    need("nghttpd", "nghttp2-server"),
    need("nghttpx", "nghttp2-proxy"),
    need("tinyproxy", "tinyproxy"),
    need("protoc", "protobuf-compiler"),
    need("brotli", "brotli"),
    need("zstd", "zstd"),
    need("/usr/include/mbedtls/ssl.h", "libmbedtls-dev"),
    need("/usr/include/wolfssl/ssl.h", "libwolfssl-dev"),
    need("/var/lib/dpkg/info/postgresql.list", "postgresql"),
    need("mariadbd", "mariadb-server"),
    need("mariadb", "mariadb-client"),
    need("redis-server", "redis-server"),
    need("haproxy", "haproxy"),
    need("wrk", "wrk"),
    // Containers and pods, in roots of their own.
    need("containerd", "containerd"),
    need("/lib/systemd/systemd", "systemd"),
    need("runc", "runc"),
    need("podman", "podman"),
    need(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
    ),
    // AWS-LC is built from source.
    need("c++", "g++"),
    need("cmake", "cmake"),
    need("/usr/lib/llvm-22/include/clang-c/Index.h", "libclang-22-dev"),
];

const VM: &[Need] = &[
    need("qemu-system-x86_64", "qemu-system-x86"),
    need("dpkg-deb", "dpkg"),
    need("strip", "binutils"),
    need("mke2fs", "e2fsprogs"),
    need("/usr/bin/python3", "python3"),
    need("openssl", "openssl"),
    need("curl", "curl"),
    need("nginx", "nginx-light"),
    need(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
    ),
];

const BENCH: &[Need] = &[
    need("/usr/lib/x86_64-linux-gnu/libhs.so.5", "libhyperscan5"),
    need("nginx", "nginx-light"),
    need("wrk", "wrk"),
    need("h2load", "nghttp2-client"),
    need("bpftrace", "bpftrace"),
    need("node", "nodejs"),
    need("go", "golang-go"),
    need("openssl", "openssl"),
];

const ARM64: &[Need] = &[
    need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    need("/usr/aarch64-linux-gnu/lib/libc.so.6", "libc6-dev-arm64-cross"),
    need("qemu-aarch64", "qemu-user"),
];

/// Packages that these groups need and that are not there, each once.
pub(super) fn missing_packages(groups: &[Group]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for group in groups {
        let needs = match group {
            Group::Build => BUILD,
            Group::Test => TEST,
            Group::Vm => VM,
            Group::Bench => BENCH,
            Group::Arm64 => ARM64,
        };
        for package in missing(needs) {
            if !packages.contains(&package) {
                packages.push(package);
            }
        }
    }
    packages
}

/// Packages of those needs that are not there.
pub(super) fn missing(needs: &[Need]) -> Vec<&'static str> {
    needs
        .iter()
        .filter(|need| !is_there(need.proof))
        .map(|need| need.package)
        .collect()
}

fn is_there(proof: &str) -> bool {
    if proof.starts_with('/') {
        Path::new(proof).exists()
    } else {
        process::find(proof).is_some()
    }
}
