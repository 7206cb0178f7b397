//! Two pods that containerd runs, a service between them whose address nftables translates, TLS, and a card in the
//! answer: the finding goes from Deployment to Deployment.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::ensure;
use auditor_tests::{
    daemon::Daemon,
    kube::{self, Cluster},
    node::Node,
    peers,
    pods::{Containerd, IMAGE, Pod},
    process::{LIMIT, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::{Value, json};

const KIOSK: (&str, &str) = ("kiosk-7d4b9c8f6-x", "10.111.0.1");
const TILL: (&str, &str) = ("till-7d4b9c8f6-x", "10.111.0.2");
const SERVICE: &str = "10.96.1.1";

/// A program of tests/programs in a pod, with TLS.
fn command(pem: &Path, words: &[&str]) -> Vec<String> {
    let program = peers::program("pod.py").display().to_string();
    let pem = format!("POD_PEM={}", pem.display());
    let first = ["/usr/bin/env", &pem, peers::PYTHON, &program];
    first.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// The findings, each in its last revision.
fn findings(daemon: &Daemon) -> anyhow::Result<Vec<Value>> {
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for line in daemon.remembered()? {
        let finding: Value = serde_json::from_str(&line)?;
        latest.insert(finding["id"].to_string(), finding);
    }
    Ok(latest.into_values().collect())
}

/// What a finding says of a pod on this node.
fn wanted(namespace: &str, name: &str, uid: &str, pod: (&str, &str), by: &str) -> Value {
    json!({
        "workload": {"namespace": namespace, "kind": "Deployment", "name": name},
        "pod": {"uid": uid, "name": pod.0},
        "service_account": name,
        "spiffe_id": format!("spiffe://example.org/ns/{namespace}/sa/{name}"),
        "spiffe_id_source": "derived",
        "node": "node-1",
        "identified_by": by,
        "certainty": "exact",
    })
}

fn has(end: &Value, wanted: &Value) -> anyhow::Result<()> {
    for (key, value) in wanted.as_object().into_iter().flatten() {
        ensure!(end[key] == *value, "{key} is not {value} in {end:#}");
    }
    ensure!(end["container"]["name"] == "main", "{end:#}");
    ensure!(end["container"]["image"] == IMAGE, "{end:#}");
    Ok(())
}

#[test]
fn a_card_from_a_pod_behind_a_service_goes_from_deployment_to_deployment() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let node = Node::new("pods")?;
    node.nft(&format!(
        "add rule ip kube services ip daddr {SERVICE} tcp dport 443 dnat to {}:8443\n",
        TILL.1
    ))?;
    node.enter()?;
    let cluster = Cluster::start(&scratch)?;
    let mut uids = Vec::new();
    for (namespace, name, (_, ip)) in [("street", "kiosk", KIOSK), ("shop", "till", TILL)] {
        cluster.namespace(namespace, &json!({}))?;
        let pod = kube::Pod {
            account: name,
            ..kube::Pod::at(ip)
        };
        uids.push(cluster.deployment(namespace, name, &pod)?);
    }
    cluster.service("shop", "till", SERVICE, &[(&uids[1], TILL.1)])?;

    let (pem, gates) = (scratch.certificate()?, scratch.path("gates"));
    fs::create_dir(&gates)?;
    let nothing = scratch.file("nothing.json", "{}")?.display().to_string();
    let answer = json!({"card": {"number": values::card()}}).to_string();
    let answer = scratch.file("answer.json", answer)?.display().to_string();
    let mut containerd = Containerd::with_addresses(&scratch, &[KIOSK, TILL])?;
    let mut run = |namespace, (name, _): (&str, &str), uid: &str, words: &[&str]| {
        let pod = Pod {
            namespace,
            name,
            uid,
            container: "main",
            labels: &[],
            command: command(&pem, words),
        };
        containerd.run(&scratch, &pod)
    };
    let till = run("shop", TILL, &uids[1], &["serve", "8443", &answer])?;
    let folder = gates.display().to_string();
    let words = ["ask", SERVICE, "443", &folder, &nothing];
    let kiosk = run("street", KIOSK, &uids[0], &words)?;
    wait_for("the till to listen", LIMIT, || {
        let table = fs::read_to_string(format!("/proc/{}/net/tcp6", till.pid))?;
        Ok(table.contains(":20FB ").then_some(()))
    })?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let socket = containerd.runtime_socket();
    let environment = [
        ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig.as_str()),
        ("AUDITOR_IDENTITY__SOCKETS", &socket),
        ("AUDITOR_IDENTITY__CONNTRACK", "own"),
        ("AUDITOR_IDENTITY__TRUST_DOMAIN", "example.org"),
        ("NODE_NAME", "node-1"),
    ];
    let daemon = Daemon::start(&scratch, &[kiosk.pid, till.pid], &environment)?;
    wait_for("/readyz to know the cluster", LIMIT, || {
        let page = daemon.page("/readyz")?;
        Ok(page.contains("\"identity\":\"kubernetes\"").then_some(()))
    })?;
    fs::write(gates.join("first"), "")?;
    let found = wait_for("a finding", LIMIT, || {
        Ok(Some(findings(&daemon)?).filter(|found| !found.is_empty()))
    })?;
    // What the other end saw of it would be here by now: it waits a quarter of a second.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let found = if found.len() == 1 {
        findings(&daemon)?
    } else {
        found
    };
    ensure!(found.len() == 1, "{found:#?}");
    let finding = &found[0];
    ensure!(finding["count"] == 1, "{finding:#}");
    ensure!(finding["flow"]["operation"] == "POST /first", "{finding:#}");
    ensure!(finding["flow"]["encrypted"] == true, "{finding:#}");
    ensure!(finding["location"]["part"] == "response.body", "{finding:#}");
    has(
        &finding["source"],
        &wanted("shop", "till", &uids[1], TILL, "cgroup"),
    )?;
    has(
        &finding["destination"],
        &wanted("street", "kiosk", &uids[0], KIOSK, "socket_pair"),
    )?;
    fs::write(gates.join("end"), "")?;
    Ok(())
}
