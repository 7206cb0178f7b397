//! Servers of Debian, each with data, ports and a certificate of its own in the folder of a test. The services that
//! their packages bring are never used.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    process::{LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
};

/// Where Debian 12 puts the programs of PostgreSQL; `psql` on PATH is a script in Perl.
pub const POSTGRESQL: &str = "/usr/lib/postgresql/15/bin";

/// A server that can be reached with TLS and without.
pub struct DebianServer {
    running: Running,
    pub tls: u16,
    pub plain: u16,
}

impl DebianServer {
    /// PostgreSQL; it trusts its clients. Each connection is a process of its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn postgresql(scratch: &Scratch) -> anyhow::Result<Self> {
        let own = Own::new(scratch, "postgres")?;
        let programs = Path::new(POSTGRESQL);
        let mut prepare = own.command(programs.join("initdb"));
        prepare.args(["--auth=trust", "--username=postgres", "--no-sync", "-D"]);
        Running::start(prepare.arg(own.path("data")))?.succeed()?;
        let port = free_port()?;
        let mut command = own.command(programs.join("postgres"));
        command.arg("-D").arg(own.path("data"));
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "fsync=off".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", own.pem.display()),
            format!("ssl_key_file={}", own.pem.display()),
        ] {
            command.args(["-c", &setting]);
        }
        Self::start(&mut command, port, port, Some("ready to accept connections"))
    }

    /// Redis.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn redis(scratch: &Scratch) -> anyhow::Result<Self> {
        let own = Own::new(scratch, "redis")?;
        let (tls, plain) = (free_port()?, free_port()?);
        let mut command = own.command("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &plain.to_string(), "--tls-port", &tls.to_string()]);
        command
            .args(["--tls-auth-clients", "no", "--dir"])
            .arg(&own.folder);
        for option in ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"] {
            command.arg(option).arg(&own.pem);
        }
        Self::start(&mut command, tls, plain, Some("Ready to accept connections"))
    }

    /// MariaDB; its user `root` has no password.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn mariadb(scratch: &Scratch) -> anyhow::Result<Self> {
        let own = Own::new(scratch, "mysql")?;
        let data = format!("--datadir={}", own.path("data").display());
        let mut prepare = own.command("mariadb-install-db");
        prepare.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
        prepare.args(["--skip-test-db", &data]);
        Running::start(&mut prepare)?.succeed()?;
        let port = free_port()?;
        let mut command = own.command("mariadbd");
        command.args(["--no-defaults", "--bind-address=127.0.0.1", &data]);
        command.arg(format!("--port={port}"));
        command.arg(format!("--socket={}", own.path("socket").display()));
        command.arg(format!("--pid-file={}", own.path("pid").display()));
        command.arg(format!("--ssl-cert={}", own.pem.display()));
        command.arg(format!("--ssl-key={}", own.pem.display()));
        Self::start(&mut command, port, port, Some("ready for connections"))
    }

    /// HAProxy in front of a plain server.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn haproxy(scratch: &Scratch, upstream: u16) -> anyhow::Result<Self> {
        let own = Own::new(scratch, "haproxy")?;
        Self::terminator(scratch, upstream, &own, HAPROXY_CFG, |own, file| {
            let mut command = own.command("haproxy");
            command.arg("-db").arg("-f").arg(file);
            command
        })
    }

    /// Caddy in front of a plain server.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn caddy(scratch: &Scratch, upstream: u16) -> anyhow::Result<Self> {
        let own = Own::new(scratch, "caddy")?;
        Self::terminator(scratch, upstream, &own, CADDYFILE, |own, file| {
            let mut command = own.command("caddy");
            command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(file);
            command
        })
    }

    fn terminator(
        scratch: &Scratch,
        upstream: u16,
        own: &Own,
        configuration: &str,
        command: impl Fn(&Own, &Path) -> Command,
    ) -> anyhow::Result<Self> {
        let (tls, plain) = (free_port()?, free_port()?);
        let text = configuration
            .replace("@pem@", &own.pem.display().to_string())
            .replace("@tls@", &tls.to_string())
            .replace("@plain@", &plain.to_string())
            .replace("@upstream@", &upstream.to_string());
        let file = scratch.file("terminator.conf", text)?;
        Self::start(&mut command(own, &file), tls, plain, None)
    }

    /// Waits until it says that it is ready, if it does, and its ports are open.
    fn start(command: &mut Command, tls: u16, plain: u16, ready: Option<&str>) -> anyhow::Result<Self> {
        let mut running = Running::start(command)?;
        let shown = command.get_program().to_string_lossy().into_owned();
        let listens = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let listening = wait_for(&format!("{shown} to listen"), LIMIT, || {
            let ended = running.status()?.is_some();
            let is_ready = ready.is_none_or(|words| running.said(&[words]));
            Ok((ended || (is_ready && listens(tls) && listens(plain))).then_some(!ended))
        })?;
        if !listening {
            let ended = running.end(LIMIT)?;
            bail!(
                "{shown} ended with {}: {}{}",
                ended.status,
                ended.stdout,
                ended.stderr
            );
        }
        Ok(Self { running, tls, plain })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// True while it runs.
    ///
    /// # Errors
    /// When that can not be told.
    pub fn lives(&mut self) -> anyhow::Result<bool> {
        Ok(self.running.status()?.is_none())
    }
}

/// What belongs to a server's own user: a folder, and a certificate with its key that nobody else may read.
struct Own {
    folder: PathBuf,
    pem: PathBuf,
    user: u32,
    group: u32,
}

impl Own {
    fn new(scratch: &Scratch, name: &str) -> anyhow::Result<Self> {
        let users = fs::read_to_string("/etc/passwd")?;
        let line = users.lines().find(|line| line.split(':').next() == Some(name));
        let line = line.with_context(|| format!("there is no user {name}: run `cargo xtask setup`"))?;
        let number = |column| line.split(':').nth(column).unwrap_or_default().parse::<u32>();
        let (user, group) = (number(2)?, number(3)?);
        let folder = scratch.path(name);
        let pem = folder.join("server.pem");
        fs::create_dir(&folder)?;
        fs::copy(scratch.certificate()?, &pem)?;
        for (path, mode) in [(&folder, 0o700), (&pem, 0o600)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            chown(path, Some(user), Some(group))?;
        }
        Ok(Self {
            folder,
            pem,
            user,
            group,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A program that runs as that user, at home in its folder.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.uid(self.user).gid(self.group);
        command.current_dir(&self.folder).env("HOME", &self.folder);
        command.env("LC_ALL", "C.UTF-8");
        for variable in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(variable);
        }
        command
    }
}

const HAPROXY_CFG: &str = r"
global
    nbthread 2
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend terminator
    bind 127.0.0.1:@tls@ ssl crt @pem@ alpn http/1.1
    bind 127.0.0.1:@plain@
    default_backend app
backend app
    server app 127.0.0.1:@upstream@
";

const CADDYFILE: &str = r"
{
    admin off
    auto_https off
    servers {
        protocols h1
    }
}
https://localhost:@tls@ {
    bind 127.0.0.1
    tls @pem@ @pem@
    reverse_proxy 127.0.0.1:@upstream@
}
http://localhost:@plain@ {
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:@upstream@
}
";
