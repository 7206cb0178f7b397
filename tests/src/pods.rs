//! Pods made by a real containerd and runc, in a root, a state folder and on a socket of the test's own, in the cgroups
//! and with the labels that the kubelet gives them. They share the host's network, or have addresses of their own.
//!
//! The host's /usr is mounted into them, so that what runs there is what runs here.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cri::{self, Client, Id, Nothing},
    peers,
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// The image of every container.
pub const IMAGE: &str = "localhost/auditor-test:1";

/// Writes the image as an archive and returns its path.
///
/// # Errors
/// When there is no compiler or no Python.
pub fn image(scratch: &Scratch) -> anyhow::Result<PathBuf> {
    let source = scratch.file(
        "pause.c",
        "#include <unistd.h>\nint main() { for (;;) pause(); }\n",
    )?;
    let (pause, archive) = (scratch.path("pause"), scratch.path("image.tar"));
    Running::start(Command::new("cc").args(["-static", "-o"]).arg(&pause).arg(source))?.succeed()?;
    let mut writer = Command::new(peers::PYTHON);
    writer
        .arg(peers::program("image.py"))
        .arg(IMAGE)
        .arg(&archive)
        .arg(&pause);
    Running::start(&mut writer)?.succeed()?;
    Ok(archive)
}

/// A running containerd. Its pods and itself are ended when it is dropped.
pub struct Containerd {
    /// Network of its pods.
    network: i32,
    config: PathBuf,
    running: Option<Running>,
    client: Client,
    pub socket: PathBuf,
    pods: Vec<Made>,
}

/// A pod that has to be removed.
struct Made {
    uid: String,
    sandbox: String,
    cgroup: String,
    config: cri::PodSandboxConfig,
}

/// A pod, as its author describes it.
pub struct Pod<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub container: &'a str,
    /// Further labels of the container.
    pub labels: &'a [(&'a str, &'a str)],
    /// What runs in the container.
    pub command: Vec<String>,
}

/// A container that runs.
#[derive(Clone, Debug)]
pub struct Container {
    pub id: String,
    pub pid: u32,
}

impl Containerd {
    /// Its pods are in the network it is in.
    ///
    /// # Errors
    /// When containerd does not come up.
    pub fn start(scratch: &Scratch) -> anyhow::Result<Self> {
        let folder = scratch.path("containerd");
        fs::create_dir(&folder)?;
        Self::start_in(scratch, &folder, cri::NODE)
    }

    /// Its pods have network namespaces and addresses of their own, by name, and cables to the node it is started on.
    ///
    /// # Errors
    /// When containerd does not come up.
    pub fn with_addresses(scratch: &Scratch, addresses: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = scratch.path("containerd");
        let plugins = folder.join("cni");
        fs::create_dir_all(&plugins)?;
        for name in ["loopback", "node"] {
            fs::copy(peers::program("cni.sh"), plugins.join(name))?;
        }
        let lines: Vec<String> = addresses
            .iter()
            .map(|(name, ip)| format!("{name} {ip}\n"))
            .collect();
        fs::write(plugins.join("addresses"), lines.concat())?;
        let network = r#"{"cniVersion":"0.4.0","name":"node","plugins":[{"type":"node"}]}"#;
        fs::write(plugins.join("10-node.conflist"), network)?;
        Self::start_in(scratch, &folder, cri::POD)
    }

    fn start_in(scratch: &Scratch, folder: &Path, network: i32) -> anyhow::Result<Self> {
        let socket = folder.join("containerd.sock");
        let config = scratch.file("containerd.toml", configuration(folder, &socket))?;
        let (running, client) = listening(&config, &socket)?;
        let archive = image(scratch)?;
        let mut import = Command::new("ctr");
        import.arg("--address").arg(&socket);
        import.args([
            "--namespace",
            "k8s.io",
            "images",
            "import",
            "--snapshotter",
            "native",
        ]);
        Running::start(import.arg(archive))?.succeed()?;
        Ok(Self {
            network,
            config,
            running: Some(running),
            client,
            socket,
            pods: Vec::new(),
        })
    }

    /// Ends containerd; its pods run on, as they do when it crashes.
    ///
    /// # Errors
    /// When it does not end.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        if let Some(mut running) = self.running.take() {
            running.signal(Signal::KILL)?;
            running.end(LIMIT)?;
        }
        Ok(())
    }

    /// Starts it again, at the same place.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let (running, client) = listening(&self.config, &self.socket)?;
        (self.running, self.client) = (Some(running), client);
        Ok(())
    }

    /// How `--runtime-socket` names it.
    pub fn runtime_socket(&self) -> String {
        format!("cri:{}", self.socket.display())
    }

    /// Runs a pod with one container, which sees the test's folder and programs under the same paths.
    ///
    /// # Errors
    /// What containerd says.
    pub fn run(&mut self, scratch: &Scratch, pod: &Pod<'_>) -> anyhow::Result<Container> {
        let cgroup = format!("/kubepods/burstable/pod{}", pod.uid);
        let config = sandbox(scratch, pod, &cgroup, self.network);
        let request = cri::RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let Id { id: sandbox } = self.client.call("RunPodSandbox", request)?;
        self.pods.push(Made {
            uid: pod.uid.to_owned(),
            sandbox,
            cgroup,
            config,
        });
        self.run_beside(scratch, pod)
    }

    /// Runs another container in a pod that runs: the one with the same uid.
    ///
    /// # Errors
    /// What containerd says, or when there is no such pod.
    pub fn run_beside(&mut self, scratch: &Scratch, pod: &Pod<'_>) -> anyhow::Result<Container> {
        let made = self.pods.iter().find(|made| made.uid == pod.uid);
        let made = made.context("the pod does not run")?;
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: made.sandbox.clone(),
            config: Some(container(scratch, pod, self.network)),
            sandbox_config: Some(made.config.clone()),
        };
        let Id { id } = self.client.call("CreateContainer", request)?;
        let Nothing {} = self.client.call("StartContainer", Id { id: id.clone() })?;
        let status: cri::ContainerStatusResponse = self.client.call(
            "ContainerStatus",
            cri::ContainerStatusRequest {
                container_id: id.clone(),
                verbose: true,
            },
        )?;
        let info = status.info.get("info").context("containerd says nothing more")?;
        let info: Value = serde_json::from_str(info)?;
        let pid = info["pid"].as_u64().context("containerd names no process")?;
        ensure!(pid != 0, "the container has ended: {info}");
        Ok(Container {
            id,
            pid: u32::try_from(pid)?,
        })
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for pod in &self.pods {
            for method in ["StopPodSandbox", "RemovePodSandbox"] {
                let id = pod.sandbox.clone();
                if let Err(error) = self.client.call::<_, Nothing>(method, Id { id }) {
                    eprintln!("{method}: {error:#}");
                }
            }
            remove_cgroup(&pod.cgroup);
        }
        drop(self.running.take());
    }
}

/// Starts containerd, and connects to it.
fn listening(config: &Path, socket: &Path) -> anyhow::Result<(Running, Client)> {
    let running = Running::start(Command::new("containerd").arg("--config").arg(config))?;
    let client = wait_for("containerd to listen", LIMIT, || Ok(Client::connect(socket).ok()))?;
    Ok((running, client))
}

fn sandbox(scratch: &Scratch, pod: &Pod<'_>, cgroup: &str, network: i32) -> cri::PodSandboxConfig {
    let namespace_options = Some(cri::NamespaceOption { network });
    cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: pod.name.to_owned(),
            uid: pod.uid.to_owned(),
            namespace: pod.namespace.to_owned(),
        }),
        log_directory: scratch.folder().display().to_string(),
        labels: labels(pod, &[]),
        linux: Some(cri::LinuxPodSandboxConfig {
            cgroup_parent: cgroup.to_owned(),
            security_context: Some(cri::SecurityContext { namespace_options }),
        }),
    }
}

fn container(scratch: &Scratch, pod: &Pod<'_>, network: i32) -> cri::ContainerConfig {
    let programs = peers::program("");
    let mount = |path: &Path, readonly| cri::Mount {
        container_path: path.display().to_string(),
        host_path: path.display().to_string(),
        readonly,
    };
    let own = [("io.kubernetes.container.name", pod.container)];
    let name = |name: &str| {
        Some(cri::Name {
            name: name.to_owned(),
        })
    };
    cri::ContainerConfig {
        metadata: name(pod.container),
        image: name(IMAGE),
        command: pod.command.clone(),
        mounts: vec![
            mount(Path::new("/usr"), true),
            mount(scratch.folder(), false),
            mount(&programs, true),
        ],
        labels: labels(pod, &[&own, pod.labels].concat()),
        log_path: format!("{}-{}.log", pod.name, pod.container),
        linux: Some(cri::LinuxContainerConfig {
            security_context: Some(cri::ContainerSecurityContext {
                namespace_options: Some(cri::NamespaceOption { network }),
            }),
        }),
    }
}

/// Those that the kubelet gives, and more.
fn labels(pod: &Pod<'_>, more: &[(&str, &str)]) -> HashMap<String, String> {
    let own = [
        ("io.kubernetes.pod.name", pod.name),
        ("io.kubernetes.pod.namespace", pod.namespace),
        ("io.kubernetes.pod.uid", pod.uid),
    ];
    let all = own.iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Removes a cgroup in every hierarchy; those above stay while another test uses them.
pub(crate) fn remove_cgroup(path: &str) {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let mut folder = Path::new(path.trim_start_matches('/'));
        while !folder.as_os_str().is_empty() {
            if fs::remove_dir(hierarchy.path().join(folder)).is_err() {
                break;
            }
            folder = folder.parent().unwrap_or(Path::new(""));
        }
    }
}

fn configuration(folder: &Path, socket: &Path) -> String {
    let (folder, socket) = (folder.display(), socket.display());
    format!(
        r#"version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{folder}/cni"
    conf_dir = "{folder}/cni"
"#
    )
}
