//! Findings over the network, for users of a real API server: who sees what, who is refused, and what becomes of streams when
//! rights, servers, agents and nodes go away.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    cgroups::PodCgroup,
    daemon::Daemon,
    kube::{
        Cluster, Pod,
        viewers::{asked, curl},
    },
    message,
    peers::{Client, Server},
    process::{self, LIMIT, Running, wait_for},
    receivers::certificates,
    scratch::{Scratch, free_port},
    values,
};
use serde_json::{Value, json};

const VIEWER: &str = "auditor-findings-viewer";
const FINDER: &str = "auditor-agents-viewer";

/// Clients that each send a card to an operation of their own, when they are told to.
struct Flows<'a> {
    scratch: &'a Scratch,
    clients: BTreeMap<String, Client>,
    servers: Vec<Server>,
    _cgroups: Vec<PodCgroup>,
}

impl<'a> Flows<'a> {
    const fn new(scratch: &'a Scratch) -> Self {
        Self {
            scratch,
            clients: BTreeMap::new(),
            servers: Vec::new(),
            _cgroups: Vec::new(),
        }
    }

    /// From a pod with this uid to one with that, or to a process in none, with so many operations.
    fn between(
        &mut self,
        name: &str,
        from: (&str, char),
        to: Option<(&str, char)>,
        cards: usize,
    ) -> anyhow::Result<()> {
        let server = match self.servers.len() {
            0 => Server::plain(self.scratch)?,
            _ => Server::another(self.scratch)?,
        };
        let gate = self.gate(name).display().to_string();
        let messages: Vec<Vec<u8>> = ('a'..='z')
            .take(cards)
            .map(|letter| {
                let body = format!(r#"{{"card_number":"{}"}}"#, values::card());
                message::post_json(&format!("/v1/{name}{letter}"), &body)
            })
            .collect();
        let more = ["--gate", gate.as_str(), "--limit", "300"];
        let client = Client::start(self.scratch, name, server.port, &messages, &more)?;
        for (pid, pod) in [(client.pid(), Some(from)), (server.pid(), to)] {
            if let Some((uid, digit)) = pod {
                let cgroup = PodCgroup::new(uid, digit)?;
                cgroup.take(pid)?;
                self._cgroups.push(cgroup);
            }
        }
        self.servers.push(server);
        self.clients.insert(name.to_owned(), client);
        Ok(())
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.scratch.path(&format!("{name}.go"))
    }

    fn sends(&mut self, name: &str) -> anyhow::Result<()> {
        fs::write(self.gate(name), "")?;
        let client = self.clients.remove(name).context("no such client")?;
        client.counts().map(drop)
    }

    /// A daemon that watches those who have not sent yet, and serves findings.
    fn daemon(
        &self,
        cluster: &Cluster<'_>,
        served: &Served,
        node: &str,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Daemon> {
        let kubeconfig = cluster.kubeconfig()?.display().to_string();
        let pids: Vec<u32> = self.clients.values().map(Client::pid).collect();
        let always = [
            ("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", kubeconfig.as_str()),
            ("NODE_NAME", node),
            ("AUDITOR_REPORT__INTERVAL_SECONDS", "1"),
            ("AUDITOR_TAIL__LISTEN", served.listen.as_str()),
            ("AUDITOR_TAIL__CERT_FILE", served.cert.as_str()),
            ("AUDITOR_TAIL__KEY_FILE", served.key.as_str()),
        ];
        let daemon = Daemon::start(self.scratch, &pids, &[&always, more].concat())?;
        wait_for("the names of the cluster", LIMIT, || {
            let page = daemon.page("/readyz")?;
            Ok(page.contains(r#""identity":"kubernetes""#).then_some(()))
        })?;
        Ok(daemon)
    }
}

/// Where an agent serves, and with what.
struct Served {
    port: u16,
    listen: String,
    cert: String,
    key: String,
    authority: String,
    /// In the certificate.
    name: &'static str,
}

impl Served {
    fn new(scratch: &Scratch, address: &str, port: u16) -> anyhow::Result<Self> {
        certificates(scratch)?;
        let file = |name: &str| scratch.path(name).display().to_string();
        Ok(Self {
            port,
            listen: format!("{address}:{port}"),
            cert: file("localhost.pem"),
            key: file("localhost.key"),
            authority: file("authority.pem"),
            name: "localhost",
        })
    }

    fn same(other: &Self) -> Self {
        Self {
            port: other.port,
            listen: other.listen.clone(),
            cert: other.cert.clone(),
            key: other.key.clone(),
            authority: other.authority.clone(),
            name: other.name,
        }
    }

    fn asks(&self, token: Option<&str>, body: &str) -> anyhow::Result<(u16, String)> {
        asked(&[], self.port, token, &self.authority, body)
    }

    /// Waits for an answer with this status: an earlier one holds for a moment.
    fn answers(&self, token: &str, body: &str, status: u16) -> anyhow::Result<String> {
        wait_for(&format!("an answer with {status}"), LIMIT, || {
            let (found, text) = self.asks(Some(token), body)?;
            Ok((found == status).then_some(text))
        })
    }
}

fn of(namespaces: &[&str], follow: bool) -> String {
    json!({"filters": {"namespace": namespaces}, "last": 100, "follow": follow}).to_string()
}

/// The operations of findings, in order.
fn operations(answer: &str) -> Vec<String> {
    let mut names: Vec<String> = findings(answer)
        .iter()
        .filter_map(|finding| finding["flow"]["operation"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn findings(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|record| record["schema"] == "auditor.finding/v1")
        .collect()
}

/// A cluster with the roles of the overlay, and a pod in each of three namespaces; returns their uids.
fn stage<'a>(scratch: &'a Scratch) -> anyhow::Result<(Cluster<'a>, [String; 3])> {
    let cluster = Cluster::start(scratch)?;
    cluster.apply("overlays/tail/rbac.yaml")?;
    cluster.apply("overlays/tail/viewer.yaml")?;
    let mut uids = Vec::new();
    for (namespace, app, ip) in [
        ("shop", "till", "10.121.0.1"),
        ("bank", "vault", "10.121.0.2"),
        ("web", "front", "10.121.0.3"),
    ] {
        cluster.namespace(namespace, &json!({}))?;
        uids.push(cluster.deployment(namespace, app, &Pod::at(ip))?);
    }
    let uids = uids.try_into().map_err(|_| anyhow::anyhow!("three"))?;
    Ok((cluster, uids))
}

/// The token with another signature. Of its last letter only two bits are of the signature, so that is its first one.
fn forged(token: &str) -> anyhow::Result<String> {
    let (claims, signature) = token.rsplit_once('.').context("no token has three parts")?;
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let rest = signature.get(1..).context("no signature")?;
    Ok(format!("{claims}.{first}{rest}"))
}

#[test]
fn a_user_sees_what_the_cluster_permits_and_whoever_may_not_is_told_why() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut cluster, [shop, bank, web]) = stage(&scratch)?;
    let all = cluster.user("all")?;
    cluster.permit("all", VIEWER, None)?;
    let limited = cluster.user("limited")?;
    cluster.permit("limited", VIEWER, Some("shop"))?;
    let nobody = cluster.user("nobody")?;
    let late = cluster.user("late")?;
    cluster.permit("late", VIEWER, None)?;
    let mut flows = Flows::new(&scratch);
    flows.between("inner", (&shop, '1'), Some((&bank, '2')), 1)?;
    flows.between("outer", (&web, '3'), None, 1)?;
    let served = Served::new(&scratch, "127.0.0.1", free_port()?)?;
    let daemon = flows.daemon(&cluster, &served, "node-1", &[])?;
    flows.sends("inner")?;
    flows.sends("outer")?;
    let both = ["POST /v1/innera", "POST /v1/outera"];
    wait_for("findings of both flows", LIMIT, || {
        let (status, text) = served.asks(Some(&all), &of(&[], false))?;
        ensure!(status == 200, "{status}: {text}");
        Ok((operations(&text) == both).then_some(()))
    })?;

    // Who may see all, may ask for less.
    let text = served.answers(&all, &of(&["web"], false), 200)?;
    ensure!(operations(&text) == both[1..], "{:?}", operations(&text));

    // One namespace: what has an end there, with that end whole and of the other its name.
    let text = served.answers(&limited, &of(&["shop"], false), 200)?;
    ensure!(operations(&text) == both[..1], "{:?}", operations(&text));
    for finding in findings(&text) {
        let (own, other) = (&finding["source"], &finding["destination"]);
        ensure!(
            own["workload"]["namespace"] == "shop" && own["pod"]["uid"] == shop.as_str(),
            "{own}"
        );
        ensure!(own["process"]["pid"].is_u64(), "{own}");
        let name = json!({"namespace": "bank", "kind": "Deployment", "name": "vault"});
        ensure!(other["workload"] == name, "{other}");
        let mut known: Vec<&String> = other.as_object().context("no end")?.keys().collect();
        known.sort();
        ensure!(known == ["certainty", "identified_by", "workload"], "{known:?}");
    }
    ensure!(!text.contains(&bank), "the uid of another namespace's pod");
    // What is hidden can not be asked for either.
    let hidden = json!({"filters": {"namespace": "shop", "destination": "vault-7d4b9c8f6-x"}, "last": 100});
    let text = served.answers(&limited, &hidden.to_string(), 200)?;
    ensure!(findings(&text).is_empty(), "a filter tells what is hidden");
    let text = served.answers(&all, &hidden.to_string(), 200)?;
    ensure!(findings(&text).len() == 1, "who may see it, finds it");

    // Nobody else.
    let expired = cluster.token_until(&all, -60)?;
    let valid = cluster.token_until(&all, 600)?;
    let forged = forged(&all)?;
    let elsewhere = cluster.token("all", Some("https://another.example"))?;
    for (token, body, status) in [
        (None::<&str>, of(&[], false), 401),
        (Some("no-token-of-anybody"), of(&[], false), 401),
        (Some(forged.as_str()), of(&[], false), 401),
        (Some(expired.as_str()), of(&[], false), 401),
        (Some(elsewhere.as_str()), of(&[], false), 401),
        (Some(valid.as_str()), of(&[], false), 200),
        (Some(nobody.as_str()), of(&[], false), 403),
        (Some(nobody.as_str()), of(&["shop"], false), 403),
        (Some(limited.as_str()), of(&[], false), 403),
        (Some(limited.as_str()), of(&["web"], false), 403),
        (Some(limited.as_str()), of(&["shop", "bank"], false), 403),
    ] {
        let (found, text) = served.asks(token, &body)?;
        ensure!(found == status, "{body}: {found} instead of {status}: {text}");
        ensure!(
            status == 200 || findings(&text).is_empty(),
            "findings with {status}"
        );
    }

    // What is no client does no harm.
    for noise in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &[0xa5; 4000]] {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, served.port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let _ = stream.write_all(noise);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        ensure!(!answer.starts_with(b"HTTP"));
    }
    let long = format!("X: {}", "a".repeat(30_000));
    let (status, _) = asked(
        &["--header", &long],
        served.port,
        Some(&all),
        &served.authority,
        "{}",
    )?;
    // 0: cut off before it was sent whole.
    ensure!(status == 431 || status == 0, "an oversized header: {status}");
    let (status, _) = served.asks(Some(&all), &"x".repeat(20_000))?;
    ensure!(status == 413, "an oversized body: {status}");

    // Without the API server nobody is let in, and afterwards all is as before.
    cluster.pause()?;
    let (status, text) = served.asks(Some(&late), &of(&[], false))?;
    ensure!(status == 503 && findings(&text).is_empty(), "{status}: {text}");
    cluster.resume()?;
    let text = served.answers(&late, &of(&[], false), 200)?;
    ensure!(operations(&text) == both, "{:?}", operations(&text));

    ensure!(daemon.metric("auditor_tail_requests_total{result=\"forbidden\"}")? >= 5.0);
    ensure!(daemon.metric("auditor_tail_requests_total{result=\"unauthenticated\"}")? >= 5.0);
    ensure!(daemon.metric("auditor_tail_requests_total{result=\"unchecked\"}")? >= 1.0);
    ensure!(daemon.metric("auditor_tail_streams")? == 0.0);
    let log = daemon.stop()?.stderr;
    for said in [
        "findings are read",
        "findings are no longer read",
        "findings were refused",
        "system:serviceaccount:auditor:limited",
        "system:serviceaccount:auditor:nobody may not watch findings",
    ] {
        ensure!(log.contains(said), "the log does not say {said:?}: {log}");
    }
    for token in [&all, &limited, &nobody, &expired, &late] {
        let signature = token.rsplit('.').next().context("no signature")?;
        ensure!(!log.contains(signature), "a token is in the log");
    }
    Ok(())
}

#[test]
fn tokens_may_have_to_be_meant_for_the_agents() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (cluster, [shop, ..]) = stage(&scratch)?;
    let usual = cluster.user("all")?;
    cluster.permit("all", VIEWER, None)?;
    let own = cluster.token("all", Some("auditor.dev"))?;
    let mut flows = Flows::new(&scratch);
    flows.between("inner", (&shop, '4'), None, 1)?;
    let served = Served::new(&scratch, "127.0.0.1", free_port()?)?;
    let daemon = flows.daemon(
        &cluster,
        &served,
        "node-1",
        &[("AUDITOR_TAIL__AUDIENCE", "auditor.dev")],
    )?;
    let (status, text) = served.asks(Some(&usual), "{}")?;
    ensure!(status == 401, "{status}: {text}");
    let (status, text) = served.asks(Some(&own), "{}")?;
    ensure!(status == 200, "{status}: {text}");
    daemon.stop()?;
    Ok(())
}

#[test]
fn a_stream_ends_with_the_right_to_it_and_with_the_server_that_could_tell() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut cluster, [shop, ..]) = stage(&scratch)?;
    let staying = cluster.user("staying")?;
    cluster.permit("staying", VIEWER, None)?;
    let leaving = cluster.user("leaving")?;
    let binding = cluster.permit("leaving", VIEWER, Some("shop"))?;
    let deleted = cluster.user("deleted")?;
    cluster.permit("deleted", VIEWER, None)?;
    let mut flows = Flows::new(&scratch);
    for name in ["first", "second"] {
        flows.between(name, (&shop, if name == "first" { '5' } else { '6' }), None, 1)?;
    }
    let served = Served::new(&scratch, "127.0.0.1", free_port()?)?;
    let often = [("AUDITOR_TAIL__RECHECK_SECONDS", "1")];
    let daemon = flows.daemon(&cluster, &served, "node-1", &often)?;
    let follows = |token: &str, namespaces: &[&str]| {
        let body = of(namespaces, true);
        Running::start(&mut curl(served.port, Some(token), &served.authority, &body))
    };
    let (stays, leaves, loses) = (
        follows(&staying, &[])?,
        follows(&leaving, &["shop"])?,
        follows(&deleted, &[])?,
    );
    flows.sends("first")?;
    wait_for("the finding in all streams", LIMIT, || {
        let have = [&stays, &leaves, &loses].map(|stream| operations(&stream.stdout()));
        Ok(have
            .iter()
            .all(|names| names == &["POST /v1/firsta"])
            .then_some(()))
    })?;

    cluster.call("DELETE", &binding, None)?;
    let ended = leaves.end(LIMIT)?.stdout;
    ensure!(
        ended.contains("may not watch findings of the namespace shop"),
        "{ended}"
    );
    cluster.call(
        "DELETE",
        "/api/v1/namespaces/auditor/serviceaccounts/deleted",
        None,
    )?;
    let ended = loses.end(LIMIT)?.stdout;
    ensure!(ended.contains("does not know this token"), "{ended}");
    wait_for("their places to be free", LIMIT, || {
        Ok((daemon.metric("auditor_tail_streams")? == 1.0).then_some(()))
    })?;
    flows.sends("second")?;
    wait_for("the other to go on", LIMIT, || {
        let names = operations(&stays.stdout());
        Ok((names == ["POST /v1/firsta", "POST /v1/seconda"]).then_some(()))
    })?;

    cluster.pause()?;
    let ended = stays.end(LIMIT)?.stdout;
    ensure!(ended.contains("can not be checked"), "{ended}");
    cluster.resume()?;
    daemon.stop()?;
    Ok(())
}

/// `auditor tail` of all nodes, as a user.
fn tail(
    cluster: &Cluster<'_>,
    served: &Served,
    user: (&str, &str),
    more: &[&str],
) -> anyhow::Result<Command> {
    let mut command = Command::new(process::auditor()?);
    command.args(["tail", "--all-nodes", "--format", "json", "--kubeconfig"]);
    command.arg(cluster.kubeconfig_of(user.0, user.1)?);
    command.args(["--agent-ca", &served.authority, "--agent-name", served.name]);
    command
        .arg("--agent-port")
        .arg(served.port.to_string())
        .args(more);
    Ok(command)
}

#[test]
fn all_nodes_are_one_stream_while_agents_come_and_go() -> anyhow::Result<()> {
    let (here, there) = (Scratch::new()?, Scratch::new()?);
    let (cluster, [shop, ..]) = stage(&here)?;
    let token = cluster.user("all")?;
    cluster.permit("all", VIEWER, None)?;
    let (mut first, mut second) = (Flows::new(&here), Flows::new(&there));
    first.between("one", (&shop, '7'), None, 2)?;
    second.between("two", (&shop, '8'), None, 3)?;
    second.between("three", (&shop, '9'), None, 2)?;
    let port = free_port()?;
    let served = Served::new(&here, "127.0.0.2", port)?;
    let another = Served {
        listen: format!("127.0.0.3:{port}"),
        ..Served::new(&here, "127.0.0.3", port)?
    };
    let on_first = first.daemon(&cluster, &served, "node-1", &[])?;
    let on_second = second.daemon(&cluster, &another, "node-2", &[])?;

    // A user has to be allowed to find agents, and there have to be some.
    let user = ("all", token.as_str());
    let ended = Running::start(&mut tail(&cluster, &served, user, &[])?)?.end(LIMIT)?;
    ensure!(ended.status.code() == Some(2), "{}", ended.stderr);
    ensure!(
        ended.stderr.contains("cannot list the agents' pods"),
        "{}",
        ended.stderr
    );
    cluster.permit("all", FINDER, Some("auditor"))?;
    let ended = Running::start(&mut tail(&cluster, &served, user, &[])?)?.end(LIMIT)?;
    ensure!(ended.stderr.contains("there are no agents"), "{}", ended.stderr);
    cluster.agent("auditor-1", "node-1", "127.0.0.2")?;
    cluster.agent("auditor-2", "node-2", "127.0.0.3")?;

    let stream = Running::start(&mut tail(&cluster, &served, user, &["--follow"])?)?;
    let says = |text: &str| {
        wait_for(&format!("{text:?} on standard error"), LIMIT, || {
            Ok(stream.said(&[text]).then_some(()))
        })
    };
    says("node-1: connected")?;
    says("node-2: connected")?;
    first.sends("one")?;
    second.sends("two")?;
    let has = |count: &[(&str, usize)]| {
        wait_for(&format!("findings of {count:?}"), LIMIT, || {
            let found = findings(&stream.stdout());
            let of = |node: &str| {
                let ids = found.iter().filter(|finding| finding["observer"]["node"] == node);
                let ids: std::collections::BTreeSet<_> =
                    ids.map(|finding| finding["id"].to_string()).collect();
                ids.len()
            };
            Ok(count.iter().all(|(node, count)| of(node) == *count).then_some(()))
        })
    };
    has(&[("node-1", 2), ("node-2", 3)])?;

    // One agent ends and comes back.
    on_second.stop()?;
    says("node-2: the stream ended: the agent stops")?;
    says("node-2: not reached")?;
    let on_second = second.daemon(&cluster, &another, "node-2", &[])?;
    second.sends("three")?;
    has(&[("node-1", 2), ("node-2", 5)])?;
    // One is not there, and one is not running yet; then both have gone.
    cluster.agent("auditor-3", "node-3", "127.0.0.4")?;
    says("node-3: not reached")?;
    cluster.delete_pod("auditor", "auditor-3")?;
    says("node-3: the agent has gone")?;

    // Nothing twice: an id and a revision are one line.
    let found = findings(&stream.stdout());
    let mut lines: Vec<String> = found
        .iter()
        .map(|finding| format!("{} {}", finding["id"], finding["revision"]))
        .collect();
    let all = lines.len();
    lines.sort();
    lines.dedup();
    ensure!(lines.len() == all, "{} of {all} lines are others", lines.len());
    drop(stream);

    // Once, without following; as text; and when one does not answer.
    let ended = Running::start(&mut tail(&cluster, &served, user, &["--last", "100"])?)?.end(LIMIT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    ensure!(
        findings(&ended.stdout).len() == 4,
        "{} findings",
        findings(&ended.stdout).len()
    );
    on_second.kill()?;
    let ended = Running::start(&mut tail(&cluster, &served, user, &[])?)?.end(LIMIT)?;
    ensure!(ended.status.code() == Some(2), "{}", ended.stderr);
    ensure!(
        ended.stderr.contains("1 of 2 agents were not asked"),
        "{}",
        ended.stderr
    );
    ensure!(findings(&ended.stdout).len() == 2, "those of the other are shown");
    on_first.stop()?;
    Ok(())
}

#[test]
fn an_agent_that_nobody_vouches_for_gets_no_token_and_a_refusal_ends_the_command() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (cluster, [shop, ..]) = stage(&scratch)?;
    let token = cluster.user("limited")?;
    cluster.permit("limited", VIEWER, Some("shop"))?;
    cluster.permit("limited", FINDER, Some("auditor"))?;
    let mut flows = Flows::new(&scratch);
    flows.between("inner", (&shop, 'a'), None, 1)?;
    let served = Served::new(&scratch, "127.0.0.1", free_port()?)?;
    let daemon = flows.daemon(&cluster, &served, "node-1", &[])?;
    cluster.agent("auditor-1", "node-1", "127.0.0.1")?;
    let user = ("limited", token.as_str());
    let run = |more: &[&str]| Running::start(&mut tail(&cluster, &served, user, more)?)?.end(LIMIT);

    let ended = run(&["--follow"])?;
    ensure!(ended.status.code() == Some(2), "{}", ended.stderr);
    ensure!(
        ended.stderr.contains("may not watch findings of all namespaces"),
        "{}",
        ended.stderr
    );
    let ended = run(&["--namespace", "shop"])?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    ensure!(
        ended.stderr.contains("findings of these namespaces only: shop"),
        "{}",
        ended.stderr
    );

    // Another authority, or another name.
    let before = daemon.metric("auditor_tail_requests_total{result=\"served\"}")?;
    let stranger = Scratch::new()?;
    certificates(&stranger)?;
    let stranger = stranger.path("authority.pem").display().to_string();
    let by_a_stranger = Served {
        authority: stranger,
        ..Served::same(&served)
    };
    let by_another_name = Served {
        name: "auditor.auditor.svc",
        ..Served::same(&served)
    };
    for served in [by_a_stranger, by_another_name] {
        let mut command = tail(&cluster, &served, user, &["--namespace", "shop"])?;
        let ended = Running::start(&mut command)?.end(LIMIT)?;
        ensure!(ended.status.code() == Some(2), "{}", ended.stderr);
        ensure!(ended.stderr.contains("node-1: not reached"), "{}", ended.stderr);
        ensure!(ended.stderr.contains("certificate"), "{}", ended.stderr);
    }
    ensure!(daemon.metric("auditor_tail_requests_total{result=\"served\"}")? == before);
    ensure!(daemon.metric("auditor_tail_requests_total{result=\"no_tls\"}")? >= 1.0);

    // The certificate is replaced while the agent runs.
    let renewed = Scratch::new()?;
    certificates(&renewed)?;
    for (name, to) in [("localhost.key", &served.key), ("localhost.pem", &served.cert)] {
        fs::copy(renewed.path(name), to)?;
    }
    let authority = renewed.path("authority.pem").display().to_string();
    wait_for("the new certificate", LIMIT, || {
        let answer = asked(&[], served.port, Some(&token), &authority, &of(&["shop"], false));
        Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
    })?;
    let ended = daemon.stop()?;
    ensure!(
        ended
            .stderr
            .contains("the certificate of tail.listen was read again")
    );
    Ok(())
}

#[test]
fn a_client_more_than_allowed_waits_until_another_has_gone() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (cluster, [shop, ..]) = stage(&scratch)?;
    let token = cluster.user("all")?;
    cluster.permit("all", VIEWER, None)?;
    let mut flows = Flows::new(&scratch);
    flows.between("inner", (&shop, 'b'), None, 1)?;
    let served = Served::new(&scratch, "127.0.0.1", free_port()?)?;
    let daemon = flows.daemon(&cluster, &served, "node-1", &[("AUDITOR_TAIL__MAX_STREAMS", "1")])?;
    let body = of(&[], true);
    let mut stopped = Running::start(&mut curl(served.port, Some(&token), &served.authority, &body))?;
    wait_for("it to be served", LIMIT, || {
        Ok((daemon.metric("auditor_tail_streams")? == 1.0).then_some(()))
    })?;
    let (status, _) = served.asks(Some(&token), "{}")?;
    ensure!(status == 429, "{status}");
    stopped.signal(rustix::process::Signal::KILL)?;
    wait_for("its place to be free", Duration::from_secs(60), || {
        let (status, _) = served.asks(Some(&token), "{}")?;
        Ok((status == 200).then_some(()))
    })?;
    daemon.stop()?;
    Ok(())
}
