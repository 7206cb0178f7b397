//! An HTTPS server and client over rustls that count the plaintext they move.
//!
//! rustls-peer server PORT_FILE COUNTS PEM
//! rustls-peer client PORT COUNTS GATE PATH BODY REPEAT
//! rustls-peer client-1.2 …                               with TLS 1.2 alone
//!
//! The server answers every request with a short JSON, serves one connection at a time, and writes its
//! counts when the connection ends. The client waits for the file GATE, then sends BODY as a POST
//! request REPEAT times.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{
    self, ClientConfig, ClientConnection, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::ServerName,
    version::TLS12,
};

#[path = "../../anybody.rs"]
mod anybody;

type Failure = Box<dyn std::error::Error>;

#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// A stream that adds up what was read and written.
struct Counted<S> {
    stream: S,
    sent: u64,
    received: u64,
}

impl<S: Read + Write> Counted<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            sent: 0,
            received: 0,
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let sent = self.stream.write(bytes)?;
            self.sent += sent as u64;
            bytes = &bytes[sent..];
        }
        Ok(self.stream.flush()?)
    }

    /// A message with its body; `None` at the end of the stream.
    fn message(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let (mut bytes, mut piece) = (Vec::new(), vec![0; 65_536]);
        loop {
            let read = match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            self.received += read as u64;
            bytes.extend_from_slice(&piece[..read]);
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(Ok(0), |length| length.trim().parse())?;
            if bytes.len() >= end + 4 + length {
                return Ok(Some(bytes));
            }
        }
    }

    fn write_counts(&self, path: &str) -> Result<(), Failure> {
        let text = format!(r#"{{"sent":{},"received":{}}}"#, self.sent, self.received);
        Ok(write_whole(path, &text)?)
    }
}

/// Whoever waits for the file finds it complete.
fn write_whole(path: &str, text: &str) -> std::io::Result<()> {
    let new = format!("{path}.new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}

fn serve(port_file: &str, counts: &str, pem: &str) -> Result<(), Failure> {
    let text = fs::read(pem)?;
    let chain = rustls_pemfile::certs(&mut &text[..]).collect::<Result<Vec<_>, _>>()?;
    let key = rustls_pemfile::private_key(&mut &text[..])?.ok_or("no key")?;
    let config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    write_whole(port_file, &listener.local_addr()?.port().to_string())?;
    for stream in listener.incoming() {
        let connection = ServerConnection::new(Arc::clone(&config))?;
        let mut stream = Counted::new(StreamOwned::new(connection, stream?));
        while let Ok(Some(_)) = stream.message() {
            let body = r#"{"status":"accepted"}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.send(format!("{head}{body}").as_bytes())?;
        }
        stream.write_counts(counts)?;
    }
    Ok(())
}

fn request(words: &[String], versions: &[&'static SupportedProtocolVersion]) -> Result<(), Failure> {
    let [port, counts, gate, path, body, repeat] = words else {
        return Err("see the head of main.rs".into());
    };
    let deadline = Instant::now() + Duration::from_secs(100);
    while !Path::new(gate).exists() {
        if Instant::now() > deadline {
            return Err("the gate was not made in time".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anybody::Anybody(Arc::new(provider()))))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost")?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let socket = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    let mut stream = Counted::new(StreamOwned::new(connection, socket));
    let body = fs::read_to_string(body)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..repeat.parse::<u32>()? {
        stream.send(format!("{head}{body}").as_bytes())?;
        stream.message()?.ok_or("no answer")?;
    }
    stream.stream.conn.send_close_notify();
    stream.stream.flush()?;
    stream.write_counts(counts)
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    match &words[..] {
        [mode, port_file, counts, pem] if mode == "server" => serve(port_file, counts, pem),
        [mode, rest @ ..] if mode == "client" => request(rest, rustls::ALL_VERSIONS),
        [mode, rest @ ..] if mode == "client-1.2" => request(rest, &[&TLS12]),
        _ => Err("see the head of main.rs".into()),
    }
}
