//! The daemon while the disk of its ledger is full, then read-only, then right again.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustix::{
    fs::{StatVfsMountFlags, statvfs},
    mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount},
};

use crate::{
    Outcome,
    masking::{Card, Client, Shop, coverage, metric, ready, values_of},
};

/// The machine's disk, with ext4 on it, and where it is mounted.
const DEVICE: &str = "/dev/nvme0n1";
const DISK: &str = "/tmp/disk";
/// What else is on it.
const BALLAST: &str = "/tmp/disk/ballast";
/// Fields of one message.
const MANY: u64 = 300;

/// Capture goes on, it says that and why the ledger is not written, and nothing of it is lost once it can be.
pub(crate) fn masking_on_bad_disks() -> Outcome {
    fs::create_dir_all(DISK)?;
    mount(DEVICE, DISK, "ext4", MountFlags::empty(), None).context("can not mount the disk")?;
    let shop = Shop::open("/tmp/disks", DISK, Duration::from_secs(600))?;
    let daemon = shop.watch()?;
    let mut client = Client::start()?;
    client.post(Card::Masked)?;
    shop.counted(1)?;
    is_kept(&shop)?;

    fill()?;
    let mut sent = 1;
    let full = shop.wait("the disk to be full", || {
        if said("disk is full")?.is_none() && sent < 20 * MANY {
            client.post_many(&format!("n{sent}"), MANY)?;
            sent += MANY;
        }
        said("disk is full")
    })?;
    has_alarm("full")?;
    sent = goes_on(&shop, &mut client, sent, 1)?;
    fs::remove_file(BALLAST)?;
    is_kept(&shop)?;

    // The files are open, as they are when the kernel finds the disk to be faulty.
    let dropped = dropped();
    make_read_only()?;
    shop.wait("the disk to be read-only", || {
        let flags = statvfs(DISK)?.f_flag;
        Ok(flags.contains(StatVfsMountFlags::RDONLY).then_some(()))
    })?;
    let read_only = shop.wait("the daemon to say so", || said("read-only"))?;
    has_alarm("read_only")?;
    sent = goes_on(&shop, &mut client, sent, 2)?;
    shop.wait("findings that the journal lost to be counted", || {
        Ok((self::dropped() > dropped).then_some(()))
    })?;
    mount_remount(DISK, MountFlags::empty(), c"").context("can not mount it to be written again")?;
    is_kept(&shop)?;
    ensure!(metric("auditor_masking_failing")? == 0, "the alarm stays");
    shop.counted(sent)?;

    // All of it is on the disk.
    shop.end(daemon)?;
    unmount(DISK, UnmountFlags::empty())?;
    mount(DEVICE, DISK, "ext4", MountFlags::RDONLY, None)?;
    let kept = coverage(&format!("{DISK}/masking.redb"))?;
    ensure!(values_of(&kept) == sent, "{sent} values sent: {}", kept["total"]);
    unmount(DISK, UnmountFlags::empty())?;
    Ok(format!("{sent} values kept; it said {full} and {read_only}"))
}

/// Findings that could not be written to the journal.
fn dropped() -> u64 {
    metric(r#"auditor_sink_dropped_total{sink="journal"}"#).unwrap_or(0)
}

/// Makes every disk read-only, whoever writes to it.
fn make_read_only() -> anyhow::Result<()> {
    fs::write("/proc/sysrq-trigger", "u").context("the kernel makes no disk read-only")
}

/// What is alerted on is there.
fn has_alarm(reason: &str) -> anyhow::Result<()> {
    let failures = metric(&format!("auditor_masking_failures_total{{reason=\"{reason}\"}}"))?;
    let is_failing = metric("auditor_masking_failing")? == 1;
    ensure!(failures > 0 && is_failing, "no alarm of {reason}");
    Ok(())
}

/// Leaves no room on the disk.
fn fill() -> anyhow::Result<()> {
    let mut ballast = File::create(BALLAST)?;
    for size in [1 << 16, 1 << 12] {
        let block = vec![0; size];
        loop {
            match ballast.write_all(&block) {
                Ok(()) => (),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// What `/readyz` says of the ledger, when it fails and that is in it.
fn said(why: &str) -> anyhow::Result<Option<String>> {
    let page = ready()?;
    let error = page["masking_error"].as_str().unwrap_or_default();
    let is_said = page["masking"] == "failing" && error.contains(why);
    Ok(is_said.then(|| error.to_owned()))
}

/// Values are counted, and the leak is told; how many were sent in all, `leaks` of them clear.
fn goes_on(shop: &Shop, client: &mut Client, sent: u64, leaks: u64) -> anyhow::Result<u64> {
    client.post(Card::Masked)?;
    client.post(Card::Clear)?;
    shop.counted(sent + 2)?;
    shop.wait("the leak to be told", || {
        let found = shop.findings()?;
        let is_told = |finding: &&serde_json::Value| finding["kind"] == "leak" && finding["count"] == leaks;
        Ok(found.iter().find(is_told).map(drop))
    })?;
    let page = ready()?;
    ensure!(page["masking"] == "failing", "{page}");
    Ok(sent + 2)
}

fn is_kept(shop: &Shop) -> anyhow::Result<()> {
    shop.wait("the ledger to be written", || {
        Ok((ready()?["masking"] == "kept").then_some(()))
    })
}
