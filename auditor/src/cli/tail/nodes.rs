//! `auditor tail --all-nodes`: the findings of all agents of a cluster.
//!
//! Goes in: the agents' pods, as the API server tells of them, and what each agent sends. Comes out: one line a finding on
//! standard output, and on standard error which agents are not reached, refuse or have ended. The same leak seen by two
//! agents is two findings, and both are shown.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use tokio::sync::{mpsc, watch};

use super::Args;
use super::agent::{Agent, News};
use super::target::Target;
use super::view::{Shown, View, note};
use crate::identity::kubernetes::objects::Pod;
use crate::report::table::Table;

/// Findings that may wait to be printed; agents are not read meanwhile, and count what they drop.
const WAITING: usize = 1024;

/// How agents are found and reached.
#[derive(Debug, clap::Args)]
pub struct Cluster {
    /// Show the findings of all agents of a cluster, over the network
    #[arg(long, conflicts_with = "socket")]
    pub(super) all_nodes: bool,
    /// How to reach the API server [default: as kubectl does, or as a pod does]
    #[arg(long, value_name = "FILE", requires = "all_nodes")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Namespace of the agents
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "auditor",
        requires = "all_nodes"
    )]
    pub(super) agent_namespace: String,
    /// Labels of the agents' pods
    #[arg(
        long,
        value_name = "LABELS",
        default_value = "app.kubernetes.io/name=auditor,app.kubernetes.io/component=node-agent",
        requires = "all_nodes"
    )]
    pub(super) agent_labels: String,
    /// Port of the agents, as in tail.listen
    #[arg(long, value_name = "PORT", default_value_t = crate::serve::remote::PORT, requires = "all_nodes")]
    pub(super) agent_port: u16,
    /// Who vouches for the agents' certificates, PEM [default: who vouches for the API server]
    #[arg(long, value_name = "FILE", requires = "all_nodes")]
    pub(super) agent_ca: Option<PathBuf>,
    /// Name in the agents' certificates [default: auditor.NAMESPACE.svc]
    #[arg(long, value_name = "NAME", requires = "all_nodes")]
    pub(super) agent_name: Option<String>,
    /// A file with the token that agents are shown [default: that of the kubeconfig]
    #[arg(long, value_name = "FILE", requires = "all_nodes")]
    pub(super) token_file: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When agents can not be found, or refuse; without `--follow`, when one could not be asked.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // A provider that somebody else chose is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let config = super::target::configuration(args.cluster.kubeconfig.as_deref()).await?;
        let request = super::request(args, Timestamp::now());
        let target = Target::new(&args.cluster, &config, request)?;
        let client = kube::Client::try_from(config).context("cannot make a client of the API server")?;
        let pods: Api<Pod> = Api::namespaced(client, &args.cluster.agent_namespace);
        let (sender, news) = mpsc::channel(WAITING);
        let mut view = View::new(args.format, Table::for_stdout(), io::stdout(), args.follow);
        let agents = Agents {
            target,
            sender,
            known: HashMap::new(),
            told: HashSet::new(),
        };
        view.header();
        match args.follow {
            true => follow(&args.cluster, pods, agents, news, &mut view).await,
            false => once(&args.cluster, pods, agents, news, &mut view).await,
        }
    })
}

/// Shows what the agents remember.
async fn once(
    cluster: &Cluster,
    pods: Api<Pod>,
    mut agents: Agents,
    mut news: mpsc::Receiver<News>,
    view: &mut View<impl Write>,
) -> anyhow::Result<ExitCode> {
    let list = pods
        .list(&ListParams::default().labels(&cluster.agent_labels))
        .await;
    let list = list.with_context(|| not_listed(cluster))?;
    let mut down = 0;
    for pod in &list.items {
        down += usize::from(!agents.sees(pod, false));
    }
    let count = list.items.len();
    if count == 0 {
        bail!("{}", nobody(cluster));
    }
    // Those that ask hold the other ends.
    drop(agents);
    while let Some(news) = news.recv().await {
        if view.shows(news)? == Shown::Unread {
            return Ok(ExitCode::SUCCESS);
        }
    }
    match view.failed() + down {
        0 => Ok(ExitCode::SUCCESS),
        failed => bail!("{failed} of {count} agents were not asked: what they found is not shown"),
    }
}

/// Shows what agents find, while they come and go.
async fn follow(
    cluster: &Cluster,
    pods: Api<Pod>,
    mut agents: Agents,
    mut news: mpsc::Receiver<News>,
    view: &mut View<impl Write>,
) -> anyhow::Result<ExitCode> {
    let wanted = watcher::Config::default().labels(&cluster.agent_labels);
    let mut changes = pin!(watcher(pods, wanted).default_backoff());
    let mut listing: Option<HashSet<String>> = None;
    let (mut is_listed, mut is_well) = (false, true);
    loop {
        let change = tokio::select! {
            Some(news) = news.recv() => {
                if view.shows(news)? == Shown::Unread {
                    return Ok(ExitCode::SUCCESS);
                }
                continue;
            }
            change = changes.next() => change.context("the watch of agents has ended")?,
        };
        match change {
            Err(error) if !is_listed => return Err(error).context(not_listed(cluster)),
            Err(error) => {
                if std::mem::take(&mut is_well) {
                    let why = error.to_string();
                    note(&format!(
                        "the API server does not tell of agents any more: {why}; trying again"
                    ));
                }
                continue;
            }
            Ok(watcher::Event::Init) => listing = Some(HashSet::new()),
            Ok(watcher::Event::InitApply(pod)) => {
                listing.get_or_insert_default().extend(pod.metadata.uid.clone());
                agents.sees(&pod, true);
            }
            Ok(watcher::Event::InitDone) => {
                let listed = listing.take().unwrap_or_default();
                agents.keeps(&listed);
                if listed.is_empty() {
                    note(&format!("{}; waiting for them", nobody(cluster)));
                }
                is_listed = true;
            }
            Ok(watcher::Event::Apply(pod)) => _ = agents.sees(&pod, true),
            Ok(watcher::Event::Delete(pod)) => agents.loses(pod.metadata.uid.as_deref()),
        }
        if !std::mem::replace(&mut is_well, true) {
            note("the API server tells of agents again");
        }
    }
}

fn not_listed(cluster: &Cluster) -> String {
    format!(
        "cannot list the agents' pods in the namespace {}: that takes the right to list and watch them there",
        cluster.agent_namespace
    )
}

fn nobody(cluster: &Cluster) -> String {
    format!(
        "there are no agents with the labels {} in the namespace {}",
        cluster.agent_labels, cluster.agent_namespace
    )
}

/// The agents that are read.
struct Agents {
    target: Target,
    sender: mpsc::Sender<News>,
    /// By the uids of their pods; what says that one has gone.
    known: HashMap<String, watch::Sender<bool>>,
    /// Pods of which it was said that they do not run.
    told: HashSet<String>,
}

impl Agents {
    /// Reads an agent, unless that is done already; `false` when it does not run.
    fn sees(&mut self, pod: &Pod, follow: bool) -> bool {
        let Some(uid) = pod.metadata.uid.as_deref() else {
            return false;
        };
        let name = pod.metadata.name.clone().unwrap_or_default();
        let node = pod.spec.node_name.clone().unwrap_or_else(|| name.clone());
        let phase = pod.status.phase.as_deref().unwrap_or("Unknown");
        let address = pod
            .status
            .pod_ip
            .as_deref()
            .and_then(|ip| ip.parse::<IpAddr>().ok());
        let Some(address) = address.filter(|_| phase == "Running") else {
            self.loses(Some(uid));
            if self.told.insert(uid.to_owned()) {
                note(&format!("{node}: the agent {name} does not run: it is {phase}"));
            }
            return false;
        };
        self.told.remove(uid);
        if self.known.contains_key(uid) {
            return true;
        }
        let (gone, is_gone) = watch::channel(false);
        self.known.insert(uid.to_owned(), gone);
        let agent = Agent {
            node,
            address,
            is_gone,
        };
        let (target, sender) = (self.target.clone(), self.sender.clone());
        tokio::spawn(async move {
            match follow {
                true => agent.follow(target, sender).await,
                false => agent.once(target, sender).await,
            }
        });
        true
    }

    /// What is left to read of an agent that has gone is read.
    fn loses(&mut self, uid: Option<&str>) {
        let Some(uid) = uid else { return };
        self.told.remove(uid);
        if let Some(gone) = self.known.remove(uid) {
            gone.send_replace(true);
        }
    }

    /// All others have gone.
    fn keeps(&mut self, listed: &HashSet<String>) {
        let gone: Vec<String> = self
            .known
            .keys()
            .filter(|uid| !listed.contains(*uid))
            .cloned()
            .collect();
        for uid in gone {
            self.loses(Some(&uid));
        }
        self.told.retain(|uid| listed.contains(uid));
    }
}
