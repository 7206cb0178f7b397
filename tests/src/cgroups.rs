//! Cgroups of pods, as a kubelet makes them.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context as _;

/// The cgroup of a container in a pod, where a kubelet would make it; removed when dropped.
pub struct PodCgroup(Vec<PathBuf>);

/// How many were made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

impl PodCgroup {
    /// For the pod with this uid; the container's id is this hex digit again and again, which no other in the test has.
    ///
    /// # Errors
    /// Without root, or without cgroup v2.
    pub fn new(uid: &str, digit: char) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = fields
            .find(|fields| fields.get(2) == Some(&"cgroup2"))
            .context("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")?;
        let mut path = PathBuf::from(mount[1]);
        let mut made = Vec::new();
        let container = String::from(digit).repeat(64);
        let names = [
            // Tests of one process run side by side.
            format!(
                "kubepods-{}-{}",
                std::process::id(),
                MADE.fetch_add(1, Ordering::Relaxed)
            ),
            format!("pod{uid}"),
            container,
        ];
        for name in names {
            path.push(name);
            fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
            made.push(path.clone());
        }
        Ok(Self(made))
    }

    /// The file that a process writes its id to, to be in it.
    ///
    /// # Errors
    /// Never, as there is always one.
    pub fn entrance(&self) -> anyhow::Result<PathBuf> {
        let container = self.0.last().context("no cgroup")?;
        Ok(container.join("cgroup.procs"))
    }

    /// Moves a process in.
    ///
    /// # Errors
    /// When it has ended.
    pub fn take(&self, pid: u32) -> anyhow::Result<()> {
        fs::write(self.entrance()?, pid.to_string()).context("cannot move a process")
    }
}

impl Drop for PodCgroup {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // Its processes ended before: tests declare it first.
            let _ = fs::remove_dir(folder);
        }
    }
}
