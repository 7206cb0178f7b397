//! Leaks as Events of a real API server: where they are, what they say, how they are counted, and what happens without the
//! role, without the server, and with more leaks than may be told of.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    cgroups::PodCgroup,
    daemon::Daemon,
    kube::{Cluster, Pod},
    message,
    peers::{Client, Server},
    process::{LIMIT, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::Value;

/// The clients of a pod, and what they send.
struct Till<'a> {
    scratch: &'a Scratch,
    _server: Server,
    clients: BTreeMap<String, Client>,
    cards: Vec<String>,
    _cgroup: PodCgroup,
}

impl<'a> Till<'a> {
    /// A client for each of these, in the pod with this uid: it sends a card to each of so many operations.
    fn new(scratch: &'a Scratch, uid: &str, sends: &[(&str, usize)]) -> anyhow::Result<Self> {
        let server = Server::plain(scratch)?;
        let cgroup = PodCgroup::new(uid, 'e')?;
        let (mut clients, mut cards) = (BTreeMap::new(), Vec::new());
        for (name, operations) in sends {
            let gate = scratch.path(&format!("{name}.go")).display().to_string();
            let mut messages = Vec::new();
            for operation in operation_names().take(*operations) {
                let card = values::card();
                let body = format!(r#"{{"card_number":"{card}"}}"#);
                messages.push(message::post_json(&format!("/v1/{operation}"), &body));
                cards.push(card);
            }
            let more = ["--gate", gate.as_str(), "--limit", "300"];
            let client = Client::start(scratch, name, server.port, &messages, &more)?;
            cgroup.take(client.pid())?;
            clients.insert((*name).to_owned(), client);
        }
        Ok(Self {
            scratch,
            _server: server,
            clients,
            cards,
            _cgroup: cgroup,
        })
    }

    fn pids(&self) -> Vec<u32> {
        self.clients.values().map(Client::pid).collect()
    }

    fn sends(&mut self, name: &str) -> anyhow::Result<()> {
        fs::write(self.scratch.path(&format!("{name}.go")), "")?;
        self.clients
            .remove(name)
            .context("no such client")?
            .counts()
            .map(drop)
    }
}

/// Words of letters: numbers would be taken for ids.
fn operation_names() -> impl Iterator<Item = String> {
    ('a'..='z').flat_map(|first| ('a'..='z').map(move |second| format!("order{first}{second}")))
}

fn events(cluster: &Cluster<'_>, namespace: &str) -> anyhow::Result<Vec<Value>> {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let list = cluster.call("GET", &path, None)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// A cluster with a pod of which the agent may tell, or not.
fn stage<'a>(scratch: &'a Scratch, may_tell: bool) -> anyhow::Result<(Cluster<'a>, String)> {
    let cluster = Cluster::start(scratch)?;
    if may_tell {
        cluster.apply("overlays/events/rbac.yaml")?;
    }
    cluster.namespace("shop", &serde_json::json!({}))?;
    let uid = cluster.deployment("shop", "till", &Pod::at("10.111.0.1"))?;
    Ok((cluster, uid))
}

fn daemon(cluster: &Cluster<'_>, till: &Till<'_>, per_minute: &str) -> anyhow::Result<Daemon> {
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(
        till.scratch,
        &till.pids(),
        &[
            ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", &kubeconfig),
            ("NODE_NAME", "node-1"),
            ("AUDITOR_REPORT__INTERVAL_SECONDS", "1"),
            ("AUDITOR_REPORT__EVENTS__ENABLED", "true"),
            ("AUDITOR_REPORT__EVENTS__PER_MINUTE", per_minute),
        ],
    )?;
    wait_for("the names of the cluster", LIMIT, || {
        let page = daemon.page("/readyz")?;
        Ok(page.contains(r#""identity":"kubernetes""#).then_some(()))
    })?;
    Ok(daemon)
}

fn has_events(cluster: &Cluster<'_>, count: usize) -> anyhow::Result<Vec<Value>> {
    wait_for(&format!("{count} Events"), LIMIT, || {
        let events = events(cluster, "shop")?;
        Ok((events.len() >= count).then_some(events))
    })
}

#[test]
fn a_leak_is_an_event_beside_its_pod_and_what_comes_again_is_counted() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (cluster, uid) = stage(&scratch, true)?;
    let mut till = Till::new(&scratch, &uid, &[("first", 2), ("second", 2), ("third", 2)])?;
    let running = daemon(&cluster, &till, "600")?;
    till.sends("first")?;
    for event in has_events(&cluster, 2)? {
        let regarding = &event["regarding"];
        ensure!(
            regarding["kind"] == "Pod"
                && regarding["name"] == "till-7d4b9c8f6-x"
                && regarding["uid"] == uid.as_str(),
            "{regarding}"
        );
        ensure!(
            event["reason"] == "UnmaskedData" && event["type"] == "Warning",
            "{event}"
        );
        ensure!(
            event["reportingController"] == "auditor.dev/agent" && event["reportingInstance"] == "node-1"
        );
        let note = event["note"].as_str().context("no note")?;
        ensure!(
            note.starts_with("payment_card in clear in $.card_number (request.body) of POST /v1/order"),
            "{note}"
        );
    }
    till.sends("second")?;
    let is_counted = |least: i64| {
        wait_for("the counts", LIMIT, || {
            let events = events(&cluster, "shop")?;
            ensure!(events.len() == 2, "{} events", events.len());
            let counts = events.iter().map(|event| event["series"]["count"].as_i64());
            Ok(counts.into_iter().all(|count| count >= Some(least)).then_some(()))
        })
    };
    is_counted(2)?;
    // Another daemon, as after a restart, finds its Events there and makes no others.
    running.stop()?;
    let running = daemon(&cluster, &till, "600")?;
    till.sends("third")?;
    wait_for("the third to be told", LIMIT, || {
        let told = running.metric("auditor_sink_delivered_total{sink=\"events\"}")?;
        let waiting = running.metric("auditor_sink_waiting{sink=\"events\"}")?;
        Ok((told >= 2.0 && waiting == 0.0).then_some(()))
    })?;
    is_counted(2)?;
    let all = serde_json::to_string(&events(&cluster, "shop")?)?;
    ensure!(
        !till
            .cards
            .iter()
            .any(|card| all.contains(&card[..9]) || all.contains(&card[7..]))
    );
    ensure!(!all.contains("******"), "a sample is in an Event");
    running.stop()?;
    Ok(())
}

#[test]
fn without_the_role_or_the_server_leaks_wait_and_are_told_of_later() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut cluster, uid) = stage(&scratch, false)?;
    let mut till = Till::new(&scratch, &uid, &[("first", 3), ("second", 5)])?;
    let running = daemon(&cluster, &till, "600")?;
    till.sends("first")?;
    let failed = |reason: &str| {
        let series = format!("auditor_sink_failures_total{{reason=\"{reason}\",sink=\"events\"}}");
        wait_for(&format!("a failure of {reason}"), LIMIT, || {
            Ok((running.metric(&series)? > 0.0).then_some(()))
        })
    };
    failed("status")?;
    ensure!(events(&cluster, "shop")?.is_empty());
    cluster.apply("overlays/events/rbac.yaml")?;
    has_events(&cluster, 3)?;
    cluster.pause()?;
    till.sends("second")?;
    failed("transport")?;
    cluster.resume()?;
    has_events(&cluster, 5)?;
    ensure!(running.metric("auditor_sink_dropped_total{sink=\"events\"}")? == 0.0);
    running.stop()?;
    Ok(())
}

#[test]
fn no_more_is_told_than_may_be_and_the_rest_waits() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (cluster, uid) = stage(&scratch, true)?;
    let mut till = Till::new(&scratch, &uid, &[("first", 30)])?;
    let running = daemon(&cluster, &till, "12")?;
    till.sends("first")?;
    wait_for("the bucket to be empty", LIMIT, || {
        let told = running.metric("auditor_sink_delivered_total{sink=\"events\"}")?;
        let waiting = running.metric("auditor_sink_waiting{sink=\"events\"}")?;
        Ok((told >= 12.0 && waiting > 0.0).then_some(()))
    })?;
    let some = events(&cluster, "shop")?.len();
    ensure!(
        (12..=16).contains(&some),
        "{some} Events of 30 within a minute's worth of 12"
    );
    ensure!(running.metric("auditor_sink_failures_total{reason=\"status\",sink=\"events\"}")? == 0.0);
    running.stop()?;
    Ok(())
}

#[test]
fn a_namespace_that_ends_does_not_hold_up_the_others() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (cluster, uid) = stage(&scratch, true)?;
    let mut till = Till::new(&scratch, &uid, &[("first", 3)])?;
    let running = daemon(&cluster, &till, "600")?;
    // No controller runs that would end it: it stays as it is.
    cluster.call("DELETE", "/api/v1/namespaces/shop", None)?;
    till.sends("first")?;
    wait_for("the refusals to be counted", LIMIT, || {
        let dropped = running.metric("auditor_sink_dropped_total{sink=\"events\"}")?;
        let waiting = running.metric("auditor_sink_waiting{sink=\"events\"}")?;
        Ok((dropped >= 3.0 && waiting == 0.0).then_some(()))
    })?;
    running.stop()?;
    Ok(())
}
