//! Cards in the TLS traffic of data stores, and of servers that end TLS for others, are reported with both ends, and
//! every byte is accounted. What a session must move is told by the same session without TLS, through a relay.
//!
//! The protocols of data stores are not parsed yet: a value is found as text, where its name stands next to it.

use std::{ffi::OsStr, io::Write as _, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    peers::{self, Server, gated, program},
    posting,
    process::Running,
    relay::{Passed, Relay},
    scratch::Scratch,
    servers::{DebianServer, POSTGRESQL},
    support::{Proof, prove},
    values,
    watch::{Report, Watch},
};
use serde_json::{Value, json};

const OPENSSL: Proof<'_> = Proof {
    library: "openssl",
    program: "",
    form: "shared",
    functions: &["ssl_read_internal", "ssl_write_internal", "SSL_free"],
    file: "/libssl.so",
    counted: None,
    bound: true,
};

#[test]
fn a_query_and_its_rows_leak_between_psql_and_the_process_postgresql_forked_for_it() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = DebianServer::postgresql(&scratch)?;
    let card = values::card();
    let psql = format!("{POSTGRESQL}/psql");
    let statements = statements(&card);
    let words = |port: u16, tls: bool| {
        let mode = if tls { "require" } else { "disable" };
        let target = format!(
            "host=127.0.0.1 port={port} user=postgres dbname=postgres gssencmode=disable sslmode={mode}"
        );
        let options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"];
        let mut words = vec![psql.clone()];
        words.extend(options.map(str::to_owned));
        for statement in &statements {
            words.extend(["--command".to_owned(), statement.clone()]);
        }
        words.push(target);
        words
    };
    let client = Client {
        words: &words,
        input: "",
    };
    let open = client.in_the_open(&server)?;
    // The process that accepts connections, which forks one for each.
    let seen = client.watched(&scratch, &server)?;
    let last = seen.printed.lines().last().context("psql printed nothing")?;
    let backend: u32 = last.trim().parse().with_context(|| seen.printed.clone())?;
    ensure!(backend != server.pid(), "{}", seen.printed);
    seen.proved("PostgreSQL 15 (postgres, psql)", open.passed.total()?)?;
    seen.leaked_both_ways(&card, backend)
}

/// The shared library of the wheel, which is older than the server's.
#[test]
fn a_query_and_its_rows_leak_between_psycopg2_with_openssl_1_1_1_and_postgresql() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = DebianServer::postgresql(&scratch)?;
    let card = values::card();
    let packages = peers::packages_with("openssl-1.1.1")?;
    let start = |mode: &str, port: u16, gate: PathBuf| {
        let target = format!(
            "host=127.0.0.1 port={port} user=postgres dbname=postgres gssencmode=disable sslmode={mode}"
        );
        let mut words = vec![packages.clone(), gate, PathBuf::from(target)];
        words.extend(statements(&card).map(PathBuf::from));
        posting::python(&program("psycopg2_client.py"), &words)
    };
    let relay = Relay::to(server.plain)?;
    start("disable", relay.port, scratch.certificate()?)?.succeed()?;
    let total = relay.passed()?.total()?;
    let client = start("require", server.tls, scratch.ready())?;
    let pid = client.pid();
    let watch = Watch::pids(&scratch, &[server.pid(), pid], &[])?;
    let printed = client.succeed()?.stdout;
    let report = watch.stop()?;
    let backend: u32 = printed
        .lines()
        .last()
        .context("nothing was printed")?
        .trim()
        .parse()?;
    let proof = Proof {
        program: "psycopg2 2.9.9 (PyPI, OpenSSL 1.1.1w), with PostgreSQL 15",
        file: "/libssl-",
        counted: Some(2 * total),
        ..OPENSSL
    };
    prove(&report, proof)?;
    bound(&report, "nested", 2)?;
    Seen { report, pid, printed }.leaked_both_ways(&card, backend)
}

/// A row that goes there and back, and the process that served it; equally long in each session.
fn statements(card: &str) -> [String; 4] {
    [
        "CREATE TEMPORARY TABLE customer (id int, card_number text)".to_owned(),
        format!("INSERT INTO customer (id, card_number) VALUES (17, '{card}')"),
        "SELECT row_to_json(customer) FROM customer".to_owned(),
        "SELECT lpad(pg_backend_pid()::text, 10)".to_owned(),
    ]
}

#[test]
fn a_value_set_and_got_leaks_between_redis_cli_and_redis() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = DebianServer::redis(&scratch)?;
    let card = values::card();
    let words = |port: u16, tls: bool| {
        let port = port.to_string();
        let mut words = vec!["redis-cli", "-h", "127.0.0.1", "-p", &port];
        if tls {
            words.extend(["--tls", "--insecure"]);
        }
        words.into_iter().map(str::to_owned).collect()
    };
    let input = format!("SET customer:17 '{{\"card_number\":\"{card}\"}}'\nGET customer:17\n");
    let client = Client {
        words: &words,
        input: &input,
    };
    let open = client.in_the_open(&server)?;
    let seen = client.watched(&scratch, &server)?;
    seen.proved("Redis 7 (redis-server, redis-cli)", open.passed.total()?)?;
    seen.leaked_both_ways(&card, server.pid())
}

#[test]
fn a_statement_and_its_rows_leak_between_mariadb_and_its_server() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = DebianServer::mariadb(&scratch)?;
    let card = values::card();
    let statements = format!(
        "CREATE TEMPORARY TABLE customer (id int, card_number text); \
         INSERT INTO customer (id, card_number) VALUES (17, '{card}'); \
         SELECT JSON_OBJECT('id', id, 'card_number', card_number) FROM customer;"
    );
    let words = |port: u16, tls: bool| {
        let port = format!("--port={port}");
        let tls = if tls { "--ssl" } else { "--skip-ssl" };
        let options = ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", &port, tls];
        let target = ["--user=root", "--database=mysql", "--execute", &statements];
        let mut words = vec!["mariadb"];
        words.extend(options);
        words.extend(target);
        words.into_iter().map(str::to_owned).collect()
    };
    let client = Client {
        words: &words,
        input: "",
    };
    let open = client.in_the_open(&server)?;
    let seen = client.watched(&scratch, &server)?;
    // The server speaks first, before TLS: a packet with its length in three bytes, and its number. And the client tells
    // its process id in digits.
    let [low, middle, high, ..] = open.passed.to_client[..] else {
        anyhow::bail!("no greeting: {:?}", open.passed);
    };
    let greeting = 4 + i64::from(u32::from_le_bytes([low, middle, high, 0]));
    let digits = |pid: u32| i64::from(pid.ilog10());
    let total = open.passed.total()? - greeting + digits(seen.pid) - digits(open.pid);
    seen.proved("MariaDB 10.11 (mariadbd, mariadb)", total)?;
    seen.leaked_both_ways(&card, server.pid())
}

#[test]
fn haproxy_ends_tls_and_passes_a_card_on_in_the_open() -> anyhow::Result<()> {
    let proof = Proof {
        program: "HAProxy 2.6",
        ..OPENSSL
    };
    terminated(DebianServer::haproxy, proof)
}

#[test]
fn caddy_ends_tls_and_passes_a_card_on_in_the_open() -> anyhow::Result<()> {
    let proof = Proof {
        library: "go",
        program: "Caddy 2.6",
        form: "static, stripped",
        functions: &[
            "crypto/tls.(*Conn).Write",
            "crypto/tls.(*Conn).Read",
            "crypto/tls.(*Conn).Close",
        ],
        file: "/caddy",
        ..OPENSSL
    };
    terminated(DebianServer::caddy, proof)
}

/// The client of a data store.
struct Client<'a> {
    /// Its command line for a port, with TLS or without.
    words: &'a dyn Fn(u16, bool) -> Vec<String>,
    /// What it is given to read.
    input: &'a str,
}

/// A session through a relay, by the client with that process id.
struct Open {
    passed: Passed,
    pid: u32,
}

/// A session over TLS, with both ends watched.
struct Seen {
    report: Report,
    pid: u32,
    printed: String,
}

impl Client<'_> {
    fn in_the_open(&self, server: &DebianServer) -> anyhow::Result<Open> {
        let relay = Relay::to(server.plain)?;
        let words = (self.words)(relay.port, false);
        let mut running = Running::with_input(Command::new(&words[0]).args(&words[1..]))?;
        let pid = running.pid();
        self.end(&mut running)?;
        running.succeed()?;
        let passed = relay.passed()?;
        Ok(Open { passed, pid })
    }

    fn watched(&self, scratch: &Scratch, server: &DebianServer) -> anyhow::Result<Seen> {
        let words = (self.words)(server.tls, true);
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let mut running = gated(scratch, &words)?;
        let pid = running.pid();
        let watch = Watch::pids(scratch, &[server.pid(), pid], &[])?;
        self.end(&mut running)?;
        let printed = running.succeed()?.stdout;
        let report = watch.stop()?;
        Ok(Seen { report, pid, printed })
    }

    /// Gives it all there is to read.
    fn end(&self, running: &mut Running) -> anyhow::Result<()> {
        let mut input = running.stdin().context("no standard input")?;
        Ok(input.write_all(self.input.as_bytes())?)
    }
}

impl Seen {
    /// A row of the table: both ends moved `total` bytes, each bound to its socket by the calls inside its own.
    fn proved(&self, program: &str, total: i64) -> anyhow::Result<()> {
        let counted = Some(2 * total);
        let proof = Proof {
            program,
            counted,
            ..OPENSSL
        };
        prove(&self.report, proof)?;
        bound(&self.report, "nested", 2)
    }

    /// One leak by the client and one by the server, and no other.
    fn leaked_both_ways(&self, card: &str, server: u32) -> anyhow::Result<()> {
        ensure!(self.printed.contains(card), "the client printed {}", self.printed);
        let leaks = self.report.leaks("payment_card");
        let mut seen: Vec<Value> = leaks.iter().map(|leak| in_a_stream(leak)).collect();
        seen.sort_by_key(|leak| leak["source"] != self.pid);
        let leak = |source: u32, destination: u32| {
            json!({
                "state": "clear",
                "count": 1,
                "sample": values::card_sample(card),
                "part": "stream",
                "source": source,
                "destination": destination,
                "encrypted": true,
                "captured_by": "openssl",
            })
        };
        let wanted = [leak(self.pid, server), leak(server, self.pid)];
        ensure!(seen == wanted, "found    {seen:#?}\nexpected {wanted:#?}");
        Ok(())
    }
}

/// What is compared of a leak that was found as text.
fn in_a_stream(leak: &Value) -> Value {
    json!({
        "state": leak["state"],
        "count": leak["count"],
        "sample": leak["sample"],
        "part": leak["location"]["part"],
        "source": leak["source"]["process"]["pid"],
        "destination": leak["destination"]["process"]["pid"],
        "encrypted": leak["flow"]["encrypted"],
        "captured_by": leak["flow"]["captured_by"],
    })
}

/// So many streams were bound in this way, and none was not.
fn bound(report: &Report, way: &str, streams: u64) -> anyhow::Result<()> {
    let bindings = &report.summary["bindings"];
    let others = ["unbound", "ambiguous", "conflicts"];
    ensure!(
        bindings[way] == streams && others.iter().all(|other| bindings[*other] == 0),
        "{bindings}"
    );
    Ok(())
}

/// A server ends TLS for a plain one. It is watched, and the plain one behind it; curl is not.
fn terminated(
    start: impl Fn(&Scratch, u16) -> anyhow::Result<DebianServer>,
    proof: Proof<'_>,
) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let app = Server::plain(&scratch)?;
    let (request, response) = (values::card(), values::card());
    let answer = message::answer_json(&format!(r#"{{"card_number":"{response}"}}"#));
    peers::answer(&scratch, "orders", &answer)?;
    let order = format!(r#"{{"order":17,"card_number":"{request}"}}"#);
    let body = format!("@{}", scratch.file("order.json", order)?.display());
    let server = start(&scratch, app.port)?;
    let curl = |scheme: &str, port: u16| {
        let url = format!("{scheme}://localhost:{port}/v1/orders");
        let options = ["--silent", "--insecure", "--http1.1", "--max-time", "60"];
        let mut words = vec!["curl".to_owned()];
        words.extend(options.map(str::to_owned));
        words.extend(["--header", "Host: localhost", "--json", &body, &url].map(str::to_owned));
        words
    };
    let relay = Relay::to(server.plain)?;
    let words = curl("http", relay.port);
    Running::start(Command::new(&words[0]).args(&words[1..]))?.succeed()?;
    let passed = relay.passed()?;
    let words = curl("https", server.tls);
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let client = gated(&scratch, &words)?;
    let (outside, inside) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[inside, app.pid()], &[])?;
    let printed = client.succeed()?.stdout;
    ensure!(printed.contains(&response), "curl printed {printed}");
    let report = watch.stop()?;
    let counted = Some(passed.total()?);
    prove(&report, Proof { counted, ..proof })?;
    let way = if proof.library == "go" {
        "descriptor"
    } else {
        "nested"
    };
    bound(&report, way, 1)?;
    // curl may have ended before it is looked for.
    let name = |end: &Value| match end["process"]["pid"]
        .as_u64()
        .and_then(|pid| u32::try_from(pid).ok())
    {
        Some(pid) if pid == inside => "server",
        Some(pid) if pid == app.pid() => "app",
        Some(pid) if pid != outside => "a stranger",
        _ => "curl",
    };
    let mut seen: Vec<String> = Vec::new();
    for leak in report.leaks("payment_card") {
        let (from, to) = (name(&leak["source"]), name(&leak["destination"]));
        seen.push(format!("{from} to {to}: {}", in_a_message(leak)));
    }
    seen.sort();
    let leg = |ends: &str, part: &str, card: &str, library: &str| {
        let sample = values::card_sample(card);
        format!("{ends}: {sample} in POST /v1/orders, {part} $.card_number, by {library}")
    };
    let mut wanted = [
        leg("curl to server", "request.body", &request, proof.library),
        leg("server to app", "request.body", &request, "socket"),
        leg("app to server", "response.body", &response, "socket"),
        leg("server to curl", "response.body", &response, proof.library),
    ];
    wanted.sort();
    ensure!(seen == wanted, "found    {seen:#?}\nexpected {wanted:#?}");
    Ok(())
}

/// What is compared of a leak that was found in a message, but for its ends.
fn in_a_message(leak: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!(
        "{} in {}, {} {}, by {}",
        text(&leak["sample"]),
        text(&leak["flow"]["operation"]),
        text(&leak["location"]["part"]),
        text(&leak["location"]["field"]),
        text(&leak["flow"]["captured_by"]),
    )
}
