//! Connections whose addresses are translated on the way, on a node without a cluster: connection tracking tells which
//! process is really at the other end.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    node::{Kiosk, Node, Speech, Till},
    process::{self, LIMIT, Running},
    scratch::Scratch,
    values,
    watch::{Report, Watch},
};
use serde_json::{Value, json};

const KIOSK: [&str; 2] = ["10.111.0.1", "fd00:111::1"];
const TILL: [&str; 2] = ["10.111.0.2", "fd00:111::2"];
/// A service's address: nobody has it.
const SERVICE: [&str; 2] = ["10.96.1.1", "fd00:96::1"];
const FAMILY: [&str; 2] = ["ip", "ip6"];

const CARD: &str = "payment_card";

/// A body with a card in it.
fn body(scratch: &Scratch, name: &str) -> anyhow::Result<PathBuf> {
    scratch.file(name, json!({"card": {"number": values::card()}}).to_string())
}

/// Rules by which a service's port leads to the till, in both families.
fn service(node: &Node, transport: &str, port: u16) -> anyhow::Result<()> {
    let brackets = [("", ""), ("[", "]")];
    let lines = (0..2).map(|v6| {
        let (family, service, till) = (FAMILY[v6], SERVICE[v6], TILL[v6]);
        let (open, close) = brackets[v6];
        format!(
            "add rule {family} kube services {family} daddr {service} {transport} dport {port} dnat to {open}{till}{close}:8443\n"
        )
    });
    node.nft(&lines.collect::<String>())
}

/// What was found when the kiosk asked the service once.
struct Ran {
    report: Report,
    kiosk: u32,
    till: u32,
}

/// A kiosk asks a till through the service's address; `watched` chooses which of both is watched.
fn run(
    name: &str,
    v6: usize,
    speech: Speech,
    watched: fn(u32, u32) -> Vec<u32>,
    tracking: &str,
) -> anyhow::Result<Ran> {
    let scratch = Scratch::new()?;
    let mut node = Node::new(name)?;
    // Who takes datagrams may not be told who sends them: that it is the same datagram is then told by its port.
    let (transport, port) = match speech {
        Speech::Udp => ("udp", 8443),
        Speech::Plain | Speech::Tls => ("tcp", 443),
    };
    service(&node, transport, port)?;
    let networks = [node.pod(&KIOSK)?, node.pod(&TILL)?];
    let till = Till::start(
        &scratch,
        &networks[1],
        "till",
        8443,
        speech,
        &body(&scratch, "answer")?,
    )?;
    let body = body(&scratch, "question")?;
    let kiosk = Kiosk::start(
        &scratch,
        &networks[0],
        "kiosk",
        (SERVICE[v6], port),
        speech,
        &body,
    )?;
    let pids = [kiosk.pid(), till.pid()];
    node.enter()?;
    let watch = Watch::pids(&scratch, &watched(pids[0], pids[1]), &["--conntrack", tracking])?;
    kiosk.ask("first")?;
    kiosk.end()?;
    let (seen, _) = till.seen("first")?.context("the till was not asked")?;
    ensure!(seen == KIOSK[v6], "the till saw {seen}");
    let report = watch.stop()?;
    report.balanced()?;
    Ok(Ran {
        report,
        kiosk: pids[0],
        till: pids[1],
    })
}

/// Number of a finding's process, how it was told, how surely, and its address without the port of a client.
fn shown(end: &Value) -> String {
    let address = end["address"].as_str().unwrap_or("-");
    let address = address
        .rsplit_once(':')
        .filter(|(_, port)| port.len() > 4)
        .map_or(address, |(ip, _)| ip);
    format!(
        "{} {} {} {address}",
        end["process"]["pid"],
        end["identified_by"].as_str().unwrap_or("-"),
        end["certainty"].as_str().unwrap_or("-"),
    )
}

fn ends(report: &Report) -> Vec<String> {
    let findings = report
        .findings
        .iter()
        .filter(|finding| finding["detector"] == CARD);
    let mut ends: Vec<String> = findings
        .map(|finding| {
            format!(
                "{} > {}",
                shown(&finding["source"]),
                shown(&finding["destination"])
            )
        })
        .collect();
    ends.sort();
    for f in &report.findings {
        println!(
            "{} {} {} {} {} {}",
            f["kind"], f["detector"], f["location"], f["flow"], f["id"], f["count"]
        );
    }
    ends
}

/// Both ends are watched: the question and the answer are one finding each, and both name both processes.
fn is_one(name: &str, v6: usize, speech: Speech) -> anyhow::Result<()> {
    let ran = run(name, v6, speech, |kiosk, till| vec![kiosk, till], "own")?;
    let (kiosk, till) = (ran.kiosk, ran.till);
    for finding in ran
        .report
        .findings
        .iter()
        .filter(|finding| finding["detector"] == CARD)
    {
        ensure!(finding["count"] == 1, "{finding:#}");
    }
    let [kiosk_at, till_at] = [[KIOSK[0], TILL[0]], ["[fd00:111::1]", "[fd00:111::2]"]][v6];
    let mut wanted = if speech == Speech::Udp {
        // A socket that takes datagrams for every address is not told by one, and says none.
        let own = ["0.0.0.0", "[::]"][v6];
        vec![
            format!("{kiosk} cgroup exact {kiosk_at} > null unresolved none {till_at}:8443"),
            format!("{till} cgroup exact {own}:8443 > {kiosk} socket_pair exact {kiosk_at}"),
        ]
    } else {
        vec![
            format!("{kiosk} cgroup exact {kiosk_at} > {till} socket_pair exact {till_at}:8443"),
            format!("{till} cgroup exact {till_at}:8443 > {kiosk} socket_pair exact {kiosk_at}"),
        ]
    };
    wanted.sort();
    let found = ends(&ran.report);
    ensure!(found == wanted, "{found:#?} is not {wanted:#?}");
    Ok(())
}

#[test]
fn a_connection_through_a_service_is_one_with_both_ends_over_tls() -> anyhow::Result<()> {
    is_one("tls", 0, Speech::Tls)
}

#[test]
fn a_connection_through_a_service_is_one_with_both_ends_in_clear() -> anyhow::Result<()> {
    is_one("plain", 0, Speech::Plain)
}

#[test]
fn a_connection_through_a_service_is_one_with_both_ends_over_ipv6() -> anyhow::Result<()> {
    is_one("six", 1, Speech::Tls)
}

#[test]
fn datagrams_through_a_service_are_seen_once_and_go_to_the_real_address() -> anyhow::Result<()> {
    is_one("udp", 0, Speech::Udp)
}

#[test]
fn datagrams_through_a_service_are_seen_once_over_ipv6() -> anyhow::Result<()> {
    is_one("udp6", 1, Speech::Udp)
}

/// The same without connection tracking: two findings for one leak, and neither knows the other end. It is what the
/// tests above would show if nothing came of asking.
#[test]
fn without_connection_tracking_the_service_hides_the_server() -> anyhow::Result<()> {
    let ran = run("off", 0, Speech::Tls, |kiosk, till| vec![kiosk, till], "off")?;
    let found = ends(&ran.report);
    ensure!(found.len() == 4, "{found:#?}");
    Ok(())
}

/// The host is where the first process is: auditor in a network namespace of its own asks the host's table.
#[test]
fn the_hosts_table_is_asked_from_another_network_namespace() -> anyhow::Result<()> {
    let mut node = Node::new("host")?;
    let pod = node.pod(&KIOSK)?;
    node.enter()?;
    let host = fs::metadata("/proc/thread-self/ns/net")?.ino();
    let auditor = process::auditor()?;
    let within = format!(
        "nsenter --net=/run/netns/{} {} doctor --format json; true",
        pod.0,
        auditor.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "sh", "-c", &within]);
    let ended = Running::start(&mut command)?.end(LIMIT)?;
    let told: Value = serde_json::from_str(&ended.stdout).context(ended.stderr)?;
    let mut checks = told["checks"].as_array().into_iter().flatten();
    let check = checks.find(|check| check["name"] == "conntrack");
    let detail = check.context("no such check")?["detail"]
        .as_str()
        .unwrap_or_default();
    let wanted = format!("it answers for network namespace {host}, the host's");
    ensure!(detail == wanted, "{detail}");
    Ok(())
}
