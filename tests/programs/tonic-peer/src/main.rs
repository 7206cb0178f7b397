//! A server or client of tonic for the service of shop.proto, that exchanges exactly what a script says.
//!
//!     tonic-peer server PORT_FILE SCRIPT DESCRIPTORS [--gzip]
//!     tonic-peer client PORT GATE SCRIPT DESCRIPTORS [--gzip]
//!
//! The client waits for the file GATE and makes all calls at once. Whoever meets something else than the script says
//! fails. The descriptors are built in. A server of tonic has no trailers of its own.

use std::{error::Error, fs, path::Path, pin::Pin, process, sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _, wrappers::TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    codec::CompressionEncoding,
    metadata::{AsciiMetadataKey, MetadataMap},
    transport::{Channel, Server},
};

mod shop {
    tonic::include_proto!("shop");
}
use shop::{
    Order, Receipt,
    orders_client::OrdersClient,
    orders_server::{Orders, OrdersServer},
};

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Deserialize)]
struct Call {
    method: String,
    metadata: Vec<(String, String)>,
    requests: Vec<Order>,
    initial: Vec<(String, String)>,
    responses: Vec<Receipt>,
}

fn read(path: &str) -> Result<Vec<Call>, Failure> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn set(metadata: &mut MetadataMap, fields: &[(String, String)]) -> Result<(), Failure> {
    for (name, value) in fields {
        metadata.insert(name.parse::<AsciiMetadataKey>()?, value.parse()?);
    }
    Ok(())
}

fn same(what: &str, seen: &MetadataMap, expected: &[(String, String)]) -> Result<(), Failure> {
    for (name, value) in expected {
        if seen.get(name.as_str()).is_none_or(|seen| seen != value.as_str()) {
            return Err(format!("{what}: {name} is not as scripted").into());
        }
    }
    Ok(())
}

/// Ends the program: a server that only told its client would seem to be well.
fn fail(error: &Failure) -> ! {
    eprintln!("tonic-peer: {error}");
    process::exit(1)
}

struct Shop(Arc<Vec<Call>>);

impl Shop {
    fn answer(
        &self,
        method: &str,
        metadata: &MetadataMap,
        requests: &[Order],
    ) -> Result<(Vec<Receipt>, MetadataMap), Failure> {
        let id = requests.first().map(|order| order.id);
        let call = self
            .0
            .iter()
            .find(|call| call.method == method && call.requests.first().map(|order| order.id) == id);
        let call = call.ok_or_else(|| format!("{method} was called unexpectedly"))?;
        if call.requests != requests {
            return Err(format!("{method} was called with other messages").into());
        }
        same("a call", metadata, &call.metadata)?;
        let mut initial = MetadataMap::new();
        set(&mut initial, &call.initial)?;
        Ok((call.responses.clone(), initial))
    }

    fn one(&self, method: &str, metadata: &MetadataMap, requests: &[Order]) -> Response<Receipt> {
        let (mut receipts, initial) = self
            .answer(method, metadata, requests)
            .unwrap_or_else(|error| fail(&error));
        let mut response = Response::new(receipts.remove(0));
        *response.metadata_mut() = initial;
        response
    }

    fn many(&self, method: &str, metadata: &MetadataMap, requests: &[Order]) -> Response<Receipts> {
        let (receipts, initial) = self
            .answer(method, metadata, requests)
            .unwrap_or_else(|error| fail(&error));
        let stream: Receipts = Box::pin(tokio_stream::iter(receipts.into_iter().map(Ok)));
        let mut response = Response::new(stream);
        *response.metadata_mut() = initial;
        response
    }
}

type Receipts = Pin<Box<dyn Stream<Item = Result<Receipt, Status>> + Send>>;

async fn whole(request: Request<Streaming<Order>>) -> Result<(MetadataMap, Vec<Order>), Status> {
    let (metadata, _, stream) = request.into_parts();
    Ok((metadata, stream.collect::<Result<_, _>>().await?))
}

#[tonic::async_trait]
impl Orders for Shop {
    type WatchStream = Receipts;
    type TalkStream = Receipts;

    async fn place(&self, request: Request<Order>) -> Result<Response<Receipt>, Status> {
        let (metadata, _, order) = request.into_parts();
        Ok(self.one("Place", &metadata, &[order]))
    }

    async fn watch(&self, request: Request<Order>) -> Result<Response<Receipts>, Status> {
        let (metadata, _, order) = request.into_parts();
        Ok(self.many("Watch", &metadata, &[order]))
    }

    async fn collect(&self, request: Request<Streaming<Order>>) -> Result<Response<Receipt>, Status> {
        let (metadata, orders) = whole(request).await?;
        Ok(self.one("Collect", &metadata, &orders))
    }

    async fn talk(&self, request: Request<Streaming<Order>>) -> Result<Response<Receipts>, Status> {
        let (metadata, orders) = whole(request).await?;
        Ok(self.many("Talk", &metadata, &orders))
    }
}

async fn serve(port_file: &str, script: &str, gzip: bool) -> Result<(), Failure> {
    let mut service = OrdersServer::new(Shop(Arc::new(read(script)?)));
    if gzip {
        service = service
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let unfinished = format!("{port_file}.new");
    fs::write(&unfinished, port.to_string())?;
    fs::rename(unfinished, port_file)?;
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let serving = Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::select! {
        served = serving => Ok(served?),
        _ = ended.recv() => Ok(()),
    }
}

async fn make(mut client: OrdersClient<Channel>, call: Call) -> Result<(), Failure> {
    let order = || {
        let mut request = Request::new(call.requests[0].clone());
        set(request.metadata_mut(), &call.metadata).map(|()| request)
    };
    let orders = || {
        let mut request = Request::new(tokio_stream::iter(call.requests.clone()));
        set(request.metadata_mut(), &call.metadata).map(|()| request)
    };
    let (metadata, receipts) = match call.method.as_str() {
        "Place" => one(client.place(order()?).await?),
        "Collect" => one(client.collect(orders()?).await?),
        "Watch" => many(client.watch(order()?).await?).await?,
        _ => many(client.talk(orders()?).await?).await?,
    };
    if receipts != call.responses {
        return Err(format!("{} was answered with other messages", call.method).into());
    }
    same("an answer", &metadata, &call.initial)
}

fn one(response: Response<Receipt>) -> (MetadataMap, Vec<Receipt>) {
    let (metadata, receipt, _) = response.into_parts();
    (metadata, vec![receipt])
}

async fn many(response: Response<Streaming<Receipt>>) -> Result<(MetadataMap, Vec<Receipt>), Failure> {
    let (metadata, stream, _) = response.into_parts();
    Ok((metadata, stream.collect::<Result<_, _>>().await?))
}

async fn talk(port: &str, gate: &str, script: &str, gzip: bool) -> Result<(), Failure> {
    while !Path::new(gate).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let channel = Channel::from_shared(format!("http://127.0.0.1:{port}"))?
        .connect()
        .await?;
    let mut client = OrdersClient::new(channel);
    if gzip {
        client = client
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
    }
    let calls: Vec<_> = read(script)?
        .into_iter()
        .map(|call| tokio::spawn(make(client.clone(), call)))
        .collect();
    for call in calls {
        call.await??;
    }
    println!("done");
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let gzip = words.contains(&"--gzip");
    let done = match words[..] {
        ["server", port_file, script, ..] => serve(port_file, script, gzip).await,
        ["client", port, gate, script, ..] => talk(port, gate, script, gzip).await,
        _ => Err("see the head of main.rs".into()),
    };
    if let Err(error) = done {
        fail(&error);
    }
}
