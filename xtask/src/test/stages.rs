//! The stages of `cargo xtask test`, one function each.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, ExitCode, Stdio},
};

use anyhow::Context as _;

use super::{Arguments, Tally, cargo_output};
use crate::{
    build::{self, Profile},
    deny as dependencies, fuzz as fuzzing, kube as cluster, process, protocols, proved, setup, tls_support,
    vm as machines,
};

/// Seconds each fuzz target gets.
const FUZZ_SECONDS: u32 = 60;
/// Native tests at the same time.
const NATIVE_THREADS: &str = "2";

pub(super) fn lint() -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let formatted = process::succeeds(process::cargo("fmt").args(["--all", "--check"]))?;
    tally.check(formatted, "cargo fmt: run `cargo fmt --all`");
    let clean = process::succeeds(process::cargo("clippy").args([
        "--workspace",
        "--all-targets",
        "--features",
        "auditor-tests/kube",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    tally.check(clean, "cargo clippy");
    Ok(tally)
}

pub(super) fn unit(arguments: &Arguments) -> anyhow::Result<Tally> {
    build::auditor(Profile::Dev)?;
    let mut cargo = process::cargo("test");
    cargo.args([
        "--workspace",
        "--exclude",
        "auditor-ebpf",
        "--exclude",
        "auditor-tests",
        "--no-fail-fast",
    ]);
    tests(&mut cargo, arguments, &[])
}

/// The scanner's NEON code next to its portable code, under emulation.
pub(super) fn neon(arguments: &Arguments) -> anyhow::Result<Tally> {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    setup::ensure(&[setup::Needs::Arm64])?;
    process::run(process::command("rustup").args(["target", "add", TARGET]))?;
    let mut cargo = process::cargo("test");
    cargo
        .args(["--manifest-path", "tests/neon/Cargo.toml", "--target", TARGET])
        .args(["--release", "--target-dir"])
        .arg(build::target_directory().join("neon"))
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
        )
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        );
    tests(&mut cargo, arguments, &[])
}

/// Pages of what native tests proved.
const PAGES: [&proved::Page; 2] = [&tls_support::PAGE, &protocols::PAGE];

/// The tests find the binary in `AUDITOR`, and `AUDITOR_TEST_FULL=1` asks for the long ones too.
pub(super) fn native(arguments: &Arguments) -> anyhow::Result<Tally> {
    if !super::can_load() {
        let mut tally = Tally::default();
        tally.skip("native: needs root, as auditor loads programs into the kernel".to_owned());
        return Ok(tally);
    }
    let auditor = build::auditor(Profile::Dev)?;
    let mut cargo = process::cargo("test");
    cargo
        .args(["--package", "auditor-tests", "--no-fail-fast"])
        .env("AUDITOR", auditor);
    // Only a whole run has all results.
    let is_whole = arguments.filter.is_none();
    for page in PAGES {
        if is_whole {
            page.clear()?;
        }
        cargo.env(page.variable, page.folder());
    }
    // Every test loads programs and starts peers of its own: more at once only wait for each other.
    let mut tally = tests(&mut cargo, arguments, &["--test-threads", NATIVE_THREADS])?;
    if is_whole {
        for page in PAGES {
            let code = page.run(&proved::Arguments { check: true })?;
            tally.check(code == ExitCode::SUCCESS, &format!("docs/{}.md", page.name));
        }
    }
    Ok(tally)
}

/// Starts etcd and a kube-apiserver for each test binary; both are built when they are missing.
pub(super) fn kube(arguments: &Arguments) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    if !super::can_load() {
        tally.skip("kube: needs root, as auditor loads programs into the kernel".to_owned());
        return Ok(tally);
    }
    let folder = match cluster::programs() {
        Ok(folder) => folder,
        Err(error) => {
            tally.skip(format!("kube: {error:#}"));
            return Ok(tally);
        }
    };
    let auditor = build::auditor(Profile::Dev)?;
    let mut cargo = process::cargo("test");
    cargo
        .args([
            "--package",
            "auditor-tests",
            "--features",
            "kube",
            "--no-fail-fast",
        ])
        .args(["--test", "kube_*"])
        .env("AUDITOR", auditor)
        .env("AUDITOR_KUBE", folder);
    tests(&mut cargo, arguments, &["--test-threads", NATIVE_THREADS])
}

/// Runs `cargo test`, passing its output on as it comes.
fn tests(cargo: &mut Command, arguments: &Arguments, harness: &[&str]) -> anyhow::Result<Tally> {
    if arguments.full {
        cargo.env("AUDITOR_TEST_FULL", "1");
    }
    cargo.args(&arguments.filter).arg("--").args(harness);
    let mut tally = Tally::default();
    let succeeded = lines(cargo, |line| cargo_output::read_line(&mut tally, line))?;
    if !succeeded && tally.failed == 0 {
        tally.fail(format!(
            "{}: did not build, or a test binary died",
            process::shown(cargo)
        ));
    }
    Ok(tally)
}

/// The programs of tests/detect say `ok NAME` or `FAILED NAME: why`, like deploy/test.sh.
pub(super) fn detect(arguments: &Arguments) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let auditor = build::auditor(Profile::Dev)?;
    for program in ["evaluate", "rates", "oracle", "plans"] {
        let mut command = process::command(setup::python::interpreter()?);
        command
            .arg(format!("tests/detect/{program}.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        if program != "plans" {
            command
                .args(["--seed", &arguments.seed.to_string(), "--auditor"])
                .arg(&auditor);
        }
        let failed = tally.failed;
        let succeeded = lines(&mut command, |line| read_check(&mut tally, "detect", line))?;
        if !succeeded && tally.failed == failed {
            tally.fail(format!("detect: {program}.py ended with an error"));
        }
    }
    Ok(tally)
}

/// deploy/test.sh says `ok NAME`, `FAILED NAME` or `skipped NAME: why`.
pub(super) fn deploy() -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let script = process::root().join("deploy/test.sh");
    if !script.is_file() {
        tally.skip("deploy: there is no deploy/test.sh".to_owned());
        return Ok(tally);
    }
    let mut command = process::command("sh");
    command.arg(&script).env("AUDITOR", build::auditor(Profile::Dev)?);
    let succeeded = lines(&mut command, |line| read_check(&mut tally, "deploy", line))?;
    if !succeeded && tally.failed == 0 {
        tally.fail("deploy/test.sh ended with an error".to_owned());
    }
    Ok(tally)
}

/// Adds what a line of a stage that is a script says.
fn read_check(tally: &mut Tally, stage: &str, line: &str) {
    match line.split_once(' ') {
        Some(("ok", _)) => tally.passed += 1,
        Some(("FAILED", name)) => tally.fail(format!("{stage}: {}", name.trim())),
        Some(("skipped", name)) => tally.skip(format!("{stage}: {}", name.trim())),
        _ => {}
    }
}

pub(super) fn vm(arguments: &Arguments) -> anyhow::Result<Tally> {
    setup::ensure(&[setup::Needs::Vm])?;
    let machines = machines::check(&machines::Arguments::with_filter(
        arguments.filter.as_deref().unwrap_or_default(),
    ));
    Ok(machines::tally(
        &machines.context("leave this stage out with --skip vm")?,
    ))
}

pub(super) fn deny() -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    tally.check(dependencies::check()?, "cargo deny");
    Ok(tally)
}

pub(super) fn fuzz(arguments: &Arguments) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let targets = fuzzing::targets(arguments.filter.as_deref())?;
    if targets.is_empty() {
        tally.skip("fuzz: there is no target of that name in tests/fuzz".to_owned());
    }
    for target in &targets {
        let clean = fuzzing::run_target(target, FUZZ_SECONDS)?;
        tally.check(
            clean,
            &format!("fuzz {target}: the input is in tests/fuzz/artifacts"),
        );
    }
    Ok(tally)
}

/// Runs a program, passing on and reading its standard output line by line; says whether it succeeded.
fn lines(command: &mut Command, mut on_line: impl FnMut(&str)) -> anyhow::Result<bool> {
    let shown = process::shown(command);
    eprintln!("$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("can not start {shown}"))?;
    let output = child.stdout.take().context("no standard output")?;
    let mut stdout = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")?;
        on_line(String::from_utf8_lossy(&line).trim_end());
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_deploy_check_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "ok      alert rules",
            "FAILED  unit file",
            "        line 3: x",
            "skipped manifests: no kubectl",
        ] {
            read_check(&mut tally, "deploy", line);
        }
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(tally.reasons, ["deploy: manifests: no kubectl"]);
    }
}
