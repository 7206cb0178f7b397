//! The daemon while the disk of its ledger is full, then read-only, then right again.

use std::{
    fs::{self, File},
    io::{self, Write as _},
};

use anyhow::ensure;
use rustix::{
    io::Errno,
    mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount},
};

use crate::{
    Outcome,
    masking::{Card, Shop, coverage, metric, post, post_many, ready, values_of},
};

const DISK: &str = "/tmp/disk";
/// What else is on it.
const BALLAST: &str = "/tmp/disk/ballast";
const SIZE: &core::ffi::CStr = c"size=16m";
/// Fields of one message.
const MANY: u64 = 300;

/// Capture goes on, it says that and why the ledger is not written, and nothing of it is lost once it can be.
pub(crate) fn masking_on_bad_disks() -> Outcome {
    fs::create_dir_all(DISK)?;
    mount("none", DISK, "tmpfs", MountFlags::empty(), SIZE)?;
    let shop = Shop::open("/tmp/disks", DISK, std::time::Duration::from_secs(600))?;
    let daemon = shop.watch()?;
    post(Card::Masked)?;
    shop.counted(1)?;
    is_kept(&shop)?;

    fill()?;
    let mut sent = 1;
    let full = shop.wait("the disk to be full", || {
        if said("disk is full")?.is_none() && sent < 20 * MANY {
            post_many(&format!("n{sent}"), MANY)?;
            sent += MANY;
        }
        said("disk is full")
    })?;
    let failures = metric(r#"auditor_masking_failures_total{reason="full"}"#)?;
    ensure!(
        failures > 0 && metric("auditor_masking_failing")? == 1,
        "no alarm: {full}"
    );
    sent = goes_on(&shop, sent, 1)?;

    // The kernel refuses while somebody has a file open to write, and the daemon tries every two seconds.
    shop.wait("the disk to be read-only", || {
        match mount_remount(DISK, MountFlags::RDONLY, SIZE) {
            Err(Errno::BUSY) => Ok(None),
            other => Ok(Some(other?)),
        }
    })?;
    let read_only = shop.wait("the daemon to say so", || said("read-only"))?;
    sent = goes_on(&shop, sent, 2)?;
    mount_remount(DISK, MountFlags::empty(), SIZE)?;
    fs::remove_file(BALLAST)?;
    is_kept(&shop)?;
    ensure!(metric("auditor_masking_failing")? == 0, "the alarm stays");
    shop.counted(sent)?;

    // All of it is in the file.
    shop.end(daemon)?;
    let kept = coverage(&format!("{DISK}/masking.redb"))?;
    ensure!(values_of(&kept) == sent, "{sent} values sent: {}", kept["total"]);
    unmount(DISK, UnmountFlags::empty())?;
    Ok(format!("{sent} values kept; it said {full} and {read_only}"))
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
fn goes_on(shop: &Shop, sent: u64, leaks: u64) -> anyhow::Result<u64> {
    post(Card::Masked)?;
    post(Card::Clear)?;
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
