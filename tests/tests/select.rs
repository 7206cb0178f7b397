//! Selectors choose what is watched, as it comes and goes; what they do not mean is never read.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use auditor_tests::{
    daemon::Daemon,
    gated::{Cgroup, Gated, metric, moved, nothing_of, only, order, until_found, until_watched},
    peers::{Counts, Server, client_words},
    pods::{Containerd, Pod},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};

fn copy_of_python(scratch: &Scratch, name: &str) -> anyhow::Result<PathBuf> {
    let path = scratch.path(name);
    // By a process of its own: a file that a fork of this one has open for writing can not be run.
    Running::start(Command::new("cp").arg("/usr/bin/python3").arg(&path))?.succeed()?;
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

#[test]
fn a_process_is_watched_while_it_is_in_a_unit() -> anyhow::Result<()> {
    let id = std::process::id();
    let (meant, other) = (
        Cgroup::new(&format!("shop{id}.service"))?,
        Cgroup::new(&format!("other{id}.service"))?,
    );
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let start = |name: &str| Gated::start(&scratch, name, Path::new("/usr/bin/python3"), server.port);
    let [inside, enters, leaves, outside] = ["inside", "enters", "leaves", "outside"].map(start);
    let (inside, enters, leaves, outside) = (inside?, enters?, leaves?, outside?);
    meant.take(inside.pid())?;
    meant.take(leaves.pid())?;
    other.take(outside.pid())?;
    let select = format!("unit=shop{id}.service; unit=nothing*.service");
    let daemon = Daemon::start(&scratch, &[], &[("AUDITOR_SCOPE__SELECT", &select)])?;
    until_watched(&daemon, 2)?;
    meant.take(enters.pid())?;
    until_watched(&daemon, 3)?;
    other.take(leaves.pid())?;
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
    let meant = Cgroup::new(&format!("till{id}.service"))?;
    let below = Cgroup::new(&format!("till{id}.service/inner.service"))?;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let start = |name: &str| Gated::start(&scratch, name, Path::new("/usr/bin/python3"), server.port);
    let [inside, enters, leaves, deeper] = ["inside", "enters", "leaves", "deeper"].map(start);
    let (inside, enters, leaves, deeper) = (inside?, enters?, leaves?, deeper?);
    meant.take(inside.pid())?;
    meant.take(leaves.pid())?;
    let select = format!("unit=till{id}.service");
    let watch = Watch::pids(&scratch, &[], &["--select", &select, "--select-by", "cgroups"])?;
    meant.take(enters.pid())?;
    let (enters, second) = enters.go()?;
    meant.leave(leaves.pid())?;
    below.take(deeper.pid())?;
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

/// A client in a pod; it sends when its gate is opened, or at once.
fn client_pod<'a>(
    scratch: &Scratch,
    (namespace, name, uid): (&'a str, &'a str, &'a str),
    port: u16,
    card: &str,
    waits: bool,
) -> anyhow::Result<Pod<'a>> {
    let gate = auditor_tests::gated::gate(scratch, name).display().to_string();
    let more: &[&str] = if waits { &["--gate", &gate] } else { &[] };
    Ok(Pod {
        namespace,
        name,
        uid,
        container: "app",
        labels: &[],
        command: client_words(scratch, name, port, &order(name, card), more)?,
    })
}

fn ended(scratch: &Scratch, name: &str) -> anyhow::Result<Counts> {
    let counts = auditor_tests::gated::counts(scratch, name);
    wait_for("the client in a pod to end", LIMIT, || {
        Ok(counts.exists().then_some(()))
    })?;
    Counts::read(&counts)
}

#[test]
fn pods_of_a_namespace_are_watched_from_when_they_are_made() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let mut containerd = Containerd::start(&scratch)?;
    let socket = containerd.runtime_socket();
    let environment = [
        ("AUDITOR_SCOPE__SELECT", "namespace=shop"),
        ("AUDITOR_SCOPE__EXCEPT", "pod=left-out"),
        ("AUDITOR_IDENTITY__SOCKETS", socket.as_str()),
    ];
    let daemon = Daemon::start(&scratch, &[], &environment)?;
    let names = [
        ("shop", "meant", "5e7e7000-0000-4000-8000-0000000000a1"),
        ("front", "other", "5e7e7000-0000-4000-8000-0000000000a2"),
        ("shop", "left-out", "5e7e7000-0000-4000-8000-0000000000a3"),
    ];
    let cards = names.map(|_| values::card());
    for (name, card) in names.into_iter().zip(&cards) {
        containerd.run(&scratch, &client_pod(&scratch, name, server.port, card, true)?)?;
    }
    // Its own process, and the one that holds the pod's namespaces.
    until_watched(&daemon, 2)?;
    // What runc says to itself in a container is in the pod, too.
    let before = moved(&daemon)?;
    for (_, name, _) in [names[1], names[2], names[0]] {
        fs::write(auditor_tests::gated::gate(&scratch, name), "")?;
        ended(&scratch, name)?;
    }
    let found = until_found(&daemon, &cards[0])?;
    nothing_of(&found, &cards[1])?;
    nothing_of(&found, &cards[2])?;
    let meant = ended(&scratch, "meant")?;
    wait_for("the account", LIMIT, || {
        Ok((moved(&daemon)? - before >= meant.total()).then_some(()))
    })?;
    let seen = moved(&daemon)?;
    ensure!(
        seen - before == meant.total(),
        "{} of {}",
        seen - before,
        meant.total()
    );

    // One that does not wait: what was not seen of it was counted.
    let card = values::card();
    let uncounted = metric(&daemon, "auditor_scope_undecided_bytes_total")?;
    let hasty = ("shop", "hasty", "5e7e7000-0000-4000-8000-0000000000a4");
    let _ = containerd.run(&scratch, &client_pod(&scratch, hasty, server.port, &card, false)?);
    let hasty = ended(&scratch, "hasty")?;
    wait_for("all bytes to be in an account", LIMIT, || {
        let undecided = metric(&daemon, "auditor_scope_undecided_bytes_total")? - uncounted;
        Ok((moved(&daemon)? - seen + undecided >= hasty.total()).then_some(()))
    })?;
    let page = daemon.page("/metrics")?;
    let decisions = page
        .lines()
        .filter(|line| line.starts_with("auditor_scope_decision_seconds"));
    // The processes that hold the pods' namespaces.
    until_watched(&daemon, 2)?;
    println!(
        "{} bytes of a pod that sends {} at once were seen; {}",
        moved(&daemon)? - seen,
        hasty.total(),
        decisions.collect::<Vec<_>>().join(" ")
    );
    Ok(())
}
