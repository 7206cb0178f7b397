//! `cargo xtask demo`: a small shop behind nginx, clients that send clear and protected values, and auditor on exactly
//! these processes.
//!
//! Everything runs on loopback, in a temporary folder, with values made up at run time; it ends by itself, and every
//! process it started ends with it.

mod programs;
mod screen;
mod shop;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{
    build::{self, Profile},
    process, setup,
};
use programs::Program;
use screen::Screen;
use shop::{Folder, Shop};

/// The whole demo after compilation.
const LIMIT: Duration = Duration::from_secs(170);
/// Most memory of its own that auditor may have, KiB. The pages of its program are the kernel's to drop, and far more here
/// than in a release, as it is built to be compiled soon.
const MEMORY_LIMIT: u64 = 40 * 1024;
/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also write what is printed to this file, as plain text.
    #[arg(long, value_name = "FILE")]
    keep_output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    ensure!(
        process::is_root(),
        "the demo loads programs into the kernel: run `cargo xtask demo` as root"
    );
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let auditor = build::auditor(Profile::Dev)?;
    let mut screen = Screen::new(arguments.keep_output.as_deref())?;
    let interrupted = interruption()?;
    let clock = Clock {
        deadline: Instant::now() + LIMIT,
        interrupted,
    };
    let folder = Folder::make()?;
    let shop = Shop::open(&folder, &clock)?;
    let capture = Capture::start(&auditor, &folder, &shop)?;
    screen.say(&format!(
        "auditor watches nginx ({}), the application ({}) and the clients ({}), nothing else\n",
        joined(&shop.nginx_pids),
        shop.app.pid(),
        shop.clients.pid()
    ))?;
    let outcome = capture.follow(&shop, &clock, &mut screen)?;
    screen.say("\nwhy the others are no leaks")?;
    for reason in reasons(&auditor, &folder.path("protected"))? {
        screen.say(&format!("  {reason}"))?;
    }
    outcome.report(&mut screen)
}

/// Set by the first Ctrl-C; what was started is then ended on the way out.
fn interruption() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot listen for Ctrl-C")?;
    }
    Ok(flag)
}

/// When to give up.
struct Clock {
    deadline: Instant,
    interrupted: Arc<AtomicBool>,
}

impl Clock {
    /// # Errors
    /// When the time is over or somebody pressed Ctrl-C.
    fn check(&self, waiting_for: &str) -> anyhow::Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted while waiting for {waiting_for}; everything that was started has been ended");
        }
        if Instant::now() > self.deadline {
            bail!("gave up waiting for {waiting_for} after {} s", LIMIT.as_secs());
        }
        Ok(())
    }

    /// Polls until `condition` gives something.
    fn wait<T>(
        &self,
        what: &str,
        mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        loop {
            if let Some(found) = condition()? {
                return Ok(found);
            }
            self.check(what)?;
            thread::sleep(POLL);
        }
    }
}

/// `auditor watch` on the shop.
struct Capture {
    auditor: Program,
    lines: Receiver<String>,
}

/// What is to be judged at the end.
struct Outcome {
    /// The largest that was seen.
    memory: Memory,
    /// The differences of the two ledgers, as printed.
    differences: Vec<String>,
    code: Option<i32>,
    took: Duration,
}

impl Capture {
    fn start(auditor: &Path, folder: &Folder, shop: &Shop) -> anyhow::Result<Self> {
        let mut command = process::command(auditor);
        // Named as a file, standard output gets the header of the table too.
        command.args([
            "watch",
            "--format",
            "text",
            "--states",
            "all",
            "--output",
            "/dev/stdout",
            "--ready-file",
        ]);
        command.arg(folder.path("ready"));
        for pid in shop.pids() {
            command.args(["--pid", &pid.to_string()]);
        }
        let mut auditor = Program::start(command.stdout(Stdio::piped()))?;
        let output = auditor.stdout().context("auditor has no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { auditor, lines })
    }

    /// Prints what auditor prints, as it comes; asks it to end once the clients have.
    fn follow(self, shop: &Shop, clock: &Clock, screen: &mut Screen) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let mut outcome = Outcome {
            memory: Memory::default(),
            differences: Vec::new(),
            code: None,
            took: Duration::ZERO,
        };
        let mut asked = false;
        loop {
            match self.lines.recv_timeout(POLL) {
                Ok(line) => {
                    if let Some(difference) = line.trim().strip_prefix("difference ") {
                        outcome.differences.push(difference.to_owned());
                    }
                    screen.say(&line)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            outcome.memory = outcome.memory.most(Memory::of(self.auditor.pid()));
            clock.check("auditor to end")?;
            if !asked && let Some(status) = shop.clients.ended()? {
                ensure!(status.success(), "the clients failed: {status}");
                self.auditor.interrupt()?;
                asked = true;
            }
        }
        let status = clock.wait("auditor to end", || self.auditor.ended())?;
        outcome.code = status.code();
        ensure!(asked, "auditor ended before the clients did: {status}");
        outcome.took = start.elapsed();
        Ok(outcome)
    }
}

impl Outcome {
    /// Prints what held and what did not; success only if everything did.
    fn report(&self, screen: &mut Screen) -> anyhow::Result<ExitCode> {
        let balanced =
            self.differences.len() == 2 && self.differences.iter().all(|difference| difference == "0");
        let within = (1..MEMORY_LIMIT).contains(&self.memory.own);
        let mib = |kib: u64| kib as f64 / 1024.0;
        screen.say(&format!(
            "\nauditor took {:.1} MiB of memory of its own at most, {} {} MiB, and {:.1} MiB of its program's pages; it ran for {:.1} s",
            mib(self.memory.own),
            if within { "under" } else { "WHICH IS NOT UNDER" },
            mib(MEMORY_LIMIT),
            mib(self.memory.files),
            self.took.as_secs_f64()
        ))?;
        if !balanced {
            screen.say(&format!(
                "THE BYTE ACCOUNT DOES NOT BALANCE: differences [{}], and both have to be 0",
                self.differences.join(", ")
            ))?;
        }
        if self.code != Some(0) {
            screen.say(&format!("AUDITOR ENDED WITH {:?}", self.code))?;
        }
        let good = balanced && within && self.code == Some(0);
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Resident memory, KiB.
#[derive(Clone, Copy, Default)]
struct Memory {
    /// Private and shared memory without a file: `RssAnon` and `RssShmem` (proc_pid_status(5)).
    own: u64,
    /// `RssFile`.
    files: u64,
}

impl Memory {
    /// Of a process; nothing once it has ended.
    fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name: &str| -> u64 {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            let number = value.and_then(|value| value.trim().strip_suffix("kB"));
            number.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        Self {
            own: kib("RssAnon:") + kib("RssShmem:"),
            files: kib("RssFile:"),
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            own: self.own.max(other.own),
            files: self.files.max(other.files),
        }
    }
}

/// Why each protected value is none: the evidence of auditor's own detectors.
fn reasons(auditor: &Path, protected: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        fs::read_to_string(protected).with_context(|| format!("cannot read {}", protected.display()))?;
    text.lines().map(|line| reason(auditor, line)).collect()
}

fn reason(auditor: &Path, line: &str) -> anyhow::Result<String> {
    let asked: serde_json::Value = serde_json::from_str(line)?;
    let (key, value) = (&asked["key"], &asked["value"]);
    let (key, value) = key.as_str().zip(value.as_str()).context("no key and value")?;
    let mut command = process::command(auditor);
    command.args(["detectors", "test", "-", "--format", "json", "--key", key]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{value}")?;
    }
    let output = child.wait_with_output()?;
    let judged: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} printed no JSON", process::shown(&command)))?;
    let first = judged
        .get(0)
        .with_context(|| format!("no detector takes the value of {key} for one of its kind"))?;
    let evidence: Vec<_> = first["evidence"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["reason"].as_str())
        .collect();
    let text = |name: &str| first[name].as_str().unwrap_or("?").to_owned();
    Ok(format!(
        "{} {:<10} {:<17} {}",
        text("detector"),
        text("state"),
        text("sample"),
        evidence.join("; ")
    ))
}

fn joined(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
