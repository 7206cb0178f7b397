//! A finding as a daemon sends it, as far as a line shows it.

use serde::Deserialize;

use crate::report::finding;

/// What is read of a finding that came over a socket: unknown keys are those of a newer daemon.
#[derive(Deserialize)]
pub(super) struct Finding {
    pub(super) last_seen: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) detector: String,
    pub(super) confidence: String,
    pub(super) severity: String,
    pub(super) sample: String,
    pub(super) count: u64,
    pub(super) location: Location,
    pub(super) flow: Option<Flow>,
    pub(super) source: Option<End>,
    pub(super) destination: Option<End>,
}

#[derive(Deserialize)]
pub(super) struct Location {
    pub(super) part: String,
    pub(super) field: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Flow {
    pub(super) operation: Option<String>,
    pub(super) encrypted: bool,
    pub(super) captured_by: String,
}

#[derive(Deserialize)]
pub(super) struct End {
    pub(super) workload: Option<Workload>,
    pub(super) process: Option<Process>,
    pub(super) host: Option<String>,
    pub(super) address: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Workload {
    pub(super) namespace: Option<String>,
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) exe: Option<String>,
    pub(super) comm: Option<String>,
}

impl End {
    pub(super) fn into_end(self) -> finding::End {
        finding::End {
            workload: self.workload.map(|w| finding::Workload {
                namespace: w.namespace,
                kind: w.kind,
                name: w.name,
            }),
            process: self.process.map(|p| finding::Process {
                pid: p.pid,
                exe: p.exe,
                comm: p.comm,
                ..finding::Process::default()
            }),
            host: self.host,
            address: self.address,
            ..finding::End::default()
        }
    }
}
