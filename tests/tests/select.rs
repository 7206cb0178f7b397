//! Selectors choose what is watched, as it comes and goes; what they do not mean is never read.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{Counts, Server, client_words},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};

/// Each client has an operation of its own, and so a finding.
fn order(name: &str, card: &str) -> Vec<Vec<u8>> {
    vec![message::post_json(
        &format!("/v1/{name}"),
        &format!(r#"{{"card":{{"number":"{card}"}}}}"#),
    )]
}

/// A client that sends a card once its gate is opened.
struct Gated {
    running: Running,
    gate: PathBuf,
    counts: PathBuf,
    card: String,
}

impl Gated {
    /// `python` is what it runs.
    fn start(scratch: &Scratch, name: &str, python: &Path, port: u16) -> anyhow::Result<Self> {
        let (gate, card) = (scratch.path(&format!("{name}.gate")), values::card());
        let more = ["--gate", gate.to_str().context("a path")?];
        let words = client_words(scratch, name, port, &order(name, &card), &more)?;
        let running = Running::start(Command::new(python).args(&words[1..]))?;
        let at = words.iter().position(|word| word == "--counts");
        let counts = PathBuf::from(&words[at.context("no counts")? + 1]);
        Ok(Self {
            running,
            gate,
            counts,
            card,
        })
    }

    fn go(self) -> anyhow::Result<(Counts, String)> {
        fs::write(&self.gate, "")?;
        self.running.succeed()?;
        Ok((Counts::read(&self.counts)?, self.card))
    }
}

/// A number of the metrics page.
fn metric(daemon: &Daemon, name: &str) -> anyhow::Result<i64> {
    let page = daemon.page("/metrics")?;
    let value = page.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.map_or(Ok(0), |value| value.trim().parse())?)
}

fn until_watched(daemon: &Daemon, count: i64) -> anyhow::Result<()> {
    wait_for(&format!("{count} processes to be watched"), LIMIT, || {
        let watched = metric(daemon, "auditor_scope_processes{state=\"watched\"}")?;
        Ok((watched == count).then_some(()))
    })
}

/// Waits until a card was found; returns everything that was.
fn until_found(daemon: &Daemon, card: &str) -> anyhow::Result<String> {
    let sample = values::card_sample(card);
    wait_for("a finding", LIMIT, || {
        let all = daemon.remembered()?.join("\n");
        Ok(all.contains(&sample).then_some(all))
    })
}

fn nothing_of(found: &str, card: &str) -> anyhow::Result<()> {
    ensure!(
        !found.contains(&values::card_sample(card)),
        "out of scope: {found}"
    );
    Ok(())
}

/// What the kernel side counted is what these moved: nothing else was even looked at.
fn only(daemon: &Daemon, counts: &[&Counts]) -> anyhow::Result<()> {
    let all: i64 = counts.iter().map(|counts| counts.total()).sum();
    let moved = metric(daemon, "auditor_bytes_moved_total{ledger=\"socket\"}")?;
    ensure!(moved == all, "{moved} bytes in scope, and {all} were moved");
    Ok(())
}

fn copy_of_python(scratch: &Scratch, name: &str) -> anyhow::Result<PathBuf> {
    let path = scratch.path(name);
    fs::copy("/usr/bin/python3", &path)?;
    Ok(path)
}

#[test]
fn a_program_is_watched_by_its_path_whenever_it_is_started() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let [meant, other] = [
        copy_of_python(&scratch, "meant")?,
        copy_of_python(&scratch, "other")?,
    ];
    let before = Gated::start(&scratch, "before", &meant, server.port)?;
    let outside = Gated::start(&scratch, "outside", &other, server.port)?;
    let select = format!("exe={}", meant.display());
    let daemon = Daemon::start(&scratch, &[], &[("AUDITOR_SCOPE__SELECT", &select)])?;
    until_watched(&daemon, 1)?;
    let after = Gated::start(&scratch, "after", &meant, server.port)?;
    until_watched(&daemon, 2)?;
    let outside_too = Gated::start(&scratch, "outside-too", &other, server.port)?;
    let mut unseen = Vec::new();
    for client in [outside, outside_too] {
        unseen.push(client.go()?.1);
    }
    let (before, first) = before.go()?;
    let (after, second) = after.go()?;
    until_found(&daemon, &first)?;
    let found = until_found(&daemon, &second)?;
    for card in &unseen {
        nothing_of(&found, card)?;
    }
    until_watched(&daemon, 0)?;
    only(&daemon, &[&before, &after])
}

/// A program that is watched forks, and the child becomes another one, which is not meant.
#[test]
fn a_child_is_left_when_it_runs_another_program() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let [meant, other] = [
        copy_of_python(&scratch, "meant")?,
        copy_of_python(&scratch, "other")?,
    ];
    let gate = scratch.path("parent.gate");
    let (card, child_card) = (values::card(), values::card());
    let own = client_words(&scratch, "own", server.port, &order("own", &card), &[])?;
    let child = client_words(&scratch, "child", server.port, &order("child", &child_card), &[])?;
    let program = format!(
        "import os, subprocess, sys, time\n\
         while not os.path.exists({gate:?}): time.sleep(0.005)\n\
         subprocess.run([{other:?}, *{:?}], check=True)\n\
         sys.argv = {:?}\n\
         exec(open(sys.argv[0]).read())\n",
        &child[1..],
        &own[1..],
    );
    let parent = Running::start(Command::new(&meant).arg("-c").arg(program))?;
    let select = format!("exe={}", meant.display());
    let daemon = Daemon::start(&scratch, &[], &[("AUDITOR_SCOPE__SELECT", &select)])?;
    until_watched(&daemon, 1)?;
    fs::write(gate, "")?;
    parent.succeed()?;
    let found = until_found(&daemon, &card)?;
    nothing_of(&found, &child_card)?;
    only(&daemon, &[&Counts::read(&scratch.path("own.counts"))?])
}

/// A cgroup of v2 as systemd makes it for a unit; removed when dropped.
struct Unit(PathBuf);

impl Unit {
    fn new(name: &str) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields.find(|fields| fields.get(2) == Some(&"cgroup2"));
        let mount = mount.context("cgroup v2 is not mounted")?[1];
        let path = Path::new(mount).join(name);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    fn take(&self, process: &Gated) -> anyhow::Result<()> {
        let file = self.0.join("cgroup.procs");
        fs::write(file, process.running.pid().to_string()).context("cannot move a process")
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_process_is_watched_while_it_is_in_a_unit() -> anyhow::Result<()> {
    let id = std::process::id();
    let (meant, other) = (
        Unit::new(&format!("shop{id}.service"))?,
        Unit::new(&format!("other{id}.service"))?,
    );
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let start = |name: &str| Gated::start(&scratch, name, Path::new("/usr/bin/python3"), server.port);
    let [inside, enters, leaves, outside] = ["inside", "enters", "leaves", "outside"].map(start);
    let (inside, enters, leaves, outside) = (inside?, enters?, leaves?, outside?);
    meant.take(&inside)?;
    meant.take(&leaves)?;
    other.take(&outside)?;
    let select = format!("unit=shop{id}.service; unit=nothing*.service");
    let daemon = Daemon::start(&scratch, &[], &[("AUDITOR_SCOPE__SELECT", &select)])?;
    until_watched(&daemon, 2)?;
    meant.take(&enters)?;
    until_watched(&daemon, 3)?;
    other.take(&leaves)?;
    until_watched(&daemon, 2)?;
    let mut unseen = Vec::new();
    for client in [leaves, outside] {
        unseen.push(client.go()?.1);
    }
    let (inside, first) = inside.go()?;
    let (enters, second) = enters.go()?;
    until_found(&daemon, &first)?;
    let found = until_found(&daemon, &second)?;
    for card in &unseen {
        nothing_of(&found, card)?;
    }
    until_watched(&daemon, 0)?;
    only(&daemon, &[&inside, &enters])
}

/// Where the kernel side knows the cgroup there is no time in which a process that enters it is not seen.
#[test]
fn a_cgroup_that_was_chosen_takes_in_processes_at_once_and_those_below_have_names_of_their_own()
-> anyhow::Result<()> {
    let id = std::process::id();
    let meant = Unit::new(&format!("till{id}.service"))?;
    let below = Unit::new(&format!("till{id}.service/inner.service"))?;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let start = |name: &str| Gated::start(&scratch, name, Path::new("/usr/bin/python3"), server.port);
    let [inside, enters, leaves, deeper] = ["inside", "enters", "leaves", "deeper"].map(start);
    let (inside, enters, leaves, deeper) = (inside?, enters?, leaves?, deeper?);
    meant.take(&inside)?;
    meant.take(&leaves)?;
    let select = format!("unit=till{id}.service");
    let watch = Watch::pids(&scratch, &[], &["--select", &select, "--select-by", "cgroups"])?;
    meant.take(&enters)?;
    let (enters, second) = enters.go()?;
    fs::write(
        meant.0.parent().context("a parent")?.join("cgroup.procs"),
        leaves.running.pid().to_string(),
    )?;
    below.take(&deeper)?;
    let unseen = leaves.go()?.1;
    // What is in a folder of the unit's own is of the unit as well, but only once that was looked at.
    let deeper = deeper.go()?;
    let (inside, first) = inside.go()?;
    let report = watch.stop()?;
    report.balanced()?;
    let samples: Vec<_> = report
        .leaks("payment_card")
        .iter()
        .map(|leak| leak["sample"].clone())
        .collect();
    for card in [first, second] {
        ensure!(
            samples.contains(&values::card_sample(&card).into()),
            "{samples:?}"
        );
    }
    ensure!(
        !samples.contains(&values::card_sample(&unseen).into()),
        "{samples:?}"
    );
    let moved = report.bytes("socket", "moved");
    let sure = inside.total() + enters.total();
    ensure!(
        moved >= sure && moved <= sure + deeper.0.total(),
        "{moved} and {sure}"
    );
    Ok(())
}
