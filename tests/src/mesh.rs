//! Two pods of a mesh: network namespaces with a cable between them, a sidecar in each, and rules that send what the
//! application sends and receives through it. The sidecars are nginx under the user of Istio's proxy.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use anyhow::ensure;

use crate::{
    peers::{PYTHON, program},
    process::{LIMIT, Running, wait_for},
    scratch::Scratch,
};

/// The user of Istio's proxy.
pub const PROXY: &str = "1337";
/// Where the client finds the service.
pub const SERVICE: &str = "10.96.1.1";
/// The port of the service and of the server.
pub const PORT: u16 = 8080;
/// A port of the server's pod that goes around the mesh.
pub const AROUND: u16 = 9090;
/// Who the client is, as the server's sidecar says.
pub const CLIENT: &str = "spiffe://cluster.local/ns/street/sa/kiosk";
/// The address of each pod.
pub const ADDRESSES: [&str; 2] = ["10.112.0.1", "10.112.0.2"];

/// The client's pod first.
pub struct Mesh {
    names: [String; 2],
    /// Each sidecar's, once it was started.
    sidecars: Vec<Running>,
}

impl Mesh {
    /// The namespaces and their rules.
    ///
    /// # Errors
    /// When they can not be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let id = std::process::id();
        let mesh = Self {
            names: ["a", "b"].map(|end| format!("auditor-{id}-{name}-{end}")),
            sidecars: Vec::new(),
        };
        let [a, b] = &mesh.names;
        for name in [a, b] {
            ip(&format!("netns add {name}"))?;
        }
        ip(&format!(
            "-n {a} link add eth0 type veth peer name eth0 netns {b}"
        ))?;
        for (name, address) in mesh.names.iter().zip(ADDRESSES) {
            ip(&format!("-n {name} address add {address}/24 dev eth0"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} route add default dev eth0"))?;
        }
        mesh.rules(
            0,
            &format!("type nat hook output priority -100; meta skuid {PROXY} return; tcp dport {PORT} redirect to :15001;"),
        )?;
        mesh.rules(
            1,
            &format!(
                "type nat hook prerouting priority -100; iifname eth0 tcp dport {PORT} redirect to :15006;"
            ),
        )?;
        Ok(mesh)
    }

    fn rules(&self, pod: usize, chain: &str) -> anyhow::Result<()> {
        let mut command = self.within(pod, &["nft"]);
        command.arg(format!("table ip mesh {{ chain through {{ {chain} }}; }}"));
        Running::start(&mut command)?.succeed().map(drop)
    }

    /// A command in a pod's network.
    pub fn within(&self, pod: usize, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.names[pod]))
            .args(words);
        command
    }

    /// Starts both sidecars and waits until they listen.
    ///
    /// # Errors
    /// When they do not.
    pub fn start_sidecars(&mut self, scratch: &Scratch) -> anyhow::Result<Vec<u32>> {
        let pem = scratch.certificate()?.display().to_string();
        let [_, server] = ADDRESSES;
        let outbound =
            format!("listen 127.0.0.1:15001; location / {{ proxy_pass https://{server}:{PORT}; }}");
        let inbound = format!(
            "listen {server}:15006 ssl; ssl_certificate {pem}; ssl_certificate_key {pem};
             location / {{ proxy_bind 127.0.0.6; proxy_pass http://{server}:{PORT};
             proxy_set_header X-Forwarded-Client-Cert 'By=spiffe://cluster.local/ns/shop/sa/till;Hash=00;Subject=\"\";URI={CLIENT}'; }}"
        );
        for (pod, (server, port)) in [(outbound, 15_001), (inbound, 15_006)].into_iter().enumerate() {
            let folder = scratch.path(&format!("sidecar-{pod}"));
            fs::create_dir(&folder)?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
            let shown = folder.display();
            let configuration = format!(
                "daemon off; master_process off; pid {shown}/pid; error_log stderr; events {{}}
                 http {{ access_log off; client_body_temp_path {shown}/body; proxy_temp_path {shown}/proxy;
                 fastcgi_temp_path {shown}/fastcgi; uwsgi_temp_path {shown}/uwsgi; scgi_temp_path {shown}/scgi;
                 proxy_http_version 1.1; proxy_set_header Host $host; server {{ {server} }} }}"
            );
            let file = scratch.file(&format!("sidecar-{pod}.conf"), configuration)?;
            let mut command = self.within(
                pod,
                &["setpriv", "--reuid", PROXY, "--regid", PROXY, "--clear-groups"],
            );
            command
                .args(["nginx", "-e", "stderr", "-p"])
                .arg(&folder)
                .arg("-c")
                .arg(file);
            self.sidecars.push(Running::start(&mut command)?);
            listens(&mut self.sidecars[pod], port)?;
        }
        Ok(self.sidecars.iter().map(Running::pid).collect())
    }

    /// An application: `pod.py` run by a Python that has this name.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn application(
        &self,
        scratch: &Scratch,
        pod: usize,
        name: &str,
        words: &[&str],
    ) -> anyhow::Result<Running> {
        let python = executable(scratch, name)?.display().to_string();
        let mut command = self.within(pod, &[&python]);
        command.arg(program("pod.py")).args(words);
        Running::start(&mut command)
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.sidecars.clear();
        for name in &self.names {
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

/// The path of a copy of Python's executable, made once, by which programs are told apart.
///
/// # Errors
/// When it can not be copied.
pub fn executable(scratch: &Scratch, name: &str) -> anyhow::Result<PathBuf> {
    let path = scratch.path(name);
    if !path.exists() {
        fs::copy(PYTHON, &path)?;
    }
    Ok(path)
}

/// Waits until a process has a listening socket of this port in its network.
///
/// # Errors
/// When it ends, or has none in time.
pub fn listens(running: &mut Running, port: u16) -> anyhow::Result<()> {
    let pid = running.pid();
    wait_for(&format!("a socket at port {port}"), LIMIT, || {
        ensure!(running.status()?.is_none(), "it ended");
        let sockets = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
        let is_there = |line: &str| {
            let mut fields = line.split_whitespace();
            fields
                .nth(1)
                .is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
                && fields.nth(1) == Some("0A")
        };
        Ok(sockets.lines().any(is_there).then_some(()))
    })
}

fn ip(words: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    Running::start(command.args(words.split(' ')))?
        .succeed()
        .map(drop)
}
