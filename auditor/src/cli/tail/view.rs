//! What people see of several agents: findings with their nodes, and on standard error what becomes of agents.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write};
use std::net::IpAddr;

use anyhow::bail;

use super::Format;
use super::agent::{News, What};
use crate::report::table::{Row, Table, escape};

/// Width of the column of nodes.
const NODE: usize = 16;

/// What is printed.
pub(super) struct View<W> {
    format: Format,
    table: Table,
    out: W,
    follow: bool,
    /// Agents that are read now.
    connected: HashSet<IpAddr>,
    /// How often one was not reached, refused or ended.
    failed: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Done,
    /// Whoever read our output went away.
    Unread,
}

impl<W: Write> View<W> {
    pub(super) fn new(format: Format, table: Table, out: W, follow: bool) -> Self {
        Self {
            format,
            table,
            out,
            follow,
            connected: HashSet::new(),
            failed: 0,
        }
    }

    pub(super) const fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn header(&mut self) {
        if self.format == Format::Text && io::stdout().is_terminal() {
            // Who does not read it reads no finding either.
            let _ = writeln!(self.out, "{:<NODE$} {}", "NODE", self.table.header());
        }
    }

    /// Prints what there is to say.
    ///
    /// # Errors
    /// When an agent refuses, and none is read.
    pub(super) fn shows(&mut self, news: News) -> anyhow::Result<Shown> {
        let node = escape(&news.node).into_owned();
        match news.what {
            What::Finding(line) => return Ok(self.finding(&node, &line)),
            What::Connected { limited_to } => {
                self.connected.insert(news.address);
                if let Some(namespaces) = limited_to.filter(|_| self.connected.len() == 1) {
                    let namespaces = namespaces.join(", ");
                    note(&format!(
                        "findings of these namespaces only: {}",
                        escape(&namespaces)
                    ));
                }
                if self.follow {
                    note(&format!("{node}: connected"));
                }
            }
            What::Dropped(count) => note(&format!(
                "{node}: {count} findings were dropped because this reader was too slow"
            )),
            What::Ended(why) => {
                self.failed += 1;
                self.connected.remove(&news.address);
                note(&format!("{node}: the stream ended: {}", escape(&why)));
            }
            What::Unreachable(why) => {
                self.failed += 1;
                note(&format!("{node}: not reached: {}", escape(&why)));
            }
            What::Refused(why) => {
                self.failed += 1;
                let text = format!("{node}: the agent refused: {}", escape(&why));
                if self.connected.is_empty() {
                    bail!("{text}");
                }
                note(&text);
            }
            What::Gone => {
                self.connected.remove(&news.address);
                note(&format!("{node}: the agent has gone"));
            }
            What::Done => _ = self.connected.remove(&news.address),
        }
        Ok(Shown::Done)
    }

    fn finding(&mut self, node: &str, line: &str) -> Shown {
        let text = match self.format {
            Format::Json => line.to_owned(),
            Format::Text => match Row::of_json(line) {
                Some(row) => format!("{:<NODE$} {}", short(node), self.table.line(&row)),
                None => return Shown::Done,
            },
        };
        match writeln!(self.out, "{text}").and_then(|()| self.out.flush()) {
            Ok(()) => Shown::Done,
            Err(_) => Shown::Unread,
        }
    }
}

/// The end of a long name, where nodes differ.
fn short(node: &str) -> String {
    let length = node.chars().count();
    match length <= NODE {
        true => node.to_owned(),
        false => std::iter::once('…')
            .chain(node.chars().skip(length - NODE + 1))
            .collect(),
    }
}

/// Standard error may be closed; findings go on.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "auditor tail: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View<Vec<u8>> {
        View::new(Format::Text, Table::plain(), Vec::new(), true)
    }

    fn news(node: &str, what: What) -> News {
        News {
            node: node.into(),
            address: [127, 0, 0, 1].into(),
            what,
        }
    }

    #[test]
    fn findings_are_shown_with_their_node_and_nothing_in_them_steers_the_terminal() {
        let mut view = view();
        let finding = crate::serve::hub::tests::finding("a", 1);
        let line = crate::report::json::line(&finding).unwrap();
        for node in [
            "node-1",
            "ip-10-1-2-3.eu-central-1.compute.internal",
            "a\u{1b}[2J",
        ] {
            view.shows(news(node, What::Finding(line.clone()))).unwrap();
        }
        let text = String::from_utf8(view.out).unwrap();
        let nodes: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(nodes, ["node-1", "…ompute.internal", "a\\x1b[2J"]);
        assert!(text.lines().all(|line| line.contains("payment_card")), "{text}");
    }

    #[test]
    fn a_refusal_is_an_error_unless_others_answer() {
        let mut view = view();
        let refused = || news("node-1", What::Refused("no\u{1b}[2J".into()));
        let error = view.shows(refused()).unwrap_err().to_string();
        assert_eq!(error, r"node-1: the agent refused: no\x1b[2J");
        let connected = What::Connected { limited_to: None };
        assert_eq!(view.shows(news("node-2", connected)).unwrap(), Shown::Done);
        assert_eq!(view.shows(refused()).unwrap(), Shown::Done);
        view.shows(news("node-2", What::Ended("x".into()))).unwrap();
        assert!(view.shows(refused()).is_err());
        assert_eq!(view.failed, 4);
    }
}
