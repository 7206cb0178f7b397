//! `auditor run` on processes of a test: its configuration, its HTTP page, its socket.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    process::{self, Ended, LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
};

/// A running daemon.
pub struct Daemon {
    running: Running,
    pub port: u16,
    pub socket: PathBuf,
    pub state: PathBuf,
}

/// Writes a configuration for these processes; returns the file, the HTTP port, the socket and the state folder.
///
/// # Errors
/// When it cannot be written.
pub fn configuration(
    scratch: &Scratch,
    name: &str,
    pids: &[u32],
    port: u16,
) -> anyhow::Result<(PathBuf, PathBuf, PathBuf)> {
    let state = scratch.path(&format!("{name}.state"));
    let socket = scratch.path(&format!("{name}.sock"));
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    let text = format!(
        "state_dir: {}\nscope:\n  pids: [{}]\nserve:\n  http: 127.0.0.1:{port}\n  socket: {}\ndetect:\n  states: all\n",
        state.display(),
        pids.join(", "),
        socket.display()
    );
    let file = scratch.file(&format!("{name}.yaml"), text)?;
    Ok((file, socket, state))
}

impl Daemon {
    /// Starts a daemon that watches these processes, and returns once it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time.
    pub fn start(scratch: &Scratch, pids: &[u32], environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut daemon = Self::started(scratch, pids, environment)?;
        let ended = wait_for("auditor run to be ready", LIMIT, || {
            if let Some(status) = daemon.running.status()? {
                return Ok(Some(Some(status)));
            }
            Ok(daemon
                .page("/readyz")
                .is_ok_and(|page| page.starts_with("HTTP/1.1 200"))
                .then_some(None))
        })?;
        if ended.is_some() {
            let ended = daemon.running.end(LIMIT)?;
            bail!(
                "auditor run ended with {} before it was ready: {}",
                ended.status,
                ended.stderr
            );
        }
        Ok(daemon)
    }

    /// One that is killed after this time, whatever it is doing then.
    ///
    /// # Errors
    /// When it can not be started, or ended before.
    pub fn killed_after(
        scratch: &Scratch,
        pids: &[u32],
        environment: &[(&str, &str)],
        time: Duration,
    ) -> anyhow::Result<()> {
        let mut daemon = Self::started(scratch, pids, environment)?;
        std::thread::sleep(time);
        ensure!(daemon.lives()?, "auditor run ended: {}", daemon.kill()?.stderr);
        daemon.kill().map(drop)
    }

    fn started(scratch: &Scratch, pids: &[u32], environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let port = free_port()?;
        let (file, socket, state) = configuration(scratch, "daemon", pids, port)?;
        let mut command = Command::new(process::auditor()?);
        command
            .arg("run")
            .arg("--config")
            .arg(file)
            .envs(environment.iter().copied());
        Ok(Self {
            running: Running::start(&mut command)?,
            port,
            socket,
            state,
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until `/readyz` says where names come from: `kubernetes`, `degraded`, …
    ///
    /// # Errors
    /// When it does not say so in time.
    pub fn identity_is(&self, state: &str, patience: Duration) -> anyhow::Result<()> {
        let wanted = format!("\"identity\":\"{state}\"");
        let mut last = String::new();
        wait_for(&format!("/readyz to say {state}"), patience, || {
            last = self.page("/readyz")?;
            Ok(last.contains(&wanted).then_some(()))
        })
        .with_context(|| last.clone())
    }

    /// The series of `/metrics` that begin with this, added up.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metric(&self, series: &str) -> anyhow::Result<f64> {
        let page = self.page("/metrics")?;
        let of = page.lines().filter(|line| line.starts_with(series));
        Ok(of
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.running.signal(signal)
    }

    /// Asks it to read its configuration again.
    ///
    /// # Errors
    /// When it has ended.
    pub fn hang_up(&self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("a process id")?, Signal::HUP)?)
    }

    /// Whether it has not ended by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn lives(&mut self) -> anyhow::Result<bool> {
        Ok(self.running.status()?.is_none())
    }

    /// Ends it as a power cut does.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(mut self) -> anyhow::Result<Ended> {
        self.running.signal(Signal::KILL)?;
        self.running.end(LIMIT)
    }

    /// A page of its HTTP server, with status and headers.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn page(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    }

    /// Waits until every byte that moved has gone somewhere, for sockets and for TLS.
    ///
    /// # Errors
    /// When one has not, or the page can not be read.
    pub fn balanced(&self) -> anyhow::Result<()> {
        let sum = |page: &str, metric: &str, ledger: &str| -> anyhow::Result<f64> {
            let ledger = format!("ledger=\"{ledger}\"");
            let is_its = |line: &&str| line.starts_with(metric) && line.contains(&ledger);
            let numbers = page
                .lines()
                .filter(is_its)
                .filter_map(|line| line.rsplit(' ').next());
            let numbers: Vec<f64> = numbers.map(str::parse).collect::<Result<_, _>>()?;
            Ok(numbers.iter().sum())
        };
        let mut account = String::new();
        wait_for("the account to balance", LIMIT, || {
            let page = self.page("/metrics")?;
            let mut is_balanced = true;
            account.clear();
            for ledger in ["socket", "tls"] {
                let moved = sum(&page, "auditor_bytes_moved_total{", ledger)?;
                let settled = sum(&page, "auditor_bytes_total{", ledger)?;
                is_balanced &= moved == settled;
                account += &format!("{ledger}: {moved} moved, {settled} settled; ");
            }
            Ok(is_balanced.then_some(()))
        })
        .context(account)
    }

    /// Findings the socket remembers, one a line.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn remembered(&self) -> anyhow::Result<Vec<String>> {
        let mut stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("cannot connect to {}", self.socket.display()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"{\"filters\":{},\"last\":1000,\"follow\":false}\n")?;
        Ok(BufReader::new(stream).lines().collect::<Result<_, _>>()?)
    }

    /// Waits for an end that nobody asked for.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub fn ended(self, limit: Duration) -> anyhow::Result<Ended> {
        self.running.end(limit)
    }

    /// Ends the daemon as systemd does.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> anyhow::Result<Ended> {
        self.running.signal(Signal::TERM)?;
        self.running.end(LIMIT)
    }
}
