//! Everything around a daemon goes wrong while it watches steady traffic: servers end and begin, a library is replaced,
//! receivers of findings refuse, hang and die, pods come and go, their API server dies and hangs, its configuration
//! changes, it is stopped, killed and started again.
//!
//! Used by tests/tests/chaos.rs for three minutes and by `cargo xtask soak` for as long as one likes.

mod life;
mod shops;
mod street;
mod table;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use crate::{
    cgroups::PodCgroup,
    daemon::Daemon,
    meter::Bytes,
    process::{LIMIT, wait_for},
    receivers::{Newest, Receiver, Variables, both, given, newest},
    scratch::Scratch,
    values,
};
use life::{Life, Lived};
use shops::{Shop, Shops};
use street::{Street, may_be_called};

/// How often it is looked at what the daemon uses.
const LOOK: Duration = Duration::from_millis(250);

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Event {
    Restart(Shop, Signal),
    ReplaceLibrary,
    /// Receivers do this, see programs/receiver.py.
    Receivers(&'static str),
    ReceiversDie,
    /// The daemon does not run for a while.
    Stop,
    Reload,
    BadConfiguration,
    /// A server's pod is another one from now on, and so are its neighbours.
    Pods,
    ServerDies,
    ServerHangs,
}

impl Event {
    const fn is_of_cluster(self) -> bool {
        matches!(self, Self::Pods | Self::ServerDies | Self::ServerHangs)
    }
}

/// In turn, again and again.
const EVENTS: [Event; 16] = [
    Event::Restart(Shop::Nginx, Signal::TERM),
    Event::Receivers("status 500"),
    Event::Pods,
    Event::Restart(Shop::Python, Signal::KILL),
    Event::Stop,
    Event::ServerDies,
    Event::Receivers("hang"),
    Event::ReplaceLibrary,
    Event::ReceiversDie,
    Event::Reload,
    Event::ServerHangs,
    Event::Restart(Shop::Node, Signal::KILL),
    Event::Receivers("forget"),
    Event::BadConfiguration,
    Event::Restart(Shop::Nginx, Signal::KILL),
    Event::Receivers("status 429 1"),
];

/// How daemons end, in turn; the last one always ends as systemd ends it.
const ENDS: [Signal; 3] = [Signal::KILL, Signal::TERM, Signal::KILL];

/// The whole of it.
pub struct Chaos<'a> {
    shops: Shops,
    /// `None` where a cluster can not be had.
    street: Option<Street<'a>>,
    events: Vec<Event>,
    otlp: Receiver,
    webhook: Receiver,
    variables: Variables,
    /// One event takes so long.
    slot: Duration,
    /// Event under way, over all lives.
    turn: usize,
    lived: Vec<Lived>,
}

/// What came of it.
pub struct Outcome {
    lived: Vec<Lived>,
    bytes: Bytes,
    findings: usize,
    values: u64,
    requests: u64,
    broken: u64,
    events: usize,
}

impl<'a> Chaos<'a> {
    /// Starts servers, clients and receivers, and a cluster, which keeps its files in `scratch`.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(scratch: &'a Scratch) -> anyhow::Result<Self> {
        let street = Street::open(scratch)?;
        let shops = Shops::start(entrance(street.as_ref())?)?;
        let (mut otlp, mut webhook, mut variables) = both(shops.scratch())?;
        for receiver in [&mut otlp, &mut webhook] {
            receiver.does("ok")?;
            receiver.start()?;
        }
        for (name, value) in [
            ("NO_PROXY", "127.0.0.1,localhost"),
            // What is let go of is not counted as growth.
            ("AUDITOR_CAPTURE__DETACH_AFTER_SECONDS", "5"),
        ] {
            variables.push((name, value.to_owned()));
        }
        if let Some(street) = &street {
            variables.push(("AUDITOR_IDENTITY__KUBERNETES__KUBECONFIG", street.kubeconfig()?));
        }
        let events = EVENTS
            .into_iter()
            .filter(|event| street.is_some() || !event.is_of_cluster());
        Ok(Self {
            events: events.collect(),
            street,
            shops,
            otlp,
            webhook,
            variables,
            slot: Duration::ZERO,
            turn: 0,
            lived: Vec::new(),
        })
    }

    /// Lets `lives` daemons live for this time altogether, each with as many events as there are.
    ///
    /// # Errors
    /// When a daemon ends, grows or loses something, or servers or clients end.
    pub fn run(mut self, time: Duration, lives: u32) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        self.slot =
            (time / lives / self.events.len() as u32).clamp(Duration::from_secs(2), Duration::from_secs(20));
        for number in 0..lives {
            let is_last = number + 1 == lives;
            let until = began + time * (number + 1) / lives;
            self.live(until, is_last, ENDS[number as usize % ENDS.len()])
                .with_context(|| format!("in life {} of {lives}", number + 1))?;
            if !is_last {
                self.stillborn()?;
            }
        }
        self.outcome()
    }

    /// One daemon, until then.
    fn live(&mut self, until: Instant, is_last: bool, by: Signal) -> anyhow::Result<()> {
        let mut life = Life::begin(
            self.shops.scratch(),
            self.shops.keeper(),
            &given(&self.variables),
            &self.shops.markers,
        )?;
        life.look()?;
        while Instant::now() < until {
            let event = self.events[self.turn % self.events.len()];
            self.turn += 1;
            println!("{event:?}");
            self.happens(event, &mut life)
                .with_context(|| format!("event {}: {event:?}", self.turn))?;
        }
        self.shops.pause()?;
        if self.street.is_some() {
            life.daemon.identity_is("kubernetes", LIMIT)?;
        }
        let bytes = life.judged()?;
        if is_last {
            self.arrive("before the end")?;
            self.lived.push(life.end(Signal::TERM, bytes)?);
            return self.arrive("after the end");
        }
        self.shops.resume()?;
        self.shops.go_on()?;
        self.lived.push(life.end(by, bytes)?);
        Ok(())
    }

    /// One thing goes wrong, for a while; afterwards all goes on as before.
    fn happens(&mut self, event: Event, life: &mut Life) -> anyhow::Result<()> {
        let began = Instant::now();
        match event {
            Event::Restart(shop, signal) => {
                self.shops.close(shop, signal)?;
                self.shops.open(shop)?;
            }
            Event::ReplaceLibrary => self.shops.replace_library()?,
            Event::Receivers(what) => {
                for receiver in [&self.otlp, &self.webhook] {
                    receiver.does(what)?;
                }
            }
            Event::ReceiversDie => {
                self.otlp.die()?;
                self.webhook.die()?;
            }
            Event::Stop => life.daemon.signal(Signal::STOP)?,
            Event::Reload => {
                let interval = 1 + self.turn % 2;
                self.configure(
                    life,
                    &format!("report:\n  interval_seconds: {interval}\n"),
                    "loaded",
                )?;
            }
            Event::BadConfiguration => self.configure(life, "report:\n  intervall: 1\n", "refused")?,
            Event::Pods | Event::ServerDies | Event::ServerHangs => self.in_cluster(event)?,
        }
        self.shops.go_on()?;
        if !matches!(event, Event::Stop) {
            life.sees()?;
        }
        while began.elapsed() < self.slot {
            life.look()?;
            std::thread::sleep(LOOK);
        }
        match event {
            Event::Receivers(what) => {
                for receiver in [&self.otlp, &self.webhook] {
                    wait_for(what, LIMIT, || Ok((receiver.did(what) > 0).then_some(())))?;
                    receiver.does("ok")?;
                }
            }
            Event::ReceiversDie => {
                self.otlp.start()?;
                self.webhook.start()?;
            }
            Event::Stop => {
                life.daemon.signal(Signal::CONT)?;
                life.sees()?;
            }
            Event::ServerDies | Event::ServerHangs => {
                if let Some(street) = &mut self.street {
                    street.server_is_back()?;
                }
            }
            Event::Restart(..)
            | Event::ReplaceLibrary
            | Event::Reload
            | Event::BadConfiguration
            | Event::Pods => (),
        }
        Ok(())
    }

    /// One of the things that go wrong in a cluster.
    fn in_cluster(&mut self, event: Event) -> anyhow::Result<()> {
        let Some(street) = &mut self.street else {
            return Ok(());
        };
        match event {
            Event::ServerDies => street.server_dies(),
            Event::ServerHangs => street.server_hangs(),
            _ => {
                street.churn()?;
                self.shops.cgroup = entrance(self.street.as_ref())?;
                self.shops.close(Shop::Python, Signal::TERM)?;
                self.shops.open(Shop::Python)
            }
        }
    }

    /// Changes the file of the daemon's configuration and tells it; `result` is what it must say of it.
    fn configure(&self, life: &Life, more: &str, result: &str) -> anyhow::Result<()> {
        let file = self.shops.scratch().path("daemon.yaml");
        let text = fs::read_to_string(&file)?;
        let (own, _) = text.split_once("report:").unwrap_or((&text, ""));
        let series = format!("auditor_config_reloads_total{{result=\"{result}\"}}");
        let before = life.daemon.metric(&series)?;
        fs::write(&file, format!("{own}{more}"))?;
        life.daemon.hang_up()?;
        wait_for(&format!("the configuration to be {result}"), LIMIT, || {
            Ok((life.daemon.metric(&series)? > before).then_some(()))
        })
    }

    /// A daemon that is killed while it attaches.
    fn stillborn(&self) -> anyhow::Result<()> {
        Daemon::killed_after(
            self.shops.scratch(),
            &[self.shops.keeper()],
            &given(&self.variables),
            Duration::from_millis(300),
        )
    }

    /// What all daemons wrote, by id; with it how many lines a kill cut off.
    fn journal(&self) -> anyhow::Result<(Newest, usize)> {
        let text = fs::read_to_string(self.shops.scratch().path("daemon.state/findings.jsonl"))?;
        let mut cut = 0;
        let lines: Vec<serde_json::Value> = text
            .lines()
            .filter_map(|line| {
                let parsed = serde_json::from_str(line).ok();
                cut += usize::from(parsed.is_none());
                parsed
            })
            .collect();
        Ok((newest(lines.into_iter().map(Ok))?, cut))
    }

    /// Waits until both receivers have the newest revision of every finding of the journal, and none besides.
    fn arrive(&self, when: &str) -> anyhow::Result<()> {
        for (sink, receiver) in [("otlp", &self.otlp), ("webhook", &self.webhook)] {
            let mut lack = String::new();
            wait_for("findings to arrive", LIMIT, || {
                let (wanted, arrived) = (self.journal()?.0, receiver.findings()?);
                lack = lacking(&wanted, &arrived);
                Ok((wanted == arrived).then_some(()))
            })
            .with_context(|| format!("at {sink}, {when}: {lack}"))?;
        }
        Ok(())
    }

    /// Every marker was found, and none more often than it was sent.
    fn outcome(self) -> anyhow::Result<Outcome> {
        let (findings, cut) = self.journal()?;
        let kills = self.lived.iter().filter(|lived| lived.by == Signal::KILL).count() + self.lived.len();
        ensure!(cut <= kills, "{cut} lines of the journal are cut off");
        let (mut requests, mut broken) = (0, 0);
        for shop in Shop::ALL {
            let asked = self.shops.asked(shop)?;
            requests += asked.begun;
            broken += asked.broken;
        }
        let mut called = 0;
        for finding in findings.values() {
            let is_request = finding["location"]["part"]
                .as_str()
                .is_some_and(|part| part.starts_with("request"));
            let server = if is_request { "destination" } else { "source" };
            let workload = finding[server]["workload"]["name"].as_str();
            let is_python = finding["flow"]["operation"] == "POST /v1/python";
            ensure!(!is_python || may_be_called(workload), "{finding}");
            called += usize::from(is_python && workload.is_some());
        }
        ensure!(
            self.street.is_none() || called > 0,
            "no server is called by its workload"
        );
        let mut all = 0;
        for marker in &self.shops.markers {
            let sample = values::card_sample(&marker.card);
            let of_it = findings
                .values()
                .filter(|finding| finding["kind"] == "leak" && finding["sample"] == sample.as_str());
            let found: u64 = of_it.filter_map(|finding| finding["count"].as_u64()).sum();
            let name = marker.shop.name();
            let begun = self.shops.asked(marker.shop)?.begun;
            ensure!(
                found <= begun,
                "a card of {name} was counted {found} times, and sent {begun} times at most"
            );
            ensure!(found > 0, "no card of {name}");
            all += found;
        }
        let mut bytes = Bytes::default();
        for lived in &self.lived {
            bytes.add(&lived.bytes);
        }
        Ok(Outcome {
            lived: self.lived,
            bytes,
            findings: findings.len(),
            values: all,
            requests,
            broken,
            events: self.turn,
        })
    }
}

/// Where Python's server is to run.
fn entrance(street: Option<&Street<'_>>) -> anyhow::Result<Option<PathBuf>> {
    let cgroup = street.and_then(Street::cgroup);
    cgroup.map(PodCgroup::entrance).transpose()
}

/// In what the second differs from the first, in numbers.
fn lacking(wanted: &Newest, arrived: &Newest) -> String {
    let missing = wanted.keys().filter(|id| !arrived.contains_key(*id)).count();
    let more = arrived.keys().filter(|id| !wanted.contains_key(*id)).count();
    let other = wanted
        .iter()
        .filter(|(id, finding)| arrived.get(*id).is_some_and(|other| other != *finding))
        .count();
    format!(
        "of {} findings {missing} did not arrive, {other} in an older revision; {more} are not in the journal",
        wanted.len()
    )
}
