//! `auditor watch`: a one-off capture of some processes, without a daemon.
//!
//! Goes in: a scope, or a command to run. Comes out: findings as they are seen, then a summary
//! with the account of every byte.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitCode, ExitStatus};
use std::sync::{Arc, atomic::Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::Timestamp;

use super::engine;
use super::scan::{MinConfidence, States};
use crate::capture::launch::{self, Held};
use crate::capture::support::SocketTier;
use crate::capture::tls::Placement;
use crate::config;
use crate::identity::container::Socket;
use crate::identity::mesh::{self, Mesh, Proxy};
use crate::identity::selector::{Selector, choice::Choice};
use crate::ledger::ByteLedger;
use crate::pipeline::reporter::Reporter;
use crate::pipeline::{By, Exclusion, Options, Rule, Selection, Session};
use crate::report::aggregate::Settings;
use crate::report::finding::{Finding, Verdict};
use crate::report::sinks::format::Format as Shape;
use crate::report::sinks::{Sink as _, stdout};
use crate::report::summary::CommandStatus;
use crate::report::table::Table;
use crate::serve::metrics::Metrics;
use crate::vital;

/// How often the main thread looks at the clock.
const TICK: Duration = Duration::from_millis(20);

/// Series of a metric that nobody reads here.
const MAX_SERIES: usize = 100;

/// How long a library stays hooked that no watched process uses.
const DETACH_AFTER: Duration = Duration::from_secs(120);

/// How long what was seen waits for the names of its ends.
const NAME_PATIENCE: Duration = Duration::from_secs(5);

/// How long what a command sent last may take from the kernel to here, after it ended.
const LAST_RECORDS: Duration = Duration::from_millis(300);

/// Arguments of `auditor watch`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A process to watch, with its descendants; may be given several times
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// A cgroup (v2) to watch, with those below it: a path under its mount
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<String>,
    /// A container to watch: its id, 12 digits or more
    #[arg(long, value_name = "ID")]
    container: Vec<String>,
    /// Processes to watch, as they come and go: a selector such as namespace=shop,workload=Deployment/checkout,
    /// unit=nginx.service or exe=/usr/sbin/nginx; may be given several times
    #[arg(long, value_name = "SELECTOR")]
    select: Vec<Selector>,
    /// Leave out what this selector means; may be given several times
    #[arg(long, value_name = "SELECTOR", requires = "select")]
    except: Vec<Selector>,
    /// By what the kernel side knows what was selected; for tests
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = SelectBy::Best, hide = true)]
    select_by: SelectBy,
    /// A program that is never hooked or watched: its name, or the path of its executable
    #[arg(long, value_name = "PROGRAM")]
    exclude: Vec<String>,
    /// Connections whose bytes are not read: `peer=ADDRESS[/BITS]`, `peer_port=N`, `own_port=N`, `exe=PATH`, with spaces
    /// between them where several have to be true; with `first=BYTES` so much of each message is read
    #[arg(long, value_name = "RULE")]
    leave_out: Vec<Rule>,
    /// Socket of a container runtime that is asked for names: cri:PATH or docker:PATH; may be given several times
    /// [default: the usual places that are there]
    #[arg(long, value_name = "SOCKET")]
    runtime_socket: Vec<Socket>,
    /// Name pods, services and nodes as the API server of this kubeconfig knows them; the account needs the role of
    /// deploy/kubernetes/base/rbac.yaml
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Whose connection tracking is asked who is behind a translated address: the host's, if that is permitted; that of
    /// the network namespace auditor runs in; or nobody's
    #[arg(long, value_enum, value_name = "WHOSE", default_value_t = Tracking::Auto)]
    conntrack: Tracking,
    /// Processes that pass on what others send, as sidecars do: `container=NAME`, `exe=PATH`, `uid=N`, with spaces between
    /// them where several have to be true; with `xfcc` their x-forwarded-client-cert is believed [default: those of Istio,
    /// Linkerd, Kuma and Consul]
    #[arg(long, value_name = "RULE")]
    mesh_proxy: Vec<Proxy>,
    /// Stop after this time, such as 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = super::tail::duration)]
    duration: Option<jiff::SignedDuration>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write findings and summary to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 when a leak was found that no policy allows
    #[arg(long)]
    fail_on_leak: bool,
    /// Clear values only, or protected and test values too
    #[arg(long, value_enum, default_value_t = States::Clear)]
    states: States,
    /// Leave out findings that are less sure
    #[arg(long, value_enum, default_value_t = MinConfidence::Medium, value_name = "LEVEL")]
    min_confidence: MinConfidence,
    /// Key for fingerprints [default: a new one, so that they differ from run to run]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Configuration whose own detectors are used too; nothing else of it is read
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Names of protobuf fields: a file that `protoc --include_imports --descriptor_set_out=FILE` wrote; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    descriptors: Vec<PathBuf>,
    /// A policy, or a folder of them: what is allowed, and what is not
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// A policy that comes with auditor: ccpa, gdpr, hipaa, pci-dss or secrets-only
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// Create this file once everything is attached
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Size of each ring buffer: a power of two, 64 KiB to 1 GiB
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20, value_parser = ring_bytes)]
    ring_bytes: u32,
    /// Most bytes copied of one call; the rest is accounted as over_budget
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..=64 << 20))]
    max_call_bytes: u32,
    /// Most bytes copied of one message in one direction, and of one that goes on in a second; 0 is no limit
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_message_bytes: u32,
    /// How sockets are seen [default: the best this kernel loads]
    #[arg(long, value_enum, value_name = "HOOK")]
    socket_hook: Option<Hook>,
    /// Where probes sit in TLS libraries. `exported`, the first instruction of exported functions, is dearer and for
    /// measuring by how much
    #[arg(long, value_enum, value_name = "PLACES", default_value_t = AttachPoints::Chosen, hide = true)]
    attach_points: AttachPoints,
    /// A command to run and watch from its first instruction
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a person reads
    Text,
    /// One finding (JSON) a line, the summary last
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hook {
    Tracepoint,
    Fexit,
    Syscall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SelectBy {
    Best,
    Processes,
    Cgroups,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tracking {
    Auto,
    Own,
    Off,
}

impl From<Tracking> for config::Tracking {
    fn from(tracking: Tracking) -> Self {
        match tracking {
            Tracking::Auto => Self::Auto,
            Tracking::Own => Self::Own,
            Tracking::Off => Self::Off,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AttachPoints {
    Chosen,
    Exported,
}

/// Runs the command.
///
/// # Errors
/// When there is nothing to watch, privileges are missing, or the kernel takes no programs.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let core_limit = engine::forbid_core_dumps()?;
    let mut scope = engine::scope(false, &args.pid, args.cgroup.iter().cloned(), &args.container)?;
    scope.choice = Choice::new(args.select.clone(), args.except.clone())?;
    scope.by = match args.select_by {
        SelectBy::Best => By::Best,
        SelectBy::Processes => By::Processes,
        SelectBy::Cgroups => By::Cgroups,
    };
    let labels: Vec<String> = scope.choice.labels().collect();
    if scope.is_empty() && args.command.is_empty() {
        bail!("nothing to watch: give --select, --pid, --cgroup, --container, or -- and a command");
    }
    let cluster = match &args.kubeconfig {
        Some(file) => Some(engine::cluster(file, &labels)?),
        None => None,
    };
    let kubernetes = cluster.as_ref().map(|(kubernetes, _)| Arc::clone(kubernetes));
    let descriptors = engine::descriptors(&args.descriptors, true)?;
    let own = config::own_detectors(args.config.as_deref())?;
    let judge = engine::judge(&args.policy, &args.preset, &own)?;
    let mut output = Output::open(&args)?;
    let stop = engine::stop_signal()?;
    let held = if args.command.is_empty() {
        None
    } else {
        let held = Held::fork(&args.command, args.format == Format::Json, core_limit)
            .with_context(|| format!("cannot start {}", args.command[0].display()))?;
        scope.pids.push(held.pid);
        Some(held)
    };

    let started = Timestamp::now();
    let ledger = Arc::new(ByteLedger::default());
    let metrics = Arc::new(Metrics::new(Arc::clone(&ledger), MAX_SERIES)?);
    let session = Session::start(Options {
        scope,
        ring_bytes: args.ring_bytes,
        max_call_bytes: args.max_call_bytes,
        max_message_bytes: args.max_message_bytes,
        tier: args.socket_hook.map(|hook| match hook {
            Hook::Tracepoint => SocketTier::Tracepoint,
            Hook::Fexit => SocketTier::Fexit,
            Hook::Syscall => SocketTier::Syscall,
        }),
        placement: match args.attach_points {
            AttachPoints::Chosen => Placement::Chosen,
            AttachPoints::Exported => Placement::Exported,
        },
        programs: args
            .command
            .first()
            .and_then(launch::executable)
            .into_iter()
            .collect(),
        exclusion: Exclusion::new(args.exclude.iter().cloned()),
        excludes_others: false,
        selection: Selection::new(args.leave_out.iter().cloned()),
        live: Arc::default(),
        detach_after: DETACH_AFTER,
        naming: engine::naming(
            args.runtime_socket.clone(),
            labels,
            NAME_PATIENCE,
            kubernetes.clone(),
        )?
        .with_mesh(mesh_of(&args)),
        kubernetes,
        conntrack: engine::conntrack(args.conntrack.into())?,
        scanner: engine::scanner(args.key_file.as_deref(), false, &own)?,
        descriptors,
        ledger,
        metrics,
        cpu_percent: 0,
    })?;
    let settings = Settings {
        min_confidence: args.min_confidence.into(),
        all_states: args.states == States::All,
        ..Settings::default()
    };
    let mut reporter = Reporter::new(settings, judge, Arc::clone(&session.shared));
    if let Some(path) = &args.ready_file {
        File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let mut child = match held {
        Some(held) => Some(
            held.release()
                .with_context(|| format!("cannot run {}", args.command[0].display()))?,
        ),
        None => None,
    };

    let deadline = args
        .duration
        .map(|duration| Instant::now() + Duration::try_from(duration).unwrap_or_default());
    let mut over = Over {
        child: child.as_mut(),
        ended: None,
        status: None,
    };
    loop {
        if let Ok(seen) = session.observations.recv_timeout(TICK) {
            output.write(reporter.take(seen));
            while let Ok(seen) = session.observations.try_recv() {
                output.write(reporter.take(seen));
            }
        }
        output.write(reporter.due());
        let stopped = stop.load(Ordering::Acquire)
            || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || output.is_broken()
            || vital::check().is_err();
        if stopped || over.is_over(&session)? {
            break;
        }
    }
    let status = over.status;
    if status.is_none()
        && let Some(child) = child.as_mut()
    {
        // We stop before the command does: it goes on, unwatched, unless it was ours to end.
        if stop.load(Ordering::Acquire) {
            let _ = child.wait();
        }
    }
    if vital::check().is_err() {
        vital::end_soon();
    }
    let (hooked, shared) = session.stop(|seen| output.write(reporter.take(seen)));
    output.write(reporter.finish());
    let summary = engine::summary(started, &reporter, &shared, hooked, status.map(command_status));
    let leaked = summary
        .findings
        .iter()
        .any(|tally| tally.verdict == Verdict::Violation);
    output.end(&match args.format {
        Format::Json => crate::report::json::line(&summary)?,
        Format::Text => summary.to_text(),
    })?;
    vital::check()?;
    Ok(ExitCode::from(u8::from(args.fail_on_leak && leaked)))
}

/// When the capture is over: with the command, or with the last watched process.
struct Over<'a> {
    child: Option<&'a mut Child>,
    ended: Option<Instant>,
    status: Option<ExitStatus>,
}

impl Over<'_> {
    fn is_over(&mut self, session: &Session) -> anyhow::Result<bool> {
        let ended = match &mut self.child {
            Some(child) => {
                if self.status.is_none() {
                    self.status = child.try_wait().context("cannot wait for the command")?;
                }
                self.status.is_some()
            }
            None => !session.any_alive(),
        };
        if !ended {
            return Ok(false);
        }
        Ok(self.ended.get_or_insert_with(Instant::now).elapsed() >= LAST_RECORDS)
    }
}

/// The proxies that were named; else those that are known.
fn mesh_of(args: &Args) -> Mesh {
    if args.mesh_proxy.is_empty() {
        return Mesh::new(mesh::DEFAULT.iter().filter_map(|rule| rule.parse().ok()));
    }
    Mesh::new(args.mesh_proxy.iter().cloned())
}

fn command_status(status: ExitStatus) -> CommandStatus {
    CommandStatus {
        code: status.code(),
        signal: status.signal(),
    }
}

fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if bytes.is_power_of_two() && (64 << 10..=1 << 30).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("it must be a power of two from 65536 to 1073741824".to_owned())
    }
}

/// Where findings and summary go.
struct Output {
    writer: stdout::Writer<Box<dyn Write + Send>>,
    broken: bool,
}

impl Output {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let out: Box<dyn Write + Send> = match &args.output {
            Some(path) => Box::new(BufWriter::new(
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
            )),
            None => Box::new(BufWriter::new(std::io::stdout())),
        };
        let format = match args.format {
            Format::Json => stdout::Format::Json(Shape::Auditor),
            Format::Text if args.output.is_some() => stdout::Format::Text(Table::plain()),
            Format::Text => stdout::Format::Text(Table::for_stdout()),
        };
        let header = match &format {
            stdout::Format::Text(table) if args.output.is_some() || std::io::stdout().is_terminal() => {
                Some(table.header())
            }
            _ => None,
        };
        let mut writer = stdout::Writer::new(out, format);
        let broken = header.is_some_and(|header| writer.write_line(&header).is_err());
        Ok(Self { writer, broken })
    }

    fn write(&mut self, findings: Vec<Finding>) {
        if findings.is_empty() {
            return;
        }
        for finding in &findings {
            self.writer.write(finding);
        }
        self.writer.flush();
        self.broken |= self.writer.broken();
    }

    fn is_broken(&self) -> bool {
        self.broken
    }

    fn end(&mut self, summary: &str) -> anyhow::Result<()> {
        match self.writer.write_line(summary.trim_end()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(error).context("cannot write the summary")
            }
            _ => Ok(()),
        }
    }
}
