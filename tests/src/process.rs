//! Programs under test: started, signalled by their process id, ended when dropped, never waited for without a deadline.

use std::{
    ffi::OsStr,
    io::Read,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// How long anything may take that takes a moment when all is well.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How long a program has to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(5);

/// Polls until `condition` gives something.
///
/// # Errors
/// When it fails, or gives nothing within `limit`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = condition()? {
            return Ok(found);
        }
        ensure!(
            Instant::now() < deadline,
            "gave up waiting for {what} after {} s",
            limit.as_secs()
        );
        thread::sleep(POLL);
    }
}

/// The binary under test: `AUDITOR`, else the one in the build folder this test was built in.
///
/// # Errors
/// When it is not there.
pub fn auditor() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os("AUDITOR") {
        Some(path) => PathBuf::from(path),
        None => {
            let own = std::env::current_exe()?;
            let folder = own
                .parent()
                .and_then(|deps| deps.parent())
                .context("no build folder")?;
            folder.join("auditor")
        }
    };
    ensure!(
        path.is_file(),
        "{} is missing: `cargo build --package auditor`, or name the binary in AUDITOR",
        path.display()
    );
    Ok(path)
}

/// Memory of a process in bytes, by a line of `/proc/PID/status`: `VmRSS:` in use now, `VmHWM:` the most ever.
///
/// # Errors
/// When it has ended.
pub fn memory(pid: u32, line: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|text| text.strip_prefix(line));
    let value = value.with_context(|| format!("{pid} has ended: it has no {line}"))?;
    let kibibytes = value.trim().trim_end_matches("kB").trim();
    Ok(kibibytes.parse::<u64>()? * 1024)
}

/// Memory that only the process has and writes to, and that may go to swap all the same: ranges of `/proc/PID/smaps`
/// without the flag `lo`. Of an empty list and some locked memory, all is locked.
///
/// # Errors
/// When it has ended, or the kernel does not say.
pub fn swappable(pid: u32) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps"))?;
    let mut found = Vec::new();
    let (mut range, mut looked_at) = (None, 0);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("VmFlags:"), first) => {
                let is_locked = first.into_iter().chain(words).any(|flag| flag == "lo");
                if let Some(range) = range.take() {
                    looked_at += 1;
                    found.extend((!is_locked).then_some(range));
                }
            }
            (Some(addresses), Some(access)) if !addresses.ends_with(':') => {
                let is_own = access.as_bytes().get(1) == Some(&b'w') && access.ends_with('p');
                range = is_own.then(|| line.to_owned());
            }
            _ => {}
        }
    }
    ensure!(looked_at > 0, "the kernel tells no mappings of {pid}");
    Ok(found)
}

/// A program with its output collected, ended when dropped.
pub struct Running {
    child: Child,
    shown: String,
    stdout: Collected,
    stderr: Collected,
}

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    /// Starts a program with nothing on standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        Self::spawn(command.stdin(Stdio::null()))
    }

    /// Starts a program whose standard input is given with [`Self::stdin`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn with_input(command: &mut Command) -> anyhow::Result<Self> {
        Self::spawn(command.stdin(Stdio::piped()))
    }

    /// The program is asked to end when the thread that starts it does, so that nothing is left of a test that was
    /// killed.
    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        // SAFETY: between fork and exec there is one system call, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stdout = Collected::of(child.stdout.take());
        let stderr = Collected::of(child.stderr.take());
        let shown = command.get_program().to_string_lossy().into_owned();
        Ok(Self {
            child,
            shown,
            stdout,
            stderr,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pipe to its standard input, once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Whether it has printed that many bytes on standard output.
    pub fn printed(&self, bytes: usize) -> bool {
        self.stdout.len() >= bytes
    }

    /// What it has printed on standard output so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stdout.bytes)).into_owned()
    }

    /// Whether it has printed one of these words, on standard output or error.
    pub fn said(&self, words: &[&str]) -> bool {
        [&self.stdout, &self.stderr].iter().any(|output| {
            let text = String::from_utf8_lossy(&lock(&output.bytes)).into_owned();
            words.iter().any(|word| text.contains(word))
        })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.status()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub fn end(mut self, limit: Duration) -> anyhow::Result<Ended> {
        let shown = self.shown.clone();
        let status = wait_for(&format!("{shown} to end"), limit, || self.status());
        if status.is_err() {
            self.stop();
        }
        let stdout = self.stdout.text();
        let stderr = self.stderr.text();
        match status {
            Ok(status) => Ok(Ended {
                status,
                stdout,
                stderr,
            }),
            Err(error) => Err(error.context(format!("it printed: {stdout}{stderr}"))),
        }
    }

    /// Waits for its end, which has to be a success.
    ///
    /// # Errors
    /// When it does not end within [`LIMIT`], or with another status than 0.
    pub fn succeed(self) -> anyhow::Result<Ended> {
        let shown = self.shown.clone();
        let ended = self.end(LIMIT)?;
        if !ended.status.success() {
            bail!(
                "{shown} ended with {}: {}{}",
                ended.status,
                ended.stdout,
                ended.stderr
            );
        }
        Ok(ended)
    }

    /// SIGTERM first: a master has workers to end.
    fn stop(&mut self) {
        // What fails here fails because the program has ended.
        let _ = self.signal(Signal::TERM);
        let _ = self.signal(Signal::CONT);
        let deadline = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program that must succeed and returns what it printed.
///
/// # Errors
/// When it does not.
pub fn output(program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> anyhow::Result<String> {
    let running = Running::start(Command::new(program).args(arguments))?;
    Ok(running.succeed()?.stdout)
}

/// What a program prints, collected as it comes.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut part = vec![0; 65_536];
                // What was read before an error is still worth showing.
                while let Ok(length @ 1..) = pipe.read(&mut part) {
                    lock(&shared).extend_from_slice(&part[..length]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn len(&self) -> usize {
        lock(&self.bytes).len()
    }

    /// All of it, once the program has closed it.
    fn text(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
