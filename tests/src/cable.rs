//! Two pods of a cluster with a cable between them: processes in network namespaces of their own, of which one sends the
//! other a card each time it is told to.

use std::{fs, path::PathBuf, process::Command};

use serde_json::json;

use crate::{
    cgroups::PodCgroup,
    peers::program,
    process::{LIMIT, Running},
    scratch::Scratch,
    values,
};

const PORT: &str = "8080";

/// Two network namespaces with a cable between them.
pub struct Network {
    names: [String; 2],
}

impl Network {
    /// The first has 10.111.0.1; the second 10.111.0.2, and the address of a service, as kube-proxy gives it in its
    /// IPVS mode.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let id = std::process::id();
        let network = Self {
            names: ["a", "b"].map(|end| format!("auditor-{id}-{name}-{end}")),
        };
        let [a, b] = &network.names;
        for name in [a, b] {
            ip(&format!("netns add {name}"))?;
        }
        ip(&format!(
            "-n {a} link add eth0 type veth peer name eth0 netns {b}"
        ))?;
        ip(&format!("-n {a} address add 10.111.0.1/24 dev eth0"))?;
        ip(&format!("-n {b} address add 10.111.0.2/24 dev eth0"))?;
        ip(&format!("-n {b} address add 10.96.1.1/32 dev eth0"))?;
        for name in [a, b] {
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        ip(&format!("-n {a} route add 10.96.0.0/16 dev eth0"))?;
        Ok(network)
    }

    /// Starts a program in one of them.
    fn run(&self, end: usize, words: &[&str]) -> anyhow::Result<Running> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.names[end]));
        command.arg("/usr/bin/python3").arg(program("pod.py")).args(words);
        Running::start(&mut command)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

/// A conversation of the pods `kiosk` and `till` in both of whose messages is a card.
pub struct Pods {
    pub kiosk: Running,
    pub till: Running,
    gates: PathBuf,
}

impl Pods {
    /// The kiosk asks the till at this address.
    ///
    /// # Errors
    /// When one of them can not be started.
    pub fn start(
        scratch: &Scratch,
        network: &Network,
        cgroups: [&PodCgroup; 2],
        ip: &str,
    ) -> anyhow::Result<Self> {
        let body = json!({"card": {"number": values::card()}}).to_string();
        let body = scratch.file("body.json", body)?.display().to_string();
        let gates = scratch.path("gates");
        fs::create_dir(&gates)?;
        let till = network.run(1, &["serve", PORT, &body])?;
        let kiosk = network.run(0, &["ask", ip, PORT, &gates.display().to_string(), &body])?;
        cgroups[0].take(kiosk.pid())?;
        cgroups[1].take(till.pid())?;
        Ok(Self { kiosk, till, gates })
    }

    /// Lets the kiosk ask once; the operation is `POST /` and this name.
    ///
    /// # Errors
    /// When it can not be told.
    pub fn ask(&self, gate: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.gates.join(gate), "")?)
    }

    /// Lets the kiosk end, as it does by itself when every question was answered.
    ///
    /// # Errors
    /// When one was not.
    pub fn end(self) -> anyhow::Result<()> {
        self.ask("end")?;
        self.kiosk.end(LIMIT).map(drop)
    }
}

/// Runs `ip`.
fn ip(words: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    Running::start(command.args(words.split(' ')))?
        .succeed()
        .map(drop)
}
