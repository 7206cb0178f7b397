//! The shop that is watched: nginx with a certificate, an application behind it, and clients that wait for auditor.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail};

use super::{Clock, programs::Program};
use crate::process;

const NGINX_CONF: &str = include_str!("../../demo/nginx.conf");
const PYTHON: &str = "/usr/bin/python3";

/// A temporary folder, removed when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// # Errors
    /// When it is there already or cannot be made.
    pub(super) fn make() -> anyhow::Result<Self> {
        let path = env::temp_dir().join(format!("auditor-demo-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays in the temporary one does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The programs that are watched. They end in this order.
pub(super) struct Shop {
    pub(super) clients: Program,
    _nginx: Program,
    pub(super) app: Program,
    /// Master first.
    pub(super) nginx_pids: Vec<u32>,
}

impl Shop {
    /// Starts everything; the clients wait for the file `ready`.
    ///
    /// # Errors
    /// When a program cannot be started or does not come up.
    pub(super) fn open(folder: &Folder, clock: &Clock) -> anyhow::Result<Self> {
        certificate(folder)?;
        let app_port = folder.path("app.port");
        let app = python("app.py", |command| command.arg(&app_port))?;
        let app_port = clock.wait("the application", || {
            still_runs(&app, "the application")?;
            Ok(fs::read_to_string(&app_port).ok())
        })?;
        let port = free_port()?;
        let nginx = nginx(folder, port, app_port.trim())?;
        let nginx_pids = clock.wait("nginx", || {
            still_runs(&nginx, "nginx")?;
            let workers = children(nginx.pid());
            let listens = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok();
            Ok((listens && !workers.is_empty()).then(|| [vec![nginx.pid()], workers].concat()))
        })?;
        let clients = python("client.py", |command| {
            command
                .arg(port.to_string())
                .arg(folder.path("certificate.pem"))
                .arg(folder.path("ready"))
                .arg(folder.path("protected"))
        })?;
        Ok(Self {
            clients,
            _nginx: nginx,
            app,
            nginx_pids,
        })
    }

    /// All that is to be watched.
    pub(super) fn pids(&self) -> Vec<u32> {
        let mut pids = self.nginx_pids.clone();
        pids.extend([self.app.pid(), self.clients.pid()]);
        pids
    }
}

fn still_runs(program: &Program, name: &str) -> anyhow::Result<()> {
    if let Some(status) = program.ended()? {
        bail!("{name} ended before it was ready: {status}");
    }
    Ok(())
}

/// A self-signed certificate for localhost, valid for two days.
fn certificate(folder: &Folder) -> anyhow::Result<()> {
    let mut command = process::command("openssl");
    command.args([
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    command.args([
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]);
    command.arg("-keyout").arg(folder.path("key.pem"));
    command.arg("-out").arg(folder.path("certificate.pem"));
    process::output(&mut command).map(drop)
}

fn nginx(folder: &Folder, port: u16, app: &str) -> anyhow::Result<Program> {
    let configuration = NGINX_CONF
        .replace("@folder@", &folder.0.display().to_string())
        .replace("@port@", &port.to_string())
        .replace("@app@", app);
    let file = folder.path("nginx.conf");
    fs::write(&file, configuration)?;
    let program = process::find("nginx").context("nginx is missing; `cargo xtask setup` installs it")?;
    let mut command = process::command(program);
    command.arg("-p").arg(&folder.0).arg("-c").arg(file);
    command.args(["-e", "stderr"]);
    Program::start(&mut command)
}

fn python(
    name: &str,
    arguments: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
) -> anyhow::Result<Program> {
    let mut command = process::command(PYTHON);
    command.arg(Path::new("xtask/demo").join(name));
    Program::start(arguments(&mut command).stdout(Stdio::null()))
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// Children of a process of one thread.
fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}
