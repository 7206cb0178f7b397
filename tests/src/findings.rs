//! Traffic whose findings are known by number: clients that each send a message with so many clear cards, every one in a
//! field of its own, and the daemon that watches them.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, ensure};

use crate::{
    daemon::Daemon,
    message,
    peers::{Client, Server},
    process::{LIMIT, wait_for},
    receivers::{Newest, Receiver, journal},
    scratch::Scratch,
    values,
};

/// A server, and clients that wait for their turn.
pub struct Traffic<'a> {
    scratch: &'a Scratch,
    server: Server,
    clients: Vec<Client>,
    /// Those that have sent and stay, with their connections open.
    staying: Vec<Client>,
    stays: bool,
    turn: usize,
    sent: usize,
    counts: Vec<usize>,
    cards: Vec<String>,
}

impl<'a> Traffic<'a> {
    /// A client for each number, which sends a message of so many cards.
    ///
    /// # Errors
    /// When a program can not be started.
    pub fn new(scratch: &'a Scratch, counts: &[usize]) -> anyhow::Result<Self> {
        Self::start(scratch, counts, false)
    }

    /// The same, and clients stay when they have sent: whoever looks them up later finds them.
    ///
    /// # Errors
    /// When a program can not be started.
    pub fn that_stays(scratch: &'a Scratch, counts: &[usize]) -> anyhow::Result<Self> {
        Self::start(scratch, counts, true)
    }

    fn start(scratch: &'a Scratch, counts: &[usize], stays: bool) -> anyhow::Result<Self> {
        let server = Server::plain(scratch)?;
        let (mut clients, mut cards) = (Vec::new(), Vec::new());
        for (turn, count) in counts.iter().enumerate() {
            let own: Vec<String> = (0..*count).map(|_| values::card()).collect();
            let fields: BTreeSet<String> = (0..*count).map(|number| field(turn, number)).collect();
            let body: Vec<String> = fields
                .iter()
                .zip(&own)
                .map(|(field, card)| format!(r#""{field}":{{"card_number":"{card}"}}"#))
                .collect();
            let order = message::post_json("/v1/orders", &format!("{{{}}}", body.join(",")));
            let gate = gate(scratch, turn).display().to_string();
            let mut more = vec!["--gate", gate.as_str(), "--limit", "300"];
            let end = scratch.path("clients.end").display().to_string();
            if stays {
                more.extend(["--stay", end.as_str()]);
            }
            clients.push(Client::start(
                scratch,
                &format!("client{turn}"),
                server.port,
                &[order],
                &more,
            )?);
            cards.extend(own);
        }
        clients.reverse();
        Ok(Self {
            scratch,
            server,
            clients,
            staying: Vec::new(),
            stays,
            turn: 0,
            sent: 0,
            counts: counts.to_vec(),
            cards,
        })
    }

    /// Who answers.
    pub fn server_pid(&self) -> u32 {
        self.server.pid()
    }

    /// Starts `auditor run` on those whose turn is still to come.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn daemon(&self, environment: &[(&str, &str)]) -> anyhow::Result<Daemon> {
        let pids: Vec<u32> = self.clients.iter().map(Client::pid).collect();
        let always = [
            ("AUDITOR_REPORT__INTERVAL_SECONDS", "1"),
            ("NO_PROXY", "127.0.0.1,localhost"),
        ];
        // One that has nothing left to watch is started for what waits.
        let pids = if pids.is_empty() {
            vec![std::process::id()]
        } else {
            pids
        };
        Daemon::start(self.scratch, &pids, &[&always, environment].concat())
    }

    /// Lets the next client send.
    ///
    /// # Errors
    /// When it fails.
    pub fn sends(&mut self) -> anyhow::Result<()> {
        let client = self.clients.pop().context("all clients have sent")?;
        fs::write(gate(self.scratch, self.turn), "")?;
        if self.stays {
            client.has_sent(1)?;
            self.staying.push(client);
        } else {
            client.counts()?;
        }
        self.sent += self.counts[self.turn];
        self.turn += 1;
        Ok(())
    }

    /// Lets the next client send, and waits until its findings are in the journal.
    ///
    /// # Errors
    /// When they are not in time.
    pub fn go(&mut self, daemon: &Daemon) -> anyhow::Result<()> {
        self.sends()?;
        wait_for("findings in the journal", LIMIT, || {
            Ok((cards(&journal(&daemon.state)?) >= self.sent).then_some(()))
        })
    }

    /// Waits until the receiver has what the journal has, the newest revision of each, and no finding twice.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn arrives(&self, receiver: &Receiver, state: &Path) -> anyhow::Result<Newest> {
        let arrived = wait_for("findings to arrive", LIMIT, || {
            let (wanted, arrived) = (journal(state)?, receiver.findings()?);
            Ok((wanted == arrived).then_some(arrived))
        });
        let Ok(arrived) = arrived else {
            let (wanted, arrived) = (journal(state)?, receiver.findings()?);
            let missing = wanted.keys().filter(|id| !arrived.contains_key(*id)).count();
            let more = arrived.keys().filter(|id| !wanted.contains_key(*id)).count();
            anyhow::bail!(
                "of {} findings {missing} did not arrive, {more} arrived that are not in the journal, and others are older",
                wanted.len()
            );
        };
        ensure!(
            cards(&arrived) == self.sent,
            "{} of {} cards",
            cards(&arrived),
            self.sent
        );
        Ok(arrived)
    }

    /// Searches for the cards: as they are, and any nine of their digits.
    ///
    /// # Errors
    /// When one is there.
    pub fn is_not_in(&self, what: &str, bytes: &[u8]) -> anyhow::Result<()> {
        ensure!(!bytes.is_empty(), "{what} is empty");
        let runs: BTreeSet<&[u8]> = self
            .cards
            .iter()
            .flat_map(|card| card.as_bytes().windows(9))
            .collect();
        let found = bytes.windows(9).filter(|window| runs.contains(window)).count();
        ensure!(found == 0, "{what} holds digits of cards in {found} places");
        Ok(())
    }
}

/// Findings of a clear card.
pub fn cards(findings: &Newest) -> usize {
    findings
        .values()
        .filter(|finding| finding["detector"] == "payment_card" && finding["kind"] == "leak")
        .count()
}

fn gate(scratch: &Scratch, turn: usize) -> std::path::PathBuf {
    scratch.path(&format!("client{turn}.go"))
}

/// A name of letters only: numbers would be taken for places in a list.
pub fn field(turn: usize, number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap_or_default());
    format!(
        "of{}{}{}{}",
        letter(turn),
        letter(number / 676),
        letter(number / 26),
        letter(number)
    )
}
