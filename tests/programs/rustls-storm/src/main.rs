//! Many TLS connections at once on one tokio runtime of four threads, over tokio-rustls; the words are
//! those of ../storm.py.
//!
//! rustls-storm server PORT_FILE VALUES PEM
//! rustls-storm mover PORT_FILE VALUES PEM      a server that moves its connections after each message
//! rustls-storm client PORT GATE VALUES PORTS

use std::{collections::HashMap, env, fs, path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Barrier,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        self, ClientConfig, ServerConfig,
        crypto::{self, CryptoProvider},
        pki_types::ServerName,
    },
};

#[path = "../../anybody.rs"]
mod anybody;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Entry {
    marker: String,
    request: String,
    response: String,
}

/// `[{"marker":"…","request":"…","response":"…"},…]`, as the test writes it.
fn entries(path: &str) -> Result<Vec<Entry>, Failure> {
    let text = fs::read_to_string(path)?;
    let words: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    let entry = |words: &[&str]| Entry {
        marker: words[1].to_owned(),
        request: words[3].to_owned(),
        response: words[5].to_owned(),
    };
    Ok(words.chunks_exact(6).map(entry).collect())
}

fn body(marker: &str, value: &str) -> String {
    format!(r#"{{"{marker}":{{"card_number":"{value}"}}}}"#)
}

fn message(start: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{start}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The body of a message with a length; `None` at the end of the stream.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<String>, Failure> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        if body.len() >= length.unwrap_or("0").trim().parse::<usize>()? {
            return Ok(Some(body.to_owned()));
        }
    }
}

/// Whoever waits for the file finds it complete.
fn write_whole(path: &str, text: &str) -> std::io::Result<()> {
    let new = format!("{path}.new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::aws_lc_rs::default_provider())
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

async fn serve(port_file: &str, values: &str, pem: &str, moves: bool) -> Result<(), Failure> {
    let responses = entries(values)?.into_iter().map(|entry| (entry.marker, entry.response));
    let responses: Arc<HashMap<String, String>> = Arc::new(responses.collect());
    let text = fs::read(pem)?;
    let chain = rustls_pemfile::certs(&mut &text[..]).collect::<Result<Vec<_>, _>>()?;
    let key = rustls_pemfile::private_key(&mut &text[..])?.ok_or("no key")?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    write_whole(port_file, &listener.local_addr()?.port().to_string())?;
    loop {
        let (socket, _) = listener.accept().await?;
        let (acceptor, responses) = (acceptor.clone(), Arc::clone(&responses));
        tokio::spawn(async move {
            let mut stream = acceptor.accept(socket).await?;
            let mut request = read(&mut stream).await?;
            let mut stream = Box::new(stream);
            while let Some(text) = request {
                let marker = text.split('"').nth(1).ok_or("no marker")?;
                let response = responses.get(marker).ok_or("no such marker")?;
                stream.write_all(&message("HTTP/1.1 200 OK", &body(marker, response))).await?;
                stream.flush().await?;
                if moves {
                    stream = Box::new(*stream);
                }
                request = read(&mut stream).await?;
            }
            Ok::<(), Failure>(())
        });
    }
}

async fn connect(port: &str, gate: &str, values: &str, ports_file: &str) -> Result<(), Failure> {
    while !Path::new(gate).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anybody::Anybody(provider())))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let entries = entries(values)?;
    let all_connected = Arc::new(Barrier::new(entries.len()));
    let mut tasks = Vec::new();
    for entry in entries {
        let (connector, all_connected, port) = (connector.clone(), Arc::clone(&all_connected), port.to_owned());
        tasks.push(tokio::spawn(async move {
            let socket = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
            let own = socket.local_addr()?.port();
            let mut stream = connector.connect(ServerName::try_from("localhost")?, socket).await?;
            all_connected.wait().await;
            let request = message("POST /v1/orders HTTP/1.1\r\nHost: localhost", &body(&entry.marker, &entry.request));
            for _ in 0..2 {
                stream.write_all(&request).await?;
                stream.flush().await?;
                read(&mut stream).await?.ok_or("no answer")?;
            }
            stream.shutdown().await?;
            Ok::<_, Failure>(format!(r#""{}":{own}"#, entry.marker))
        }));
    }
    let mut ports = Vec::new();
    for task in tasks {
        ports.push(task.await??);
    }
    Ok(write_whole(ports_file, &format!("{{{}}}", ports.join(",")))?)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    match &words[..] {
        [role, port_file, values, pem] if role == "server" => serve(port_file, values, pem, false).await,
        [role, port_file, values, pem] if role == "mover" => serve(port_file, values, pem, true).await,
        [role, port, gate, values, ports] if role == "client" => connect(port, gate, values, ports).await,
        _ => Err("see the head of main.rs".into()),
    }
}
