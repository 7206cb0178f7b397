//! Two pods that containerd runs, a service between them, TLS, and a card in the answer: the finding goes from Deployment
//! to Deployment, whether nftables translates the service's address or a sidecar of each pod passes the message on.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    kube::{self, Cluster},
    mesh,
    node::Node,
    peers,
    pods::{Container, Containerd, IMAGE, Pod},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::{Value, json};

const KIOSK: (&str, &str) = ("kiosk-7d4b9c8f6-x", "10.111.0.1");
const TILL: (&str, &str) = ("till-7d4b9c8f6-x", "10.111.0.2");
const SERVICE: &str = "10.96.1.1";
/// The client, as the certificate says that it shows to the server's sidecar.
const CLIENT: &str = "spiffe://example.org/ns/street/sa/kiosk";

/// The two Deployments in a cluster, a containerd for their pods, and what the programs in those need.
struct Shop<'a> {
    scratch: &'a Scratch,
    cluster: Cluster<'a>,
    containerd: Containerd,
    /// Of the client's pod and of the server's.
    uids: [String; 2],
    gates: PathBuf,
}

impl<'a> Shop<'a> {
    fn new(scratch: &'a Scratch) -> anyhow::Result<Self> {
        let cluster = Cluster::start(scratch)?;
        let mut uids = [String::new(), String::new()];
        let pods = [("street", "kiosk", KIOSK), ("shop", "till", TILL)];
        for (uid, (namespace, name, (_, ip))) in uids.iter_mut().zip(pods) {
            cluster.namespace(namespace, &json!({}))?;
            let pod = kube::Pod {
                account: name,
                ..kube::Pod::at(ip)
            };
            *uid = cluster.deployment(namespace, name, &pod)?;
        }
        cluster.service("shop", "till", SERVICE, &[(&uids[1], TILL.1)])?;
        let gates = scratch.path("gates");
        fs::create_dir(&gates)?;
        Ok(Self {
            scratch,
            cluster,
            containerd: Containerd::with_addresses(scratch, &[KIOSK, TILL])?,
            uids,
            gates,
        })
    }

    /// A file with a card.
    fn card(&self) -> anyhow::Result<String> {
        let card = json!({"card": {"number": values::card()}}).to_string();
        Ok(self.scratch.file("card.json", card)?.display().to_string())
    }

    /// Runs a container of the client's pod (0) or of the server's (1); `main` is the first.
    fn run(&mut self, pod: usize, container: &str, command: Vec<String>) -> anyhow::Result<Container> {
        let (namespace, (name, _)) = [("street", KIOSK), ("shop", TILL)][pod];
        let pod = Pod {
            namespace,
            name,
            uid: &self.uids[pod],
            container,
            labels: &[],
            command,
        };
        if container == "main" {
            self.containerd.run(self.scratch, &pod)
        } else {
            self.containerd.run_beside(self.scratch, &pod)
        }
    }

    /// auditor on these processes, once it knows the cluster.
    fn watch(&self, pids: &[u32]) -> anyhow::Result<Daemon> {
        let kubeconfig = self.cluster.kubeconfig()?.display().to_string();
        let socket = self.containerd.runtime_socket();
        let environment = [
            ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig.as_str()),
            ("AUDITOR_IDENTITY__SOCKETS", &socket),
            ("AUDITOR_IDENTITY__CONNTRACK", "own"),
            ("AUDITOR_IDENTITY__TRUST_DOMAIN", "example.org"),
            ("NODE_NAME", "node-1"),
        ];
        let daemon = Daemon::start(self.scratch, pids, &environment)?;
        wait_for("/readyz to know the cluster", LIMIT, || {
            let page = daemon.page("/readyz")?;
            Ok(page.contains("\"identity\":\"kubernetes\"").then_some(()))
        })?;
        Ok(daemon)
    }

    fn ask(&self, gate: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.gates.join(gate), "")?)
    }
}

/// A program of tests/programs in a pod, with TLS.
fn command(pem: Option<&Path>, words: &[&str]) -> Vec<String> {
    let program = peers::program("pod.py").display().to_string();
    let pem = pem.map(|pem| format!("POD_PEM={}", pem.display()));
    let first = ["/usr/bin/env"].into_iter().chain(pem.as_deref());
    let all = first
        .chain([peers::PYTHON, &program])
        .chain(words.iter().copied());
    all.map(str::to_owned).collect()
}

/// Waits until a process listens on a port of its network.
fn listens(pid: u32, port: u16) -> anyhow::Result<()> {
    wait_for(&format!("a socket at port {port}"), LIMIT, || {
        let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")));
        let [four, six] = tables;
        let wanted = format!(":{port:04X} ");
        Ok((four? + &six?).contains(&wanted).then_some(()))
    })
}

/// The findings, each in its last revision, once there are so many and no more come.
fn settled(daemon: &Daemon, number: usize) -> anyhow::Result<Vec<Value>> {
    wait_for("findings", LIMIT, || {
        Ok((findings(daemon)?.len() >= number).then_some(()))
    })?;
    // What another end or a proxy saw of it would be here by now: it waits a second, corrections come within five.
    std::thread::sleep(std::time::Duration::from_secs(6));
    let found = findings(daemon)?;
    ensure!(found.len() == number, "{found:#?}");
    Ok(found)
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
    let mut shop = Shop::new(&scratch)?;
    let (pem, card) = (scratch.certificate()?, shop.card()?);
    let nothing = scratch.file("nothing.json", "{}")?.display().to_string();
    let till = shop.run(1, "main", command(Some(&pem), &["serve", "8443", &card]))?;
    let folder = shop.gates.display().to_string();
    let words = ["ask", SERVICE, "443", &folder, &nothing];
    let kiosk = shop.run(0, "main", command(Some(&pem), &words))?;
    listens(till.pid, 8443)?;
    let daemon = shop.watch(&[kiosk.pid, till.pid])?;
    shop.ask("first")?;
    let found = settled(&daemon, 1)?;
    let finding = &found[0];
    ensure!(finding["count"] == 1, "{finding:#}");
    ensure!(finding["flow"]["operation"] == "POST /first", "{finding:#}");
    ensure!(finding["flow"]["encrypted"] == true, "{finding:#}");
    ensure!(finding["location"]["part"] == "response.body", "{finding:#}");
    let [client, server] = &shop.uids;
    has(
        &finding["source"],
        &wanted("shop", "till", server, TILL, "cgroup"),
    )?;
    has(
        &finding["destination"],
        &wanted("street", "kiosk", client, KIOSK, "socket_pair"),
    )?;
    shop.ask("end")
}

#[test]
fn a_card_through_the_sidecars_of_two_pods_is_found_once_from_deployment_to_deployment() -> anyhow::Result<()>
{
    let scratch = Scratch::new()?;
    let node = Node::new("sidecars")?;
    node.enter()?;
    let mut shop = Shop::new(&scratch)?;
    let (card, port) = (shop.card()?, mesh::PORT.to_string());
    let till = shop.run(1, "main", command(None, &["serve", &port, &card]))?;
    let folder = shop.gates.display().to_string();
    let words = ["ask", SERVICE, &port, &folder, &card];
    let kiosk = shop.run(0, "main", command(None, &words))?;
    listens(till.pid, mesh::PORT)?;
    let mut pids = vec![kiosk.pid, till.pid];
    let sidecars = mesh::sidecars(&scratch, TILL.1, CLIENT)?;
    for (pod, command) in sidecars.into_iter().enumerate() {
        let network = format!("--net=/proc/{}/ns/net", pids[pod]);
        let mut nft = Command::new("nsenter");
        nft.arg(network).arg("nft").arg(&mesh::redirections()[pod]);
        Running::start(&mut nft)?.succeed()?;
        let sidecar = shop.run(pod, "istio-proxy", command)?;
        listens(sidecar.pid, mesh::SIDECARS[pod])?;
        pids.push(sidecar.pid);
    }
    // Who is a proxy is said by the name of its container alone: the user is Istio's, the program is not.
    let daemon = shop.watch(&pids)?;
    shop.ask("charge")?;
    let found = settled(&daemon, 2)?;
    let [client, server] = &shop.uids;
    let mut kiosk = wanted("street", "kiosk", client, KIOSK, "");
    kiosk["spiffe_id_source"] = json!("xfcc");
    let till = wanted("shop", "till", server, TILL, "");
    for (part, source, destination) in [
        ("request.body", kiosk.clone(), till.clone()),
        ("response.body", till, kiosk),
    ] {
        let finding = found.iter().find(|finding| finding["location"]["part"] == part);
        let finding = finding.with_context(|| format!("no {part} in {found:#?}"))?;
        ensure!(finding["count"] == 1, "{finding:#}");
        ensure!(finding["flow"]["operation"] == "POST /charge", "{finding:#}");
        ensure!(finding["flow"]["encrypted"] == true, "{finding:#}");
        ensure!(finding["flow"]["hops"] == 2, "{finding:#}");
        for (end, mut wanted) in [("source", source), ("destination", destination)] {
            // By its own record, or by the socket that its sidecar is connected to: whichever was first.
            let by = &finding[end]["identified_by"];
            ensure!(by == "cgroup" || by == "socket_pair", "{finding:#}");
            wanted["identified_by"] = by.clone();
            has(&finding[end], &wanted)?;
            ensure!(finding[end]["hop"].is_null(), "{finding:#}");
        }
    }
    shop.ask("end")
}
