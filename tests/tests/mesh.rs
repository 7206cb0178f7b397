//! A service mesh: what applications send each other through sidecars is found once, from application to application.

use std::{fs, path::PathBuf};

use anyhow::{bail, ensure};
use auditor_tests::{
    mesh::{self, AROUND, Mesh, PORT, SERVICE, executable, listens},
    process::{LIMIT, Running},
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use serde_json::{Value, json};

/// A client and a server in their pods, whose messages both hold a card.
struct Talk {
    body: String,
    gates: PathBuf,
}

impl Talk {
    fn new(scratch: &Scratch, name: &str) -> anyhow::Result<Self> {
        let body = json!({"card": {"number": values::card()}}).to_string();
        let gates = scratch.path(&format!("{name}.gates"));
        fs::create_dir(&gates)?;
        Ok(Self {
            body: scratch.file(&format!("{name}.json"), body)?.display().to_string(),
            gates,
        })
    }

    fn server(&self, scratch: &Scratch, mesh: &Mesh, port: u16) -> anyhow::Result<Running> {
        let mut server = mesh.application(scratch, 1, "till", &["serve", &port.to_string(), &self.body])?;
        listens(&mut server, port)?;
        Ok(server)
    }

    fn client(&self, scratch: &Scratch, mesh: &Mesh, ip: &str, port: u16) -> anyhow::Result<Running> {
        let gates = self.gates.display().to_string();
        let words = ["ask", ip, &port.to_string(), &gates, &self.body];
        mesh.application(scratch, 0, "kiosk", &words)
    }

    /// Asks once and ends.
    fn ask(&self) -> anyhow::Result<()> {
        fs::write(self.gates.join("charge"), "")?;
        Ok(fs::write(self.gates.join("end"), "")?)
    }
}

fn watch(scratch: &Scratch, pids: &[u32]) -> anyhow::Result<Watch> {
    let rule = format!("exe=/usr/sbin/nginx uid={} xfcc", mesh::PROXY);
    Watch::pids(scratch, pids, &["--mesh-proxy", &rule])
}

/// The executable of an end, and whether it is a proxy.
fn shown(end: &Value) -> String {
    format!("{} {}", end["process"]["exe"].as_str().unwrap_or("-"), end["hop"])
}

/// Cards in messages of operations whose names end so.
fn cards<'a>(report: &'a Report, operation: &str) -> Vec<&'a Value> {
    let mut cards = report.leaks("payment_card");
    cards.retain(|leak| {
        let name = leak["flow"]["operation"].as_str();
        name.is_some_and(|name| name.contains(operation))
    });
    cards
}

/// The only one in a part that is encrypted, or is not.
fn only<'a>(cards: &[&'a Value], part: &str, encrypted: bool) -> anyhow::Result<&'a Value> {
    let is_it = |card: &&&Value| card["location"]["part"] == part && card["flow"]["encrypted"] == encrypted;
    let [only] = cards.iter().filter(is_it).collect::<Vec<_>>()[..] else {
        bail!("not one {part}, encrypted: {encrypted}, in {cards:#?}");
    };
    Ok(only)
}

#[test]
fn a_card_through_two_sidecars_is_found_once_from_application_to_application() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut mesh = Mesh::new("once")?;
    let mut pids = mesh.start_sidecars(&scratch)?;
    let talk = Talk::new(&scratch, "talk")?;
    let server = talk.server(&scratch, &mesh, PORT)?;
    let client = talk.client(&scratch, &mesh, SERVICE, PORT)?;
    pids.extend([server.pid(), client.pid()]);
    let watch = watch(&scratch, &pids)?;
    talk.ask()?;
    client.end(LIMIT)?;
    let report = watch.stop()?;
    report.balanced()?;
    let [kiosk, till] = ["kiosk", "till"].map(|name| executable(&scratch, name));
    let [kiosk, till] = [kiosk?, till?].map(|path| format!("{} null", path.display()));
    let cards = cards(&report, "/charge");
    ensure!(cards.len() == 2, "{cards:#?}");
    for (part, source, destination) in [("request.body", &kiosk, &till), ("response.body", &till, &kiosk)] {
        let finding = only(&cards, part, true)?;
        ensure!(finding["count"] == 1, "{finding:#}");
        ensure!(finding["flow"]["operation"] == "POST /charge", "{finding:#}");
        ensure!(finding["flow"]["hops"] == 2, "{finding:#}");
        ensure!(shown(&finding["source"]) == *source, "{finding:#}");
        ensure!(shown(&finding["destination"]) == *destination, "{finding:#}");
        let client = if part == "request.body" {
            "source"
        } else {
            "destination"
        };
        let end = &finding[client];
        ensure!(
            end["spiffe_id"] == mesh::CLIENT && end["spiffe_id_source"] == "xfcc",
            "{finding:#}"
        );
    }
    drop(server);
    Ok(())
}

#[test]
fn a_card_around_the_mesh_is_another_one_and_what_a_client_says_of_itself_is_not_believed()
-> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut mesh = Mesh::new("around")?;
    let mut pids = mesh.start_sidecars(&scratch)?;
    let talk = Talk::new(&scratch, "talk")?;
    let [_, server] = mesh::ADDRESSES;
    let servers = [
        talk.server(&scratch, &mesh, PORT)?,
        talk.server(&scratch, &mesh, AROUND)?,
    ];
    let through = talk.client(&scratch, &mesh, SERVICE, PORT)?;
    let around = talk.client(&scratch, &mesh, server, AROUND)?;
    pids.extend(servers.iter().chain([&through, &around]).map(Running::pid));
    let watch = watch(&scratch, &pids)?;
    // Both send the same card with the same operation at the same time.
    talk.ask()?;
    for client in [through, around] {
        client.end(LIMIT)?;
    }
    for (pod, ip) in [(0, server), (1, "127.0.0.1")] {
        let mut curl = mesh.within(pod, &["curl", "--silent", "--fail", "--max-time", "20"]);
        curl.args(["--header", "Content-Type: application/json", "--header"]);
        curl.arg(format!(
            "X-Forwarded-Client-Cert: By=a;Hash=0;URI={}",
            mesh::CLIENT
        ));
        curl.arg("--data").arg(format!("@{}", talk.body));
        curl.arg(format!("http://{ip}:{AROUND}/forged-{}", ["far", "near"][pod]));
        Running::start(&mut curl)?.succeed()?;
    }
    let report = watch.stop()?;
    report.balanced()?;
    let charges = cards(&report, "/charge");
    ensure!(charges.len() == 4, "{charges:#?}");
    for encrypted in [true, false] {
        for part in ["request.body", "response.body"] {
            let charge = only(&charges, part, encrypted)?;
            ensure!(charge["count"] == 1, "{charge:#}");
            ensure!(
                charge["flow"]["hops"] == if encrypted { json!(2) } else { Value::Null },
                "{charge:#}"
            );
            let [client, server] = match part {
                "request.body" => ["source", "destination"],
                _ => ["destination", "source"],
            };
            for (end, name) in [(client, "kiosk"), (server, "till")] {
                let exe = executable(&scratch, name)?.display().to_string();
                ensure!(shown(&charge[end]) == format!("{exe} null"), "{charge:#}");
            }
            let id = &charge[client]["spiffe_id"];
            ensure!(
                *id == if encrypted {
                    json!(mesh::CLIENT)
                } else {
                    Value::Null
                },
                "{charge:#}"
            );
        }
    }
    let forged = cards(&report, "/forged");
    ensure!(forged.len() == 4, "two requests and two answers: {forged:#?}");
    for leak in forged {
        for end in ["source", "destination"] {
            ensure!(leak[end]["spiffe_id"].is_null(), "{leak:#}");
        }
    }
    Ok(())
}
