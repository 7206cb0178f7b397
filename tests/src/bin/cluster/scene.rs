//! Two pods that talk while the cluster changes: one is watched, and the address of the other is given on and on.

use std::{
    cell::Cell,
    fmt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    cable::{Network, Pods},
    cgroups::PodCgroup,
    daemon::Daemon,
    ends::shown,
    kube::{Cluster, Pod},
    process::{LIMIT, wait_for},
    scratch::Scratch,
};
use serde_json::{Value, json};

/// The address of who asks.
const KIOSK: &str = "10.111.0.1";

/// Seconds from one who has it to the next.
const REIGN: u64 = 10;

pub struct Scene<'a> {
    cluster: &'a Cluster<'a>,
    pods: Pods,
    asked: Cell<usize>,
    // Go after the processes in them.
    _cgroups: [PodCgroup; 2],
    _network: Network,
}

/// What findings said of an address after it had been given on.
#[derive(Default)]
pub struct Heirs {
    /// How often it was.
    given: usize,
    right: usize,
    /// Nobody was named.
    unnamed: usize,
    pub wrong: usize,
    longest: Duration,
    /// When it was given on last, until the heir is named.
    waiting: Option<Instant>,
}

impl<'a> Scene<'a> {
    pub fn set(scratch: &Scratch, cluster: &'a Cluster<'a>) -> anyhow::Result<Self> {
        cluster.namespace("street", &json!({}))?;
        cluster.namespace("shop", &json!({}))?;
        let kiosk = cluster.deployment("street", "kiosk-0", &Pod::at(KIOSK))?;
        let till = cluster.deployment("shop", "till", &Pod::at("10.111.0.2"))?;
        let network = Network::new("cluster")?;
        let cgroups = [PodCgroup::new(&kiosk, 'a')?, PodCgroup::new(&till, 'b')?];
        let pods = Pods::start(scratch, &network, [&cgroups[0], &cgroups[1]], "10.111.0.2")?;
        Ok(Self {
            cluster,
            pods,
            asked: Cell::new(0),
            _cgroups: cgroups,
            _network: network,
        })
    }

    pub fn daemon(&self, scratch: &Scratch, kubeconfig: Option<&Path>) -> anyhow::Result<Daemon> {
        let kubeconfig = kubeconfig.map(|path| path.display().to_string());
        let mut environment = vec![("NODE_NAME", "node-1")];
        if let Some(kubeconfig) = &kubeconfig {
            environment.push(("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig));
        }
        Daemon::start(scratch, &[self.pods.till.pid()], &environment)
    }

    /// One request, and the finding in it: who it came from.
    pub fn ask(&self, daemon: &Daemon, gate: &str) -> anyhow::Result<String> {
        self.pods.ask(gate)?;
        wait_for(&format!("the finding of {gate}"), LIMIT, || {
            Ok(finding(daemon, gate)?.map(|finding| shown(&finding["source"])))
        })
    }

    /// What happens in each second of the churn: a request, and now and then another pod gets its sender's address.
    pub fn second(&self, daemon: &Daemon, second: u64, heirs: &mut Heirs) -> anyhow::Result<()> {
        if second % REIGN == REIGN / 2 {
            heirs.give_on(self)?;
        }
        let gate = format!("churn-{second}");
        let source = self.ask(daemon, &gate)?;
        self.asked.set(self.asked.get() + 1);
        heirs.judge(&source);
        Ok(())
    }

    /// How many requests during the churn were found.
    pub fn found(&self, daemon: &Daemon) -> anyhow::Result<usize> {
        let lines = daemon.remembered()?;
        let found = lines.iter().filter(|line| line.contains("POST /churn-"));
        let in_requests = found.filter(|line| line.contains("request.body")).count();
        let asked = self.asked.get();
        ensure!(
            in_requests >= asked,
            "{in_requests} of {asked} requests were found"
        );
        Ok(asked)
    }

    pub fn end(self) -> anyhow::Result<()> {
        self.pods.end()
    }
}

impl Heirs {
    fn give_on(&mut self, scene: &Scene<'_>) -> anyhow::Result<()> {
        let cluster = scene.cluster;
        cluster.delete_pod("street", &format!("kiosk-{}-7d4b9c8f6-x", self.given))?;
        self.given += 1;
        let pod = Pod {
            node: "node-2",
            ..Pod::at(KIOSK)
        };
        cluster.deployment("street", &format!("kiosk-{}", self.given), &pod)?;
        self.waiting = Some(Instant::now());
        Ok(())
    }

    fn judge(&mut self, source: &str) {
        let right = format!("Deployment street kiosk-{} pod_ip exact", self.given);
        if source == right {
            self.right += 1;
            if let Some(since) = self.waiting.take() {
                self.longest = self.longest.max(since.elapsed());
            }
        } else if ["- - - ambiguous none", "- - - unresolved none"].contains(&source) {
            self.unnamed += 1;
        } else {
            eprintln!("{source} is not {right}");
            self.wrong += 1;
        }
    }

    /// In the end the last of them is named.
    pub fn last(&mut self, scene: &Scene<'_>, daemon: &Daemon) -> anyhow::Result<()> {
        let source = scene.ask(daemon, "last")?;
        let right = format!("Deployment street kiosk-{} pod_ip exact", self.given);
        ensure!(source == right, "{source} is not {right}");
        Ok(())
    }
}

impl fmt::Display for Heirs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} times; {} findings right, {} without a name, {} wrong; named at most {:.1} s later",
            self.given,
            self.right,
            self.unnamed,
            self.wrong,
            self.longest.as_secs_f64()
        )
    }
}

/// The finding in a request, if it is there.
fn finding(daemon: &Daemon, gate: &str) -> anyhow::Result<Option<Value>> {
    let operation = format!("POST /{gate}");
    for line in daemon.remembered()? {
        let finding: Value = serde_json::from_str(&line).context("a finding")?;
        if finding["flow"]["operation"] == operation.as_str() && finding["location"]["part"] == "request.body"
        {
            return Ok(Some(finding));
        }
    }
    Ok(None)
}
