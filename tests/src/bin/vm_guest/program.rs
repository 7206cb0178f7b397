//! Runs programs under a deadline: a scenario that hangs fails alone, instead of the whole machine.

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// What a program printed and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program that must succeed, and returns what it printed on standard output.
pub(crate) fn output(command: &mut Command, limit: Duration) -> anyhow::Result<String> {
    let ended = run(command, limit)?;
    if ended.code != Some(0) {
        bail!(
            "{command:?} ended with {:?}: {}{}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
    }
    Ok(ended.stdout)
}

/// Runs a program to its end, however it ends, or kills it at the limit.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<Ended> {
    let mut running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let stdout = collect(running.0.stdout.take());
    let stderr = collect(running.0.stderr.take());
    let deadline = Instant::now() + limit;
    let status = loop {
        match running.0.try_wait()? {
            Some(status) => break status,
            None if Instant::now() < deadline => thread::sleep(POLL),
            None => {
                running.stop();
                let said = stderr.join().unwrap_or_default();
                bail!("{command:?} did not end within {} s: {said}", limit.as_secs());
            }
        }
    };
    Ok(Ended {
        code: status.code(),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A program in the background, killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("can not start {command:?}"))?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Starts a server and waits until it listens.
    pub(crate) fn server(
        command: &mut Command,
        address: SocketAddr,
        limit: Duration,
    ) -> anyhow::Result<Self> {
        let mut server = Self::start(command.stdout(Stdio::null()))?;
        let deadline = Instant::now() + limit;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.0.try_wait()? {
                bail!("{command:?} ended with {status} before it listened");
            }
            if Instant::now() > deadline {
                bail!(
                    "{command:?} did not listen on {address} within {} s",
                    limit.as_secs()
                );
            }
            thread::sleep(POLL);
        }
        Ok(server)
    }

    pub(crate) fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Tells it to end, and waits until it has ended well.
    pub(crate) fn interrupt(mut self, limit: Duration) -> anyhow::Result<()> {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::INT)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "it ended with {status}");
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!("it did not end within {} s", limit.as_secs())
    }

    pub(crate) fn stop(&mut self) {
        // Fails only when the program has ended already.
        let _: io::Result<()> = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
