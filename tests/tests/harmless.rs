//! A program does the same with auditor and without, and auditor leaves nothing behind, however it ends.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    attached::{Held, breakpoints},
    cycles::Cycles,
    go::{self, Build, Compiler},
    loaded::{Kind, Loaded},
    message,
    peers::{self, PYTHON, Server, program},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    servers::{DebianServer, POSTGRESQL},
    watch::{Report, Watch},
};
use rustix::process::Signal;

/// Times auditor comes and goes.
const CYCLES: usize = 200;
/// The same in the long runs.
const MANY_CYCLES: usize = 1000;
/// Copies of libssl that one process has mapped, with five probes each.
const COPIES: usize = 64;
/// How long they may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// What a program did, as far as others can tell.
#[derive(Debug, PartialEq, Eq)]
struct Behaviour {
    stdout: String,
    stderr: String,
    /// As auditor words it.
    end: String,
    /// What it wrote to its file, if it has one.
    file: Option<String>,
}

/// A program, what it reads, and how much it prints before the end of its input may come.
struct Subject {
    name: &'static str,
    words: Vec<String>,
    input: Vec<u8>,
    answer: usize,
    file: Option<PathBuf>,
    /// Some of its plaintext goes through a library that is hooked.
    tls: bool,
}

impl Subject {
    fn new(name: &'static str, words: &[&str]) -> Self {
        Self {
            name,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            input: Vec::new(),
            answer: 0,
            file: None,
            tls: true,
        }
    }

    fn run(&self, command: &mut Command) -> anyhow::Result<process::Ended> {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
        command.env("LC_ALL", "C.UTF-8");
        let mut running = Running::with_input(command)?;
        let mut input = running.stdin().context("no standard input")?;
        input.write_all(&self.input)?;
        wait_for("its answer", LIMIT, || {
            Ok((self.answer == 0 || running.printed(self.answer)).then_some(()))
        })?;
        drop(input);
        running.end(LIMIT)
    }

    fn behaviour(&self, ended: process::Ended, end: String) -> Behaviour {
        Behaviour {
            stdout: ended.stdout,
            stderr: ended.stderr,
            end,
            file: self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()),
        }
    }

    fn alone(&self) -> anyhow::Result<Behaviour> {
        let ended = self.run(Command::new(&self.words[0]).args(&self.words[1..]))?;
        let end = in_words(ended.status);
        Ok(self.behaviour(ended, end))
    }

    /// With auditor, which has hooked its file before it runs.
    fn watched(&self, scratch: &Scratch) -> anyhow::Result<Behaviour> {
        let summary = scratch.path("summary");
        let mut command = Command::new(process::auditor()?);
        command
            .args(["watch", "--format", "text", "--output"])
            .arg(&summary);
        command.arg("--").args(&self.words).env("RUST_LOG", "off");
        let ended = self.run(&mut command)?;
        let name = self.name;
        let summary = fs::read_to_string(&summary)
            .with_context(|| format!("{name}: auditor ended with {}: {}", ended.status, ended.stderr))?;
        ensure!(ended.status.success(), "{name}: {}: {summary}", ended.status);
        ensure!(
            summary.matches("difference 0").count() == 2,
            "{name} does not balance: {summary}"
        );
        let (_, tls) = summary.split_once("tls bytes").context("no account of TLS")?;
        ensure!(
            tls.contains("scanned") && tls.contains(" moved "),
            "{name}: {summary}"
        );
        let moved_nothing = tls
            .lines()
            .any(|line| line.split_whitespace().eq(["moved", "0", "B"]));
        ensure!(moved_nothing != self.tls, "{name}: {summary}");
        let end = summary.lines().last().unwrap_or_default().trim().to_owned();
        Ok(self.behaviour(ended, end))
    }
}

fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("command ended with status {code}"),
        (None, Some(signal)) => format!("command was ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn subjects(scratch: &Scratch, server: &Server, database: &DebianServer) -> anyhow::Result<Vec<Subject>> {
    let answer = message::answer_json(&format!(r#"{{"note":"{}"}}"#, message::words(40_000)));
    peers::answer(scratch, "long", &answer)?;
    let (port, address) = (server.port.to_string(), format!("127.0.0.1:{}", server.port));
    let url = format!("https://localhost:{port}/long");
    let python = "import ssl, sys, os, signal, http.client\n\
                  context = ssl._create_unverified_context()\n\
                  connection = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[1]), context=context)\n\
                  connection.request('GET', '/long')\n\
                  print(connection.getresponse().read().decode(), flush=True)\n\
                  print('a word on standard error', file=sys.stderr, flush=True)\n";
    let ends = |how: &str| format!("{python}{how}");
    let node = "require('https').get({port: process.argv[1], path: '/long', rejectUnauthorized: false}, \
                (answer) => { answer.pipe(process.stdout); answer.on('end', () => { console.error('done'); \
                process.exitCode = 5; }); })";
    let psql = format!("{POSTGRESQL}/psql");
    let target = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=require",
        database.tls
    );
    let go = go::build(Build {
        compiler: Compiler::Newest,
        stripped: true,
        pie: false,
    })?;
    let (go, counts) = (go.display().to_string(), scratch.path("go.counts"));
    let body = scratch.file("body", r#"{"order":1}"#)?.display().to_string();
    let shown = counts.display().to_string();
    let own_words = |words: &[&str]| Subject::new("", words);
    let mut s_client = Subject::new(
        "openssl s_client",
        &[
            "openssl",
            "s_client",
            "-quiet",
            "-no_ign_eof",
            "-connect",
            &address,
        ],
    );
    s_client.input = message::get("/long");
    s_client.answer = answer.len();
    let peer = Subject {
        name: "Go",
        file: Some(counts),
        ..own_words(&[
            &go,
            "client",
            &port,
            &shown,
            "-",
            "2",
            "POST",
            "/v1/orders",
            &body,
            "20",
        ])
    };
    let unreachable = Subject {
        tls: false,
        ..Subject::new("sh", &["sh", "-c", "echo out; echo err >&2; exit 3"])
    };
    Ok(vec![
        Subject::new(
            "curl",
            &["curl", "--silent", "--insecure", "--http1.1", "--include", &url],
        ),
        Subject::new(
            "curl with two requests",
            &[
                "curl",
                "--silent",
                "--show-error",
                "--insecure",
                "--fail",
                &url,
                &url,
            ],
        ),
        Subject::new("Python", &[PYTHON, "-c", python, &port]),
        Subject::new("Python that fails", &[PYTHON, "-c", &ends("sys.exit(3)"), &port]),
        Subject::new(
            "Python that kills itself",
            &[PYTHON, "-c", &ends("os.kill(os.getpid(), signal.SIGKILL)"), &port],
        ),
        Subject::new("Python that aborts", &[PYTHON, "-c", &ends("os.abort()"), &port]),
        Subject::new("Node.js", &["node", "-e", node, &port]),
        Subject::new(
            "psql",
            &[
                &psql,
                "--no-psqlrc",
                "-c",
                "select n, repeat('word ', 200) from generate_series(1, 50) n",
                &target,
            ],
        ),
        Subject::new(
            "psql that fails",
            &[&psql, "--no-psqlrc", "-c", "select no_such_column", &target],
        ),
        s_client,
        peer,
        unreachable,
    ])
}

#[test]
fn a_program_prints_the_same_and_ends_the_same_with_auditor_and_without() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let database = DebianServer::postgresql(&scratch)?;
    for subject in subjects(&scratch, &server, &database)? {
        let name = subject.name;
        let alone = subject.alone().with_context(|| format!("{name} alone"))?;
        let watched = subject
            .watched(&scratch)
            .with_context(|| format!("{name} with auditor"))?;
        ensure!(
            alone == watched,
            "{name} alone: {alone:?}\n{name} with auditor: {watched:?}"
        );
        println!(
            "{name}: {} bytes out, {} bytes of errors, {}",
            alone.stdout.len(),
            alone.stderr.len(),
            alone.end
        );
    }
    Ok(())
}

#[test]
fn auditor_that_is_killed_under_load_leaves_nothing_attached() -> anyhow::Result<()> {
    for kind in [Kind::Nginx, Kind::Rustls, Kind::Go] {
        let name = kind.name();
        let mut server = Loaded::start(kind)?;
        let (pid, folder) = (server.serving(), server.scratch.folder().to_owned());
        let before = breakpoints(pid, &folder)?;
        ensure!(before.is_empty(), "{name} has breakpoints before: {before:x?}");
        let own = Scratch::new()?;
        let watch = Watch::pids(&own, &server.pids(), &[])?;
        server.goes_on()?;
        let (held, placed) = (Held::by(watch.pid())?, breakpoints(pid, &folder)?);
        ensure!(
            !held.links.is_empty() && !held.programs.is_empty() && !placed.is_empty(),
            "{name}: {held:?} {placed:x?}"
        );
        let mut auditor = watch.into_running();
        let start = Instant::now();
        auditor.signal(Signal::KILL)?;
        wait_for("probes to be gone", LIMIT, || {
            Ok((held.left().is_empty() && breakpoints(pid, &folder)?.is_empty()).then_some(()))
        })?;
        let took = start.elapsed();
        let ended = auditor.end(LIMIT)?;
        ensure!(in_words(ended.status).ends_with("signal 9"), "{}", ended.status);
        server.goes_on()?;
        server.end()?;
        println!(
            "{name}: {} links, {} programs and {} breakpoints gone {took:?} after kill -9",
            held.links.len(),
            held.programs.len(),
            placed.len()
        );
    }
    Ok(())
}

/// Probes in the files of a folder, by auditor's own count.
fn probes(report: &Report, folder: &Path) -> usize {
    let hooks = report.summary["attached"].as_array().into_iter().flatten();
    hooks
        .filter(|hook| {
            hook["path"]
                .as_str()
                .is_some_and(|path| Path::new(path).starts_with(folder))
        })
        .map(|hook| {
            let method = hook["method"].as_str().unwrap_or_default();
            1 + usize::from(method.starts_with("entry+return"))
        })
        .sum()
}

#[test]
fn three_hundred_probes_are_gone_five_seconds_after_sigterm() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let library = peers::libssl()?;
    for copy in 0..COPIES {
        fs::copy(&library, scratch.path(&format!("libssl-{copy}.so.3")))?;
    }
    let mut target = Command::new(PYTHON);
    target.arg(program("many_libraries.py")).arg(scratch.folder());
    let mut target = Running::start(&mut target)?;
    let opened = scratch.path("opened");
    wait_for("the libraries to be mapped", LIMIT, || {
        ensure!(target.status()?.is_none(), "many_libraries.py ended");
        Ok(opened.exists().then_some(()))
    })?;
    let pid = target.pid();
    let mut watch = Watch::pids(&scratch, &[pid], &[])?;
    let (held, placed) = (Held::by(watch.pid())?, breakpoints(pid, scratch.folder())?);
    let start = Instant::now();
    watch.signal(Signal::TERM)?;
    let gone = wait_for("probes to be gone", LIMIT, || {
        let left = held.left();
        let is_gone = left.is_empty() && breakpoints(pid, scratch.folder())?.is_empty();
        Ok(is_gone.then(|| start.elapsed()))
    })?;
    let report = watch.ended()?;
    let ended = start.elapsed();
    let count = probes(&report, scratch.folder());
    println!(
        "{count} probes ({} breakpoints, {} links) gone after {gone:?}, auditor after {ended:?}",
        placed.len(),
        held.links.len()
    );
    ensure!(
        count >= 300,
        "{count} probes only: {:#}",
        report.summary["attached"]
    );
    ensure!(placed.len() >= 3 * COPIES, "{} breakpoints only", placed.len());
    ensure!(gone < GONE, "{count} probes took {gone:?} to be gone");
    ensure!(target.status()?.is_none(), "the target ended");
    Ok(())
}

#[test]
fn servers_under_load_live_through_two_hundred_attachments() -> anyhow::Result<()> {
    let is_long = std::env::var_os("AUDITOR_TEST_FULL").is_some();
    let cycles = if is_long { MANY_CYCLES } else { CYCLES };
    // One after the other, so that each has the machine to itself: all at once would be load on the others only.
    for kind in Kind::ALL {
        let (name, each) = (kind.name(), cycles / Kind::ALL.len());
        let start = Instant::now();
        let mut server = Cycles::start(&[kind])?;
        for cycle in 0..each {
            server
                .cycle()
                .with_context(|| format!("{name}, cycle {cycle} of {each}"))?;
        }
        println!("{name}: {each} cycles in {:?}", start.elapsed());
        server.end()?;
    }
    Ok(())
}
