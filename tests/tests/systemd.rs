//! Services that a real systemd has started are named by unit and slice.

use std::fs;

use anyhow::ensure;
use auditor_tests::{
    message,
    peers::{self, PYTHON, client_words},
    process::{LIMIT, wait_for},
    scratch::Scratch,
    systemd::Systemd,
    values,
    watch::Watch,
};
use serde_json::{Value, json};

fn has(end: &Value, wanted: &Value) -> anyhow::Result<()> {
    for (key, value) in wanted.as_object().into_iter().flatten() {
        ensure!(end[key] == *value, "{key} is not {value} in {end:#}");
    }
    ensure!(end["container"].is_null() && end["pod"].is_null(), "{end:#}");
    Ok(())
}

#[test]
fn services_of_systemd_are_named_by_unit_and_slice() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (port, answers) = (scratch.path("till.port"), scratch.path("answers"));
    fs::create_dir(&answers)?;
    let paths = [
        &peers::program("server.py"),
        &port,
        &scratch.path("till.counts"),
        &answers,
    ];
    let paths = paths.map(|path| path.display().to_string()).join(" ");
    // The client is told where the server listens: it waits for a script.
    let script = scratch.path("kiosk.sh").display().to_string();
    let client = format!(
        "Slice=street-kiosks.slice\nExecStart=/bin/sh -c 'until [ -e {script} ]; do sleep 0.05; done; . {script}'"
    );
    let mut systemd = Systemd::start(
        &scratch,
        &[
            // Without a slice of its own the instance of a template is in one that systemd names.
            ("till@7.service", &format!("ExecStart={PYTHON} {paths}")),
            ("kiosk.service", &client),
        ],
    )?;
    let port = wait_for("the till to listen", LIMIT, || Ok(fs::read_to_string(&port).ok()))?;
    let order = message::post_json(
        "/v1/orders",
        &format!(r#"{{"card":{{"number":"{}"}}}}"#, values::card()),
    );
    let ready = scratch.ready().display().to_string();
    let words = client_words(
        &scratch,
        "kiosk",
        port.trim().parse()?,
        &[order],
        &["--gate", &ready],
    )?;
    let written = scratch.file("kiosk.new", format!("exec {}\n", words.join(" ")))?;
    fs::rename(written, script)?;
    let till = systemd.pid_of("system.slice/system-till.slice/till@7.service")?;
    let kiosk = systemd.pid_of("street.slice/street-kiosks.slice/kiosk.service")?;
    wait_for("the kiosk to run", LIMIT, || {
        let program = fs::read_link(format!("/proc/{kiosk}/exe"))?;
        Ok(program.to_string_lossy().contains("python").then_some(()))
    })?;
    let watch = Watch::pids(&scratch, &[till, kiosk], &[])?;
    wait_for("the kiosk to end", LIMIT, || {
        Ok(scratch.path("kiosk.counts").exists().then_some(()))
    })?;
    let report = watch.stop()?;
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    has(
        &leak["source"],
        &json!({
            "workload": {"kind": "SystemdUnit", "name": "kiosk.service"},
            "unit": "kiosk.service",
            "slice": "street-kiosks.slice",
            "certainty": "exact",
        }),
    )?;
    has(
        &leak["destination"],
        &json!({
            "workload": {"kind": "SystemdUnit", "name": "till@7.service"},
            "unit": "till@7.service",
            "slice": "system-till.slice",
            "certainty": "exact",
        }),
    )
}
