//! What a cluster adds to an explanation.
//!
//! Goes in: an explanation of this host's alone, and names in a cluster. Comes out: the same with the pods' names, and with
//! whoever has an address of the cluster.

use std::net::SocketAddr;

use super::Explanation;
use crate::{
    identity::kubernetes::Kubernetes,
    report::{
        finding::{Certainty, End, IdentifiedBy},
        naming::Name,
    },
};

impl Explanation {
    /// Adds what the API server says, now on the clock of records.
    pub fn ask(&mut self, kubernetes: &Kubernetes, now_ns: u64) {
        let states = kubernetes.status.states();
        let states: Vec<String> = states
            .iter()
            .map(|(kind, state)| format!("{kind} {state}"))
            .collect();
        self.step("the API server", states.join(", "), "");
        for index in 0..self.ends.len() {
            let mut end = std::mem::take(&mut self.ends[index]);
            if let Some(uid) = end.pod.as_ref().map(|pod| pod.uid.clone()) {
                let is_known = kubernetes.enrich(&mut end, &uid);
                let concluded = if is_known { named(&end) } else { String::new() };
                let said = if is_known {
                    "it is known"
                } else {
                    "no pod has this uid"
                };
                self.step(format!("pod {uid}"), said, concluded);
            } else if end.certainty == Certainty::None
                && let Some(address) = address(&end)
            {
                let found = kubernetes.end(address, now_ns);
                let said = match found.as_ref().map(|found| found.identified_by) {
                    None => "it is none of the cluster's".to_owned(),
                    Some(IdentifiedBy::Ambiguous) => {
                        "it is the cluster's, and whose it is now is not certain".to_owned()
                    }
                    Some(by) => format!("told by {}", by.name()),
                };
                let concluded = found.as_ref().map(named).unwrap_or_default();
                self.step(address.ip().to_string(), said, concluded);
                end = found.unwrap_or(end);
            }
            self.ends[index] = end;
        }
    }
}

fn address(end: &End) -> Option<SocketAddr> {
    end.address.as_ref()?.parse().ok()
}

fn named(end: &End) -> String {
    let name = Name::of(Some(end));
    format!("{} {}", name.kind, name.short())
}
