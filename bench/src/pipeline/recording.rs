//! Traffic between nginx and a client, as it went through a relay.
//!
//! Goes in: a protocol, a path and a number of requests. Comes out: what either side wrote, in the order in which
//! it passed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, ensure};

use crate::capture::server::{Kind, Server};

/// Longest payload of a record.
const CHUNK: usize = 16 * 1024;
/// Connections of the client.
const CONNECTIONS: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// What one side wrote at once.
pub struct Segment {
    pub connection: u64,
    pub to_server: bool,
    /// In its direction.
    pub offset: u64,
    pub bytes: Vec<u8>,
}

pub struct Recording {
    pub segments: Vec<Segment>,
    pub answers: u32,
    pub bytes: u64,
}

type Segments = Arc<Mutex<Vec<Segment>>>;

impl Recording {
    /// # Errors
    /// When nginx or h2load is missing, or not every request was answered.
    pub fn of(protocol: Protocol, path: &str, requests: u32, folder: &Path) -> anyhow::Result<Self> {
        let kind = match protocol {
            Protocol::Http1 => Kind::Nginx,
            Protocol::Http2 => Kind::NginxHttp2,
        };
        let server = Server::start(kind, &folder.join(format!("{protocol:?}-{path}")))?;
        let relay = TcpListener::bind(("127.0.0.1", 0))?;
        let port = relay.local_addr()?.port();
        let segments = Segments::default();
        let kept = Arc::clone(&segments);
        let upstream = server.port();
        // As many connections as the client makes; the thread ends with the last.
        let relaying = thread::spawn(move || -> std::io::Result<()> {
            let mut ways = Vec::new();
            for connection in 1..=u64::from(CONNECTIONS) {
                let (client, _) = relay.accept()?;
                let server = TcpStream::connect(("127.0.0.1", upstream))?;
                for (from, to, to_server) in [
                    (client.try_clone()?, server.try_clone()?, true),
                    (server, client, false),
                ] {
                    let kept = Arc::clone(&kept);
                    ways.push(thread::spawn(move || {
                        pass(from, to, connection, to_server, &kept)
                    }));
                }
            }
            for way in ways {
                let _ = way.join();
            }
            Ok(())
        });
        let mut h2load = Command::new("h2load");
        if protocol == Protocol::Http1 {
            h2load.arg("--h1");
        } else {
            h2load.args(["-m", "10"]);
        }
        let output = h2load
            .args(["-n", &requests.to_string(), "-c", &CONNECTIONS.to_string()])
            .arg(format!("http://127.0.0.1:{port}/{path}"))
            .stdin(Stdio::null())
            .output()
            .context("can not start h2load (Debian: nghttp2-client)")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && said.contains(&format!("{requests} succeeded")),
            "h2load: {said}"
        );
        relaying
            .join()
            .ok()
            .context("the relay panicked")?
            .context("the relay")?;
        let segments = std::mem::take(&mut *segments.lock().unwrap_or_else(PoisonError::into_inner));
        let bytes = segments.iter().map(|segment| segment.bytes.len() as u64).sum();
        Ok(Self {
            segments,
            answers: requests,
            bytes,
        })
    }
}

/// Passes one way of a connection on and keeps what it was.
fn pass(mut from: TcpStream, mut to: TcpStream, connection: u64, to_server: bool, kept: &Segments) {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(Segment {
            connection,
            to_server,
            offset,
            bytes: buffer[..n].to_vec(),
        });
        offset += n as u64;
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
