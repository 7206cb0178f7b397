//! `/metrics` of a daemon that did a bit of everything: nothing is there that docs/metrics.md does not have, and coverage
//! stands next to its target.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message, metrics_page,
    peers::{Client, Server},
    process::{LIMIT, wait_for},
    scratch::{Scratch, free_port},
    values,
};

const POLICY: &str = r#"apiVersion: auditor.dev/v1alpha1
kind: ClusterDataFlowPolicy
metadata: {name: cards}
spec:
  rules:
    - name: charge
      data: {detectors: [payment_card]}
      operations: ["POST /v1/charge"]
      action: allow
"#;

#[test]
fn the_page_shows_nothing_that_is_not_documented_and_coverage_has_its_target() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (plain, tls) = (Server::plain(&scratch)?, Server::tls(&scratch)?);
    let card = values::card();
    let order = |operation: &str, value: &str| {
        message::post_json(
            &format!("/v1/{operation}"),
            &format!(r#"{{"card_number":"{value}"}}"#),
        )
    };
    let orders = [
        order("charge", &card),
        order("orders", &card),
        order("orders", &values::card_sample(&card)),
    ];
    let gate = scratch.path("go");
    let gated = ["--gate", &gate.display().to_string()];
    let clients = [
        Client::start(&scratch, "plain", plain.port, &orders, &gated)?,
        Client::tls(&scratch, tls.port, &orders, &gated)?,
    ];
    let policy = scratch.file("policy.yaml", POLICY)?.display().to_string();
    let nobody = format!("http://127.0.0.1:{}/", free_port()?);
    let secret = scratch.file("secret", "sixteen or more bytes of it")?;
    fs::set_permissions(&secret, Permissions::from_mode(0o600))?;
    let secret = secret.display().to_string();
    let pids: Vec<u32> = clients.iter().map(Client::pid).collect();
    let daemon = Daemon::start(
        &scratch,
        &pids,
        &[
            ("AUDITOR_POLICY__FILES", &policy),
            ("AUDITOR_MASKING__TARGETS", r#"["payment_card masked >= 99.5%"]"#),
            ("AUDITOR_REPORT__WEBHOOK__URL", &nobody),
            ("AUDITOR_REPORT__WEBHOOK__SECRET_FILE", &secret),
        ],
    )?;
    fs::write(&gate, "")?;
    for client in clients {
        client.counts()?;
    }
    let target = |shown: &str| {
        let is_its = |line: &&str| line.starts_with("auditor_masking_coverage_target_ratio{");
        let lines: Vec<String> = shown.lines().filter(is_its).map(str::to_owned).collect();
        (!lines.is_empty() && shown.contains("auditor_sink_failures_total{")).then_some(lines)
    };
    let targets = wait_for(
        "coverage with its target, and a receiver that is away",
        LIMIT,
        || Ok(target(&daemon.page("/metrics")?)),
    )?;
    daemon.balanced()?;
    let shown = daemon.page("/metrics")?;
    let seen = metrics_page::check(&shown)?;
    for metric in [
        "leaks_total",
        "last_leak_timestamp_seconds",
        "values_total",
        "bytes_total",
        "attach_total",
        "attached",
        "attribution_total",
        "bindings_total",
        "hook_seconds",
        "map_entries",
        "policy_loaded",
        "protocol_bytes_total",
        "scan_seconds",
        "sink_waiting",
    ] {
        ensure!(
            seen.contains(&format!("auditor_{metric}")),
            "no {metric}: {seen:?}"
        );
    }
    for line in targets {
        let (series, value) = line.rsplit_once(' ').context("a value")?;
        ensure!(value == "0.995", "{line}");
        let coverage = series.replace("_target_ratio", "_ratio");
        let of = shown.lines().find_map(|line| line.strip_prefix(&*coverage));
        let of: f64 = of.with_context(|| format!("no {coverage}"))?.trim().parse()?;
        ensure!(of > 0.0 && of < 0.995, "{coverage} {of}");
    }
    let allowed = shown.lines().any(|line| {
        line.starts_with("auditor_leaks_total{")
            && line.contains("verdict=\"allowed\"")
            && !line.ends_with(" 0")
    });
    ensure!(allowed, "{shown}");
    daemon.stop()?;
    Ok(())
}
