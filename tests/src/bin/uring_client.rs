//! Posts a body over HTTP once for each way io_uring has to send: `uring_client PORT BODY COUNTS`.
//!
//! Every way has a connection and a path of its own (`/send`, `/writev`, …) and receives the answer by the way that goes
//! with it. Writes what it sent and received in all to COUNTS. Ends with code 77 where the kernel has no io_uring.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::fd::AsRawFd as _,
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use io_uring::{IoUring, opcode, squeue, types::Fd};

/// Bytes of a buffer: more than any answer.
const ROOM: usize = 16 * 1024;

/// How one request is sent and its answer received.
const WAYS: [&str; 7] = [
    "send",
    "write",
    "writev",
    "sendmsg",
    "fixed",
    "worker",
    "beside_calls",
];

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, body, counts] = &arguments[..] else {
        bail!("usage: uring_client PORT BODY COUNTS");
    };
    let port: u16 = port.parse()?;
    let body = fs::read(body)?;
    let mut client = match IoUring::new(8) {
        Ok(ring) => Client { ring },
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            eprintln!("no io_uring: {error}");
            return Ok(ExitCode::from(77));
        }
        Err(error) => return Err(error.into()),
    };
    // One buffer the kernel keeps mapped: what is sent from it, and received into it, is told by pages.
    let mut fixed = vec![0u8; 2 * ROOM];
    let registered = libc::iovec {
        iov_base: fixed.as_mut_ptr().cast(),
        iov_len: fixed.len(),
    };
    // SAFETY: the buffer lives longer than the ring's last operation on it.
    unsafe { client.ring.submitter().register_buffers(&[registered])? };
    let (mut sent, mut received) = (0, 0);
    for way in WAYS {
        let mut request = format!(
            "POST /{way} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(&body);
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        client
            .send(way, &stream, &request, &mut fixed)
            .with_context(|| format!("{way}: sending"))?;
        sent += request.len();
        received += client
            .receive(way, &stream, &mut fixed)
            .with_context(|| format!("{way}: receiving"))?;
    }
    fs::write(counts, format!("{{\"sent\":{sent},\"received\":{received}}}"))?;
    Ok(ExitCode::SUCCESS)
}

struct Client {
    ring: IoUring,
}

impl Client {
    fn send(
        &mut self,
        way: &str,
        stream: &TcpStream,
        request: &[u8],
        fixed: &mut [u8],
    ) -> anyhow::Result<()> {
        let fd = Fd(stream.as_raw_fd());
        let (at, length) = (request.as_ptr(), u32::try_from(request.len())?);
        // In two pieces, the second one in the middle of the body.
        let (front, back) = request.split_at(request.len() - 20);
        let pieces = [piece(front), piece(back)];
        // SAFETY: all zero is a message of nothing.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = pieces.as_ptr().cast_mut();
        message.msg_iovlen = pieces.len();
        fixed[..request.len()].copy_from_slice(request);
        let entry = match way {
            "send" => opcode::Send::new(fd, at, length).build(),
            "write" => opcode::Write::new(fd, at, length).build(),
            "writev" => opcode::Writev::new(fd, pieces.as_ptr(), 2).build(),
            "sendmsg" => opcode::SendMsg::new(fd, &raw const message).build(),
            "fixed" => opcode::WriteFixed::new(fd, fixed.as_ptr(), length, 0).build(),
            "worker" => opcode::Send::new(fd, at, length)
                .build()
                .flags(squeue::Flags::ASYNC),
            "beside_calls" => {
                // A program that uses io_uring and ordinary calls: their registers tell as ever.
                return Ok((&mut &*stream).write_all(request)?);
            }
            _ => bail!("no way to send"),
        };
        let done = self.run(&entry)?;
        ensure!(done == request.len(), "{done} of {} bytes", request.len());
        Ok(())
    }

    /// Receives to the end of the connection.
    fn receive(&mut self, way: &str, stream: &TcpStream, fixed: &mut [u8]) -> anyhow::Result<usize> {
        let fd = Fd(stream.as_raw_fd());
        let mut room = vec![0u8; ROOM];
        let mut all = Vec::new();
        loop {
            // In two pieces again, the first one shorter than a status line.
            let (front, back) = room.split_at_mut(10);
            let mut pieces = [piece(front), piece(back)];
            // SAFETY: as above.
            let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
            message.msg_iov = pieces.as_mut_ptr();
            message.msg_iovlen = pieces.len();
            let (at, length) = (room.as_mut_ptr(), u32::try_from(ROOM)?);
            let entry = match way {
                "send" => opcode::Recv::new(fd, at, length).build(),
                "write" => opcode::Read::new(fd, at, length).build(),
                "writev" => opcode::Readv::new(fd, pieces.as_ptr(), 2).build(),
                "sendmsg" => opcode::RecvMsg::new(fd, &raw mut message).build(),
                "fixed" => opcode::ReadFixed::new(fd, fixed[ROOM..].as_mut_ptr(), length, 0).build(),
                "worker" => opcode::Recv::new(fd, at, length)
                    .build()
                    .flags(squeue::Flags::ASYNC),
                "beside_calls" => {
                    let count = (&mut &*stream).read(&mut room)?;
                    all.extend(&room[..count]);
                    if count == 0 {
                        break;
                    }
                    continue;
                }
                _ => bail!("no way to receive"),
            };
            let count = self.run(&entry)?;
            let from = if way == "fixed" { &fixed[ROOM..] } else { &room };
            all.extend(&from[..count]);
            if count == 0 {
                break;
            }
        }
        ensure!(
            all.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&all)
        );
        Ok(all.len())
    }

    /// Submits one request and waits for it; bytes it moved.
    fn run(&mut self, entry: &squeue::Entry) -> anyhow::Result<usize> {
        // SAFETY: what the entry points to lives until it is complete, which is waited for here.
        unsafe { self.ring.submission().push(entry)? };
        self.ring.submit_and_wait(1)?;
        let result = self
            .ring
            .completion()
            .next()
            .context("nothing is complete")?
            .result();
        match usize::try_from(result) {
            Ok(count) => Ok(count),
            Err(_) => Err(io::Error::from_raw_os_error(-result).into()),
        }
    }
}

fn piece(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}
