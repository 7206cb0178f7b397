//! What stands in front of a server: nginx with HTTP/1.1 and HTTP/2, in the open and over TLS, with answers compressed on
//! the way; nghttpx, which is upgraded from one to the other; and tinyproxy, which opens tunnels.

use std::{
    fmt::Display,
    net::{Ipv4Addr, TcpStream},
    process::Command,
};

use crate::{
    nginx,
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
        let values: &[(&str, &dyn Display)] = &[
            ("plain", &plain),
            ("known", &known),
            ("tls", &tls),
            ("upstream", &upstream),
        ];
        let file = nginx::configure(scratch, "front.conf", HTTP, values)?;
        let (running, pids) = nginx::start(scratch, &file, &ports)?;
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

const HTTP: &str = "\
    access_log off;
    client_max_body_size 0;
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
";
