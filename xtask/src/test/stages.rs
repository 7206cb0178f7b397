//! The stages of `cargo xtask test`, one function each.

use std::{
    io::{self, BufRead as _, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::Context as _;

use super::{
    Arguments, Tally,
    built::{Built, Targets, TestBinary},
    cargo_output,
};
use crate::{
    build, deny as dependencies, fuzz as fuzzing, kube as cluster, process, protocols, proved, setup,
    tls_support, vm as machines,
};

/// Seconds each fuzz target gets.
const FUZZ_SECONDS: u32 = 60;
/// The folder of the package whose tests run the real binary against real programs.
const NATIVE: &str = "tests";
/// How those among them begin that need a kube-apiserver.
const KUBE: &str = "kube_";
/// Native tests of a binary at the same time.
const NATIVE_THREADS: [&str; 2] = ["--test-threads", "2"];
/// Native test binaries that mostly wait, for clocks, receivers and each other, the longest first: two of them run at a time.
const WAITING: [&str; 9] = [
    "chaos",
    "reload",
    "masking_disk",
    "hung_thread",
    "identity",
    "guide",
    "masking",
    "sinks",
    "lost_thread",
];

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
    let built = Built::new(Targets::All)?;
    let tests = built.tests().iter().filter(|test| !test.is_of(NATIVE));
    run_tests(tests, arguments, &[], &|_| {})
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
    read_tests(&mut cargo, arguments, &[], &mut io::stdout().lock())
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
    let built = Built::new(Targets::All)?;
    // Only a whole run has all results.
    let is_whole = arguments.filter.is_none();
    if is_whole {
        for page in PAGES {
            page.clear()?;
        }
    }
    let tests = built
        .tests()
        .iter()
        .filter(|test| test.is_of(NATIVE) && !test.name.starts_with(KUBE));
    let place = |test: &&TestBinary| WAITING.iter().position(|name| *name == test.name);
    let (mut waiting, others): (Vec<_>, Vec<_>) = tests.partition(|test| place(test).is_some());
    waiting.sort_by_key(place);
    // Chaos has a cluster where there can be one.
    let servers = cluster::programs();
    let prepare = |test: &mut Command| {
        test.env("AUDITOR", built.program("auditor"));
        if let Ok(servers) = &servers {
            test.env("AUDITOR_KUBE", servers);
        }
        for page in PAGES {
            test.env(page.variable, page.folder());
        }
    };
    let mut tally = run_two_at_a_time(&waiting, arguments, &NATIVE_THREADS, &prepare)?;
    // Every test loads programs and starts peers of its own: more at once only wait for each other.
    tally += run_tests(others.into_iter(), arguments, &NATIVE_THREADS, &prepare)?;
    if let Err(error) = servers {
        tally.skip(format!("native: pods and API server of chaos: {error:#}"));
    }
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
    let built = Built::new(Targets::Tests("kube_*"))?;
    let tests = built.tests().iter().filter(|test| test.name.starts_with(KUBE));
    run_tests(tests, arguments, &NATIVE_THREADS, &|test| {
        test.env("AUDITOR", built.program("auditor"))
            .env("AUDITOR_KUBE", &folder);
    })
}

/// Runs test binaries one after the other, each as `prepare` leaves its command.
fn run_tests<'a>(
    tests: impl Iterator<Item = &'a TestBinary>,
    arguments: &Arguments,
    harness: &[&str],
    prepare: Prepare<'_>,
) -> anyhow::Result<Tally> {
    let mut total = Tally::default();
    for test in tests {
        total += run_test(test, arguments, harness, prepare, &mut io::stdout().lock())?;
    }
    Ok(total)
}

/// The same, two at a time. What one says is shown once it has ended.
fn run_two_at_a_time(
    tests: &[&TestBinary],
    arguments: &Arguments,
    harness: &[&str],
    prepare: Prepare<'_>,
) -> anyhow::Result<Tally> {
    let left = Mutex::new(tests.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut total = Tally::default();
        while let Some(test) = next() {
            let mut said = Vec::new();
            let tally = run_test(test, arguments, harness, prepare, &mut said);
            io::stdout().lock().write_all(&said)?;
            total += tally?;
        }
        anyhow::Ok(total)
    };
    thread::scope(|scope| {
        let other = scope.spawn(run);
        let mut total = run()?;
        total += other
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(total)
    })
}

/// What the command of a test is given besides.
type Prepare<'a> = &'a (dyn Fn(&mut Command) + Sync);

fn run_test(
    test: &TestBinary,
    arguments: &Arguments,
    harness: &[&str],
    prepare: Prepare<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<Tally> {
    let mut command = test.command();
    prepare(&mut command);
    writeln!(out, "-- {}: {}", package(test), test.name)?;
    let start = Instant::now();
    let tally = read_tests(&mut command, arguments, harness, out)?;
    let time = super::shown(start.elapsed());
    writeln!(out, "-- {}: {tally} in {time}", test.name)?;
    Ok(tally)
}

fn package(test: &TestBinary) -> String {
    let name = test.package.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Runs a test binary, or cargo with one, passing its output on as it comes.
fn read_tests(
    command: &mut Command,
    arguments: &Arguments,
    harness: &[&str],
    out: &mut dyn Write,
) -> anyhow::Result<Tally> {
    // `AUDITOR_TEST_FULL=1` asks for the long tests too.
    if arguments.full {
        command.env("AUDITOR_TEST_FULL", "1");
    }
    command.args(&arguments.filter).args(harness);
    let mut tally = Tally::default();
    let succeeded = lines(command, out, |line| cargo_output::read_line(&mut tally, line))?;
    if !succeeded && tally.failed == 0 {
        tally.fail(format!("{}: did not build, or died", process::shown(command)));
    }
    Ok(tally)
}

/// The programs of tests/detect say `ok NAME` or `FAILED NAME: why`, like deploy/test.sh.
pub(super) fn detect(arguments: &Arguments) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let auditor = Built::new(Targets::Programs)?.program("auditor");
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
        let out = &mut io::stdout().lock();
        let succeeded = lines(&mut command, out, |line| read_check(&mut tally, "detect", line))?;
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
    command
        .arg(&script)
        .env("AUDITOR", Built::new(Targets::Programs)?.program("auditor"));
    let out = &mut io::stdout().lock();
    let succeeded = lines(&mut command, out, |line| read_check(&mut tally, "deploy", line))?;
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
fn lines(command: &mut Command, out: &mut dyn Write, mut on_line: impl FnMut(&str)) -> anyhow::Result<bool> {
    let shown = process::shown(command);
    eprintln!("$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("can not start {shown}"))?;
    let output = child.stdout.take().context("no standard output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        out.write_all(&line)?;
        out.write_all(b"\n")?;
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
