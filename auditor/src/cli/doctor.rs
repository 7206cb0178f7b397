//! `auditor doctor`: what this kernel, these privileges and this host allow.
//!
//! Goes in: whom to ask. Comes out: one line per prerequisite, with what to do where one is not met.
//! It loads the kernel programs with an empty scope and attaches nothing to any program.

mod cluster;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;

use crate::capture::attach::{FileId, host_libraries};
use crate::capture::elf::Elf;
use crate::capture::load::{Kernel, Settings};
use crate::capture::support::{self, Check};
use crate::capture::tls::{self, Probe};
use crate::capture::verify;
use crate::identity::conntrack::{Conntrack, Place};
use crate::identity::container::{self, Failure, Socket, socket};

/// Arguments of `auditor doctor`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Text for people or one JSON document
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Socket of a container runtime to ask: cri:PATH or docker:PATH; may be given several times [default: the usual
    /// places that are there]
    #[arg(long, value_name = "SOCKET")]
    runtime_socket: Vec<Socket>,

    /// Kubeconfig of the cluster whose API server is asked [default: that of the pod this is]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Also load every kernel program, used here or not, and say what the kernel's verifier makes of it
    #[arg(long)]
    programs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command; exit code 2 when something needed is missing.
///
/// # Errors
/// Only when standard output can not be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut checks = support::static_checks();
    checks.push(Check {
        name: "ebpf build",
        ok: true,
        detail: format!(
            "kernel programs were built with {}",
            env!("AUDITOR_EBPF_TOOLCHAIN")
        ),
    });
    checks.push(Check {
        name: "privileges",
        ok: true,
        detail: super::run::confine::outlook(),
    });
    checks.extend(kernel_checks());
    checks.extend(library_checks());
    checks.extend(runtime_checks(&args.runtime_socket)?);
    checks.push(conntrack_check());
    checks.extend(cluster::checks(args.kubeconfig.as_deref()));
    let programs = if args.programs {
        verify::programs().context("the kernel programs can not be loaded")?
    } else {
        Vec::new()
    };
    let ok = checks.iter().all(|check| check.ok);
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => {
            let mut document = json!({"schema": "auditor.doctor/v1", "ok": ok, "checks": checks});
            if args.programs {
                document["programs"] = json!(programs);
            }
            writeln!(out, "{}", crate::report::json::line(&document)?)?;
        }
        Format::Text => {
            for check in &checks {
                let mark = if check.ok { "ok" } else { "MISSING" };
                writeln!(
                    out,
                    "{mark:<8} {:<20} {}",
                    check.name,
                    crate::report::table::escape(&check.detail)
                )?;
            }
            for program in &programs {
                let detail = match (&program.refused, program.instructions) {
                    (Some(why), _) => format!("refused: {}", crate::report::table::escape(why)),
                    (None, Some(count)) => format!("{count} verified instructions"),
                    (None, None) => "loads".to_owned(),
                };
                writeln!(out, "{:<8} {:<20} {detail}", "program", program.name)?;
            }
        }
    }
    Ok(ExitCode::from(if ok { 0 } else { 2 }))
}

/// Loads everything once, with a scope of nothing.
fn kernel_checks() -> Vec<Check> {
    match Kernel::load(&Settings::trial()) {
        Ok((kernel, _maps, _rings)) => {
            let mut detail = format!("{} is used", kernel.tier.name());
            for (tier, why) in &kernel.refused {
                detail.push_str(&format!("; {} is refused: {why}", tier.name()));
            }
            let mappings = match &kernel.mappings {
                Ok(()) => "told by the kernel".to_owned(),
                Err(why) => format!("looked for by polling, which is slower: {why}"),
            };
            let probes = match kernel.probes_are_single() {
                None => "all of a file at once".to_owned(),
                Some(why) => format!("one by one, which takes a tenth of a second each at the end: {why}"),
            };
            vec![
                Check {
                    name: "kernel programs",
                    ok: true,
                    detail: match kernel.object.limits() {
                        None => "all".to_owned(),
                        Some(limits) => format!("reduced: {limits}"),
                    },
                },
                Check {
                    name: "probes",
                    ok: true,
                    detail: probes,
                },
                Check {
                    name: "socket hooks",
                    ok: true,
                    detail,
                },
                Check {
                    name: "mapped libraries",
                    ok: true,
                    detail: mappings,
                },
            ]
        }
        Err(error) => vec![Check {
            name: "socket hooks",
            ok: false,
            detail: error.to_string(),
        }],
    }
}

/// What would be hooked in the host's own libraries.
fn library_checks() -> Vec<Check> {
    let mut seen = HashSet::new();
    host_libraries()
        .into_iter()
        .filter(|path| FileId::of(path).is_ok_and(|file| seen.insert(file)))
        .map(|path| {
            let found = Elf::open(&path).and_then(|elf| tls::find(&elf));
            let library = found.as_ref().ok().and_then(|targets| targets.first());
            let name = library.map_or("library", |target| target.library.name());
            let (ok, detail) = match found {
                Ok(targets) if targets.is_empty() => (true, "nothing to hook".to_owned()),
                Ok(targets) => {
                    let functions: Vec<String> = targets
                        .iter()
                        .filter(|target| matches!(target.probe, Probe::Call { .. }))
                        .map(|target| format!("{} at {}", target.function, target.point.instruction))
                        .collect();
                    (true, functions.join(", "))
                }
                Err(error) => (false, error.to_string()),
            };
            Check {
                name,
                ok,
                detail: format!("{}: {detail}", path.display()),
            }
        })
        .collect()
}

/// Whether translated addresses can be seen through. Findings have names without that, if fewer.
fn conntrack_check() -> Check {
    let detail = match Conntrack::start(Place::Host) {
        Ok(conntrack) => format!("it answers for network namespace {}, the host's", conntrack.netns),
        Err(why) => format!("translated addresses are named by themselves: {why}"),
    };
    Check {
        name: "conntrack",
        ok: true,
        detail,
    }
}

/// Whether the container runtimes answer. Findings have ids without them, so that only what was asked for is needed.
fn runtime_checks(asked_for: &[Socket]) -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot ask container runtimes")?;
    let sockets = match asked_for {
        [] => socket::usual(),
        some => some.to_vec(),
    };
    if sockets.is_empty() {
        return Ok(vec![Check {
            name: "container runtime",
            ok: true,
            detail: "no socket in the usual places: containers keep their ids; identity.sockets names others"
                .to_owned(),
        }]);
    }
    let checks = sockets.iter().map(|socket| {
        let answer = runtime.block_on(container::version(socket));
        let detail = match &answer {
            Ok(version) => version.clone(),
            Err(failure @ Failure::NotPermitted(_)) => {
                format!("{failure}; run auditor as root, or as a member of the group that owns the socket")
            }
            Err(failure) => failure.to_string(),
        };
        Check {
            name: "container runtime",
            ok: answer.is_ok() || asked_for.is_empty(),
            detail: format!("{socket}: {detail}"),
        }
    });
    Ok(checks.collect())
}
