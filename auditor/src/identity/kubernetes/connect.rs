//! A client of the API server, and when its watches are open.
//!
//! Goes in: a kubeconfig, or what Kubernetes puts into a pod. Comes out: a client that calls back when the server has
//! taken a watch: nothing may change for hours, and that it goes on has to be known.

use std::{
    path::{Path, PathBuf},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{Layer, Service};

use super::directory::Kind;

/// How long the server may be silent; watches have a limit of 290 s and bookmarks about every minute.
const SILENCE: Duration = Duration::from_secs(310);

/// Where Kubernetes puts a pod's token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot use the kubeconfig {}: {source}", path.display())]
    Kubeconfig {
        path: PathBuf,
        source: Box<kube::config::KubeconfigError>,
    },
    #[error(
        "the API server is asked for, and this is no pod with a service account ({0}): set identity.kubernetes.kubeconfig, or mount the token"
    )]
    NoPod(Box<kube::config::InClusterError>),
    #[error("cannot make a client of the API server: {0}")]
    Client(Box<kube::Error>),
    #[error("cannot start the thread of the watches: {0}")]
    Thread(std::io::Error),
}

/// Whether this is a pod that may talk to its API server.
pub(super) fn is_in_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && Path::new(TOKEN).exists()
}

/// Reads the configuration of the client; the server is not called yet.
///
/// # Errors
/// When there is none, or it can not be used.
pub(super) async fn configuration(kubeconfig: Option<&Path>) -> Result<Config, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => {
            let failed = |source| ConnectError::Kubeconfig {
                path: path.to_owned(),
                source: Box::new(source),
            };
            let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(failed)?
        }
        None => Config::incluster().map_err(|source| ConnectError::NoPod(Box::new(source)))?,
    };
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    Ok(config)
}

/// A client that calls `opened` for each watch that the server takes.
///
/// # Errors
/// When the configuration holds a certificate or key that can not be read.
pub(super) fn client(
    config: Config,
    opened: impl Fn(Kind) + Clone + Send + Sync + 'static,
) -> Result<Client, ConnectError> {
    let builder = ClientBuilder::try_from(config).map_err(|source| ConnectError::Client(Box::new(source)))?;
    Ok(builder.with_layer(&Notice { opened }).build())
}

/// A client for what is not watched, to be made inside of the runtime that uses it.
///
/// # Errors
/// When it is not known where the server is, or the configuration can not be used.
pub async fn plain(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let config = configuration(kubeconfig).await?;
    let builder = ClientBuilder::try_from(config).map_err(|source| ConnectError::Client(Box::new(source)))?;
    Ok(builder.build())
}

#[derive(Clone)]
struct Notice<F> {
    opened: F,
}

impl<S, F: Clone> Layer<S> for Notice<F> {
    type Service = Noticed<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Noticed {
            inner,
            opened: self.opened.clone(),
        }
    }
}

struct Noticed<S, F> {
    inner: S,
    opened: F,
}

impl<S, B, F> Service<Request<Body>> for Noticed<S, F>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    F: Fn(Kind) + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let kind = watched(request.uri());
        let opened = self.opened.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if let Some(kind) = kind.filter(|_| answer.status().is_success()) {
                opened(kind);
            }
            Ok(answer)
        })
    }
}

/// The kind that a request watches.
fn watched(uri: &http::Uri) -> Option<Kind> {
    let mut parameters = uri.query()?.split('&');
    parameters.find(|parameter| ["watch=true", "watch=1"].contains(parameter))?;
    let plural = uri.path().rsplit('/').next()?;
    let mut kinds = Kind::ALL.into_iter().chain(Kind::POLICIES);
    kinds.find(|kind| kind.name() == plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_told_from_a_list() {
        let kind = |uri: &str| watched(&uri.parse().unwrap());
        assert_eq!(
            kind("/api/v1/pods?&watch=true&resourceVersion=1"),
            Some(Kind::Pods)
        );
        assert_eq!(kind("/api/v1/pods?limit=500"), None);
        assert_eq!(
            kind("/apis/discovery.k8s.io/v1/endpointslices?watch=true"),
            Some(Kind::EndpointSlices)
        );
        assert_eq!(kind("/api/v1/secrets?watch=true"), None);
    }
}
