//! TLS calls of which one half is not seen: what was under way when a probe was placed or a process came into scope, and
//! what a thread never returns from.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    gated::Cgroup,
    message,
    peers::{self, Counts, PYTHON, Server, program},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};

fn order(name: &str, card: &str) -> Vec<u8> {
    message::post_json(&format!("/v1/{name}"), &format!(r#"{{"card_number":"{card}"}}"#))
}

/// A client that waits for an answer, inside a call of its library, and sends an order when it has it.
struct Waiting<'a> {
    scratch: &'a Scratch,
    server: Server,
    client: Running,
    /// Of the answer, and of the order.
    cards: [String; 2],
}

impl<'a> Waiting<'a> {
    /// `libraries`: a folder in which its libraries are looked for first.
    fn start(scratch: &'a Scratch, libraries: Option<&Path>) -> anyhow::Result<Self> {
        let server = Server::tls(scratch)?;
        let cards = [values::card(), values::card()];
        let messages = [message::get("/wait/late"), order("orders", &cards[1])];
        let words = peers::client_words(scratch, "client", server.port, &messages, &["--tls"])?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if let Some(folder) = libraries {
            command.env("LD_LIBRARY_PATH", folder);
        }
        let client = Running::start(&mut command)?;
        let asked = scratch.path("answers").join("late.asked");
        let call = format!("/proc/{}/syscall", client.pid());
        wait_for("the client to wait for an answer", LIMIT, || {
            // read(2) is number 0.
            Ok((asked.exists() && fs::read_to_string(&call)?.starts_with("0 ")).then_some(()))
        })?;
        Ok(Self {
            scratch,
            server,
            client,
            cards,
        })
    }

    /// Gives it the answer; what it moved in the end, all of it and in that answer.
    fn go(self) -> anyhow::Result<(Counts, i64)> {
        let body = format!(r#"{{"card_number":"{}"}}"#, self.cards[0]);
        let answer = message::answer_json(&body);
        let length = answer.len() as i64;
        // Whole at once.
        let late = self.scratch.file("late", answer)?;
        fs::rename(late, self.scratch.path("answers").join("late"))?;
        self.client.succeed()?;
        let counts = Counts::read(&self.scratch.path("client.counts"))?;
        drop(self.server);
        Ok((counts, length))
    }
}

/// Only the order was found, and its connection is known; so many bytes are in the account of TLS, which balances.
fn read_from_then_on(report: &Report, cards: &[String; 2], moved: i64) -> anyhow::Result<()> {
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    ensure!(
        leak["sample"] == values::card_sample(&cards[1]).as_str(),
        "{leak:#}"
    );
    ensure!(leak["flow"]["operation"] == "POST /v1/orders", "{leak:#}");
    ensure!(leak["destination"]["address"].is_string(), "{leak:#}");
    ensure!(
        report.bytes("tls", "moved") == moved && report.bytes("tls", "scanned") == moved,
        "{moved} bytes moved in calls that were seen: {:?}",
        report.account("tls")
    );
    Ok(())
}

/// TLS calls that returned and were not seen to begin.
fn without_entry(report: &Report) -> u64 {
    let losses = report.summary["events_lost"].as_array().into_iter().flatten();
    let of_calls = losses.filter(|loss| loss["stage"] == "tls" && loss["reason"] == "call_without_entry");
    of_calls.filter_map(|loss| loss["count"].as_u64()).sum()
}

#[test]
fn a_call_that_was_under_way_when_its_process_came_into_scope_is_counted_and_the_next_is_read()
-> anyhow::Result<()> {
    let cgroup = Cgroup::new(&format!("missed{}.service", std::process::id()))?;
    let scratch = Scratch::new()?;
    let path = cgroup.path()?.display().to_string();
    // The host's library is hooked from the start.
    let watch = Watch::pids(&scratch, &[], &["--cgroup", &path])?;
    let waiting = Waiting::start(&scratch, None)?;
    cgroup.take(waiting.client.pid())?;
    let cards = waiting.cards.clone();
    let request = message::get("/wait/late").len() as i64;
    let (counts, answer) = waiting.go()?;
    let report = watch.stop()?;
    read_from_then_on(&report, &cards, counts.total() - request - answer)?;
    let lost = without_entry(&report);
    ensure!(lost == 1, "{lost} calls without entry");
    Ok(())
}

#[test]
fn a_call_that_was_under_way_when_probes_were_placed_is_ciphertext_and_the_next_is_read() -> anyhow::Result<()>
{
    let scratch = Scratch::new()?;
    // A library of its own, which nobody else watches: what others see to begin is seen to end.
    let libraries = scratch.path("libraries");
    fs::create_dir(&libraries)?;
    let library = peers::libssl()?;
    let name = library.file_name().context("a name")?;
    fs::copy(&library, libraries.join(name))?;
    let waiting = Waiting::start(&scratch, Some(&libraries))?;
    let maps = fs::read_to_string(format!("/proc/{}/maps", waiting.client.pid()))?;
    ensure!(maps.contains(&libraries.display().to_string()), "another library");
    let watch = Watch::pids(&scratch, &[waiting.client.pid()], &[])?;
    let cards = waiting.cards.clone();
    let request = message::get("/wait/late").len() as i64;
    let (counts, answer) = waiting.go()?;
    let report = watch.stop()?;
    read_from_then_on(&report, &cards, counts.total() - request - answer)?;
    // Its probe at the return is placed when a call begins, so nothing tells of this one but its socket.
    let lost = without_entry(&report);
    ensure!(lost == 0, "{lost} calls without entry");
    ensure!(
        report.bytes("socket", "ciphertext") > counts.total() - request,
        "{:?}",
        report.account("socket")
    );
    Ok(())
}

#[test]
fn a_thread_that_ends_inside_a_call_leaves_nothing_to_the_next_with_its_id() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::tls(&scratch)?;
    let cards = [values::card(), values::card()];
    let mut command = Command::new(PYTHON);
    command
        .arg(program("ends_inside.py"))
        .arg(server.port.to_string())
        .arg(scratch.ready());
    for (name, card) in ["first", "second"].iter().zip(&cards) {
        command.arg(scratch.file(name, order(name, card))?);
    }
    let client = Running::start(&mut command)?;
    let watch = Watch::pids(&scratch, &[client.pid()], &[])?;
    let said = client.succeed()?.stdout;
    ensure!(said.trim() == "the same id", "{said}");
    let report = watch.stop()?;
    report.balanced()?;
    let port = format!(":{}", server.port);
    for card in &cards {
        let sample = values::card_sample(card);
        let leaks = report.leaks("payment_card");
        let mut of_it = leaks.iter().filter(|leak| leak["sample"] == sample.as_str());
        let leak = of_it.next();
        ensure!(
            leak.is_some_and(|leak| leak["count"] == 1
                && leak["destination"]["address"]
                    .as_str()
                    .is_some_and(|address| address.ends_with(&port))),
            "{leaks:#?}, {}",
            report.summary["bindings"]
        );
        ensure!(of_it.next().is_none(), "{leaks:#?}");
    }
    let counted = server.counts()?;
    ensure!(
        report.bytes("tls", "moved") == counted.total(),
        "{:?}, and the server counted {counted:?}",
        report.account("tls")
    );
    Ok(())
}
