//! `auditor who`: explains an identity step by step.
//!
//! Goes in: a process, a cgroup path, a container or an address. Comes out: what was looked at, what it said, what
//! follows, and the ends as findings have them. It reads `/proc` and asks container runtimes; it watches nothing.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::json;

use super::engine;
use crate::capture::clock::monotonic_ns;
use crate::identity::container::{Settings, Socket};
use crate::identity::explain::{self, Explanation, SHORTEST_ID};
use crate::report::finding::{Certainty, End};
use crate::report::naming::Name;
use crate::report::table::escape;

/// Arguments of `auditor who`.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["pid", "cgroup", "container", "ip"])))]
pub struct Args {
    /// A process
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// A cgroup: its path in /proc/PID/cgroup, or under /sys/fs/cgroup
    #[arg(long, value_name = "PATH")]
    cgroup: Option<String>,
    /// A container: its id, 12 digits or more
    #[arg(long, value_name = "ID")]
    container: Option<String>,
    /// An address of this host, and a port
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = address)]
    ip: Option<Address>,
    /// Socket of a container runtime to ask: cri:PATH or docker:PATH; may be given several times [default: the usual
    /// places that are there]
    #[arg(long, value_name = "SOCKET")]
    runtime_socket: Vec<Socket>,
    /// Label of containers to show; may be given several times
    #[arg(long, value_name = "KEY")]
    label: Vec<String>,
    /// Ask the API server of this kubeconfig as well; addresses may then be anybody's in the cluster
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Text for people or one JSON document
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug)]
struct Address(IpAddr, Option<u16>);

/// Runs the command; exit code 1 when nobody was found.
///
/// # Errors
/// For an id that is none, and when standard output can not be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let labels = args.label.clone();
    let settings = Settings {
        sockets: (!args.runtime_socket.is_empty()).then_some(args.runtime_socket),
        labels: args.label.into_iter().collect(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot ask container runtimes")?;
    let mut told = if let Some(pid) = args.pid {
        runtime.block_on(explain::process(pid, &settings))
    } else if let Some(path) = args.cgroup {
        runtime.block_on(explain::cgroup(&path, &settings))
    } else if let Some(id) = args.container {
        let id = id.to_ascii_lowercase();
        if id.len() < SHORTEST_ID || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            bail!("{id:?} is no id of a container: give {SHORTEST_ID} hex digits or more");
        }
        runtime.block_on(explain::container(&id, &settings))
    } else if let Some(Address(ip, port)) = args.ip {
        runtime.block_on(explain::address(ip, port, &settings))
    } else {
        bail!("nobody to explain: give --pid, --cgroup, --container or --ip");
    };
    if let Some(file) = &args.kubeconfig {
        let (kubernetes, _watches) = engine::cluster(file, &labels)?;
        told.ask(&kubernetes, monotonic_ns());
    }
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => {
            let document = json!({"schema": "auditor.who/v1", "steps": told.steps, "ends": told.ends});
            writeln!(out, "{}", crate::report::json::line(&document)?)?;
        }
        Format::Text => out.write_all(text(&told).as_bytes())?,
    }
    let found = told.ends.iter().any(|end| end.certainty != Certainty::None);
    Ok(ExitCode::from(u8::from(!found)))
}

/// Steps as a table, then who it is.
fn text(told: &Explanation) -> String {
    let rows: Vec<[String; 3]> = told
        .steps
        .iter()
        .map(|step| [&step.looked_at, &step.said, &step.concluded].map(|text| escape(text).into_owned()))
        .collect();
    let width = |column: usize, title: &str| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0).max(title.len())
    };
    let (first, second) = (width(0, "LOOKED AT"), width(1, "IT SAID"));
    let mut text = format!("{:<first$}  {:<second$}  SO\n", "LOOKED AT", "IT SAID");
    for [looked_at, said, concluded] in &rows {
        let line = format!("{looked_at:<first$}  {said:<second$}  {concluded}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for end in &told.ends {
        let _ = writeln!(text, "\n{}", conclusion(end));
    }
    text
}

/// One end in a few lines: who, how surely, and what is behind the name.
fn conclusion(end: &End) -> String {
    let name = Name::of(Some(end));
    let certainty = match end.certainty {
        Certainty::Exact => "exact",
        Certainty::Likely => "likely",
        Certainty::None => "not known",
    };
    let mut lines = vec![format!(
        "{} {}: {certainty}, by {}",
        name.kind,
        name.short(),
        end.identified_by.name()
    )];
    if let Some(pod) = &end.pod {
        lines.push(format!(
            "  pod        {} {}",
            pod.name.as_deref().unwrap_or("?"),
            pod.uid
        ));
    }
    if let Some(container) = &end.container {
        let called = match (&container.name, container.unnamed) {
            (Some(name), _) => name.as_str(),
            (None, Some(why)) => why.text(),
            (None, None) => "?",
        };
        lines.push(format!("  container  {called} {}", container.id));
        lines.extend(
            container
                .image
                .as_ref()
                .map(|image| format!("  image      {image}")),
        );
    }
    if let Some(process) = &end.process {
        let program = process.exe.as_deref().or(process.comm.as_deref()).unwrap_or("?");
        lines.push(format!("  process    {} {program}", process.pid));
    }
    lines.extend(
        end.labels
            .iter()
            .map(|(key, value)| format!("  label      {key}={value}")),
    );
    let escaped: Vec<_> = lines.iter().map(|line| escape(line)).collect();
    escaped.join("\n")
}

fn address(text: &str) -> Result<Address, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Address(ip, None));
    }
    text.parse::<SocketAddr>()
        .map(|address| Address(address.ip(), Some(address.port())))
        .map_err(|_| "it must be an address such as 10.0.0.7, 10.0.0.7:443 or [::1]:443".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::explain::Step;
    use crate::report::finding::{Container, IdentifiedBy, Pod, Process, Workload};

    #[test]
    fn an_explanation_is_a_table_and_a_conclusion() {
        let step = |looked_at: &str, said: &str, concluded: &str| Step {
            looked_at: looked_at.into(),
            said: said.into(),
            concluded: concluded.into(),
        };
        let told = Explanation {
            steps: vec![
                step(
                    "/proc/7/stat",
                    "started 2026-03-01T10:00:00.120Z",
                    "the process is this id with this start",
                ),
                step("/proc/7/ns/net", "network namespace 4026531840", ""),
                step(
                    "cri:/run/x.sock",
                    "name app\u{1b}[31m, image shop/app:1",
                    "pod checkout-0: its uid is the cgroup's",
                ),
            ],
            ends: vec![End {
                workload: Some(Workload {
                    namespace: Some("shop".into()),
                    kind: "Pod".into(),
                    name: "checkout-0".into(),
                }),
                pod: Some(Pod {
                    uid: "u".into(),
                    name: Some("checkout-0".into()),
                }),
                container: Some(Container {
                    id: "0123".into(),
                    name: Some("app\u{1b}[31m".into()),
                    image: Some("shop/app:1".into()),
                    unnamed: None,
                }),
                process: Some(Process {
                    pid: 7,
                    exe: Some("/bin/app".into()),
                    ..Process::default()
                }),
                labels: [("team".to_owned(), "pay".to_owned())].into(),
                identified_by: IdentifiedBy::Cgroup,
                certainty: Certainty::Exact,
                ..End::default()
            }],
        };
        insta::assert_snapshot!(text(&told));
    }

    #[test]
    fn an_address_may_have_a_port() {
        for good in ["10.0.0.7", "10.0.0.7:443", "::1", "[::1]:443"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "x", "10.0.0.7:", "10.0.0.7:70000", "localhost:1"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
