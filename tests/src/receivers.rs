//! Receivers of findings: programs/receiver.py, a collector of OpenTelemetry, nginx with TLS in front of either.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt::Display,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    front::listens,
    nginx,
    peers::{interpreter, packages_with, program},
    process::{self, LIMIT, Running},
    scratch::{Scratch, free_port},
    values,
};

/// Where a collector is, and how it is spoken to.
pub const OTLP: &str = "AUDITOR_REPORT__OTLP__ENDPOINT";
pub const PROTOCOL: &str = "AUDITOR_REPORT__OTLP__PROTOCOL";
const WEBHOOK: &str = "AUDITOR_REPORT__WEBHOOK__URL";

/// Names and values of the environment.
pub type Variables = Vec<(&'static str, String)>;

/// The newest revision of each finding, by its id.
pub type Newest = BTreeMap<String, Value>;

/// Keeps the newest revision of each finding of these lines.
///
/// # Errors
/// When a line is no finding.
pub fn newest(lines: impl Iterator<Item = anyhow::Result<Value>>) -> anyhow::Result<Newest> {
    let mut newest = Newest::new();
    for finding in lines {
        let finding = finding?;
        let id = finding["id"].as_str().context("a finding has no id")?.to_owned();
        let is_newer = newest
            .get(&id)
            .is_none_or(|known| known["revision"].as_u64() <= finding["revision"].as_u64());
        if is_newer {
            newest.insert(id, finding);
        }
    }
    Ok(newest)
}

/// What a journal holds.
///
/// # Errors
/// When it can not be read.
pub fn journal(state: &Path) -> anyhow::Result<Newest> {
    let text = fs::read_to_string(state.join("findings.jsonl")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    newest(whole.lines().map(|line| Ok(serde_json::from_str(line)?)))
}

/// What a receiver understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Otlp,
    Webhook,
}

/// A receiver with its own port and files, which runs or does not.
pub struct Receiver {
    kind: Kind,
    folder: PathBuf,
    name: &'static str,
    pub port: u16,
    secret: String,
    running: Option<Running>,
}

impl Receiver {
    /// One that is not started yet. `secret` is for webhooks.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(scratch: &Scratch, kind: Kind, name: &'static str, secret: &str) -> anyhow::Result<Self> {
        Ok(Self {
            kind,
            folder: scratch.folder().to_owned(),
            name,
            port: free_port()?,
            secret: secret.to_owned(),
            running: None,
        })
    }

    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(interpreter()?);
        command
            .env("PYTHONPATH", packages_with("sinks")?)
            .arg(program("receiver.py"));
        command.arg(match self.kind {
            Kind::Otlp => "otlp",
            Kind::Webhook => "webhook",
        });
        command
            .arg(self.port.to_string())
            .arg(&self.folder)
            .arg(self.name);
        if self.kind == Kind::Webhook {
            command.arg(&self.secret);
        }
        self.running = Some(Running::start(&mut command)?);
        listens(self.port)
    }

    /// Ends it at once, in the middle of what it does.
    ///
    /// # Errors
    /// When it does not end.
    pub fn die(&mut self) -> anyhow::Result<()> {
        if let Some(mut running) = self.running.take() {
            running.signal(Signal::KILL)?;
            running.end(LIMIT)?;
        }
        Ok(())
    }

    /// Says what it does from now on; see programs/receiver.py.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn does(&self, what: &str) -> anyhow::Result<()> {
        let (new, path) = (self.file("does.new"), self.file("does"));
        fs::write(&new, what)?;
        Ok(fs::rename(new, path)?)
    }

    /// How often it did something that begins with this.
    pub fn did(&self, what: &str) -> usize {
        let text = fs::read_to_string(self.file("did")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(what)).count()
    }

    /// All that it took, in order: a record with its `body`.
    ///
    /// # Errors
    /// When something else than findings came, or a signature was wrong.
    pub fn records(&self) -> anyhow::Result<Vec<Value>> {
        let wrong = fs::read_to_string(self.file("wrong")).unwrap_or_default();
        ensure!(wrong.is_empty(), "{} could not take: {wrong}", self.name);
        let text = fs::read_to_string(self.file("jsonl")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    }

    /// The newest revision of each finding that it took.
    ///
    /// # Errors
    /// As [`Self::records`].
    pub fn findings(&self) -> anyhow::Result<Newest> {
        let records = self.records()?;
        newest(records.iter().map(|record| {
            let body = record["body"].as_str().context("a record has no body")?;
            Ok(serde_json::from_str(body)?)
        }))
    }

    /// Everything it ever got.
    pub fn raw(&self) -> Vec<u8> {
        fs::read(self.file("raw")).unwrap_or_default()
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}

/// A file that only its owner and group may read.
///
/// # Errors
/// When it can not be written.
pub fn secret_file(scratch: &Scratch, name: &str, text: &str) -> anyhow::Result<String> {
    let path = scratch.file(name, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    Ok(path.display().to_string())
}

fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(values::random(32)))
}

/// Both sinks at receivers that do not run yet, and the variables that configure them.
///
/// # Errors
/// When no port is free.
pub fn both(scratch: &Scratch) -> anyhow::Result<(Receiver, Receiver, Variables)> {
    let secret = secret();
    let otlp = Receiver::new(scratch, Kind::Otlp, "otlp", "")?;
    let webhook = Receiver::new(scratch, Kind::Webhook, "webhook", &secret)?;
    let variables = vec![
        (OTLP, format!("http://127.0.0.1:{}", otlp.port)),
        (PROTOCOL, "http".to_owned()),
        ("AUDITOR_REPORT__OTLP__TIMEOUT_SECONDS", "2".to_owned()),
        (WEBHOOK, format!("http://127.0.0.1:{}/findings", webhook.port)),
        ("AUDITOR_REPORT__WEBHOOK__TIMEOUT_SECONDS", "2".to_owned()),
        (
            "AUDITOR_REPORT__WEBHOOK__SECRET_FILE",
            secret_file(scratch, "secret", &secret)?,
        ),
    ];
    Ok((otlp, webhook, variables))
}

/// As a daemon takes them.
pub fn given(variables: &Variables) -> Vec<(&'static str, &str)> {
    variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// rotel, a collector that passes what it gets on to a [`Receiver`].
pub struct Collector {
    _running: Running,
    pub grpc: u16,
    pub http: u16,
}

impl Collector {
    /// # Errors
    /// When it does not come up.
    pub fn start(to: &Receiver) -> anyhow::Result<Self> {
        let (grpc, http) = (free_port()?, free_port()?);
        let local = |port: u16| format!("127.0.0.1:{port}");
        let mut command = Command::new(packages_with("sinks")?.join("rotel/rotel-agent"));
        command.args(["start", "--exporter", "otlp", "--disable-batching"]);
        command.args(["--otlp-grpc-endpoint", &local(grpc)]);
        command.args(["--otlp-http-endpoint", &local(http)]);
        command.args(["--otlp-exporter-protocol", "http"]);
        command.args(["--otlp-exporter-endpoint", &format!("http://{}", local(to.port))]);
        let running = Running::start(&mut command)?;
        listens(grpc)?;
        listens(http)?;
        Ok(Self {
            _running: running,
            grpc,
            http,
        })
    }
}

/// nginx, which asks for a certificate and a token and passes on to a collector.
pub struct Gate {
    _running: Running,
    /// gRPC.
    pub grpc: u16,
    /// HTTP.
    pub http: u16,
}

impl Gate {
    /// # Errors
    /// When it does not come up.
    pub fn start(scratch: &Scratch, to: &Collector, token: &str) -> anyhow::Result<Self> {
        let (grpc, http) = (free_port()?, free_port()?);
        let values: &[(&str, &dyn Display)] = &[
            ("token", &token),
            ("grpc", &grpc),
            ("http", &http),
            ("to_grpc", &to.grpc),
            ("to_http", &to.http),
        ];
        let file = nginx::configure(scratch, "gate.conf", HTTP, values)?;
        let (running, _) = nginx::start(scratch, &file, &[grpc, http])?;
        Ok(Self {
            _running: running,
            grpc,
            http,
        })
    }
}

/// An authority, and certificates by it for `localhost` and for an agent: NAME.pem and NAME.key in the folder.
///
/// # Errors
/// When openssl fails.
pub fn certificates(scratch: &Scratch) -> anyhow::Result<()> {
    for name in ["authority", "localhost", "agent"] {
        let path = |end: &str| scratch.path(&format!("{name}.{end}")).display().to_string();
        let mut words: Vec<String> =
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj"
                .split(' ')
                .map(str::to_owned)
                .collect();
        words.extend([format!("/CN={name}"), "-keyout".into(), path("key")]);
        words.extend(["-out".into(), path("pem")]);
        if name != "authority" {
            let of_authority = |end: &str| scratch.path(&format!("authority.{end}")).display().to_string();
            words.extend(["-CA".into(), of_authority("pem")]);
            words.extend(["-CAkey".into(), of_authority("key")]);
            words.extend(["-addext".into(), format!("subjectAltName=DNS:{name}")]);
            words.extend(["-addext".into(), "basicConstraints=critical,CA:FALSE".into()]);
        }
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        process::output("openssl", &words)?;
    }
    Ok(())
}

const HTTP: &str = r#"    access_log off;
    server_name_in_redirect off;
    ssl_certificate @folder@/localhost.pem;
    ssl_certificate_key @folder@/localhost.key;
    ssl_client_certificate @folder@/authority.pem;
    ssl_verify_client on;
    server {
        listen 127.0.0.1:@grpc@ ssl http2;
        location / {
            if ($http_authorization != "Bearer @token@") { return 401; }
            grpc_pass grpc://127.0.0.1:@to_grpc@;
        }
    }
    server {
        listen 127.0.0.1:@http@ ssl;
        location / {
            if ($http_authorization != "Bearer @token@") { return 401; }
            proxy_pass http://127.0.0.1:@to_http@;
        }
    }
"#;
