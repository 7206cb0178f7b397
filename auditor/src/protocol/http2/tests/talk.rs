//! A conversation between client and server of the `h2` crate, every write of both recorded.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::protocol::{Direction, Place};

type Writes = Arc<Mutex<Vec<(Direction, Vec<u8>)>>>;

/// What went over the wire, and what was meant.
pub(super) struct Talk {
    pub(super) writes: Vec<(Direction, Vec<u8>)>,
    pub(super) said: Vec<Said>,
}

/// A part that must come out.
pub(super) struct Said {
    pub(super) direction: Direction,
    pub(super) place: Place,
    pub(super) operation: &'static str,
    pub(super) text: String,
}

/// One side of the wire.
struct Tap {
    inner: DuplexStream,
    direction: Direction,
    writes: Writes,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(n)) = written {
            let write = (self.direction, bytes[..n].to_vec());
            self.writes.lock().unwrap().push(write);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// One exchange.
struct Call {
    method: &'static str,
    target: &'static str,
    operation: &'static str,
    content_type: &'static str,
    request: String,
    response: String,
    /// Both bodies are messages of gRPC, and a trailer follows.
    is_grpc: bool,
}

fn calls() -> Vec<Call> {
    let call = |method, target, operation, content_type, request: String, response: String| Call {
        method,
        target,
        operation,
        content_type,
        request,
        response,
        is_grpc: content_type == "application/grpc",
    };
    let json = "application/json";
    vec![
        call(
            "POST",
            "/v1/charges/42?q=a",
            "POST /v1/charges/{id}",
            json,
            "{\"card\":\"4111 1111 1111 1111\"}".repeat(1600),
            "{\"ok\":true}".into(),
        ),
        call(
            "GET",
            "/users/ada@example.org",
            "GET /users/{value}",
            json,
            String::new(),
            "ada".repeat(20_000),
        ),
        call(
            "POST",
            "/shop.Orders/Place",
            "/shop.Orders/Place",
            "application/grpc",
            "an order".into(),
            "a receipt".into(),
        ),
        call(
            "PUT",
            "/v1/charges/43",
            "PUT /v1/charges/{id}",
            json,
            "{\"a\":1}".into(),
            "{}".into(),
        ),
        call(
            "POST",
            "/graphql",
            "POST /graphql Pay",
            json,
            "{\"query\":\"mutation Pay { pay }\"}".into(),
            "{\"data\":1}".into(),
        ),
    ]
}

/// The conversation: made once, and the same for all tests.
pub(super) fn talk() -> &'static Talk {
    static TALK: OnceLock<Talk> = OnceLock::new();
    TALK.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(record())
    })
}

async fn record() -> Talk {
    let writes = Writes::default();
    let (client, server) = tokio::io::duplex(20_000);
    let tap = |inner, direction| Tap {
        inner,
        direction,
        writes: Arc::clone(&writes),
    };
    let server = tokio::spawn(serve(tap(server, Direction::ToClient)));
    let (sender, connection) = h2::client::handshake(tap(client, Direction::ToServer))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    // Twice, so that the second time the tables are used.
    for _ in 0..2 {
        let mut waiting = Vec::new();
        for call in calls() {
            let sender = sender.clone().ready().await.unwrap();
            waiting.push(tokio::spawn(ask(sender, call)));
        }
        for call in waiting {
            call.await.unwrap();
        }
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    server.await.unwrap();
    let writes = std::mem::take(&mut *writes.lock().unwrap());
    let said = (0..2)
        .flat_map(|_| calls())
        .flat_map(|call| said(&call))
        .collect();
    Talk { writes, said }
}

/// A message of gRPC.
fn message(text: &str, compressed: bool) -> Bytes {
    let mut bytes = vec![u8::from(compressed)];
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

async fn ask(mut sender: h2::client::SendRequest<Bytes>, call: Call) {
    let request = Request::builder()
        .method(call.method)
        .uri(format!("http://shop.test{}", call.target))
        .header("content-type", call.content_type)
        .header("grpc-encoding", "gzip")
        .header("x-trace", "always the same");
    let is_empty = call.request.is_empty();
    let (response, mut body) = sender.send_request(request.body(()).unwrap(), is_empty).unwrap();
    if call.is_grpc {
        send(&mut body, message(&call.request, false), false).await;
        send(&mut body, message(&format!("{} more", call.request), false), true).await;
    } else if !is_empty {
        send(&mut body, call.request.into(), true).await;
    }
    let mut body = response.await.unwrap().into_body();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    body.trailers().await.unwrap();
}

/// Sends as the other side makes room for it.
async fn send(body: &mut h2::SendStream<Bytes>, mut bytes: Bytes, ends: bool) {
    while !bytes.is_empty() {
        body.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|context| body.poll_capacity(context)).await;
        let piece = bytes.split_to(room.unwrap().unwrap().min(bytes.len()));
        body.send_data(piece, ends && bytes.is_empty()).unwrap();
    }
}

async fn serve(io: Tap) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    while let Some(request) = connection.accept().await {
        let (request, respond) = request.unwrap();
        tokio::spawn(answer(request, respond));
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    let call = calls()
        .into_iter()
        .find(|call| call.target.split('?').next() == Some(&path))
        .unwrap();
    let response = Response::builder()
        .status(200)
        .header("content-type", call.content_type)
        .header("grpc-encoding", "gzip");
    let mut body = respond.send_response(response.body(()).unwrap(), false).unwrap();
    if call.is_grpc {
        send(&mut body, message(&call.response, true), false).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        body.send_trailers(trailers).unwrap();
    } else {
        send(&mut body, call.response.into(), true).await;
    }
}

fn said(call: &Call) -> Vec<Said> {
    let part = |direction, place, text: &str| Said {
        direction,
        place,
        operation: call.operation,
        text: text.to_owned(),
    };
    let (path, query) = call
        .target
        .split_at(call.target.find('?').unwrap_or(call.target.len()));
    let (to_server, to_client) = (Direction::ToServer, Direction::ToClient);
    // What is sent before the body that names it.
    let head = |place, text: &str| Said {
        operation: call.operation.strip_suffix(" Pay").unwrap_or(call.operation),
        ..part(to_server, place, text)
    };
    let mut said = vec![
        head(Place::RequestPath, path),
        head(
            Place::RequestHeaders,
            &format!(
                "content-type: {}\r\ngrpc-encoding: gzip\r\nx-trace: always the same\r\n",
                call.content_type
            ),
        ),
        part(
            to_client,
            Place::ResponseHeaders,
            &format!("content-type: {}\r\ngrpc-encoding: gzip\r\n", call.content_type),
        ),
        part(to_client, Place::ResponseBody, &call.response),
    ];
    if !query.is_empty() {
        said.push(head(Place::RequestQuery, query));
    }
    if !call.request.is_empty() {
        said.push(part(to_server, Place::RequestBody, &call.request));
    }
    if call.is_grpc {
        said.push(part(
            to_server,
            Place::RequestBody,
            &format!("{} more", call.request),
        ));
        said.push(part(to_client, Place::ResponseTrailers, "grpc-status: 0\r\n"));
    }
    said
}
