//! Whether the API server tells what names of ends need.
//!
//! Goes in: a kubeconfig, or what Kubernetes puts into a pod. Comes out: one line for each kind of object, by really
//! listing and watching it, as the daemon does.

use std::{path::Path, sync::Arc, thread, time::Duration};

use crate::{
    capture::support::Check,
    cli::engine,
    identity::kubernetes::{self, Kubernetes, Settings, directory::Kind},
    policy::objects::Objects,
};

/// How long watches may take to be refused once the lists are in.
const REFUSAL: Duration = Duration::from_secs(1);

/// What the server lets be followed. Findings have fewer names without, so only what was asked for is needed.
pub(super) fn checks(kubeconfig: Option<&Path>) -> Vec<Check> {
    let check = |ok, detail| Check {
        name: "kubernetes",
        ok,
        detail,
    };
    let is_needed = kubeconfig.is_some();
    if !is_needed && !kubernetes::is_in_cluster() {
        let detail = "not asked: this is no pod with a service account's token, and there is no --kubeconfig";
        return vec![check(true, detail.to_owned())];
    }
    let policies = Arc::new(Objects::default());
    let settings = Settings {
        kubeconfig: kubeconfig.map(Path::to_owned),
        policies: Some(Arc::<Objects>::clone(&policies)),
        ..Settings::default()
    };
    let (kubernetes, _watches) = match Kubernetes::start(&settings) {
        Ok(started) => started,
        Err(why) => return vec![check(!is_needed, why.to_string())],
    };
    kubernetes.wait_for_lists(engine::LISTS);
    thread::sleep(REFUSAL);
    let states = kubernetes.status.states();
    let failures = kubernetes.status.failures();
    let line = |kind: Kind| {
        let state = states.get(kind.name()).copied().unwrap_or_default();
        let detail = match state {
            "watching" => {
                let count = match kind.is_policy() {
                    true => policies.count(kind),
                    false => kubernetes.directory.count(kind),
                };
                format!("{} are followed, {count} known", kind.name())
            }
            "forbidden" => format!(
                "{}: the role lacks list or watch; see deploy/kubernetes/base/rbac.yaml",
                kind.name()
            ),
            "missing" if kind.is_policy() => format!(
                "{}: the server does not have them, and policies are files only; see deploy/kubernetes/base/crds",
                kind.name()
            ),
            "missing" => format!("{}: the server does not have them", kind.name()),
            _ => {
                let of_kind = failures.iter().filter(|(name, ..)| *name == kind.name());
                let why: Vec<&str> = of_kind.map(|(_, why, _)| *why).collect();
                let why = if why.is_empty() {
                    "no answer yet".to_owned()
                } else {
                    why.join(", ")
                };
                format!(
                    "{}: {why}; look at the server's address, its certificate and the token",
                    kind.name()
                )
            }
        };
        // A cluster may have no policies of its own.
        let is_missing = state == "missing" && kind.is_policy();
        check(state == "watching" || is_missing || !is_needed, detail)
    };
    Kind::ALL.into_iter().chain(Kind::POLICIES).map(line).collect()
}
