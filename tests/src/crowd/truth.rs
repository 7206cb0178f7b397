//! Whether a directory says what the server says, and what it says of times that have passed.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use anyhow::{Context as _, ensure};
use auditor::{
    capture::clock::monotonic_ns,
    identity::kubernetes::Kubernetes,
    report::finding::{Certainty, End, IdentifiedBy},
};
use serde_json::Value;

use super::{Crowd, Sight};

/// What a directory said of handovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub right: usize,
    pub ambiguous: usize,
    /// No pod at all.
    pub unknown: usize,
    pub wrong: usize,
}

impl Verdict {
    /// What is said, now, of who had addresses so long before they lost them, and so long after they got them.
    pub fn of(kubernetes: &Kubernetes, sights: &[Sight], apart: Duration) -> Self {
        let mut verdict = Self::default();
        let apart = u64::try_from(apart.as_nanos()).unwrap_or(u64::MAX);
        for sight in sights {
            let time = match sight.sent {
                Some(_) => sight.at_ns.saturating_add(apart),
                None => sight.at_ns.saturating_sub(apart),
            };
            let end = kubernetes.end((sight.ip, 443).into(), time);
            let Some(end) = end else {
                verdict.unknown += 1;
                continue;
            };
            match (&end.workload, end.identified_by) {
                (None, IdentifiedBy::Ambiguous) => verdict.ambiguous += 1,
                (Some(workload), IdentifiedBy::PodIp) if workload.name == sight.workload => {
                    verdict.right += 1;
                }
                _ => verdict.wrong += 1,
            }
        }
        verdict
    }
}

impl Crowd {
    /// Compares a directory with what the server says: every pod, by its uid and by its address, and every service.
    ///
    /// # Errors
    /// Says what differs first.
    pub fn agrees(&self, kubernetes: &Kubernetes) -> anyhow::Result<()> {
        let (pods, services, slices) = self.runtime.block_on(async {
            anyhow::Ok((
                self.caller.list("/api/v1/pods").await?,
                self.caller.list("/api/v1/services").await?,
                self.caller
                    .list("/apis/discovery.k8s.io/v1beta1/endpointslices")
                    .await?,
            ))
        })?;
        ensure!(pods.len() >= self.size.pods, "the server has {} pods", pods.len());
        let mut workloads = HashMap::new();
        for pod in &pods {
            let uid = text(&pod["metadata"]["uid"]);
            let workload = text(&pod["metadata"]["labels"]["app"]);
            workloads.insert(uid, workload);
            let facts = kubernetes
                .directory
                .pod(uid)
                .with_context(|| format!("{uid} is not known"))?;
            ensure!(*facts.name == *text(&pod["metadata"]["name"]), "{facts:?}");
            ensure!(facts.workload().name == workload, "{facts:?} is of {workload}");
            let end = end(kubernetes, &pod["status"]["podIP"], 8443)?;
            let its = end.pod.as_ref().is_some_and(|pod| pod.uid == uid);
            ensure!(its && end.certainty == Certainty::Exact, "{uid}: {end:?}");
        }
        let mut behind: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        for slice in &slices {
            let metadata = &slice["metadata"];
            let service = text(&metadata["labels"]["kubernetes.io/service-name"]);
            let endpoints = slice["endpoints"].as_array().into_iter().flatten();
            let uids = endpoints.map(|endpoint| text(&endpoint["targetRef"]["uid"]));
            let key = (text(&metadata["namespace"]), service);
            behind.entry(key).or_default().extend(uids);
        }
        for service in &services {
            let key = (
                text(&service["metadata"]["namespace"]),
                text(&service["metadata"]["name"]),
            );
            let uids = behind.get(&key).map(Vec::as_slice).unwrap_or_default();
            let mut names: Vec<_> = uids.iter().map(|uid| workloads.get(uid)).collect();
            names.dedup();
            let expected = match names.as_slice() {
                [Some(workload)] => format!("Deployment {workload}"),
                _ => format!("Service {}", key.1),
            };
            let end = end(kubernetes, &service["spec"]["clusterIP"], 443)?;
            let workload = end.workload.as_ref().context("no workload")?;
            let said = format!("{} {}", workload.kind, workload.name);
            ensure!(said == expected, "{key:?} is {said}, not {expected}");
        }
        Ok(())
    }
}

fn end(kubernetes: &Kubernetes, ip: &Value, port: u16) -> anyhow::Result<End> {
    let ip: IpAddr = text(ip).parse().with_context(|| format!("{ip} is no address"))?;
    kubernetes
        .end((ip, port).into(), monotonic_ns())
        .with_context(|| format!("{ip} is nobody's"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
