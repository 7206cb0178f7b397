//! A node of a cluster as far as its network goes: network namespaces for the node, its pods and what is outside, with
//! cables between them, and rules of nftables that translate addresses as kube-proxy's do.
//!
//! Pods have one address and one route, to the node, as Calico makes them. Everything is in namespaces of this test and
//! is gone with [`Node`].

use std::{
    fs::{self, File},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{
    peers::{self, program},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// The node's addresses.
pub const NODE: [&str; 2] = ["10.110.0.1", "fd00:110::1"];

/// How a pod sees the node: addresses that only the cable between them has.
const GATEWAY: [&str; 2] = ["169.254.1.1", "fe80::1"];

/// Hardware address of the node's end of every cable.
const NODE_MAC: &str = "02:00:00:00:00:fe";

/// What every node does: who connects to a service goes where `services` says; what is marked there leaves with the
/// node's own address.
const RULES: &str = "table FAMILY kube {
  chain services {
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    jump services
  }
  chain output {
    type nat hook output priority -100;
    jump services
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    meta mark 0x4000 snat to NODE
  }
}
";

/// The network of a node.
pub struct Node {
    name: String,
    others: Vec<String>,
}

impl Node {
    /// A node without pods.
    ///
    /// # Errors
    /// Without root, `ip` or `nft`.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        // Tests of one program run side by side.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let node = Self {
            name: format!("auditor-{}-{number}-{name}", std::process::id()),
            others: Vec::new(),
        };
        ip(&format!("netns add {}", node.name))?;
        node.ip("link set lo up")?;
        for address in NODE {
            node.ip(&format!("address add {address} dev lo{}", at_once(address)))?;
        }
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            node.set(key, "1")?;
        }
        for (family, address) in [("ip", NODE[0]), ("ip6", NODE[1])] {
            node.nft(&RULES.replace("FAMILY", family).replace("NODE", address))?;
        }
        Ok(node)
    }

    /// A namespace with these addresses, with a cable to the node.
    ///
    /// # Errors
    /// When it can not be made.
    pub fn pod(&mut self, addresses: &[&str]) -> anyhow::Result<Network> {
        let number = self.others.len() + 1;
        let name = format!("{}-{number}", self.name);
        ip(&format!("netns add {name}"))?;
        self.others.push(name.clone());
        let cable = format!("pod{number}");
        self.ip(&format!(
            "link add {cable} address {NODE_MAC} type veth peer name eth0 netns {name}"
        ))?;
        self.ip(&format!("link set {cable} up"))?;
        let pod = |words: &str| ip(&format!("-n {name} {words}"));
        pod("link set lo up")?;
        pod("link set eth0 up")?;
        for gateway in GATEWAY {
            pod(&format!("neighbour add {gateway} lladdr {NODE_MAC} dev eth0"))?;
        }
        pod(&format!("route add {} dev eth0", GATEWAY[0]))?;
        for address in addresses {
            pod(&format!("address add {address} dev eth0{}", at_once(address)))?;
            self.ip(&format!("route add {address} dev {cable}"))?;
            let gateway = GATEWAY[usize::from(address.contains(':'))];
            pod(&format!("route add default via {gateway} dev eth0"))?;
        }
        Ok(Network(name))
    }

    /// The node's own namespace.
    pub fn host(&self) -> Network {
        Network(self.name.clone())
    }

    /// Adds rules of `nft`: lines as `add rule ip kube services …`.
    ///
    /// # Errors
    /// When `nft` does not take them.
    pub fn nft(&self, rules: &str) -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), rules)?;
        let mut command = self.host().command("nft");
        command.arg("--file").arg(file.path());
        Running::start(&mut command)?.succeed().map(drop)
    }

    /// Moves this thread, and what it starts from now on, into the node's network namespace.
    ///
    /// # Errors
    /// Without root.
    pub fn enter(&self) -> anyhow::Result<()> {
        let file = File::open(Path::new("/run/netns").join(&self.name))?;
        Ok(move_into_link_name_space(
            file.as_fd(),
            Some(LinkNameSpaceType::Network),
        )?)
    }

    fn ip(&self, words: &str) -> anyhow::Result<()> {
        ip(&format!("-n {} {words}", self.name))
    }

    fn set(&self, key: &str, value: &str) -> anyhow::Result<()> {
        let mut command = self.host().command("sh");
        command
            .arg("-c")
            .arg(format!("echo {value} > /proc/sys/net/{key}"));
        Running::start(&mut command)?.succeed().map(drop)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for name in self.others.iter().chain([&self.name]) {
            if let Err(error) = ip(&format!("netns delete {name}")) {
                eprintln!("{error:#}");
            }
        }
    }
}

/// IPv6 waits before it uses an address, in case another has it.
fn at_once(address: &str) -> &'static str {
    if address.contains(':') { " nodad" } else { "" }
}

fn ip(words: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    Running::start(command.args(words.split(' ')))?
        .succeed()
        .with_context(|| format!("ip {words}"))
        .map(drop)
}

/// A network namespace by its name.
#[derive(Clone, Debug)]
pub struct Network(pub String);

impl Network {
    /// A program in it. The process is the program's own from the start.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.0)).arg(program);
        command
    }

    fn pod(&self, words: &[&str]) -> Command {
        let mut command = self.command(peers::PYTHON);
        command.arg(program("pod.py")).args(words);
        command
    }
}

/// How two programs of a test speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    Plain,
    Tls,
    Udp,
}

/// A server that answers everything with one body, and notes who asked.
pub struct Till {
    running: Running,
    log: PathBuf,
}

impl Till {
    /// Listens on a port of the network.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(
        scratch: &Scratch,
        network: &Network,
        name: &str,
        port: u16,
        speech: Speech,
        body: &Path,
    ) -> anyhow::Result<Self> {
        let log = scratch.file(&format!("{name}.log"), "")?;
        let role = if speech == Speech::Udp {
            "serve_udp"
        } else {
            "serve"
        };
        let mut command = network.pod(&[role, &port.to_string(), &body.display().to_string()]);
        command.env("POD_LOG", &log);
        if speech == Speech::Tls {
            command.env("POD_PEM", scratch.certificate()?);
        }
        let running = Running::start(&mut command)?;
        let table = if speech == Speech::Udp { "udp6" } else { "tcp6" };
        let wanted = format!(":{port:04X} ");
        wait_for("a server to listen", LIMIT, || {
            let table = fs::read_to_string(format!("/proc/{}/net/{table}", running.pid()));
            Ok(table.unwrap_or_default().contains(&wanted).then_some(()))
        })?;
        Ok(Self { running, log })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The address and port that the server saw for this request; `None` when it did not get it.
    ///
    /// # Errors
    /// When the server's notes can not be read.
    pub fn seen(&self, gate: &str) -> anyhow::Result<Option<(String, u16)>> {
        for line in fs::read_to_string(&self.log)?.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if words.first() == Some(&gate) {
                let [_, ip, port] = words[..] else { continue };
                return Ok(Some((ip.to_owned(), port.parse()?)));
            }
        }
        Ok(None)
    }
}

/// A client that asks when it is told to.
pub struct Kiosk {
    running: Running,
    gates: PathBuf,
}

impl Kiosk {
    /// Is ready to ask there, with this body.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn start(
        scratch: &Scratch,
        network: &Network,
        name: &str,
        to: (&str, u16),
        speech: Speech,
        body: &Path,
    ) -> anyhow::Result<Self> {
        let gates = scratch.path(&format!("{name}.gates"));
        fs::create_dir(&gates)?;
        let role = if speech == Speech::Udp { "ask_udp" } else { "ask" };
        let (ip, port) = to;
        let (folder, body) = (gates.display().to_string(), body.display().to_string());
        let mut command = network.pod(&[role, ip, &port.to_string(), &folder, &body]);
        if speech == Speech::Tls {
            command.env("POD_PEM", scratch.certificate()?);
        }
        let running = Running::start(&mut command)?;
        // Its library is mapped before it is watched.
        let pid = running.pid();
        wait_for("a client to run", LIMIT, || {
            let program = fs::read_link(format!("/proc/{pid}/exe"))?;
            Ok(program.to_string_lossy().contains("python").then_some(()))
        })?;
        Ok(Self { running, gates })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Has it ask for this.
    ///
    /// # Errors
    /// When it can not be told.
    pub fn ask(&self, gate: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.gates.join(gate), "")?)
    }

    /// Waits until this was asked and answered, with all that was asked before, and ends it.
    ///
    /// # Errors
    /// When there was no answer.
    pub fn end(self) -> anyhow::Result<()> {
        self.ask("end")?;
        let ended = self.running.end(LIMIT)?;
        ensure!(ended.status.success(), "the client failed: {}", ended.stderr);
        Ok(())
    }
}
