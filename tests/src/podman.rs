//! Containers made by a real Podman and runc, in folders of the test's own, and its service, which speaks Docker's API.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    peers,
    pods::{IMAGE, image, remove_cgroup},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// A Podman with its service running. Its containers are removed when it is dropped.
pub struct Podman {
    folder: PathBuf,
    pub socket: PathBuf,
    containers: Vec<String>,
    service: Option<Running>,
}

impl Podman {
    /// # Errors
    /// When Podman does not take the image, or its service does not come up.
    pub fn start(scratch: &Scratch) -> anyhow::Result<Self> {
        let folder = scratch.path("podman");
        let socket = scratch.path("podman.sock");
        let mut podman = Self {
            folder,
            socket: socket.clone(),
            containers: Vec::new(),
            service: None,
        };
        let archive = image(scratch)?;
        Running::start(podman.command().arg("load").arg("--input").arg(archive))?.succeed()?;
        let mut serve = podman.command();
        serve.args(["system", "service", "--time", "0"]);
        podman.service = Some(Running::start(serve.arg(format!("unix://{}", socket.display())))?);
        wait_for("Podman's service to listen", LIMIT, || {
            Ok(socket.exists().then_some(()))
        })?;
        Ok(podman)
    }

    /// How `--runtime-socket` names it.
    pub fn runtime_socket(&self) -> String {
        format!("docker:{}", self.socket.display())
    }

    /// Runs a container and returns its id and process. It sees the test's folder and programs under the same paths.
    ///
    /// # Errors
    /// What Podman says.
    pub fn run(
        &mut self,
        scratch: &Scratch,
        name: &str,
        command: &[String],
    ) -> anyhow::Result<(String, u32)> {
        let mut run = self.command();
        run.args([
            "run",
            "--detach",
            "--network",
            "host",
            "--name",
            name,
            "--label",
            "team=pay",
        ]);
        // Podman would raise them, which takes a privilege that not every machine gives.
        run.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        let shared = [scratch.folder(), &peers::program(""), Path::new("/usr")];
        for folder in shared.map(Path::display) {
            run.arg("--volume").arg(format!("{folder}:{folder}"));
        }
        run.args(["--entrypoint", "", IMAGE]).args(command);
        self.containers.push(name.to_owned());
        let id = Running::start(&mut run)?.succeed()?.stdout.trim().to_owned();
        let mut inspect = self.command();
        inspect.args(["inspect", "--format", "{{.State.Pid}}", name]);
        let pid = Running::start(&mut inspect)?.succeed()?.stdout;
        Ok((id, pid.trim().parse().context("Podman names no process")?))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        for (option, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.folder.join(name));
        }
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        command.args(["--runtime", "runc", "--events-backend", "file"]);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for name in &self.containers {
            let mut remove = self.command();
            remove.args(["rm", "--force", "--time", "0", name]);
            let removed = Running::start(&mut remove).and_then(Running::succeed);
            if let Err(error) = removed {
                eprintln!("podman rm: {error:#}");
            }
        }
        drop(self.service.take());
        remove_cgroup("/libpod_parent");
    }
}
