//! Targets that die, fork, change, or lose their library: auditor ends in order, and the account balances.

use std::{ffi::OsStr, fs, io::Write as _, net::TcpStream, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    peers::{self, Client, Nginx, PYTHON, Server, gated},
    process::{LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
    values,
    watch::Watch,
};
use rustix::process::Signal;

fn order(card: &str) -> Vec<u8> {
    message::post_json("/v1/orders", &format!(r#"{{"card_number":"{card}"}}"#))
}

#[test]
fn a_target_that_is_killed_in_the_middle_of_a_transfer_is_accounted() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let large = message::post_json(
            "/v1/large",
            &format!(r#"{{"note":"{}"}}"#, message::words(4 << 20)),
        );
        let messages = [order(&values::card()), large];
        let more = ["--forever", "--write", "65536"];
        let mut client = if tls {
            Client::tls(&scratch, server.port, &messages, &more)?
        } else {
            Client::plain(&scratch, server.port, &messages, &more)?
        };
        let pid = client.pid();
        let watch = Watch::pids(&scratch, &[pid], &[])?;
        // Some megabytes are on their way before it dies.
        client.has_sent(20 << 20)?;
        client.running.signal(Signal::KILL)?;
        let report = watch.ended()?;
        report.balanced()?;
        ensure!(
            report.count("payment_card") > 0,
            "tls {tls}: {:?}",
            report.samples()
        );
        ensure!(
            report.bytes(if tls { "tls" } else { "socket" }, "moved") > 15 << 20,
            "tls {tls}"
        );
    }
    Ok(())
}

#[test]
fn a_server_that_is_killed_is_accounted() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut server = Server::tls(&scratch)?;
    let messages = [order(&values::card())];
    let client = Client::tls(&scratch, server.port, &messages, &["--forever"])?;
    let watch = Watch::pids(&scratch, &[server.pid()], &[])?;
    client.has_sent(1 << 16)?;
    server.signal(Signal::KILL)?;
    let report = watch.ended()?;
    report.balanced()?;
    ensure!(report.count("payment_card") > 0, "{:?}", report.samples());
    drop(client);
    Ok(())
}

#[test]
fn a_child_that_was_forked_is_watched_too() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let words = peers::client_words(&scratch, "child", server.port, &[order(&card)], &["--tls"])?;
    let program = "import os, sys\npid = os.fork()\nif pid == 0:\n    os.execv(sys.argv[1], sys.argv[1:])\n\
                   sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let mut all: Vec<&OsStr> = [PYTHON, "-c", program].map(OsStr::new).to_vec();
    all.extend(words.iter().map(OsStr::new));
    let parent = gated(&scratch, &all)?;
    let pid = parent.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    parent.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    ensure!(leak["sample"] == values::card_sample(&card), "{leak:#}");
    ensure!(
        leak["source"]["process"]["pid"] != pid,
        "the child sent it: {leak:#}"
    );
    ensure!(
        report.bytes("tls", "moved") == server.counts()?.total(),
        "{:?}",
        report.account("tls")
    );
    Ok(())
}

#[test]
fn a_fork_without_exec_keeps_its_connection() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let (before, after) = (values::card(), values::card());
    let first = scratch.file("first.http", order(&before))?;
    let second = scratch.file("second.http", order(&after))?;
    let program = "import os, socket, sys\n\
                   stream = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
                   stream.sendall(open(sys.argv[2], 'rb').read()); stream.recv(65536)\n\
                   pid = os.fork()\n\
                   if pid == 0:\n    \
                       stream.sendall(open(sys.argv[3], 'rb').read()); stream.recv(65536); os._exit(0)\n\
                   sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let port = server.port.to_string();
    let words = [
        PYTHON.as_ref(),
        "-c".as_ref(),
        program.as_ref(),
        port.as_ref(),
        first.as_os_str(),
        second.as_os_str(),
    ];
    let parent = gated(&scratch, &words)?;
    let watch = Watch::pids(&scratch, &[parent.pid()], &[])?;
    parent.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    ensure!(report.count("payment_card") == 2, "{:?}", report.samples());
    ensure!(
        report.bytes("socket", "moved") == server.counts()?.total(),
        "{:?}",
        report.account("socket")
    );
    Ok(())
}

#[test]
fn a_target_that_becomes_another_program_is_watched_on() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let card = values::card();
    let body = scratch.file("order.json", format!(r#"{{"card_number":"{card}"}}"#))?;
    let (data, url) = (
        format!("@{}", body.display()),
        format!("https://localhost:{}/v1/orders?n=[1-1000]", server.port),
    );
    // A shell, which has no TLS library, becomes curl, which has one.
    let ready = scratch.ready().display().to_string();
    let script = format!("until [ -e {ready} ]; do read -t 0.01 x <> <(:); done; exec \"$@\"");
    let curl = [
        "curl",
        "--silent",
        "--insecure",
        "--http1.1",
        "--max-time",
        "60",
        "--json",
        &data,
        &url,
    ];
    let shell = Running::start(Command::new("bash").args(["-c", &script, "bash"]).args(curl))?;
    let pid = shell.pid();
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    shell.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    // The library is hooked while curl runs: its first requests may be missed, not those that follow.
    let leak = report.leak("payment_card")?;
    println!(
        "{} of 1000 requests of a program that was just started",
        leak["count"]
    );
    ensure!(leak["source"]["process"]["pid"] == pid, "{leak:#}");
    ensure!(
        leak["source"]["process"]["exe"]
            .as_str()
            .is_some_and(|exe| exe.ends_with("curl")),
        "{leak:#}"
    );
    Ok(())
}

#[test]
fn a_connection_that_is_reset_is_accounted() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        // Half a message, and then a reset.
        let mut half = order(&values::card());
        half.truncate(half.len() - 1);
        let more = ["--close-early", "--answers", "0"];
        let client = if tls {
            Client::tls(&scratch, server.port, &[half], &more)?
        } else {
            Client::plain(&scratch, server.port, &[half], &more)?
        };
        let watch = Watch::pids(&scratch, &[client.pid(), server.pid()], &[])?;
        let sent = client.counts()?;
        let report = watch.stop()?;
        report.balanced()?;
        let moved = report.bytes(if tls { "tls" } else { "socket" }, "moved");
        ensure!(moved >= sent.sent, "tls {tls}: moved {moved}, sent {sent:?}");
        ensure!(
            report.count("payment_card") > 0,
            "tls {tls}: {:#}",
            report.summary["account"]
        );
    }
    Ok(())
}

#[test]
fn a_library_that_is_replaced_while_in_use_is_read_on() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.path("lib");
    fs::create_dir(&folder)?;
    let copy = folder.join("libssl.so.3");
    fs::copy(peers::libssl()?, &copy)?;
    let server = Server::tls(&scratch)?;
    let (first, second) = (values::card(), values::card());
    let early = scratch.file("early.http", message::get("/"))?;
    let opened = scratch.path("opened");
    let more = [
        "--tls",
        "--early",
        path(&early)?,
        "--opened",
        path(&opened)?,
        "--gate",
        path(&scratch.ready())?,
    ]
    .map(str::to_owned);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let words = peers::client_words(&scratch, "old", server.port, &[order(&first)], &more)?;
    let old = Running::start(
        Command::new(&words[0])
            .args(&words[1..])
            .env("LD_LIBRARY_PATH", &folder),
    )?;
    wait_for("the connection", LIMIT, || Ok(opened.exists().then_some(())))?;
    // As a package manager does: a new file under the old name.
    let new = folder.join("libssl.so.3.new");
    fs::copy(&copy, &new)?;
    fs::rename(&new, &copy)?;
    let go = scratch.path("go");
    let words = peers::client_words(
        &scratch,
        "new",
        server.port,
        &[order(&second)],
        &["--tls", "--gate", path(&go)?],
    )?;
    let young = Running::start(
        Command::new(&words[0])
            .args(&words[1..])
            .env("LD_LIBRARY_PATH", &folder),
    )?;
    let watch = Watch::pids(&scratch, &[old.pid(), young.pid()], &[])?;
    old.succeed()?;
    fs::write(&go, "")?;
    young.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    ensure!(
        report.count("payment_card") == 2,
        "{:?} {:#}",
        report.samples(),
        report.summary["attached"]
    );
    ensure!(report.bytes("tls", "moved") > 0);
    Ok(())
}

#[test]
fn a_library_that_is_replaced_during_the_capture_is_hooked_again() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.path("lib");
    fs::create_dir(&folder)?;
    let copy = folder.join("libssl.so.3");
    fs::copy(peers::libssl()?, &copy)?;
    let server = Server::tls(&scratch)?;
    let new = folder.join("libssl.so.3.new");
    let words = peers::client_words(
        &scratch,
        "client",
        server.port,
        &[order(&values::card())],
        &["--tls", "--repeat", "3000"],
    )?;
    // One shell runs the client, replaces the library, and runs the client again.
    let script = "\"$@\" && cp \"$LIB\" \"$LIB.new\" && mv \"$LIB.new\" \"$LIB\" && \"$@\"";
    let mut all: Vec<&OsStr> = ["env", "bash", "-c", script, "bash"].map(OsStr::new).to_vec();
    let (library, search) = (
        format!("LIB={}", path(&copy)?),
        format!("LD_LIBRARY_PATH={}", path(&folder)?),
    );
    all.splice(1..1, [OsStr::new(&library), OsStr::new(&search)]);
    all.extend(words.iter().map(OsStr::new));
    let shell = gated(&scratch, &all)?;
    let watch = Watch::pids(&scratch, &[shell.pid()], &[])?;
    shell.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    ensure!(!new.exists());
    // Each is hooked while the program runs: the first requests may be missed, not those that follow.
    let found = report.count("payment_card");
    println!("{found} of 6000 requests with two libraries that were just mapped");
    ensure!(
        found > 3000,
        "{found} of 6000 cards: {:#}",
        report.summary["attached"]
    );
    Ok(())
}

#[test]
fn new_keys_and_renegotiation_in_the_middle_of_a_connection_change_nothing() -> anyhow::Result<()> {
    for (version, command) in [("-tls1_2", "R\n"), ("-tls1_3", "K\n"), ("-tls1_3", "k\n")] {
        let scratch = Scratch::new()?;
        let pem = scratch.certificate()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut server = Command::new("openssl");
        server
            .args([
                "s_server",
                "-quiet",
                "-client_renegotiation",
                "-accept",
                &address,
                "-cert",
            ])
            .arg(&pem);
        let server = Running::with_input(&mut server)?;
        wait_for("s_server to listen", LIMIT, || {
            Ok(TcpStream::connect(&address).ok())
        })?;
        let words = ["openssl", "s_client", version, "-connect", &address].map(OsStr::new);
        let mut client = gated(&scratch, &words)?;
        let watch = Watch::pids(&scratch, &[client.pid(), server.pid()], &[])?;
        let mut input = client.stdin().context("no standard input")?;
        let (first, second) = (order(&values::card()), order(&values::card()));
        input.write_all(&first)?;
        wait_for("the first order", LIMIT, || {
            Ok(server.printed(first.len()).then_some(()))
        })?;
        // A line by itself, or s_client takes it for data.
        input.write_all(command.as_bytes())?;
        wait_for("s_client to act", LIMIT, || {
            Ok(client.said(&["RENEGOTIATING", "KEYUPDATE"]).then_some(()))
        })?;
        input.write_all(&second)?;
        wait_for("the second order", LIMIT, || {
            Ok(server.printed(first.len() + second.len()).then_some(()))
        })?;
        let report = watch.stop()?;
        report.balanced()?;
        ensure!(
            report.count("payment_card") == 2,
            "{version} {command}: {:?}",
            report.samples()
        );
        let moved = i64::try_from(2 * (first.len() + second.len()))?;
        ensure!(
            report.bytes("tls", "moved") == moved,
            "{version} {command}: {:?}",
            report.account("tls")
        );
    }
    Ok(())
}

#[test]
fn auditor_that_is_killed_leaves_its_targets_alone() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let nginx = Nginx::start(&scratch, server.port)?;
    let messages = vec![order(&values::card()); 200];
    let client = Client::tls(&scratch, nginx.port, &messages, &[])?;
    let mut watch = Watch::pids(&scratch, &[&nginx.pids[..], &[client.pid()]].concat(), &[])?;
    watch.signal(Signal::KILL)?;
    let sent = client.counts()?;
    ensure!(nginx.counts(200)?.received == sent.sent);
    Ok(())
}

#[test]
fn many_short_lives_leave_nothing_behind() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let body = scratch.file("order.json", format!(r#"{{"card_number":"{}"}}"#, values::card()))?;
    let (data, url) = (
        format!("@{}", body.display()),
        format!("http://127.0.0.1:{}/v1/orders", server.port),
    );
    let script = "for i in $(seq 60); do \"$@\" || exit 1; done";
    let curl = [
        "curl",
        "--silent",
        "--fail",
        "--output",
        "/dev/null",
        "--max-time",
        "30",
        "--json",
        &data,
        &url,
    ];
    let words = [&["bash", "-c", script, "bash"][..], &curl].concat();
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let shell = gated(&scratch, &words)?;
    let watch = Watch::pids(&scratch, &[shell.pid()], &[])?;
    shell.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    ensure!(
        report.count("payment_card") == 60,
        "{} of 60",
        report.count("payment_card")
    );
    ensure!(
        report.bytes("socket", "moved") == server.counts()?.total(),
        "{:?}",
        report.account("socket")
    );
    Ok(())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is no UTF-8", path.display()))
}
