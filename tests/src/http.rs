//! Requests and answers as scenarios write them down, and the peers that exchange exactly these: programs of
//! tests/programs that are given them as JSON, and curl.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    go, peers,
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    sent::{Leg, Sent},
    watch::{Report, Watch},
};

/// Header and trailer fields.
pub type Fields = Vec<(&'static str, String)>;

/// One request and its answer, of status 200.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    pub method: &'static str,
    /// With its query.
    pub path: String,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Parts of a form that curl makes the body of, as its `--form` takes them; `body` is empty then.
    pub forms: Vec<String>,
    pub answer: Answer,
}

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
}

/// The type of JSON bodies.
pub const JSON: (&str, &str) = ("content-type", "application/json");

impl Exchange {
    /// A request with JSON, or without a body, that is answered with JSON.
    pub fn json(method: &'static str, path: impl Into<String>, body: &Value, answer: &Value) -> Self {
        let text = |body: &Value| {
            if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            }
        };
        let headers = |body: &Value| {
            if body.is_null() {
                Vec::new()
            } else {
                vec![(JSON.0, JSON.1.to_owned())]
            }
        };
        Self {
            method,
            path: path.into(),
            headers: headers(body),
            body: text(body),
            trailers: Vec::new(),
            forms: Vec::new(),
            answer: Answer {
                headers: headers(answer),
                body: text(answer),
                trailers: Vec::new(),
            },
        }
    }

    /// With this header field in the request.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With this header field in the answer.
    #[must_use]
    pub fn answered_with(mut self, name: &'static str, value: String) -> Self {
        self.answer.headers.push((name, value));
        self
    }

    /// With these trailer fields at the end of request and answer.
    #[must_use]
    pub fn trailers(mut self, request: Fields, answer: Fields) -> Self {
        self.trailers = request;
        self.answer.trailers = answer;
        self
    }

    /// The request as it is on the wire with HTTP/1.1.
    pub fn raw(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }

    fn script(&self) -> Value {
        let fields = |fields: &Fields| -> Vec<Value> {
            fields.iter().map(|(name, value)| json!([name, value])).collect()
        };
        json!({
            "method": self.method,
            "path": self.path,
            "headers": fields(&self.headers),
            // Only curl knows what it makes of a form.
            "body": self.forms.is_empty().then(|| STANDARD.encode(&self.body)),
            "trailers": fields(&self.trailers),
            "answer": {
                "headers": fields(&self.answer.headers),
                "body": STANDARD.encode(&self.answer.body),
                "trailers": fields(&self.answer.trailers),
            },
        })
    }

    /// What curl is told of it: the body comes from a file, and the answer goes to another.
    fn curl(&self, scratch: &Scratch, number: usize, base: &str) -> anyhow::Result<Vec<String>> {
        ensure!(self.trailers.is_empty(), "curl sends no trailers");
        let mut words = [
            "--silent",
            "--show-error",
            "--insecure",
            "--fail",
            "--max-time",
            "60",
        ]
        .map(str::to_owned)
        .to_vec();
        if self.method == "HEAD" {
            words.push("--head".to_owned());
        } else {
            words.extend(["--request".to_owned(), self.method.to_owned()]);
        }
        for (name, value) in &self.headers {
            words.extend(["--header".to_owned(), format!("{name}: {value}")]);
        }
        if !self.body.is_empty() {
            let file = scratch.file(&format!("request.{number}"), &self.body)?;
            words.extend(["--data-binary".to_owned(), format!("@{}", file.display())]);
        }
        for form in &self.forms {
            words.extend(["--form".to_owned(), form.clone()]);
        }
        let answer = scratch.path(&format!("answer.{number}"));
        words.extend(["--output".to_owned(), answer.display().to_string()]);
        words.push(format!("{base}{}", self.path));
        Ok(words)
    }
}

/// All of them as a file for the peers.
///
/// # Errors
/// When it cannot be written.
pub fn script(scratch: &Scratch, name: &str, exchanges: &[Exchange]) -> anyhow::Result<std::path::PathBuf> {
    let script: Vec<Value> = exchanges.iter().map(Exchange::script).collect();
    scratch.file(name, json!(script).to_string())
}

/// The HTTP server and client of Node.js: `http1` or `http2`.
///
/// # Errors
/// When its packages are not there.
pub fn node_http(version: &str) -> anyhow::Result<Command> {
    let mut command = node("http_peer.js")?;
    command.arg(version);
    Ok(command)
}

/// A program of Node.js, which finds what `cargo xtask setup` installed for it.
///
/// # Errors
/// When that is not there.
pub fn node(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("node");
    command
        .env("NODE_PATH", peers::node_modules()?)
        .arg(peers::program(name));
    Ok(command)
}

/// A program of Python with the packages of `requirements-protocols.txt`.
///
/// # Errors
/// When they are not there.
pub fn python(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(peers::interpreter()?);
    command
        .env("PYTHONPATH", peers::packages_with("protocols")?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(peers::program(name));
    Ok(command)
}

/// The Go program that speaks HTTP/2.
///
/// # Errors
/// When it does not build.
pub fn go_http() -> anyhow::Result<Command> {
    let build = go::Build {
        compiler: go::Compiler::Newest,
        stripped: false,
        pie: false,
    };
    Ok(Command::new(go::build_program("go-http", build)?))
}

/// A server of a test's own: it says its port in a file.
pub struct Serving {
    running: Running,
    pub port: u16,
}

impl Serving {
    /// Starts `command server PORT_FILE MORE…`.
    ///
    /// # Errors
    /// When it ends, or does not listen in time.
    pub fn start(scratch: &Scratch, mut command: Command, more: &[&Path]) -> anyhow::Result<Self> {
        let name = format!("{}.port", crate::values::letters(8));
        let port_file = scratch.path(&name);
        command.arg("server").arg(&port_file).args(more);
        let shown = format!("{:?}", command.get_program());
        let mut running = Running::start(&mut command)?;
        let port = wait_for("a server to listen", LIMIT, || {
            let ended = running.status()?.is_some();
            let port = fs::read_to_string(&port_file).ok();
            Ok((ended || port.is_some()).then_some(port))
        })?;
        let Some(port) = port else {
            let ended = running.end(LIMIT)?;
            bail!(
                "{shown} ended with {}: {}{}",
                ended.status,
                ended.stdout,
                ended.stderr
            );
        };
        Ok(Self {
            running,
            port: port.trim().parse()?,
        })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Asks it to end, which has to be a success: it met nothing that was not in its script.
    ///
    /// # Errors
    /// When it fails.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.running.signal(Signal::TERM)?;
        self.running.succeed().map(drop)
    }
}

/// Starts `command client PORT GATE MORE…`, which waits for auditor by itself.
///
/// # Errors
/// When it cannot be started.
pub fn client(scratch: &Scratch, mut command: Command, port: u16, more: &[&Path]) -> anyhow::Result<Running> {
    command
        .arg("client")
        .arg(port.to_string())
        .arg(scratch.ready())
        .args(more);
    Running::start(&mut command)
}

/// What auditor said of a client and a server.
pub struct Seen {
    pub report: Report,
    pub client: u32,
    pub server: u32,
}

/// Room for all that a scenario moves, however slowly it is read: a value that found no room is no matter of protocols.
/// Nor is one beyond what is copied of a message; all that one side says of its calls may be taken for one.
const RING: &str = "67108864";

/// Watches these processes.
///
/// # Errors
/// When auditor is not ready in time.
pub fn watch(scratch: &Scratch, pids: &[u32]) -> anyhow::Result<Watch> {
    watch_with(scratch, pids, &[])
}

fn watch_with(scratch: &Scratch, pids: &[u32], more: &[&str]) -> anyhow::Result<Watch> {
    let words = ["--ring-bytes", RING, "--max-message-bytes", "0"];
    Watch::pids(scratch, pids, &[&words[..], more].concat())
}

/// Watches a client and a server until the client has ended, which has to be a success.
///
/// # Errors
/// When one of the three fails.
pub fn watched(scratch: &Scratch, client: Running, server: Serving) -> anyhow::Result<Seen> {
    watched_with(scratch, client, server, &[])
}

/// The same with more words for auditor.
///
/// # Errors
/// When one of the three fails.
pub fn watched_with(
    scratch: &Scratch,
    client: Running,
    server: Serving,
    more: &[&str],
) -> anyhow::Result<Seen> {
    let pids = [client.pid(), server.pid()];
    let watch = watch_with(scratch, &pids, more)?;
    client.succeed()?;
    let report = watch.stop()?;
    server.end()?;
    let [client, server] = pids;
    Ok(Seen {
        report,
        client,
        server,
    })
}

impl Seen {
    /// Compares all that was found with what was sent in the open.
    ///
    /// # Errors
    /// When it is not the same.
    pub fn is(&self, sent: &Sent) -> anyhow::Result<()> {
        sent.compare(&self.report, Leg::plain(&[self.client], &[self.server]))
    }

    /// The same of what was sent over TLS.
    ///
    /// # Errors
    /// When it is not the same.
    pub fn is_over_tls(&self, sent: &Sent) -> anyhow::Result<()> {
        sent.compare(&self.report, Leg::tls(&[self.client], &[self.server]))
    }
}

/// Waits until a client that talks before auditor is there has done so: it says "opened".
///
/// # Errors
/// When it ends instead.
pub fn opened(client: &mut Running) -> anyhow::Result<()> {
    let opened = wait_for("a client to open its connection", LIMIT, || {
        let ended = client.status()?.is_some();
        Ok((ended || client.said(&["opened"])).then_some(!ended))
    })?;
    ensure!(opened, "a client ended before it opened its connection");
    Ok(())
}

/// curl, which sends them one after another, or all at once when told `--parallel`; it waits for auditor.
///
/// # Errors
/// When it cannot be started.
pub fn curl(scratch: &Scratch, base: &str, more: &[&str], exchanges: &[Exchange]) -> anyhow::Result<Running> {
    let mut words = vec!["curl".to_owned()];
    for (number, exchange) in exchanges.iter().enumerate() {
        if number > 0 {
            words.push("--next".to_owned());
        }
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.extend(exchange.curl(scratch, number, base)?);
    }
    let words: Vec<&std::ffi::OsStr> = words.iter().map(std::ffi::OsStr::new).collect();
    peers::gated(scratch, &words)
}

/// What curl received has to be what was to be answered.
///
/// # Errors
/// When it is not.
pub fn answered(scratch: &Scratch, exchanges: &[Exchange]) -> anyhow::Result<()> {
    for (number, exchange) in exchanges.iter().enumerate() {
        if exchange.method == "HEAD" {
            continue;
        }
        let path = scratch.path(&format!("answer.{number}"));
        let body = fs::read(&path).with_context(|| format!("no answer to request {number}"))?;
        ensure!(
            body == exchange.answer.body,
            "the answer to request {number} has {} bytes instead of {}",
            body.len(),
            exchange.answer.body.len()
        );
    }
    Ok(())
}
