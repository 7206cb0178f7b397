//! Traffic between two pods of a cluster, captured: the finding names both by what the API server says of them.
//!
//! The pods are processes in network namespaces and cgroups of their own, as a kubelet would make them; their addresses
//! are registered in a real API server. What is watched is one of them, by its process id.

use anyhow::ensure;
use auditor_tests::{
    cable::{Network, Pods},
    cgroups::PodCgroup,
    daemon::Daemon,
    ends::shown,
    kube::{Cluster, Pod},
    metrics_page,
    process::{LIMIT, wait_for},
    scratch::Scratch,
};
use serde_json::{Value, json};

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
    daemon.identity_is("kubernetes", LIMIT)?;

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
    metrics_page::check(&metrics)?;

    // Without the API server capture goes on, the own pod keeps its name, and the other end is not guessed.
    cluster.pause()?;
    daemon.identity_is("degraded", LIMIT)?;
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
    daemon.identity_is("kubernetes", LIMIT)?;
    pods.ask("third")?;
    let third = finding_of("third")?;
    ensure!(
        shown(&third["destination"]) == "Deployment street kiosk pod_ip exact",
        "{}",
        third["destination"]
    );
    pods.end()
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
    daemon.identity_is("kubernetes", LIMIT)?;
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
    pods.end()
}
