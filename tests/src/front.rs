//! What stands in front of a server: nginx with HTTP/1.1 and HTTP/2, in the open and over TLS, with answers compressed on
//! the way; nghttpx, which is upgraded from one to the other; and tinyproxy, which opens tunnels.

use std::{
    net::{Ipv4Addr, TcpStream},
    process::Command,
};

use crate::{
    peers::{listening_nginx, nginx},
    process::{LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
};

/// A running nginx.
pub struct Front {
    _running: Running,
    /// HTTP/1.1.
    pub plain: u16,
    /// HTTP/2 without upgrade: the client knows.
    pub known: u16,
    /// TLS, where ALPN chooses.
    pub tls: u16,
    /// Master first.
    pub pids: Vec<u32>,
}

impl Front {
    /// # Errors
    /// When it does not come up.
    pub fn start(scratch: &Scratch, upstream: u16) -> anyhow::Result<Self> {
        let ports = [free_port()?, free_port()?, free_port()?];
        let [plain, known, tls] = ports;
        let mut configuration = CONFIGURATION
            .replace("@folder@", &scratch.folder().display().to_string())
            .replace("@pem@", &scratch.certificate()?.display().to_string());
        for (name, port) in [
            ("plain", plain),
            ("known", known),
            ("tls", tls),
            ("upstream", upstream),
        ] {
            configuration = configuration.replace(&format!("@{name}@"), &port.to_string());
        }
        let mut command = nginx(scratch, &scratch.file("front.conf", configuration)?);
        let (running, pids) = listening_nginx(&mut command, &ports)?;
        Ok(Self {
            _running: running,
            plain,
            known,
            tls,
            pids,
        })
    }
}

/// nghttpx, which passes on to a server of HTTP/1.1.
pub struct Upgrading {
    running: Running,
    pub port: u16,
}

impl Upgrading {
    /// # Errors
    /// When it does not come up.
    pub fn start(upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("nghttpx");
        command.args(["--conf=/dev/null", "--workers=1", "--single-process"]);
        command.arg(format!("--frontend=127.0.0.1,{port};no-tls"));
        command.arg(format!("--backend=127.0.0.1,{upstream}"));
        let running = Running::start(&mut command)?;
        listens(port)?;
        Ok(Self { running, port })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }
}

/// tinyproxy, which connects its clients to whom they name.
pub struct Tunnels {
    running: Running,
    pub port: u16,
}

impl Tunnels {
    /// # Errors
    /// When it does not come up.
    pub fn start(scratch: &Scratch, to: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let configuration = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {to}\nTimeout 60\nMaxClients 20\nLogLevel Error\n"
        );
        let file = scratch.file("tinyproxy.conf", configuration)?;
        let running = Running::start(Command::new("tinyproxy").args(["-d", "-c"]).arg(file))?;
        listens(port)?;
        Ok(Self { running, port })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }
}

/// Waits until something listens on this port.
///
/// # Errors
/// When nothing does in time.
pub fn listens(port: u16) -> anyhow::Result<()> {
    wait_for("a server to listen", LIMIT, || {
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .is_ok()
            .then_some(()))
    })
}

const CONFIGURATION: &str = r"
daemon off;
worker_processes 1;
pid @folder@/front.pid;
error_log stderr error;
user nobody nogroup;
events { worker_connections 256; }
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path @folder@/body;
    proxy_temp_path @folder@/proxy;
    fastcgi_temp_path @folder@/fastcgi;
    uwsgi_temp_path @folder@/uwsgi;
    scgi_temp_path @folder@/scgi;
    gzip on;
    gzip_min_length 200;
    gzip_types application/json;
    upstream app { server 127.0.0.1:@upstream@; keepalive 16; }
    server {
        listen 127.0.0.1:@plain@;
        listen 127.0.0.1:@known@ http2;
        listen 127.0.0.1:@tls@ ssl http2;
        server_name localhost;
        ssl_certificate @pem@;
        ssl_certificate_key @pem@;
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
        }
    }
}
";
