//! Real peers: Python's TLS and plain sockets, nginx, and anything behind a gate.

use std::{
    ffi::OsStr,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    nginx,
    process::{self, LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
};

/// Debian's Python, which uses Debian's OpenSSL.
pub const PYTHON: &str = "/usr/bin/python3";

/// A program of tests/programs.
pub fn program(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "programs", name].iter().collect()
}

/// The libssl that Debian's Python uses.
///
/// # Errors
/// When Python cannot be run.
pub fn libssl() -> anyhow::Result<PathBuf> {
    let code = "import ssl; print(next(l.split()[-1] for l in open('/proc/self/maps') if 'libssl' in l))";
    let found = process::output(PYTHON, &["-c", code].map(OsStr::new))?;
    Ok(PathBuf::from(found.trim()))
}

/// The Python with packages that bring TLS libraries of their own (tests/programs/requirements.txt).
///
/// # Errors
/// When `cargo xtask setup` did not make it.
pub fn interpreter() -> anyhow::Result<PathBuf> {
    cached("python-peers/bin/python")
}

/// A folder of packages for that interpreter, by the TLS library they bring (tests/programs/requirements-*.txt).
///
/// # Errors
/// When `cargo xtask setup` did not make it.
pub fn packages_with(library: &str) -> anyhow::Result<PathBuf> {
    cached(&format!("python-{library}"))
}

/// Where the packages for Node.js are (tests/programs/npm).
///
/// # Errors
/// When `cargo xtask setup` did not install them.
pub fn node_modules() -> anyhow::Result<PathBuf> {
    cached("npm-peers/node_modules")
}

fn cached(name: &str) -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))
        .context("there is no cache folder")?;
    let path = base.join("auditor").join(name);
    ensure!(
        path.exists(),
        "{} is missing: run `cargo xtask setup`",
        path.display()
    );
    Ok(path)
}

/// Where its packages are.
///
/// # Errors
/// When it is not there.
pub fn packages() -> anyhow::Result<PathBuf> {
    let found = process::output(
        interpreter()?,
        &["-c", "import sysconfig; print(sysconfig.get_path('platlib'))"].map(OsStr::new),
    )?;
    Ok(PathBuf::from(found.trim()))
}

/// What a peer itself counted, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub sent: i64,
    pub received: i64,
}

impl Counts {
    pub const fn total(self) -> i64 {
        self.sent + self.received
    }

    /// What a peer left in a file.
    ///
    /// # Errors
    /// When it left nothing.
    pub fn read(path: &PathBuf) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("no counts in {}", path.display()))?;
        let counts: Value = serde_json::from_str(&text)?;
        let number = |name: &str| {
            counts[name]
                .as_i64()
                .with_context(|| format!("no {name} in {text}"))
        };
        Ok(Self {
            sent: number("sent")?,
            received: number("received")?,
        })
    }
}

/// A Python server; see programs/server.py.
pub struct Server {
    running: Running,
    pub port: u16,
    counts: PathBuf,
}

impl Server {
    /// A server over plain TCP.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn plain(scratch: &Scratch) -> anyhow::Result<Self> {
        Self::start(scratch, &[], "server")
    }

    /// A server over TLS.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn tls(scratch: &Scratch) -> anyhow::Result<Self> {
        Self::start(scratch, &[scratch.certificate()?.as_os_str()], "tls-server")
    }

    /// Another plain one in the same folder.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn another(scratch: &Scratch) -> anyhow::Result<Self> {
        Self::start(scratch, &[], "another-server")
    }

    fn start(scratch: &Scratch, pem: &[&OsStr], name: &str) -> anyhow::Result<Self> {
        let port_file = scratch.path(&format!("{name}.port"));
        let counts = scratch.path(&format!("{name}.counts"));
        let answers = scratch.path("answers");
        fs::create_dir_all(&answers)?;
        let mut command = Command::new(PYTHON);
        command
            .arg(program("server.py"))
            .args([&port_file, &counts, &answers])
            .args(pem);
        let mut running = Running::start(&mut command)?;
        let port = wait_for("server.py to listen", LIMIT, || {
            if let Some(status) = running.status()? {
                bail!("server.py ended with {status}");
            }
            Ok(fs::read_to_string(&port_file).ok())
        })?;
        Ok(Self {
            running,
            port: port.trim().parse()?,
            counts,
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.running.signal(signal)
    }

    /// Ends the server and returns what it counted.
    ///
    /// # Errors
    /// When it does not end or did not count.
    pub fn counts(mut self) -> anyhow::Result<Counts> {
        self.running.signal(Signal::TERM)?;
        self.running.succeed()?;
        Counts::read(&self.counts)
    }
}

/// Puts the raw bytes a server answers a request for `/NAME` with.
///
/// # Errors
/// When they cannot be written.
pub fn answer(scratch: &Scratch, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = scratch.path("answers");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

/// A Python client; see programs/client.py. It waits until auditor is ready, unless told otherwise.
pub struct Client {
    pub running: Running,
    counts: PathBuf,
}

impl Client {
    /// A client of a plain port that sends these messages and reads an answer to each.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn plain(scratch: &Scratch, port: u16, messages: &[Vec<u8>], more: &[&str]) -> anyhow::Result<Self> {
        Self::start(scratch, "client", port, messages, more)
    }

    /// The same over TLS.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn tls(scratch: &Scratch, port: u16, messages: &[Vec<u8>], more: &[&str]) -> anyhow::Result<Self> {
        Self::start(
            scratch,
            "tls-client",
            port,
            messages,
            &[&["--tls"], more].concat(),
        )
    }

    /// A client with a name of its own, where a test has several.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        scratch: &Scratch,
        name: &str,
        port: u16,
        messages: &[Vec<u8>],
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let words = client_words(scratch, name, port, messages, more)?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if !more.contains(&"--gate") {
            command.arg("--gate").arg(scratch.ready());
        }
        Ok(Self {
            running: Running::start(&mut command)?,
            counts: counts_of(scratch, name),
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until a client that goes on for ever says that it has sent so many bytes.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn has_sent(&self, bytes: i64) -> anyhow::Result<()> {
        wait_for("traffic", LIMIT, || {
            let sent = Counts::read(&self.counts).map_or(0, |counts| counts.sent);
            Ok((sent >= bytes).then_some(()))
        })
    }

    /// Waits for its end, which has to be a success, and returns what it counted.
    ///
    /// # Errors
    /// When it fails.
    pub fn counts(self) -> anyhow::Result<Counts> {
        self.running.succeed()?;
        Counts::read(&self.counts)
    }
}

fn counts_of(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path(&format!("{name}.counts"))
}

/// The command line of a client without a gate, for `auditor watch -- …`.
///
/// # Errors
/// When the messages cannot be written.
pub fn client_words(
    scratch: &Scratch,
    name: &str,
    port: u16,
    messages: &[Vec<u8>],
    more: &[&str],
) -> anyhow::Result<Vec<String>> {
    let shown = |path: PathBuf| path.display().to_string();
    let mut words = vec![PYTHON.to_owned(), shown(program("client.py"))];
    words.extend(["--port".to_owned(), port.to_string()]);
    words.extend(["--counts".to_owned(), shown(counts_of(scratch, name))]);
    words.extend(more.iter().map(|word| (*word).to_owned()));
    for (index, message) in messages.iter().enumerate() {
        let path = scratch.file(&format!("{name}.{index}.http"), message)?;
        words.extend(["--send".to_owned(), shown(path)]);
    }
    Ok(words)
}

/// A program that starts once auditor is ready, under the process id it has now.
///
/// # Errors
/// When it cannot be started.
pub fn gated(scratch: &Scratch, words: &[&OsStr]) -> anyhow::Result<Running> {
    Running::with_input(
        Command::new(PYTHON)
            .arg(program("gate.py"))
            .arg(scratch.ready())
            .args(words),
    )
}

/// What a server writes to this file once it listens: its port.
///
/// # Errors
/// When it ends, or does not in time.
pub fn announced(server: &mut Running, port_file: &Path) -> anyhow::Result<String> {
    wait_for("the server to listen", LIMIT, || {
        if let Some(status) = server.status()? {
            bail!("the server ended with {status}");
        }
        Ok(fs::read_to_string(port_file).ok())
    })
}

/// nginx with TLS in front of a plain server.
pub struct Nginx {
    running: Running,
    pub port: u16,
    log: PathBuf,
    /// Master first.
    pub pids: Vec<u32>,
}

impl Nginx {
    /// # Errors
    /// When it does not come up.
    pub fn start(scratch: &Scratch, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let log = scratch.path("nginx.log");
        let values: &[(&str, &dyn Display)] = &[("port", &port), ("upstream", &upstream)];
        let file = nginx::configure(scratch, "nginx.conf", HTTP, values)?;
        let (running, pids) = nginx::start(scratch, &file, &[port])?;
        Ok(Self {
            running,
            port,
            log,
            pids,
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Bytes nginx itself says it exchanged with its clients in `requests` requests.
    ///
    /// # Errors
    /// When it does not log them in time.
    pub fn counts(&self, requests: usize) -> anyhow::Result<Counts> {
        wait_for("nginx to log its requests", LIMIT, || {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<(i64, i64)> = text
                .lines()
                .filter_map(|line| {
                    let (received, sent) = line.split_once(' ')?;
                    Some((received.parse().ok()?, sent.parse().ok()?))
                })
                .filter(|(received, _)| *received > 0)
                .collect();
            Ok((lines.len() >= requests).then(|| Counts {
                received: lines.iter().map(|line| line.0).sum(),
                sent: lines.iter().map(|line| line.1).sum(),
            }))
        })
    }
}

/// Children of a process of one thread.
pub fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

const HTTP: &str = "\
    log_format counts '$request_length $bytes_sent';
    access_log @folder@/nginx.log counts;
    client_max_body_size 0;
    server {
        listen 127.0.0.1:@port@ ssl;
        ssl_certificate @pem@;
        ssl_certificate_key @pem@;
        location / { proxy_pass http://127.0.0.1:@upstream@; }
    }
";
