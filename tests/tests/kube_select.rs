//! What is captured follows the labels of pods, as a real API server tells of them.

use std::path::Path;

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    gated::{Cgroup, Gated, metric, nothing_of, only, until_found, until_watched},
    kube::{Cluster, Pod},
    peers::Server,
    process::{LIMIT, wait_for},
    scratch::Scratch,
};
use serde_json::json;

#[test]
fn a_pod_is_watched_while_its_labels_fit_and_only_once_they_are_known() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.namespace("shop", &json!({}))?;
    let pod = |name: &str, ip: &str, team: &str| {
        let labels = json!({"team": team});
        cluster.pod(
            "shop",
            name,
            &Pod {
                labels,
                ..Pod::at(ip)
            },
        )
    };
    let (till, stock) = (pod("till", "10.1.0.1", "pay")?, pod("stock", "10.1.0.2", "web")?);
    // Nobody knows this one yet.
    let unknown = "0e7e7000-0000-4000-8000-0000000000b1";
    let cgroups = [
        Cgroup::of_pod(&till, 'a')?,
        Cgroup::of_pod(&stock, 'b')?,
        Cgroup::of_pod(unknown, 'c')?,
    ];
    let server = Server::plain(&scratch)?;
    let start = |name: &str| Gated::start(&scratch, name, Path::new("/usr/bin/python3"), server.port);
    let names = ["till", "till-too", "stock", "stock-too", "unknown"];
    let [till, till_too, stock, stock_too, unknown] = names.map(start);
    let (till, till_too, stock, stock_too, unknown) = (till?, till_too?, stock?, stock_too?, unknown?);
    for (cgroup, client) in [
        (0, &till),
        (0, &till_too),
        (1, &stock),
        (1, &stock_too),
        (2, &unknown),
    ] {
        cgroups[cgroup].take(client.pid())?;
    }
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let environment = [
        ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig.as_str()),
        ("AUDITOR_SCOPE__SELECT", "namespace=shop,label=team:pay"),
        // Their containers are no runtime's, and labels may be those of a container.
        ("AUDITOR_IDENTITY__RUNTIMES", "off"),
    ];
    let daemon = Daemon::start(&scratch, &[], &environment)?;
    until_watched(&daemon, 2)?;
    ensure!(metric(&daemon, "auditor_scope_processes{state=\"undecided\"}")? >= 1);
    let before = metric(&daemon, "auditor_scope_undecided_bytes_total")?;
    let (unknown_counts, unknown_card) = unknown.go()?;
    wait_for("what was not read to be counted", LIMIT, || {
        let counted = metric(&daemon, "auditor_scope_undecided_bytes_total")? - before;
        Ok((counted >= unknown_counts.total()).then_some(()))
    })?;
    let (stock_too, early) = stock_too.go()?;
    let (till_too, first) = till_too.go()?;
    until_found(&daemon, &first)?;
    until_watched(&daemon, 1)?;

    // Labels change: one pod comes, the other goes.
    let label = |name: &str, team: &str| {
        let path = format!("/api/v1/namespaces/shop/pods/{name}");
        cluster.patch(&path, &json!({"metadata": {"labels": {"team": team}}}))
    };
    label("stock", "pay")?;
    until_watched(&daemon, 2)?;
    label("till", "ops")?;
    until_watched(&daemon, 1)?;
    let (_, late) = till.go()?;
    // The server goes: what was decided stays.
    cluster.pause()?;
    wait_for("the loss to be noticed", LIMIT, || {
        Ok(daemon.page("/readyz")?.contains("degraded").then_some(()))
    })?;
    let (stock, second) = stock.go()?;
    let found = until_found(&daemon, &second)?;
    for card in [&unknown_card, &early, &late] {
        nothing_of(&found, card)?;
    }
    until_watched(&daemon, 0)?;
    only(&daemon, &[&till_too, &stock]).context(format!("{} of another pod", stock_too.total()))
}
