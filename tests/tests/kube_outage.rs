//! An API server that is away for long: capture goes on, nobody is named by what was true before, waiting costs nothing,
//! and what changed meanwhile is known as soon as the server is back. 20 s, and an hour with `--full`.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    cable::{Network, Pods},
    cgroups::PodCgroup,
    crowd::{Crowd, Size},
    daemon::Daemon,
    ends::shown,
    kube::{Cluster, Pod},
    process::{LIMIT, memory, wait_for},
    scratch::Scratch,
};
use serde_json::{Value, json};

const SIZE: Size = Size {
    pods: 500,
    services: 100,
    nodes: 10,
};

/// Questions that are asked while the server is away.
const QUESTIONS: u32 = 20;

/// Pauses between attempts grow to half a minute, and each kind of object has its own.
const PATIENCE: Duration = Duration::from_secs(120);

/// What trying again may take of a core, and grow the daemon by.
const PROCESSOR: f64 = 0.05;
const GROWTH: u64 = 16 << 20;

/// What a daemon holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: u64,
    descriptors: usize,
    threads: usize,
    processor: Duration,
}

impl Held {
    fn by(pid: u32) -> anyhow::Result<Self> {
        let count = |folder: &str| anyhow::Ok(fs::read_dir(format!("/proc/{pid}/{folder}"))?.count());
        let mut processor = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread that has ended since has none.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let first = text.split(' ').next().and_then(|first| first.parse().ok());
            processor += Duration::from_nanos(first.unwrap_or_default());
        }
        Ok(Self {
            memory: memory(pid, "VmRSS:")?,
            descriptors: count("fd")?,
            threads: count("task")?,
            processor,
        })
    }
}

fn identity_is(daemon: &Daemon, state: &str) -> anyhow::Result<()> {
    let wanted = format!("\"identity\":\"{state}\"");
    let mut last = String::new();
    wait_for(&format!("/readyz to say {state}"), PATIENCE, || {
        last = daemon.page("/readyz")?;
        Ok(last.contains(&wanted).then_some(()))
    })
    .with_context(|| last.clone())
}

/// Has the kiosk ask, and returns who is said to have sent the card, in the newest revision.
fn sender(daemon: &Daemon, pods: &Pods, gate: &str) -> anyhow::Result<String> {
    pods.ask(gate)?;
    let operation = format!("POST /{gate}");
    wait_for(&format!("a finding in {operation}"), LIMIT, || {
        let mut latest = BTreeMap::new();
        for line in daemon.remembered()? {
            let finding: Value = serde_json::from_str(&line)?;
            let is_it = finding["flow"]["operation"] == operation.as_str()
                && finding["location"]["part"] == "request.body";
            if is_it {
                latest.insert(finding["id"].to_string(), finding);
            }
        }
        ensure!(latest.len() < 2, "{latest:#?}");
        Ok(latest.into_values().next())
    })
    .map(|finding| shown(&finding["source"]))
}

#[test]
fn an_outage_of_the_server_is_outlasted_at_no_cost_and_without_a_wrong_name() -> anyhow::Result<()> {
    let is_long = std::env::var_os("AUDITOR_TEST_FULL").is_some();
    let outage = Duration::from_secs(if is_long { 3600 } else { 20 });
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    Crowd::fill(&cluster, SIZE)?;
    cluster.namespace("street", &json!({}))?;
    let kiosk = cluster.deployment("street", "kiosk", &Pod::at("10.111.0.1"))?;
    let till = cluster.deployment("street", "till", &Pod::at("10.111.0.2"))?;
    let network = Network::new("outage")?;
    let cgroups = [PodCgroup::new(&kiosk, '1')?, PodCgroup::new(&till, '2')?];
    let pods = Pods::start(&scratch, &network, [&cgroups[0], &cgroups[1]], "10.111.0.2")?;
    let path = cluster.kubeconfig()?.display().to_string();
    let environment = [("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", path.as_str())];
    let daemon = Daemon::start(&scratch, &[pods.till.pid()], &environment)?;
    identity_is(&daemon, "kubernetes")?;
    let known = "Deployment street kiosk pod_ip exact";
    let first = sender(&daemon, &pods, "before")?;
    ensure!(first == known, "{first}");

    cluster.pause()?;
    identity_is(&daemon, "degraded")?;
    let (start, before) = (Instant::now(), Held::by(daemon.pid())?);
    let mut most = before;
    for question in 1..=QUESTIONS {
        let said = sender(&daemon, &pods, &format!("away-{question}"))?;
        ensure!(said == "- - - ambiguous none", "{question}: {said}");
        let held = Held::by(daemon.pid())?;
        most.memory = most.memory.max(held.memory);
        most.descriptors = most.descriptors.max(held.descriptors);
        most.threads = most.threads.max(held.threads);
        thread::sleep((start + outage * question / QUESTIONS).saturating_duration_since(Instant::now()));
    }
    identity_is(&daemon, "degraded")?;
    let age = daemon.metric("auditor_watcher_age_seconds{kind=\"pods\"}")?;
    ensure!(
        age + 15.0 >= outage.as_secs_f64(),
        "the watch of pods is said to be {age} s old"
    );
    let after = Held::by(daemon.pid())?;
    let share = (after.processor - before.processor).as_secs_f64() / start.elapsed().as_secs_f64();
    println!(
        "away for {:.0} s: {:.2} % of a core; {:.1} MiB before, {:.1} at most, {:.1} after; descriptors {}, {}, {}; \
         threads {}, {}, {}",
        start.elapsed().as_secs_f64(),
        share * 100.0,
        mebibytes(before.memory),
        mebibytes(most.memory),
        mebibytes(after.memory),
        before.descriptors,
        most.descriptors,
        after.descriptors,
        before.threads,
        most.threads,
        after.threads,
    );
    ensure!(share < PROCESSOR, "{before:?}, {after:?}");
    ensure!(most.memory < before.memory + GROWTH, "{before:?}, {most:?}");
    ensure!(most.descriptors <= before.descriptors + 8, "{before:?}, {most:?}");
    ensure!(most.threads <= before.threads + 2, "{before:?}, {most:?}");

    // While nobody looked, the address went to another.
    cluster.behind_its_back(|cluster| {
        cluster.delete_pod("street", "kiosk-7d4b9c8f6-x")?;
        cluster
            .deployment("street", "heir", &Pod::at("10.111.0.1"))
            .map(drop)
    })?;
    cluster.resume()?;
    identity_is(&daemon, "kubernetes")?;
    let last = sender(&daemon, &pods, "after")?;
    ensure!(last == "Deployment street heir pod_ip exact", "{last}");

    let tried = daemon.metric("auditor_watcher_failures_total{kind=\"pods\"")?;
    ensure!(tried >= 1.0, "no failure is counted");
    println!("{tried} failures of the watch of pods");
    daemon.balanced()?;
    pods.end()?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "to be read")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
