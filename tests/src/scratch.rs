//! The folder of one test: files for its peers, a certificate, ports. Removed when dropped.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::process;

/// A folder that everybody may read: nginx's workers are not root.
pub struct Scratch(TempDir);

impl Scratch {
    /// # Errors
    /// Without root, which every test here needs, and when no folder can be made.
    pub fn new() -> anyhow::Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "these tests load programs into the kernel: run them as root"
        );
        let folder = TempDir::with_prefix("auditor-test-").context("cannot make a temporary folder")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self(folder))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The file auditor makes when its probes are attached, and which clients wait for.
    pub fn ready(&self) -> PathBuf {
        self.path("ready")
    }

    /// Writes a file and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A self-signed certificate for localhost and its key in one file, made once.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn certificate(&self) -> anyhow::Result<PathBuf> {
        let both = self.path("server.pem");
        if !both.exists() {
            let (key, certificate) = (self.path("key.pem"), self.path("certificate.pem"));
            let words =
                "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj /CN=localhost";
            let mut arguments: Vec<&OsStr> = words.split(' ').map(OsStr::new).collect();
            arguments.extend([OsStr::new("-addext"), OsStr::new("subjectAltName=DNS:localhost")]);
            arguments.extend([
                OsStr::new("-keyout"),
                key.as_os_str(),
                OsStr::new("-out"),
                certificate.as_os_str(),
            ]);
            process::output("openssl", &arguments)?;
            let text = fs::read_to_string(&key)? + &fs::read_to_string(&certificate)?;
            fs::write(&both, text)?;
        }
        Ok(both)
    }
}

/// A port that was free a moment ago.
///
/// # Errors
/// When none is.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
