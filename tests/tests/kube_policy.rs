//! Policies of a real API server: what they say is how traffic of real programs is judged, at once, and in spite of
//! what is wrong with some of them.
//!
//! The senders are processes in cgroups of pods, as a kubelet makes them. What is watched is them, by process id.

use std::{
    collections::HashMap,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    cgroups::PodCgroup,
    daemon::Daemon,
    kube::{Cluster, POLICIES, Pod},
    message,
    peers::{Client, Server},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use serde_json::{Value, json};

/// Within which a change has to be in force.
const SOON: Duration = Duration::from_secs(2);

/// Clients of pods that wait until they may send one card each.
struct Senders<'a> {
    scratch: &'a Scratch,
    clients: HashMap<String, Client>,
    _cgroups: Vec<PodCgroup>,
    _server: Server,
}

impl<'a> Senders<'a> {
    /// For each pod its name as namespace and Deployment, a hex digit of its own, and names of what it may send.
    fn start(
        scratch: &'a Scratch,
        cluster: &Cluster<'_>,
        pods: &[(&str, char, &[&str])],
    ) -> anyhow::Result<Self> {
        let server = Server::plain(scratch)?;
        let (mut clients, mut cgroups) = (HashMap::new(), Vec::new());
        for (number, (namespace, digit, names)) in pods.iter().enumerate() {
            cluster.namespace(namespace, &json!({}))?;
            let ip = format!("10.112.0.{}", number + 1);
            let uid = cluster.deployment(namespace, "till", &Pod::at(&ip))?;
            let cgroup = PodCgroup::new(&uid, *digit)?;
            for name in *names {
                let gate = scratch.path(&format!("{name}.go")).display().to_string();
                let card = format!(r#"{{"card_number":"{}"}}"#, values::card());
                let order = message::post_json(&format!("/v1/{name}"), &card);
                let client = Client::start(scratch, name, server.port, &[order], &["--gate", &gate])?;
                cgroup.take(client.pid())?;
                clients.insert((*name).to_owned(), client);
            }
            cgroups.push(cgroup);
        }
        Ok(Self {
            scratch,
            clients,
            _cgroups: cgroups,
            _server: server,
        })
    }

    fn pids(&self) -> Vec<u32> {
        self.clients.values().map(Client::pid).collect()
    }

    /// Sends, and says how that was judged: `verdict policy/rule`, and by which version.
    fn judged(&mut self, daemon: &Daemon, name: &str) -> anyhow::Result<(String, String)> {
        let client = self.clients.remove(name).context("a client")?;
        std::fs::write(self.scratch.path(&format!("{name}.go")), "")?;
        client.counts()?;
        wait_for("a finding", LIMIT, || {
            for line in daemon.remembered()? {
                let finding: Value = serde_json::from_str(&line)?;
                let is_named = finding["source"]["workload"]["kind"] == "Deployment";
                if finding["flow"]["operation"] == format!("POST /v1/{name}") && is_named {
                    let policy = &finding["policy"];
                    let text = |key: &str| policy[key].as_str().unwrap_or("-").to_owned();
                    let said = format!("{} {}/{}", text("verdict"), text("name"), text("rule"));
                    return Ok(Some((said, text("version"))));
                }
            }
            Ok(None)
        })
    }
}

/// The body of `/readyz`.
fn ready(daemon: &Daemon) -> anyhow::Result<Value> {
    let page = daemon.page("/readyz")?;
    let body = page.split("\r\n\r\n").nth(1).context("a body")?;
    Ok(serde_json::from_str(body)?)
}

fn version(daemon: &Daemon) -> anyhow::Result<String> {
    let ready = ready(daemon)?;
    Ok(ready["policy_version"].as_str().unwrap_or_default().to_owned())
}

/// Makes a change, and waits until `/readyz` is as it has to be; says how long that took.
fn soon(
    what: &str,
    daemon: &Daemon,
    change: impl FnOnce() -> anyhow::Result<()>,
    is_done: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    change()?;
    let changed = Instant::now();
    wait_for(what, LIMIT, || Ok(is_done(&ready(daemon)?).then_some(())))?;
    let took = changed.elapsed();
    println!("{what}: after {took:?}");
    ensure!(took < SOON, "{what}: {took:?}");
    Ok(())
}

fn watches(daemon: &Daemon, state: &str) -> anyhow::Result<()> {
    wait_for(&format!("watches of policies to be {state}"), LIMIT, || {
        let ready = ready(daemon)?;
        let kinds = ["dataflowpolicies", "clusterdataflowpolicies"];
        Ok(kinds
            .iter()
            .all(|kind| ready["watches"][kind] == state)
            .then_some(()))
    })
}

/// What a command of auditor prints, with its exit code.
fn auditor(words: &[&str]) -> anyhow::Result<(i32, String)> {
    let mut command = Command::new(process::auditor()?);
    let ended = Running::start(command.args(words))?.end(LIMIT)?;
    Ok((ended.status.code().unwrap_or(-1), ended.stdout + &ended.stderr))
}

fn allow() -> Value {
    json!([{"name": "cards", "data": {"detectors": ["payment_card"]}, "action": "allow"}])
}

fn environment(kubeconfig: &str) -> [(&str, &str); 3] {
    [
        ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig),
        ("NODE_NAME", "node-1"),
        ("RUST_LOG", "auditor=info"),
    ]
}

#[test]
fn a_policy_of_the_api_server_judges_within_two_seconds_and_only_what_its_namespace_sends()
-> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    let of_shop = ["none", "allowed", "edited", "bad", "cluster", "removed"];
    let of_bank = ["other", "foreign"];
    let mut senders = Senders::start(
        &scratch,
        &cluster,
        &[("shop", '1', &of_shop), ("bank", '2', &of_bank)],
    )?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(&scratch, &senders.pids(), &environment(&kubeconfig))?;

    // Without the definitions there is nothing wrong.
    watches(&daemon, "missing")?;
    let without = ready(&daemon)?;
    ensure!(
        without["policy"] == "none" && without["identity"] == "kubernetes",
        "{without}"
    );
    ensure!(senders.judged(&daemon, "none")?.0 == "violation -/-");
    cluster.define_policies()?;
    watches(&daemon, "watching")?;

    let before = version(&daemon)?;
    let apply = || cluster.policy("shop/cards", &allow());
    soon("applied", &daemon, apply, |ready| {
        ready["policy_version"] != before.as_str()
    })?;
    let first = version(&daemon)?;
    ensure!(senders.judged(&daemon, "allowed")? == ("allowed shop/cards/cards".to_owned(), first.clone()));
    ensure!(senders.judged(&daemon, "other")? == ("violation -/-".to_owned(), first.clone()));

    // A tenant names another as the sender: that matches nothing.
    let foreign = json!([{"name": "theirs", "from": "namespace=bank", "action": "allow"}]);
    let apply = || cluster.policy("shop/foreign", &foreign);
    soon("foreign", &daemon, apply, |ready| {
        ready["policy_version"] != first.as_str()
    })?;
    ensure!(senders.judged(&daemon, "foreign")?.0 == "violation -/-");

    let second = version(&daemon)?;
    let edited = json!([{"name": "cards", "data": {"detectors": ["payment_card"]}, "action": "report"}]);
    let edit = || cluster.policy("shop/cards", &edited);
    soon("edited", &daemon, edit, |ready| {
        ready["policy_version"] != second.as_str()
    })?;
    let third = version(&daemon)?;
    ensure!(senders.judged(&daemon, "edited")? == ("violation shop/cards/cards".to_owned(), third.clone()));

    // The server can not know detectors. The version of before stays, and that is said.
    let bad = json!([{"name": "cards", "data": {"detectors": ["payment_crad"]}, "action": "allow"}]);
    let edit = || cluster.policy("shop/cards", &bad);
    soon("refused", &daemon, edit, |ready| {
        ready["refused_policies"]["shop/cards"] == "invalid"
    })?;
    ensure!(senders.judged(&daemon, "bad")? == ("violation shop/cards/cards".to_owned(), third.clone()));
    let metrics = daemon.page("/metrics")?;
    for line in [
        r#"auditor_policies_refused{reason="invalid"} 1"#,
        r#"auditor_policy_loaded{policy="shop/cards",source="kubernetes",state="stale"} 1"#,
        r#"auditor_policy_loaded{policy="shop/foreign",source="kubernetes",state="loaded"} 1"#,
    ] {
        ensure!(metrics.contains(line), "no {line} in {metrics}");
    }

    // What the cluster reports no namespace allows.
    let report = json!([{"name": "no-cards", "data": {"categories": ["payment"]}, "severity": "critical", "action": "report"}]);
    soon(
        "corrected",
        &daemon,
        || cluster.policy("shop/cards", &allow()),
        |ready| ready["policies_refused"] == 0,
    )?;
    let third = version(&daemon)?;
    let apply = || cluster.policy("payment", &report);
    soon("of the cluster", &daemon, apply, |ready| {
        ready["policies_refused"] == 0 && ready["policy_version"] != third.as_str()
    })?;
    ensure!(senders.judged(&daemon, "cluster")?.0 == "violation payment/no-cards");

    let fourth = version(&daemon)?;
    let delete = || cluster.delete_policy("payment");
    soon("deleted", &daemon, delete, |ready| {
        ready["policy_version"] != fourth.as_str()
    })?;
    ensure!(senders.judged(&daemon, "removed")?.0 == "allowed shop/cards/cards");
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    ensure!(
        ended.stderr.contains("did you mean payment_card?"),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn of_two_policies_that_conflict_the_older_judges_and_the_list_says_why() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    cluster.define_policies()?;
    let mut senders = Senders::start(&scratch, &cluster, &[("shop", '3', &["older", "newer"])])?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let daemon = Daemon::start(&scratch, &senders.pids(), &environment(&kubeconfig))?;
    watches(&daemon, "watching")?;
    // Of one second, the order is that of names.
    cluster.policy("a-first", &allow())?;
    let report = json!([{"name": "cards", "data": {"detectors": ["payment_card"]}, "action": "report"}]);
    let apply = || cluster.policy("b-second", &report);
    soon("conflict", &daemon, apply, |ready| {
        ready["refused_policies"] == json!({"b-second": "conflict"})
    })?;
    ensure!(senders.judged(&daemon, "older")?.0 == "allowed a-first/cards");
    // Everything else goes on.
    let own = json!([{"name": "own", "data": {"detectors": ["payment_card"]}, "action": "report"}]);
    cluster.policy("shop/own", &own)?;
    wait_for("another policy", LIMIT, || {
        Ok(daemon
            .page("/metrics")?
            .contains(r#"policy="shop/own""#)
            .then_some(()))
    })?;
    ensure!(senders.judged(&daemon, "newer")?.0 == "violation shop/own/own");

    let (code, list) = auditor(&["policy", "list", "--kubeconfig", &kubeconfig])?;
    println!("{list}");
    for part in [
        "a-first",
        "refused (conflict)",
        "conflicts with rule a-first/cards",
        "2 of 3 in force",
    ] {
        ensure!(list.contains(part), "no {part} in {list}");
    }
    ensure!(code == 0, "{code}");
    let flow = "from=namespace=shop detector=payment_card";
    let (code, check) = auditor(&["policy", "check", "--kubeconfig", &kubeconfig, "--explain", flow])?;
    ensure!(
        code == 2 && check.contains("shop/own/own adds a violation to what a-first/cards"),
        "{code} {check}"
    );
    // What a file would change, before it is applied.
    let fixed = "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {name: b-second}\nspec: {rules: [{name: ibans, data: {detectors: [iban]}, action: report}]}\n";
    let file = scratch.file("fixed.yaml", fixed)?.display().to_string();
    let (code, check) = auditor(&["policy", "check", &file, "--kubeconfig", &kubeconfig])?;
    ensure!(
        code == 0 && check.contains("3 policies, 3 rules"),
        "{code} {check}"
    );
    Ok(())
}

#[test]
fn policies_stay_in_force_over_a_restart_while_the_api_server_is_down() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut cluster = Cluster::start(&scratch)?;
    cluster.define_policies()?;
    let mut senders = Senders::start(&scratch, &cluster, &[("shop", '4', &["up", "down", "back"])])?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    cluster.policy("all", &allow())?;
    let daemon = Daemon::start(&scratch, &senders.pids(), &environment(&kubeconfig))?;
    watches(&daemon, "watching")?;
    // What was there before is in force at the first finding.
    let good = version(&daemon)?;
    ensure!(!good.is_empty());
    ensure!(senders.judged(&daemon, "up")? == ("allowed all/cards".to_owned(), good.clone()));
    daemon.stop()?;

    cluster.pause()?;
    let daemon = Daemon::start(&scratch, &senders.pids(), &environment(&kubeconfig))?;
    watches(&daemon, "lost")?;
    let without = ready(&daemon)?;
    ensure!(
        without["policy"] == "stale" && without["policy_version"] == good.as_str(),
        "{without}"
    );
    // The pod has no name now; the policy is about every flow.
    let client = senders.clients.remove("down").context("a client")?;
    std::fs::write(scratch.path("down.go"), "")?;
    client.counts()?;
    let finding = wait_for("a finding", LIMIT, || {
        let lines = daemon.remembered()?;
        let mut findings = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(findings.find(|finding| finding["flow"]["operation"] == "POST /v1/down"))
    })?;
    ensure!(
        finding["policy"]["version"] == good.as_str(),
        "{}",
        finding["policy"]
    );
    ensure!(finding["policy"]["verdict"] == "allowed", "{}", finding["policy"]);

    cluster
        .behind_its_back(|cluster| cluster.policy("all", &json!([{"name": "none", "action": "report"}])))?;
    cluster.resume()?;
    watches(&daemon, "watching")?;
    wait_for("what changed meanwhile", LIMIT, || {
        let ready = ready(&daemon)?;
        Ok((ready["policy"] == "loaded" && ready["policy_version"] != good.as_str()).then_some(()))
    })?;
    ensure!(senders.judged(&daemon, "back")?.0 == "violation all/none");
    daemon.stop()?;
    Ok(())
}

#[test]
fn a_role_that_lacks_policies_is_told_by_readyz_and_doctor() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    cluster.define_policies()?;
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let doctor = || auditor(&["doctor", "--kubeconfig", &kubeconfig]);
    let (_, whole) = doctor()?;
    ensure!(
        whole.contains("dataflowpolicies are followed, 0 known"),
        "{whole}"
    );
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/auditor";
    let rules = cluster.call("GET", role, None)?["rules"].clone();
    let rules: Vec<Value> = rules.as_array().context("rules")?.to_vec();
    let less: Vec<&Value> = rules
        .iter()
        .filter(|rule| rule["apiGroups"] != json!(["auditor.dev"]))
        .collect();
    ensure!(less.len() + 1 == rules.len());
    for rule in &rules {
        ensure!(rule["verbs"] == json!(["list", "watch"]), "{rule}");
    }
    cluster.patch(role, &json!({"rules": less}))?;
    wait_for("doctor to miss the verb", LIMIT, || {
        let (code, said) = doctor()?;
        let lacks = ["dataflowpolicies", "clusterdataflowpolicies"]
            .map(|kind| format!("{kind}: the role lacks list or watch"));
        Ok((code == 2 && lacks.iter().all(|line| said.contains(line))).then_some(()))
    })?;
    let senders = Senders::start(&scratch, &cluster, &[("shop", '5', &["any"])])?;
    let daemon = Daemon::start(&scratch, &senders.pids(), &environment(&kubeconfig))?;
    watches(&daemon, "forbidden")?;
    let ready = ready(&daemon)?;
    ensure!(
        ready["ready"] == true && ready["identity"] == "kubernetes",
        "{ready}"
    );
    let (code, said) = auditor(&["policy", "list", "--kubeconfig", &kubeconfig])?;
    ensure!(code == 2 && said.contains("needs the verb list"), "{code} {said}");
    Ok(())
}

#[test]
fn the_server_refuses_what_is_malformed_and_keeps_keys_that_auditor_has_to_refuse() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cluster = Cluster::start(&scratch)?;
    cluster.define_policies()?;
    cluster.namespace("shop", &json!({}))?;
    let rule = |change: Value| {
        let mut rule = json!({"name": "r", "action": "allow"});
        for (key, value) in change.as_object().into_iter().flatten() {
            rule[key] = value.clone();
        }
        json!([rule])
    };
    let long = "x".repeat(5000);
    for (rules, said) in [
        (
            rule(json!({"action": "alow"})),
            "spec.rules.action: Unsupported value: \\\"alow\\\": supported values: \\\"report\\\", \\\"allow\\\", \\\"ignore\\\", \\\"count\\\"",
        ),
        (
            rule(json!({"states": ["clean"]})),
            "supported values: \\\"clear\\\"",
        ),
        (rule(json!({"states": []})), "spec.rules.states"),
        (rule(json!({"severity": "grave"})), "spec.rules.severity"),
        (
            rule(json!({"transport": {"encrypted": "yes"}})),
            "spec.rules.transport.encrypted",
        ),
        (rule(json!({"name": "Not A Name"})), "spec.rules.name"),
        (rule(json!({"until": "tomorrow"})), "spec.rules.until"),
        (rule(json!({"from": long})), "spec.rules.from"),
        (
            rule(json!({"from": ["namespace=shop"]})),
            "must be of type string",
        ),
        (json!([{"name": "r"}]), "spec.rules.action: Required value"),
        (json!([{"action": "allow"}]), "name: Required value"),
        (
            json!([{"name": "r", "action": "allow"}, {"name": "r", "action": "report"}]),
            "Duplicate value",
        ),
        (json!(null), "spec.rules"),
        (
            json!(
                (0..501)
                    .map(|n| json!({"name": format!("r{n}"), "action": "allow"}))
                    .collect::<Vec<_>>()
            ),
            "500",
        ),
    ] {
        for title in ["shop/p", "p"] {
            let refused = cluster
                .policy(title, &rules)
                .err()
                .context("it was taken")?
                .to_string();
            ensure!(refused.contains(said), "no {said} in {refused}");
        }
    }
    // A key that is not known is not dropped in silence: the rule would be wider than it was meant.
    cluster.policy("shop/p", &rule(json!({"operatons": ["POST /v1/*"]})))?;
    let kept = cluster.call(
        "GET",
        &format!("{POLICIES}/namespaces/shop/dataflowpolicies/p"),
        None,
    )?;
    ensure!(kept["spec"]["rules"][0]["operatons"].is_array(), "{kept}");
    let kubeconfig = cluster.kubeconfig()?.display().to_string();
    let (_, list) = auditor(&["policy", "list", "--kubeconfig", &kubeconfig])?;
    ensure!(
        list.contains("refused (invalid)") && list.contains("did you mean `operations`?"),
        "{list}"
    );
    // What the server prints can be read as a file.
    cluster.policy("shop/p", &rule(json!({"operations": ["POST /v1/*"]})))?;
    let kept = cluster.call(
        "GET",
        &format!("{POLICIES}/namespaces/shop/dataflowpolicies/p"),
        None,
    )?;
    let file = scratch.file("kept.json", kept.to_string())?.display().to_string();
    let (code, said) = auditor(&["policy", "check", &file])?;
    ensure!(code == 0, "{said}");
    let two = json!([{"name": "one", "action": "allow"}, {"name": "two", "action": "report"}]);
    cluster.policy("shop/two", &two)?;
    let (columns, rows) = cluster.table(&format!("{POLICIES}/dataflowpolicies"))?;
    ensure!(
        columns == ["Name", "First rule", "Its action", "Generation", "Age"],
        "{columns:?}"
    );
    let shown: Vec<Value> = rows
        .iter()
        .map(|row| json!([row[0], row[1], row[2], row[3]]))
        .collect();
    ensure!(
        shown == [json!(["p", "r", "allow", 2]), json!(["two", "one", "allow", 1])],
        "{shown:?}"
    );
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = cluster.call(
        "GET",
        &format!("{definitions}/dataflowpolicies.auditor.dev"),
        None,
    )?;
    ensure!(
        definition["status"]["acceptedNames"]["shortNames"] == json!(["dfp"]),
        "{definition}"
    );
    let conditions = definition["status"]["conditions"]
        .as_array()
        .context("conditions")?;
    ensure!(
        !conditions
            .iter()
            .any(|condition| condition["type"] == "NonStructuralSchema"),
        "{conditions:?}"
    );
    Ok(())
}
