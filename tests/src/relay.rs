//! What a session comes to without encryption: a relay in the open that keeps what it passes on.
//!
//! The servers here speak the same protocol with TLS and without, and do not count their bytes. So the same session is
//! made once through a relay, and its bytes are what the library must move.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow};

use crate::process::{LIMIT, wait_for};

/// A relay for one connection.
pub struct Relay {
    pub port: u16,
    thread: JoinHandle<anyhow::Result<Passed>>,
}

/// What one connection was, both ways.
#[derive(Debug)]
pub struct Passed {
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
}

impl Passed {
    /// Bytes of both directions.
    ///
    /// # Errors
    /// Never: nothing here is that long.
    pub fn total(&self) -> anyhow::Result<i64> {
        Ok(i64::try_from(self.to_server.len() + self.to_client.len())?)
    }
}

impl Relay {
    /// A port that leads to another one.
    ///
    /// # Errors
    /// When none is free.
    pub fn to(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let thread = thread::spawn(move || pass(&listener, server));
        Ok(Self { port, thread })
    }

    /// Waits for the end of the connection.
    ///
    /// # Errors
    /// When there was none, or it broke.
    pub fn passed(self) -> anyhow::Result<Passed> {
        self.thread.join().map_err(|_| anyhow!("the relay panicked"))?
    }
}

fn pass(listener: &TcpListener, server: u16) -> anyhow::Result<Passed> {
    let client = wait_for("a client of the relay", LIMIT, || {
        Ok(listener.accept().ok().map(|(client, _)| client))
    })?;
    client.set_nonblocking(false)?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    let (from, into) = (client.try_clone()?, server.try_clone()?);
    let upwards = thread::spawn(move || copy(from, into));
    let to_client = copy(server, client)?;
    let to_server = upwards.join().map_err(|_| anyhow!("the relay panicked"))??;
    Ok(Passed { to_server, to_client })
}

/// Passes on until the end, of which the other side is told.
fn copy(mut from: TcpStream, mut into: TcpStream) -> anyhow::Result<Vec<u8>> {
    from.set_read_timeout(Some(LIMIT))?;
    let mut passed = Vec::new();
    let mut part = vec![0; 65_536];
    loop {
        let length = from.read(&mut part).context("the relay can not read")?;
        if length == 0 {
            // Who has closed already need not be told.
            let _ = into.shutdown(Shutdown::Write);
            return Ok(passed);
        }
        into.write_all(&part[..length])?;
        passed.extend_from_slice(&part[..length]);
    }
}
