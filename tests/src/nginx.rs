//! nginx: a configuration around what a test is about, and its processes once it listens.

use std::{
    fmt::Display,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::bail;

use crate::{
    peers::children,
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// Writes a configuration of this name, with `http` in its `http` block. In it `@folder@` stands for the test's folder,
/// `@pem@` for its certificate and key, and the name of each of `values` for its value.
///
/// # Errors
/// When it can not be written.
pub fn configure(
    scratch: &Scratch,
    name: &str,
    http: &str,
    values: &[(&str, &dyn Display)],
) -> anyhow::Result<PathBuf> {
    let folder = scratch.folder().display().to_string();
    let pem = scratch.certificate()?.display().to_string();
    let mut text = AROUND.replace("@name@", name).replace("@http@", http);
    for (name, value) in [("folder", &folder as &dyn Display), ("pem", &pem)]
        .iter()
        .chain(values)
    {
        text = text.replace(&format!("@{name}@"), &value.to_string());
    }
    scratch.file(name, text)
}

/// nginx with a configuration.
pub fn command(scratch: &Scratch, configuration: &Path) -> Command {
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(scratch.folder())
        .arg("-c")
        .arg(configuration)
        .args(["-e", "stderr"]);
    command
}

/// Starts it; its processes, the master first, once it listens at all `ports`.
///
/// # Errors
/// When it does not come up.
pub fn start(scratch: &Scratch, configuration: &Path, ports: &[u16]) -> anyhow::Result<(Running, Vec<u32>)> {
    let mut running = Running::start(&mut command(scratch, configuration))?;
    let master = running.pid();
    let pids = wait_for("nginx to listen", LIMIT, || {
        if let Some(status) = running.status()? {
            bail!("nginx ended with {status}");
        }
        let workers = children(master);
        let listens = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let is_up = !workers.is_empty() && ports.iter().all(listens);
        Ok(is_up.then(|| [vec![master], workers].concat()))
    })?;
    Ok((running, pids))
}

/// One worker in the foreground, which writes nowhere but in the test's folder.
const AROUND: &str = "\
daemon off;
worker_processes 1;
pid @folder@/@name@.pid;
error_log stderr error;
user nobody nogroup;
events { worker_connections 1024; }
http {
    client_body_temp_path @folder@/body;
    proxy_temp_path @folder@/proxy;
    fastcgi_temp_path @folder@/fastcgi;
    uwsgi_temp_path @folder@/uwsgi;
    scgi_temp_path @folder@/scgi;
@http@}
";
