//! `auditor tail`: the findings of a running daemon, as they come.
//!
//! Goes in: options and the daemon's socket, or the agents of a cluster. Comes out: one line a finding on standard output.

mod agent;
mod nodes;
mod target;
mod view;

use std::io::{self, BufRead as _, BufReader, ErrorKind, IsTerminal as _, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

use crate::identity::selector::Selector;
use crate::report::table::{Row, Table, escape};
use crate::serve::filter::{Filters, Request};

/// Findings shown before new ones when nothing else is asked for.
const LAST: usize = 20;
/// Longest line taken from a daemon, bytes.
const LINE_LIMIT: u64 = 1 << 20;

/// Shows the findings of a running daemon
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on with new findings as they come
    #[arg(short, long)]
    follow: bool,
    /// Show the last N findings first, of each agent [default: 20, or all with --since]
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Show findings last seen within this time, such as 90s, 15m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<SignedDuration>,
    /// Only this detector; may be given several times
    #[arg(long, value_name = "ID")]
    detector: Vec<String>,
    /// Only this severity or worse
    #[arg(long, value_name = "SEVERITY", value_parser = ["low", "medium", "high", "critical"])]
    severity: Option<String>,
    /// Only this Kubernetes namespace, at either end; may be given several times
    #[arg(long)]
    namespace: Vec<String>,
    /// Only from these senders: a selector such as namespace=shop,workload=Deployment/checkout
    #[arg(long, value_name = "SELECTOR")]
    from: Option<Selector>,
    /// Only to these receivers: a selector such as external or unit=nginx.service
    #[arg(long, value_name = "SELECTOR")]
    to: Option<Selector>,
    /// Only senders whose name, executable, host or address contains this
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Only receivers whose name, executable, host or address contains this
    #[arg(long, value_name = "TEXT")]
    destination: Option<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Socket of the daemon
    #[arg(long, value_name = "PATH", default_value = crate::config::DEFAULT_SOCKET)]
    socket: PathBuf,
    #[command(flatten, next_help_heading = "Of a cluster")]
    cluster: nodes::Cluster,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the daemon cannot be reached, refuses the request, or goes away while it is followed.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.cluster.all_nodes {
        return nodes::run(&args);
    }
    let stream = ask(&args)?;
    let table = Table::for_stdout();
    let mut out = io::stdout().lock();
    if args.format == Format::Text && out.is_terminal() && writeln!(out, "{}", table.header()).is_err() {
        return Ok(ExitCode::SUCCESS);
    }
    match show(stream, &args, &table, &mut out)? {
        Ended::ByDaemon if args.follow => {
            bail!("the daemon on {} has ended", args.socket.display())
        }
        Ended::ByDaemon | Ended::ByReader => Ok(ExitCode::SUCCESS),
    }
}

/// Connects and sends the request.
fn ask(args: &Args) -> anyhow::Result<UnixStream> {
    let mut stream = connect(&args.socket)?;
    let mut request = serde_json::to_string(&request(args, Timestamp::now()))?;
    request.push('\n');
    // A daemon that refuses closes at once; why stands in its answer, so read on.
    let _ = stream.write_all(request.as_bytes());
    Ok(stream)
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    ByDaemon,
    /// Whoever read our output went away.
    ByReader,
}

pub(super) fn connect(socket: &Path) -> anyhow::Result<UnixStream> {
    let path = socket.display();
    UnixStream::connect(socket).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "no auditor is running here: {path} does not exist; start `auditor run` or give --socket"
        ),
        ErrorKind::ConnectionRefused => {
            anyhow::anyhow!("no auditor is listening on {path}: start `auditor run` or give --socket")
        }
        ErrorKind::PermissionDenied => {
            anyhow::anyhow!("not allowed to open {path}: be root or join the group of the socket")
        }
        _ => anyhow::anyhow!("cannot connect to {path}: {error}"),
    })
}

fn request(args: &Args, now: Timestamp) -> Request {
    let since = args
        .since
        .map(|ago| now.checked_sub(ago).unwrap_or(Timestamp::MIN));
    let last = args
        .last
        .unwrap_or(if since.is_some() { usize::MAX } else { LAST });
    Request {
        filters: Filters {
            detector: args.detector.clone(),
            severity: args.severity.clone(),
            namespace: args.namespace.clone(),
            from: args.from.as_ref().map(Selector::to_string),
            to: args.to.as_ref().map(Selector::to_string),
            source: args.source.clone(),
            destination: args.destination.clone(),
            since: since.map(|since| since.to_string()),
        },
        last,
        follow: args.follow,
        masking: false,
    }
}

fn show(stream: UnixStream, args: &Args, table: &Table, out: &mut impl Write) -> anyhow::Result<Ended> {
    let mut read = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        match (&mut read).take(LINE_LIMIT).read_line(&mut line) {
            Ok(0) => return Ok(Ended::ByDaemon),
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Ended::ByDaemon),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read from {}", args.socket.display()));
            }
        }
        let Some(text) = rendered(line.trim_end(), args.format, table)? else {
            continue;
        };
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            return Ok(Ended::ByReader);
        }
    }
}

/// What is printed for a line of the daemon; its own records go to standard error.
fn rendered(line: &str, format: Format, table: &Table) -> anyhow::Result<Option<String>> {
    if let Some(row) = Row::of_json(line) {
        return Ok(Some(match format {
            Format::Text => table.line(&row),
            Format::Json => line.to_owned(),
        }));
    }
    let record: serde_json::Value =
        serde_json::from_str(line).context("the daemon sent a line that is no JSON")?;
    if let Some(reason) = record["error"].as_str() {
        bail!("the daemon refused: {}", escape(reason));
    }
    if let Some(dropped) = record["dropped"].as_u64() {
        eprintln!("auditor tail: {dropped} findings were dropped because this reader was too slow");
    }
    Ok((format == Format::Json).then(|| line.to_owned()))
}

pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no time such as 90s, 15m or 2h"))?;
    if duration.is_negative() {
        Err("a time in the future".to_owned())
    } else {
        Ok(duration)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Command::try_parse_from(std::iter::once(&"tail").chain(words))
            .unwrap()
            .args
    }

    #[test]
    fn options_become_the_request_the_daemon_reads() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        assert_eq!(
            request(&args(&[]), now),
            Request {
                last: LAST,
                ..Request::default()
            }
        );
        let full = [
            "-f",
            "--since",
            "15m",
            "--detector",
            "iban",
            "--detector",
            "email_address",
            "--severity",
            "high",
            "--source",
            "shop",
            "--to",
            "external, host = *.example.com",
        ];
        let request = request(&args(&full), now);
        assert!(request.follow);
        assert_eq!(request.last, usize::MAX);
        assert_eq!(request.filters.since.as_deref(), Some("2026-03-01T09:45:00Z"));
        assert_eq!(request.filters.detector, ["iban", "email_address"]);
        assert_eq!(request.filters.to.as_deref(), Some("external,host=*.example.com"));
        let sent = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&sent).unwrap(), request);
    }

    #[test]
    fn options_that_cannot_be_read_are_refused() {
        for words in [
            ["--since", "soon"],
            ["--since", "-5m"],
            ["--severity", "bad"],
            ["--from", "namspace=a"],
            ["--last", "-1"],
            ["--format", "xml"],
        ] {
            assert!(
                Command::try_parse_from(std::iter::once("tail").chain(words)).is_err(),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_missing_daemon_is_one_clear_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auditor.sock");
        let error = connect(&path).unwrap_err().to_string();
        assert!(
            error.contains("no auditor is running") && error.contains("--socket"),
            "{error}"
        );
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = connect(&path).unwrap_err().to_string();
        assert!(error.contains("no auditor is listening"), "{error}");
    }

    #[tokio::test]
    async fn a_running_daemon_is_shown_until_it_ends() {
        use crate::serve::hub::{Hub, tests::finding};
        use crate::serve::tail::{Limits, Listener};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auditor.sock");
        let hub = std::sync::Arc::new(Hub::default());
        hub.publish(finding("a", 1));
        hub.publish(finding("b", 1));
        let listener = Listener::bind(&path).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(listener.serve(hub, Limits::default(), async { _ = stopped.await }));
        for (words, ids) in [
            (&["--last", "1"][..], "b"),
            (&["--detector", "iban"], ""),
            (&["--source", "python"], "ab"),
        ] {
            let socket = ["--format", "json", "--socket", path.to_str().unwrap()];
            let args = args(&[words, &socket].concat());
            let show = move || {
                let mut out = Vec::new();
                let ended = show(ask(&args).unwrap(), &args, &Table::plain(), &mut out).unwrap();
                (ended, String::from_utf8(out).unwrap())
            };
            let (ended, out) = tokio::task::spawn_blocking(show).await.unwrap();
            assert_eq!(ended, Ended::ByDaemon);
            let read = |line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(out.lines().map(read).collect::<String>(), ids, "{words:?}");
        }
        stop.send(()).unwrap();
        server.await.unwrap();
    }

    #[test]
    fn a_refusal_is_an_error_and_nothing_in_it_steers_the_terminal() {
        let table = Table::plain();
        let line = r#"{"schema":"auditor.tail/v1","error":"no\u001b[2J"}"#;
        let error = rendered(line, Format::Text, &table).unwrap_err().to_string();
        assert_eq!(error, r"the daemon refused: no\x1b[2J");
        assert_eq!(
            rendered(
                r#"{"schema":"auditor.tail/v1","dropped":2}"#,
                Format::Text,
                &table
            )
            .unwrap(),
            None
        );
        assert!(rendered("what", Format::Text, &table).is_err());
    }
}
