//! Servers of TLS that come and go, and clients that put up with it.
//!
//! nginx with a copy of libssl, Python and Node.js are children of one process (programs/keeper.py), so that whoever
//! watches that one watches them, too. The clients (programs/steady.py) are watched by nobody.

use std::{
    fmt::Display,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{ChildStdin, Command},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    message, nginx,
    peers::{self, PYTHON, program},
    process::{LIMIT, Running, wait_for},
    scratch::{Scratch, free_port},
    values,
};

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shop {
    Nginx,
    Python,
    Node,
}

impl Shop {
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Python, Self::Node];

    /// Of files, and in the operation of its clients.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Python => "python",
            Self::Node => "node",
        }
    }
}

/// A card that goes over the wire with every request to a server, or with every answer of it.
pub struct Marker {
    pub shop: Shop,
    pub card: String,
}

/// What the clients of a server counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub begun: u64,
    pub answered: u64,
    pub broken: u64,
}

/// All servers, and their clients.
pub struct Shops {
    clients: Running,
    orders: ChildStdin,
    given: usize,
    nginx_port: u16,
    keeper: Running,
    pub markers: Vec<Marker>,
    /// Where Python's server is to run: the file of a cgroup's processes.
    pub cgroup: Option<PathBuf>,
    scratch: Scratch,
}

impl Shops {
    /// Starts them all.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(cgroup: Option<PathBuf>) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let mut markers = Vec::new();
        let mut marker = |shop| {
            let card = values::card();
            markers.push(Marker {
                shop,
                card: card.clone(),
            });
            card
        };
        for shop in Shop::ALL {
            let body = format!(r#"{{"order":17,"card_number":"{}"}}"#, marker(shop));
            let order = message::post_json(&format!("/v1/{}", shop.name()), &body);
            scratch.file(&format!("{}.order", shop.name()), order)?;
        }
        let answer = |card: &str| format!(r#"{{"paid_with":{{"card_number":"{card}"}}}}"#);
        let python = message::answer_json(&answer(&marker(Shop::Python)));
        peers::answer(&scratch, Shop::Python.name(), &python)?;
        let nginx_port = free_port()?;
        let paid = answer(&marker(Shop::Nginx));
        let values: &[(&str, &dyn Display)] = &[("port", &nginx_port), ("answer", &paid)];
        nginx::configure(&scratch, "nginx.conf", HTTP, values)?;
        fs::create_dir(scratch.path("lib"))?;
        let mut keeper = Running::with_input(Command::new(PYTHON).arg(program("keeper.py")))?;
        let orders = keeper.stdin().context("the keeper has no input")?;
        replace_library(&scratch)?;
        let names = Shop::ALL.map(Shop::name);
        // They are there before their servers, and wait.
        let mut clients = Command::new(PYTHON);
        clients
            .arg(program("steady.py"))
            .arg(scratch.folder())
            .args(names);
        for name in names {
            scratch.file(&format!("{name}.port"), "0")?;
        }
        let mut shops = Self {
            clients: Running::start(&mut clients)?,
            orders,
            given: 0,
            nginx_port,
            keeper,
            markers,
            cgroup,
            scratch,
        };
        for shop in Shop::ALL {
            shops.open(shop)?;
        }
        shops.go_on()?;
        Ok(shops)
    }

    /// The process whose descendants all servers are.
    pub fn keeper(&self) -> u32 {
        self.keeper.pid()
    }

    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When the keeper can not.
    pub fn open(&mut self, shop: Shop) -> anyhow::Result<()> {
        let name = shop.name();
        let pem = self.scratch.certificate()?;
        let file = |kind: &str| self.scratch.path(&format!("{name}.{kind}")).display().to_string();
        let path = |path: &Path| path.display().to_string();
        let (words, environment) = match shop {
            Shop::Nginx => {
                fs::write(file("port"), self.nginx_port.to_string())?;
                let words = json!([
                    "nginx",
                    "-p",
                    path(self.scratch.folder()),
                    "-c",
                    file("conf"),
                    "-e",
                    "stderr"
                ]);
                (words, json!({"LD_LIBRARY_PATH": path(&self.scratch.path("lib"))}))
            }
            Shop::Python => {
                let answers = path(&self.scratch.path("answers"));
                let server = path(&program("server.py"));
                (
                    json!([PYTHON, server, file("port"), file("sent"), answers, path(&pem)]),
                    json!({}),
                )
            }
            Shop::Node => {
                let server = path(&program("https_server.js"));
                (json!(["node", server, file("port"), path(&pem)]), json!({}))
            }
        };
        let cgroup = self.cgroup.as_ref().filter(|_| shop == Shop::Python);
        self.order(&json!({"start": name, "words": words, "environment": environment, "cgroup": cgroup}))
    }

    /// Ends a server with a signal.
    ///
    /// # Errors
    /// When the keeper can not.
    pub fn close(&mut self, shop: Shop, signal: Signal) -> anyhow::Result<()> {
        self.order(&json!({"end": shop.name(), "signal": signal.as_raw()}))
    }

    /// Puts another file in the place of nginx's libssl, as a package manager does, and starts nginx anew.
    ///
    /// # Errors
    /// When it can not be copied, or nginx not started.
    pub fn replace_library(&mut self) -> anyhow::Result<()> {
        replace_library(&self.scratch)?;
        self.close(Shop::Nginx, Signal::TERM)?;
        self.open(Shop::Nginx)
    }

    /// Waits until each server has answered requests that began after this call.
    ///
    /// # Errors
    /// When one does not in time.
    pub fn go_on(&mut self) -> anyhow::Result<()> {
        const MORE: u64 = 5;
        for shop in Shop::ALL {
            let before = self.asked(shop)?.answered;
            wait_for(&format!("answers of {}", shop.name()), LIMIT, || {
                ensure!(self.clients.status()?.is_none(), "the clients ended");
                if self.keeper.status()?.is_some() {
                    bail!("the keeper ended");
                }
                Ok((self.asked(shop)?.answered > before + MORE).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Lets nothing move, until [`Self::resume`].
    ///
    /// # Errors
    /// When answers do not come in time.
    pub fn pause(&self) -> anyhow::Result<()> {
        let _ = fs::remove_file(self.scratch.path("paused"));
        self.scratch.file("pause", "")?;
        let paused = self.scratch.path("paused");
        wait_for("clients to pause", LIMIT, || Ok(paused.exists().then_some(())))
    }

    /// # Errors
    /// When it is not paused.
    pub fn resume(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.scratch.path("pause"))?)
    }

    /// What the clients of a server counted so far.
    ///
    /// # Errors
    /// When what they wrote can not be read.
    pub fn asked(&self, shop: Shop) -> anyhow::Result<Asked> {
        let Ok(text) = fs::read_to_string(self.scratch.path("steady.counts")) else {
            return Ok(Asked::default());
        };
        let counts: Value = serde_json::from_str(&text)?;
        let number = |name: &str| counts[shop.name()][name].as_u64().unwrap_or(0);
        Ok(Asked {
            begun: number("begun"),
            answered: number("answered"),
            broken: number("broken"),
        })
    }

    fn order(&mut self, order: &Value) -> anyhow::Result<()> {
        writeln!(self.orders, "{order}").context("the keeper has ended")?;
        self.given += 1;
        wait_for("the keeper to act", LIMIT, || {
            ensure!(self.keeper.status()?.is_none(), "the keeper ended at {order}");
            Ok((self.keeper.stdout().lines().count() >= self.given).then_some(()))
        })
    }
}

fn replace_library(scratch: &Scratch) -> anyhow::Result<()> {
    let [now, new] = ["libssl.so.3", "libssl.so.3.new"].map(|name| scratch.path("lib").join(name));
    fs::copy(peers::libssl()?, &new)?;
    Ok(fs::rename(new, now)?)
}

const HTTP: &str = "\
    access_log off;
    default_type application/json;
    server {
        listen 127.0.0.1:@port@ ssl;
        ssl_certificate @pem@;
        ssl_certificate_key @pem@;
        location / { return 200 '@answer@'; }
    }
";
