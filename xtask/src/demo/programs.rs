//! Programs in the background: each is ended, by its process id, when its owner is dropped.

use std::{
    cell::RefCell,
    process::{Child, ChildStdout, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use std::os::unix::process::CommandExt as _;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::process;

/// How long a program has to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running program.
pub(super) struct Program {
    child: RefCell<Child>,
    pid: u32,
}

impl Program {
    /// Starts it in a process group of its own, so that Ctrl-C reaches only the demo, which ends them in order.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("can not start {}", process::shown(command)))?;
        Ok(Self {
            pid: child.id(),
            child: RefCell::new(child),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its standard output, once.
    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.get_mut().stdout.take()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.borrow_mut().try_wait()?)
    }

    /// Sends SIGINT.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub(super) fn interrupt(&self) -> anyhow::Result<()> {
        self.signal(Signal::INT).context("cannot interrupt auditor")
    }

    /// To the program only while it has not been waited for: its id can not be another's.
    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_child(&self.child.borrow());
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Program {
    /// SIGTERM first: a master has workers to end.
    fn drop(&mut self) {
        // What fails here fails because the program has ended already.
        let _ = self.signal(Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.ended(), Ok(None)) {
            if Instant::now() > deadline {
                let child = self.child.get_mut();
                let _ = child.kill();
                let _ = child.wait();
                break;
            }
            thread::sleep(super::POLL);
        }
    }
}
