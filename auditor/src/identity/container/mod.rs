//! Containers of this host: name, image and labels, asked of the container runtime.
//!
//! Goes in: the id of a container, from a cgroup path. Comes out: [`Facts`], or why there are none ([`Unnamed`]). Asking
//! is never waited for: it happens on a thread of its own (`identity`), with a bounded queue, a deadline for every
//! answer and a memory of what was answered, also of what was not. A runtime that hangs or lies costs a name, and
//! nothing else. It only ever reads: no request here changes anything.

mod answering;
pub mod cri;
pub mod engine;
mod memory;
pub mod socket;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

pub use answering::ANSWERS;
use answering::Answering;
pub use memory::Look;
use memory::Memory;
pub use socket::{Socket, Speaks};

use crate::vital;

/// Containers that wait to be asked about. Without room a container is asked about when it is seen again.
const QUEUE: usize = 1024;

/// Questions that are open at once.
const AT_ONCE: usize = 8;

/// How long one runtime has to answer.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How often runtimes that were asked are asked whether they are still there.
const CHECK: Duration = Duration::from_secs(15);

/// Longest name, image, label or value kept, bytes. A Kubernetes label has at most 63 characters, a name 253.
const TEXT_LIMIT: usize = 512;

/// Most labels kept of a container.
const MAX_LABELS: usize = 64;

/// What a runtime knows of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub name: Option<String>,
    pub image: Option<String>,
    /// Those that were asked for.
    pub labels: BTreeMap<String, String>,
    pub pod: Option<PodFacts>,
}

/// The pod of a container, from the labels that the kubelet gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// As a cgroup path has it.
    pub uid: String,
    pub name: String,
    pub namespace: String,
}

/// Why a container has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unnamed {
    /// The answer was not there yet.
    Pending,
    /// No runtime answered, or none in time.
    NoAnswer,
    /// A runtime's socket may not be used.
    NotPermitted,
    /// No runtime of this host knows the container.
    Unknown,
    /// No socket of a runtime was found, or asking is turned off.
    NoRuntime,
    /// It was made inside a container or by a user: the host's runtimes do not know it.
    NotTheHosts,
}

impl Unnamed {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pending => "the runtime has not answered yet",
            Self::NoAnswer => "no runtime answered",
            Self::NotPermitted => "the runtime's socket may not be used",
            Self::Unknown => "no runtime of this host knows it",
            Self::NoRuntime => "no runtime's socket was found",
            Self::NotTheHosts => "it was made inside a container or by a user, not by a runtime of the host",
        }
    }
}

/// An answer of one runtime.
pub type Answer = Result<Facts, Failure>;

/// Why one runtime gave no facts.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("it does not know this container")]
    Unknown,
    #[error("its socket may not be used: {0}")]
    NotPermitted(io::Error),
    #[error("it can not be reached: {0}")]
    Unreachable(io::Error),
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("its answer can not be used: {0}")]
    Broken(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted(error),
            _ => Self::Unreachable(error),
        }
    }
}

impl From<&Failure> for Unnamed {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Unknown => Self::Unknown,
            Failure::NotPermitted(_) => Self::NotPermitted,
            Failure::Unreachable(_) | Failure::Late | Failure::Broken(_) => Self::NoAnswer,
        }
    }
}

/// What is asked of runtimes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where runtimes listen; `None` for the usual places.
    pub sockets: Option<Vec<Socket>>,
    /// Labels to keep, beside those that name the pod.
    pub labels: BTreeSet<String>,
}

/// Totals for metrics.
#[derive(Debug, Default)]
pub struct Totals {
    pub found: AtomicU64,
    pub unknown: AtomicU64,
    pub failed: AtomicU64,
    /// Questions that found the queue full.
    pub queue_full: AtomicU64,
}

/// All containers seen. Shared by all threads.
pub struct Containers {
    memory: Arc<Memory>,
    answering: Arc<Answering>,
    questions: mpsc::Sender<String>,
    totals: Arc<Totals>,
}

impl Containers {
    /// Starts the thread that asks. It ends when this is dropped.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(settings: Settings) -> io::Result<Self> {
        Self::start_checking(settings, CHECK)
    }

    fn start_checking(settings: Settings, check: Duration) -> io::Result<Self> {
        let memory = Arc::new(Memory::default());
        let totals = Arc::new(Totals::default());
        let answering = Arc::new(Answering::default());
        let (questions, asked) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asking = Asking {
            settings: Arc::new(settings),
            memory: Arc::clone(&memory),
            answering: Arc::clone(&answering),
            totals: Arc::clone(&totals),
        };
        vital::spawn("identity", move || {
            let checks = Arc::clone(&asking.answering);
            runtime.spawn(vital::task("runtimes", async move {
                checks.keep_current(check).await
            }));
            runtime.block_on(asking.run(asked));
        })?;
        Ok(Self {
            memory,
            answering,
            questions,
            totals,
        })
    }

    /// Has a container asked about, unless it is known or was asked about lately. Returns at once.
    pub fn ask(&self, id: &str) {
        let _ = self.look(id);
    }

    /// What is known of a container; has it asked about where that is due. Returns at once.
    pub fn look(&self, id: &str) -> Look {
        let (look, is_due) = self.memory.look(id, Instant::now());
        if is_due && self.questions.try_send(id.to_owned()).is_err() {
            self.totals.queue_full.fetch_add(1, Ordering::Relaxed);
            self.memory.not_asked(id);
        }
        look
    }

    /// Grows whenever an answer came.
    pub fn answers(&self) -> u64 {
        self.memory.answers()
    }

    /// How each runtime that was ever asked answers, as of the last seconds, by its socket.
    pub fn runtimes(&self) -> BTreeMap<String, &'static str> {
        self.answering.states()
    }

    /// Containers that were asked about and of which nothing is known yet.
    pub fn pending(&self) -> usize {
        self.memory.pending()
    }

    /// Containers remembered, and the most there can be.
    pub fn entries(&self) -> (u64, u64) {
        self.memory.entries()
    }

    pub fn totals(&self) -> &Totals {
        &self.totals
    }
}

struct Asking {
    settings: Arc<Settings>,
    answering: Arc<Answering>,
    memory: Arc<Memory>,
    totals: Arc<Totals>,
}

impl Asking {
    async fn run(self, mut asked: mpsc::Receiver<String>) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(id) = asked.recv().await {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let answering = Arc::clone(&self.answering);
            let (settings, memory, totals) = (
                Arc::clone(&self.settings),
                Arc::clone(&self.memory),
                Arc::clone(&self.totals),
            );
            tokio::spawn(async move {
                let answer = name(&settings, &answering, &id).await;
                let total = match &answer {
                    Ok(_) => &totals.found,
                    Err(Unnamed::Unknown) => &totals.unknown,
                    Err(_) => &totals.failed,
                };
                total.fetch_add(1, Ordering::Relaxed);
                memory.answered(&id, answer, Instant::now());
                drop(permit);
            });
        }
    }
}

/// Asks the runtimes one after the other until one knows the container.
async fn name(settings: &Settings, answering: &Answering, id: &str) -> Result<Facts, Unnamed> {
    let sockets = settings.sockets.clone().unwrap_or_else(socket::usual);
    // Of several reasons the one that somebody can do something about.
    let mut why = Unnamed::NoRuntime;
    for socket in sockets {
        let answer = ask(&socket, id, &settings.labels).await;
        answering.heard(&socket, answer.as_ref().err());
        match answer {
            Ok(facts) => return Ok(facts),
            Err(failure) => {
                tracing::debug!(socket = %socket.path.display(), %failure, "a container has no name from here");
                why = why.min(Unnamed::from(&failure));
            }
        }
    }
    Err(why)
}

/// Asks one runtime about one container.
///
/// # Errors
/// When it does not know it, or does not answer properly in time.
pub async fn ask(socket: &Socket, id: &str, labels: &BTreeSet<String>) -> Answer {
    let answer = async {
        match socket.speaks {
            Speaks::Cri => cri::container(&socket.path, id, labels).await,
            Speaks::Engine => engine::container(&socket.path, id, labels).await,
        }
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Late),
    }
}

/// Asks one runtime for its name and version.
///
/// # Errors
/// When it does not answer properly in time.
pub async fn version(socket: &Socket) -> Result<String, Failure> {
    let answer = async {
        match socket.speaks {
            Speaks::Cri => cri::version(&socket.path).await,
            Speaks::Engine => engine::version(&socket.path).await,
        }
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::Late),
    }
}

/// The labels that were asked for, bounded.
fn chosen<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
    wanted: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let wanted = labels.into_iter().filter(|(key, _)| wanted.contains(*key));
    wanted
        .take(MAX_LABELS)
        .map(|(key, value)| (key.clone(), bounded(value)))
        .collect()
}

/// The pod that the kubelet's labels name, where all of them are there.
fn pod<'a>(label: impl Fn(&str) -> Option<&'a String>) -> Option<PodFacts> {
    Some(PodFacts {
        uid: bounded(label("io.kubernetes.pod.uid")?),
        name: bounded(label("io.kubernetes.pod.name")?),
        namespace: bounded(label("io.kubernetes.pod.namespace")?),
    })
}

/// A text that is not empty, cut at the limit.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| bounded(text))
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_LIMIT)].to_owned()
}
