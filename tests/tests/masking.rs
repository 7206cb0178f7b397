//! The story of docs/guide.md: a gateway masks cards, a release forgets one field, and that is told.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message, metrics_page, nginx,
    peers::{children, program},
    process::{self, LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
    values,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const POLICY: &str = r#"apiVersion: auditor.dev/v1alpha1
kind: ClusterDataFlowPolicy
metadata: {name: cards}
spec:
  rules:
    - name: cards-come-in
      data: {detectors: [payment_card]}
      operations: ["POST /v1/*"]
      transport: {}
      action: allow
    - name: cards-leave-masked
      data: {detectors: [payment_card]}
      to: "workload=*nginx*"
      operations: ["POST /v1/*"]
      severity: critical
      action: report
"#;

/// Who the orders go to: TLS, and an answer that says nothing.
const UPSTREAM: &str = "\
  access_log off;
  server {
    listen 127.0.0.1:@port@ ssl;
    ssl_certificate @pem@;
    ssl_certificate_key @pem@;
    location / { return 200; }
  }
";

/// The gateway under a shell that starts it again, so that a release is a new process of one watched tree.
struct Gateway {
    shell: Running,
    port: u16,
}

impl Gateway {
    fn start(scratch: &Scratch, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("sh");
        command.args(["-c", r#"while :; do node "$1" "$2" "$3" "$4"; done"#, "sh"]);
        command
            .arg(program("masking_gateway.js"))
            .args([port.to_string(), upstream.to_string()])
            .arg(scratch.path("release.json"));
        let gateway = Self {
            shell: Running::start(&mut command)?,
            port,
        };
        gateway.is_up()?;
        Ok(gateway)
    }

    fn is_up(&self) -> anyhow::Result<()> {
        wait_for("the gateway to listen", LIMIT, || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .ok()
                .map(drop))
        })
    }

    /// Ends the running release; the shell starts the one that the file now describes.
    fn release(&self, scratch: &Scratch, unmasked: &str) -> anyhow::Result<()> {
        scratch.file("release.json", unmasked)?;
        let old = children(self.shell.pid());
        for child in &old {
            let pid = Pid::from_raw(i32::try_from(*child)?).context("no process")?;
            kill_process(pid, Signal::KILL)?;
        }
        wait_for("the next release to start", LIMIT, || {
            let new = children(self.shell.pid());
            Ok((!new.is_empty() && new.iter().all(|pid| !old.contains(pid))).then_some(()))
        })?;
        self.is_up()
    }

    /// One order and one refund, each with a card of its own.
    fn serve(&self) -> anyhow::Result<()> {
        let order = format!(r#"{{"customer":{{"card_number":"{}"}}}}"#, values::card());
        let refund = format!(r#"{{"refunds":[{{"card":"{}"}}]}}"#, values::card());
        for (path, body) in [("/v1/orders", order), ("/v1/refunds", refund)] {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(&message::post_with(
                path,
                &[("Content-Type", "application/json"), ("Connection", "close")],
                body,
            ))?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        Ok(())
    }
}

impl Drop for Gateway {
    /// The release is the shell's child, and outlives it.
    fn drop(&mut self) {
        let releases = children(self.shell.pid());
        let _ = self.shell.signal(Signal::KILL);
        for release in releases {
            if let Some(pid) = i32::try_from(release).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// `auditor coverage` of what the gateway sends to nginx: exit code, and its JSON.
fn coverage(daemon: &Daemon, more: &[&str]) -> anyhow::Result<(i32, Value)> {
    let mut command = Command::new(process::auditor()?);
    command.args([
        "coverage",
        "--format",
        "json",
        "--to",
        "workload=*nginx*",
        "--detector",
        "payment_card",
    ]);
    command.arg(&daemon.socket).args(more);
    let ended = Running::start(&mut command)?.end(LIMIT)?;
    let code = ended.status.code().context("it was killed")?;
    ensure!(code < 2, "{}", ended.stderr);
    Ok((code, serde_json::from_str(&ended.stdout)?))
}

const REQUIRE: [&str; 2] = ["--require", "payment_card masked >= 100% to workload=*nginx*"];

/// Until so many values of cards were counted behind the gateway.
fn counted(daemon: &Daemon, at_least: u64, more: &[&str]) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    wait_for("the values to be counted", LIMIT, || {
        last = coverage(daemon, more)?.1;
        let total = &last["total"];
        let of = |name: &str| total[name].as_u64().unwrap_or(0);
        Ok((of("protected") + of("clear") >= at_least).then(|| last.clone()))
    })
    .with_context(|| format!("{last:#}"))
}

fn drifts(daemon: &Daemon) -> anyhow::Result<Vec<Value>> {
    of_kind(daemon, "mask_drift")
}

fn of_kind(daemon: &Daemon, kind: &str) -> anyhow::Result<Vec<Value>> {
    let lines = daemon.remembered()?;
    let findings: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()?;
    Ok(findings
        .into_iter()
        .filter(|finding| finding["kind"] == kind)
        .collect())
}

#[test]
fn a_release_that_forgets_to_mask_a_field_is_told_within_five_seconds() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let port = free_port()?;
    let file = nginx::configure(&scratch, "upstream.conf", UPSTREAM, &[("port", &port)])?;
    let (_upstream, nginx_pids) = nginx::start(&scratch, &file, &[port])?;
    let fine = r#"{"unmasked":{}}"#;
    scratch.file("release.json", fine)?;
    let gateway = Gateway::start(&scratch, port)?;
    let policy = scratch.file("cards.yaml", POLICY)?.display().to_string();
    let environment = [
        ("AUDITOR_POLICY__FILES", policy.as_str()),
        ("AUDITOR_DRIFT__LEARNING_SECONDS", "3"),
        ("AUDITOR_DETECT__STATES", "clear"),
        // On a slow machine the releases and questions below take ten times as long as twenty values, which is a fall.
        ("AUDITOR_DRIFT__RATE_FACTOR", "20"),
    ];
    let daemon = Daemon::start(&scratch, &[gateway.shell.pid(), nginx_pids[0]], &environment)?;

    // Everything is masked, for longer than the learning time.
    let start = Instant::now();
    let mut served = 0;
    while served < 20 || start.elapsed() < Duration::from_secs(5) {
        gateway.serve()?;
        served += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    counted(&daemon, 2 * served, &[])?;
    let (code, json) = coverage(&daemon, &REQUIRE)?;
    ensure!(code == 0 && json["total"]["coverage"] == 1.0, "{json:#}");
    ensure!(json["requirements"][0]["met"] == true, "{json:#}");
    ensure!(
        json["seen"]["share"].as_f64().is_some_and(|share| share > 0.5),
        "{json:#}"
    );
    ensure!(drifts(&daemon)?.is_empty(), "{:#?}", drifts(&daemon)?);

    // A release forgets one field of one operation.
    gateway.release(&scratch, r#"{"unmasked":{"POST /v1/refunds":["card"]}}"#)?;
    let leaked = Instant::now();
    gateway.serve()?;
    let told = wait_for("the drift to be told", LIMIT, || {
        Ok(drifts(&daemon)?.into_iter().next())
    })?;
    println!("told after {} ms", leaked.elapsed().as_millis());
    ensure!(
        leaked.elapsed() < Duration::from_secs(5),
        "{:?}",
        leaked.elapsed()
    );
    let text = |pointer: &str| {
        told.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    ensure!(text("/location/field") == "$.refunds[0].card", "{told:#}");
    ensure!(text("/flow/operation") == "POST /v1/refunds", "{told:#}");
    ensure!(text("/source/process/exe").contains("node"), "{told:#}");
    ensure!(text("/destination/process/exe").contains("nginx"), "{told:#}");
    ensure!(
        text("/before/state") == "masked" && text("/after/state") == "clear",
        "{told:#}"
    );
    ensure!(told["before"]["coverage"] == 1.0, "{told:#}");
    ensure!(
        text("/policy/rule") == "cards-leave-masked" && text("/severity") == "critical",
        "{told:#}"
    );

    // Which rule, and how much of what.
    let workload = |end: &str| {
        format!(
            "workload={}/{}",
            text(&format!("/{end}/workload/kind")),
            text(&format!("/{end}/workload/name"))
        )
    };
    let question = format!(
        "from={} to={} detector=payment_card operation=POST /v1/refunds field={}",
        workload("source"),
        workload("destination"),
        text("/location/field")
    );
    let mut explain = Command::new(process::auditor()?);
    explain.args(["policy", "check", &policy, "--explain", &question]);
    let explained = Running::start(&mut explain)?.succeed()?.stdout;
    ensure!(explained.contains("cards-leave-masked"), "{explained}");
    let (code, json) = coverage(&daemon, &REQUIRE)?;
    ensure!(code == 1 && json["requirements"][0]["met"] == false, "{json:#}");
    ensure!(
        json["fields"][0]["field"] == "$.refunds[*].card",
        "the worst comes first: {json:#}"
    );
    for _ in 0..5 {
        gateway.serve()?;
    }
    counted(&daemon, 2 * served + 12, &[])?;
    ensure!(
        drifts(&daemon)?.len() == 1,
        "it is told once: {:#?}",
        drifts(&daemon)?
    );

    // It is fixed: what came since is masked again.
    gateway.release(&scratch, fine)?;
    let mut save = Command::new(process::auditor()?);
    save.args(["coverage", "--format", "ledger"]).arg(&daemon.socket);
    let saved = scratch.file("before.jsonl", Running::start(&mut save)?.succeed()?.stdout)?;
    let saved = saved.display().to_string();
    for _ in 0..5 {
        gateway.serve()?;
    }
    let since = ["--since", saved.as_str()];
    let json = counted(&daemon, 10, &since)?;
    ensure!(json["total"]["coverage"] == 1.0, "{json:#}");
    let (code, _) = coverage(&daemon, &[REQUIRE, since].concat())?;
    ensure!(code == 0, "{code}");

    // No order comes any more: twenty values took two seconds at most, so that is told after some forty at most.
    let fell = wait_for("the fall to be told", Duration::from_secs(120), || {
        Ok(of_kind(&daemon, "rate_change")?.into_iter().find(|finding| {
            finding["source"]["process"]["exe"]
                .as_str()
                .is_some_and(|exe| exe.ends_with("node"))
        }))
    })?;
    ensure!(fell["severity"] == "low" && fell["state"] == "masked", "{fell:#}");
    ensure!(fell["before"]["values"] == 20, "{fell:#}");
    ensure!(
        fell["after"]["values"].as_u64() < Some(20) && fell["after"]["seconds"].as_u64() >= Some(3),
        "{fell:#}"
    );

    // The same from the file once the daemon has ended, and it went on with it.
    let ledger = daemon.state.join("masking.redb");
    let metrics = daemon.page("/metrics")?;
    ensure!(
        metrics.contains("auditor_drifts_total{kind=\"mask_drift\"} 1"),
        "{metrics}"
    );
    ensure!(metrics.contains("auditor_masking_coverage_ratio{"), "{metrics}");
    metrics_page::check(&metrics)?;
    ensure!(daemon.page("/readyz")?.contains("\"masking\":\"kept\""));
    daemon.stop()?;
    let mut offline = Command::new(process::auditor()?);
    offline.arg("coverage").arg(&ledger);
    let table = Running::start(&mut offline)?.succeed()?.stdout;
    println!("{table}");
    ensure!(
        table.contains("$.refunds[*].card") && table.contains("violation"),
        "{table}"
    );
    Ok(())
}
