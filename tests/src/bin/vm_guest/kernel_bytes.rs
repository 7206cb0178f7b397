//! Bytes that no register of a system call shows: what the kernel sends out of a file, and io_uring.

use std::{fs, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    Outcome, Skip,
    capture::{Captured, balanced, finds_a_card_unless_reduced, python_server},
    platform::LIMIT,
    program::run,
};

const CLIENT: &str = "/tmp/kernel_client.py";
const BODY: &str = "/tmp/kernel_body.json";
const COUNTS: &str = "/tmp/kernel_counts.json";
/// Bytes in front of the card: the body is in more pages than one.
const BEFORE: usize = 30_000;

pub(crate) fn sendfile() -> Outcome {
    all_was_read(&python("sendfile")?)
}

/// What splice puts into a socket is read, and what it takes out is counted.
pub(crate) fn splice() -> Outcome {
    let summary = python("splice")?;
    balanced(&summary, "socket")?;
    let counted: Value = serde_json::from_str(&fs::read_to_string(COUNTS)?)?;
    let account = &summary["account"]["socket"];
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let spliced = number(&counted["spliced"]);
    ensure!(
        spliced > 0 && number(&account["unseen"]) == spliced,
        "the client took {spliced} bytes out: {account}"
    );
    ensure!(
        number(&account["scanned"]) + spliced == number(&account["moved"]),
        "not all that was sent was read: {account}"
    );
    Ok(format!("account {account}"))
}

/// The summary of a request that leaks a card.
fn python(way: &str) -> anyhow::Result<Value> {
    let _server = python_server("9081", &[])?;
    fs::write(CLIENT, include_str!("kernel_client.py"))?;
    body(BEFORE)?;
    let Captured { finding, summary, .. } =
        finds_a_card_unless_reduced(&[], &["python3", CLIENT, "9081", BODY, way, COUNTS])?;
    ensure!(
        finding["flow"]["operation"]
            .as_str()
            .is_some_and(|operation| operation.contains(way)),
        "another request: {finding}"
    );
    Ok(summary)
}

/// Each way io_uring has to send bytes leaks the card to a path of its own.
pub(crate) fn io_uring() -> Outcome {
    const WAYS: [&str; 7] = [
        "send",
        "write",
        "writev",
        "sendmsg",
        "fixed",
        "worker",
        "beside_calls",
    ];
    let _server = python_server("9082", &[])?;
    body(200)?;
    // It says whether the kernel has io_uring, and what it will count.
    let command = ["uring_client", "9082", BODY, COUNTS];
    let tried = run(Command::new(command[0]).args(&command[1..]), LIMIT)?;
    if tried.code == Some(77) {
        return Err(Skip(tried.stderr).into());
    }
    ensure!(tried.code == Some(0), "{command:?}: {}", tried.stderr);
    let Captured {
        findings, summary, ..
    } = finds_a_card_unless_reduced(&[], &command)?;
    let account = all_was_read(&summary)?;
    let counted: Value = serde_json::from_str(&fs::read_to_string(COUNTS)?)?;
    let total = counted["sent"].as_u64().zip(counted["received"].as_u64());
    let (sent, received) = total.context("the client counted nothing")?;
    ensure!(
        summary["account"]["socket"]["moved"] == sent + received,
        "the client counted {counted}: {account}"
    );
    for way in WAYS {
        let path = format!("/{way}");
        ensure!(
            findings.iter().any(|finding| {
                finding["flow"]["operation"]
                    .as_str()
                    .is_some_and(|operation| operation.ends_with(&path))
            }),
            "no card in what was sent by {way}: {findings:?}"
        );
    }
    Ok(account)
}

fn body(before: usize) -> anyhow::Result<()> {
    // In parts, so that no file holds it; it passes the Luhn check and is no published test number.
    let card = ["54479158", "20360245"].concat();
    let words = "more words ".repeat(before / 11);
    fs::write(
        BODY,
        format!(r#"{{"note":"{words}","card_number":"{card}","last":"of all"}}"#),
    )?;
    Ok(())
}

fn all_was_read(summary: &Value) -> Outcome {
    balanced(summary, "socket")?;
    let account = &summary["account"]["socket"];
    ensure!(
        account["scanned"] == account["moved"],
        "not all was read: {account}"
    );
    Ok(format!("account {account}"))
}
