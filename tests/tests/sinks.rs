//! Findings on their way to receivers: a collector of OpenTelemetry, a verifier of signed webhooks, and what receivers do.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    findings::{Traffic, cards},
    process::{LIMIT, wait_for},
    receivers::{
        Collector, Gate, Kind, OTLP, PROTOCOL, Receiver, both, certificates, given, journal, secret_file,
    },
    scratch::Scratch,
    values,
};
use serde_json::Value;

fn queue(state: &Path, sink: &str) -> anyhow::Result<Vec<u8>> {
    let path = state.join("queue").join(format!("{sink}.redb"));
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Waits until every finding of the journal is in the file of the queue.
fn is_stored(state: &Path, sink: &str) -> anyhow::Result<()> {
    let ids: BTreeSet<Vec<u8>> = journal(state)?.into_keys().map(String::into_bytes).collect();
    ensure!(!ids.is_empty(), "the journal is empty");
    wait_for("the queue to be written", LIMIT, || {
        let file = queue(state, sink)?;
        let stored: BTreeSet<&[u8]> = file
            .windows(36)
            .filter(|window| window.get(14) == Some(&b'7') && window[8] == b'-' && window[23] == b'-')
            .collect();
        Ok(ids.iter().all(|id| stored.contains(id.as_slice())).then_some(()))
    })
}

fn ends_well(daemon: Daemon) -> anyhow::Result<Duration> {
    let before = Instant::now();
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    Ok(before.elapsed())
}

#[test]
fn a_collector_gets_every_finding_over_grpc_and_over_http() -> anyhow::Result<()> {
    for protocol in ["grpc", "http"] {
        let scratch = Scratch::new()?;
        let mut receiver = Receiver::new(&scratch, Kind::Otlp, "behind", "")?;
        receiver.start()?;
        let collector = Collector::start(&receiver)?;
        let port = if protocol == "grpc" {
            collector.grpc
        } else {
            collector.http
        };
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut traffic = Traffic::new(&scratch, &[5, 5])?;
        let daemon = traffic.daemon(&[
            (OTLP, &endpoint),
            (PROTOCOL, protocol),
            ("AUDITOR_REPORT__CLUSTER", "east"),
            ("NODE_NAME", "node-7"),
        ])?;
        traffic.go(&daemon)?;
        traffic.go(&daemon)?;
        traffic.arrives(&receiver, &daemon.state)?;
        wait_for("metrics to say so", LIMIT, || {
            let delivered = daemon.metric("auditor_sink_delivered_total{sink=\"otlp\"}")?;
            let waiting = daemon.metric("auditor_sink_waiting{sink=\"otlp\"}")?;
            Ok((delivered >= 10.0 && waiting == 0.0).then_some(()))
        })?;
        ensure!(daemon.metric("auditor_sink_failures_total{")? == 0.0);
        for record in receiver.records()? {
            said_beside_the_body(&record)?;
        }
        traffic.is_not_in("what the collector got", &receiver.raw())?;
        let state = daemon.state.clone();
        ends_well(daemon)?;
        traffic.arrives(&receiver, &state)?;
        println!("{protocol}: {} records", receiver.records()?.len());
    }
    Ok(())
}

/// Attributes say what the body says, so that nobody has to parse it.
fn said_beside_the_body(record: &Value) -> anyhow::Result<()> {
    let body: Value = serde_json::from_str(record["body"].as_str().context("no body")?)?;
    let attributes = &record["attributes"];
    for (attribute, place) in [
        ("auditor.id", "/id"),
        ("auditor.revision", "/revision"),
        ("auditor.group", "/group"),
        ("auditor.kind", "/kind"),
        ("auditor.detector", "/detector"),
        ("auditor.severity", "/severity"),
        ("auditor.count", "/count"),
        ("auditor.field", "/location/field"),
        ("auditor.operation", "/flow/operation"),
        ("auditor.encrypted", "/flow/encrypted"),
    ] {
        let said = body.pointer(place).context(place)?;
        ensure!(
            attributes[attribute] == *said,
            "{attribute}: {}",
            attributes[attribute]
        );
    }
    let resource = &record["resource"];
    ensure!(resource["service.name"] == "auditor", "{resource}");
    ensure!(resource["k8s.cluster.name"] == "east" && body["observer"]["cluster"] == "east");
    ensure!(resource["k8s.node.name"] == "node-7" && body["observer"]["node"] == "node-7");
    ensure!(record["event"] == "auditor.finding" && record["severity"].as_u64() > Some(0));
    Ok(())
}

/// A wrong token is repaired some day: what waits for it is kept.
#[test]
fn over_tls_with_a_certificate_and_a_token_and_a_wrong_token_costs_nothing() -> anyhow::Result<()> {
    for protocol in ["grpc", "http"] {
        let scratch = Scratch::new()?;
        certificates(&scratch)?;
        let mut receiver = Receiver::new(&scratch, Kind::Otlp, "behind", "")?;
        receiver.start()?;
        let collector = Collector::start(&receiver)?;
        let token = values::letters(24);
        let gate = Gate::start(&scratch, &collector, &token)?;
        let port = if protocol == "grpc" { gate.grpc } else { gate.http };
        let endpoint = format!("https://localhost:{port}");
        let file = |name: &str| scratch.path(name).display().to_string();
        let (ca, cert, key) = (file("authority.pem"), file("agent.pem"), file("agent.key"));
        let headers = secret_file(&scratch, "headers", "authorization: Bearer of-yesterday\n")?;
        let variables = [
            (OTLP, endpoint.as_str()),
            (PROTOCOL, protocol),
            ("AUDITOR_REPORT__OTLP__CA_FILE", &ca),
            ("AUDITOR_REPORT__OTLP__CERT_FILE", &cert),
            ("AUDITOR_REPORT__OTLP__KEY_FILE", &key),
            ("AUDITOR_REPORT__OTLP__HEADERS_FILE", &headers),
        ];
        let mut traffic = Traffic::new(&scratch, &[4, 4])?;
        let daemon = traffic.daemon(&variables)?;
        traffic.go(&daemon)?;
        wait_for("the token to be refused", LIMIT, || {
            let refused = daemon.metric("auditor_sink_failures_total{reason=\"status\",sink=\"otlp\"}")?;
            Ok((refused > 0.0).then_some(()))
        })?;
        wait_for("findings to wait", LIMIT, || {
            let waiting = daemon.metric("auditor_sink_waiting{sink=\"otlp\"}")?;
            Ok((waiting >= 4.0).then_some(()))
        })?;
        ensure!(daemon.metric("auditor_sink_dropped_total{sink=\"otlp\"}")? == 0.0);
        let state = daemon.state.clone();
        ends_well(daemon)?;
        ensure!(receiver.records()?.is_empty());
        secret_file(&scratch, "headers", &format!("authorization: Bearer {token}\n"))?;
        let daemon = traffic.daemon(&variables)?;
        traffic.go(&daemon)?;
        traffic.arrives(&receiver, &state)?;
        traffic.is_not_in("what the collector got", &receiver.raw())?;
        ends_well(daemon)?;
    }
    Ok(())
}

#[test]
fn a_receiver_that_nobody_vouches_for_gets_nothing() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    certificates(&scratch)?;
    let mut receiver = Receiver::new(&scratch, Kind::Otlp, "behind", "")?;
    receiver.start()?;
    let collector = Collector::start(&receiver)?;
    let gate = Gate::start(&scratch, &collector, "any")?;
    for (protocol, port) in [("grpc", gate.grpc), ("http", gate.http)] {
        let own = Scratch::new()?;
        let mut traffic = Traffic::new(&own, &[3])?;
        // The authority is not among those that the system trusts.
        let daemon = traffic.daemon(&[(OTLP, &format!("https://localhost:{port}")), (PROTOCOL, protocol)])?;
        traffic.go(&daemon)?;
        wait_for("a connection to be refused", LIMIT, || {
            let failed = daemon.metric("auditor_sink_failures_total{reason=\"transport\",sink=\"otlp\"}")?;
            Ok((failed > 0.0).then_some(()))
        })?;
        wait_for("findings to wait", LIMIT, || {
            let waiting = daemon.metric("auditor_sink_waiting{sink=\"otlp\"}")?;
            Ok((waiting >= 3.0).then_some(()))
        })?;
        ends_well(daemon)?;
    }
    ensure!(receiver.raw().is_empty());
    Ok(())
}

#[test]
fn nothing_is_lost_or_doubled_whatever_receivers_do() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut otlp, mut webhook, variables) = both(&scratch)?;
    let does: &[&str] = &[
        "status 500",
        "status 503 1",
        "hang",
        "status 429 1",
        "forget",
        "token nobody-knows",
        "ok",
    ];
    // One before any receiver runs, one while they are away, and one for each of what they do.
    let mut traffic = Traffic::new(&scratch, &vec![6; does.len() + 2])?;
    let daemon = traffic.daemon(&given(&variables))?;
    traffic.go(&daemon)?;
    for receiver in [&mut otlp, &mut webhook] {
        receiver.does("status 500")?;
        receiver.start()?;
    }
    for what in does {
        for receiver in [&otlp, &webhook] {
            receiver.does(what)?;
        }
        traffic.go(&daemon)?;
        if *what == "hang" || *what == "forget" {
            // In the middle of a request.
            for receiver in [&mut otlp, &mut webhook] {
                wait_for(what, LIMIT, || Ok((receiver.did(what) > 0).then_some(())))?;
                receiver.die()?;
                receiver.start()?;
            }
        }
    }
    for receiver in [&mut otlp, &mut webhook] {
        traffic.arrives(receiver, &daemon.state)?;
        receiver.die()?;
    }
    traffic.go(&daemon)?;
    for receiver in [&mut otlp, &mut webhook] {
        receiver.start()?;
    }
    for (receiver, sink) in [(&otlp, "otlp"), (&webhook, "webhook")] {
        traffic.arrives(receiver, &daemon.state)?;
        traffic.is_not_in(sink, &receiver.raw())?;
        traffic.is_not_in("its queue", &queue(&daemon.state, sink)?)?;
        let metric = |name: &str| daemon.metric(&format!("auditor_sink_{name}_total{{sink=\"{sink}\"}}"));
        ensure!(metric("dropped")? == 0.0);
        let did: Vec<(&str, usize)> = does.iter().map(|what| (*what, receiver.did(what))).collect();
        println!(
            "{sink}: {} records of {} findings; {did:?}",
            receiver.records()?.len(),
            receiver.findings()?.len()
        );
    }
    let by_message: BTreeSet<String> = webhook
        .records()?
        .iter()
        .map(|record| record["message"].to_string())
        .collect();
    ensure!(by_message.len() > 1, "{by_message:?}");
    ends_well(daemon)?;
    Ok(())
}

#[test]
fn what_waits_survives_a_kill_in_a_file_of_its_owner() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut otlp, mut webhook, variables) = both(&scratch)?;
    let mut traffic = Traffic::new(&scratch, &[20, 20, 20])?;
    let mut state = None;
    for _ in 0..2 {
        let daemon = traffic.daemon(&given(&variables))?;
        traffic.go(&daemon)?;
        for sink in ["otlp", "webhook"] {
            is_stored(&daemon.state, sink)?;
            let path = daemon.state.join("queue").join(format!("{sink}.redb"));
            let mode = |path: &Path| anyhow::Ok(fs::metadata(path)?.permissions().mode() & 0o777);
            ensure!(mode(&path)? == 0o600, "{:o}", mode(&path)?);
            ensure!(mode(&daemon.state.join("queue"))? == 0o700);
            traffic.is_not_in("the queue", &queue(&daemon.state, sink)?)?;
        }
        state = Some(daemon.state.clone());
        daemon.kill()?;
    }
    let state = state.context("no daemon ran")?;
    for receiver in [&mut otlp, &mut webhook] {
        receiver.start()?;
    }
    let daemon = traffic.daemon(&given(&variables))?;
    for receiver in [&otlp, &webhook] {
        traffic.arrives(receiver, &state)?;
    }
    traffic.go(&daemon)?;
    for receiver in [&otlp, &webhook] {
        traffic.arrives(receiver, &state)?;
    }
    ends_well(daemon)?;
    Ok(())
}

#[test]
fn a_full_queue_drops_its_oldest_and_counts_them() -> anyhow::Result<()> {
    const MANY: usize = 1600;
    let scratch = Scratch::new()?;
    let (mut otlp, _, mut variables) = both(&scratch)?;
    variables.retain(|(name, _)| !name.starts_with("AUDITOR_REPORT__WEBHOOK"));
    variables.push(("AUDITOR_REPORT__QUEUE_BYTES", (1 << 20).to_string()));
    let mut traffic = Traffic::new(&scratch, &[MANY, 10])?;
    let daemon = traffic.daemon(&given(&variables))?;
    traffic.go(&daemon)?;
    traffic.go(&daemon)?;
    let dropped = || daemon.metric("auditor_sink_dropped_total{sink=\"otlp\"}");
    let waiting = || daemon.metric("auditor_sink_waiting{sink=\"otlp\"}");
    let total = journal(&daemon.state)?.len();
    // What the file has no room for waits in memory until the next transaction drops it.
    let bytes = wait_for("all findings to be counted and the queue to fit", LIMIT, || {
        let bytes = daemon.metric("auditor_sink_waiting_bytes{sink=\"otlp\"}")?;
        let is_whole = (dropped()? + waiting()?) as usize == total;
        Ok((is_whole && bytes <= f64::from(1 << 20)).then_some(bytes))
    })?;
    ensure!(bytes > f64::from(1 << 19), "{bytes}");
    let lost = dropped()? as usize;
    ensure!(lost > 0, "nothing was dropped");
    otlp.start()?;
    let arrived = wait_for("what is left to arrive", LIMIT, || {
        let arrived = otlp.findings()?;
        Ok((arrived.len() + lost == total).then_some(arrived))
    })?;
    ensure!(dropped()? as usize == lost);
    // The newest are there: all of the second message, which came last.
    let last = |field: &str| field.starts_with("$.ofb");
    let newest = arrived
        .values()
        .filter(|finding| finding["location"]["field"].as_str().is_some_and(last))
        .count();
    ensure!(newest == 10, "{newest}");
    let size = fs::metadata(daemon.state.join("queue/otlp.redb"))?.len();
    println!("{lost} of {total} dropped; {bytes} bytes waited in a file of {size}");
    ensure!(size < 16 << 20, "{size}");
    ends_well(daemon)?;
    Ok(())
}

#[test]
fn a_receiver_that_hangs_does_not_hold_up_the_end() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut otlp, mut webhook, mut variables) = both(&scratch)?;
    variables.retain(|(name, _)| !name.ends_with("TIMEOUT_SECONDS"));
    variables.push(("AUDITOR_REPORT__OTLP__TIMEOUT_SECONDS", "300".to_owned()));
    for receiver in [&mut otlp, &mut webhook] {
        receiver.does("hang")?;
        receiver.start()?;
    }
    let mut traffic = Traffic::new(&scratch, &[8])?;
    let daemon = traffic.daemon(&given(&variables))?;
    let state = daemon.state.clone();
    traffic.go(&daemon)?;
    wait_for("a request that hangs", LIMIT, || {
        Ok((otlp.did("hang") > 0 && webhook.did("hang") > 0).then_some(()))
    })?;
    let took = ends_well(daemon)?;
    println!("ended after {took:?}");
    ensure!(took < Duration::from_secs(25), "{took:?}");
    for receiver in [&otlp, &webhook] {
        receiver.does("ok")?;
    }
    let daemon = traffic.daemon(&given(&variables))?;
    for receiver in [&otlp, &webhook] {
        traffic.arrives(receiver, &state)?;
    }
    ends_well(daemon)?;
    Ok(())
}

#[test]
fn one_finding_that_is_refused_does_not_hold_up_the_others() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut otlp, mut webhook, variables) = both(&scratch)?;
    let mut traffic = Traffic::new(&scratch, &[40, 5])?;
    let daemon = traffic.daemon(&given(&variables))?;
    traffic.go(&daemon)?;
    let ids: Vec<String> = journal(&daemon.state)?.into_keys().collect();
    let bad = ids.get(17).context("too few findings")?;
    for receiver in [&mut otlp, &mut webhook] {
        receiver.does(&format!("refuse {bad}"))?;
        receiver.start()?;
    }
    traffic.go(&daemon)?;
    for (receiver, sink) in [(&otlp, "otlp"), (&webhook, "webhook")] {
        wait_for("the others to arrive", LIMIT, || {
            let mut wanted = journal(&daemon.state)?;
            wanted.remove(bad);
            Ok((receiver.findings()? == wanted).then_some(()))
        })?;
        let refused = format!("auditor_sink_failures_total{{reason=\"refused\",sink=\"{sink}\"}}");
        wait_for("the refusal to be counted", LIMIT, || {
            let dropped = daemon.metric(&format!("auditor_sink_dropped_total{{sink=\"{sink}\"}}"))?;
            Ok((daemon.metric(&refused)? >= 1.0 && dropped >= 1.0).then_some(()))
        })?;
        ensure!(cards(&receiver.findings()?) == 44);
    }
    ends_well(daemon)?;
    Ok(())
}
