//! The configuration while the daemon runs: what is taken at once, what waits for a restart, what is refused.

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    meter::Bytes,
    peers::{Client, PYTHON, Server},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};

fn readiness(daemon: &Daemon) -> anyhow::Result<Value> {
    let page = daemon.page("/readyz")?;
    let body = page.split("\r\n\r\n").nth(1).context("a body")?;
    Ok(serde_json::from_str(body)?)
}

/// How often the configuration was read again with this result.
fn reloads(daemon: &Daemon, result: &str) -> anyhow::Result<u64> {
    let line = format!("auditor_config_reloads_total{{result=\"{result}\"}} ");
    let metrics = daemon.page("/metrics")?;
    let found = metrics.lines().find_map(|text| text.strip_prefix(&line));
    Ok(found.map_or(Ok(0), str::parse)?)
}

/// States of the card that was sent to this operation.
fn states(daemon: &Daemon, operation: &str) -> anyhow::Result<Vec<String>> {
    let mut states = Vec::new();
    for line in daemon.remembered()? {
        let finding: Value = serde_json::from_str(&line)?;
        if finding["flow"]["operation"] == format!("POST /v1/{operation}") {
            states.push(finding["state"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(states)
}

/// What policy says of the card that was sent to this operation, once it was found.
fn verdict_of(daemon: &Daemon, operation: &str) -> anyhow::Result<Option<String>> {
    for line in daemon.remembered()? {
        let finding: Value = serde_json::from_str(&line)?;
        if finding["flow"]["operation"] == format!("POST /v1/{operation}") {
            return Ok(finding["policy"]["verdict"].as_str().map(str::to_owned));
        }
    }
    Ok(None)
}

#[test]
fn a_change_is_taken_over_or_waits_or_is_refused_and_the_daemon_goes_on() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let sample = values::card_sample(&values::card());
    let client = |name: &str, card: &str| {
        let gate = scratch.path(&format!("{name}.go")).display().to_string();
        let order = message::post_json(&format!("/v1/{name}"), &format!(r#"{{"card_number":"{card}"}}"#));
        Client::start(&scratch, name, server.port, &[order], &["--gate", &gate])
    };
    let go = |client: Client, name: &str| -> anyhow::Result<()> {
        std::fs::write(scratch.path(&format!("{name}.go")), "")?;
        client.counts().map(drop)
    };
    let clients = [
        client("before", &sample)?,
        client("marker", &values::card())?,
        client("after", &sample)?,
        client("last", &values::card())?,
        client("allowed", &values::card())?,
        client("forbidden", &values::card())?,
    ];
    let pids = clients.each_ref().map(Client::pid);
    let daemon = Daemon::start(&scratch, &pids, &[])?;
    let file = scratch.path("daemon.yaml");
    let written = std::fs::read_to_string(&file)?;
    let put = |text: &str| std::fs::write(&file, text);
    let [before, marker, after, last, allowed, forbidden] = clients;

    // Without a signal: the content is another one. The harness's file asks for all states.
    put(&written.replace("states: all", "states: clear"))?;
    wait_for("the change to be seen", LIMIT, || {
        Ok((reloads(&daemon, "loaded")? == 1).then_some(()))
    })?;
    go(before, "before")?;
    go(marker, "marker")?;
    wait_for("the clear value", LIMIT, || {
        Ok((states(&daemon, "marker")? == ["clear"]).then_some(()))
    })?;
    ensure!(
        states(&daemon, "before")?.is_empty(),
        "a masked value is not asked for"
    );

    // With a signal, and with a key that takes a restart.
    put(&format!("{written}report:\n  journal:\n    keep: 9\n"))?;
    kill_process(
        Pid::from_raw(daemon.pid().cast_signed()).context("a pid")?,
        Signal::HUP,
    )?;
    wait_for("the signal to be heard", LIMIT, || {
        Ok((reloads(&daemon, "loaded")? == 2).then_some(()))
    })?;
    let ready = readiness(&daemon)?;
    ensure!(
        ready["config_waits"] == serde_json::json!(["report.journal.keep"]),
        "{ready}"
    );
    go(after, "after")?;
    wait_for("the masked value", LIMIT, || {
        Ok((states(&daemon, "after")? == ["masked"]).then_some(()))
    })?;

    // A mistake changes nothing, and does not go unnoticed.
    put(&written.replace("states: all", "states: everything"))?;
    wait_for("the mistake to be told", LIMIT, || {
        Ok((readiness(&daemon)?["config"] == "stale").then_some(()))
    })?;
    ensure!(reloads(&daemon, "refused")? == 1);
    go(last, "last")?;
    wait_for("capture to go on", LIMIT, || {
        Ok((states(&daemon, "last")? == ["clear"]).then_some(()))
    })?;
    put(&written)?;
    wait_for("the repair to be seen", LIMIT, || {
        let ready = readiness(&daemon)?;
        Ok((ready["config"] == "loaded" && ready.get("config_waits").is_none()).then_some(()))
    })?;

    // Policies: where they are may change, and where there are none those of before stay.
    let policy = |name: &str, action: &str| {
        scratch.file(
            &format!("{name}.policy.yaml"),
            format!(
                "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {{name: {name}}}\n\
                 spec: {{rules: [{{name: cards, data: {{detectors: [payment_card]}}, action: {action}}}]}}\n"
            ),
        )
    };
    for (client, name, action, verdict) in [
        (allowed, "allowed", "allow", "allowed"),
        (forbidden, "forbidden", "report", "violation"),
    ] {
        let file = policy(name, action)?;
        put(&format!("{written}policy:\n  files: [{}]\n", file.display()))?;
        let metric = format!("auditor_policy_loaded{{policy=\"{name}\",source=\"file\"");
        wait_for("the policy to be in force", LIMIT, || {
            Ok((daemon.metric(&metric)? == 1.0).then_some(()))
        })?;
        go(client, name)?;
        let judged = wait_for("the verdict", LIMIT, || verdict_of(&daemon, name))?;
        ensure!(judged == verdict, "{name}: {judged}");
    }
    put(&format!("{written}policy:\n  files: [/nowhere/policy.yaml]\n"))?;
    wait_for("the mistake to be told", LIMIT, || {
        Ok((readiness(&daemon)?["policy"] == "stale").then_some(()))
    })?;
    ensure!(daemon.page("/metrics")?.contains("policy=\"forbidden\""));
    put(&written)?;
    wait_for("no policy", LIMIT, || {
        Ok((readiness(&daemon)?["policy"] == "none").then_some(()))
    })?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    ensure!(
        ended.stderr.contains("detect.states") && ended.stderr.contains("report.journal.keep"),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn what_the_daemon_would_run_with_is_shown_with_where_it_is_from() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let file = scratch.file("a.yaml", "scope: {pids: [1]}\nreport: {journal: {keep: 7}}\n")?;
    let run = |words: &[&str], variables: &[(&str, &str)]| -> anyhow::Result<(Option<i32>, String, String)> {
        let mut command = Command::new(process::auditor()?);
        command.args(["config"]).args(words).arg("--config").arg(&file);
        command.envs(variables.iter().copied());
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    };
    let (code, said, _) = run(&["check"], &[])?;
    ensure!(code == Some(0) && said.contains("a.yaml, 2 of "), "{said}");

    let (code, shown, _) = run(&["show"], &[("AUDITOR_REPORT__JOURNAL__KEEP", "8")])?;
    let lines: Vec<&str> = shown.lines().collect();
    ensure!(code == Some(0) && lines.len() == 2, "{shown}");
    ensure!(
        lines[0].starts_with("scope.pids") && lines[0].ends_with("a.yaml"),
        "{shown}"
    );
    ensure!(
        lines[1].starts_with("report.journal.keep")
            && lines[1].ends_with("the variable AUDITOR_REPORT__JOURNAL__KEEP"),
        "{shown}"
    );

    // All of it is a file that says the same.
    let (_, yaml, _) = run(&["show", "--effective", "--format", "yaml"], &[])?;
    let whole = scratch.file("whole.yaml", &yaml)?;
    let (_, json, _) = run(&["show", "--effective", "--format", "json"], &[])?;
    let output = Command::new(process::auditor()?)
        .args(["config", "show", "--effective", "--format", "json", "--config"])
        .arg(whole)
        .output()?;
    let values = |text: &[u8]| -> anyhow::Result<Vec<(Value, Value)>> {
        let document: Value = serde_json::from_slice(text)?;
        let keys = document["keys"].as_array().context("keys")?;
        Ok(keys
            .iter()
            .map(|key| (key["key"].clone(), key["value"].clone()))
            .collect())
    };
    let all = values(json.as_bytes())?;
    ensure!(all.len() > 40 && all == values(&output.stdout)?, "{json}");

    for (word, why) in [
        ("report.jurnal.keep=1", "did you mean report.journal.keep"),
        ("policy.files=[/no/such/policy.yaml]", "/no/such/policy.yaml"),
        ("capture.leave_out=[nonsense]", "capture.leave_out"),
        ("report.otlp.endpoint=ftp://collector", "report.otlp.endpoint"),
        ("report.webhook.url=https://me:password@receiver/", "headers_file"),
    ] {
        let (code, _, error) = run(&["check", "--set", word], &[])?;
        ensure!(code == Some(2) && error.contains(why), "{word}: {error}");
    }
    for (variable, why) in [
        ("AUDITOR_REPORT__WEBHOOK__SECRET_FILE", "/no/such/file"),
        ("AUDITOR_REPORT__WEBHOOK__CA_FILE", "/no/such/file"),
    ] {
        let variables = [
            ("AUDITOR_REPORT__WEBHOOK__URL", "https://receiver.example/"),
            (variable, why),
        ];
        let (code, _, error) = run(&["check"], &variables)?;
        ensure!(code == Some(2) && error.contains(why), "{variable}: {error}");
    }
    Ok(())
}

/// What the socket's account has under a name.
fn settled(daemon: &Daemon, account: &str) -> anyhow::Result<u64> {
    Ok(Bytes::read(&daemon.page("/metrics")?)?.get("socket", account))
}

#[test]
fn connections_are_left_out_and_read_again_as_rules_come_and_go() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let order = message::post_json(
        "/v1/orders",
        &format!(r#"{{"card_number":"{}"}}"#, values::card()),
    );
    // One connection from the first rule to the last.
    let gate = scratch.path("go").display().to_string();
    let more = ["--gate", &gate, "--forever"];
    let client = Client::plain(&scratch, server.port, &[order], &more)?;
    let daemon = Daemon::start(&scratch, &[client.pid()], &[])?;
    let file = scratch.path("daemon.yaml");
    let written = std::fs::read_to_string(&file)?;
    let mut times = 0;
    let mut put = |rules: &str| -> anyhow::Result<()> {
        std::fs::write(&file, format!("{written}capture:\n  leave_out: [{rules}]\n"))?;
        daemon.hang_up()?;
        times += 1;
        wait_for("the rules to be read", LIMIT, || {
            Ok((reloads(&daemon, "loaded")? == times).then_some(()))
        })
    };
    let rises = |account: &str| {
        let before = settled(&daemon, account)?;
        wait_for(&format!("bytes in {account}"), LIMIT, || {
            Ok((settled(&daemon, account)? > before + 100_000).then_some(()))
        })
    };
    let stands = |account: &str| -> anyhow::Result<()> {
        // Those under way when the rules changed are in it by then.
        wait_for("no more bytes", LIMIT, || {
            let before = settled(&daemon, account)?;
            std::thread::sleep(Duration::from_millis(600));
            Ok((settled(&daemon, account)? == before).then_some(()))
        })
        .with_context(|| account.to_owned())
    };
    std::fs::write(&gate, "")?;
    rises("scanned")?;
    let rule = format!("peer_port={}", server.port);
    for _ in 0..2 {
        put(&rule)?;
        rises("muted")?;
        stands("scanned")?;
        // Another one, which does not cover it.
        put(&format!("peer_port={}", server.port ^ 1))?;
        rises("scanned")?;
        stands("muted")?;
    }
    // A rule that can not be read leaves those of before in force.
    put(&rule)?;
    rises("muted")?;
    std::fs::write(&file, format!("{written}capture:\n  leave_out: [nonsense]\n"))?;
    daemon.hang_up()?;
    wait_for("the rule to be refused", LIMIT, || {
        Ok((reloads(&daemon, "refused")? == 1).then_some(()))
    })?;
    ensure!(readiness(&daemon)?["config"] == "stale");
    rises("muted")?;
    stands("scanned")?;
    drop(client);
    daemon.balanced()?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

/// How often the card of this operation was seen, by its newest finding.
fn seen(daemon: &Daemon, operation: &str) -> anyhow::Result<u64> {
    let mut most = 0;
    for line in daemon.remembered()? {
        let finding: Value = serde_json::from_str(&line)?;
        if finding["flow"]["operation"] == format!("POST /v1/{operation}") {
            most = most.max(finding["count"].as_u64().unwrap_or_default());
        }
    }
    Ok(most)
}

#[test]
fn programs_are_left_out_and_watched_again_while_the_daemon_runs() -> anyhow::Result<()> {
    /// More than once the shortest time between two revisions of a finding, which is a second here.
    const REVISIONS: Duration = Duration::from_secs(3);
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let body = || format!(r#"{{"card_number":"{}"}}"#, values::card());
    // One process with one connection from the first change to the last, and one for each request.
    let gate = scratch.path("go").display().to_string();
    let steady = message::post_json("/v1/steady", &body());
    let client = Client::plain(&scratch, server.port, &[steady], &["--gate", &gate, "--forever"])?;
    let each = format!(
        "until [ -e {gate} ]; do sleep 0.02; done; while :; do \
         curl --silent --max-time 10 --output /dev/null --json @{} http://127.0.0.1:{}/v1/each; sleep 0.05; done",
        scratch.file("body", body())?.display(),
        server.port
    );
    let shell = Running::start(Command::new("sh").args(["-c", &each]))?;
    let variables = [("AUDITOR_REPORT__INTERVAL_SECONDS", "1")];
    let daemon = Daemon::start(&scratch, &[client.pid(), shell.pid()], &variables)?;
    let file = scratch.path("daemon.yaml");
    let written = std::fs::read_to_string(&file)?;
    let mut times = 0;
    let mut put = |programs: &str| -> anyhow::Result<()> {
        let scope = format!("scope:\n  exclude: [{programs}]\n");
        std::fs::write(&file, written.replace("scope:\n", &scope))?;
        daemon.hang_up()?;
        times += 1;
        wait_for("the programs to be read", LIMIT, || {
            Ok((reloads(&daemon, "loaded")? == times).then_some(()))
        })?;
        ensure!(readiness(&daemon)?.get("config_waits").is_none(), "it waits");
        Ok(())
    };
    let rises = |operation: &str| {
        let before = seen(&daemon, operation)?;
        wait_for(&format!("more of {operation}"), LIMIT, || {
            Ok((seen(&daemon, operation)? > before).then_some(()))
        })
    };
    // While others are seen: it is not that there is nothing new.
    let stands = |operation: &str, other: &str| {
        wait_for(&format!("no more of {operation}"), LIMIT, || {
            let before = (seen(&daemon, operation)?, Instant::now());
            while before.1.elapsed() < REVISIONS {
                rises(other)?;
            }
            Ok((seen(&daemon, operation)? == before.0).then_some(()))
        })
    };
    std::fs::write(&gate, "")?;
    rises("steady")?;
    rises("each")?;
    let python = std::fs::canonicalize(PYTHON)?;
    let name = std::fs::read_to_string(format!("/proc/{}/comm", client.pid()))?;
    for programs in [&*python.display().to_string(), name.trim_end()] {
        put(programs)?;
        stands("steady", "each")?;
        put("")?;
        rises("steady")?;
        rises("each")?;
    }
    for programs in ["curl", "/usr/bin/curl"] {
        put(programs)?;
        stands("each", "steady")?;
        // Another one instead of it.
        put(name.trim_end())?;
        stands("steady", "each")?;
        put("")?;
        rises("steady")?;
    }
    drop((client, shell));
    daemon.balanced()?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}
