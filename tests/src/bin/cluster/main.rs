//! cluster PODS SERVICES RATE SECONDS [check]: what following a cluster of that size costs, while so much is written to
//! it each second. `cargo xtask bench cluster` builds and runs it.
//!
//! A real etcd and API server; auditor under the role that it is deployed with, watching one process that pods talk to.

mod cost;
mod lag;
mod scene;

use std::{
    env,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor::identity::kubernetes::{Kubernetes, Settings};
use auditor_tests::{
    crowd::{Churned, Crowd, Size, Verdict},
    kube::Cluster,
    process::{memory, wait_for},
    scratch::Scratch,
};

use cost::{Cost, Usage};
use lag::Lag;
use scene::Scene;

/// MiB that the names of the cluster of the goal may take.
const MEMORY: f64 = 40.0;
/// Per cent of a core that following it may take.
const PROCESSOR: f64 = 2.0;
/// So far from when an address changes hands its owner is known.
const APART: Duration = Duration::from_millis(2_500);
/// How long a list may take.
const LIMIT: Duration = Duration::from_secs(180);
/// How long a daemon is left alone before its memory is read.
const CALM: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("FAILED cluster: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [pods, services, rate, seconds, rest @ ..] = arguments.as_slice() else {
        anyhow::bail!("cluster PODS SERVICES RATE SECONDS [check]");
    };
    let size = Size {
        pods: pods.parse()?,
        services: services.parse()?,
        nodes: 200,
    };
    let time = Duration::from_secs(seconds.parse()?);
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    let start = Instant::now();
    let crowd = Crowd::fill(&cluster, size)?;
    println!(
        "{} pods, {} services and slices, {} nodes, made in {:.0} s; {:.1} MiB of pods in JSON",
        size.pods,
        size.services,
        size.nodes,
        start.elapsed().as_secs_f64(),
        crowd.bytes_of_pods()? as f64 / f64::from(1 << 20)
    );
    let scene = Scene::set(&scratch, &cluster)?;
    let alone = alone(&scratch, &scene)?;
    let measured = followed(&scratch, &cluster, &scene, &crowd, rate.parse()?, time)?;
    let missed = report(&alone, &measured);
    scene.end()?;
    let fails = missed && rest.first().is_some_and(|word| word == "check");
    Ok(ExitCode::from(u8::from(fails)))
}

/// Memory of a daemon, MiB.
struct Memory {
    /// The most, until the first lists were in.
    peak: f64,
    settled: f64,
    /// The most until the end.
    most: f64,
}

/// What following a cluster took.
struct Followed {
    memory: Memory,
    listed: Duration,
    idle: Usage,
    churn: Usage,
    churned: Churned,
    /// At the moments when addresses changed hands, and apart from those.
    verdicts: [Verdict; 2],
    lag: Lag,
    heirs: scene::Heirs,
    found: usize,
}

fn mebibytes(pid: u32, line: &str) -> anyhow::Result<f64> {
    Ok(memory(pid, line)? as f64 / f64::from(1 << 20))
}

/// The same daemon without a cluster.
fn alone(scratch: &Scratch, scene: &Scene<'_>) -> anyhow::Result<Memory> {
    let daemon = scene.daemon(scratch, None)?;
    scene.ask(&daemon, "alone")?;
    thread::sleep(CALM);
    let memory = Memory {
        peak: mebibytes(daemon.pid(), "VmHWM:")?,
        settled: mebibytes(daemon.pid(), "VmRSS:")?,
        most: mebibytes(daemon.pid(), "VmHWM:")?,
    };
    daemon.stop()?;
    Ok(memory)
}

fn followed(
    scratch: &Scratch,
    cluster: &Cluster<'_>,
    scene: &Scene<'_>,
    crowd: &Crowd,
    rate: u32,
    time: Duration,
) -> anyhow::Result<Followed> {
    let kubeconfig = cluster.kubeconfig()?;
    let start = Instant::now();
    let daemon = scene.daemon(scratch, Some(&kubeconfig))?;
    wait_for("the lists", LIMIT, || {
        let is_whole = daemon.page("/readyz")?.contains("\"identity\":\"kubernetes\"");
        Ok(is_whole.then_some(()))
    })?;
    let listed = start.elapsed();
    let pid = daemon.pid();
    let peak = mebibytes(pid, "VmHWM:")?;
    scene.ask(&daemon, "listed")?;
    thread::sleep(CALM);
    let settled = mebibytes(pid, "VmRSS:")?;
    let idle = Cost::watch(pid, CALM, |_| Ok(()))?;

    // A second follower, in this process, tells how late news are.
    let (kubernetes, _watches) = Kubernetes::start(&Settings {
        kubeconfig: Some(kubeconfig),
        ..Settings::default()
    })?;
    wait_for("the lists of the second follower", LIMIT, || {
        Ok(kubernetes.status.is_whole().then_some(()))
    })?;
    let (tell, told) = mpsc::channel();
    let mut heirs = scene::Heirs::default();
    let (churned, churn, lag) = thread::scope(|scope| {
        let churn = scope.spawn(move || {
            crowd.churn(rate, time, move |sight| {
                // Nobody listens any more: the run has failed.
                let _ = tell.send(sight);
            })
        });
        let lag = scope.spawn(|| Lag::of(&kubernetes, told));
        let churn_usage = Cost::watch(pid, time, |second| scene.second(&daemon, second, &mut heirs));
        let churned = churn.join().ok().context("the churn panicked")??;
        let lag = lag.join().ok().context("the watch of lags panicked")?;
        anyhow::Ok((churned, churn_usage?, lag))
    })?;
    // Late news of the last moments are in.
    thread::sleep(Duration::from_secs(3));
    let verdicts = [Duration::ZERO, APART].map(|apart| Verdict::of(&kubernetes, &churned.sights, apart));
    crowd.agrees(&kubernetes)?;
    heirs.last(scene, &daemon)?;
    let found = scene.found(&daemon)?;
    daemon.balanced()?;
    let memory = Memory {
        peak,
        settled,
        most: mebibytes(pid, "VmHWM:")?,
    };
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(Followed {
        memory,
        listed,
        idle,
        churn,
        churned,
        verdicts,
        lag,
        heirs,
        found,
    })
}

/// Prints it all; whether a goal was missed.
fn report(alone: &Memory, with: &Followed) -> bool {
    let row = |what: &str, value: String| println!("{what:<52} {value}");
    let memory = |what: &str, memory: &Memory| {
        let Memory { peak, settled, most } = memory;
        row(
            what,
            format!("peak {peak:.1}, settled {settled:.1}, most to the end {most:.1}"),
        );
    };
    println!();
    memory("MiB without a cluster", alone);
    memory("MiB with it", &with.memory);
    row(
        "from start to all lists",
        format!("{:.2} s", with.listed.as_secs_f64()),
    );
    let usage = |what: &str, usage: &Usage| {
        row(
            what,
            format!(
                "thread {:.2} %, worst second {:.2} %; the whole process {:.2} %",
                usage.mean, usage.worst, usage.process
            ),
        );
    };
    usage("a core, nothing changes", &with.idle);
    usage("a core, churn", &with.churn);
    let churned = &with.churned;
    row(
        "writes",
        format!(
            "{} in {:.1} s ({:.1} a second), {} pods replaced at their addresses",
            churned.writes,
            churned.took.as_secs_f64(),
            churned.writes as f64 / churned.took.as_secs_f64(),
            churned.replaced
        ),
    );
    row("from write to name", with.lag.to_string());
    let mut wrong = with.heirs.wrong;
    for (verdict, when) in with
        .verdicts
        .iter()
        .zip(["at the moment of a change", "2.5 s apart from it"])
    {
        let Verdict {
            right,
            ambiguous,
            unknown,
            ..
        } = verdict;
        row(
            &format!("who had an address {when}"),
            format!(
                "{right} right, {ambiguous} ambiguous, {unknown} unknown, {} wrong",
                verdict.wrong
            ),
        );
        wrong += verdict.wrong;
    }
    row("in findings: whose address was given on", with.heirs.to_string());
    row("requests during churn that were found", with.found.to_string());
    println!();
    // A start holds more for a moment than is kept, so that the peaks alone would hide something.
    let memory = (with.memory.most - alone.most).max(with.memory.settled - alone.settled);
    let goals = [
        (
            format!("memory of the cluster, peak or settled, below {MEMORY} MiB"),
            memory,
            MEMORY,
        ),
        (
            format!("the thread of the watches below {PROCESSOR} % of a core"),
            with.churn.mean,
            PROCESSOR,
        ),
        ("wrong names: none".to_owned(), wrong as f64, 0.5),
    ];
    let mut missed = false;
    for (goal, measured, most) in goals {
        let is_met = measured < most;
        missed |= !is_met;
        let verdict = if is_met { "met" } else { "NOT MET" };
        println!("{verdict:<13} {goal} ({measured:.1})");
    }
    missed
}
