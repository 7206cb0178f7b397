//! A service mesh: what applications send each other through sidecars is found once, from application to application.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};
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

/// The only finding of a card in a part that is encrypted, or is not.
fn finding<'a>(report: &'a Report, part: &str, encrypted: bool) -> anyhow::Result<&'a Value> {
    let all = report.leaks("payment_card").into_iter();
    let mut fitting =
        all.filter(|leak| leak["location"]["part"] == part && leak["flow"]["encrypted"] == encrypted);
    let only = fitting
        .next()
        .with_context(|| format!("no card in {part}: {:#?}", report.findings))?;
    ensure!(
        fitting.next().is_none(),
        "several cards in {part}: {:#?}",
        report.findings
    );
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
    ensure!(report.leaks("payment_card").len() == 2, "{:#?}", report.findings);
    for (part, source, destination) in [("request.body", &kiosk, &till), ("response.body", &till, &kiosk)] {
        let finding = finding(&report, part, true)?;
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
