//! What is watched is what was asked for: by cgroup, and by every kind of socket hook.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    expect, message,
    peers::{Client, Server},
    scratch::Scratch,
    values,
    watch::Watch,
};

const OPERATION: &str = "POST /v1/orders";

/// A cgroup of this test's own; removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mount = mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                Some((fields.next()?, fields.next()?))
            })
            .find_map(|(path, kind)| (kind == "cgroup2").then_some(path))
            .context("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")?;
        let path = PathBuf::from(mount).join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    fn take(&self, pid: u32) -> anyhow::Result<()> {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).context("cannot move a process")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its processes ended before: the tests declare it first, so that it is dropped last.
        let _ = fs::remove_dir(&self.0);
    }
}

fn order(card: &str) -> Vec<Vec<u8>> {
    vec![message::post_json(
        "/v1/orders",
        &format!(r#"{{"card":{{"number":"{card}"}}}}"#),
    )]
}

#[test]
fn a_cgroup_is_watched_with_those_below_it() -> anyhow::Result<()> {
    let above = Cgroup::new("auditor-test-scope")?;
    let below = Cgroup(above.0.join("below"));
    fs::create_dir(&below.0)?;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    below.take(server.pid())?;
    let card = values::card();
    let client = Client::plain(&scratch, server.port, &order(&card), &[])?;
    let path = above.0.display().to_string();
    let watch = Watch::pids(&scratch, &[], &["--cgroup", &path])?;
    client.counts()?;
    let report = watch.stop()?;
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    ensure!(leak["sample"] == values::card_sample(&card).as_str(), "{leak}");
    ensure!(leak["destination"]["process"]["pid"] == server.pid(), "{leak}");
    ensure!(leak["flow"]["operation"] == OPERATION, "{leak}");
    Ok(())
}

#[test]
fn the_system_call_hook_sees_what_the_tracepoints_see() -> anyhow::Result<()> {
    for tls in [false, true] {
        let scratch = Scratch::new()?;
        let server = if tls {
            Server::tls(&scratch)?
        } else {
            Server::plain(&scratch)?
        };
        let card = values::card();
        let client = if tls {
            Client::tls(&scratch, server.port, &order(&card), &[])?
        } else {
            Client::plain(&scratch, server.port, &order(&card), &[])?
        };
        let (source, destination) = (client.pid(), server.pid());
        let watch = Watch::pids(&scratch, &[source, destination], &["--socket-hook", "syscall"])?;
        let sent = client.counts()?;
        let report = watch.stop()?;
        let received = server.counts()?;
        report.balanced()?;
        let ledger = if tls { "tls" } else { "socket" };
        ensure!(
            report.bytes(ledger, "moved") == sent.total() + received.total(),
            "{:?}",
            report.account(ledger)
        );
        expect::leak(
            report.leak("payment_card")?,
            expect::Expected {
                sample: &values::card_sample(&card),
                operation: OPERATION,
                part: "request.body",
                field: "$.card.number",
                source,
                destination,
                encrypted: tls,
            },
        )?;
    }
    Ok(())
}
