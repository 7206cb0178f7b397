//! Names of ends in a Kubernetes cluster.
//!
//! Goes in: pods, services, EndpointSlices, nodes and namespaces, as watches of the API server tell of them. Comes out:
//! for the uid in a cgroup's path, and for an address at a time, who that is. Capture never waits for it, and goes on
//! without it.

mod connect;
pub mod directory;
pub mod list;
pub mod objects;
pub mod owners;
pub mod policies;
pub mod services;
pub mod status;
mod watch;
pub mod workload;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

pub use connect::{ConnectError, plain as client};

use self::{
    directory::{Directory, Kind, Named},
    policies::PolicyObjects,
    status::Status,
};
use super::names::{Named as Answer, Pods};
use crate::report::finding::{End, Pod, SpiffeSource};
use crate::vital;

/// How long what a busy cluster tells is left to gather. An event comes in several pieces, and to be woken for each costs
/// more than to read it. Far below what news may be late.
const GATHERING: Duration = Duration::from_millis(20);

/// What to connect to, and what findings say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `None`: what Kubernetes puts into a pod.
    pub kubeconfig: Option<PathBuf>,
    /// The node this is, for ends of processes here.
    pub node_name: Option<String>,
    /// Names of labels that findings carry.
    pub labels: Vec<String>,
    /// With it, SPIFFE ids are derived of service accounts.
    pub trust_domain: Option<String>,
    /// With it, policies are followed.
    pub policies: Option<Arc<dyn PolicyObjects>>,
}

/// Names in a cluster. Shared by all threads.
#[derive(Debug)]
pub struct Kubernetes {
    pub directory: Arc<Directory>,
    pub status: Arc<Status>,
    node_name: Option<String>,
    trust_domain: Option<String>,
}

/// The watches. They end when this is dropped.
pub struct Watches {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Whether this is a pod that may talk to its API server.
pub fn is_in_cluster() -> bool {
    connect::is_in_cluster()
}

impl Kubernetes {
    /// Knows nothing until something is put into its directory.
    pub fn new(settings: &Settings) -> Self {
        Self {
            directory: Arc::new(Directory::new(&settings.labels)),
            status: Arc::new(match settings.policies {
                Some(_) => Status::with_policies(),
                None => Status::default(),
            }),
            node_name: settings.node_name.clone(),
            trust_domain: settings.trust_domain.clone(),
        }
    }

    /// Starts to follow a cluster. Its API server may be down.
    ///
    /// # Errors
    /// When it is not known where the server is, or the thread can not be started.
    pub fn start(settings: &Settings) -> Result<(Arc<Self>, Watches), ConnectError> {
        let kubernetes = Arc::new(Self::new(settings));
        let sink = watch::Sink {
            directory: Arc::clone(&kubernetes.directory),
            status: Arc::clone(&kubernetes.status),
            policies: settings.policies.clone(),
        };
        let status = Arc::clone(&kubernetes.status);
        let gather = move || {
            // Lists are taken as fast as they come.
            if status.is_whole() {
                std::thread::sleep(GATHERING);
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(gather)
            .build()
            .map_err(ConnectError::Thread)?;
        let client = runtime.block_on(async {
            let config = connect::configuration(settings.kubeconfig.as_deref()).await?;
            let opened = sink.clone();
            connect::client(config, move |kind| opened.opened(kind))
        })?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(vital::task("kubernetes", async {
                tokio::select! {
                    () = watch::run(client, sink) => (),
                    _ = stopped => (),
                }
            }));
        };
        let thread = vital::spawn("kubernetes", run).map_err(ConnectError::Thread)?;
        let watches = Watches {
            stop: Some(stop),
            thread: Some(thread),
        };
        Ok((kubernetes, watches))
    }

    /// Waits until no first list is under way any more, `limit` at most.
    pub fn wait_for_lists(&self, limit: Duration) {
        self.wait_while(limit, |_| true);
    }

    /// The same, of policies alone.
    pub fn wait_for_policies(&self, limit: Duration) {
        self.wait_while(limit, |kind| {
            Kind::POLICIES.iter().any(|policy| policy.name() == kind)
        });
    }

    fn wait_while(&self, limit: Duration, counts: impl Fn(&str) -> bool) {
        let until = Instant::now() + limit;
        let is_listing = || {
            let states = self.status.states();
            states
                .iter()
                .any(|(kind, state)| counts(kind) && *state == "listing")
        };
        while is_listing() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Adds what is known of a pod to an end that is in it. The uid is that in the cgroup's path.
    /// Says whether the pod is known.
    pub fn enrich(&self, end: &mut End, pod_uid: &str) -> bool {
        end.node.clone_from(&self.node_name);
        let Some(pod) = self.directory.pod(pod_uid) else {
            return false;
        };
        end.workload = Some(pod.workload());
        end.pod = Some(Pod {
            uid: pod_uid.to_owned(),
            name: Some(pod.name.to_string()),
        });
        end.labels.extend(self.directory.labels(&pod));
        if end.node.is_none() {
            end.node = pod.node.as_deref().map(str::to_owned);
        }
        self.set_account(end, &pod.namespace, pod.service_account.as_deref());
        true
    }

    /// The end at an address, at a time on the clock of records; `None` when it is not of this cluster.
    pub fn end(&self, address: SocketAddr, time_ns: u64) -> Option<End> {
        let time = i64::try_from(time_ns / 1_000_000).unwrap_or(i64::MAX);
        let named = self.directory.at(address, time)?;
        Some(self.end_of(named, address))
    }

    fn end_of(&self, named: Named, address: SocketAddr) -> End {
        let namespace = named
            .workload
            .as_ref()
            .and_then(|workload| workload.namespace.clone());
        let mut end = End {
            workload: named.workload,
            pod: named.pod.map(|pod| Pod {
                uid: pod.uid.to_string(),
                name: Some(pod.name.to_string()),
            }),
            node: named.node,
            labels: named.labels,
            address: Some(address.to_string()),
            identified_by: named.identified_by,
            certainty: named.certainty,
            ..End::default()
        };
        self.set_account(
            &mut end,
            namespace.as_deref().unwrap_or_default(),
            named.service_account.as_deref(),
        );
        end
    }

    fn set_account(&self, end: &mut End, namespace: &str, account: Option<&str>) {
        end.service_account = account.map(str::to_owned);
        let (Some(account), Some(domain)) = (account, &self.trust_domain) else {
            return;
        };
        end.spiffe_id = Some(format!("spiffe://{domain}/ns/{namespace}/sa/{account}"));
        end.spiffe_id_source = Some(SpiffeSource::Derived);
    }
}

/// Pods of this host that were not known yet when they were first seen.
impl Pods for Kubernetes {
    fn name(&self, pod_uid: &str, end: &mut End) -> Answer {
        let is_of_this_host = end.process.is_some();
        if !is_of_this_host || self.enrich(end, pod_uid) {
            Answer::Done
        } else {
            Answer::Pending
        }
    }

    fn answers(&self) -> u64 {
        self.directory.changes()
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody to stop: the thread has ended.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the watches ended by a panic");
        }
    }
}

#[cfg(test)]
mod tests;
