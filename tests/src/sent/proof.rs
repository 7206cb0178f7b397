//! What a scenario proved, for the table in docs/protocols.md.
//!
//! Goes in: the values of a scenario that were all reported where they were sent, and between whom. Comes out: a line for
//! each protocol they went over. `cargo xtask protocols` makes the page of them.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    env, thread,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Leg, Met, Row};
use crate::{proof, watch::Report};

/// What went over one protocol.
#[derive(Default)]
struct Proved<'a> {
    parts: BTreeSet<&'a str>,
    values: usize,
    joined: bool,
    encrypted: bool,
}

thread_local! {
    /// Scenarios that this test has noted: each test has a thread of its own.
    static NOTED: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn note(rows: &[Row], report: &Report, legs: &[Leg<'_>]) -> anyhow::Result<()> {
    let (thread, program) = (thread::current(), env::current_exe()?);
    let test = thread.name().context("a test has a name")?;
    let file = program
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    // Behind the name of the file is a number that says how it was built.
    let file = file.rsplit_once('-').map_or(file, |(name, _)| name);
    let number = NOTED.replace(NOTED.get() + 1);
    for (protocol, proved) in by_protocol(rows, legs) {
        let line = json!({
            "protocol": protocol,
            "file": file,
            "test": test,
            "programs": programs(report),
            "parts": proved.parts,
            "values": proved.values,
            "joined": proved.joined,
            "encrypted": proved.encrypted,
        });
        proof::note(
            "AUDITOR_PROTOCOL_RESULTS",
            &format!("{file}-{test}-{protocol}-{number}"),
            &line,
        )?;
    }
    Ok(())
}

fn by_protocol<'a>(rows: &'a [Row], legs: &'a [Leg<'_>]) -> BTreeMap<&'a str, Proved<'a>> {
    let mut all: BTreeMap<&str, Proved<'_>> = BTreeMap::new();
    for (row, leg) in rows.iter().flat_map(|row| legs.iter().map(move |leg| (row, leg))) {
        let proved = all
            .entry(leg.protocol.unwrap_or(&row.place.protocol))
            .or_default();
        proved.parts.insert(&row.place.part);
        proved.values += 1;
        proved.joined |= row.met != Met::Opened;
        proved.encrypted |= leg.encrypted;
    }
    all
}

/// Names of the programs at both ends, without their versions.
fn programs(report: &Report) -> BTreeSet<&str> {
    let ends = report
        .findings
        .iter()
        .flat_map(|finding| ["source", "destination"].map(|end| &finding[end]));
    ends.filter_map(|end: &Value| end["process"]["exe"].as_str()?.rsplit('/').next())
        .map(|name| name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.'))
        .collect()
}
