//! The table of docs/identity.md: who is at the other end, case by case. Programs in network namespaces talk over TLS,
//! nftables translates as kube-proxy does, a real API server knows the pods, and what each finding says is compared with
//! where the programs were.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    cgroups::PodCgroup,
    daemon::Daemon,
    ends::shown,
    kube::{Cluster, Pod},
    node::{Kiosk, NODE, Network, Node, Speech, Till},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};
use serde_json::{Value, json};

const KIOSK: &str = "10.111.0.1";
const TILL: &str = "10.111.0.2";
const CLERK: &str = "10.111.0.3";
const VAULT: &str = "10.111.0.4";
const BUYER: &str = "10.111.0.5";
const FORMER: &str = "10.111.0.6";
const REUSED: &str = "10.111.0.7";
/// Another node, and a host that is none.
const OTHER_NODE: &str = "10.110.0.2";
const OUTSIDE: &str = "198.51.100.7";

/// As kube-proxy would have it: services of one workload, of two, of one on this node, and a node port whose connections
/// leave with the node's address, as those of pods to the outside do.
const RULES: &str = "
add rule ip kube services ip daddr 10.96.1.1 tcp dport 443 dnat to 10.111.0.2:8443
add rule ip kube services ip daddr 10.96.1.1 udp dport 53 dnat to 10.111.0.2:5353
add rule ip kube services ip daddr 10.96.1.2 tcp dport 443 numgen inc mod 2 == 0 dnat to 10.111.0.2:8443
add rule ip kube services ip daddr 10.96.1.2 tcp dport 443 dnat to 10.111.0.3:8443
add rule ip kube services ip daddr 10.96.1.3 tcp dport 443 dnat to 10.111.0.4:8443
add rule ip kube services ip daddr 10.110.0.1 tcp dport 30443 meta mark set 0x4000 dnat to 10.111.0.4:8443
add rule ip kube postrouting ip saddr 10.111.0.0/16 ip daddr 198.51.100.0/24 snat to 10.110.0.1
";

/// One stage at a time: `who` looks at the processes of the whole host, and all stages have the same addresses.
static STAGE: Mutex<()> = Mutex::new(());

/// Everything a case needs: the node with its pods, who speaks, who is watched.
struct Stage<'a> {
    scratch: &'a Scratch,
    node: Node,
    networks: BTreeMap<&'static str, Network>,
    cgroups: BTreeMap<&'static str, PodCgroup>,
    body: PathBuf,
    kiosks: BTreeMap<&'static str, Kiosk>,
    tills: BTreeMap<&'static str, Till>,
    watched: Vec<u32>,
    /// Last, so that the rest has ended.
    _alone: MutexGuard<'static, ()>,
}

impl<'a> Stage<'a> {
    fn new(scratch: &'a Scratch) -> anyhow::Result<Self> {
        let alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut node = Node::new("remote")?;
        node.nft(RULES)?;
        let mut networks = BTreeMap::from([("node", node.host())]);
        for (name, ip) in [
            ("kiosk", KIOSK),
            ("till", TILL),
            ("clerk", CLERK),
            ("vault", VAULT),
            ("buyer", BUYER),
            ("former", FORMER),
            ("reused", REUSED),
            ("other node", OTHER_NODE),
            ("outside", OUTSIDE),
        ] {
            networks.insert(name, node.pod(&[ip])?);
        }
        let body = json!({"card": {"number": values::card()}}).to_string();
        Ok(Self {
            _alone: alone,
            body: scratch.file("body.json", body)?,
            scratch,
            node,
            networks,
            cgroups: BTreeMap::new(),
            kiosks: BTreeMap::new(),
            tills: BTreeMap::new(),
            watched: Vec::new(),
        })
    }

    fn network(&self, name: &str) -> anyhow::Result<&Network> {
        self.networks.get(name).with_context(|| name.to_owned())
    }

    /// A server in a network; watched when it has a cgroup.
    fn serve(&mut self, name: &'static str, port: u16, speech: Speech) -> anyhow::Result<()> {
        let log = format!("{name}-{port}");
        let till = Till::start(self.scratch, self.network(name)?, &log, port, speech, &self.body)?;
        self.place(name, till.pid())?;
        self.tills.insert(name, till);
        Ok(())
    }

    /// A client for one case, in the network and pod `from`.
    fn client(
        &mut self,
        case: &'static str,
        from: &'static str,
        to: (&str, u16),
        speech: Speech,
    ) -> anyhow::Result<()> {
        let kiosk = Kiosk::start(self.scratch, self.network(from)?, case, to, speech, &self.body)?;
        self.place(from, kiosk.pid())?;
        self.kiosks.insert(case, kiosk);
        Ok(())
    }

    fn place(&mut self, pod: &'static str, pid: u32) -> anyhow::Result<()> {
        if let Some(cgroup) = self.cgroups.get(pod) {
            cgroup.take(pid)?;
            self.watched.push(pid);
        }
        Ok(())
    }

    fn ask(&self, case: &str, gate: &str) -> anyhow::Result<()> {
        self.kiosks.get(case).context("no client of this case")?.ask(gate)
    }
}

/// What the API server knows: two uids of pods whose processes are watched, and of those behind services.
fn register(cluster: &Cluster<'_>) -> anyhow::Result<BTreeMap<&'static str, String>> {
    for namespace in ["street", "shop"] {
        cluster.namespace(namespace, &json!({}))?;
    }
    cluster.node("node-1", NODE[0])?;
    cluster.node("node-2", OTHER_NODE)?;
    let mut uids = BTreeMap::new();
    for (namespace, name, ip, node) in [
        ("street", "kiosk", KIOSK, "node-1"),
        ("shop", "till", TILL, "node-2"),
        ("shop", "clerk", CLERK, "node-2"),
        ("shop", "vault", VAULT, "node-1"),
        ("street", "buyer", BUYER, "node-2"),
        ("street", "former", FORMER, "node-2"),
        ("street", "old", REUSED, "node-2"),
    ] {
        let pod = Pod {
            node,
            account: name,
            ..Pod::at(ip)
        };
        uids.insert(name, cluster.deployment(namespace, name, &pod)?);
    }
    let host = Pod {
        ips: vec![NODE[0]],
        host_ip: NODE[0],
        host_network: true,
        ..Pod::at(NODE[0])
    };
    cluster.deployment("street", "meter", &host)?;
    let behind = |name: &str, ip: &'static str| (uids[name].clone(), ip);
    let (till, clerk, vault) = (
        behind("till", TILL),
        behind("clerk", CLERK),
        behind("vault", VAULT),
    );
    for (name, ip, pods) in [
        ("one", "10.96.1.1", vec![&till]),
        ("several", "10.96.1.2", vec![&till, &clerk]),
        ("here", "10.96.1.3", vec![&vault]),
        ("headless", "None", vec![&till]),
    ] {
        let pods: Vec<(&str, &str)> = pods.into_iter().map(|(uid, ip)| (uid.as_str(), *ip)).collect();
        cluster.service("shop", name, ip, &pods)?;
    }
    Ok(uids)
}

/// The findings of a request, each in its last revision.
fn findings(daemon: &Daemon, gate: &str) -> anyhow::Result<Vec<Value>> {
    let operation = format!("POST /{gate}");
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for line in daemon.remembered()? {
        let finding: Value = serde_json::from_str(&line)?;
        let is_it = finding["flow"]["operation"] == operation.as_str()
            && finding["location"]["part"] == "request.body"
            && finding["detector"] == "payment_card";
        if is_it {
            latest.insert(finding["id"].to_string(), finding);
        }
    }
    Ok(latest.into_values().collect())
}

/// The finding of a request; there is one.
fn finding(daemon: &Daemon, gate: &str) -> anyhow::Result<Value> {
    let mut found = wait_for(&format!("a finding of {gate}"), LIMIT, || {
        Ok(Some(findings(daemon, gate)?).filter(|found| !found.is_empty()))
    })?;
    ensure!(found.len() == 1, "{gate}: {found:#?}");
    ensure!(found[0]["flow"]["encrypted"] == true, "{gate}: {:#}", found[0]);
    Ok(found.remove(0))
}

fn environment<'a>(kubeconfig: &'a str, tracking: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig),
        ("AUDITOR_IDENTITY__CONNTRACK", tracking),
        ("AUDITOR_IDENTITY__TRUST_DOMAIN", "example.org"),
        ("NODE_NAME", "node-1"),
    ]
}

/// Clients: case, where it runs, where it connects to.
const CLIENTS: [(&str, &str, (&str, u16)); 12] = [
    ("pod", "kiosk", (TILL, 8443)),
    ("one", "kiosk", ("10.96.1.1", 443)),
    ("several", "kiosk", ("10.96.1.2", 443)),
    ("headless", "kiosk", (TILL, 8443)),
    ("node-port", "outside", (NODE[0], 30443)),
    ("node-port-pod", "buyer", (NODE[0], 30443)),
    ("node-port-other", "other node", (VAULT, 8443)),
    ("host-network", "node", (VAULT, 8443)),
    ("external", "kiosk", (OUTSIDE, 8443)),
    ("terminated", "former", (VAULT, 8443)),
    ("same-node", "kiosk", ("10.96.1.3", 443)),
    ("loopback", "vault", ("127.0.0.1", 8443)),
];

const HERE: &str = "Deployment street kiosk cgroup exact";
const TO_VAULT: &str = "Deployment shop vault cgroup exact";

/// What findings of the cases say of both ends.
const TABLE: [(&str, &str, &str); 10] = [
    ("pod", HERE, "Deployment shop till pod_ip exact"),
    ("one", HERE, "Deployment shop till conntrack exact"),
    ("headless", HERE, "Deployment shop till pod_ip exact"),
    ("node-port", "- - - unresolved none", TO_VAULT),
    (
        "node-port-pod",
        "Deployment street buyer conntrack exact",
        TO_VAULT,
    ),
    ("node-port-other", "Node - node-2 node exact", TO_VAULT),
    ("host-network", "Node - node-1 node exact", TO_VAULT),
    ("external", HERE, "- - - host likely"),
    ("same-node", HERE, "Deployment shop vault socket_pair exact"),
    ("loopback", TO_VAULT, "Deployment shop vault socket_pair exact"),
];

/// The same without connection tracking, where that makes a difference.
const WITHOUT: [(&str, &str, &str); 4] = [
    ("one", HERE, "Deployment shop till service exact"),
    ("several", HERE, "Service shop several service likely"),
    ("node-port", "Node - node-1 node exact", TO_VAULT),
    ("node-port-pod", "Node - node-1 node exact", TO_VAULT),
];

fn agree(daemon: &Daemon, stage: &Stage<'_>, table: &[(&str, &str, &str)], run: &str) -> anyhow::Result<()> {
    for (case, ..) in table {
        stage.ask(case, &format!("{case}-{run}"))?;
    }
    let mut wrong = Vec::new();
    for (case, source, destination) in table {
        let found = finding(daemon, &format!("{case}-{run}"))?;
        let said = [shown(&found["source"]), shown(&found["destination"])];
        println!("{case}: {} -> {}", said[0], said[1]);
        if said != [*source, *destination] {
            wrong.push(format!("{case}: {said:?} is not {:?}", [source, destination]));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// The stage, with this thread in its node's network, and a cluster that knows its pods: by name, their uids.
fn set(scratch: &Scratch) -> anyhow::Result<(Stage<'_>, Cluster<'_>, BTreeMap<&'static str, String>)> {
    let stage = Stage::new(scratch)?;
    stage.node.enter()?;
    let cluster = Cluster::start(scratch)?;
    let uids = register(&cluster)?;
    Ok((stage, cluster, uids))
}

#[test]
fn the_other_end_is_who_it_really_was_in_every_case_of_the_table() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut stage, cluster, uids) = set(&scratch)?;
    stage
        .cgroups
        .insert("kiosk", PodCgroup::new(&uids["kiosk"], 'a')?);
    stage
        .cgroups
        .insert("vault", PodCgroup::new(&uids["vault"], 'b')?);
    for name in ["till", "clerk", "vault", "outside"] {
        stage.serve(name, 8443, Speech::Tls)?;
    }
    for (case, from, to) in CLIENTS {
        stage.client(case, from, to, Speech::Tls)?;
    }
    stage.client("reused", "reused", (VAULT, 8443), Speech::Tls)?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(&scratch, &stage.watched, &environment(&kubeconfig, "own"))?;
    daemon.identity_is("kubernetes", LIMIT)?;

    agree(&daemon, &stage, &TABLE, "with")?;
    let address = |gate: &str, end: &str| -> anyhow::Result<String> {
        let address = finding(&daemon, gate)?[end]["address"].clone();
        Ok(address.as_str().unwrap_or_default().to_owned())
    };
    let source = address("node-port-with", "source")?;
    ensure!(source.starts_with(OUTSIDE), "{source}");
    let seen = stage.tills["vault"].seen("node-port-with")?;
    ensure!(seen.as_ref().is_some_and(|(ip, _)| ip == NODE[0]), "{seen:?}");

    // Which of both it was is told by who got the request.
    let mut pods = Vec::new();
    for gate in ["several-1", "several-2"] {
        stage.ask("several", gate)?;
        let found = finding(&daemon, gate)?;
        let name = if stage.tills["till"].seen(gate)?.is_some() {
            "till"
        } else {
            "clerk"
        };
        ensure!(stage.tills[name].seen(gate)?.is_some(), "nobody got {gate}");
        let destination = &found["destination"];
        let wanted = format!("Deployment shop {name} conntrack exact");
        ensure!(shown(destination) == wanted, "{destination}");
        ensure!(destination["pod"]["uid"] == uids[name].as_str(), "{destination}");
        let account = format!("spiffe://example.org/ns/shop/sa/{name}");
        ensure!(destination["spiffe_id"] == account.as_str(), "{destination}");
        pods.push(name);
    }
    pods.sort_unstable();
    ensure!(pods == ["clerk", "till"], "{pods:?}");

    // A pod that has ended has no address, two seconds later.
    let succeeded = json!({"phase": "Succeeded"});
    cluster.status("street", "former-7d4b9c8f6-x", &succeeded)?;
    thread::sleep(Duration::from_secs(3));
    agree(
        &daemon,
        &stage,
        &[("terminated", "- - - unresolved none", TO_VAULT)],
        "with",
    )?;

    reuse(&cluster, &daemon, &stage)?;

    let metrics = daemon.page("/metrics")?;
    for line in [
        "auditor_conntrack_lookups_total{result=\"translated\"}",
        "auditor_attribution_total{method=\"conntrack\",side=\"destination\"}",
        "auditor_attribution_total{method=\"conntrack\",side=\"source\"}",
    ] {
        ensure!(metrics.contains(line), "no {line} in {metrics}");
    }
    daemon.stop()?;
    let daemon = Daemon::start(&scratch, &stage.watched, &environment(&kubeconfig, "off"))?;
    daemon.identity_is("kubernetes", LIMIT)?;
    agree(&daemon, &stage, &WITHOUT, "without")
}

/// An address that another pod gets: who had it when the bytes moved is named, or nobody.
fn reuse(cluster: &Cluster<'_>, daemon: &Daemon, stage: &Stage<'_>) -> anyhow::Result<()> {
    agree(
        daemon,
        stage,
        &[("reused", "Deployment street old pod_ip exact", TO_VAULT)],
        "old",
    )?;
    cluster.delete_pod("street", "old-7d4b9c8f6-x")?;
    let pod = Pod {
        node: "node-2",
        ..Pod::at(REUSED)
    };
    cluster.deployment("street", "new", &pod)?;
    for number in 0..30 {
        let gate = format!("reused-{number}");
        stage.ask("reused", &gate)?;
        let source = finding(daemon, &gate)?["source"].clone();
        match shown(&source).as_str() {
            "Deployment street new pod_ip exact" => return Ok(()),
            // Both may have had it, or neither is known to.
            "- - - ambiguous none" | "- - - unresolved none" => thread::sleep(Duration::from_millis(200)),
            wrong => anyhow::bail!("{wrong} had the address no more"),
        }
    }
    anyhow::bail!("the new pod was never named")
}

#[test]
fn datagrams_to_a_service_go_to_the_pod_behind_it() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut stage, cluster, uids) = set(&scratch)?;
    stage
        .cgroups
        .insert("kiosk", PodCgroup::new(&uids["kiosk"], 'c')?);
    stage.serve("till", 5353, Speech::Udp)?;
    stage.client("udp", "kiosk", ("10.96.1.1", 53), Speech::Udp)?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(&scratch, &stage.watched, &environment(&kubeconfig, "own"))?;
    daemon.identity_is("kubernetes", LIMIT)?;
    stage.ask("udp", "first")?;
    let found = wait_for("both datagrams", LIMIT, || {
        let lines = daemon.remembered()?;
        let mut said = Vec::new();
        for line in &lines {
            let finding: Value = serde_json::from_str(line)?;
            if finding["detector"] == "payment_card" {
                said.push([shown(&finding["source"]), shown(&finding["destination"])]);
            }
        }
        said.sort();
        Ok((said.len() == 2).then_some(said))
    })?;
    let till = "Deployment shop till conntrack exact";
    ensure!(found == [[till, HERE], [HERE, till]], "{found:?}");
    Ok(())
}

/// `auditor who` and `auditor watch` ask the API server when they are given a kubeconfig.
#[test]
fn who_and_watch_name_what_a_kubeconfig_leads_to() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut stage, cluster, uids) = set(&scratch)?;
    let cgroup = PodCgroup::new(&uids["kiosk"], 'd')?;
    stage.cgroups.insert("kiosk", cgroup);
    stage.serve("till", 8443, Speech::Tls)?;
    stage.client("one", "kiosk", ("10.96.1.1", 443), Speech::Tls)?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let pid = stage.kiosks["one"].pid();
    for (asked, wanted) in [
        (["--pid", &pid.to_string()], HERE),
        // No process of its pod is here.
        (["--ip", CLERK], "Deployment shop clerk pod_ip exact"),
        (["--ip", "10.96.1.2:443"], "Service shop several service likely"),
        (["--ip", OUTSIDE], "- - - unresolved none"),
    ] {
        let mut who = Command::new(process::auditor()?);
        who.args(["who", "--format", "json", "--kubeconfig", &kubeconfig]);
        let ended = Running::start(who.args(asked))?.end(LIMIT)?;
        let told: Value = serde_json::from_str(&ended.stdout).context(ended.stderr)?;
        let said = shown(&told["ends"][0]);
        ensure!(said == wanted, "{asked:?}: {said} is not {wanted}: {told:#}");
    }
    let more = ["--kubeconfig", &kubeconfig, "--conntrack", "own"];
    let watch = Watch::pids(&scratch, &[pid], &more)?;
    stage.ask("one", "first")?;
    stage.kiosks.remove("one").context("no client")?.end()?;
    let report = watch.stop()?;
    let question = report.findings.iter().find(|finding| {
        finding["location"]["part"] == "request.body" && finding["detector"] == "payment_card"
    });
    let question = question.context("nothing was found")?;
    let said = [shown(&question["source"]), shown(&question["destination"])];
    ensure!(said == [HERE, "Deployment shop till conntrack exact"], "{said:?}");
    Ok(())
}
