//! Traffic between two pods of a cluster, captured: the finding names both by what the API server says of them.
//!
//! The pods are processes in network namespaces and cgroups of their own, as a kubelet would make them; their addresses
//! are registered in a real API server. What is watched is one of them, by its process id.

use std::{fs, path::PathBuf, process::Command};

use anyhow::ensure;
use auditor_tests::{
    cgroups::PodCgroup,
    daemon::Daemon,
    ends::shown,
    kube::{Cluster, Pod},
    peers::program,
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::{Value, json};

const PORT: &str = "8080";

/// Two network namespaces with a cable between them.
struct Network {
    names: [String; 2],
}

impl Network {
    /// The first has 10.111.0.1; the second 10.111.0.2, and the address of a service, as kube-proxy gives it in its
    /// IPVS mode.
    fn new(name: &str) -> anyhow::Result<Self> {
        let id = std::process::id();
        let network = Self {
            names: ["a", "b"].map(|end| format!("auditor-{id}-{name}-{end}")),
        };
        let [a, b] = &network.names;
        for name in [a, b] {
            ip(&format!("netns add {name}"))?;
        }
        ip(&format!(
            "-n {a} link add eth0 type veth peer name eth0 netns {b}"
        ))?;
        ip(&format!("-n {a} address add 10.111.0.1/24 dev eth0"))?;
        ip(&format!("-n {b} address add 10.111.0.2/24 dev eth0"))?;
        ip(&format!("-n {b} address add 10.96.1.1/32 dev eth0"))?;
        for name in [a, b] {
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        ip(&format!("-n {a} route add 10.96.0.0/16 dev eth0"))?;
        Ok(network)
    }

    /// Starts a program in one of them.
    fn run(&self, end: usize, words: &[&str]) -> anyhow::Result<Running> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.names[end]));
        command.arg("/usr/bin/python3").arg(program("pod.py")).args(words);
        Running::start(&mut command)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn ip(words: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    Running::start(command.args(words.split(' ')))?
        .succeed()
        .map(drop)
}

/// The first finding of an operation in a direction, once it is there.
fn finding(daemon: &Daemon, operation: &str, part: &str) -> anyhow::Result<Value> {
    wait_for(&format!("a finding in {part} of {operation}"), LIMIT, || {
        let lines = daemon.remembered()?;
        let findings = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(findings
            .into_iter()
            .find(|finding| finding["flow"]["operation"] == operation && finding["location"]["part"] == part))
    })
}

fn identity_is(daemon: &Daemon, state: &str) -> anyhow::Result<()> {
    let wanted = format!("\"identity\":\"{state}\"");
    wait_for(&format!("/readyz to say {state}"), LIMIT, || {
        Ok(daemon.page("/readyz")?.contains(&wanted).then_some(()))
    })
}

/// A conversation of the pods `kiosk` and `till` in both of whose messages is a card.
struct Pods {
    kiosk: Running,
    till: Running,
    gates: PathBuf,
}

impl Pods {
    fn start(
        scratch: &Scratch,
        network: &Network,
        cgroups: [&PodCgroup; 2],
        ip: &str,
    ) -> anyhow::Result<Self> {
        let body = json!({"card": {"number": values::card()}}).to_string();
        let body = scratch.file("body.json", body)?.display().to_string();
        let gates = scratch.path("gates");
        fs::create_dir(&gates)?;
        let till = network.run(1, &["serve", PORT, &body])?;
        let kiosk = network.run(0, &["ask", ip, PORT, &gates.display().to_string(), &body])?;
        cgroups[0].take(kiosk.pid())?;
        cgroups[1].take(till.pid())?;
        Ok(Self { kiosk, till, gates })
    }

    fn ask(&self, gate: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.gates.join(gate), "")?)
    }
}

/// The two Deployments and the service, with the addresses of the network; returns the uids of the pods.
fn register(cluster: &Cluster<'_>) -> anyhow::Result<[String; 2]> {
    cluster.namespace("street", &json!({}))?;
    cluster.namespace("shop", &json!({}))?;
    let kiosk = cluster.deployment("street", "kiosk", &Pod::at("10.111.0.1"))?;
    let pod = Pod {
        account: "till",
        ..Pod::at("10.111.0.2")
    };
    let till = cluster.deployment("shop", "till", &pod)?;
    cluster.service("shop", "till", "10.96.1.1", &[(&till, "10.111.0.2")])?;
    Ok([kiosk, till])
}

fn environment(kubeconfig: &str) -> [(&str, &str); 4] {
    [
        ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig),
        ("AUDITOR_IDENTITY__TRUST_DOMAIN", "example.org"),
        ("AUDITOR_IDENTITY__LABELS", "app"),
        ("NODE_NAME", "node-1"),
    ]
}

#[test]
fn a_card_in_a_response_goes_from_deployment_to_deployment() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    let [kiosk, till] = register(&cluster)?;
    let network = Network::new("response")?;
    let cgroups = [PodCgroup::new(&kiosk, 'a')?, PodCgroup::new(&till, 'b')?];
    let pods = Pods::start(&scratch, &network, [&cgroups[0], &cgroups[1]], "10.111.0.2")?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(&scratch, &[pods.till.pid()], &environment(&kubeconfig))?;
    identity_is(&daemon, "kubernetes")?;

    pods.ask("first")?;
    let finding_of = |gate: &str| finding(&daemon, &format!("POST /{gate}"), "response.body");
    let first = finding_of("first")?;
    let (source, destination) = (&first["source"], &first["destination"]);
    ensure!(shown(source) == "Deployment shop till cgroup exact", "{source}");
    ensure!(
        shown(destination) == "Deployment street kiosk pod_ip exact",
        "{destination}"
    );
    ensure!(source["pod"]["uid"] == till.as_str(), "{source}");
    ensure!(source["pod"]["name"] == "till-7d4b9c8f6-x", "{source}");
    ensure!(source["service_account"] == "till", "{source}");
    ensure!(
        source["spiffe_id"] == "spiffe://example.org/ns/shop/sa/till",
        "{source}"
    );
    ensure!(source["spiffe_id_source"] == "derived", "{source}");
    ensure!(source["labels"]["app"] == "till", "{source}");
    ensure!(source["node"] == "node-1", "{source}");
    ensure!(destination["pod"]["uid"] == kiosk.as_str(), "{destination}");
    let metrics = daemon.page("/metrics")?;
    for line in [
        "auditor_attribution_total{method=\"pod_ip\",side=\"destination\"}",
        "auditor_watcher_age_seconds{kind=\"pods\"} 0",
        "auditor_watcher_objects{kind=\"pods\"} 2",
    ] {
        ensure!(metrics.contains(line), "no {line} in {metrics}");
    }

    // Without the API server capture goes on, the own pod keeps its name, and the other end is not guessed.
    cluster.pause()?;
    identity_is(&daemon, "degraded")?;
    pods.ask("second")?;
    let second = finding_of("second")?;
    ensure!(
        shown(&second["source"]) == "Deployment shop till cgroup exact",
        "{}",
        second["source"]
    );
    ensure!(
        shown(&second["destination"]) == "- - - ambiguous none",
        "{}",
        second["destination"]
    );
    cluster.resume()?;
    identity_is(&daemon, "kubernetes")?;
    pods.ask("third")?;
    let third = finding_of("third")?;
    ensure!(
        shown(&third["destination"]) == "Deployment street kiosk pod_ip exact",
        "{}",
        third["destination"]
    );
    pods.ask("end")?;
    pods.kiosk.end(LIMIT)?;
    Ok(())
}

#[test]
fn a_card_sent_to_a_service_goes_to_the_workload_behind_it() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    let [kiosk, till] = register(&cluster)?;
    let network = Network::new("service")?;
    let cgroups = [PodCgroup::new(&kiosk, 'c')?, PodCgroup::new(&till, 'd')?];
    let pods = Pods::start(&scratch, &network, [&cgroups[0], &cgroups[1]], "10.96.1.1")?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(&scratch, &[pods.kiosk.pid()], &environment(&kubeconfig))?;
    identity_is(&daemon, "kubernetes")?;
    pods.ask("first")?;
    let first = finding(&daemon, "POST /first", "request.body")?;
    ensure!(
        shown(&first["source"]) == "Deployment street kiosk cgroup exact",
        "{}",
        first["source"]
    );
    let destination = &first["destination"];
    ensure!(
        shown(destination) == "Deployment shop till service exact",
        "{destination}"
    );
    ensure!(destination["service_account"] == "till", "{destination}");
    ensure!(destination["host"].is_null(), "{destination}");
    pods.ask("end")?;
    pods.kiosk.end(LIMIT)?;
    Ok(())
}
