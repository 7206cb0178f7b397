//! What the daemon serves, and where, as it is configured: metrics and health, findings over the local socket and over the
//! network.
//!
//! Goes in: the configuration. Comes out: servers on a thread of their own, which end when they are told to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::identity;
use crate::serve::health::Health;
use crate::serve::hub::Hub;
use crate::serve::metrics::Metrics;
use crate::serve::remote::{self, Remote, access::Gate};
use crate::serve::{http, tail};
use crate::vital;

/// HTTP, the live socket and findings over the network, on a runtime of their own.
pub(super) struct Server {
    runtime: Runtime,
    shutdown: watch::Sender<bool>,
    remote: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens everywhere, and serves from then on.
    ///
    /// # Errors
    /// When an address or the socket is in use, or a certificate can not be used.
    pub(super) fn start(
        config: &Config,
        metrics: &Arc<Metrics>,
        health: &Arc<Health>,
        hub: &Arc<Hub>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("serve")
            .enable_all()
            .build()
            .context("cannot start the server's thread")?;
        let (shutdown, stopped) = watch::channel(false);
        let listener = runtime.block_on(http::bind(config.serve.http))?;
        let socket = {
            let _guard = runtime.enter();
            tail::Listener::bind(&config.serve.socket)?
        };
        let until = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let remote = runtime.block_on(remote(config, metrics, hub))?;
        let remote = remote
            .map(|remote| runtime.spawn(vital::task("serve-remote", remote.serve(until(stopped.clone())))));
        let (metrics, health, hub) = (Arc::clone(metrics), Arc::clone(health), Arc::clone(hub));
        let done = until(stopped.clone());
        runtime.spawn(vital::task("serve-http", async move {
            if let Err(error) = http::serve(listener, metrics, health, http::Limits::default(), done).await {
                tracing::error!(%error, "the HTTP server ended");
            }
        }));
        runtime.spawn(vital::task(
            "serve-socket",
            socket.serve(hub, tail::Limits::default(), until(stopped)),
        ));
        Ok(Self {
            runtime,
            shutdown,
            remote,
        })
    }

    /// Ends it; who follows findings is told, and gets what was found last.
    pub(super) fn stop(self) {
        let _ = self.shutdown.send(true);
        if let Some(remote) = self.remote {
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(2), remote).await });
        }
        self.runtime.shutdown_timeout(Duration::from_secs(2));
    }
}

/// Findings over the network, where they are asked for.
async fn remote(config: &Config, metrics: &Arc<Metrics>, hub: &Arc<Hub>) -> anyhow::Result<Option<Remote>> {
    let Some((listen, cert_file, key_file)) = config.tail.served() else {
        return Ok(None);
    };
    let kubernetes = &config.identity.kubernetes;
    let client = identity::kubernetes::client(kubernetes.kubeconfig.as_deref())
        .await
        .context("tail.listen takes an API server that knows users")?;
    let settings = remote::Settings {
        listen,
        cert_file: cert_file.to_owned(),
        key_file: key_file.to_owned(),
        node: kubernetes.node_name(),
        limits: remote::Limits {
            streams: config.tail.max_streams,
            recheck: config.tail.recheck(),
            ..remote::Limits::default()
        },
    };
    let gate = Gate::new(client, config.tail.audience.clone());
    let remote = Remote::bind(settings, gate, Arc::clone(hub), Arc::clone(metrics)).await?;
    tracing::info!(%listen, "findings are served over the network");
    Ok(Some(remote))
}
