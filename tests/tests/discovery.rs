//! Libraries are found when they are mapped, wherever their file is, and let go when nobody uses them.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    message,
    peers::{PYTHON, Server, gated, program},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};

/// How long a program waits from mapping its library to using it. The goal is 50 ms; the rest is for a
/// machine that has other things to do.
const PAUSE: Duration = Duration::from_millis(400);

fn order(card: &str) -> String {
    format!(r#"{{"card":{{"number":"{card}"}}}}"#)
}

/// A folder with a copy of the host's libssl: another file, which nobody knows.
fn copied_library(scratch: &Scratch) -> anyhow::Result<PathBuf> {
    let folder = scratch.path("lib");
    fs::create_dir_all(&folder)?;
    fs::copy(
        "/usr/lib/x86_64-linux-gnu/libssl.so.3",
        folder.join("libssl.so.3"),
    )?;
    Ok(folder)
}

fn late(scratch: &Scratch, port: u16, card: &str) -> anyhow::Result<Running> {
    let request = scratch.file("request", message::post_json("/v1/orders", &order(card)))?;
    Running::start(
        Command::new(PYTHON)
            .arg(program("late.py"))
            .arg(port.to_string())
            .args([scratch.ready(), request])
            .arg(PAUSE.as_secs_f64().to_string())
            .env("LD_LIBRARY_PATH", copied_library(scratch)?),
    )
}

#[test]
fn a_library_that_is_mapped_late_is_hooked_before_its_first_request() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let client = late(&scratch, server.port, &card)?;
    let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
    client.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    ensure!(leak["sample"] == values::card_sample(&card), "{leak:#}");
    ensure!(leak["location"]["field"] == "$.card.number", "{leak:#}");
    Ok(())
}

/// The value of a line of the metrics page.
fn metric(page: &str, name: &str) -> Option<f64> {
    page.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn the_time_from_mapping_to_hooked_is_measured() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let client = late(&scratch, server.port, &values::card())?;
    let daemon = Daemon::start(&scratch, &[client.pid()], &[])?;
    fs::write(scratch.ready(), "")?;
    client.succeed()?;
    let page = wait_for("the library to be hooked", LIMIT, || {
        let page = daemon.page("/metrics")?;
        let hooked = metric(&page, "auditor_hook_seconds_count").unwrap_or(0.0);
        Ok((hooked >= 1.0).then_some(page))
    })?;
    let sum = metric(&page, "auditor_hook_seconds_sum").context("no sum")?;
    let count = metric(&page, "auditor_hook_seconds_count").context("no count")?;
    println!(
        "discovery: {count} files, {:.1} ms each from mapping to hooked",
        sum / count * 1e3
    );
    ensure!(sum / count < PAUSE.as_secs_f64(), "{sum} s for {count} files");
    daemon.stop().map(drop)
}

/// Copies a program with all it needs below `root`.
fn copy_with_libraries(program: &Path, root: &Path) -> anyhow::Result<()> {
    let listed = process::output("ldd", &[program.as_os_str()])?;
    let mut files: BTreeSet<PathBuf> = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect();
    files.insert(program.to_owned());
    for file in files {
        let to = root.join(file.strip_prefix("/")?);
        fs::create_dir_all(to.parent().context("no folder")?)?;
        fs::copy(&file, to)?;
    }
    Ok(())
}

#[test]
fn a_library_of_another_root_and_mount_namespace_is_hooked() -> anyhow::Result<()> {
    use std::io::Write as _;
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let root = scratch.path("root");
    copy_with_libraries(Path::new("/usr/bin/openssl"), &root)?;
    let (root, address) = (root.display().to_string(), format!("127.0.0.1:{}", server.port));
    let words = [
        "unshare",
        "--mount",
        "chroot",
        &root,
        "/usr/bin/openssl",
        "s_client",
        "-quiet",
        "-connect",
        &address,
    ];
    let mut client = gated(&scratch, &words.map(OsStr::new))?;
    let pid = client.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    wait_for("the program to map its library", LIMIT, || {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let inside = fs::read_link(format!("/proc/{pid}/root")).unwrap_or_default();
        Ok((inside != Path::new("/") && maps.contains("/libssl.so")).then_some(()))
    })?;
    // As late.py waits.
    thread::sleep(PAUSE);
    let card = values::card();
    let mut input = client.stdin().context("no standard input")?;
    input.write_all(&message::post_json("/v1/orders", &order(&card)))?;
    wait_for("the answer", LIMIT, || {
        Ok(client.said(&["accepted"]).then_some(()))
    })?;
    let report = watch.stop()?;
    drop(input);
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    ensure!(leak["sample"] == values::card_sample(&card), "{leak:#}");
    ensure!(leak["flow"]["captured_by"] == "openssl", "{leak:#}");
    Ok(())
}

/// A shell that runs curl and then Python, each for one request.
fn short_lives(scratch: &Scratch, port: u16, curl: &str, python: &str) -> anyhow::Result<Running> {
    let url = format!("https://127.0.0.1:{port}/v1/orders");
    let body = scratch.file("curl.json", order(curl))?;
    let code = format!(
        "import ssl, urllib.request as r\n\
         c = ssl._create_unverified_context()\n\
         r.urlopen(r.Request('{url}', b'{}', {{'Content-Type': 'application/json'}}), context=c).read()",
        order(python)
    );
    let code = scratch.file("code", code)?;
    let script = format!(
        "curl --silent --insecure --http1.1 --max-time 60 --json @{} {url} && {PYTHON} -c \"$(cat {})\"",
        body.display(),
        code.display()
    );
    gated(scratch, &["sh", "-c", &script].map(OsStr::new))
}

#[test]
fn the_first_request_of_a_program_that_lives_for_a_moment_is_read() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let cards = [values::card(), values::card()];
    let shell = short_lives(&scratch, server.port, &cards[0], &cards[1])?;
    let watch = Watch::pids(&scratch, &[shell.pid()], &[])?;
    shell.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    let samples = report.samples();
    for card in cards {
        let sample = values::card_sample(&card);
        ensure!(samples.iter().any(|line| line.contains(&sample)), "{samples:?}");
    }
    Ok(())
}

#[test]
fn a_program_that_is_left_out_is_not_watched_and_others_are() -> anyhow::Result<()> {
    for excluded in ["curl", "/usr/bin/curl"] {
        let scratch = Scratch::new()?;
        let server = Server::tls(&scratch)?;
        let (left_out, watched) = (values::card(), values::card());
        let shell = short_lives(&scratch, server.port, &left_out, &watched)?;
        let watch = Watch::pids(&scratch, &[shell.pid()], &["--exclude", excluded])?;
        shell.succeed()?;
        let report = watch.stop()?;
        report.balanced()?;
        let leak = report.leak("payment_card")?;
        ensure!(
            leak["sample"] == values::card_sample(&watched),
            "{excluded}: {leak:#}"
        );
        let names: BTreeSet<&str> = report
            .findings
            .iter()
            .filter_map(|finding| finding["source"]["process"]["comm"].as_str())
            .collect();
        ensure!(!names.contains("curl"), "{excluded}: {names:?}");
    }
    Ok(())
}

#[test]
fn a_library_is_let_go_some_time_after_its_last_user() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let folder = copied_library(&scratch)?;
    let mut command = Command::new(PYTHON);
    command
        .arg(program("gate.py"))
        .args([&scratch.path("never"), &PathBuf::from("true")])
        .env("LD_LIBRARY_PATH", &folder);
    let user = Running::start(&mut command)?;
    let pid = user.pid();
    wait_for("the program to map its library", LIMIT, || {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        Ok(maps.contains(&*folder.to_string_lossy()).then_some(()))
    })?;
    let daemon = Daemon::start(
        &scratch,
        &[pid],
        &[("AUDITOR_CAPTURE__DETACH_AFTER_SECONDS", "1")],
    )?;
    let files = || -> anyhow::Result<Option<f64>> {
        let page = daemon.page("/metrics")?;
        Ok(metric(&page, r#"auditor_attached{library="openssl"}"#).filter(|files| *files > 0.0))
    };
    let before = wait_for("the libraries to be hooked", LIMIT, files)?;
    drop(user);
    let after = wait_for("the copy to be let go", LIMIT, || {
        Ok(files()?.filter(|files| *files < before))
    })?;
    ensure!(before - after == 1.0, "{before} files were hooked, then {after}");
    daemon.stop().map(drop)
}
