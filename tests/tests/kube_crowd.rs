//! A cluster of a thousand pods in which a hundred things change each second: what is known of it in the end is what the
//! server says, nobody was taken for another on the way, and capture went on.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor::identity::kubernetes::{Kubernetes, Settings};
use auditor_tests::{
    cable::{Network, Pods},
    cgroups::PodCgroup,
    crowd::{Crowd, Size, Verdict},
    daemon::Daemon,
    ends::shown,
    kube::{Cluster, Pod},
    process::{LIMIT, memory, wait_for},
    scratch::Scratch,
};
use serde_json::{Value, json};

const SIZE: Size = Size {
    pods: 1_000,
    services: 500,
    nodes: 20,
};

/// Changes a second, and for how long.
const RATE: u32 = 100;
const TIME: Duration = Duration::from_secs(10);

/// Apart from when an address changes hands, its owner is known.
const APART: Duration = Duration::from_millis(2_500);

/// More than any build needs for this cluster, in bytes: what grows with each change would exceed it.
const CEILING: u64 = 64 << 20;

#[test]
fn in_a_crowd_that_changes_all_the_time_nobody_is_taken_for_another() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    let crowd = Crowd::fill(&cluster, SIZE)?;
    cluster.namespace("street", &json!({}))?;
    let kiosk = cluster.deployment("street", "kiosk", &Pod::at("10.111.0.1"))?;
    let till = cluster.deployment("street", "till", &Pod::at("10.111.0.2"))?;
    let network = Network::new("crowd")?;
    let cgroups = [PodCgroup::new(&kiosk, 'e')?, PodCgroup::new(&till, 'f')?];
    let pods = Pods::start(&scratch, &network, [&cgroups[0], &cgroups[1]], "10.111.0.2")?;
    let kubeconfig = cluster.kubeconfig()?;
    let path = kubeconfig.display().to_string();
    let environment = [("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", path.as_str())];
    let daemon = Daemon::start(&scratch, &[pods.till.pid()], &environment)?;
    let is_whole = || {
        Ok(daemon
            .page("/readyz")?
            .contains("\"identity\":\"kubernetes\"")
            .then_some(()))
    };
    wait_for("all lists", LIMIT, is_whole)?;
    let (kubernetes, _watches) = Kubernetes::start(&Settings {
        kubeconfig: Some(kubeconfig),
        ..Settings::default()
    })?;
    wait_for("the lists of this process", LIMIT, || {
        Ok(kubernetes.status.is_whole().then_some(()))
    })?;
    let before = memory(daemon.pid(), "VmRSS:")?;

    let (churned, asked) = thread::scope(|scope| {
        let churn = scope.spawn(|| crowd.churn(RATE, TIME, |_| ()));
        let start = Instant::now();
        let mut asked = 0;
        while start.elapsed() < TIME {
            pods.ask(&format!("churn-{asked}"))?;
            asked += 1;
            thread::sleep(Duration::from_millis(500));
        }
        anyhow::Ok((churn.join().ok().context("the churn panicked")??, asked))
    })?;
    let expected = u64::from(RATE) * TIME.as_secs();
    ensure!(churned.writes >= expected / 2, "only {} writes", churned.writes);
    ensure!(churned.replaced >= 20, "only {} replaced", churned.replaced);

    // News take a moment; then all is as the server says.
    let mut last = None;
    wait_for("the directory to say what the server says", LIMIT, || {
        let agrees = crowd.agrees(&kubernetes);
        let is_so = agrees.is_ok();
        last = agrees.err();
        Ok(is_so.then_some(()))
    })
    .map_err(|error| last.take().unwrap_or(error))?;
    let verdict = Verdict::of(&kubernetes, &churned.sights, Duration::ZERO);
    ensure!(verdict.wrong == 0, "{verdict:?}");
    let verdict = Verdict::of(&kubernetes, &churned.sights, APART);
    ensure!(verdict.wrong == 0 && verdict.unknown == 0, "{verdict:?}");
    ensure!(verdict.right > verdict.ambiguous, "{verdict:?}");

    // So it is for the daemon, and everything that was sent meanwhile was found, with its sender's name.
    wait_for("the daemon to know as many", LIMIT, || {
        let page = daemon.page("/metrics")?;
        let counts = [("services", SIZE.services + 1), ("endpointslices", SIZE.services)];
        let is_there = |(kind, count): &(&str, usize)| {
            page.contains(&format!("auditor_watcher_objects{{kind=\"{kind}\"}} {count}\n"))
        };
        Ok(counts.iter().all(is_there).then_some(()))
    })?;
    for number in 0..asked {
        let found = finding(&daemon, &format!("POST /churn-{number}"))?;
        let source = shown(&found["source"]);
        ensure!(
            source == "Deployment street kiosk pod_ip exact",
            "{number}: {source}"
        );
    }
    daemon.balanced()?;
    let (after, peak) = (memory(daemon.pid(), "VmRSS:")?, memory(daemon.pid(), "VmHWM:")?);
    ensure!(
        peak < before + CEILING,
        "{peak} bytes at most, {after} in the end, {before} before"
    );
    pods.end()?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

/// The finding in the request of an operation, once it is there.
fn finding(daemon: &Daemon, operation: &str) -> anyhow::Result<Value> {
    wait_for(&format!("a finding in {operation}"), LIMIT, || {
        for line in daemon.remembered()? {
            let finding: Value = serde_json::from_str(&line)?;
            let is_it =
                finding["flow"]["operation"] == operation && finding["location"]["part"] == "request.body";
            if is_it {
                return Ok(Some(finding));
            }
        }
        Ok(None)
    })
}
