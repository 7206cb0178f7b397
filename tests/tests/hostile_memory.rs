//! A watched program whose pointers and lengths are lies: its calls end as they do alone, nothing of what it does not send
//! is read, and what it does send is found.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    message,
    peers::{PYTHON, Server, program},
    process::Running,
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use serde_json::Value;

/// A server that sends a few bytes and takes whatever comes, of two connections; it ends with the second.
fn sink() -> anyhow::Result<(u16, thread::JoinHandle<std::io::Result<u64>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let take = move || {
        let (mut stream, _) = listener.accept()?;
        stream.write_all(b"something")?;
        let (mut taken, mut buffer) = (0, [0; 4096]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(taken),
                Ok(read) => taken += read as u64,
                // It was closed with bytes that nobody received.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
    };
    Ok((port, thread::spawn(take)))
}

/// Runs the program, watched or not; what it says and what was seen.
fn run(
    scratch: &Scratch,
    server: u16,
    order: &Path,
    watched: bool,
) -> anyhow::Result<(Value, Option<Report>)> {
    let (port, sink) = sink()?;
    let out = scratch.path(if watched { "watched.out" } else { "alone.out" });
    let gate = if watched {
        scratch.ready()
    } else {
        order.to_owned()
    };
    let mut command = Command::new(PYTHON);
    command.arg(program("bad_memory.py"));
    command.args([port.to_string(), server.to_string()]);
    command.arg(order).arg(&out).arg(gate);
    let running = Running::start(&mut command)?;
    let watch = watched
        .then(|| Watch::pids(scratch, &[running.pid()], &[]))
        .transpose()?;
    running.succeed()?;
    let report = watch.map(Watch::stop).transpose()?;
    let said: Value = serde_json::from_str(&fs::read_to_string(out)?)?;
    let taken = sink.join().ok().context("the sink panicked")??;
    let order = fs::metadata(order)?.len();
    ensure!(
        said["sent"] == taken + order,
        "the sink got {taken}, the server {order}, and {} are said to be sent",
        said["sent"]
    );
    Ok((said, report))
}

#[test]
fn pointers_and_lengths_that_are_lies_change_nothing_and_hide_nothing() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let card = values::card();
    let order = message::post_json("/v1/orders", &format!(r#"{{"card_number":"{card}"}}"#));
    let order = scratch.file("order.http", order)?;
    let server = Server::plain(&scratch)?;
    let (alone, _) = run(&scratch, server.port, &order, false)?;
    let refused = alone["results"].as_array().into_iter().flatten();
    let refused = refused.filter(|result| result[1] == -1).count();
    ensure!(refused > 50, "only {refused} calls were refused: {alone}");

    let (watched, report) = run(&scratch, server.port, &order, true)?;
    ensure!(
        watched["results"] == alone["results"],
        "{watched:#} is not {alone:#}"
    );
    let report = report.context("watched")?;
    report.balanced()?;
    let moved = watched["sent"].as_i64().zip(watched["received"].as_i64());
    let (sent, received) = moved.context("no counts")?;
    ensure!(
        report.bytes("socket", "moved") == sent + received,
        "{:?}, and {sent} sent, {received} received",
        report.account("socket")
    );
    ensure!(
        report.leak("payment_card")?["sample"] == values::card_sample(&card).as_str(),
        "{:?}",
        report.samples()
    );
    Ok(())
}
