//! All servers at once, each with clients that do not stop, and one auditor that watches them: what moved, what was
//! scanned, and what was not, by reason.
//!
//! Used by tests/tests/mixed.rs for half a minute and by `cargo xtask mixed` for as long as one likes.

use std::{
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    go::{self, Compiler, GoPeer, Requests},
    loaded::{Kind, Loaded},
    peers::Server,
    process::{LIMIT, Running},
    scratch::Scratch,
    servers::{DebianServer, POSTGRESQL},
    values,
    watch::{Report, Watch},
};

/// What a store or a proxy is asked by, over and over.
enum Client {
    Program(Running),
    Go(GoPeer),
}

/// A server of Debian with its client.
struct Served {
    name: &'static str,
    server: DebianServer,
    client: Client,
    /// The server behind, and the folders of all.
    _upstream: Option<Server>,
    _scratch: Scratch,
}

/// Servers, clients and the card that the clients send.
pub struct Mixed {
    loaded: Vec<Loaded>,
    served: Vec<Served>,
    card: String,
}

impl Mixed {
    /// Starts all servers, and their clients.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start() -> anyhow::Result<Self> {
        let card = values::card();
        let loaded = Kind::ALL
            .into_iter()
            .map(Loaded::start)
            .collect::<Result<_, _>>()?;
        let served = vec![
            postgresql(&card)?,
            redis(&card)?,
            mariadb(&card)?,
            terminated("HAProxy", &card, DebianServer::haproxy)?,
            terminated("Caddy", &card, DebianServer::caddy)?,
        ];
        Ok(Self { loaded, served, card })
    }

    /// Watches for so long. All of them must have gone on all the time.
    ///
    /// # Errors
    /// When auditor, a server or a client ends, or an account does not balance.
    pub fn watch(mut self, time: Duration) -> anyhow::Result<Outcome> {
        let scratch = Scratch::new()?;
        let mut pids: Vec<u32> = self.loaded.iter().flat_map(Loaded::pids).collect();
        pids.extend(self.served.iter().map(|served| served.server.pid()));
        let watch = Watch::pids(&scratch, &pids, &[])?;
        let start = Instant::now();
        while start.elapsed() < time {
            self.goes_on()?;
            std::thread::sleep(Duration::from_millis(500).min(time));
        }
        let report = watch.stop()?;
        report.balanced()?;
        self.goes_on().context("after auditor has gone")?;
        self.loaded.into_iter().try_for_each(Loaded::end)?;
        self.served.into_iter().try_for_each(Served::end)?;
        Ok(Outcome {
            report,
            card: self.card,
        })
    }

    fn goes_on(&mut self) -> anyhow::Result<()> {
        self.loaded.iter_mut().try_for_each(Loaded::goes_on)?;
        self.served.iter_mut().try_for_each(Served::goes_on)
    }
}

/// What auditor said of it all.
pub struct Outcome {
    pub report: Report,
    /// The card that the clients of stores and proxies sent.
    pub card: String,
}

/// Programs that the card came to, and comes back from.
const HOLDERS: [&str; 5] = ["postgres", "redis", "mariadbd", "haproxy", "caddy"];
/// Libraries that were in use.
const LIBRARIES: [&str; 3] = ["openssl", "rustls", "go"];

impl Outcome {
    /// Every library was hooked, and the card was found at each server that it was sent to, and no other card anywhere.
    ///
    /// # Errors
    /// When not.
    pub fn judged(&self) -> anyhow::Result<()> {
        let attached = self.report.summary["attached"].as_array();
        let hooked = |library: &str| {
            attached
                .into_iter()
                .flatten()
                .any(|hook| hook["library"] == library)
        };
        let missing: Vec<_> = LIBRARIES.into_iter().filter(|library| !hooked(library)).collect();
        ensure!(missing.is_empty(), "not hooked: {missing:?}");
        let leaks = self.report.leaks("payment_card");
        let sample = values::card_sample(&self.card);
        for leak in &leaks {
            ensure!(
                leak["sample"] == sample.as_str(),
                "another card than {sample}: {leak:#}"
            );
        }
        for program in HOLDERS {
            let is_its = |end: &Value| {
                let exe = end["process"]["exe"].as_str().unwrap_or_default();
                exe.rsplit('/')
                    .next()
                    .is_some_and(|name| name.starts_with(program))
            };
            ensure!(
                leaks
                    .iter()
                    .any(|leak| is_its(&leak["destination"]) || is_its(&leak["source"])),
                "no card to or from {program} among {} leaks\n{}",
                leaks.len(),
                self.account()
            );
        }
        Ok(())
    }

    /// Both accounts, a line for each reason.
    pub fn account(&self) -> String {
        let mut text = String::new();
        for ledger in ["socket", "tls"] {
            let account = self.report.account(ledger);
            let moved = account.get("moved").copied().unwrap_or_default();
            for (name, bytes) in &account {
                let share = 100.0 * *bytes as f64 / moved.max(1) as f64;
                let _ = writeln!(text, "{ledger:<7} {name:<20} {bytes:>15} {share:>6.1} %");
            }
        }
        text
    }
}

impl Served {
    fn goes_on(&mut self) -> anyhow::Result<()> {
        let name = self.name;
        match &mut self.client {
            Client::Program(client) => {
                ensure!(client.status()?.is_none(), "the client of {name} ended");
            }
            Client::Go(client) => client
                .has_moved(client.moved() + 1)
                .with_context(|| format!("the client of {name}"))?,
        }
        ensure!(self.server.lives()?, "{name} ended");
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        match self.client {
            // A client of a store knows no other end than a signal.
            Client::Program(mut client) => {
                client.signal(Signal::TERM)?;
                client.end(LIMIT).map(drop)
            }
            Client::Go(client) => client.end(),
        }
        .with_context(|| format!("the client of {}", self.name))
    }
}

/// Hours, in seconds and in requests: until it is ended.
const ENDLESS: &str = "1000000";

fn postgresql(card: &str) -> anyhow::Result<Served> {
    let scratch = Scratch::new()?;
    let server = DebianServer::postgresql(&scratch)?;
    let query =
        format!("SELECT row_to_json(c) FROM (SELECT 17 AS id, '{card}'::text AS card_number) AS c;\n");
    let script = scratch.file("query.sql", query)?;
    let mut command = Command::new(format!("{POSTGRESQL}/pgbench"));
    command.args(["--no-vacuum", "--client=2", "--time", ENDLESS, "--file"]);
    command.arg(script).arg(format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres gssencmode=disable sslmode=require",
        server.tls
    ));
    Served::by_program("PostgreSQL", scratch, server, &mut command)
}

fn redis(card: &str) -> anyhow::Result<Served> {
    let scratch = Scratch::new()?;
    let server = DebianServer::redis(&scratch)?;
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", "127.0.0.1", "-p", &server.tls.to_string()]);
    command.args(["--tls", "--insecure", "-c", "2", "-l", "-q", "SET", "customer:17"]);
    command.arg(format!("{{\"card_number\":\"{card}\"}}"));
    Served::by_program("Redis", scratch, server, &mut command)
}

fn mariadb(card: &str) -> anyhow::Result<Served> {
    let scratch = Scratch::new()?;
    let server = DebianServer::mariadb(&scratch)?;
    let mut command = Command::new("mariadb-slap");
    command.args([
        "--no-defaults",
        "--protocol=tcp",
        "--host=127.0.0.1",
        "--user=root",
    ]);
    command.args(["--ssl", "--concurrency=2", "--create-schema=mysql", "--no-drop"]);
    command.arg(format!("--port={}", server.tls));
    command.arg(format!("--iterations={ENDLESS}"));
    command.arg(format!(
        "--query=SELECT JSON_OBJECT('id', 17, 'card_number', '{card}')"
    ));
    Served::by_program("MariaDB", scratch, server, &mut command)
}

fn terminated(
    name: &'static str,
    card: &str,
    start: impl Fn(&Scratch, u16) -> anyhow::Result<DebianServer>,
) -> anyhow::Result<Served> {
    let scratch = Scratch::new()?;
    let upstream = Server::plain(&scratch)?;
    let server = start(&scratch, upstream.port)?;
    let program = go::build(go::Build {
        compiler: Compiler::Newest,
        stripped: true,
        pie: false,
    })?;
    let requests = Requests {
        port: server.tls,
        connections: 2,
        method: "POST",
        path: "/v1/orders",
        body: &format!("{{\"order\":1,\"card_number\":\"{card}\"}}"),
        repeat: 0,
    };
    scratch.file("ready", "")?;
    let client = GoPeer::client(&scratch, &program, &requests)?;
    Ok(Served {
        name,
        server,
        client: Client::Go(client),
        _upstream: Some(upstream),
        _scratch: scratch,
    })
}

impl Served {
    fn by_program(
        name: &'static str,
        scratch: Scratch,
        server: DebianServer,
        command: &mut Command,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            server,
            client: Client::Program(Running::start(command)?),
            _upstream: None,
            _scratch: scratch,
        })
    }
}
