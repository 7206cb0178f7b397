//! auditor attached to servers under load and taken away again, as often as asked.

use anyhow::{Context as _, ensure};

use crate::{
    attached::Held,
    loaded::{Kind, Loaded},
    process::{self, LIMIT, wait_for},
    scratch::Scratch,
    watch::Watch,
};

/// Servers under load, and the folder of the auditor that comes and goes.
pub struct Cycles {
    pub servers: Vec<Loaded>,
    scratch: Scratch,
}

/// What one cycle showed.
#[derive(Clone, Copy, Debug)]
pub struct Cycle {
    /// Most memory auditor had in use, bytes.
    pub auditor: u64,
    /// Plaintext it saw move, bytes.
    pub moved: i64,
}

impl Cycles {
    /// # Errors
    /// When a server does not come up.
    pub fn start(kinds: &[Kind]) -> anyhow::Result<Self> {
        Ok(Self {
            servers: kinds
                .iter()
                .map(|kind| Loaded::start(*kind))
                .collect::<Result<_, _>>()?,
            scratch: Scratch::new()?,
        })
    }

    /// Attaches auditor to all of them, waits until each has answered requests, and takes it away.
    ///
    /// # Errors
    /// When auditor or a server ends, a request fails, a server was not hooked, an account does not balance, or
    /// something stays attached.
    pub fn cycle(&mut self) -> anyhow::Result<Cycle> {
        let _ = std::fs::remove_file(self.scratch.ready());
        let pids: Vec<u32> = self.servers.iter().flat_map(Loaded::pids).collect();
        let watch = Watch::pids(&self.scratch, &pids, &[])?;
        for server in &mut self.servers {
            server.goes_on()?;
        }
        let held = Held::by(watch.pid())?;
        ensure!(!held.links.is_empty(), "auditor holds no links");
        let auditor = process::memory(watch.pid(), "VmHWM:")?;
        let report = watch.stop()?;
        report.balanced()?;
        // The kernel frees programs a moment after their links.
        wait_for("links and programs to be gone", LIMIT, || {
            Ok(held.left().is_empty().then_some(()))
        })
        .with_context(|| format!("auditor has ended and left {:?}", held.left()))?;
        let moved = report.bytes("tls", "moved");
        ensure!(moved > 0, "no plaintext: {:#}", report.summary);
        for server in &mut self.servers {
            let library = server.kind.library();
            let hooks = report.summary["attached"].as_array();
            ensure!(
                hooks.into_iter().flatten().any(|hook| hook["library"] == library),
                "{library} was not hooked: {:#}",
                report.summary["attached"]
            );
            server.goes_on().context("after auditor has gone")?;
        }
        Ok(Cycle { auditor, moved })
    }

    /// Ends the load, which must have seen no error, and the servers.
    ///
    /// # Errors
    /// When one of them did not live until now.
    pub fn end(self) -> anyhow::Result<()> {
        self.servers.into_iter().try_for_each(Loaded::end)
    }
}
