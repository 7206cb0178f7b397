//! /init of the test virtual machines: mounts the kernel's file systems, brings lo up, runs the guest's tests, says
//! `init: success` or `init: failure: why` in exactly one line and powers off.

use std::{fs, process::Command};

use anyhow::{Context as _, bail};
use rustix::{
    io::Errno,
    mount::{MountFlags, mount},
    net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket},
    system::{RebootCommand, reboot},
};

const TESTS: &str = "/usr/bin/vm_guest";

/// Type and place; tracefs and bpffs are what auditor attaches and pins by.
const MOUNTS: [(&str, &str); 9] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
    ("tracefs", "/sys/kernel/tracing"),
    ("bpf", "/sys/fs/bpf"),
    ("securityfs", "/sys/kernel/security"),
    ("cgroup2", "/sys/fs/cgroup"),
];

fn main() {
    // The firmware leaves the console in the middle of a line, which would swallow the first one read by the host.
    println!();
    match run() {
        Ok(()) => println!("init: success"),
        Err(error) => println!("init: failure: {error:#}"),
    }
    rustix::fs::sync();
    let failed = reboot(RebootCommand::PowerOff);
    // Returning ends process 1, and the kernel's panic then ends the machine.
    println!("init can not power off: {failed:?}");
}

fn run() -> anyhow::Result<()> {
    for (kind, place) in MOUNTS {
        fs::create_dir_all(place).with_context(|| format!("no folder {place}"))?;
        mount(kind, place, kind, MountFlags::empty(), None)
            .with_context(|| format!("can not mount {kind} on {place}"))?;
    }
    bring_up_loopback().context("can not bring lo up")?;
    // Orphans of the tests become this process's children; they end with the machine.
    let status = Command::new(TESTS)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .env("HOME", "/root")
        .env("RUST_BACKTRACE", "1")
        .status()
        .with_context(|| format!("can not start {TESTS}"))?;
    if !status.success() {
        bail!("the tests ended with {status}");
    }
    Ok(())
}

/// Asks for lo (always interface 1) to be up by an RTM_NEWLINK message (rtnetlink(7)); the kernel then gives it its
/// addresses.
fn bring_up_loopback() -> anyhow::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    const LENGTH: usize = 32;
    let mut message = Vec::with_capacity(LENGTH);
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend_from_slice(&32u32.to_ne_bytes());
    message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    // struct ifinfomsg: family, padding, type, index, flags, which flags to change.
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&1i32.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());

    let netlink = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&netlink, &message, SendFlags::empty())?;
    // The answer is a struct nlmsghdr and the negative errno, 0 when done.
    let mut answer = [0; 256];
    let (_, received) = recv(&netlink, answer.as_mut_slice(), RecvFlags::empty())?;
    let error = answer
        .get(16..20)
        .filter(|_| received >= 20)
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_ne_bytes)
        .context("the kernel's answer is too short")?;
    match error {
        0 => Ok(()),
        error => Err(Errno::from_raw_os_error(error.wrapping_neg()).into()),
    }
}
