//! The commands of docs/guide.md, run as a reader would run them, and what the page says they show.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    process::{self, Running, wait_for},
    scratch::{Scratch, free_port},
};
use jiff::Timestamp;
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/guide.md");
/// The steps take three quarters of a minute, most of it orders.
const PATIENCE: Duration = Duration::from_secs(180);
/// Ports of the page; a test takes some that are free.
const PORTS: [&str; 3] = ["8080", "8443", "9479"];

/// What a reader has: the program on their path. Its exit codes are noted, and what is left is ended.
const BEFORE: &str = r#"
trap 'kill $(jobs -p) 2>/dev/null; pkill -P "$gateway" 2>/dev/null; kill "$(cat nginx.pid 2>/dev/null)" 2>/dev/null' EXIT
trap 'exit 1' TERM
auditor() {
  case "$1" in run|tail) exec "$AUDITOR" "$@" ;; esac
  "$AUDITOR" "$@"
  code=$?
  echo "auditor $1 ended with $code" >&2
  return "$code"
}
"#;

/// The shell blocks of the page, in order.
fn blocks() -> Vec<&'static str> {
    let after = PAGE.split("```sh\n").skip(1);
    after
        .filter_map(|text| Some(text.split_once("\n```")?.0))
        .collect()
}

/// The page as one script; what the block of number n says goes to `block.n`.
fn script(folder: &Path, repository: &Path) -> anyhow::Result<String> {
    let mut script = BEFORE.to_owned();
    for (number, block) in (1..).zip(blocks()) {
        let output = folder.join(format!("block.{number}"));
        script += &format!("exec >\"{}\" 2>&1\n{block}\n", output.display());
    }
    script = script
        .replace("REPOSITORY", &repository.display().to_string())
        .replace("\"$(mktemp -d)\"", &format!("\"{}\"", folder.display()));
    for port in PORTS {
        ensure!(script.contains(port), "the page has no port {port} any more");
        script = script.replace(port, &free_port()?.to_string());
    }
    Ok(script)
}

/// The table of fields: its lines below the header.
fn fields(text: &str) -> Vec<&str> {
    let table = text.lines().skip_while(|line| !line.ends_with("POLICY"));
    table.skip(1).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn the_guide_does_what_it_says() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the repository")?;
    let folder = scratch.path("guide");
    fs::create_dir(&folder)?;
    let script = scratch.file("guide.sh", script(&folder, repository)?)?;
    let mut bash = Command::new("bash");
    bash.arg(script).env("AUDITOR", process::auditor()?);
    let running = Running::start(&mut bash)?;
    let said = |number: u32| fs::read_to_string(folder.join(format!("block.{number}"))).unwrap_or_default();

    // The drift is told while the page goes on.
    let start = Instant::now();
    let told = wait_for("the drift to be told", PATIENCE, || {
        let line = said(4)
            .lines()
            .find(|line| line.starts_with('{') && line.ends_with('}'))
            .map(str::to_owned);
        Ok(line.map(|line| (line, Timestamp::now())))
    });
    let all = || (1..=7).map(said).collect::<Vec<_>>().join("\n");
    let (line, at) = told.with_context(all)?;
    println!("told {:.1} s after the start", start.elapsed().as_secs_f64());
    let finding: Value = serde_json::from_str(&line)?;
    let text = |pointer: &str| {
        finding
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let leaked: Timestamp = text("/first_seen").parse()?;
    let after = at.duration_since(leaked);
    println!("and {} ms after the first clear card", after.as_millis());
    ensure!(after.as_secs() < 5, "{after}");
    for (pointer, expected) in [
        ("/kind", "mask_drift"),
        ("/location/field", "$.refunds[0].card"),
        ("/flow/operation", "POST /v1/refunds"),
        ("/before/state", "masked"),
        ("/after/state", "clear"),
        ("/policy/rule", "cards-leave-masked"),
    ] {
        ensure!(text(pointer) == expected, "{pointer}: {finding:#}");
    }
    ensure!(text("/source/workload/name").ends_with("node"), "{finding:#}");
    ensure!(
        text("/destination/workload/name").ends_with("nginx"),
        "{finding:#}"
    );
    ensure!(finding["before"]["coverage"] == 1.0, "{finding:#}");

    let ended = running.end(PATIENCE).with_context(all)?;
    ensure!(
        ended.status.success(),
        "{}\n{}\n{}",
        ended.status,
        all(),
        ended.stderr
    );
    ensure!(said(2).contains("auditor policy ended with 0"), "{}", said(2));
    let whole = said(3);
    ensure!(whole.contains("auditor coverage ended with 0"), "{whole}");
    let lines = fields(&whole);
    ensure!(
        lines.len() == 2 && lines.iter().all(|line| line.trim_start().starts_with("100.0%")),
        "{whole}"
    );
    ensure!(whole.contains("\nSearched "), "{whole}");
    let broken = said(5);
    ensure!(
        broken.contains("why      cards/cards-leave-masked is more specific than cards/cards-come-in"),
        "{broken}"
    );
    ensure!(broken.contains("auditor coverage ended with 1"), "{broken}");
    ensure!(
        fields(&broken)
            .first()
            .is_some_and(|line| line.contains("POST /v1/refunds") && line.contains("$.refunds[*].card")),
        "{broken}"
    );
    let fixed = said(6);
    ensure!(fixed.contains("auditor coverage ended with 0"), "{fixed}");
    ensure!(
        fixed
            .lines()
            .any(|line| line.starts_with("100.0% of what could be masked")),
        "{fixed}"
    );
    Ok(())
}
