//! The closing record of a capture: what was found and what became of every byte.
//!
//! Goes in: tallies and balances. Comes out: one JSON object, described by
//! docs/summary.schema.json, or the same as text. No value and no sample is in it.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::Verdict;
use crate::detect::State;
use crate::ledger::{Account, Balance, ByteLedger, Ledger};
use crate::report::table::escape;

/// `schema` of every summary.
pub const SCHEMA: &str = "auditor.summary/v1";

/// What a capture came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub schema: &'static str,
    /// RFC 3339, UTC: the end of the capture.
    pub time: String,
    pub duration_ms: u64,
    pub account: Accounts,
    /// Leaks by detector and verdict.
    pub findings: Vec<FindingTally>,
    /// Values by detector and state, those that are not leaks included.
    pub values: Vec<ValueTally>,
    /// Detections below the confidence asked for.
    pub low_confidence: u64,
    /// Functions that were hooked.
    pub attached: Vec<Attached>,
    pub bindings: Bindings,
    pub events_lost: Vec<Loss>,
    /// What was spoken.
    pub protocols: Vec<ProtocolTally>,
    /// Values reported under `{other}`, as their service has too many operations.
    pub other_operations: u64,
    /// Values of clients that were not known where a rule of policy requires a client's certificate.
    pub unknown_clients: u64,
    /// Sightings of values that count once with another one.
    pub merged: Merged,
    /// What is known of the fields of protobuf messages.
    pub descriptors: Descriptors,
    /// What selectors chose, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Chosen>,
    /// How the command that was watched ended, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandStatus>,
}

/// Processes that selectors chose, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Chosen {
    pub watched: u64,
    /// Not watched, as it was not known what they are.
    pub undecided: u64,
    /// What undecided processes moved on sockets over all the time: it was not read, and is in no account.
    pub undecided_bytes: u64,
}

/// Both byte accounts.
#[derive(Clone, Debug, Serialize)]
pub struct Accounts {
    pub socket: Balance,
    pub tls: Balance,
}

impl Accounts {
    /// Draws both balances.
    pub fn of(ledger: &ByteLedger) -> Self {
        Self {
            socket: ledger.balance(Ledger::Socket),
            tls: ledger.balance(Ledger::Tls),
        }
    }
}

/// Leaks of one detector under one verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingTally {
    pub detector: &'static str,
    pub verdict: Verdict,
    /// Different ids.
    pub findings: u64,
    /// Values counted under them.
    pub values: u64,
}

/// Values of one detector in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueTally {
    pub detector: &'static str,
    pub state: State,
    pub values: u64,
}

/// One hooked function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// `openssl`, …
    pub library: String,
    pub path: String,
    pub function: String,
    /// Where in the function: `entry`, `return`, or an offset such as `+0x12`.
    pub instruction: String,
    /// `uprobe`, `uretprobe`, `tp_btf`, …
    pub method: String,
}

/// How TLS objects found their sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bindings {
    /// By a socket call inside a TLS call.
    pub nested: u64,
    /// By a socket call right before or after a TLS call, whose records have the length that the
    /// plaintext gives.
    pub adjacent: u64,
    /// By the descriptor that the object itself names (Go).
    pub descriptor: u64,
    /// Times a length fitted several objects or sockets, so that nothing was bound.
    pub ambiguous: u64,
    /// Times a second socket was proved for an object, or a second object for a socket: both are
    /// unbound since.
    pub conflicts: u64,
    /// Streams that ended without: source or destination of these connections is not known.
    pub unbound: u64,
}

/// Events that did not reach the next stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    pub stage: String,
    pub reason: String,
    pub count: u64,
}

/// Sightings of a value beside the one that is counted, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// The same bytes at the other end of their connection.
    pub other_end: u64,
    /// The same message before or after a proxy of a mesh passed it on.
    pub passed_on: u64,
}

/// What one protocol came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProtocolTally {
    pub protocol: &'static str,
    /// Bytes of its messages on the wire, without what frames them.
    pub bytes: u64,
    /// Times it was not known where in its messages the parser was: what follows names no operation until
    /// the next one is found.
    pub lost_sync: u64,
}

/// What is known of the fields of protobuf messages, and what was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Descriptors {
    /// Messages that are known.
    pub types: u64,
    /// Methods whose messages are.
    pub methods: u64,
    /// Files that servers told of when they were asked.
    pub learnt_files: u64,
    /// Fields and methods about which these differ, so that they go by number.
    pub ambiguous: u64,
    /// Files and answers that are none.
    pub refused: u64,
    /// Those for which there was no room, or not for all of it.
    pub no_room: u64,
}

/// How a watched command ended: one of the two is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CommandStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl Summary {
    /// The summary as text: leaks, values that were not leaks, both accounts, losses. Each account
    /// closes with its difference, `difference 0` once every byte is accounted for.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let seconds = self.duration_ms as f64 / 1000.0;
        let _ = writeln!(out, "summary after {seconds:.1} s");
        self.write_findings(&mut out);
        write_balance(&mut out, "socket", &self.account.socket);
        write_balance(&mut out, "tls", &self.account.tls);
        if let Some(scope) = &self.scope {
            let _ = writeln!(
                out,
                "  selected {} processes; of {} it is not known whether they are meant; {} bytes moved before that was known and were not read",
                scope.watched, scope.undecided, scope.undecided_bytes
            );
        }
        for hook in &self.attached {
            let [library, path, function, instruction, method] = [
                &hook.library,
                &hook.path,
                &hook.function,
                &hook.instruction,
                &hook.method,
            ]
            .map(|s| escape(s));
            let _ = writeln!(
                out,
                "  attached {library} {path} {function} at {instruction} ({method})"
            );
        }
        if self.bindings != Bindings::default() {
            let Bindings {
                nested,
                adjacent,
                descriptor,
                ambiguous,
                conflicts,
                unbound,
            } = self.bindings;
            let _ = writeln!(
                out,
                "  bindings {nested} nested, {adjacent} adjacent, {descriptor} by descriptor, {unbound} unbound"
            );
            if ambiguous + conflicts > 0 {
                let _ = writeln!(
                    out,
                    "  bindings refused: {ambiguous} ambiguous, {conflicts} conflicts"
                );
            }
        }
        for ProtocolTally {
            protocol,
            bytes,
            lost_sync,
        } in &self.protocols
        {
            let _ = write!(out, "  spoke {protocol:<14} {:>19}", human_bytes(*bytes));
            if *lost_sync > 0 {
                let _ = write!(out, ", place lost {lost_sync} times");
            }
            out.push('\n');
        }
        if self.merged != Merged::default() {
            let Merged { other_end, passed_on } = self.merged;
            let _ = writeln!(
                out,
                "  counted once: {other_end} values seen at both ends, {passed_on} passed on by proxies"
            );
        }
        self.write_descriptors(&mut out);
        if self.other_operations > 0 {
            let _ = writeln!(
                out,
                "  {} values in operations beyond the bound of their service",
                self.other_operations
            );
        }
        if self.unknown_clients > 0 {
            let _ = writeln!(
                out,
                "  {} values of clients that are not known, where policy requires their certificate",
                self.unknown_clients
            );
        }
        for loss in &self.events_lost {
            let _ = writeln!(
                out,
                "  lost {} events in {}: {}",
                loss.count,
                escape(&loss.stage),
                escape(&loss.reason)
            );
        }
        match self.command {
            Some(CommandStatus { code: Some(code), .. }) => {
                _ = writeln!(out, "  command ended with status {code}")
            }
            Some(CommandStatus {
                signal: Some(signal), ..
            }) => {
                _ = writeln!(out, "  command was ended by signal {signal}");
            }
            _ => (),
        }
        out
    }

    fn write_descriptors(&self, out: &mut String) {
        if self.descriptors == Descriptors::default() {
            return;
        }
        let Descriptors {
            types,
            methods,
            learnt_files,
            ambiguous,
            refused,
            no_room,
        } = self.descriptors;
        let _ = writeln!(
            out,
            "  descriptors of {types} types and {methods} methods, {learnt_files} files learnt"
        );
        if ambiguous + refused + no_room > 0 {
            let _ = writeln!(
                out,
                "  descriptors not used: {ambiguous} ambiguous, {refused} refused, {no_room} without room"
            );
        }
    }

    fn write_findings(&self, out: &mut String) {
        if self.findings.is_empty() {
            out.push_str("  no leaks\n");
        }
        for FindingTally {
            detector,
            verdict,
            findings,
            values,
        } in &self.findings
        {
            let _ = writeln!(
                out,
                "  leaks {detector:<24} {:<10} {findings:>6} findings {values:>8} values",
                verdict.name()
            );
        }
        for ValueTally {
            detector,
            state,
            values,
        } in self.values.iter().filter(|v| v.state != State::Clear)
        {
            let _ = writeln!(
                out,
                "  not leaks {detector:<20} {:<10} {values:>24} values",
                state_name(*state)
            );
        }
        if self.low_confidence > 0 {
            let _ = writeln!(
                out,
                "  not leaks: {} candidates of too low confidence",
                self.low_confidence
            );
        }
    }
}

/// Bytes for people: powers of 1024, one decimal.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// As in findings.
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Clear => "clear",
        State::Masked => "masked",
        State::Hashed => "hashed",
        State::Tokenised => "tokenised",
        State::Encrypted => "encrypted",
        State::Test => "test",
    }
}

fn write_balance(out: &mut String, name: &str, balance: &Balance) {
    let _ = writeln!(out, "  {name} bytes");
    let mut line = |label: &str, bytes: u64| {
        let _ = writeln!(out, "    {label:<22} {:>12}", human_bytes(bytes));
    };
    line("moved", balance.moved);
    for &(account, bytes) in balance
        .accounts
        .iter()
        .filter(|(a, n)| *n > 0 || *a == Account::Scanned)
    {
        line(account.name(), bytes);
    }
    let _ = writeln!(out, "    difference {}", balance.difference());
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn summary() -> Summary {
        let ledger = ByteLedger::default();
        ledger.set_moved(Ledger::Socket, 3_000_000);
        ledger.settle(Ledger::Socket, Account::Scanned, 2_000_000);
        ledger.settle(Ledger::Socket, Account::Ciphertext, 1_000_000);
        ledger.set_moved(Ledger::Tls, 900);
        ledger.settle(Ledger::Tls, Account::Scanned, 900);
        Summary {
            schema: SCHEMA,
            time: "2026-03-01T10:00:00.000Z".into(),
            duration_ms: 12_345,
            account: Accounts::of(&ledger),
            findings: vec![FindingTally {
                detector: "payment_card",
                verdict: Verdict::Violation,
                findings: 2,
                values: 14,
            }],
            values: vec![
                ValueTally {
                    detector: "payment_card",
                    state: State::Clear,
                    values: 14,
                },
                ValueTally {
                    detector: "payment_card",
                    state: State::Masked,
                    values: 3,
                },
            ],
            low_confidence: 1,
            attached: vec![Attached {
                library: "openssl".into(),
                path: "/usr/lib/libssl.so.3".into(),
                function: "SSL_write_ex".into(),
                instruction: "+0x12".into(),
                method: "uprobe".into(),
            }],
            bindings: Bindings {
                nested: 4,
                adjacent: 3,
                descriptor: 2,
                ambiguous: 0,
                conflicts: 0,
                unbound: 0,
            },
            scope: Some(Chosen {
                watched: 3,
                undecided: 1,
                undecided_bytes: 17,
            }),
            events_lost: vec![Loss {
                stage: "ring".into(),
                reason: "full\u{1b}[2J".into(),
                count: 2,
            }],
            protocols: vec![
                ProtocolTally {
                    protocol: "http/2",
                    bytes: 2048,
                    lost_sync: 0,
                },
                ProtocolTally {
                    protocol: "text",
                    bytes: 10,
                    lost_sync: 2,
                },
            ],
            other_operations: 3,
            unknown_clients: 4,
            merged: Merged {
                other_end: 5,
                passed_on: 8,
            },
            descriptors: Descriptors {
                types: 12,
                methods: 4,
                learnt_files: 2,
                ambiguous: 1,
                refused: 0,
                no_room: 0,
            },
            command: Some(CommandStatus {
                code: Some(0),
                signal: None,
            }),
        }
    }

    #[test]
    fn the_text_of_a_summary_reads_at_a_glance() {
        insta::assert_snapshot!(summary().to_text(), @r"
        summary after 12.3 s
          leaks payment_card             violation       2 findings       14 values
          not leaks payment_card         masked                            3 values
          not leaks: 1 candidates of too low confidence
          socket bytes
            moved                       2.9 MiB
            scanned                     1.9 MiB
            ciphertext                976.6 KiB
            difference 0
          tls bytes
            moved                         900 B
            scanned                       900 B
            difference 0
          selected 3 processes; of 1 it is not known whether they are meant; 17 bytes moved before that was known and were not read
          attached openssl /usr/lib/libssl.so.3 SSL_write_ex at +0x12 (uprobe)
          bindings 4 nested, 3 adjacent, 2 by descriptor, 0 unbound
          spoke http/2                     2.0 KiB
          spoke text                          10 B, place lost 2 times
          counted once: 5 values seen at both ends, 8 passed on by proxies
          descriptors of 12 types and 4 methods, 2 files learnt
          descriptors not used: 1 ambiguous, 0 refused, 0 without room
          3 values in operations beyond the bound of their service
          4 values of clients that are not known, where policy requires their certificate
          lost 2 events in ring: full\x1b[2J
          command ended with status 0
        ");
    }

    #[test]
    fn bytes_are_written_in_units_a_person_reads() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(human_bytes(bytes), expected);
        }
    }
}
