//! `auditor coverage`: how much of each kind of data is masked, in which fields, between whom.
//!
//! Goes in: a daemon's socket, or files: masking ledgers, what `--format ledger` wrote, journals;
//! several count as one. Comes out: a table, worst first, or JSON; with `--require`, exit code 1 when
//! it is not met.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::tail::connect;
use crate::config::own_detectors;
use crate::identity::selector::Selector;
use crate::masking::coverage::{Coverage, Filter, View};
use crate::masking::require::Requirement;
use crate::masking::snapshot::{Merger, Snapshot, Twice};
use crate::masking::{not_kept, store};

/// How a redb database begins.
const DATABASE: &[u8] = b"redb";
/// How long a daemon may take between two of its lines.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shows how much of each kind of data is masked, worst first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sockets of daemons, masking ledgers, files of --format ledger, or journals; of several nodes all
    /// count as one [default: the daemon of this host]
    #[arg(value_name = "SOCKET|FILE")]
    inputs: Vec<PathBuf>,
    /// The same as naming it without this option; may be given several times
    #[arg(long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Socket of the daemon, when no input is named
    #[arg(long, value_name = "PATH", default_value = crate::config::DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Only what came after this file of --format ledger was written, of the same inputs
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Only from these senders: a selector such as namespace=shop,workload=Deployment/checkout
    #[arg(long, value_name = "SELECTOR")]
    from: Option<Selector>,
    /// Only to these receivers: a selector such as external or unit=nginx.service
    #[arg(long, value_name = "SELECTOR")]
    to: Option<Selector>,
    /// Only this Kubernetes namespace, at either end
    #[arg(long)]
    namespace: Option<String>,
    /// Only this detector; may be given several times
    #[arg(long, value_name = "ID")]
    detector: Vec<String>,
    /// Only data of this regulation; may be given several times
    #[arg(long, value_name = "NAME")]
    regulation: Vec<String>,
    /// Only these parts of the table
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    by: Vec<View>,
    /// Most lines of each part of the table
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// What has to hold, such as 'payment_card masked >= 100% in namespace shop'; exit code 1 when
    /// it does not; may be given several times
    #[arg(long, value_name = "REQUIREMENT")]
    require: Vec<String>,
    /// Configuration whose own detectors --require may name
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// text, json, or ledger: what other nodes' `auditor coverage` takes as input
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Ledger,
}

/// Runs the command: exit code 1 when a requirement is not met.
///
/// # Errors
/// For an option that can not be read, and an input that can not.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let own = own_detectors(args.config.as_deref())?;
    let own: Vec<&str> = own.iter().map(|own| own.id.as_str()).collect();
    let parse = |text: &String| Requirement::parse(text, &own).with_context(|| format!("--require {text:?}"));
    let requirements: Vec<Requirement> = args.require.iter().map(parse).collect::<Result<_, _>>()?;
    for (option, selector) in [("--from", &args.from), ("--to", &args.to)] {
        if let Some(key) = selector.as_ref().and_then(not_kept) {
            bail!(
                "{option}: the masking ledger does not keep `{key}` of an end: use namespace, workload, unit, exe, host or external"
            );
        }
    }
    let mut inputs: Vec<&Path> = args
        .inputs
        .iter()
        .chain(&args.input)
        .map(PathBuf::as_path)
        .collect();
    if inputs.is_empty() {
        inputs.push(&args.socket);
    }
    let mut snapshot = merged(&inputs)?;
    if let Some(earlier) = &args.since {
        snapshot = snapshot.since(&read(earlier)?);
    }
    show(args, &snapshot, &requirements, &mut io::stdout().lock())
}

/// All inputs as one.
fn merged(inputs: &[&Path]) -> anyhow::Result<Snapshot> {
    let mut merger = Merger::default();
    for path in inputs {
        let shown = path.display();
        match merger.add(read(path)?) {
            Ok(None) => (),
            Ok(Some(other)) => {
                let other = inputs[other].display();
                let _ = writeln!(
                    io::stderr(),
                    "auditor coverage: {other} and {shown} are of one ledger: the newer counts"
                );
            }
            Err(Twice { other }) => bail!(
                "{} and {shown} hold the same ledger, and one of them others as well: leave one out",
                inputs[other].display()
            ),
        }
    }
    Ok(merger.finish())
}

fn show(
    args: &Args,
    snapshot: &Snapshot,
    requirements: &[Requirement],
    out: &mut impl io::Write,
) -> anyhow::Result<ExitCode> {
    let filter = Filter {
        from: args.from.clone(),
        to: args.to.clone(),
        namespace: args.namespace.clone(),
        detectors: args.detector.clone(),
        regulations: args.regulation.clone(),
    };
    let chosen: Vec<_> = snapshot
        .rows
        .iter()
        .filter(|row| filter.matches(row))
        .cloned()
        .collect();
    let chosen = Snapshot {
        header: snapshot.header.clone(),
        rows: chosen,
    };
    let coverage = Coverage::of(&chosen, &Filter::default());
    let traffic = &chosen.header.traffic;
    let answers: Vec<_> = requirements
        .iter()
        .map(|requirement| (requirement, requirement.judge(&chosen.rows, traffic)))
        .collect();
    let written = match args.format {
        Format::Text => out.write_all(coverage.table(&args.by, args.top).as_bytes()),
        Format::Json => {
            let mut value = serde_json::to_value(&coverage)?;
            let answered = answers.iter().map(|(requirement, answer)| {
                serde_json::json!({
                    "requirement": requirement.to_string(),
                    "met": answer.is_met,
                    "good": answer.good,
                    "all": answer.all,
                })
            });
            value["requirements"] = answered.collect();
            writeln!(out, "{}", crate::report::json::line(&value)?)
        }
        Format::Ledger => chosen.write(out),
    };
    // Whoever reads may have seen enough.
    if let Err(error) = written.and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error).context("the coverage can not be written");
    }
    let mut all_met = true;
    for (requirement, answer) in answers {
        all_met &= answer.is_met;
        let unit = if requirement.is_about_traffic() {
            "bytes"
        } else {
            "values"
        };
        let said = match (answer.is_met, answer.all) {
            (true, _) => "met",
            (false, 0) => "NOT met, as nothing of it was seen",
            (false, _) => "NOT met",
        };
        let _ = writeln!(
            io::stderr(),
            "auditor coverage: {said}: {requirement} ({} of {} {unit})",
            answer.good,
            answer.all
        );
    }
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// One input, whatever it is.
fn read(path: &Path) -> anyhow::Result<Snapshot> {
    let shown = path.display();
    let is_socket = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let has_socket_name = path.extension().is_some_and(|extension| extension == "sock");
    if is_socket || has_socket_name {
        let mut stream = connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // A daemon that refuses closes at once; why stands in its answer, so read on.
        let _ = stream.write_all(b"{\"masking\":true}\n");
        return Snapshot::read(BufReader::new(stream))
            .with_context(|| format!("cannot read the masking ledger of {shown}"));
    }
    let mut file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut begin = [0; DATABASE.len()];
    let length = file
        .read(&mut begin)
        .with_context(|| format!("cannot read {shown}"))?;
    if &begin[..length] == DATABASE {
        return Ok(Snapshot::of_file(store::read(path)?));
    }
    let whole = io::Cursor::new(begin[..length].to_vec()).chain(file);
    Snapshot::read(BufReader::new(whole))
        .with_context(|| format!("{shown} is no masking ledger and no journal"))
}

#[cfg(test)]
mod tests;
