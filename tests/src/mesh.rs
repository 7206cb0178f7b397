//! Two pods of a mesh: network namespaces with a cable between them, a sidecar in each, and rules that send what the
//! application sends and receives through it. The sidecars are nginx under the user of Istio's proxy.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

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
/// Where the client's sidecar listens, and the server's.
pub const SIDECARS: [u16; 2] = [15_001, 15_006];
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
        for (pod, rules) in redirections().iter().enumerate() {
            mesh.rules(pod, rules)?;
        }
        Ok(mesh)
    }

    fn rules(&self, pod: usize, rules: &str) -> anyhow::Result<()> {
        let mut command = self.within(pod, &["nft"]);
        Running::start(command.arg(rules))?.succeed().map(drop)
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
        let [_, server] = ADDRESSES;
        for (pod, (sidecar, port)) in sidecars(scratch, server, CLIENT)?
            .iter()
            .zip(SIDECARS)
            .enumerate()
        {
            let words: Vec<&str> = sidecar.iter().map(String::as_str).collect();
            self.sidecars.push(Running::start(&mut self.within(pod, &words))?);
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

impl Mesh {
    /// A proxy of this name for the node: it lives in this host's network, and its sockets are in the client's pod.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn tunnel(&self, scratch: &Scratch, name: &str, upstream: u16) -> anyhow::Result<Running> {
        let [_, server] = ADDRESSES;
        let mut command = Command::new(executable(scratch, name)?);
        command.arg(program("tunnel.py"));
        command.args([
            &format!("/run/netns/{}", self.names[0]),
            "15001",
            server,
            &upstream.to_string(),
        ]);
        let running = Running::start(&mut command)?;
        wait_for("a tunnel", LIMIT, || {
            Ok(running.said(&["listening"]).then_some(()))
        })?;
        Ok(running)
    }

    /// A name server in the server's pod that knows one name.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn name_server(&self, ip: &str, name: &str, address: &str) -> anyhow::Result<Running> {
        let mut command = self.within(1, &[PYTHON]);
        command.arg(program("names.py")).args([ip, name, address]);
        let running = Running::start(&mut command)?;
        let table = format!("/proc/{}/net/udp", running.pid());
        wait_for("a name server", LIMIT, || {
            let sockets = fs::read_to_string(&table).unwrap_or_default();
            Ok(sockets.contains(":0035 ").then_some(()))
        })?;
        Ok(running)
    }

    /// An application in the client's pod that asks another name server than this host does.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn resolving(
        &self,
        scratch: &Scratch,
        resolver: &Path,
        name: &str,
        words: &[&str],
    ) -> anyhow::Result<Running> {
        let script = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";
        let mut command = self.within(0, &["unshare", "--mount", "sh", "-c", script, "sh"]);
        command.arg(resolver).arg(executable(scratch, name)?);
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

/// What `nft` is told in the network of each pod: to whom the client sends, and what the server gets, goes through the
/// sidecar, unless the sidecar itself sends it.
pub fn redirections() -> [String; 2] {
    let [outbound, inbound] = SIDECARS;
    [
        format!(
            "type nat hook output priority -100; meta skuid {PROXY} return; tcp dport {PORT} redirect to :{outbound};"
        ),
        format!(
            "type nat hook prerouting priority -100; iifname eth0 tcp dport {PORT} redirect to :{inbound};"
        ),
    ]
    .map(|chain| format!("table ip mesh {{ chain through {{ {chain} }}; }}"))
}

/// The command of each sidecar, the client's first: it sends to the pod behind the service, with TLS. The other one says
/// that this is the client's id.
///
/// # Errors
/// When their configuration can not be written.
pub fn sidecars(scratch: &Scratch, server: &str, client: &str) -> anyhow::Result<[Vec<String>; 2]> {
    let pem = scratch.certificate()?.display().to_string();
    let [outbound, inbound] = SIDECARS;
    let outbound =
        format!("listen 127.0.0.1:{outbound}; location / {{ proxy_pass https://{server}:{PORT}; }}");
    let inbound = format!(
        "listen {server}:{inbound} ssl; ssl_certificate {pem}; ssl_certificate_key {pem};
         location / {{ proxy_bind 127.0.0.6; proxy_pass http://{server}:{PORT};
         proxy_set_header X-Forwarded-Client-Cert 'By=spiffe://cluster.local/ns/shop/sa/till;Hash=00;Subject=\"\";URI={client}'; }}"
    );
    Ok([
        sidecar(scratch, "sidecar-0", &outbound)?,
        sidecar(scratch, "sidecar-1", &inbound)?,
    ])
}

/// nginx under the proxy's user.
fn sidecar(scratch: &Scratch, name: &str, server: &str) -> anyhow::Result<Vec<String>> {
    let folder = scratch.path(name);
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    let folder = folder.display().to_string();
    let configuration = format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}
         http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
         fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
         proxy_http_version 1.1; proxy_set_header Host $host; server {{ {server} }} }}"
    );
    let file = scratch.file(&format!("{name}.conf"), configuration)?;
    let file = file.display().to_string();
    let words = [
        &["setpriv", "--reuid", PROXY, "--regid", PROXY, "--clear-groups"][..],
        &["/usr/sbin/nginx", "-e", "stderr", "-p", &folder, "-c", &file],
    ];
    Ok(words.concat().into_iter().map(str::to_owned).collect())
}

/// The path of a copy of Python's executable, made once, by which programs are told apart.
///
/// # Errors
/// When it can not be copied.
pub fn executable(scratch: &Scratch, name: &str) -> anyhow::Result<PathBuf> {
    let path = scratch.path(name);
    if !path.exists() {
        // Another process writes it: a program that one of our threads starts meanwhile would have the file open.
        Running::start(Command::new("cp").arg(PYTHON).arg(&path))?.succeed()?;
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
        let sockets = ["tcp", "tcp6"].map(|table| {
            let table = format!("/proc/{pid}/net/{table}");
            fs::read_to_string(table).unwrap_or_default()
        });
        let is_there = |line: &str| {
            let mut fields = line.split_whitespace();
            fields
                .nth(1)
                .is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
                && fields.nth(1) == Some("0A")
        };
        let mut lines = sockets.iter().flat_map(|table| table.lines());
        Ok(lines.any(is_there).then_some(()))
    })
}

fn ip(words: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    Running::start(command.args(words.split(' ')))?
        .succeed()
        .map(drop)
}
