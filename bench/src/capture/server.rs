//! Servers to watch: nginx with and without TLS, Node.js and Go with TLS. Each answers `/1k` and
//! `/64k` with JSON that has no sensitive value, from one worker.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use super::{processor_s, wait_for};

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    NginxTls,
    Nginx,
    /// In the open, with prior knowledge.
    #[value(skip)]
    NginxHttp2,
    Node,
    Go,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::NginxTls => "nginx, TLS",
            Self::Nginx => "nginx, plain",
            Self::NginxHttp2 => "nginx, HTTP/2 in the open",
            Self::Node => "Node.js, TLS",
            Self::Go => "Go, TLS",
        }
    }
}

/// Length of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Body {
    #[value(name = "1k")]
    Small,
    #[value(name = "64k")]
    Large,
}

impl Body {
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "1k",
            Self::Large => "64k",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Large => 64 * 1024,
        }
    }
}

/// A running server; ends when dropped.
pub struct Server {
    pub kind: Kind,
    port: u16,
    child: Child,
    /// Processes to watch.
    pub pids: Vec<u32>,
    /// The file that holds its TLS library, for a peer that must be told.
    pub library: Option<PathBuf>,
}

const NODE: &str = include_str!("programs/server.js");
const GO: &str = include_str!("programs/server.go");
/// Debian's place of OpenSSL.
const LIBSSL: &str = "/usr/lib/x86_64-linux-gnu/libssl.so.3";

impl Server {
    /// Starts a server on a free port, with a certificate of its own, below `folder`.
    ///
    /// # Errors
    /// When a program is missing, or it does not answer.
    pub fn start(kind: Kind, folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join(format!("{kind:?}"));
        fs::create_dir_all(&folder)?;
        certificate(&folder)?;
        for body in [Body::Small, Body::Large] {
            fs::write(folder.join(body.name()), json(body.bytes()))?;
        }
        let port = free_port()?;
        let mut command = match kind {
            Kind::NginxTls | Kind::Nginx | Kind::NginxHttp2 => nginx(&folder, port, kind)?,
            Kind::Node => node(&folder, port)?,
            Kind::Go => go(&folder, port)?,
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("errors"))?)
            .spawn()
            .with_context(|| format!("can not start {}", command.get_program().display()))?;
        let mut server = Self {
            kind,
            port,
            pids: vec![child.id()],
            child,
            library: match kind {
                Kind::NginxTls => Some(PathBuf::from(LIBSSL)),
                Kind::Node => fs::canonicalize(which("node")?).ok(),
                Kind::Nginx | Kind::NginxHttp2 | Kind::Go => None,
            },
        };
        wait_for("a server to listen", || {
            ensure!(
                server.child.try_wait()?.is_none(),
                "{} ended: {}",
                kind.name(),
                fs::read_to_string(folder.join("errors"))
                    .unwrap_or_default()
                    .trim()
            );
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        server.pids.extend(children(server.child.id()));
        Ok(server)
    }

    /// What all its processes took of a core so far, seconds.
    ///
    /// # Errors
    /// When one has ended.
    pub fn processor_s(&self) -> anyhow::Result<f64> {
        self.pids
            .iter()
            .map(|pid| {
                processor_s(*pid).with_context(|| format!("{}: process {pid} is gone", self.kind.name()))
            })
            .sum()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, body: Body) -> String {
        let in_the_open = matches!(self.kind, Kind::Nginx | Kind::NginxHttp2);
        let scheme = if in_the_open { "http" } else { "https" };
        format!("{scheme}://127.0.0.1:{}/{}", self.port, body.name())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Workers of nginx end with their master, which therefore must be asked.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn nginx(folder: &Path, port: u16, kind: Kind) -> anyhow::Result<Command> {
    let place = folder.display();
    let (listen, keys) = match kind {
        Kind::NginxTls => (
            format!("{port} ssl"),
            format!("ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;"),
        ),
        Kind::NginxHttp2 => (format!("{port} http2"), String::new()),
        _ => (port.to_string(), String::new()),
    };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};"))
        .concat();
    // Without sendfile: what the kernel sends by itself passes no hook, so it would cost nothing.
    let configuration = format!(
        "worker_processes 1; daemon off; pid {place}/pid; error_log {place}/errors;
        events {{ worker_connections 512; }}
        http {{ access_log off; sendfile off; keepalive_requests 1000000000; {temporary}
            output_buffers 1 128k; open_file_cache max=16; default_type application/json;
            server {{ listen 127.0.0.1:{listen}; {keys} root {place}; }} }}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.join("errors")).arg("-c").arg(file);
    Ok(command)
}

fn node(folder: &Path, port: u16) -> anyhow::Result<Command> {
    let program = folder.join("server.js");
    fs::write(&program, NODE)?;
    let mut command = Command::new(which("node")?);
    command.arg(program).arg(folder).arg(port.to_string());
    Ok(command)
}

fn go(folder: &Path, port: u16) -> anyhow::Result<Command> {
    let source = folder.join("server.go");
    fs::write(&source, GO)?;
    let mut command = Command::new(build_go(folder, &source)?);
    // One worker, as the others have.
    command.arg(folder).arg(port.to_string()).env("GOMAXPROCS", "1");
    Ok(command)
}

/// Builds a program in Go of one file; where it is.
pub(super) fn build_go(folder: &Path, source: &Path) -> anyhow::Result<PathBuf> {
    let program = source.with_extension("");
    let built = Command::new(which("go")?)
        .args(["build", "-o"])
        .arg(&program)
        .arg(source)
        .env("GOCACHE", folder.join("cache"))
        .env("GOFLAGS", "-mod=mod")
        .env("GO111MODULE", "off")
        .output()?;
    ensure!(
        built.status.success(),
        "go build: {}",
        String::from_utf8_lossy(&built.stderr).trim()
    );
    Ok(program)
}

/// A key and a certificate for localhost.
fn certificate(folder: &Path) -> anyhow::Result<()> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .output()
        .context("can not start openssl")?;
    ensure!(
        made.status.success(),
        "openssl req: {}",
        String::from_utf8_lossy(&made.stderr).trim()
    );
    Ok(())
}

/// Records of a shop, `length` bytes or a little more.
fn json(length: usize) -> String {
    let mut text = String::from("{\"items\":[");
    let mut n = 0;
    while text.len() < length - 60 {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&format!(
            "{{\"sku\":\"SKU-{n:05}\",\"title\":\"blue kettle\",\"stock\":{},\"price\":{}.90}}",
            n % 50,
            10 + n % 80
        ));
        n += 1;
    }
    text.push_str("],\"total\":1}\n");
    text
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Processes that this one started.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn which(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not on PATH; `cargo xtask setup bench` installs it"))
}
