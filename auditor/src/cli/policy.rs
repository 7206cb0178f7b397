//! `auditor policy`: is a policy right, what does it say, and what would it have said.
//!
//! Goes in: policies, test files, a journal. Comes out: what is wrong, which rule decides and why,
//! what would change. It watches nothing.

mod server;

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::server::Server;
use crate::config;
use crate::policy::check::{self, Conflict};
use crate::policy::compile::Policies;
use crate::policy::expect::{self, TestFile};
use crate::policy::explain::explain;
use crate::policy::load::{Places, content, documents};
use crate::policy::names::Names;
use crate::policy::query::Query;
use crate::policy::replay::{Replay, replay};
use crate::policy::source;
use crate::report::{self, table::escape};

/// Arguments of `auditor policy`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Say what is wrong with policies, and what they decide about a flow
    Check(Box<Check>),
    /// List the policies of the API server: which are in force, and why others are not
    List(List),
    /// Compare what policies decide with what is expected, or with what was decided before
    Test(Test),
}

/// Where policies are.
#[derive(clap::Args, Debug)]
pub(super) struct Given {
    /// A policy that comes with auditor: ccpa, gdpr, hipaa, pci-dss or secrets-only
    #[arg(long, value_name = "NAME")]
    preset: Vec<String>,
    /// Configuration whose own detectors policies may name; nothing else of it is read
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(clap::Args, Debug)]
struct Check {
    /// Policies: files, and folders of them
    #[arg(value_name = "FILE", required_unless_present_any = ["preset", "kubernetes", "kubeconfig"])]
    files: Vec<PathBuf>,
    /// Beside the policies of files, as if those were applied
    #[command(flatten)]
    server: Server,
    /// Which rules match a flow, which decides and why: 'from=namespace=shop to=external
    /// detector=payment_card', and if asked for operation=, field=, state=, encrypted=, same_host=, client=
    #[arg(long, value_name = "FLOW")]
    explain: Option<Query>,
    #[command(flatten)]
    given: Given,
}

#[derive(clap::Args, Debug)]
struct List {
    /// How to reach the API server; without it, as from a pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

#[derive(clap::Args, Debug)]
struct Test {
    /// Files of tests, which name the policies they are about
    #[arg(value_name = "FILE", required_unless_present = "replay")]
    files: Vec<PathBuf>,
    /// Policies besides those that the tests name: files, and folders of them
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// A journal of findings: what would be decided otherwise?
    #[arg(long, value_name = "JOURNAL")]
    replay: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command. 0: nothing is wrong; 1: something is not as expected; 2: an error.
///
/// # Errors
/// For what cannot be read.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (text, code) = match &args.command {
        Command::Check(check) => check.run()?,
        Command::List(list) => list.run()?,
        Command::Test(test) => test.run()?,
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the answer")
        }
        _ => Ok(ExitCode::from(code)),
    }
}

impl Given {
    fn names(&self) -> anyhow::Result<Names> {
        Ok(Names::new(&config::own_detectors(self.config.as_deref())?))
    }

    fn places(&self, files: &[PathBuf]) -> Places {
        Places {
            paths: files.to_vec(),
            presets: self.preset.clone(),
        }
    }

    fn written(&self, json: &Value, text: String) -> String {
        match self.format {
            // A `Value` always has JSON. What a policy says may be anybody's.
            Format::Json => report::json::line(json).unwrap_or_default() + "\n",
            Format::Text => text,
        }
    }
}

impl Check {
    fn run(&self) -> anyhow::Result<(String, u8)> {
        let now = Timestamp::now();
        let names = self.given.names()?;
        if self.server.is_asked() {
            let decided = self.server.decide(&self.files, &self.given.preset, &names, now)?;
            return Ok(match decided {
                Ok(decision) => {
                    let errors = server::errors(&decision.standings);
                    let warnings = warnings(&decision.policies, now);
                    self.report(Some(&decision.policies), &errors, &warnings, now)
                }
                Err(errors) => self.report(None, &errors, &[], now),
            });
        }
        let places = self.given.places(&self.files);
        let mut errors: Vec<String> = Vec::new();
        let loaded = match content(&places) {
            Ok(content) => documents(&content, &places.presets),
            Err(error) => Err(vec![error]),
        };
        let compiled = match loaded {
            Ok(loaded) => Policies::compile(&loaded, names)
                .map_err(|problems| errors.extend(problems.iter().map(ToString::to_string)))
                .ok(),
            Err(found) => {
                errors.extend(found.iter().map(ToString::to_string));
                None
            }
        };
        let Some(policies) = compiled else {
            return Ok(self.report(None, &errors, &[], now));
        };
        let conflicts = check::conflicts(&policies, now);
        errors.extend(
            conflicts
                .iter()
                .map(|conflict: &Conflict| conflict.problem(&policies).to_string()),
        );
        let warnings = warnings(&policies, now);
        Ok(self.report(Some(&policies), &errors, &warnings, now))
    }

    fn report(
        &self,
        policies: Option<&Policies>,
        errors: &[String],
        warnings: &[String],
        now: Timestamp,
    ) -> (String, u8) {
        let explained = match (policies, &self.explain) {
            (Some(policies), Some(query)) => Some(explain(policies, query, now)),
            _ => None,
        };
        let mut json = json!({"schema": "auditor.policy-check/v1", "errors": errors, "warnings": warnings});
        let mut text = String::new();
        for (kind, messages) in [("error", errors), ("warning", warnings)] {
            for message in messages {
                text += &format!("{kind}: {}\n", escape(message));
            }
        }
        if let Some(policies) = policies {
            json["version"] = policies.version.clone().into();
            json["policies"] = policies.documents.len().into();
            json["rules"] = policies.rules.len().into();
            text += &format!(
                "{} policies, {} rules, version {}: {}\n",
                policies.documents.len(),
                policies.rules.len(),
                policies.version,
                if errors.is_empty() {
                    "can be used"
                } else {
                    "refused"
                }
            );
        }
        if let Some(explained) = explained {
            json["explained"] = serde_json::to_value(&explained).unwrap_or_default();
            text += &explained.text();
        }
        (
            self.given.written(&json, text),
            if errors.is_empty() { 0 } else { 2 },
        )
    }
}

fn warnings(policies: &Policies, now: Timestamp) -> Vec<String> {
    let rule = |number: usize| {
        let rule = &policies.rules[number];
        format!("{}: rule {}", rule.origin, rule.title())
    };
    let dead = check::dead(policies);
    let dead = dead
        .iter()
        .map(|dead| format!("{} never decides: {}", rule(dead.rule), dead.why));
    let ending = check::ending(policies, now)
        .into_iter()
        .map(|ending| match ending.is_over {
            true => format!(
                "{} is over since {}: it decides nothing",
                rule(ending.rule),
                ending.until
            ),
            false => format!("{} ends after {}", rule(ending.rule), ending.until),
        });
    dead.chain(ending).collect()
}

impl List {
    fn run(&self) -> anyhow::Result<(String, u8)> {
        let (names, now) = (self.given.names()?, Timestamp::now());
        let kubeconfig = self.kubeconfig.as_deref();
        let decided = server::decide(kubeconfig, &[], &self.given.preset, &names, now)?;
        let decision = decided.map_err(|errors| anyhow::anyhow!(errors.join("; ")))?;
        let (json, text) = server::listed(&decision);
        Ok((self.given.written(&json, text), 0))
    }
}

impl Test {
    fn run(&self) -> anyhow::Result<(String, u8)> {
        let now = Timestamp::now();
        let names = self.given.names()?;
        let (mut text, mut json) = (String::new(), json!({"schema": "auditor.policy-test/v1"}));
        let mut failed = false;
        let mut files = Vec::new();
        for path in &self.files {
            let (outcomes, of_file) = self.file(path, &names, now)?;
            failed |= outcomes.iter().any(|outcome| !outcome.passed);
            text += &of_file;
            files.push(json!({"file": path.display().to_string(), "tests": outcomes}));
        }
        json["files"] = files.into();
        if let Some(journal) = &self.replay {
            let places = self.given.places(&self.policy);
            if places.is_empty() {
                bail!("--replay needs policies: give --policy FILE or --preset NAME");
            }
            let policies = source::load(&places, names, now)?;
            let replayed = read_journal(&policies, journal, now)?;
            text += &replay_text(&replayed);
            json["replay"] = serde_json::to_value(&replayed)?;
        }
        Ok((self.given.written(&json, text), u8::from(failed)))
    }

    fn file(
        &self,
        path: &Path,
        names: &Names,
        now: Timestamp,
    ) -> anyhow::Result<(Vec<expect::Outcome>, String)> {
        let file = TestFile::load(path)?;
        let mut places = self.given.places(&self.policy);
        places.paths.extend(file.policies.iter().cloned());
        places.presets.extend(file.presets.iter().cloned());
        if places.is_empty() {
            bail!("{} names no policies: give policies: or presets:", path.display());
        }
        let policies = source::load(&places, names.clone(), now)?;
        let outcomes: Vec<_> = file
            .tests
            .iter()
            .map(|test| expect::run(&policies, test, now))
            .collect();
        let mut text = String::new();
        for outcome in &outcomes {
            let word = if outcome.passed { "ok    " } else { "failed" };
            text += &format!("{word}  {}\n", escape(&outcome.name));
            for wrong in &outcome.wrong {
                text += &format!("          {}\n", escape(wrong));
            }
        }
        let passed = outcomes.iter().filter(|outcome| outcome.passed).count();
        text += &format!("{}: {passed} of {} as expected\n", path.display(), outcomes.len());
        Ok((outcomes, text))
    }
}

fn read_journal(policies: &Policies, path: &Path, now: Timestamp) -> anyhow::Result<Replay> {
    let file = File::open(path).with_context(|| format!("cannot read the journal {}", path.display()))?;
    replay(policies, BufReader::new(file), now)
        .with_context(|| format!("cannot read the journal {}", path.display()))
}

fn replay_text(replay: &Replay) -> String {
    let mut text = format!(
        "{} findings, {} as before; by policies of version {}\n",
        replay.findings, replay.unchanged, replay.version
    );
    for change in &replay.changes {
        text += &format!(
            "{} -> {}: {} findings, {} values\n  for example {}\n",
            escape(&change.before),
            escape(&change.after),
            change.findings,
            change.values,
            escape(&change.example)
        );
    }
    if replay.unreadable + replay.left_out > 0 {
        text += &format!(
            "{} lines are no findings, {} findings were too many\n",
            replay.unreadable, replay.left_out
        );
    }
    text
}
