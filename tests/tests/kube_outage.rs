//! An API server that is away for long: capture goes on, nobody is named by what was true before, waiting costs nothing,
//! and what changed meanwhile is known as soon as the server is back. 20 s, and an hour with `--full`.

use std::{
    collections::BTreeMap,
    thread,
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
    meter::Course,
    process::{LIMIT, wait_for},
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
    daemon.identity_is("kubernetes", PATIENCE)?;
    let known = "Deployment street kiosk pod_ip exact";
    let first = sender(&daemon, &pods, "before")?;
    ensure!(first == known, "{first}");

    cluster.pause()?;
    daemon.identity_is("degraded", PATIENCE)?;
    let start = Instant::now();
    let mut course = Course::of(daemon.pid());
    course.look()?;
    for question in 1..=QUESTIONS {
        let said = sender(&daemon, &pods, &format!("away-{question}"))?;
        ensure!(said == "- - - ambiguous none", "{question}: {said}");
        thread::sleep((start + outage * question / QUESTIONS).saturating_duration_since(Instant::now()));
        course.look()?;
    }
    daemon.identity_is("degraded", PATIENCE)?;
    let age = daemon.metric("auditor_watcher_age_seconds{kind=\"pods\"}")?;
    ensure!(
        age + 15.0 >= outage.as_secs_f64(),
        "the watch of pods is said to be {age} s old"
    );
    let [first, middle, last] = course.three().context("nothing was looked at")?;
    let share = (last.cpu - first.cpu).as_secs_f64() / (last.at - first.at).as_secs_f64();
    println!(
        "away for {outage:?}: {:.2} % of a core; {first:?}, {middle:?}, {last:?}",
        share * 100.0
    );
    ensure!(share < PROCESSOR, "{share}");
    ensure!(last.memory < first.memory + GROWTH, "{first:?}, {last:?}");
    ensure!(last.files <= first.files + 8, "{first:?}, {last:?}");
    ensure!(last.threads <= first.threads + 2, "{first:?}, {last:?}");

    // While nobody looked, the address went to another.
    cluster.behind_its_back(|cluster| {
        cluster.delete_pod("street", "kiosk-7d4b9c8f6-x")?;
        cluster
            .deployment("street", "heir", &Pod::at("10.111.0.1"))
            .map(drop)
    })?;
    cluster.resume()?;
    daemon.identity_is("kubernetes", PATIENCE)?;
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
