//! One run of a program: what it took of the processor and of memory.
//!
//! Goes in: a child and how long it may take. Comes out: its status and the kernel's own figures. A
//! child that takes too long is killed.

use std::fs;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Between two looks at the process; its peak only grows, so that little is missed at the end.
const INTERVAL: Duration = Duration::from_millis(5);

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub status: ExitStatus,
    /// `VmHWM` of `/proc/PID/status`, bytes.
    pub peak_bytes: u64,
    /// Time of all its threads on a core, in user space and in the kernel.
    pub processor: Duration,
    pub elapsed: Duration,
    /// It was killed, as it took longer than it may.
    pub is_late: bool,
}

/// Waits for the end of `child`, at most for `longest`.
///
/// # Errors
/// When the child can not be waited for.
pub fn watch(child: &mut Child, longest: Duration) -> anyhow::Result<Run> {
    let start = Instant::now();
    let (mut peak_bytes, mut is_late) = (0, false);
    while !has_ended(child)? {
        peak_bytes = peak_bytes.max(high_water_mark(child.id()).unwrap_or(0));
        if start.elapsed() > longest && !is_late {
            is_late = true;
            child.kill().context("can not kill what takes too long")?;
        }
        std::thread::sleep(INTERVAL);
    }
    // Until it is reaped the kernel keeps the times of a process that has ended.
    let processor = processor_time(child.id()).context("/proc does not say what the process took")?;
    Ok(Run {
        status: child.wait()?,
        peak_bytes,
        processor,
        elapsed: start.elapsed(),
        is_late,
    })
}

/// Leaves the child to be reaped.
fn has_ended(child: &Child) -> anyhow::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

/// `VmHWM` in bytes; `None` when the process has ended.
fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// `utime` and `stime` of `/proc/PID/stat` (proc_pid_stat(5)), fields 14 and 15.
fn processor_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, field 2, may hold anything but ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().ok())
        .sum::<Option<u64>>()?;
    Some(Duration::from_secs_f64(
        ticks as f64 / clock_ticks_per_second() as f64,
    ))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_run_tells_what_it_took() {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 3";
        let mut child = Command::new("sh").args(["-c", busy]).spawn().unwrap();
        let run = watch(&mut child, LONG).unwrap();
        assert_eq!(run.status.code(), Some(3));
        assert!(run.processor > Duration::ZERO && !run.is_late, "{run:?}");
        assert!(run.peak_bytes > 100_000, "{run:?}");
    }

    #[test]
    fn what_takes_too_long_is_killed() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Nobody writes, so it would wait for ever.
        let held = child.stdin.take();
        let run = watch(&mut child, Duration::from_millis(20)).unwrap();
        assert!(run.is_late && run.status.code().is_none(), "{run:?}");
        drop(held);
    }
}
