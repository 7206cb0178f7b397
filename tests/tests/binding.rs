//! Which socket carried what: with many connections at once on one event loop, whose bytes all have the
//! same lengths, no finding names another connection than its own.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    peers::{self, PYTHON, Server, announced},
    posting::copied,
    process::{LIMIT, Running, wait_for},
    rustls,
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use serde_json::{Value, json};

/// Connections at once.
const CONNECTIONS: usize = 200;

/// A program that takes the words of storm.py.
struct Runtime {
    name: &'static str,
    /// The command, without the words that follow.
    words: Vec<PathBuf>,
    /// What the path of the file with the TLS library has in it.
    library: &'static str,
    /// The word for the server.
    server: &'static str,
}

impl Runtime {
    fn asyncio() -> Self {
        Self {
            name: "asyncio",
            words: vec![PYTHON.into(), peers::program("storm.py")],
            library: "libssl",
            server: "server",
        }
    }

    fn node() -> Self {
        Self {
            name: "Node.js",
            words: vec!["node".into(), peers::program("storm.js")],
            library: "/node",
            server: "server",
        }
    }

    fn tokio() -> anyhow::Result<Self> {
        Ok(Self {
            name: "tokio-rustls",
            words: vec![rustls::storm()?],
            library: "rustls-storm",
            server: "server",
        })
    }

    /// A server whose connections have another address after each message.
    fn mover() -> anyhow::Result<Self> {
        Ok(Self {
            server: "mover",
            ..Self::tokio()?
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        command
    }
}

/// A storm of connections, and what became of it.
struct Storm {
    report: Report,
    /// The client's port of each marker.
    ports: HashMap<String, u16>,
    pid: u32,
}

/// Connects client and server of a runtime, watching one of them.
fn storm(runtime: &Runtime, watch_client: bool) -> anyhow::Result<Storm> {
    let scratch = Scratch::new()?;
    let entries: Vec<Value> = (0..CONNECTIONS)
        .map(
            |_| json!({"marker": values::letters(12), "request": values::card(), "response": values::card()}),
        )
        .collect();
    let file = scratch.file("values.json", serde_json::to_vec(&entries)?)?;
    let (port_file, ports_file) = (scratch.path("port"), scratch.path("ports"));
    let mut command = runtime.command();
    command
        .arg(runtime.server)
        .args([&port_file, &file])
        .arg(scratch.certificate()?);
    let mut server = Running::start(&mut command)?;
    let port = announced(&mut server, &port_file)?;
    let mut command = runtime.command();
    command
        .args(["client", &port])
        .args([&scratch.ready(), &file, &ports_file]);
    let client = Running::start(&mut command)?;
    let pid = if watch_client { client.pid() } else { server.pid() };
    is_loaded(pid, runtime)?;
    let watch = Watch::pids(&scratch, &[pid], &[])?;
    client.succeed()?;
    let report = watch.stop()?;
    Ok(Storm {
        report,
        ports: ports(&ports_file)?,
        pid,
    })
}

/// The library is mapped, so that it is hooked from the start.
fn is_loaded(pid: u32, runtime: &Runtime) -> anyhow::Result<()> {
    wait_for("the library to be mapped", LIMIT, || {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        Ok(maps.contains(runtime.library).then_some(()))
    })
}

fn ports(path: &Path) -> anyhow::Result<HashMap<String, u16>> {
    let text = fs::read_to_string(path).context("the client wrote no ports")?;
    Ok(serde_json::from_str(&text)?)
}

/// How many findings name their connection, and how many none; one that names another is an error.
fn judge(storm: &Storm, name: &str, watch_client: bool) -> anyhow::Result<(usize, usize)> {
    storm.report.balanced()?;
    let (mut right, mut unbound) = (0, 0);
    for leak in storm.report.leaks("payment_card") {
        let field = leak["location"]["field"].as_str().unwrap_or_default();
        let marker = field.split('.').nth(1).unwrap_or_default();
        let port = storm
            .ports
            .get(marker)
            .with_context(|| format!("no such marker: {leak:#}"))?;
        let is_request = leak["location"]["part"] == "request.body";
        let (client, server) = if is_request {
            ("source", "destination")
        } else {
            ("destination", "source")
        };
        let watched = if watch_client { client } else { server };
        ensure!(leak[watched]["process"]["pid"] == storm.pid, "{leak:#}");
        match leak[client]["address"].as_str() {
            Some(address) => {
                ensure!(
                    address.ends_with(&format!(":{port}")),
                    "{name}: {marker} came from port {port}: {leak:#}"
                );
                right += 1;
            }
            None => unbound += 1,
        }
    }
    println!(
        "binding: {name} | {right} right, 0 wrong, {unbound} unbound | {} | lost {}",
        storm.report.summary["bindings"], storm.report.summary["events_lost"]
    );
    ensure!(
        right + unbound == 2 * CONNECTIONS,
        "{} findings of {}",
        right + unbound,
        2 * CONNECTIONS
    );
    Ok((right, unbound))
}

fn every_finding_names_its_connection(runtime: &Runtime, watch_client: bool) -> anyhow::Result<()> {
    let storm = storm(runtime, watch_client)?;
    let side = if watch_client { "client" } else { runtime.server };
    let name = format!("{} {side}", runtime.name);
    let (_, unbound) = judge(&storm, &name, watch_client)?;
    ensure!(unbound == 0, "{name}: {unbound} findings name no peer");
    let bindings = &storm.report.summary["bindings"];
    ensure!(
        bindings["adjacent"] == CONNECTIONS && bindings["conflicts"] == 0 && bindings["unbound"] == 0,
        "{name}: {bindings}"
    );
    Ok(())
}

#[test]
fn each_of_two_hundred_connections_of_an_asyncio_client_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::asyncio(), true)
}

#[test]
fn each_of_two_hundred_connections_of_an_asyncio_server_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::asyncio(), false)
}

#[test]
fn each_of_two_hundred_connections_of_a_node_client_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::node(), true)
}

#[test]
fn each_of_two_hundred_connections_of_a_node_server_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::node(), false)
}

/// Four threads: a task moves from one to another.
#[test]
fn each_of_two_hundred_connections_of_a_tokio_client_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::tokio()?, true)
}

#[test]
fn each_of_two_hundred_connections_of_a_tokio_server_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::tokio()?, false)
}

#[test]
fn each_of_two_hundred_connections_that_move_is_told_apart() -> anyhow::Result<()> {
    every_finding_names_its_connection(&Runtime::mover()?, false)
}

/// Without symbols, where each direction of a connection is known by itself.
fn each_is_told_apart_by_its_records(watch_client: bool) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let runtime = Runtime {
        name: "tokio-rustls, stripped",
        words: vec![copied(&scratch, &rustls::storm_with_aws_lc()?, true)?],
        library: "rustls-storm",
        server: "server",
    };
    every_finding_names_its_connection(&runtime, watch_client)
}

#[test]
fn each_of_two_hundred_connections_of_a_stripped_tokio_client_is_told_apart() -> anyhow::Result<()> {
    each_is_told_apart_by_its_records(true)
}

#[test]
fn each_of_two_hundred_connections_of_a_stripped_tokio_server_is_told_apart() -> anyhow::Result<()> {
    each_is_told_apart_by_its_records(false)
}

/// A callback of the library writes records to another socket, inside the calls.
#[test]
fn what_looks_like_tls_on_another_socket_inside_a_call_binds_nothing() -> anyhow::Result<()> {
    for mode in ["socket", "memory"] {
        let scratch = Scratch::new()?;
        let (server, other) = (Server::tls(&scratch)?, Server::another(&scratch)?);
        let card = values::card();
        let body = format!(r#"{{"card_number":"{card}"}}"#);
        let request = scratch.file("request", message::post_json("/v1/orders", &body))?;
        let mut command = Command::new(PYTHON);
        command
            .arg(peers::program("callback.py"))
            .args([server.port.to_string(), other.port.to_string()])
            .arg(scratch.ready())
            .arg(request)
            .arg(mode);
        let client = Running::start(&mut command)?;
        let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
        client.succeed()?;
        let report = watch.stop()?;
        report.balanced()?;
        println!("binding: callback, {mode} | {}", report.summary["bindings"]);
        let leaks = report.leaks("payment_card");
        ensure!(!leaks.is_empty(), "{mode}: {:?}", report.samples());
        for leak in leaks {
            let address = leak["destination"]["address"].as_str();
            ensure!(
                address.is_none_or(|address| address.ends_with(&format!(":{}", server.port))),
                "{mode}: {leak:#}"
            );
            ensure!(mode == "memory" || address.is_some(), "{mode}: {leak:#}");
        }
    }
    Ok(())
}

/// Runs tests/programs/juggle.py and returns the report, with the port of its server.
fn juggle(mode: &str) -> anyhow::Result<(Report, u16)> {
    let scratch = Scratch::new()?;
    let (server, other) = (Server::tls(&scratch)?, Server::another(&scratch)?);
    let body = format!(r#"{{"card_number":"{}"}}"#, values::card());
    let request = scratch.file("request", message::post_json("/v1/orders", &body))?;
    let mut command = Command::new(PYTHON);
    command
        .arg(peers::program("juggle.py"))
        .args([server.port.to_string(), other.port.to_string()])
        .arg(scratch.ready())
        .arg(request)
        .arg(mode);
    let client = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
    client.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    println!("binding: juggle, {mode} | {}", report.summary["bindings"]);
    Ok((report, server.port))
}

#[test]
fn two_writes_of_one_length_before_anything_is_sent_are_bound_to_nothing() -> anyhow::Result<()> {
    let (report, _) = juggle("batched")?;
    let bindings = &report.summary["bindings"];
    ensure!(
        bindings["ambiguous"] == 1 && bindings["adjacent"] == 0 && bindings["unbound"] == 2,
        "{bindings}"
    );
    let leaks = report.leaks("payment_card");
    ensure!(!leaks.is_empty(), "{:?}", report.samples());
    for leak in leaks {
        ensure!(leak["destination"]["address"].is_null(), "{leak:#}");
    }
    Ok(())
}

#[test]
fn an_object_whose_records_go_to_a_second_socket_is_unbound_again() -> anyhow::Result<()> {
    let (report, port) = juggle("moved")?;
    let bindings = &report.summary["bindings"];
    ensure!(
        bindings["adjacent"] == 1 && bindings["conflicts"] == 1 && bindings["unbound"] == 1,
        "{bindings}"
    );
    let leaks = report.leaks("payment_card");
    let named = |leak: &&&Value| leak["destination"]["address"].is_string();
    let first: Vec<&&Value> = leaks.iter().filter(named).collect();
    ensure!(
        first.len() == 1 && leaks.len() == 2,
        "{} of {} name a peer: {leaks:#?}",
        first.len(),
        leaks.len()
    );
    let address = first[0]["destination"]["address"].as_str().unwrap_or_default();
    ensure!(address.ends_with(&format!(":{port}")), "{leaks:#?}");
    Ok(())
}
