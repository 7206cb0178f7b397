//! Sockets that are not TCP, between the two ends of tests/programs/messages.py. Each end is watched alone, so that what
//! it moves is read there.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{
    Outcome,
    capture::{Captured, balanced, finds_a_card, finds_a_card_unless_reduced},
    platform::LIMIT,
    program::Running,
};

const PROGRAM: &str = "/tmp/messages.py";
const PLACE: &str = "/tmp/messages.place";
const READY: &str = "/tmp/messages.ready";
const SENT: &str = "/tmp/messages.sent";
const RECEIVED: &str = "/tmp/messages.received";
/// Messages of a run: what one array of the program holds.
const NUMBER: usize = 4;

pub(crate) fn udp() -> Outcome {
    both_ends("udp6", "sendto", "recvfrom")
}

pub(crate) fn several() -> Outcome {
    ends("udp4", "sendmmsg", "recvmmsg", finds_a_card_unless_reduced)
}

pub(crate) fn unix_stream() -> Outcome {
    both_ends("unix_stream", "connected", "recvfrom")
}

/// Datagrams: sequenced packets are received past the hooks on 6.1.
pub(crate) fn unix_messages() -> Outcome {
    both_ends("unix_datagram", "connected", "recvmsg")
}

fn both_ends(kind: &str, sending: &str, receiving: &str) -> Outcome {
    ends(kind, sending, receiving, finds_a_card)
}

/// Runs `auditor watch` with options on a command, which may be none.
type Watch = fn(&[&str], &[&str]) -> anyhow::Result<Captured>;

fn ends(kind: &str, sending: &str, receiving: &str, watch: Watch) -> Outcome {
    let sender = one_end(kind, sending, receiving, true, watch)?;
    let receiver = one_end(kind, sending, receiving, false, watch)?;
    Ok(format!("sender {sender}, receiver {receiver}"))
}

fn one_end(kind: &str, sending: &str, receiving: &str, sends: bool, watch: Watch) -> Outcome {
    for left in [PLACE, READY, SENT, RECEIVED, "/tmp/messages.place.socket"] {
        // What an earlier run left.
        let _ = fs::remove_file(left);
    }
    fs::write(PROGRAM, include_str!("../../../programs/messages.py"))?;
    let number = NUMBER.to_string();
    let receiver = Running::start(
        Command::new("python3").args([PROGRAM, "receive", kind, receiving, PLACE, RECEIVED, &number]),
    )?;
    let deadline = Instant::now() + LIMIT;
    while !Path::new(PLACE).exists() {
        ensure!(Instant::now() < deadline, "{kind}: the receiver is not bound");
        thread::sleep(Duration::from_millis(20));
    }
    let mut files = Vec::new();
    for index in 0..NUMBER {
        let path = format!("/tmp/message.{index}");
        // In parts, so that no file holds it; it passes the Luhn check and is no published test number.
        let card = ["54479158", "20360245"].concat();
        fs::write(&path, format!(r#"{{"order":{index},"card_number":"{card}"}}"#))?;
        files.push(path);
    }
    let sender = Running::start(
        Command::new("python3")
            .args([PROGRAM, "send", kind, sending, PLACE, SENT, READY])
            .args(&files),
    )?;
    let pid = if sends { sender.pid() } else { receiver.pid() }.to_string();
    let options = ["--ready-file", READY, "--pid", &pid, "--duration", "4s"];
    let Captured { summary, .. } = watch(&options, &[])?;
    balanced(&summary, "socket")?;
    let account = &summary["account"]["socket"];
    ensure!(
        account["scanned"] == account["moved"],
        "{kind}, {}: not all was read: {account}",
        if sends { sending } else { receiving }
    );
    Ok(account.to_string())
}
