//! What supervises the process: systemd, if it started it and wants to know (sd_notify(3)).
//!
//! Goes in: that everything is attached, health, that it ends. Comes out: `READY=1`, `WATCHDOG=1` once a second for as long
//! as all threads go round, `STOPPING=1`. A thread that hangs is named in the log, whoever supervises: the kubelet asks
//! `/healthz`.

use std::time::Instant;

use sd_notify::NotifyState;

use crate::serve::health::Health;

/// What was said of health before.
#[derive(Default)]
pub(super) struct Supervised {
    hung: Option<String>,
}

impl Supervised {
    /// Tells what is so now.
    pub(super) fn tell(&mut self, health: &Health) {
        let hung = health.hung(Instant::now());
        if hung.is_none() {
            say(NotifyState::Watchdog);
        }
        let name = hung.as_ref().map(|(name, _)| name);
        if name == self.hung.as_ref() {
            return;
        }
        if let Some(before) = self.hung.take() {
            tracing::warn!(thread = before, "the thread that hung goes round again");
        }
        if let Some((thread, silent)) = hung {
            tracing::error!(
                thread,
                seconds = silent.as_secs(),
                "a thread hangs: what it should read is lost once its ring is full"
            );
            self.hung = Some(thread);
        }
    }
}

/// Everything is attached.
pub(super) fn is_ready() {
    say(NotifyState::Ready);
}

/// What was captured is reported, and then it ends.
pub(super) fn ends() {
    say(NotifyState::Stopping);
}

/// Without a supervisor that listens this does nothing.
fn say(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
