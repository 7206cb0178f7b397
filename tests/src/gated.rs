//! Clients that send a card when they are told, cgroups to put them into, and what a daemon saw of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    daemon::Daemon,
    message,
    peers::{Counts, client_words},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};

/// What a client sends. Each has an operation of its own, and so a finding.
pub fn order(name: &str, card: &str) -> Vec<Vec<u8>> {
    vec![message::post_json(
        &format!("/v1/{name}"),
        &format!(r#"{{"card":{{"number":"{card}"}}}}"#),
    )]
}

/// A client that sends a card once its gate is opened.
pub struct Gated {
    pub running: Running,
    gate: PathBuf,
    counts: PathBuf,
    pub card: String,
}

impl Gated {
    /// `python` is the program it runs.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn start(scratch: &Scratch, name: &str, python: &Path, port: u16) -> anyhow::Result<Self> {
        let (gate, card) = (gate(scratch, name), values::card());
        let more = ["--gate", gate.to_str().context("a path")?];
        let words = client_words(scratch, name, port, &order(name, &card), &more)?;
        let running = Running::start(Command::new(python).args(&words[1..]))?;
        Ok(Self {
            running,
            gate,
            counts: counts(scratch, name),
            card,
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Lets it send, and waits until it has ended; what it moved, and the card.
    ///
    /// # Errors
    /// When it fails.
    pub fn go(self) -> anyhow::Result<(Counts, String)> {
        fs::write(&self.gate, "")?;
        self.running.succeed()?;
        Ok((Counts::read(&self.counts)?, self.card))
    }
}

/// What the client of this name waits for.
pub fn gate(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path(&format!("{name}.gate"))
}

/// Where it says what it moved.
pub fn counts(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path(&format!("{name}.counts"))
}

/// A cgroup of v2; removed when dropped. What is in it has to have ended: tests declare it first.
pub struct Cgroup(Vec<PathBuf>);

impl Cgroup {
    /// Of this path, all of whose parts it makes.
    ///
    /// # Errors
    /// When v2 is not mounted, or there is one already.
    pub fn new(path: &str) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields
            .find(|fields| fields.get(2) == Some(&"cgroup2"))
            .context("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")?;
        let mut folder = PathBuf::from(mount[1]);
        let mut made = Self(Vec::new());
        for part in path.split('/') {
            folder.push(part);
            if !folder.exists() {
                fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
                made.0.push(folder.clone());
            }
        }
        Ok(made)
    }

    /// That of a container in a pod, as a kubelet makes it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_pod(uid: &str, digit: char) -> anyhow::Result<Self> {
        let container = String::from(digit).repeat(64);
        Self::new(&format!(
            "kubepods-{}-{digit}/pod{uid}/{container}",
            std::process::id()
        ))
    }

    /// Its folder.
    ///
    /// # Errors
    /// When it was there before.
    pub fn path(&self) -> anyhow::Result<&Path> {
        Ok(self.0.last().context("no cgroup")?)
    }

    /// # Errors
    /// When the process can not be moved.
    pub fn take(&self, pid: u32) -> anyhow::Result<()> {
        let folder = self.0.last().context("no cgroup")?;
        fs::write(folder.join("cgroup.procs"), pid.to_string()).context("cannot move a process")
    }

    /// Moves a process out of it, to the root.
    ///
    /// # Errors
    /// When it can not be moved.
    pub fn leave(&self, pid: u32) -> anyhow::Result<()> {
        let above = self.0[0].parent().context("no parent")?;
        fs::write(above.join("cgroup.procs"), pid.to_string()).context("cannot move a process")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A number of the metrics page, by its name and labels; 0 where there is none.
///
/// # Errors
/// When the page can not be read.
pub fn metric(daemon: &Daemon, name: &str) -> anyhow::Result<i64> {
    let page = daemon.page("/metrics")?;
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.map_or(Ok(0.0), |value| value.trim().parse::<f64>())? as i64)
}

/// # Errors
/// When it is another number in the end.
pub fn until_watched(daemon: &Daemon, count: i64) -> anyhow::Result<()> {
    let mut last = 0;
    wait_for("processes to be watched", LIMIT, || {
        last = metric(daemon, "auditor_scope_processes{state=\"watched\"}")?;
        Ok((last == count).then_some(()))
    })
    .with_context(|| format!("{last} processes are watched, and not {count}"))
}

/// Waits until a card was found; returns everything that was.
///
/// # Errors
/// When it is not.
pub fn until_found(daemon: &Daemon, card: &str) -> anyhow::Result<String> {
    let sample = values::card_sample(card);
    wait_for("a finding", LIMIT, || {
        let all = daemon.remembered()?.join("\n");
        Ok(all.contains(&sample).then_some(all))
    })
}

/// # Errors
/// When a card was found.
pub fn nothing_of(found: &str, card: &str) -> anyhow::Result<()> {
    ensure!(
        !found.contains(&values::card_sample(card)),
        "out of scope: {found}"
    );
    Ok(())
}

/// Bytes of sockets in scope so far, as the kernel side counted them.
///
/// # Errors
/// When the page can not be read.
pub fn moved(daemon: &Daemon) -> anyhow::Result<i64> {
    metric(daemon, "auditor_bytes_moved_total{ledger=\"socket\"}")
}

/// What the kernel side counted is what these moved: nothing else was even looked at.
///
/// # Errors
/// When it is not.
pub fn only(daemon: &Daemon, counts: &[&Counts]) -> anyhow::Result<()> {
    let all: i64 = counts.iter().map(|counts| counts.total()).sum();
    let mut last = 0;
    wait_for("the account", LIMIT, || {
        last = moved(daemon)?;
        Ok((last >= all).then_some(()))
    })?;
    ensure!(last == all, "{last} bytes in scope, and {all} were moved");
    Ok(())
}
