//! The daemon while the disk of its ledger is full, then read-only, then right again.

use std::{fs, time::Duration};

use anyhow::ensure;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::{
    Outcome,
    masking::{Card, Shop, metric, post, post_many, ready},
};

const DISK: &str = "/tmp/disk";
/// Fields of one message.
const MANY: u64 = 500;

/// Capture goes on, it says that the ledger is not written, and nothing of it is lost once it can be.
pub(crate) fn masking_on_bad_disks() -> Outcome {
    fs::create_dir_all(DISK)?;
    mount("none", DISK, "tmpfs", MountFlags::empty(), c"size=2m")?;
    let shop = Shop::open("/tmp/disks", DISK, Duration::from_secs(60))?;
    let daemon = shop.watch()?;
    let is_failing = || -> anyhow::Result<bool> { Ok(metric("auditor_masking_failing")? == "1") };
    let mut sent = 0;
    while !is_failing()? {
        ensure!(sent < 40 * MANY, "{sent} fields fit on a disk of 2 MiB");
        post_many(&format!("n{sent}"), MANY)?;
        sent += MANY;
        shop.counted(sent)?;
    }
    sent += goes_on(&shop, sent)?;
    let full = ready()?["masking_error"].to_string();
    let large = c"size=64m";
    mount_remount(DISK, MountFlags::empty(), large)?;
    is_kept(&shop)?;

    mount_remount(DISK, MountFlags::RDONLY, large)?;
    post(Card::Masked)?;
    sent += 1;
    shop.wait("the ledger to fail", || Ok(is_failing()?.then_some(())))?;
    sent += goes_on(&shop, sent)?;
    let read_only = ready()?["masking_error"].to_string();
    mount_remount(DISK, MountFlags::empty(), large)?;
    is_kept(&shop)?;

    // All of it is in the file.
    shop.end(daemon)?;
    let daemon = shop.watch()?;
    shop.counted(sent)?;
    shop.end(daemon)?;
    unmount(DISK, UnmountFlags::empty())?;
    Ok(format!("{sent} values kept; it said {full} and {read_only}"))
}

/// Values are counted and leaks are told; how many were sent.
fn goes_on(shop: &Shop, sent: u64) -> anyhow::Result<u64> {
    let leaks = || -> anyhow::Result<u64> {
        let found = shop.findings()?;
        let counts = found.iter().filter(|finding| finding["kind"] == "leak");
        Ok(counts
            .filter_map(|finding| finding["count"].as_u64())
            .max()
            .unwrap_or(0))
    };
    let before = leaks()?;
    post(Card::Masked)?;
    post(Card::Clear)?;
    shop.counted(sent + 2)?;
    shop.wait("the leak to be told", || Ok((leaks()? > before).then_some(())))?;
    let page = ready()?;
    ensure!(page["masking"] == "failing", "{page}");
    Ok(2)
}

fn is_kept(shop: &Shop) -> anyhow::Result<()> {
    shop.wait("the ledger to be written", || {
        Ok((ready()?["masking"] == "kept").then_some(()))
    })
}
