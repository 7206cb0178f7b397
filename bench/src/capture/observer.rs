//! Who watches a server: auditor, and bpftrace as the peer that does least: it copies 64 bytes of
//! each read and write, and prints nothing. Each with probes where auditor chooses them, and at the exported functions.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use auditor::capture::{elf::Elf, tls};
use rustix::process::{Pid, Signal, kill_process};

use super::server::Server;
use super::{processor_s, wait_for};

/// Watches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Observer {
    /// Full payload, all detectors.
    Auditor,
    /// The same with probes on the first instruction of exported functions.
    AuditorExported,
    /// Three probes at the functions that auditor chooses, 64 bytes.
    BpftraceInternal,
    /// The same at exported functions.
    Bpftrace,
}

impl Observer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::AuditorExported => "auditor, exported",
            Self::BpftraceInternal => "bpftrace, internal",
            Self::Bpftrace => "bpftrace",
        }
    }

    fn is_auditor(self) -> bool {
        matches!(self, Self::Auditor | Self::AuditorExported)
    }
}

/// What an observer took and saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// Time on a core since it was attached, seconds.
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
    /// What it took of a core until it was attached, seconds.
    attaching_s: f64,
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
            Observer::Auditor => watch(server, auditor, &output, &ready, "chosen"),
            Observer::AuditorExported => {
                library(server)?;
                watch(server, auditor, &output, &ready, "exported")
            }
            Observer::BpftraceInternal => bpftrace(server, &internal_pair(library(server)?)?)?,
            Observer::Bpftrace => bpftrace(server, &["SSL_read", "SSL_write"].map(str::to_owned))?,
        };
        let stdout = if observer.is_auditor() {
            Stdio::null()
        } else {
            Stdio::from(fs::File::create(&ready)?)
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
            attaching_s: 0.0,
            _folder: folder,
        };
        wait_for("an observer to attach", || {
            ensure!(
                observed.child.try_wait()?.is_none(),
                "{} ended: {}",
                observer.name(),
                fs::read_to_string(&errors).unwrap_or_default().trim()
            );
            Ok(if observer.is_auditor() {
                ready.exists()
            } else {
                fs::read_to_string(&ready).is_ok_and(|text| text.contains(TICK))
            })
        })?;
        observed.attaching_s = processor_s(observed.child.id()).unwrap_or_default();
        Ok(observed)
    }

    /// Ends it; what it took, where it can be told.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(mut self) -> anyhow::Result<Option<Took>> {
        let mut took = took(self.child.id());
        if let Some(took) = &mut took {
            took.processor_s -= self.attaching_s;
        }
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.observer.name());
        if !self.observer.is_auditor() {
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

fn watch(server: &Server, auditor: &Path, output: &Path, ready: &Path, places: &str) -> Command {
    let mut command = Command::new(auditor);
    command
        .args(["watch", "--format", "json", "--output"])
        .arg(output);
    command.arg("--ready-file").arg(ready);
    command.args(["--attach-points", places]);
    for pid in &server.pids {
        command.args(["--pid", &pid.to_string()]);
    }
    command
}

/// What bpftrace prints once all probes are attached: they are attached in order, this one last.
const TICK: &str = "attached";

fn library(server: &Server) -> anyhow::Result<&Path> {
    server
        .library
        .as_deref()
        .context("it has no library with exported functions")
}

/// The functions that all reads and writes go through, as bpftrace takes them: by name, else by address. In the one
/// library here that keeps no names (Debian's libssl) addresses are places in the file.
fn internal_pair(library: &Path) -> anyhow::Result<[String; 2]> {
    let elf = Elf::open(library)?;
    let names = ["ssl_read_internal", "ssl_write_internal"];
    let symbols = elf.functions(&names)?;
    let targets = tls::find(&elf)?;
    let mut pair = names.map(str::to_owned);
    for (name, place) in names.into_iter().zip(&mut pair) {
        let target = targets
            .iter()
            .find(|target| target.function == name)
            .with_context(|| format!("auditor takes no {name} in {}", library.display()))?;
        if !symbols.contains_key(name) {
            *place = format!("{:#x}", target.file_offset);
        }
    }
    Ok(pair)
}

fn bpftrace(server: &Server, [read, write]: &[String; 2]) -> anyhow::Result<Command> {
    let library = library(server)?.display();
    let ours = server
        .pids
        .iter()
        .map(|pid| format!("pid == {pid}"))
        .collect::<Vec<_>>()
        .join(" || ");
    // Node.js and nginx call these; a map keeps the last copy, so that it has to be made.
    let program = format!(
        "uprobe:{library}:{write} /{ours}/ {{ @written[tid] = buf(arg1, 64); }}
        uprobe:{library}:{read} /{ours}/ {{ @buffer[tid] = arg1; }}
        uretprobe:{library}:{read} /@buffer[tid]/ {{ @read[tid] = buf(@buffer[tid], 64); delete(@buffer[tid]); }}
        interval:ms:100 {{ printf(\"{TICK}\\n\"); }}
        END {{ clear(@written); clear(@read); clear(@buffer); }}"
    );
    let mut command = Command::new("bpftrace");
    // It takes no address without `--unsafe`.
    command.args(["--unsafe", "-B", "line", "-e"]).arg(program);
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
