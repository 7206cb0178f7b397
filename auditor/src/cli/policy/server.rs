//! Policies of the API server, for a person: which are in force, and why others are not.
//!
//! Goes in: a kubeconfig, or what Kubernetes puts into a pod; files whose policies are taken as if they were applied.
//! Comes out: what a node that starts now would decide. Nothing is written to the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::identity::kubernetes::policies::{self, Place, Written};
use crate::policy::admission::{Admission, Decision, Standing, place_of};
use crate::policy::load::{Loaded, Places, content, documents};
use crate::policy::names::Names;
use crate::policy::objects::Seen;
use crate::report::table::escape;

/// Which API server.
#[derive(clap::Args, Debug, Default)]
pub(super) struct Server {
    /// Policies of the API server, which is reached as from a pod
    #[arg(long)]
    kubernetes: bool,
    /// Policies of the API server that this file says how to reach
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl Server {
    pub(super) fn is_asked(&self) -> bool {
        self.kubernetes || self.kubeconfig.is_some()
    }

    /// What a node decides that knows presets and the server's objects, with `files` applied.
    ///
    /// # Errors
    /// When the server does not tell, or a file cannot be read: all errors.
    pub(super) fn decide(
        &self,
        files: &[PathBuf],
        presets: &[String],
        names: &Names,
        now: Timestamp,
    ) -> anyhow::Result<Result<Decision, Vec<String>>> {
        decide(self.kubeconfig.as_deref(), files, presets, names, now)
    }
}

pub(super) fn decide(
    kubeconfig: Option<&Path>,
    files: &[PathBuf],
    presets: &[String],
    names: &Names,
    now: Timestamp,
) -> anyhow::Result<Result<Decision, Vec<String>>> {
    let mut objects = policies::list(kubeconfig).context("cannot ask the API server for policies")?;
    let read = |places: &Places| {
        let content = content(places).map_err(|error| vec![error.to_string()])?;
        documents(&content, &places.presets)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let (base, applied) = match (
        read(&Places {
            paths: Vec::new(),
            presets: presets.to_vec(),
        }),
        read(&Places {
            paths: files.to_vec(),
            presets: Vec::new(),
        }),
    ) {
        (Ok(base), Ok(applied)) => (base, applied),
        (base, applied) => {
            return Ok(Err([base.err(), applied.err()]
                .into_iter()
                .flatten()
                .flatten()
                .collect()));
        }
    };
    for one in &applied {
        apply(one, &mut objects, now)?;
    }
    let seen = Seen {
        objects: objects.into_iter().map(Arc::new).collect(),
        cluster_is_known: true,
        namespaces_are_known: true,
        overflow: 0,
    };
    Ok(Ok(Admission::default().decide(&base, &seen, names, now)))
}

/// A file's policy takes the place of the object of its name, or is the newest.
fn apply(one: &Loaded, objects: &mut Vec<Written>, now: Timestamp) -> anyhow::Result<()> {
    let place: Place = place_of(&one.document);
    let spec = serde_json::to_string(&one.document.spec)?;
    match objects.iter_mut().find(|object| object.place == place) {
        Some(object) => {
            object.spec = spec;
            object.generation += 1;
        }
        None => objects.push(Written {
            place,
            uid: String::new(),
            created: now.as_second(),
            generation: 1,
            spec,
        }),
    }
    Ok(())
}

/// Why objects are refused.
pub(super) fn errors(standings: &[Standing]) -> Vec<String> {
    standings.iter().filter_map(|one| one.why.clone()).collect()
}

/// `auditor policy list`: the table, and the same as JSON.
pub(super) fn listed(decision: &Decision) -> (Value, String) {
    let standings = &decision.standings;
    let width = standings
        .iter()
        .map(|one| one.policy.len())
        .max()
        .unwrap_or(0)
        .max("policy".len());
    let mut text = format!("{:width$}  generation  state\n", "policy");
    for one in standings {
        let state = match (one.refused, &one.why) {
            (Some(reason), Some(why)) => format!(
                "refused ({}): {}",
                reason.name(),
                escape(&why.replace('\n', "; "))
            ),
            _ => "in force".to_owned(),
        };
        text += &format!(
            "{:width$}  {:>10}  {state}\n",
            escape(&one.policy),
            one.generation
        );
    }
    let in_force = standings.iter().filter(|one| one.in_force.is_some()).count();
    text += &format!(
        "{in_force} of {} in force, {} rules, version {}\n",
        standings.len(),
        decision.policies.rules.len(),
        decision.policies.version
    );
    if in_force < standings.len() {
        text += "Of a refused policy nodes that knew a good version keep that; /readyz and the log of each say what it does.\n";
    }
    let json = json!({
        "schema": "auditor.policy-list/v1", "policies": standings,
        "rules": decision.policies.rules.len(), "version": decision.policies.version,
    });
    (json, text)
}
