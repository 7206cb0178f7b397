//! Two ends of a socket that is not TCP: tests/programs/messages.py.

use std::{path::PathBuf, process::Command};

use anyhow::bail;

use crate::{
    peers::{self, Counts},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// One of the two ends.
pub struct End {
    running: Running,
    counts: PathBuf,
}

/// Both ends of a socket of this kind. The sender waits for auditor; `number` messages are received.
///
/// # Errors
/// When one does not start.
pub fn pair(
    scratch: &Scratch,
    kind: &str,
    ways: (&str, &str),
    messages: &[Vec<u8>],
    number: usize,
) -> anyhow::Result<(End, End)> {
    let place = scratch.path("place");
    let mut command = Command::new(peers::PYTHON);
    let counts = scratch.path("receiver.counts");
    command
        .arg(peers::program("messages.py"))
        .args(["receive", kind, ways.1])
        .args([&place, &counts])
        .arg(number.to_string());
    let mut running = Running::start(&mut command)?;
    wait_for("the receiver to be bound", LIMIT, || {
        if let Some(status) = running.status()? {
            bail!("the receiver ended with {status}");
        }
        Ok(place.exists().then_some(()))
    })?;
    let receiver = End { running, counts };
    let mut command = Command::new(peers::PYTHON);
    let counts = scratch.path("sender.counts");
    command
        .arg(peers::program("messages.py"))
        .args(["send", kind, ways.0])
        .args([&place, &counts, &scratch.ready()]);
    for (index, message) in messages.iter().enumerate() {
        command.arg(scratch.file(&format!("message.{index}"), message)?);
    }
    let sender = End {
        running: Running::start(&mut command)?,
        counts,
    };
    Ok((sender, receiver))
}

impl End {
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until it has moved all, and returns what it counted. It goes on to live until it is dropped.
    ///
    /// # Errors
    /// When it fails.
    pub fn counts(&mut self) -> anyhow::Result<Counts> {
        wait_for("an end's counts", LIMIT, || {
            if let Some(status) = self.running.status()? {
                bail!("messages.py ended with {status}");
            }
            Ok(self.counts.exists().then_some(()))
        })?;
        Counts::read(&self.counts)
    }
}
