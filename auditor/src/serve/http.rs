//! `/metrics`, `/healthz` and `/readyz` over HTTP/1.1.
//!
//! Goes in: TCP connections. Comes out: those three answers. It never reads a request body, never
//! writes anything but counts and states, and gives a connection a fixed time and a fixed number
//! of bytes to ask.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::health::Health;
use super::metrics::Metrics;

/// What a client may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once; more wait in the kernel's backlog.
    pub connections: usize,
    /// Life of a connection, requests and answers together.
    pub lifetime: Duration,
    /// Bytes a connection may send, headers and bodies together.
    pub read_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            lifetime: Duration::from_secs(60),
            read_bytes: 64 * 1024,
        }
    }
}

/// Why the HTTP server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {0}: the port is in use; stop the other program or set serve.http")]
    InUse(SocketAddr),
    #[error("cannot listen on {0}: {1}; set serve.http to an address of this host")]
    Other(SocketAddr, #[source] io::Error),
}

/// Listens on `address`.
///
/// # Errors
/// When the port is in use, forbidden, or the address is not of this host.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            _ => BindError::Other(address, error),
        })
}

/// Answers until `shutdown` is ready, then finishes what is being answered.
///
/// # Errors
/// As axum's server: none in practice, errors of single connections are not fatal.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(answer_metrics))
        .route("/healthz", get(answer_health))
        .route("/readyz", get(answer_readiness))
        .with_state(Shared { metrics, health });
    let guarded = Guarded {
        listener,
        limits,
        slots: Arc::new(Semaphore::new(limits.connections.max(1))),
    };
    axum::serve(guarded, app).with_graceful_shutdown(shutdown).await
}

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

async fn answer_metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.render())
}

async fn answer_health(State(shared): State<Shared>) -> impl IntoResponse {
    let ill = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
    if let Some(thread) = shared.health.lost() {
        return ill(format!("the thread {thread} ended by a panic\n"));
    }
    match shared.health.hung(Instant::now()) {
        Some((thread, silent)) => ill(format!(
            "the thread {thread} has not gone round for {} s\n",
            silent.as_secs()
        )),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}

async fn answer_readiness(State(shared): State<Shared>) -> impl IntoResponse {
    let readiness = shared.health.readiness();
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // A struct of booleans and strings always serialises.
    let body = crate::report::json::line(&readiness).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}

/// Accepts connections within [`Limits`].
struct Guarded {
    listener: TcpListener,
    limits: Limits,
    slots: Arc<Semaphore>,
}

impl axum::serve::Listener for Guarded {
    type Io = Limited;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Limited, SocketAddr) {
        loop {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                // The semaphore is never closed.
                return std::future::pending().await;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let deadline = Box::pin(tokio::time::sleep(self.limits.lifetime));
                    return (
                        Limited {
                            stream,
                            deadline,
                            left: self.limits.read_bytes,
                            _slot: slot,
                        },
                        address,
                    );
                }
                Err(error) => {
                    // Out of file descriptors, or a connection reset before it was accepted.
                    tracing::debug!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends at its deadline and after so many bytes.
struct Limited {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    left: usize,
    _slot: OwnedSemaphorePermit,
}

impl Limited {
    fn expired(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.expired(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the client sent too much")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.left = self.left.saturating_sub(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Limited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.expired(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::serve::metrics::tests::metrics;

    async fn start(limits: Limits) -> (SocketAddr, Arc<Health>) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Arc::new(Health::default());
        let server = serve(
            listener,
            Arc::new(metrics(10)),
            Arc::clone(&health),
            limits,
            std::future::pending(),
        );
        tokio::spawn(server);
        (address, health)
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_three_pages_answer_and_no_other() {
        let (address, health) = start(Limits::default()).await;
        let page = get(address, "/metrics").await;
        assert!(
            page.starts_with("HTTP/1.1 200") && page.contains("auditor_build_info"),
            "{page}"
        );
        health.beat();
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let waiting = get(address, "/readyz").await;
        assert!(
            waiting.starts_with("HTTP/1.1 503") && waiting.contains(r#""attached":false"#),
            "{waiting}"
        );
        health.set_attached(true);
        let ready = get(address, "/readyz").await;
        assert!(
            ready.starts_with("HTTP/1.1 200") && ready.contains(r#""policy":"none""#),
            "{ready}"
        );
        assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let (address, _) = start(Limits::default()).await;
        let error = bind(address).await.unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("in use"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_cut_and_frees_its_slot() {
        let limits = Limits {
            connections: 1,
            lifetime: Duration::from_millis(300),
            ..Limits::default()
        };
        let (address, _) = start(limits).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(get(address, "/metrics").await.starts_with("HTTP/1.1 200"));
        let mut rest = Vec::new();
        // Closed or reset, but not open.
        let _ = silent.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }

    #[tokio::test]
    async fn a_client_that_sends_too_much_is_cut() {
        let (address, _) = start(Limits {
            read_bytes: 1000,
            ..Limits::default()
        })
        .await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let header = format!(
            "GET /metrics HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "a".repeat(100_000)
        );
        let _ = stream.write_all(header.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
}
