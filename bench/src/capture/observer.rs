//! Who watches a server: auditor, and bpftrace as the peer that does least: it copies 64 bytes of
//! each read and write at the exported functions, and prints nothing.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::server::Server;
use super::{processor_s, wait_for};

/// Watches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Observer {
    /// Full payload, all detectors.
    Auditor,
    /// Three probes at exported functions, 64 bytes.
    Bpftrace,
}

impl Observer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Bpftrace => "bpftrace",
        }
    }
}

/// What an observer took and saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// Time on a core, seconds.
    pub processor_s: f64,
    /// Most memory, bytes.
    pub peak_bytes: u64,
    /// Plaintext that moved, as its account says.
    pub moved_bytes: u64,
    /// Of these, scanned.
    pub scanned_bytes: u64,
}

/// A running observer; ends when dropped.
pub struct Observed {
    observer: Observer,
    child: Child,
    output: PathBuf,
    /// Keeps the observer's files until it has ended.
    _folder: tempfile::TempDir,
}

impl Observed {
    /// Starts an observer and waits until it is attached.
    ///
    /// # Errors
    /// When it can not watch such a server, or fails.
    pub fn start(observer: Observer, server: &Server, auditor: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (output, ready) = (folder.path().join("output"), folder.path().join("ready"));
        let mut command = match observer {
            Observer::Auditor => watch(server, auditor, &output, &ready),
            Observer::Bpftrace => bpftrace(server)?,
        };
        let stdout = match observer {
            Observer::Auditor => Stdio::null(),
            Observer::Bpftrace => Stdio::from(fs::File::create(&ready)?),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(fs::File::create(folder.path().join("errors"))?)
            .spawn()
            .with_context(|| format!("can not start {}", command.get_program().display()))?;
        let errors = folder.path().join("errors");
        let mut observed = Self {
            observer,
            child,
            output,
            _folder: folder,
        };
        wait_for("an observer to attach", || {
            ensure!(
                observed.child.try_wait()?.is_none(),
                "{} ended: {}",
                observer.name(),
                fs::read_to_string(&errors).unwrap_or_default().trim()
            );
            Ok(match observer {
                Observer::Auditor => ready.exists(),
                Observer::Bpftrace => fs::read_to_string(&ready).is_ok_and(|text| text.contains(TICK)),
            })
        })?;
        Ok(observed)
    }

    /// Ends it; what it took, where it can be told.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(mut self) -> anyhow::Result<Option<Took>> {
        let mut took = took(self.child.id());
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.observer.name());
        if self.observer == Observer::Bpftrace {
            return Ok(took);
        }
        let mut text = String::new();
        fs::File::open(&self.output)?.read_to_string(&mut text)?;
        let summary = text.lines().last().context("auditor wrote no summary")?;
        let summary: serde_json::Value = serde_json::from_str(summary)?;
        let balance = |ledger: &str| -> anyhow::Result<(u64, u64)> {
            let account = &summary["account"][ledger];
            let difference = account["difference"].as_i64();
            ensure!(
                difference == Some(0),
                "the {ledger} account does not balance: {difference:?}"
            );
            let bytes = |name: &str| account[name].as_u64().unwrap_or_default();
            Ok((bytes("moved"), bytes("scanned")))
        };
        let (socket, tls) = (balance("socket")?, balance("tls")?);
        if let Some(took) = &mut took {
            // Where there is TLS the sockets carry the same again, as ciphertext.
            (took.moved_bytes, took.scanned_bytes) = if tls.0 > 0 { tls } else { socket };
        }
        Ok(took)
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn watch(server: &Server, auditor: &Path, output: &Path, ready: &Path) -> Command {
    let mut command = Command::new(auditor);
    command
        .args(["watch", "--format", "json", "--output"])
        .arg(output);
    command.arg("--ready-file").arg(ready);
    for pid in &server.pids {
        command.args(["--pid", &pid.to_string()]);
    }
    command
}

/// What bpftrace prints once all probes are attached: they are attached in order, this one last.
const TICK: &str = "attached";

fn bpftrace(server: &Server) -> anyhow::Result<Command> {
    let library = server
        .library
        .as_deref()
        .context("bpftrace has no exported functions to watch in it")?
        .display();
    let ours = server
        .pids
        .iter()
        .map(|pid| format!("pid == {pid}"))
        .collect::<Vec<_>>()
        .join(" || ");
    // Node.js and nginx call these; a map keeps the last copy, so that it has to be made.
    let program = format!(
        "uprobe:{library}:SSL_write /{ours}/ {{ @written[tid] = buf(arg1, 64); }}
        uprobe:{library}:SSL_read /{ours}/ {{ @buffer[tid] = arg1; }}
        uretprobe:{library}:SSL_read /@buffer[tid]/ {{ @read[tid] = buf(@buffer[tid], 64); delete(@buffer[tid]); }}
        interval:ms:100 {{ printf(\"{TICK}\\n\"); }}
        END {{ clear(@written); clear(@read); clear(@buffer); }}"
    );
    let mut command = Command::new("bpftrace");
    command.args(["-B", "line", "-e"]).arg(program);
    Ok(command)
}

/// What a process took so far.
fn took(pid: u32) -> Option<Took> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(Took {
        processor_s: processor_s(pid)?,
        peak_bytes: peak.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024,
        ..Took::default()
    })
}
