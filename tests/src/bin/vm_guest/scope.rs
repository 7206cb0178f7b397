//! What is watched where cgroup v2 is all there is: the kernel side knows what was selected by its cgroup.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{
    Outcome,
    capture::{balanced, captured, python_server},
    platform::LIMIT,
    program::{Running, output},
};

/// Loading the programs takes most of it.
const CAPTURE: Duration = Duration::from_secs(150);
const READY: &str = "/tmp/scope_ready";
const FOUND: &str = "/tmp/scope_found";
const MEANT: &str = "/sys/fs/cgroup/system.slice/till.service";
const OTHER: &str = "/sys/fs/cgroup/system.slice/other.service";

/// Two clients send the same; the one that enters the cgroup which was selected is read from its first byte on, the other
/// one is not. The server is in neither.
pub(crate) fn chosen_by_cgroup() -> Outcome {
    let _server = python_server("9081", &[])?;
    for group in [MEANT, OTHER] {
        fs::create_dir_all(group)?;
    }
    // It is told of the unit by somebody who is in it.
    let mut stays = Running::start(Command::new("python3").args(["-c", "import time; time.sleep(600)"]))?;
    fs::write(Path::new(MEANT).join("cgroup.procs"), stays.pid().to_string())?;
    let mut watch = Command::new("auditor");
    watch.args([
        "watch",
        "--format",
        "json",
        "--output",
        FOUND,
        "--ready-file",
        READY,
    ]);
    watch.args(["--select", "unit=till.service", "--select-by", "cgroups"]);
    let mut watch = Running::start(&mut watch)?;
    let deadline = Instant::now() + CAPTURE;
    while !Path::new(READY).exists() {
        ensure!(watch.is_running()?, "auditor ended");
        ensure!(Instant::now() < deadline, "auditor is not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    for group in [OTHER, MEANT] {
        let script = format!("echo $$ > {group}/cgroup.procs && exec python3 /tmp/client.py 9081 plain");
        output(Command::new("sh").args(["-c", &script]), LIMIT)?;
    }
    watch.interrupt(CAPTURE)?;
    stays.stop();
    let captured = captured(&fs::read_to_string(FOUND)?)?;
    balanced(&captured.summary, "socket")?;
    let finding = &captured.finding;
    ensure!(
        captured.findings.len() == 1 && finding["count"] == 1,
        "not one: {finding}"
    );
    ensure!(
        finding["source"]["unit"] == "till.service" && finding["source"]["slice"] == "system.slice",
        "another unit: {finding}"
    );
    Ok(format!("scope {}", captured.summary["scope"]))
}
