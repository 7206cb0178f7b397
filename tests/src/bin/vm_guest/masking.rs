//! The daemon on a server that takes cards: what it counts, tells, and says of its ledger.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    capture::python_server,
    platform::{Certificate, LIMIT},
    program::{Running, output},
};

const PORT: &str = "9444";
const HTTP: &str = "127.0.0.1:9480";
/// Emulated, on a machine that others use as well; loading the programs takes longest.
const PATIENCE: Duration = Duration::from_secs(150);

/// A server with TLS, and where the daemon that watches it has its files.
pub(crate) struct Shop {
    _server: Running,
    folder: String,
}

/// A card as it is posted.
#[derive(Clone, Copy)]
pub(crate) enum Card {
    Masked,
    Clear,
}

impl Shop {
    /// Starts the server; the ledger goes to `state`.
    pub(crate) fn open(folder: &str, state: &str, learning: Duration) -> anyhow::Result<Self> {
        let certificate = Certificate::make()?;
        let server = python_server(PORT, &[&certificate.path])?;
        fs::create_dir_all(folder)?;
        fs::write(
            format!("{folder}/auditor.yaml"),
            format!(
                "state_dir: {state}\nscope: {{pids: [{}]}}\nserve: {{http: \"{HTTP}\", socket: {folder}/auditor.sock}}\n\
                 drift: {{learning_seconds: {}}}\nmasking: {{max_age_days: 30}}\n",
                server.pid(),
                learning.as_secs()
            ),
        )?;
        Ok(Self {
            _server: server,
            folder: folder.to_owned(),
        })
    }

    fn socket(&self) -> String {
        format!("{}/auditor.sock", self.folder)
    }

    /// Starts the daemon, and waits until it is ready.
    pub(crate) fn watch(&self) -> anyhow::Result<Running> {
        let mut command = Command::new("auditor");
        command
            .args(["run", "--config", &format!("{}/auditor.yaml", self.folder)])
            .stdout(Stdio::null());
        let running = Running::start(&mut command)?;
        let deadline = Instant::now() + PATIENCE;
        while ready().is_err() {
            ensure!(Instant::now() < deadline, "auditor run is not ready");
            thread::sleep(Duration::from_millis(200));
        }
        Ok(running)
    }

    /// Until so many values were counted, and not one more.
    pub(crate) fn counted(&self, values: u64) -> anyhow::Result<Value> {
        self.wait(&format!("{values} values to be counted"), || {
            let json = coverage(&self.socket())?;
            let all = values_of(&json);
            ensure!(all <= values, "{all} of {values} values: {}", json["total"]);
            Ok((all == values).then_some(json))
        })
    }

    /// What the daemon remembers.
    pub(crate) fn findings(&self) -> anyhow::Result<Vec<Value>> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"{\"filters\":{},\"last\":1000,\"follow\":false}\n")?;
        let mut findings = Vec::new();
        for line in BufReader::new(stream).lines() {
            findings.push(serde_json::from_str(&line?)?);
        }
        Ok(findings)
    }

    pub(crate) fn drifts(&self) -> anyhow::Result<Vec<Value>> {
        let mut findings = self.findings()?;
        findings.retain(|finding| finding["kind"] == "mask_drift");
        Ok(findings)
    }

    /// Looks until there is something; what was found in the meantime is said otherwise.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("waited for {what}: {:?}", self.findings().unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the daemon as systemd does.
    pub(crate) fn end(&self, mut daemon: Running) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(daemon.pid())?).context("no process")?;
        kill_process(pid, Signal::TERM)?;
        self.wait("auditor run to end", || Ok((!daemon.is_running()?).then_some(())))
    }
}

/// What `auditor coverage` says of a daemon's socket, or of a file.
pub(crate) fn coverage(of: &str) -> anyhow::Result<Value> {
    let mut command = Command::new("auditor");
    command.args(["coverage", "--format", "json", "--detector", "payment_card", of]);
    Ok(serde_json::from_str(&output(&mut command, LIMIT)?)?)
}

/// Who posts to the server, all over one connection: a client that ended before it was looked up would have no name, and
/// be another sender for the ledger.
pub(crate) struct Client {
    running: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    notes: u32,
}

impl Client {
    /// One of a server that is watched already.
    pub(crate) fn start() -> anyhow::Result<Self> {
        fs::write("/tmp/orders.py", include_str!("orders.py"))?;
        let mut command = Command::new("python3");
        command.args(["/tmp/orders.py", PORT]);
        let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = running.stdin.take().context("no input")?;
        let answers = BufReader::new(running.stdout.take().context("no output")?);
        Ok(Self {
            running,
            orders,
            answers,
            notes: 0,
        })
    }

    /// Posts a card; in parts, so that no file holds it.
    pub(crate) fn post(&mut self, card: Card) -> anyhow::Result<()> {
        let number = match card {
            Card::Masked => "544791******0245".to_owned(),
            Card::Clear => format!("{}{}", "54479158", "20360245"),
        };
        self.send(&format!(r#"{{"card_number":"{number}"}}"#))
    }

    /// Posts masked cards in so many fields, whose names begin so.
    pub(crate) fn post_many(&mut self, name: &str, fields: u64) -> anyhow::Result<()> {
        let field = |n| format!(r#""{name}x{n}":{{"card_number":"544791******0245"}}"#);
        let fields: Vec<String> = (0..fields).map(field).collect();
        self.send(&format!("{{{}}}", fields.join(",")))
    }

    /// Posts an address of e-mail, each time in another field.
    pub(crate) fn post_note(&mut self) -> anyhow::Result<()> {
        self.notes += 1;
        let address = format!("maria.lopez@{}", "gmail.com");
        self.send(&format!(r#"{{"note{}":{{"email":"{address}"}}}}"#, self.notes))
    }

    fn send(&mut self, body: &str) -> anyhow::Result<()> {
        writeln!(self.orders, "{body}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(answer.trim() == "200", "the server answered {answer:?}");
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It has ended, or ends now.
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}

/// Values in it that are clear or protected.
pub(crate) fn values_of(coverage: &Value) -> u64 {
    let of = |name: &str| coverage["total"][name].as_u64().unwrap_or(0);
    of("protected") + of("clear")
}

/// `/readyz`, once it says that all is well.
pub(crate) fn ready() -> anyhow::Result<Value> {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-f", &format!("http://{HTTP}/readyz")]);
    Ok(serde_json::from_str(&output(&mut curl, LIMIT)?)?)
}

/// The value of a metric; the labels, if it has any, are part of the name.
pub(crate) fn metric(name: &str) -> anyhow::Result<u64> {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-f", &format!("http://{HTTP}/metrics")]);
    let page = output(&mut curl, LIMIT)?;
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .with_context(|| format!("no metric {name}"))?;
    Ok(value.parse()?)
}
