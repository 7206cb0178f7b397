//! What is wrong is said in one sentence on standard error, with what, where and what to do; the exit code is 2.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use auditor_tests::{
    daemon::{self, Daemon},
    peers::Server,
    process::{self, LIMIT, Running, output},
    scratch::{Scratch, free_port},
};

/// Runs a command that has to fail with exit code 2 and one line that names all of `words`.
fn refused(command: &mut Command, words: &[&str]) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    let ended = Running::start(command)?.end(LIMIT)?;
    let said = ended.stderr.trim_end();
    println!("{said}");
    ensure!(
        ended.status.code() == Some(2),
        "{shown} ended with {}: {said}",
        ended.status
    );
    ensure!(said.lines().count() == 1, "{shown}: not one line:\n{said}");
    ensure!(
        !ended.stdout.contains("auditor."),
        "{shown} printed {}",
        ended.stdout
    );
    ensure!(
        said.len() < 400,
        "{shown}: {} characters are no clear sentence: {said}",
        said.len()
    );
    for word in words {
        ensure!(said.contains(word), "{shown}: {word:?} is not in: {said}");
    }
    Ok(())
}

fn auditor(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(process::auditor()?);
    command.args(arguments);
    Ok(command)
}

/// A copy of the binary that everybody may run.
fn for_everybody(scratch: &Scratch) -> anyhow::Result<PathBuf> {
    let path = scratch.path("auditor");
    fs::copy(process::auditor()?, &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn setpriv(options: &[&str], auditor: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(options).arg(auditor).args(arguments);
    command
}

#[test]
fn a_process_that_is_not_there_is_named() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    let gone = Running::start(&mut Command::new("true"))?;
    let pid = gone.pid().to_string();
    gone.succeed()?;
    refused(&mut auditor(&["watch", "--pid", &pid])?, &[&pid])
}

#[test]
fn a_cgroup_that_is_not_there_is_named() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    refused(
        &mut auditor(&["watch", "--cgroup", "/no/such.slice"])?,
        &["/no/such.slice"],
    )
}

#[test]
fn a_container_that_is_not_there_is_named() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    refused(
        &mut auditor(&["watch", "--container", "0123456789abcdef"])?,
        &["0123456789abcdef"],
    )
}

#[test]
fn watching_nothing_is_an_error() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    refused(&mut auditor(&["watch"])?, &["--pid", "--cgroup"])
}

#[test]
fn flags_that_make_no_sense_are_named() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    let cases: [(&[&str], &str); 7] = [
        (&["watch", "--pid", "twelve"], "--pid"),
        (&["watch", "--no-such-flag"], "--no-such-flag"),
        (&["watch", "--pid", "1", "--format", "xml"], "--format"),
        (&["watch", "--pid", "1", "--duration", "soon"], "--duration"),
        (&["watch", "--pid", "1", "--ring-bytes", "1000"], "--ring-bytes"),
        (
            &["watch", "--pid", "1", "--max-call-bytes", "0"],
            "--max-call-bytes",
        ),
        (&["no-such-command"], "no-such-command"),
    ];
    for (arguments, word) in cases {
        refused(&mut auditor(arguments)?, &[word])?;
    }
    Ok(())
}

#[test]
fn a_command_that_is_not_there_is_named() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    refused(
        &mut auditor(&["watch", "--", "/no/such/program"])?,
        &["/no/such/program"],
    )
}

#[test]
fn an_output_that_cannot_be_written_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let pid = server.pid().to_string();
    refused(
        &mut auditor(&["watch", "--pid", &pid, "--output", "/no/such/file"])?,
        &["/no/such/file"],
    )
}

#[test]
fn whoever_is_not_root_is_told_what_is_missing() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let pid = server.pid().to_string();
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    refused(
        &mut setpriv(&nobody, &for_everybody(&scratch)?, &["watch", "--pid", &pid]),
        &["CAP_BPF", "root"],
    )
}

#[test]
fn a_missing_capability_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let pid = server.pid().to_string();
    let path = for_everybody(&scratch)?;
    for (dropped, name) in [
        ("-bpf,-sys_admin", "CAP_BPF"),
        ("-perfmon,-sys_admin", "CAP_PERFMON"),
    ] {
        let options = ["--bounding-set", dropped, "--inh-caps", dropped];
        refused(&mut setpriv(&options, &path, &["watch", "--pid", &pid]), &[name])?;
    }
    Ok(())
}

#[test]
fn a_kernel_without_btf_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let script = format!(
        "mount -t tmpfs none /sys/kernel/btf && exec {} watch --pid {}",
        process::auditor()?.display(),
        server.pid()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    refused(&mut command, &["/sys/kernel/btf/vmlinux"])
}

#[test]
fn a_tracefs_that_is_not_mounted_hurts_nobody() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let script = format!(
        "mount -t tmpfs none /sys/kernel/tracing; mount -t tmpfs none /sys/kernel/debug; \
         exec {} watch --format json --duration 1s --pid {}",
        process::auditor()?.display(),
        server.pid()
    );
    let unshare = ["--mount", "--propagation", "private", "sh", "-c", &script];
    let ended = Running::start(Command::new("unshare").args(unshare))?.end(LIMIT)?;
    let said = ended.stderr.trim_end();
    // Needed or not: either it works, or one sentence says so.
    match ended.status.code() {
        Some(0) => ensure!(ended.stdout.contains("auditor.summary/v1"), "{}", ended.stdout),
        Some(2) => ensure!(said.lines().count() == 1 && said.contains("tracefs"), "{said}"),
        _ => anyhow::bail!("{}: {said}", ended.status),
    }
    Ok(())
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused_and_the_first_lives_on() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let first = Daemon::start(&scratch, &[server.pid()], &[])?;
    let (file, ..) = daemon::configuration(&scratch, "second", &[server.pid()], free_port()?)?;
    let text = fs::read_to_string(&file)?.replace("second.sock", "daemon.sock");
    let file = scratch.file("second.yaml", text)?.display().to_string();
    refused(&mut auditor(&["run", "--config", &file])?, &["daemon.sock"])?;
    ensure!(first.page("/readyz")?.starts_with("HTTP/1.1 200"));
    first.stop().map(drop)
}

#[test]
fn a_port_that_is_taken_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let (file, ..) = daemon::configuration(&scratch, "daemon", &[server.pid()], port)?;
    refused(
        &mut auditor(&["run", "--config", &file.display().to_string()])?,
        &[&port.to_string()],
    )
}

#[test]
fn a_configuration_that_is_wrong_is_named_with_its_key() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let cases = [
        ("scope:\n  pids: [1]\nserve:\n  htp: 127.0.0.1:1\n", "serve.htp"),
        (
            "scope:\n  pids: [1]\ncapture:\n  ring_bytes: 1000\n",
            "capture.ring_bytes",
        ),
        ("scope: {}\n", "scope"),
        ("scope: [\n", "daemon.yaml"),
    ];
    for (text, word) in cases {
        let file = scratch.file("daemon.yaml", text)?.display().to_string();
        refused(&mut auditor(&["run", "--config", &file])?, &[word])?;
    }
    refused(
        &mut auditor(&["run", "--config", "/no/such.yaml"])?,
        &["/no/such.yaml"],
    )
}

#[test]
fn a_file_that_may_not_be_read_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let path = for_everybody(&scratch)?;
    let file = scratch.file("secret.yaml", "scope:\n  pids: [1]\n")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let file = file.display().to_string();
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    refused(
        &mut setpriv(&nobody, &path, &["run", "--config", &file]),
        &["secret.yaml"],
    )?;
    refused(&mut setpriv(&nobody, &path, &["scan", &file]), &["secret.yaml"])?;
    refused(&mut auditor(&["scan", "/no/such/file"])?, &["/no/such/file"])
}

#[test]
fn a_socket_without_a_daemon_is_named() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    refused(
        &mut auditor(&["tail", "--socket", "/no/such.sock"])?,
        &["/no/such.sock"],
    )
}

#[test]
fn help_and_version_are_no_errors() -> anyhow::Result<()> {
    let _scratch = Scratch::new()?;
    for argument in ["--help", "--version"] {
        ensure!(output(process::auditor()?, &[argument.as_ref()])?.contains("auditor"));
    }
    Ok(())
}
