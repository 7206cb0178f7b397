//! A client of AWS-LC's own libssl, linked statically: sends the bytes of one file to 127.0.0.1:PORT, reads the answer,
//! and counts what the library took and gave.
//!
//! aws-lc-client PORT GATE REQUEST COUNTS
//!
//! It waits for the file GATE.

use std::{
    env,
    ffi::{c_int, c_void},
    fs,
    net::TcpStream,
    os::fd::AsRawFd as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use aws_lc_sys::{
    SSL_CTX_new, SSL_CTX_set_verify, SSL_connect, SSL_free, SSL_new, SSL_read, SSL_set_fd, SSL_shutdown,
    SSL_write, TLS_client_method,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [port, gate, request, counts] = &words[..] else {
        return Err("see the head of main.rs".into());
    };
    let deadline = Instant::now() + Duration::from_secs(100);
    while !Path::new(gate).exists() {
        if Instant::now() > deadline {
            return Err("the gate was not made in time".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    let request = fs::read(request)?;
    let socket = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    // SAFETY: the functions of a C library, each given what its header asks for; every result is looked at.
    let (sent, received) = unsafe { exchange(&socket, &request)? };
    Ok(fs::write(
        counts,
        format!(r#"{{"sent":{sent},"received":{received}}}"#),
    )?)
}

/// Sends the request and reads a message with its body.
///
/// # Safety
/// Nothing else uses the socket meanwhile.
unsafe fn exchange(socket: &TcpStream, request: &[u8]) -> Result<(usize, usize), Failure> {
    // SAFETY: see above; buffers are given with their own lengths.
    unsafe {
        let context = SSL_CTX_new(TLS_client_method());
        if context.is_null() {
            return Err("no context".into());
        }
        // SSL_VERIFY_NONE
        SSL_CTX_set_verify(context, 0, None);
        let ssl = SSL_new(context);
        if ssl.is_null() || SSL_set_fd(ssl, socket.as_raw_fd()) != 1 || SSL_connect(ssl) != 1 {
            return Err("the handshake failed".into());
        }
        let mut sent = 0;
        while sent < request.len() {
            let rest = &request[sent..];
            let moved = SSL_write(ssl, rest.as_ptr().cast::<c_void>(), c_int::try_from(rest.len())?);
            if moved <= 0 {
                return Err("SSL_write failed".into());
            }
            sent += usize::try_from(moved)?;
        }
        let (mut answer, mut piece) = (Vec::new(), vec![0_u8; 65_536]);
        while !is_complete(&answer)? {
            let moved = SSL_read(ssl, piece.as_mut_ptr().cast::<c_void>(), c_int::try_from(piece.len())?);
            if moved <= 0 {
                return Err("SSL_read failed".into());
            }
            answer.extend_from_slice(&piece[..usize::try_from(moved)?]);
        }
        SSL_shutdown(ssl);
        SSL_free(ssl);
        Ok((sent, answer.len()))
    }
}

/// True when a message has its headers and all of its body.
fn is_complete(bytes: &[u8]) -> Result<bool, Failure> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(Ok(0), |length| length.trim().parse())?;
    Ok(bytes.len() >= end + 4 + length)
}
