//! Servers under load: nginx, Node.js, rustls and Go over TLS, each with a client that keeps its connections and goes
//! on until it is ended. A request that fails ends the client with an error.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    go::{self, Build, Compiler, GoPeer, Requests},
    nginx, peers, process,
    process::{LIMIT, Running, wait_for},
    rustls,
    scratch::{Scratch, free_port},
};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One worker.
    Nginx,
    Node,
    /// One connection at a time.
    Rustls,
    Go,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Node, Self::Rustls, Self::Go];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Node => "Node.js",
            Self::Rustls => "rustls",
            Self::Go => "Go",
        }
    }

    /// Its library, as auditor names it.
    pub const fn library(self) -> &'static str {
        match self {
            Self::Nginx | Self::Node => "openssl",
            Self::Rustls => "rustls",
            Self::Go => "go",
        }
    }

    const fn connections(self) -> u32 {
        match self {
            Self::Rustls => 1,
            Self::Nginx | Self::Node | Self::Go => 2,
        }
    }
}

/// A server and its load.
pub struct Loaded {
    pub kind: Kind,
    server: Running,
    client: GoPeer,
    /// Processes of the server, the one that serves last.
    server_pids: Vec<u32>,
    pub scratch: Scratch,
}

impl Loaded {
    /// Starts both. What the server runs of TLS is a file of its own in `scratch`, but for Node.js: probes of other
    /// auditors on this machine are not in it.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(kind: Kind) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let program = go::build(Build {
            compiler: Compiler::Newest,
            stripped: true,
            pie: false,
        })?;
        let port_file = scratch.path("server.port");
        let mut command = match kind {
            Kind::Nginx => nginx_with_its_library(&scratch, &port_file)?,
            Kind::Node => {
                let mut command = Command::new("node");
                command.arg(peers::program("https_server.js")).arg(&port_file);
                command.arg(scratch.certificate()?);
                command
            }
            Kind::Rustls => {
                let mut command = Command::new(own(&scratch, &rustls::build("release")?)?);
                command.arg("server").arg(&port_file);
                command.arg(scratch.path("server.counts"));
                command.arg(scratch.certificate()?);
                command
            }
            Kind::Go => {
                let mut command = Command::new(own(&scratch, &program)?);
                command.arg("server").arg(&port_file);
                command.args([scratch.path("server.counts"), scratch.path("answers")]);
                command.arg(scratch.certificate()?);
                command
            }
        };
        let mut server = Running::start(&mut command)?;
        let port = listening(kind, &mut server, &port_file)?;
        let server_pids = wait_for("its workers", LIMIT, || {
            let workers = peers::children(server.pid());
            let is_there = kind != Kind::Nginx || !workers.is_empty();
            Ok(is_there.then(|| [vec![server.pid()], workers].concat()))
        })?;
        let requests = Requests {
            port,
            connections: kind.connections(),
            method: "POST",
            path: "/v1/orders",
            body: r#"{"order":1}"#,
            repeat: 0,
        };
        scratch.file("ready", "")?;
        let client = GoPeer::client(&scratch, &program, &requests)?;
        let mut loaded = Self {
            kind,
            server,
            client,
            server_pids,
            scratch,
        };
        loaded.goes_on()?;
        Ok(loaded)
    }

    /// Waits until requests were answered that began after this call, and none has failed.
    ///
    /// # Errors
    /// When the server or its client has ended, or nothing moves.
    pub fn goes_on(&mut self) -> anyhow::Result<()> {
        let name = self.kind.name();
        // Each connection has one request under way, of less than a kilobyte with its answer.
        let more = 2 * 1024 * i64::from(self.kind.connections());
        self.client
            .has_moved(self.client.moved() + more)
            .with_context(|| format!("load of {name}"))?;
        ensure!(self.server.status()?.is_none(), "{name} ended");
        Ok(())
    }

    /// The process that serves.
    pub fn serving(&self) -> u32 {
        self.server_pids.last().copied().unwrap_or_default()
    }

    /// Processes to watch: those of the server, and the client where it is of the same kind.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids = self.server_pids.clone();
        pids.extend((self.kind == Kind::Go).then(|| self.client.pid()));
        pids
    }

    /// Bytes of memory the server's processes have in use.
    ///
    /// # Errors
    /// When one has ended.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.server_pids
            .iter()
            .map(|pid| process::memory(*pid, "VmRSS:"))
            .sum()
    }

    /// Ends the client, which must have seen no error, and then the server.
    ///
    /// # Errors
    /// When one did not live until now.
    pub fn end(mut self) -> anyhow::Result<()> {
        let name = self.kind.name();
        self.client.end().with_context(|| format!("load of {name}"))?;
        ensure!(self.server.status()?.is_none(), "{name} ended");
        Ok(())
    }
}

/// A copy, which is another file to the kernel.
fn own(scratch: &Scratch, file: &Path) -> anyhow::Result<PathBuf> {
    let copy = scratch.path(&file.file_name().context("a name")?.to_string_lossy());
    fs::copy(file, &copy)?;
    Ok(copy)
}

fn nginx_with_its_library(scratch: &Scratch, port_file: &Path) -> anyhow::Result<Command> {
    let port = free_port()?;
    let file = nginx::configure(scratch, "nginx.conf", HTTP, &[("port", &port)])?;
    let folder = scratch.path("lib");
    fs::create_dir(&folder)?;
    fs::copy(peers::libssl()?, folder.join("libssl.so.3"))?;
    fs::write(port_file, port.to_string())?;
    let mut command = nginx::command(scratch, &file);
    command.env("LD_LIBRARY_PATH", folder);
    Ok(command)
}

fn listening(kind: Kind, server: &mut Running, port_file: &Path) -> anyhow::Result<u16> {
    let name = kind.name();
    wait_for(&format!("{name} to listen"), LIMIT, || {
        if let Some(status) = server.status()? {
            bail!("{name} ended with {status}");
        }
        let port = fs::read_to_string(port_file).ok();
        let port = port.and_then(|port| port.trim().parse::<u16>().ok());
        // rustls serves one connection at a time, and says that it listens by the file.
        Ok(port
            .filter(|port| kind != Kind::Nginx || TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok()))
    })
}

const HTTP: &str = r#"    access_log off;
    keepalive_requests 1000000000;
    default_type application/json;
    server {
        listen 127.0.0.1:@port@ ssl;
        ssl_certificate @pem@;
        ssl_certificate_key @pem@;
        location / { return 200 '{"status":"accepted"}'; }
    }
"#;
