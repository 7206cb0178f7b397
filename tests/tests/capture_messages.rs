//! UDP, UNIX domain sockets, and calls that move several messages.

use std::{fs, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    messages::{self, End},
    peers::{Client, Counts, PYTHON, Server, program},
    process::Running,
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use serde_json::Value;

fn order(card: &str) -> Vec<u8> {
    format!(r#"{{"order":17,"card_number":"{card}"}}"#).into_bytes()
}

/// Chooses the processes to watch, of sender and receiver.
type Watched = fn(u32, u32) -> Vec<u32>;

/// What a run came to.
struct Ran {
    report: Report,
    sender: u32,
    receiver: u32,
    /// Bytes that both ends counted.
    counted: i64,
}

/// Sends the messages from one program to another with the chosen ends watched.
fn run(kind: &str, ways: (&str, &str), messages: &[Vec<u8>], watched: Watched) -> anyhow::Result<Ran> {
    run_with(&[], kind, ways, messages, watched)
}

/// The same with these options of `auditor watch`.
fn run_with(
    options: &[&str],
    kind: &str,
    ways: (&str, &str),
    messages: &[Vec<u8>],
    watched: Watched,
) -> anyhow::Result<Ran> {
    let scratch = Scratch::new()?;
    let (mut from, mut to) = messages::pair(&scratch, kind, ways, messages, messages.len())?;
    let (sender, receiver) = (from.pid(), to.pid());
    let pids = watched(sender, receiver);
    let watch = Watch::pids(&scratch, &pids, options)?;
    let total = |end: &mut End| anyhow::Ok(end.counts()?.total());
    let (sent, received) = (total(&mut from)?, total(&mut to)?);
    let report = watch.stop()?;
    let counted = [(sender, sent), (receiver, received)]
        .iter()
        .filter(|(pid, _)| pids.contains(pid))
        .map(|(_, bytes)| bytes)
        .sum();
    let what = format!("{kind} {ways:?}");
    println!("{what}: {:?}", report.account("socket"));
    report.balanced().with_context(|| what.clone())?;
    let moved = report.bytes("socket", "moved");
    ensure!(
        moved == counted,
        "{what}: moved {moved} bytes, the programs counted {counted}"
    );
    ensure!(
        report.bytes("socket", "unseen") == 0,
        "{what}: {:?}",
        report.account("socket")
    );
    Ok(Ran {
        report,
        sender,
        receiver,
        counted,
    })
}

fn both(sender: u32, receiver: u32) -> Vec<u32> {
    vec![sender, receiver]
}

fn sender_only(sender: u32, _: u32) -> Vec<u32> {
    vec![sender]
}

fn receiver_only(_: u32, receiver: u32) -> Vec<u32> {
    vec![receiver]
}

/// Process ids of the source and the destination.
fn ends(leak: &Value) -> (Option<u64>, Option<u64>) {
    let pid = |end: &str| leak[end]["process"]["pid"].as_u64();
    (pid("source"), pid("destination"))
}

#[test]
fn a_datagram_is_a_message_of_its_own_with_both_ends_named() -> anyhow::Result<()> {
    for kind in ["udp4", "udp6", "mapped"] {
        for way in ["sendto", "connected", "sendmsg"] {
            let card = values::card();
            let messages = [order(&card), b"{\"order\":18}".to_vec()];
            let ran = run(kind, (way, "recvfrom"), &messages, sender_only)?;
            let what = format!("{kind} {way}");
            let leak = ran.report.leak("payment_card").with_context(|| what.clone())?;
            ensure!(leak["sample"] == values::card_sample(&card), "{what}: {leak:#}");
            ensure!(leak["flow"]["protocol"] == "datagram", "{what}: {leak:#}");
            ensure!(leak["location"]["field"] == "$.card_number", "{what}: {leak:#}");
            let expected = (Some(ran.sender.into()), Some(ran.receiver.into()));
            ensure!(ends(leak) == expected, "{what}: {leak:#}");
            ensure!(ran.report.bytes("socket", "scanned") == ran.counted, "{what}");
        }
    }
    Ok(())
}

#[test]
fn a_datagram_that_is_received_is_scanned() -> anyhow::Result<()> {
    for way in ["recvfrom", "recvmsg", "connected"] {
        let card = values::card();
        let ran = run(
            "udp4",
            ("connected", way),
            &[order(&card), order(&card)],
            receiver_only,
        )?;
        ensure!(
            ran.report.count("payment_card") == 2,
            "{way}: {:?}",
            ran.report.samples()
        );
        for leak in ran.report.leaks("payment_card") {
            ensure!(ends(leak).1 == Some(ran.receiver.into()), "{way}: {leak:#}");
        }
    }
    Ok(())
}

#[test]
fn a_datagram_seen_at_both_ends_is_one_value() -> anyhow::Result<()> {
    for (kind, ways) in [
        ("udp4", ("sendto", "recvfrom")),
        ("udp6", ("connected", "recvmsg")),
        ("mapped", ("sendto", "recvfrom")),
    ] {
        let ran = run(kind, ways, &[order(&values::card())], both)?;
        let leak = ran
            .report
            .leak("payment_card")
            .with_context(|| format!("{kind} {ways:?}"))?;
        let expected = (Some(ran.sender.into()), Some(ran.receiver.into()));
        ensure!(
            leak["count"] == 1 && ends(leak) == expected,
            "{kind} {ways:?}: {leak:#}"
        );
    }
    Ok(())
}

#[test]
fn the_largest_datagram_is_read_to_its_end() -> anyhow::Result<()> {
    let card = values::card();
    let mut message = "word ".repeat(13_000).into_bytes();
    message.extend(format!("card_number: {card}\n").into_bytes());
    for way in ["sendto", "sendmsg"] {
        let ran = run(
            "udp4",
            (way, "recvfrom"),
            std::slice::from_ref(&message),
            sender_only,
        )?;
        ensure!(
            ran.report.count("payment_card") == 1,
            "{way}: {:?}",
            ran.report.samples()
        );
    }
    Ok(())
}

#[test]
fn every_message_of_one_call_is_read() -> anyhow::Result<()> {
    let messages: Vec<Vec<u8>> = (0..24).map(|_| order(&values::card())).collect();
    let ran = run("udp4", ("sendmmsg", "recvfrom"), &messages, sender_only)?;
    ensure!(
        ran.report.count("payment_card") == 24,
        "{:?}",
        ran.report.samples()
    );
    let ran = run("udp4", ("sendmmsg", "recvmmsg_one"), &messages, receiver_only)?;
    ensure!(
        ran.report.count("payment_card") == 24,
        "{:?}",
        ran.report.samples()
    );
    Ok(())
}

#[test]
fn unix_sockets_of_every_kind_are_read_with_both_ends_named() -> anyhow::Result<()> {
    for kind in ["unix_stream", "abstract", "unix_datagram", "unix_packet"] {
        let watches: [(Watched, bool); 3] = [(sender_only, true), (receiver_only, false), (both, true)];
        for (watched, sends) in watches {
            let ran = run(
                kind,
                ("connected", "recvfrom"),
                &[order(&values::card())],
                watched,
            )?;
            let leak = ran.report.leak("payment_card").context(kind)?;
            let (source, destination) = ends(leak);
            let known = [(source, ran.sender), (destination, ran.receiver)];
            // Nothing says who sent a datagram to a socket that is not connected.
            let wanted = if kind == "unix_datagram" && !sends {
                &known[1..]
            } else {
                &known[..]
            };
            for (found, expected) in wanted {
                ensure!(*found == Some((*expected).into()), "{kind}: {leak:#}");
            }
            ensure!(leak["count"] == 1, "{kind}: {leak:#}");
        }
    }
    Ok(())
}

#[test]
fn an_answer_over_a_unix_socket_is_a_value_of_its_own() -> anyhow::Result<()> {
    for kind in ["unix_stream", "abstract", "unix_packet"] {
        let ran = run(
            kind,
            ("connected+answer", "recvfrom+answer"),
            &[order(&values::card())],
            both,
        )?;
        // One value each way, and neither a second time at its other end.
        ensure!(
            ran.report.count("payment_card") == 2,
            "{kind}: {:?}",
            ran.report.samples()
        );
    }
    Ok(())
}

/// Where sockets are seen at the end of system calls, as on kernels that have nothing better.
#[test]
fn without_hooks_of_their_own_datagrams_and_unix_sockets_are_read_as_well() -> anyhow::Result<()> {
    let tier = ["--socket-hook", "syscall"];
    for (kind, ways) in [
        ("udp4", ("sendto", "recvfrom")),
        ("udp6", ("connected", "recvmsg")),
        ("mapped", ("sendmsg", "recvfrom")),
        ("unix_stream", ("connected", "recvfrom")),
        ("abstract", ("connected", "recvmsg")),
        ("unix_datagram", ("connected", "recvfrom")),
        ("unix_packet", ("connected", "recvmsg")),
    ] {
        for watched in [sender_only, receiver_only, both] {
            let card = values::card();
            let ran = run_with(&tier, kind, ways, &[order(&card)], watched)?;
            let leak = ran.report.leak("payment_card").context(kind)?;
            ensure!(leak["count"] == 1, "{kind}: {leak:#}");
            ensure!(leak["sample"] == values::card_sample(&card), "{kind}: {leak:#}");
            ensure!(ends(leak).1 == Some(ran.receiver.into()), "{kind}: {leak:#}");
        }
    }
    Ok(())
}

/// A socket that is not TCP closes unseen, and the next one has its address soon: what the first was must not be thought of it.
#[test]
fn a_unix_socket_at_the_address_of_a_closed_one_is_another() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let (gate, counts) = (scratch.path("gate"), scratch.path("pairs.counts"));
    let mut command = Command::new(PYTHON);
    command.arg(program("socketpairs.py")).args([&gate, &counts]);
    let pairs = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[pairs.pid()], &["--socket-hook", "syscall"])?;
    fs::write(&gate, "")?;
    pairs.succeed()?;
    let report = watch.stop()?;
    report.balanced()?;
    // Every second pair begins with what looks like TLS.
    let counted = Counts::read(&counts)?;
    println!("{:?}", report.account("socket"));
    ensure!(
        report.bytes("socket", "moved") == 2 * counted.total()
            && report.bytes("socket", "scanned") == 2 * counted.sent,
        "{counted:?}: {:?}",
        report.account("socket")
    );
    Ok(())
}

#[test]
fn a_local_connection_with_both_ends_watched_is_scanned_once() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let card = values::card();
    let body = format!(
        r#"{{"card_number":"{card}","note":"{}"}}"#,
        message::words(300_000)
    );
    let messages = [message::post_json("/v1/orders", &body), message::get("/")];
    let client = Client::plain(&scratch, server.port, &messages, &[])?;
    let (sender, receiver) = (client.pid(), server.pid());
    let watch = Watch::pids(&scratch, &[sender, receiver], &[])?;
    let total = client.counts()?.total();
    let report = watch.stop()?;
    let account = report.account("socket");
    println!("{account:?}");
    report.balanced()?;
    ensure!(
        report.bytes("socket", "moved") == 2 * total,
        "{account:?}, counted {total}"
    );
    ensure!(
        report.bytes("socket", "duplicate") == total,
        "{account:?}, counted {total}"
    );
    ensure!(
        report.bytes("socket", "scanned") == total,
        "{account:?}, counted {total}"
    );
    let leak = report.leak("payment_card")?;
    let expected = (Some(sender.into()), Some(receiver.into()));
    ensure!(leak["count"] == 1 && ends(leak) == expected, "{leak:#}");
    ensure!(leak["flow"]["operation"] == "POST /v1/orders", "{leak:#}");
    Ok(())
}
