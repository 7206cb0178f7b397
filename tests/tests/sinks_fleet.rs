//! What engines get of many agents: events of OCSF from every sink, and records of two nodes that saw one flow.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, ensure};
use auditor::report::sinks::format::Format;
use auditor_tests::{
    daemon::Daemon,
    findings::Traffic,
    peers::{interpreter, packages_with, program},
    process::{LIMIT, Running, wait_for},
    receivers::{Kind, OTLP, PROTOCOL, Receiver, both, given, journal},
    scratch::Scratch,
};
use serde_json::{Value, json};

#[test]
fn events_of_ocsf_fit_its_schema_in_every_sink() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (mut otlp, mut webhook, mut variables) = both(&scratch)?;
    for sink in ["JOURNAL", "STDOUT", "OTLP", "WEBHOOK"] {
        let name: &'static str = format!("AUDITOR_REPORT__{sink}__FORMAT").leak();
        variables.push((name, "ocsf".to_owned()));
    }
    variables.push(("AUDITOR_REPORT__STDOUT__ENABLED", "true".to_owned()));
    variables.push(("AUDITOR_REPORT__CLUSTER", "east".to_owned()));
    for receiver in [&mut otlp, &mut webhook] {
        receiver.start()?;
    }
    let mut traffic = Traffic::new(&scratch, &[7])?;
    let daemon = traffic.daemon(&given(&variables))?;
    let state = daemon.state.clone();
    traffic.sends()?;
    let bodies = |receiver: &Receiver| -> anyhow::Result<BTreeSet<String>> {
        let records = receiver.records()?;
        let body = |record: &Value| record["body"].as_str().map(str::to_owned);
        records
            .iter()
            .map(|record| body(record).context("no body"))
            .collect()
    };
    wait_for("events to arrive", LIMIT, || {
        Ok((bodies(&otlp)?.len() >= 7 && bodies(&webhook)?.len() >= 7).then_some(()))
    })?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    let parsed = |lines: &mut dyn Iterator<Item = String>| -> anyhow::Result<BTreeSet<String>> {
        lines
            .map(|line| Ok(serde_json::from_str::<Value>(&line)?.to_string()))
            .collect()
    };
    let journal = fs::read_to_string(state.join("findings.jsonl"))?;
    let sets = [
        parsed(&mut journal.lines().map(str::to_owned))?,
        parsed(&mut ended.stdout.lines().map(str::to_owned))?,
        parsed(&mut bodies(&otlp)?.into_iter())?,
        parsed(&mut bodies(&webhook)?.into_iter())?,
    ];
    ensure!(
        sets[0].len() >= 7 && sets[0] == sets[1],
        "{} events",
        sets[0].len()
    );
    ensure!(sets[2].is_subset(&sets[0]) && sets[3].is_subset(&sets[0]));
    let mut files = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let lines: Vec<&str> = set.iter().map(String::as_str).collect();
        let text = lines.join("\n");
        traffic.is_not_in("an event", text.as_bytes())?;
        files.push(scratch.file(&format!("{number}.ocsf"), text + "\n")?);
    }
    fit(files)
}

/// Holds events, one a line, against the compiled schema.
fn fit(files: Vec<PathBuf>) -> anyhow::Result<()> {
    let mut check = Command::new(interpreter()?);
    check
        .env("PYTHONPATH", packages_with("sinks")?)
        .arg(program("ocsf_check.py"))
        .args(files);
    let ended = Running::start(&mut check)?.end(LIMIT)?;
    println!("{}", ended.stdout);
    ensure!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    Ok(())
}

/// The question of docs/fleet.md, asked of what both agents of a flow sent.
#[test]
fn what_two_nodes_saw_of_one_flow_is_one_leak() -> anyhow::Result<()> {
    let (here, there) = (Scratch::new()?, Scratch::new()?);
    let mut receiver = Receiver::new(&here, Kind::Otlp, "fleet", "")?;
    receiver.start()?;
    let endpoint = format!("http://127.0.0.1:{}", receiver.port);
    let key = here.path("fleet.key").display().to_string();
    let node = |name: &'static str| {
        [
            (OTLP, endpoint.as_str()),
            (PROTOCOL, "http"),
            ("AUDITOR_DETECT__KEY_FILE", &key),
            ("AUDITOR_REPORT__INTERVAL_SECONDS", "1"),
            ("NO_PROXY", "127.0.0.1,localhost"),
            ("NODE_NAME", name),
        ]
    };
    let mut traffic = Traffic::that_stays(&here, &[6])?;
    let sender = traffic.daemon(&node("node-1"))?;
    let answerer = Daemon::start(&there, &[traffic.server_pid()], &node("node-2"))?;
    traffic.go(&sender)?;
    let everything = || -> anyhow::Result<_> {
        let all = [journal(&sender.state)?, journal(&answerer.state)?];
        Ok(all.into_iter().flatten().collect::<BTreeMap<_, _>>())
    };
    wait_for("both agents to be heard", LIMIT, || {
        let wanted = everything()?;
        Ok((wanted.len() >= 12 && receiver.findings()? == wanted).then_some(()))
    })?;
    let rows = asked(&here, &receiver)?;
    println!("{rows:#?}");
    let cards: Vec<&Value> = rows
        .iter()
        .filter(|row| row["detector"] == "payment_card")
        .collect();
    ensure!(cards.len() == 6, "{} leaks of 6", cards.len());
    for row in cards {
        ensure!(
            row["nodes"] == 2 && row["first_values"] == 1 && row["times"] == 1,
            "{row}"
        );
    }
    for daemon in [sender, answerer] {
        let ended = daemon.stop()?;
        ensure!(ended.status.success(), "{}", ended.stderr);
    }
    Ok(())
}

/// The answer of the SQL in docs/fleet.md.
fn asked(scratch: &Scratch, receiver: &Receiver) -> anyhow::Result<Vec<Value>> {
    let page = include_str!("../../docs/fleet.md");
    let query = page
        .split("```sql")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let query = scratch.file("query.sql", query.context("the page has no SQL")?)?;
    let bodies: Vec<Value> = receiver
        .records()?
        .iter()
        .map(|record| record["body"].clone())
        .collect();
    let bodies = scratch.file("bodies.json", serde_json::to_string(&bodies)?)?;
    let program = "import json, sqlite3, sys
store = sqlite3.connect(':memory:')
store.row_factory = sqlite3.Row
store.execute('CREATE TABLE findings (body TEXT)')
store.executemany('INSERT INTO findings VALUES (?)', [(body,) for body in json.load(open(sys.argv[1]))])
print(json.dumps([dict(row) for row in store.execute(open(sys.argv[2]).read())]))";
    let mut python = Command::new(interpreter()?);
    python.args(["-c", program]).arg(bodies).arg(query);
    let ended = Running::start(&mut python)?.succeed()?;
    Ok(serde_json::from_str(&ended.stdout)?)
}

/// What a test on one host does not see: pods, containers, UNIX sockets, files, drift, every category and severity.
#[test]
fn events_of_every_shape_fit_the_schema_of_ocsf() -> anyhow::Result<()> {
    let end = json!({
        "workload": {"namespace": "shop", "kind": "Deployment", "name": "till"},
        "pod": {"uid": "0a-1", "name": "till-7f-x"}, "container": {"id": "4f1b", "name": "main", "image": "till:1"},
        "service_account": "till", "labels": {"team": "pay"}, "spiffe_id": "spiffe://a/b", "spiffe_id_source": "derived",
        "process": {"pid": 1, "start_time": "2026-03-01T10:00:00.120Z", "exe": "/a", "comm": "a", "user": "www-data", "uid": 33},
        "address": "10.0.0.1:443", "node": "n1", "hop": "proxy", "identified_by": "cgroup", "certainty": "certain",
    });
    let full = json!({
        "schema": "auditor.finding/v1", "id": "0190b6f0-0000-7000-8000-000000000000", "time": "2026-03-01T10:00:00.120Z",
        "revision": 1, "kind": "leak", "detector": "payment_card", "category": "payment", "regulations": ["pci-dss"],
        "state": "clear", "confidence": "high", "score_bits": 12.0, "severity": "critical", "sample": "544791******0247",
        "length": 16, "fingerprint": "k:00", "count": 3, "first_seen": "2026-03-01T10:00:00Z", "last_seen": "2026-03-01T10:00:01Z",
        "declared_masked": true, "under_masked": true, "location": {"part": "request.body", "field": "$.a", "start": 1, "end": 2},
        "flow": {"operation": "GET /", "encrypted": true}, "source": end, "destination": end,
        "policy": {"name": "cards", "version": "1", "rule": "r", "action": "allow", "verdict": "violation"},
        "before": {"state": "masked"}, "after": {"state": "clear"}, "group": "00", "observer": {"node": "n1", "cluster": "east"},
    });
    let mut shapes = vec![full.clone()];
    let mut with = |place: &str, values: &[Value]| {
        for value in values {
            let mut shape = full.clone();
            match (shape.pointer_mut(place), place.rsplit_once('/')) {
                (Some(inner), _) => *inner = value.clone(),
                (None, Some((parent, name))) => shape
                    .pointer_mut(parent)
                    .map(|inner| inner[name] = value.clone())
                    .unwrap_or_default(),
                (None, None) => (),
            }
            shapes.push(shape);
        }
    };
    with(
        "/kind",
        &[
            "leak",
            "mask_drift",
            "new_data",
            "new_flow",
            "rate_change",
            "plaintext_transport",
            "coverage_gap",
            "update",
            "observation",
        ]
        .map(Value::from),
    );
    let categories: BTreeSet<&str> = auditor::detect::catalogue::all()
        .iter()
        .map(|row| row.category)
        .collect();
    ensure!(categories.len() > 4, "{categories:?}");
    with(
        "/category",
        &categories
            .into_iter()
            .chain(["own"])
            .map(Value::from)
            .collect::<Vec<_>>(),
    );
    with(
        "/severity",
        &["low", "medium", "high", "critical"].map(Value::from),
    );
    with("/confidence", &["low", "medium", "high"].map(Value::from));
    with("/revision", &[json!(2), json!(u32::MAX)]);
    with("/path", &[json!("logs/a.json")]);
    for end in ["/source", "/destination"] {
        with(
            end,
            &[
                json!({"identified_by": "unresolved", "certainty": "ambiguous"}),
                json!({"address": "/run/a.sock", "identified_by": "unresolved"}),
                json!({"address": "[2001:db8::1]:443", "host": "a.example", "identified_by": "sni"}),
                json!({"process": {"pid": 7}, "unit": "a.service", "slice": "system.slice", "identified_by": "cgroup"}),
                json!({"container": {"id": "c"}, "identified_by": "cgroup"}),
                json!({"service_account": "a", "pod": {"uid": "b"}, "identified_by": "pod_ip"}),
            ],
        );
    }
    for name in [
        "source",
        "destination",
        "flow",
        "policy",
        "group",
        "observer",
        "before",
        "after",
    ] {
        let mut shape = full.clone();
        shape.as_object_mut().context("no object")?.remove(name);
        shapes.push(shape);
    }
    let lines: Result<Vec<String>, _> = shapes
        .iter()
        .map(|shape| Format::Ocsf.line(&serde_json::to_vec(shape)?))
        .collect();
    let scratch = Scratch::new()?;
    fit(vec![scratch.file("shapes.ocsf", lines?.join("\n") + "\n")?])
}
