//! `cargo xtask protocols`: the page of protocols, made of what native tests proved.
//!
//! Goes in: the lines of tests whose values were all reported where they were sent (`tests/src/sent/proof.rs`), and the
//! words of protocols/page.md. Comes out: docs/protocols.md. `cargo xtask test` compares the two.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::Value;

use crate::proved::Page;

pub(crate) const PAGE: Page = Page {
    variable: "AUDITOR_PROTOCOL_RESULTS",
    name: "protocols",
    tests: "protocol",
    text: page,
};

/// The words of the page; `@table@` is where the rows go.
const WORDS: &str = include_str!("protocols/page.md");

/// What one test proved of a protocol, in all of its scenarios.
#[derive(Default)]
struct Row<'a> {
    programs: BTreeSet<&'a str>,
    parts: BTreeSet<&'a str>,
    values: u64,
    joined: bool,
    encrypted: bool,
}

fn page(results: &[Value]) -> String {
    let mut rows: BTreeMap<(&str, &str, &str), Row<'_>> = BTreeMap::new();
    for line in results {
        let word = |name: &str| line[name].as_str().unwrap_or("?");
        let row = rows
            .entry((word("protocol"), word("file"), word("test")))
            .or_default();
        row.programs.extend(words(&line["programs"]));
        row.parts.extend(words(&line["parts"]));
        row.values += line["values"].as_u64().unwrap_or(0);
        row.joined |= line["joined"] == true;
        row.encrypted |= line["encrypted"] == true;
    }
    let mut table = String::from(
        "| protocol | test | programs | values | parts | TLS | joined |\n|---|---|---|---|---|---|---|\n",
    );
    for ((protocol, file, test), row) in rows {
        let list = |words: &BTreeSet<&str>| words.iter().copied().collect::<Vec<_>>().join(", ");
        let mark = |is: bool| if is { "yes" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| `{protocol}` | `{file}`: {} | {} | {} | {} | {} | {} |",
            test.replace('_', " "),
            list(&row.programs),
            row.values,
            list(&row.parts),
            mark(row.encrypted),
            mark(row.joined),
        );
    }
    WORDS.replace("@table@\n", &table)
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_a_test_are_one_row_for_each_protocol() {
        let line = |program: &str, part: &str, joined: bool| {
            serde_json::json!({
                "protocol": "grpc", "file": "protocol_grpc", "test": "calls_are_read", "programs": [program, "node"],
                "parts": [part], "values": 3, "joined": joined, "encrypted": false,
            })
        };
        let page = page(&[
            line("curl", "request.body", false),
            line("python", "request.path", true),
        ]);
        let row = "| `grpc` | `protocol_grpc`: calls are read | curl, node, python | 6 | request.body, request.path |  | yes |\n";
        assert!(page.contains(row), "{page}");
        assert!(!page.contains("@table@"));
    }
}
