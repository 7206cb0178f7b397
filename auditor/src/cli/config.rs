//! `auditor config`: what the daemon would run with.
//!
//! Goes in: the configuration file, the environment and flags, as `auditor run` takes them. Comes out: that
//! they are right, or every value with where it is from. It starts nothing and changes nothing.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;

use super::run::assignment;
use crate::config::{Config, Effective, Entry};
use crate::policy::load::Places;
use crate::policy::names::Names;
use crate::policy::source;
use crate::report::table::escape;

/// Arguments of `auditor config`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Say whether the daemon would start with it: exit code 0, or 2 and what is wrong
    Check(From),
    /// Show the keys that are set, and where
    Show(Show),
}

/// Where a configuration is from.
#[derive(clap::Args, Debug)]
struct From {
    /// Configuration file [default: /etc/auditor/config.yaml, if there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key over file and environment, such as serve.http=127.0.0.1:9999
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

#[derive(clap::Args, Debug)]
struct Show {
    #[command(flatten)]
    from: From,
    /// Every key, with its default where nothing sets it
    #[arg(long)]
    effective: bool,
    /// A table for people, YAML for a file, or one JSON document
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Yaml,
    Json,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the configuration.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.command {
        Command::Check(from) => {
            let (effective, file) = from.load()?;
            usable(&effective.config)?;
            let set = effective
                .entries
                .iter()
                .filter(|entry| entry.origin.is_some())
                .count();
            let from = file.map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
            writeln!(
                out,
                "ok: {from}, {set} of {} keys are set",
                effective.entries.len()
            )?;
        }
        Command::Show(show) => {
            let (effective, _) = show.from.load()?;
            let wanted = |entry: &&Entry| show.effective || entry.origin.is_some();
            let entries: Vec<&Entry> = effective.entries.iter().filter(wanted).collect();
            match show.format {
                Format::Text => table(&mut out, &entries)?,
                Format::Yaml => write!(out, "{}", serde_norway::to_string(&effective.nested(&entries))?)?,
                Format::Json => {
                    let keys = entries.iter().map(|entry| {
                        json!({
                            "key": entry.key.path,
                            "value": entry.value,
                            "origin": entry.origin.as_deref().unwrap_or("default"),
                            "unit": entry.key.unit,
                            "live": entry.key.is_live(),
                        })
                    });
                    let document = json!({"schema": "auditor.config/v1", "keys": keys.collect::<Vec<_>>()});
                    writeln!(out, "{}", crate::report::json::line(&document)?)?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl From {
    fn load(&self) -> anyhow::Result<(Effective, Option<PathBuf>)> {
        super::run::load_config(self.config.as_deref(), &self.set)
    }
}

/// What the values point to: files that the daemon reads at its start.
fn usable(config: &Config) -> anyhow::Result<()> {
    super::engine::descriptors(&config.content.descriptors, false)?;
    super::run::selection(&config.capture.leave_out)?;
    super::run::exclusion(&config.scope.exclude)?;
    super::run::mesh(&config.identity.mesh.proxies)?;
    super::run::check_sinks(config)?;
    super::run::masking_targets(config)?;
    super::engine::scanner(None, false, &config.detectors).context("detectors")?;
    if let Some(kubeconfig) = &config.identity.kubernetes.kubeconfig {
        std::fs::read(kubeconfig)
            .with_context(|| format!("identity.kubernetes.kubeconfig: {}", kubeconfig.display()))?;
    }
    if let Some((_, cert_file, key_file)) = config.tail.served() {
        crate::serve::remote::check(cert_file, key_file)?;
    }
    let places = Places {
        paths: config.policy.files.clone(),
        presets: config.policy.presets.clone(),
    };
    if !places.is_empty() {
        source::load(&places, Names::new(&config.detectors), jiff::Timestamp::now()).context("policy")?;
    }
    Ok(())
}

fn table(out: &mut impl std::io::Write, entries: &[&Entry]) -> std::io::Result<()> {
    let rows: Vec<[String; 3]> = entries
        .iter()
        .map(|entry| {
            let value = serde_json::to_string(&entry.value).unwrap_or_default();
            let origin = entry.origin.as_deref().unwrap_or("default");
            [
                entry.key.path.to_owned(),
                escape(&value).into_owned(),
                escape(origin).into_owned(),
            ]
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
            .min(60)
    };
    let (first, second) = (width(0), width(1));
    for [key, value, origin] in &rows {
        writeln!(out, "{key:first$}  {value:second$}  {origin}")?;
    }
    Ok(())
}
