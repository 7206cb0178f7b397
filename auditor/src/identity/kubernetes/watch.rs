//! The watches of the API server, one for each kind of object, on a thread of their own.
//!
//! Goes in: a client. Comes out: a [`Directory`] that follows the cluster, and a [`Status`] that says how well. Whatever
//! the server does, the watches go on trying, with growing pauses of up to half a minute; nobody waits for them.

mod pulse;
mod source;
#[cfg(test)]
mod tests;

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use kube::{
    Client, Resource,
    core::{PartialObjectMeta, WatchEvent},
    runtime::{
        utils::Backoff as _,
        watcher::{DefaultBackoff, Error},
    },
};
use serde::de::DeserializeOwned;
use tokio::time;

use self::source::{Source, WATCH};
use super::{
    directory::{Directory, Kind},
    objects::{Discovery, EndpointSlice, Namespace, Node, Pod, Service},
    policies::{PolicyObject, PolicyObjects},
    status::{Failure, Status},
};
use crate::capture::clock::monotonic_ns;

/// How often what is long gone is forgotten.
const SWEEP: Duration = Duration::from_secs(10);

/// How long after the server takes a watch up again what was missed comes in.
const SETTLING: Duration = Duration::from_secs(1);

/// How long after the server should have ended a watch it is given up.
const OVERDUE: Duration = Duration::from_secs(5);

/// A watch that ends sooner, without a word, and again when it is asked for at once, has failed.
const SHORT: Duration = Duration::from_secs(1);

/// Longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(30);

/// A pod that has finished has no address. The server sends its end as if it were deleted.
const UNFINISHED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// What the watches write to.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    pub(super) directory: Arc<Directory>,
    pub(super) status: Arc<Status>,
    /// Who takes in policies, if anybody does.
    pub(super) policies: Option<Arc<dyn PolicyObjects>>,
}

impl Sink {
    /// The server has taken a watch: soon, what is known is what it says.
    pub(super) fn opened(&self, kind: Kind) {
        let (sink, losses) = (self.clone(), self.status.losses(kind));
        tokio::spawn(async move {
            time::sleep(SETTLING).await;
            if sink.status.resumed(kind, losses) {
                sink.directory.resumed(kind, now());
                tracing::info!(kind = kind.name(), "the watch of the API server goes on");
            }
        });
    }

    /// The server does not have a kind where it was looked for first.
    fn looks_elsewhere(&self, kind: Kind) {
        self.directory.lost(kind, now());
        self.status.lists(kind);
    }

    fn failed(&self, kind: Kind, error: &Error) {
        let failure = failure(error);
        self.directory.lost(kind, now());
        if self.status.failed(kind, failure) {
            let name = (kind.name(), failure.name());
            if kind.is_policy() && failure == Failure::Missing {
                tracing::info!(
                    kind = name.0,
                    "the API server has no policies: their definitions are not installed"
                );
                return;
            }
            let what = match kind.is_policy() {
                true => "policies that are known of it stay in force until it is back",
                false => "names that depend on it are left out until it is back",
            };
            tracing::warn!(kind = name.0, failure = name.1, %error, "a watch of the API server failed; {what}");
        }
    }

    /// The server says nothing any more, on connections that are still there.
    fn silent(&self) {
        let policies = Kind::POLICIES.into_iter().filter(|_| self.policies.is_some());
        for kind in Kind::ALL.into_iter().chain(policies) {
            self.directory.lost(kind, now());
            self.status.failed(kind, Failure::Unreachable);
        }
        tracing::warn!(
            "the API server does not answer; names that depend on it are left out until it is back"
        );
    }
}

/// Runs all watches; never ends. A connection that is cut off without a word would go on as a watch in which nothing
/// happens: where the server does not answer, all watches start anew, and once more when it does.
pub(super) async fn run(client: Client, sink: Sink) {
    let mut pulse = pulse::Pulse::default();
    loop {
        tokio::select! {
            () = follow_all(&client, &sink) => (),
            news = pulse.news(&client, &sink.status) => match news {
                pulse::News::Silent => sink.silent(),
                pulse::News::Back => (),
            },
        }
    }
}

async fn follow_all(client: &Client, sink: &Sink) {
    let pods = Source::<Pod>::of::<Pod>(client, &()).fields(UNFINISHED);
    let services = Source::<Service>::of::<Service>(client, &());
    let nodes = Source::<Node>::of::<Node>(client, &());
    let namespaces = Source::<PartialObjectMeta<Namespace>>::of::<Namespace>(client, &()).metadata();
    let policies = async {
        if sink.policies.is_some() {
            let of_namespaces = Source::<PolicyObject<false>>::of::<PolicyObject<false>>(client, &());
            let of_cluster = Source::<PolicyObject<true>>::of::<PolicyObject<true>>(client, &());
            tokio::join!(follow(&of_namespaces, sink), follow(&of_cluster, sink));
        }
    };
    tokio::join!(
        follow(&pods, sink),
        follow(&services, sink),
        follow(&nodes, sink),
        follow(&namespaces, sink),
        follow_slices(client, sink),
        policies,
        sweep(&sink.directory),
    );
}

/// Servers before 1.21 have EndpointSlices in another version.
async fn follow_slices(client: &Client, sink: &Sink) {
    let mut discovery = Discovery::V1;
    loop {
        let source = Source::<EndpointSlice>::of::<EndpointSlice>(client, &discovery);
        let error = follow_until(&source, sink, |failure| failure == Failure::Missing).await;
        discovery = match discovery {
            Discovery::V1 => {
                sink.looks_elsewhere(Kind::EndpointSlices);
                Discovery::V1Beta1
            }
            Discovery::V1Beta1 => {
                sink.failed(Kind::EndpointSlices, &error);
                // Neither: look again, as a server may be replaced by a newer one.
                time::sleep(SWEEP).await;
                Discovery::V1
            }
        };
    }
}

async fn sweep(directory: &Directory) {
    loop {
        time::sleep(SWEEP).await;
        directory.sweep(now());
    }
}

async fn follow<K: Watched>(source: &Source<K>, sink: &Sink) {
    follow_until(source, sink, |_| false).await;
}

/// Follows one kind, until a failure of which `ends` is true: that is the caller's to tell.
async fn follow_until<K: Watched>(source: &Source<K>, sink: &Sink, ends: impl Fn(Failure) -> bool) -> Error {
    let mut pauses = DefaultBackoff::default();
    // What is known is the state of, once there is a list.
    let mut version = None;
    let (mut shorts, mut was_gone) = (0_u32, false);
    loop {
        let done = match &mut version {
            None => listed(source, sink).await.map(|known| {
                version = Some(known);
                was_gone = false;
                pauses.reset();
            }),
            Some(version) => {
                let start = time::Instant::now();
                let mut has_heard = false;
                let mut ended = watched(source, sink, version, &mut has_heard).await;
                let is_short = ended.is_ok() && !has_heard && start.elapsed() < SHORT;
                shorts = if is_short { shorts + 1 } else { 0 };
                if shorts > 1 {
                    let end = std::io::ErrorKind::UnexpectedEof;
                    ended = Err(Error::WatchFailed(kube::Error::ReadEvents(end.into())));
                }
                if has_heard {
                    pauses.reset();
                }
                ended
            }
        };
        let Err(error) = done else { continue };
        let failure = failure(&error);
        if ends(failure) {
            return error;
        }
        if matches!(failure, Failure::Gone | Failure::Missing) || matches!(error, Error::NoResourceVersion) {
            version = None;
        }
        sink.failed(K::KIND, &error);
        // A server that has forgotten what was known is there, and has a list.
        if failure == Failure::Gone && !was_gone {
            was_gone = true;
            continue;
        }
        // What is drawn by lot may be twice as long.
        time::sleep(pauses.next().unwrap_or(SHORT).min(LONGEST)).await;
    }
}

/// Lists one kind anew; what the list is the state of.
async fn listed<K: Watched>(source: &Source<K>, sink: &Sink) -> Result<String, Error> {
    K::list_begins(sink);
    let version = source.list(|object: K| object.seen(sink)).await;
    let version = version.map_err(Error::InitialListFailed)?;
    let version = version.ok_or(Error::NoResourceVersion)?;
    let count = K::list_ends(sink);
    sink.status.listed(K::KIND);
    tracing::info!(kind = K::KIND.name(), count, "listed from the API server");
    Ok(version)
}

/// Takes what changes from `version` on, which goes along, until the server ends the watch.
async fn watched<K: Watched>(
    source: &Source<K>,
    sink: &Sink,
    version: &mut String,
    has_heard: &mut bool,
) -> Result<(), Error> {
    let events = source.watch(version).await.map_err(Error::WatchStartFailed)?;
    let mut events = pin!(events);
    while let Ok(Some(event)) = time::timeout(WATCH + OVERDUE, events.next()).await {
        let known = match event.map_err(Error::WatchFailed)? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                object.seen(sink);
                object.meta().resource_version.clone()
            }
            WatchEvent::Deleted(object) => {
                object.deleted(sink);
                object.meta().resource_version.clone()
            }
            WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(Error::WatchError(status.boxed())),
        };
        *version = known
            .filter(|known| !known.is_empty())
            .ok_or(Error::NoResourceVersion)?;
        *has_heard = true;
    }
    Ok(())
}

/// Milliseconds on the clock of records.
pub(super) fn now() -> i64 {
    i64::try_from(monotonic_ns() / 1_000_000).unwrap_or(i64::MAX)
}

fn failure(error: &Error) -> Failure {
    let code = |status: &kube::core::Status| match status.code {
        401 => Failure::Unauthorized,
        403 => Failure::Forbidden,
        404 => Failure::Missing,
        410 => Failure::Gone,
        _ => Failure::Refused,
    };
    match error {
        Error::WatchError(status) => code(status),
        Error::NoResourceVersion => Failure::Unreadable,
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            match error {
                kube::Error::Api(status) => code(status),
                kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Failure::Unreadable,
                kube::Error::Auth(_) => Failure::Unauthorized,
                _ => Failure::Unreachable,
            }
        }
    }
}

/// An object that the directory, or who takes policies in, follows.
trait Watched: Resource + DeserializeOwned + Clone {
    const KIND: Kind;
    fn seen(&self, sink: &Sink);
    fn deleted(&self, sink: &Sink);

    fn list_begins(sink: &Sink) {
        sink.directory.list_begins(Self::KIND, now());
    }

    /// How many there are.
    fn list_ends(sink: &Sink) -> usize {
        sink.directory.list_ends(Self::KIND, now());
        sink.directory.count(Self::KIND)
    }
}

impl<const OF_CLUSTER: bool> Watched for PolicyObject<OF_CLUSTER> {
    const KIND: Kind = Self::KIND_OF;

    fn seen(&self, sink: &Sink) {
        let policies = sink.policies.iter();
        policies.for_each(|policies| policies.seen(self.written()));
    }

    fn deleted(&self, sink: &Sink) {
        let policies = sink.policies.iter();
        policies.for_each(|policies| policies.deleted(&self.place()));
    }

    fn list_begins(sink: &Sink) {
        let policies = sink.policies.iter();
        policies.for_each(|policies| policies.list_begins(Self::KIND));
    }

    fn list_ends(sink: &Sink) -> usize {
        let policies = sink.policies.as_ref();
        policies.map_or(0, |policies| policies.list_ends(Self::KIND))
    }
}

impl Watched for Pod {
    const KIND: Kind = Kind::Pods;

    fn seen(&self, sink: &Sink) {
        sink.directory
            .pod_seen(self, now(), Timestamp::now().as_millisecond());
    }

    fn deleted(&self, sink: &Sink) {
        sink.directory.pod_deleted(self, now());
    }
}

impl Watched for Service {
    const KIND: Kind = Kind::Services;

    fn seen(&self, sink: &Sink) {
        sink.directory.service_seen(self, now());
    }

    fn deleted(&self, sink: &Sink) {
        sink.directory.service_deleted(self);
    }
}

impl Watched for EndpointSlice {
    const KIND: Kind = Kind::EndpointSlices;

    fn seen(&self, sink: &Sink) {
        sink.directory.slice_seen(self, now());
    }

    fn deleted(&self, sink: &Sink) {
        sink.directory.slice_deleted(self, now());
    }
}

impl Watched for Node {
    const KIND: Kind = Kind::Nodes;

    fn seen(&self, sink: &Sink) {
        sink.directory.node_seen(self, now());
    }

    fn deleted(&self, sink: &Sink) {
        sink.directory.node_deleted(self);
    }
}

impl Watched for PartialObjectMeta<Namespace> {
    const KIND: Kind = Kind::Namespaces;

    fn seen(&self, sink: &Sink) {
        sink.directory.namespace_seen(&self.metadata);
    }

    fn deleted(&self, sink: &Sink) {
        sink.directory.namespace_deleted(&self.metadata);
    }
}
