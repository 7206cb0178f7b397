//! Where the daemon's findings go, as it is configured.
//!
//! Goes in: the configuration, then findings. Comes out: the same findings in the journal, on standard
//! output and at receivers elsewhere, each with its group and who observed it. Each sink has a queue and a
//! thread of its own; what goes over a network shares one more thread.

use std::fs::DirBuilder;
use std::io::{BufWriter, stdout};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::detect::Severity;
use crate::identity::kubernetes;
use crate::report::finding::{Finding, Observer};
use crate::report::group;
use crate::report::sinks::events::{self, Events};
use crate::report::sinks::otlp::{self, Otlp};
use crate::report::sinks::remote::{self, Remote, Shared, Target, deliver};
use crate::report::sinks::webhook::{self, Webhook};
use crate::report::sinks::{Queued, Sink, journal, stdout as standard};
use crate::serve::metrics::Metrics;
use crate::vital;

/// Findings that may wait for a sink's thread.
const QUEUE: usize = 4096;

/// Most bytes of findings that wait to become Events: nobody wants to be told hours later.
const MOST_EVENTS: u64 = 1 << 20;

/// How long the API server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// All sinks.
pub(super) struct Sinks {
    observer: Observer,
    local: Vec<Queued>,
    remote: Vec<Arc<Shared>>,
    deliveries: Option<Deliveries>,
}

/// The thread that sends.
struct Deliveries {
    runtime: Runtime,
    tasks: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Deliveries {
    fn start() -> anyhow::Result<Self> {
        // A provider that somebody else chose is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("deliver")
            .enable_all()
            .build()
            .context("cannot start the thread that sends findings")?;
        Ok(Self {
            runtime,
            tasks: JoinSet::new(),
            closing: watch::channel(false).0,
        })
    }
}

impl Sinks {
    /// Opens everything that is configured.
    ///
    /// # Errors
    /// When a file can not be opened, or an address or a certificate can not be used. A receiver that does
    /// not answer is no error.
    pub(super) fn start(config: &Config) -> anyhow::Result<Self> {
        let mut sinks = Self {
            observer: observer(config),
            local: Vec::new(),
            remote: Vec::new(),
            deliveries: None,
        };
        let report = &config.report;
        if report.journal.enabled {
            let journal = journal::Journal::open(journal::Settings {
                path: config.journal_path(),
                max_bytes: report.journal.max_bytes,
                keep: report.journal.keep,
                format: report.journal.format,
                sync: report.journal.sync,
            })?;
            sinks.add(Box::new(journal))?;
        }
        if report.stdout.enabled {
            let format = standard::Format::Json(report.stdout.format);
            sinks.add(Box::new(standard::Writer::new(BufWriter::new(stdout()), format)))?;
        }
        if let Some(settings) = to_collector(config) {
            let wanted = &report.otlp;
            let queue = queue(config, "otlp", wanted.min_severity.into(), wanted.timeout());
            sinks.add_remote(queue, || Ok(Otlp::new(settings)?))?;
        }
        if let Some(settings) = to_webhook(config) {
            let wanted = &report.webhook;
            let queue = queue(config, "webhook", wanted.min_severity.into(), wanted.timeout());
            sinks.add_remote(queue, || Ok(Webhook::new(&settings)?))?;
        }
        if report.events.enabled {
            let wanted = &report.events;
            let queue = remote::Settings {
                max_bytes: report.queue_bytes.min(MOST_EVENTS),
                wants: events::is_told,
                ..queue(config, "events", wanted.min_severity.into(), ANSWER)
            };
            sinks.add_remote(queue, || {
                let kubeconfig = config.identity.kubernetes.kubeconfig.as_deref();
                let client = Handle::current().block_on(kubernetes::client(kubeconfig))?;
                Ok(Events::new(client, wanted.per_minute))
            })?;
        }
        Ok(sinks)
    }

    fn add(&mut self, sink: Box<dyn Sink>) -> anyhow::Result<()> {
        let name = sink.name();
        let queued =
            Queued::new(sink, QUEUE).with_context(|| format!("cannot start the thread of {name}"))?;
        self.local.push(queued);
        Ok(())
    }

    fn add_remote<T: Target>(
        &mut self,
        settings: remote::Settings,
        target: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<()> {
        if let Some(folder) = settings.queue.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let deliveries = match &mut self.deliveries {
            Some(deliveries) => deliveries,
            none => none.insert(Deliveries::start()?),
        };
        let target = {
            let _inside = deliveries.runtime.enter();
            target()?
        };
        let (sink, shared) = Remote::open(settings)?;
        let closing = deliveries.closing.subscribe();
        let delivery = deliver(Arc::clone(&shared), target, closing);
        let delivery = vital::task("deliver", delivery);
        deliveries.tasks.spawn_on(delivery, deliveries.runtime.handle());
        self.remote.push(shared);
        self.add(Box::new(sink))
    }

    /// Says who observed it, and what is the same elsewhere.
    pub(super) fn sign(&self, finding: &mut Finding) {
        finding.group = Some(group::of(finding));
        finding.observer = Some(self.observer.clone());
    }

    /// Hands a finding to all sinks; none of them holds up the caller.
    pub(super) fn write(&mut self, finding: &Finding) {
        for sink in &mut self.local {
            sink.write(finding);
        }
    }

    /// Brings metrics up to date.
    pub(super) fn show(&self, metrics: &Metrics) {
        for sink in &self.local {
            metrics.sink_dropped_so_far(sink.name(), sink.dropped().load(Ordering::Relaxed));
        }
        for shared in &self.remote {
            let (name, counts) = (shared.settings.name, &shared.counts);
            metrics.sink_delivered_so_far(name, counts.delivered.load(Ordering::Relaxed));
            metrics.sink_replaced_so_far(name, counts.replaced.load(Ordering::Relaxed));
            for (reason, total) in counts.failures() {
                metrics.sink_failures_so_far(name, reason, total);
            }
            let (findings, bytes) = shared.waiting();
            metrics.set_sink_waiting(name, findings, bytes);
        }
    }

    /// Writes the last findings and gives receivers the rest of `patience` to take what waits; what does
    /// not arrive stays on disk for the next start. False when a sink did not take what it was given.
    pub(super) fn close(self, last: &[Finding], patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut all = true;
        for sink in self.local {
            all &= sink.close(last.to_vec(), deadline.saturating_duration_since(Instant::now()));
        }
        if let Some(mut deliveries) = self.deliveries {
            let _ = deliveries.closing.send(true);
            let rest = deadline.saturating_duration_since(Instant::now());
            let done = async { while deliveries.tasks.join_next().await.is_some() {} };
            let _ = deliveries
                .runtime
                .block_on(async { tokio::time::timeout(rest, done).await });
            for shared in &self.remote {
                let (findings, _) = shared.waiting();
                if findings > 0 {
                    tracing::warn!(
                        sink = shared.settings.name,
                        findings,
                        "not sent yet; they wait on disk for the next start"
                    );
                }
            }
            deliveries.runtime.shutdown_timeout(Duration::from_secs(1));
        }
        all
    }
}

/// Where OTLP goes, if it is wanted.
fn to_collector(config: &Config) -> Option<otlp::Settings> {
    let wanted = &config.report.otlp;
    Some(otlp::Settings {
        endpoint: wanted.endpoint.clone()?,
        protocol: wanted.protocol,
        headers_file: wanted.headers_file.clone(),
        tls: wanted.tls(),
        format: wanted.format,
        timeout: wanted.timeout(),
        resource: otlp::Resource {
            host: host(),
            node: config.identity.kubernetes.node_name(),
            cluster: config.report.cluster.clone(),
        },
    })
}

/// Where webhooks go, if they are wanted.
fn to_webhook(config: &Config) -> Option<webhook::Settings> {
    let wanted = &config.report.webhook;
    Some(webhook::Settings {
        url: wanted.url.clone()?,
        secret_file: wanted.secret_file.clone(),
        headers_file: wanted.headers_file.clone(),
        tls: wanted.tls(),
        format: wanted.format,
        timeout: wanted.timeout(),
    })
}

/// Reads what sending takes, addresses, certificates, tokens and secrets, and connects to nobody.
///
/// # Errors
/// What could not be used.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let deliveries = Deliveries::start()?;
    let _inside = deliveries.runtime.enter();
    if let Some(settings) = to_collector(config) {
        Otlp::new(settings)?;
    }
    if let Some(settings) = to_webhook(config) {
        Webhook::new(&settings)?;
    }
    Ok(())
}

/// A queue in the state folder, for everything from this severity on.
fn queue(config: &Config, name: &'static str, min_severity: Severity, timeout: Duration) -> remote::Settings {
    remote::Settings {
        name,
        queue: config.state_dir.join("queue").join(format!("{name}.redb")),
        max_bytes: config.report.queue_bytes,
        min_severity,
        wants: |_| true,
        timeout,
    }
}

fn observer(config: &Config) -> Observer {
    Observer {
        node: config.identity.kubernetes.node_name().or_else(host),
        cluster: config.report.cluster.clone(),
    }
}

fn host() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}
