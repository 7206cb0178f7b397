//! Findings over the network: HTTP/1.1 over TLS 1.3, for users whom the API server knows and permits.
//!
//! Goes in: connections, and what the hub has. Comes out: to a `POST /v1/findings` with a bearer token and a request as over
//! the local socket, findings as they come. Nobody is answered who is not permitted, and nobody when that can not be asked.
//! A client has a fixed time and number of bytes to ask, and is cut off when it does not take what it is sent.

pub mod access;
mod answer;
mod audit;
mod certificate;
mod limited;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::version::TLS13;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::access::Gate;
use self::audit::Audit;
use self::certificate::Certificate;
use self::limited::Limited;
use super::hub::Hub;
use super::metrics::Metrics;

pub use answer::PATH;
pub use audit::Outcome;
pub use certificate::CertificateError;

/// The port that agents serve on, where nothing else is said.
pub const PORT: u16 = 9479;
/// How long a stream may be silent: twice as long, and a client knows that its agent has gone.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often the files of certificate and key are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long streams may take to end when the daemon does.
const FAREWELL: Duration = Duration::from_secs(1);
/// Most headers of a request, and most bytes of them.
const HEADERS: usize = 32;
const HEAD: usize = 16 << 10;

/// What a client may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that have not asked yet; more wait in the kernel's backlog.
    pub waiting: usize,
    /// Clients that are served at once.
    pub streams: usize,
    /// Time for the handshake, for the head and for the body of a request, and to take something of an answer.
    pub patience: Duration,
    /// Bytes that a client may send, the handshake included.
    pub read_bytes: usize,
    /// How often the right to read is asked for again.
    pub recheck: Duration,
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting: 64,
            streams: 16,
            patience: Duration::from_secs(10),
            read_bytes: 64 << 10,
            recheck: Duration::from_secs(60),
            heartbeat: HEARTBEAT,
        }
    }
}

/// What is served, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// The name of this node, which clients are told.
    pub node: Option<String>,
    pub limits: Limits,
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("cannot listen on {0}: {1}; set tail.listen to an address of this host and a port that is free")]
    Listen(SocketAddr, #[source] io::Error),
}

/// The endpoint.
pub struct Remote {
    listener: TcpListener,
    tls: TlsAcceptor,
    certificate: Arc<Certificate>,
    shared: Arc<Shared>,
    close: watch::Sender<bool>,
}

/// What all clients share.
struct Shared {
    hub: Arc<Hub>,
    gate: Gate,
    audit: Audit,
    metrics: Arc<Metrics>,
    node: Option<String>,
    limits: Limits,
    streams: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl Remote {
    /// Listens. Must be called within the runtime that serves.
    ///
    /// # Errors
    /// When the certificate or key can not be used, or the address not be listened on.
    pub async fn bind(
        settings: Settings,
        gate: Gate,
        hub: Arc<Hub>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BindError> {
        let certificate = Arc::new(Certificate::read(&settings.cert_file, &settings.key_file)?);
        let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A ticket would outlive the right of who has it by nothing: each request shows its token. None are needed.
        tls.send_tls13_tickets = 0;
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|error| BindError::Listen(settings.listen, error))?;
        let (close, closing) = watch::channel(false);
        let shared = Shared {
            hub,
            gate,
            audit: Audit::new(Arc::clone(&metrics)),
            metrics,
            node: settings.node,
            limits: settings.limits,
            streams: Arc::new(Semaphore::new(settings.limits.streams.max(1))),
            closing,
        };
        Ok(Self {
            listener,
            tls: TlsAcceptor::from(Arc::new(tls)),
            certificate,
            shared: Arc::new(shared),
            close,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves clients until `shutdown` is ready, and then what is left to those who follow.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let waiting = Arc::new(Semaphore::new(self.shared.limits.waiting.max(1)));
        let mut clients = JoinSet::new();
        let mut look = interval(LOOK);
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(_) = clients.join_next() => continue,
                _ = look.tick() => {
                    refresh(&self.certificate);
                    continue;
                }
                accepted = accept(&self.listener, &waiting) => accepted,
            };
            if let Some((stream, peer, slot)) = accepted {
                let (tls, shared) = (self.tls.clone(), Arc::clone(&self.shared));
                clients.spawn(client(stream, peer, slot, tls, shared));
            }
        }
        // Who follows is told; who has not asked yet is not waited for.
        let _ = self.close.send(true);
        drop(self.listener);
        let _ = timeout(FAREWELL, async { while clients.join_next().await.is_some() {} }).await;
    }
}

/// Whether certificate and key can be used.
///
/// # Errors
/// When they can not.
pub fn check(cert_file: &Path, key_file: &Path) -> Result<(), CertificateError> {
    Certificate::read(cert_file, key_file).map(drop)
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    waiting: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(waiting).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // Out of file descriptors, or a connection that was reset before it was accepted.
            tracing::debug!(%error, "cannot accept a client of tail.listen");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn refresh(certificate: &Certificate) {
    match certificate.refresh() {
        Ok(false) => (),
        Ok(true) => tracing::warn!("the certificate of tail.listen was read again"),
        Err(error) => {
            tracing::error!(%error, "a new certificate is refused; that of before is shown on");
        }
    }
}

async fn client(
    stream: TcpStream,
    peer: SocketAddr,
    slot: OwnedSemaphorePermit,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
) {
    let limits = shared.limits;
    // Nobody who has lost power keeps a stream; and lines are not held back to be sent together.
    let millis = u32::try_from(limits.heartbeat.as_millis() * 2).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, millis);
    let _ = stream.set_nodelay(true);
    let stream = Limited::new(stream, limits.read_bytes, limits.patience);
    let stream = match timeout(limits.patience, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return shared.audit.refuses(peer, Outcome::NoTls, &error.to_string()),
        Err(_) => return shared.audit.refuses(peer, Outcome::NoTls, "no handshake in time"),
    };
    let mut http = http1::Builder::new();
    http.keep_alive(false)
        .max_headers(HEADERS)
        .max_buf_size(HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience);
    let slot = Mutex::new(Some(slot));
    let service = hyper::service::service_fn(|request| {
        let slot = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let shared = Arc::clone(&shared);
        async move {
            match slot {
                Some(slot) => Ok::<_, Infallible>(answer::answer(request, peer, shared, slot).await),
                // Connections are not kept, so there is no second request.
                None => Ok(answer::one_request()),
            }
        }
    });
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%peer, %error, "a client of tail.listen has gone");
    }
}

#[cfg(test)]
mod tests;
