//! Boots a kernel under QEMU and reads its serial console until it ends.
//!
//! Software emulation always: it works everywhere, and a virtual machine here proves function, never speed.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{console, kernel::Kernel};
use crate::process;

/// Longest line kept of what the guest prints.
const LINE: u64 = 16 << 10;

/// What to boot and where its console goes.
pub(super) struct Boot<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) root: &'a Path,
    /// Its disk, which is written to.
    pub(super) disk: &'a Path,
    /// Only scenarios whose name contains this; empty for all. One word.
    pub(super) filter: &'a str,
    pub(super) log: &'a Path,
    pub(super) limit: Duration,
}

/// Runs the machine to its end, calling `on_line` for each line of its console.
///
/// # Errors
/// When QEMU can not be started, fails, or runs into the time limit (it is then killed).
pub(super) fn run(boot: &Boot<'_>, mut on_line: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut log = File::create(boot.log).with_context(|| format!("can not write {}", boot.log.display()))?;
    let mut machine = Machine(start(boot)?);
    let output = machine.0.stdout.take().context("QEMU has no output")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(output.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(n) if n > 0) {
            if sender.send(console::plain(&line)).is_err() {
                return;
            }
            line.clear();
        }
    });
    let deadline = Instant::now() + boot.limit;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                writeln!(log, "{line}")?;
                on_line(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => bail!(
                "kernel {} did not end within {} s and was killed; its console is in {}",
                boot.kernel.series,
                boot.limit.as_secs(),
                boot.log.display()
            ),
        }
    }
    let status = machine.0.wait()?;
    if reader.join().is_err() || !status.success() {
        bail!(
            "QEMU ended with {status}; the console is in {}",
            boot.log.display()
        );
    }
    Ok(())
}

/// Kills QEMU when dropped, however the run ends.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It has ended, or it is stuck; either way there is nothing left to do about an error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(boot: &Boot<'_>) -> anyhow::Result<Child> {
    // A panic or an oops ends the machine: reboot at once (-1), which -no-reboot turns into an exit.
    // On a busy machine the guest's timer may come too late for the kernel's test of it, which then panics.
    let mut kernel_line =
        "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic no_timer_check rdinit=/init".to_owned();
    if !boot.filter.is_empty() {
        kernel_line += &format!(" auditor.filter={}", boot.filter);
    }
    process::command("qemu-system-x86_64")
        .args([
            "-machine",
            "q35",
            // One thread for all virtual CPUs: with several, the emulator may run a breakpoint the kernel has
            // already taken back while it patches its own code (static keys), which it then dies of.
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max",
            "-m",
            "1536",
            "-smp",
            "2",
        ])
        .args([
            "-nographic",
            "-no-reboot",
            "-nodefaults",
            "-serial",
            "stdio",
            "-vga",
            "none",
        ])
        // A kind of disk whose driver is built into Debian's cloud kernels, as is ext4.
        .arg("-drive")
        .arg(format!("file={},format=raw,if=none,id=disk", boot.disk.display()))
        .args(["-device", "nvme,drive=disk,serial=disk"])
        .arg("-kernel")
        .arg(&boot.kernel.image)
        .arg("-initrd")
        .arg(boot.root)
        .arg("-append")
        .arg(kernel_line)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("can not start qemu-system-x86_64: run `cargo xtask setup --only vm`")
}
