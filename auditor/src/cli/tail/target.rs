//! How agents are asked: by which name and certificates, with whose token, and for what.
//!
//! Goes in: options and a kubeconfig. Comes out: requests to agents. A token goes to nobody whose certificate is not vouched
//! for.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::header::{AUTHORIZATION, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use kube::Config;
use kube::client::{Body, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};

use super::nodes::Cluster;
use crate::serve::filter::Request;
use crate::serve::remote::{HEARTBEAT, PATH};

/// How long an agent has to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may be silent: it says that it is there more often.
const SILENCE: Duration = HEARTBEAT.saturating_mul(3);
/// Most findings of before that are asked for when a stream begins again.
const AGAIN: usize = 1000;
/// How much earlier than the last one they may be: what is found is not told in order.
const EARLIER: SignedDuration = SignedDuration::from_secs(60);

/// A service that shows the token that the API server would be shown.
type Shower = BoxCloneSyncService<http::Request<Body>, http::Response<Option<HeaderValue>>, BoxError>;

/// What all agents are asked.
#[derive(Clone)]
pub(super) struct Target {
    authorities: Vec<Certificate>,
    name: String,
    port: u16,
    token: Token,
    request: Request,
}

#[derive(Clone)]
enum Token {
    /// Read anew each time: it is replaced before it expires.
    File(PathBuf),
    Kubeconfig(Shower),
}

/// What is known of the API server: as a file says, as kubectl would have it, or as in a pod.
pub(super) async fn configuration(kubeconfig: Option<&Path>) -> anyhow::Result<Config> {
    match kubeconfig {
        Some(path) => {
            let wrong = || format!("cannot use the kubeconfig {}", path.display());
            let read = Kubeconfig::read_from(path).with_context(wrong)?;
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                .await
                .with_context(wrong)
        }
        None => Config::infer()
            .await
            .context("it is not known where the API server is: give --kubeconfig"),
    }
}

impl Target {
    pub(super) fn new(cluster: &Cluster, config: &Config, request: Request) -> anyhow::Result<Self> {
        let name = cluster
            .agent_name
            .clone()
            .unwrap_or_else(|| format!("auditor.{}.svc", cluster.agent_namespace));
        ensure!(
            name.parse::<IpAddr>().is_err() && !name.is_empty(),
            "--agent-name has to be a name of DNS, not {name:?}"
        );
        let token = match &cluster.token_file {
            Some(path) => Token::File(path.clone()),
            None => Token::Kubeconfig(shower(config)?),
        };
        Ok(Self {
            authorities: authorities(cluster, config)?,
            name,
            port: cluster.agent_port,
            token,
            request,
        })
    }

    /// Sends the request to an agent. With a time, for what was found since, or not long before.
    ///
    /// # Errors
    /// When it is not reached, or nobody vouches for it.
    pub(super) async fn ask(&self, address: IpAddr, since: Option<Timestamp>) -> anyhow::Result<Response> {
        let mut request = self.request.clone();
        if let Some(since) = since {
            let since = since.checked_sub(EARLIER).unwrap_or(Timestamp::MIN);
            request.filters.since = Some(since.to_string());
            request.last = AGAIN;
        }
        let client = Client::builder()
            .user_agent(concat!("auditor/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .resolve(&self.name, SocketAddr::new(address, self.port))
            .tls_certs_only(self.authorities.iter().cloned())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()?;
        let sent = client
            .post(format!("https://{}:{}{PATH}", self.name, self.port))
            .header(AUTHORIZATION, self.token.shown().await?)
            .body(serde_json::to_vec(&request)?)
            .send()
            .await;
        // The address says more than the name that all agents have.
        sent.map_err(|error| error.without_url())
            .with_context(|| format!("{address} port {}", self.port))
    }
}

impl Token {
    async fn shown(&self) -> anyhow::Result<HeaderValue> {
        match self {
            Self::File(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("cannot read the token in {}", path.display()))?;
                let value = HeaderValue::try_from(format!("Bearer {}", text.trim()));
                let mut value = value.map_err(|_| {
                    anyhow::anyhow!("{} holds no token: it is one line of text", path.display())
                })?;
                value.set_sensitive(true);
                Ok(value)
            }
            Self::Kubeconfig(shower) => {
                let shown = shower.clone().oneshot(http::Request::new(Body::empty())).await;
                let shown = shown.map_err(|error| anyhow::anyhow!("cannot get a token: {error}"))?;
                match shown.into_body() {
                    Some(value) if value.as_bytes().starts_with(b"Bearer ") => Ok(value),
                    _ => bail!(NO_TOKEN),
                }
            }
        }
    }
}

const NO_TOKEN: &str = "the kubeconfig has no token, and agents take nothing else: give --token-file, see `kubectl create token`";

/// Tokens of commands and files are refreshed as they expire.
fn shower(config: &Config) -> anyhow::Result<Shower> {
    let layer = config
        .auth_layer()
        .context("cannot use the user of the kubeconfig")?;
    let show = service_fn(|request: http::Request<Body>| async move {
        Ok::<_, BoxError>(http::Response::new(request.headers().get(AUTHORIZATION).cloned()))
    });
    Ok(BoxCloneSyncService::new(layer.context(NO_TOKEN)?.layer(show)))
}

fn authorities(cluster: &Cluster, config: &Config) -> anyhow::Result<Vec<Certificate>> {
    if let Some(path) = &cluster.agent_ca {
        let wrong = || format!("cannot use the certificates in {}", path.display());
        let pem = fs::read(path).with_context(wrong)?;
        let found = Certificate::from_pem_bundle(&pem).with_context(wrong)?;
        ensure!(!found.is_empty(), "{} holds no certificate", path.display());
        return Ok(found);
    }
    let read = match (&config.root_cert, &config.root_cert_file) {
        (Some(certificates), _) => certificates
            .iter()
            .map(|certificate| Certificate::from_der(certificate))
            .collect::<Result<Vec<_>, _>>()?,
        (None, Some(path)) => Certificate::from_pem_bundle(&fs::read(path)?)?,
        (None, None) => Vec::new(),
    };
    ensure!(
        !read.is_empty(),
        "it is not known who vouches for agents: give --agent-ca"
    );
    Ok(read)
}
