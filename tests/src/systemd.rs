//! A real systemd that runs services on any host: it is process 1 of process and mount namespaces of its own, and manages
//! a cgroup of v2 that is made for it. The network and the file system are the host's.
//!
//! It is ended, with all it runs, when [`Systemd`] is dropped. It sees nothing of the host's units and state, and no D-Bus.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use crate::{
    peers::children,
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// Where Debian has the manager.
const MANAGER: &str = "/lib/systemd/systemd";

/// What is started, besides the units of the test.
const TARGET: &str = "auditor-test.target";

/// Where it sees the units of a test, and the files beside them.
pub const UNITS: &str = "/run/systemd/system";

/// Makes the namespaces' file systems, and becomes process 1. `$1` is the folder with units. A manager sets limits of the
/// kernel when it starts; here it may not.
const BECOME: &str = "set -eu
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
umount --recursive --lazy /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir --parents /run/systemd
cp --recursive \"$1\" /run/systemd/system
exec env container=auditor-test \"$2\" --system --unit=\"$3\" --log-target=null --show-status=no";

/// Without what a host starts before any unit.
pub const ALONE: &str = "[Unit]\nDefaultDependencies=no\n";

/// A running manager.
pub struct Systemd {
    running: Running,
    group: PathBuf,
}

impl Systemd {
    /// Starts these services: the name of each, and the section `[Service]` without its head.
    ///
    /// # Errors
    /// Without root, systemd, or cgroup v2.
    pub fn start(scratch: &Scratch, services: &[(&str, &str)]) -> anyhow::Result<Self> {
        let units: Vec<_> = services
            .iter()
            .map(|(name, service)| (*name, format!("{ALONE}[Service]\n{service}\n")))
            .collect();
        Self::start_units(scratch, &units, &[])
    }

    /// Starts these units, with these files beside them.
    ///
    /// # Errors
    /// Without root, systemd, or cgroup v2.
    pub fn start_units(
        scratch: &Scratch,
        services: &[(&str, String)],
        files: &[(&str, &Path)],
    ) -> anyhow::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        ensure!(Path::new(MANAGER).is_file(), "{MANAGER} is missing");
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let units = scratch.path(&format!("units-{number}"));
        fs::create_dir(&units)?;
        let names: Vec<&str> = services.iter().map(|(name, _)| *name).collect();
        fs::write(units.join(TARGET), format!("{ALONE}Wants={}\n", names.join(" ")))?;
        for (name, text) in services {
            fs::write(units.join(name), text)?;
        }
        for (name, file) in files {
            fs::copy(file, units.join(name)).with_context(|| file.display().to_string())?;
        }
        let group = mount()?.join(format!("auditor-{}-{number}", std::process::id()));
        fs::create_dir(&group).with_context(|| format!("cannot create {}", group.display()))?;
        let mut command = Command::new("sh");
        // The shell is in the cgroup before the namespace is made, whose root that becomes.
        command
            .arg("-c")
            .arg("echo $$ > \"$1/cgroup.procs\" && shift && exec \"$@\"")
            .arg("sh")
            .arg(&group);
        command.args([
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount",
            "--propagation",
            "private",
        ]);
        command.args(["--cgroup", "--uts", "--ipc", "sh", "-c", BECOME, "sh"]);
        command.arg(&units).args([MANAGER, TARGET]);
        let running = match Running::start(&mut command) {
            Ok(running) => running,
            Err(error) => {
                let _ = fs::remove_dir(&group);
                return Err(error);
            }
        };
        Ok(Self { running, group })
    }

    /// What `systemctl` says of one property of a unit; empty as long as there is nobody to ask.
    ///
    /// # Errors
    /// When the manager has ended.
    pub fn property(&mut self, unit: &str, name: &str) -> anyhow::Result<String> {
        ensure!(self.running.status()?.is_none(), "systemd ended");
        let mut command = self.inside("systemctl");
        command.args(["show", "--value", "--property", name, unit]);
        let shown = Running::start(&mut command)?.end(LIMIT)?;
        Ok(shown.stdout.trim().to_owned())
    }

    /// Runs a shell script among its files.
    ///
    /// # Errors
    /// When it fails.
    pub fn shell(&self, script: &str) -> anyhow::Result<()> {
        Running::start(self.inside("sh").args(["-c", script]))?.succeed()?;
        Ok(())
    }

    fn inside(&self, program: &str) -> Command {
        let manager = children(self.running.pid()).first().map_or(0, |pid| *pid);
        let mut command = Command::new("nsenter");
        command.args(["--target", &manager.to_string(), "--mount", "--pid", program]);
        command
    }

    /// Waits for the first process of a unit, by the path of its cgroup below the manager's; as the host counts it.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn pid_of(&mut self, path: &str) -> anyhow::Result<u32> {
        let file = self.group.join(path).join("cgroup.procs");
        wait_for(path, LIMIT, || {
            ensure!(self.running.status()?.is_none(), "systemd ended");
            let processes = fs::read_to_string(&file).unwrap_or_default();
            Ok(processes.lines().next().and_then(|pid| pid.parse().ok()))
        })
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Its own process 1 is killed with it, and everything in that namespace.
        let _ = self.running.signal(Signal::KILL);
        let emptied = wait_for("the cgroups to be empty", LIMIT, || {
            let events = fs::read_to_string(self.group.join("cgroup.events"))?;
            Ok(events.contains("populated 0").then_some(()))
        });
        if let Err(error) = emptied.and_then(|()| remove(&self.group)) {
            eprintln!("{}: {error:#}", self.group.display());
        }
    }
}

/// Removes a cgroup and those below it.
fn remove(group: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    Ok(fs::remove_dir(group)?)
}

fn mount() -> anyhow::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mount = fields.find(|fields| fields.get(2) == Some(&"cgroup2"));
    let mount = mount.context("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")?;
    Ok(PathBuf::from(mount[1]))
}
