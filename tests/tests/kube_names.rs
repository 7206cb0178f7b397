//! Names in a cluster, as a real API server tells of it, under the role that auditor is deployed with.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use auditor::{
    capture::clock::monotonic_ns,
    identity::kubernetes::{Kubernetes, Settings, Watches},
    report::finding::End,
};
use auditor_tests::{
    kube::{Cluster, Pod},
    process::{self, Running, wait_for},
    scratch::Scratch,
};
use serde_json::{Value, json};

/// How long news may take.
const NEWS: Duration = Duration::from_secs(60);

fn follow(cluster: &Cluster<'_>) -> anyhow::Result<(Arc<Kubernetes>, Watches)> {
    Ok(Kubernetes::start(&Settings {
        kubeconfig: Some(cluster.kubeconfig()?),
        node_name: None,
        labels: vec!["app".to_owned(), "tier".to_owned()],
        trust_domain: Some("example.org".to_owned()),
        policies: None,
    })?)
}

fn whole(kubernetes: &Kubernetes) -> anyhow::Result<()> {
    let states = || format!("all watches to be right: {:?}", kubernetes.status.states());
    wait_for("all watches to be right", NEWS, || {
        Ok(kubernetes.status.is_whole().then_some(()))
    })
    .map_err(|error| error.context(states()))
}

/// `kind namespace/name, method, certainty` of the end at an address now.
fn named(kubernetes: &Kubernetes, address: &str) -> anyhow::Result<String> {
    Ok(match kubernetes.end(address.parse()?, monotonic_ns()) {
        None => "none".to_owned(),
        Some(end) => shown(&end),
    })
}

fn shown(end: &End) -> String {
    let workload = end.workload.as_ref().map_or_else(String::new, |workload| {
        let namespace = workload.namespace.as_deref().unwrap_or_default();
        format!("{} {namespace}/{}, ", workload.kind, workload.name)
    });
    format!("{workload}{}, {:?}", end.identified_by.name(), end.certainty)
}

/// Waits until an address has a name.
fn becomes(kubernetes: &Kubernetes, address: &str, expected: &str) -> anyhow::Result<()> {
    let mut last = String::new();
    wait_for("a name", NEWS, || {
        last = named(kubernetes, address)?;
        Ok((last == expected).then_some(()))
    })
    .map_err(|error| error.context(format!("{address} is {last}, not {expected}")))
}

#[test]
fn every_kind_of_address_gets_its_name() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({"tier": "front"}))?;
    cluster.node("node-1", "192.0.2.1")?;
    let till = Pod {
        account: "till",
        ..Pod::at("10.1.0.1")
    };
    let till_uid = cluster.deployment("shop", "till", &till)?;
    let stock_uid = cluster.deployment("shop", "stock", &Pod::at("10.1.0.2"))?;
    let host = Pod {
        host_network: true,
        ..Pod::at("192.0.2.1")
    };
    cluster.pod("shop", "on-the-host", &host)?;
    cluster.service("shop", "till", "10.96.1.1", &[(&till_uid, "10.1.0.1")])?;
    let both = [(till_uid.as_str(), "10.1.0.1"), (stock_uid.as_str(), "10.1.0.2")];
    cluster.service("shop", "both", "10.96.1.2", &both)?;
    cluster.service("shop", "headless", "None", &[(&stock_uid, "10.1.0.2")])?;

    let (kubernetes, _watches) = follow(&cluster)?;
    whole(&kubernetes)?;
    for (address, expected) in [
        ("10.1.0.1:8443", "Deployment shop/till, pod_ip, Exact"),
        ("10.1.0.2:8443", "Deployment shop/stock, pod_ip, Exact"),
        ("10.96.1.1:443", "Deployment shop/till, service, Exact"),
        ("10.96.1.2:443", "Service shop/both, service, Likely"),
        ("192.0.2.1:40000", "Node /node-1, node, Exact"),
        ("203.0.113.9:443", "none"),
    ] {
        becomes(&kubernetes, address, expected)?;
    }
    let end = kubernetes
        .end("10.1.0.1:1".parse()?, monotonic_ns())
        .unwrap_or_default();
    ensure!(end.spiffe_id.as_deref() == Some("spiffe://example.org/ns/shop/sa/till"));
    ensure!(
        end.labels
            == [("app", "till"), ("tier", "front")]
                .map(|(k, v)| (k.into(), v.into()))
                .into()
    );
    let mut local = End::default();
    kubernetes.enrich(&mut local, &stock_uid);
    ensure!(shown(&local).starts_with("Deployment shop/stock"));
    Ok(())
}

#[test]
fn an_address_that_changes_hands_is_never_the_former_owners() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    let (kubernetes, _watches) = follow(&cluster)?;
    whole(&kubernetes)?;
    let started = |second: u32| Some(format!("2026-01-01T00:00:{second:02}Z"));

    // A Job that has finished and is still shown.
    let job = Pod {
        started: started(0),
        ..Pod::at("10.1.0.1")
    };
    cluster.pod("shop", "job", &job)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/job, pod_ip, Exact")?;
    cluster.status("shop", "job", &json!({"phase": "Succeeded"}))?;
    becomes(&kubernetes, "10.1.0.1:1", "none")?;
    let next = Pod {
        started: started(10),
        ..Pod::at("10.1.0.1")
    };
    cluster.pod("shop", "next", &next)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/next, pod_ip, Exact")?;

    // One that is told to end and stays, as something has to be cleaned up.
    let lingering = Pod {
        started: started(10),
        finalizers: json!(["example.org/clean-up"]),
        ..Pod::at("10.1.0.2")
    };
    cluster.pod("shop", "lingering", &lingering)?;
    becomes(&kubernetes, "10.1.0.2:1", "Pod shop/lingering, pod_ip, Exact")?;
    cluster.delete_pod("shop", "lingering")?;
    becomes(&kubernetes, "10.1.0.2:1", "Pod shop/lingering, pod_ip, Likely")?;
    let heir = Pod {
        started: started(40),
        ..Pod::at("10.1.0.2")
    };
    cluster.pod("shop", "heir", &heir)?;
    becomes(&kubernetes, "10.1.0.2:1", "Pod shop/heir, pod_ip, Exact")?;
    let path = "/api/v1/namespaces/shop/pods/lingering";
    cluster.patch(path, &json!({"metadata": {"finalizers": null}}))?;
    // Told after the late delete: when this is known, so is that.
    cluster.pod("shop", "marker", &Pod::at("10.1.0.3"))?;
    becomes(&kubernetes, "10.1.0.3:1", "Pod shop/marker, pod_ip, Exact")?;
    ensure!(named(&kubernetes, "10.1.0.2:1")? == "Pod shop/heir, pod_ip, Exact");
    Ok(())
}

#[test]
fn while_the_server_is_down_nothing_is_guessed_and_then_all_is_right_again() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.pod("shop", "before", &Pod::at("10.1.0.1"))?;
    let (kubernetes, _watches) = follow(&cluster)?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/before, pod_ip, Exact")?;
    let known = monotonic_ns();

    cluster.pause()?;
    wait_for("the loss to be noticed", NEWS, || {
        Ok((kubernetes.status.states()["pods"] == "lost").then_some(()))
    })?;
    ensure!(named(&kubernetes, "10.1.0.1:1")? == "ambiguous, None");
    let end = kubernetes.end("10.1.0.1:1".parse()?, known).unwrap_or_default();
    ensure!(
        shown(&end) == "Pod shop/before, pod_ip, Exact",
        "the past is known"
    );

    cluster.resume()?;
    // Behind the watches' back, if they are still waiting.
    cluster.delete_pod("shop", "before")?;
    let after = Pod {
        started: Some("2099-01-01T00:00:00Z".to_owned()),
        ..Pod::at("10.1.0.1")
    };
    cluster.pod("shop", "after", &after)?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/after, pod_ip, Exact")?;
    let reasons: Vec<_> = kubernetes.status.failures();
    ensure!(
        reasons
            .iter()
            .any(|(kind, reason, _)| (*kind, *reason) == ("pods", "unreachable")),
        "{reasons:?}"
    );
    Ok(())
}

#[test]
fn a_server_that_is_down_at_the_start_is_waited_for() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.pod("shop", "web", &Pod::at("10.1.0.1"))?;
    let kubeconfig = cluster.kubeconfig()?;
    cluster.pause()?;
    let (kubernetes, _watches) = Kubernetes::start(&Settings {
        kubeconfig: Some(kubeconfig),
        ..Settings::default()
    })?;
    wait_for("a failure", NEWS, || {
        Ok((!kubernetes.status.failures().is_empty()).then_some(()))
    })?;
    ensure!(named(&kubernetes, "10.1.0.1:1")? == "none");
    cluster.resume()?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/web, pod_ip, Exact")
}

#[test]
fn a_role_that_lacks_a_verb_costs_what_it_is_for_and_no_more() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/auditor";
    let whole_role = cluster.call("GET", role, None)?;
    let lacking = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]});
    cluster.patch(role, &lacking)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.node("node-1", "192.0.2.1")?;
    cluster.pod("shop", "web", &Pod::at("10.1.0.1"))?;
    let (kubernetes, _watches) = follow(&cluster)?;
    wait_for("the refusal", NEWS, || {
        Ok((kubernetes.status.states()["nodes"] == "forbidden").then_some(()))
    })?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/web, pod_ip, Exact")?;
    ensure!(named(&kubernetes, "192.0.2.1:1")? == "none");
    ensure!(!kubernetes.status.is_whole());
    cluster.patch(role, &json!({"rules": whole_role["rules"]}))?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "192.0.2.1:1", "Node /node-1, node, Exact")
}

#[test]
fn a_role_that_loses_a_verb_while_it_is_watched_names_nothing_by_what_it_was() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.node("node-1", "192.0.2.1")?;
    cluster.pod("shop", "web", &Pod::at("10.1.0.1"))?;
    let (kubernetes, _watches) = follow(&cluster)?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "192.0.2.1:1", "Node /node-1, node, Exact")?;
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/auditor";
    let whole_role = cluster.call("GET", role, None)?;
    let lacking = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]});
    cluster.patch(role, &lacking)?;
    // A server asks for the role where a watch begins.
    cluster.pause()?;
    cluster.resume()?;
    wait_for("the refusal", NEWS, || {
        Ok((kubernetes.status.states()["nodes"] == "forbidden").then_some(()))
    })?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/web, pod_ip, Exact")?;
    ensure!(named(&kubernetes, "192.0.2.1:1")? != "Node /node-1, node, Exact");
    cluster.patch(role, &json!({"rules": whole_role["rules"]}))?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "192.0.2.1:1", "Node /node-1, node, Exact")
}

#[test]
fn a_server_that_does_not_answer_keeps_nobody_waiting() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.pod("shop", "web", &Pod::at("10.1.0.1"))?;
    let kubeconfig = cluster.kubeconfig()?;
    cluster.stall()?;
    let (kubernetes, _watches) = Kubernetes::start(&Settings {
        kubeconfig: Some(kubeconfig),
        ..Settings::default()
    })?;
    for _ in 0..100 {
        ensure!(named(&kubernetes, "10.1.0.1:1")? == "none");
    }
    ensure!(kubernetes.status.states()["pods"] == "listing");
    cluster.go_on()?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/web, pod_ip, Exact")?;

    // Its watches are open, and say nothing.
    cluster.stall()?;
    ensure!(named(&kubernetes, "10.1.0.1:1")? == "Pod shop/web, pod_ip, Exact");
    becomes(&kubernetes, "10.1.0.1:1", "ambiguous, None")?;
    ensure!(kubernetes.status.states()["pods"] == "lost");
    cluster.go_on()?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/web, pod_ip, Exact")?;
    cluster.pod("shop", "next", &Pod::at("10.1.0.2"))?;
    becomes(&kubernetes, "10.1.0.2:1", "Pod shop/next, pod_ip, Exact")
}

/// What doctor says of the cluster, and whether it takes it for right.
fn examined(kubeconfig: &Path) -> anyhow::Result<Vec<(bool, String)>> {
    let mut doctor = Command::new(process::auditor()?);
    doctor
        .args(["doctor", "--format", "json", "--kubeconfig"])
        .arg(kubeconfig);
    // What else is missing on this machine is not asked here.
    let said = Running::start(&mut doctor)?.end(process::LIMIT)?;
    let document: Value = serde_json::from_str(&said.stdout)?;
    let checks = document["checks"].as_array().into_iter().flatten();
    let of_cluster = checks.filter(|check| check["name"] == "kubernetes");
    let read = |check: &Value| Some((check["ok"].as_bool()?, check["detail"].as_str()?.to_owned()));
    of_cluster
        .map(|check| read(check).context("a check lacks something"))
        .collect()
}

#[test]
fn doctor_says_what_of_the_cluster_can_be_followed_and_what_the_role_lacks() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.pod("shop", "web", &Pod::at("10.1.0.1"))?;
    let kubeconfig = cluster.kubeconfig()?;
    let whole = examined(&kubeconfig)?;
    ensure!(whole.len() == 7 && whole.iter().all(|(ok, _)| *ok), "{whole:?}");
    ensure!(
        whole.iter().any(|(_, said)| said == "pods are followed, 1 known"),
        "{whole:?}"
    );

    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/auditor";
    // Pods can be listed, and not watched.
    let lacking = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}]});
    cluster.patch(role, &lacking)?;
    let less = examined(&kubeconfig)?;
    let lacks = |kind: &str| {
        let lacks = format!("{kind}: the role lacks");
        less.iter().any(|(ok, said)| !ok && said.starts_with(&lacks))
    };
    ensure!(lacks("pods") && lacks("services") && !lacks("nodes"), "{less:?}");

    cluster.pause()?;
    let down = examined(&kubeconfig)?;
    let unreachable = |(ok, said): &(bool, String)| !ok && said.contains(": unreachable;");
    ensure!(down.len() == 7 && down.iter().all(unreachable), "{down:?}");
    Ok(())
}

#[test]
fn a_watch_whose_past_is_forgotten_lists_again_and_names_nobody_who_is_gone() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    cluster.pod("shop", "before", &Pod::at("10.1.0.1"))?;
    cluster.pod("shop", "stays", &Pod::at("10.1.0.2"))?;
    let (kubernetes, _watches) = follow(&cluster)?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.1:1", "Pod shop/before, pod_ip, Exact")?;
    cluster.pause()?;
    cluster.behind_its_back(|other| {
        other.delete_pod("shop", "before")?;
        other.pod("shop", "after", &Pod::at("10.1.0.3"))?;
        // So that what the watches know is not among the last changes.
        for number in 0..200 {
            other.namespace(&format!("n{number}"), &json!({}))?;
        }
        Ok(())
    })?;
    cluster.resume()?;
    whole(&kubernetes)?;
    becomes(&kubernetes, "10.1.0.3:1", "Pod shop/after, pod_ip, Exact")?;
    becomes(&kubernetes, "10.1.0.2:1", "Pod shop/stays, pod_ip, Exact")?;
    ensure!(named(&kubernetes, "10.1.0.1:1")? != "Pod shop/before, pod_ip, Exact");
    let failures = kubernetes.status.failures();
    ensure!(
        failures
            .iter()
            .any(|(kind, reason, _)| (*kind, *reason) == ("pods", "gone")),
        "{failures:?}"
    );
    Ok(())
}
