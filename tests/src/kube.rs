//! A cluster without nodes: a real etcd and a real kube-apiserver with RBAC, and nothing that runs pods.
//!
//! `cargo xtask kube` builds both. No controllers run, so a test makes every object itself, with owners and status, as
//! they would. Everything listens on loopback, and ends with [`Cluster`].

mod policies;
pub mod viewers;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    process::{self, Running, wait_for},
    scratch::{Scratch, free_port},
};

pub use policies::POLICIES;

/// How long the API server may take to be ready; it takes two seconds on a quiet machine.
const READY: Duration = Duration::from_secs(120);

/// The token of who may do everything.
const ADMIN: &str = "admin-of-the-test";

/// Namespace and name of auditor's service account, as in deploy/kubernetes.
const ACCOUNT: &str = "auditor";

/// The hash of a Deployment's template, in the names of what it controls.
const TEMPLATE: &str = "7d4b9c8f6";

/// A running API server.
pub struct Cluster<'a> {
    scratch: &'a Scratch,
    programs: PathBuf,
    port: u16,
    etcd_port: u16,
    _etcd: Running,
    server: Option<Running>,
}

impl<'a> Cluster<'a> {
    /// Starts etcd and the server, and makes auditor's account with the role it is deployed with.
    ///
    /// # Errors
    /// When the programs are missing (`cargo xtask kube` builds them), or not ready in time.
    pub fn start(scratch: &'a Scratch) -> anyhow::Result<Self> {
        let programs = programs()?;
        let (etcd_port, peer_port) = (free_port()?, free_port()?);
        let (client, peer) = (
            format!("http://127.0.0.1:{etcd_port}"),
            format!("http://127.0.0.1:{peer_port}"),
        );
        let mut etcd = Command::new(programs.join("etcd"));
        etcd.arg("--data-dir").arg(scratch.path("etcd"));
        etcd.args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ]);
        etcd.args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ]);
        etcd.args([
            "--initial-cluster",
            &format!("default={peer}"),
            "--unsafe-no-fsync",
        ]);
        let etcd = Running::start(&mut etcd)?;
        let mut key = Command::new("openssl");
        key.arg("genrsa")
            .arg("-out")
            .arg(scratch.path("accounts.key"))
            .arg("2048");
        Running::start(&mut key)?.succeed()?;
        scratch.file("tokens.csv", format!("{ADMIN},admin,admin,system:masters\n"))?;
        let mut cluster = Self {
            scratch,
            programs,
            port: free_port()?,
            etcd_port,
            _etcd: etcd,
            server: None,
        };
        cluster.resume()?;
        cluster.deploy()?;
        Ok(cluster)
    }

    /// Ends the server; what it knows stays in etcd.
    ///
    /// # Errors
    /// When it does not end.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        if let Some(mut server) = self.server.take() {
            server.signal(Signal::KILL)?;
            server.end(process::LIMIT)?;
        }
        Ok(())
    }

    /// Whether the server was not ended; it may stall.
    pub const fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// The server does not do anything, and its connections stay, until [`Self::go_on`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn stall(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// The server works on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let server = self.server.as_mut().context("the server is down")?;
        server.signal(signal)
    }

    /// While the server is down, has another one change something, and everything before that forgotten: watches that
    /// go on where they were are told 410 Gone.
    ///
    /// # Errors
    /// When one of the two does not do as it is told.
    pub fn behind_its_back(
        &mut self,
        change: impl FnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let port = std::mem::replace(&mut self.port, free_port()?);
        self.resume()?;
        change(self)?;
        self.pause()?;
        let revision = self.etcd("kv/range", &json!({"key": "Lw=="}))?["header"]["revision"]
            .as_str()
            .context("etcd names no revision")?
            .to_owned();
        self.etcd("kv/compaction", &json!({"revision": revision, "physical": true}))?;
        self.port = port;
        Ok(())
    }

    /// A call of etcd's own API, in JSON.
    fn etcd(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--fail",
            "--max-time",
            "30",
            "--data",
            &body.to_string(),
        ]);
        curl.arg(format!("http://127.0.0.1:{}/v3/{path}", self.etcd_port));
        let answer = Running::start(&mut curl)?.succeed()?;
        Ok(serde_json::from_str(&answer.stdout)?)
    }

    /// Starts the server (again), at the same address.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let key = self.scratch.path("accounts.key");
        let mut server = Command::new(self.programs.join("kube-apiserver"));
        server.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port));
        server.arg(format!("--secure-port={}", self.port));
        server.arg(format!("--cert-dir={}", self.scratch.path("server").display()));
        server.arg(format!(
            "--token-auth-file={}",
            self.scratch.path("tokens.csv").display()
        ));
        server.arg(format!("--service-account-key-file={}", key.display()));
        server.arg(format!("--service-account-signing-key-file={}", key.display()));
        server.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--api-audiences=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            // It would want accounts and their tokens, which controllers make.
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--watch-cache=true",
        ]);
        self.server = Some(Running::start(&mut server)?);
        wait_for("the API server to be ready", READY, || {
            if let Some(server) = &mut self.server
                && let Some(status) = server.status()?
            {
                bail!("kube-apiserver ended with {status}");
            }
            Ok(self.call("GET", "/readyz", None).is_ok().then_some(()))
        })
    }

    /// The role that the DaemonSet is deployed with, bound to its account.
    fn deploy(&self) -> anyhow::Result<()> {
        self.namespace(ACCOUNT, &json!({}))?;
        let account = json!({"metadata": {"name": ACCOUNT}});
        self.create("/api/v1/namespaces/auditor/serviceaccounts", &account)?;
        self.apply("base/rbac.yaml")
    }

    /// Makes the roles of a file of deploy/kubernetes, and binds them.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn apply(&self, name: &str) -> anyhow::Result<()> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kubernetes");
        let manifest = fs::read_to_string(PathBuf::from(folder).join(name))?;
        for document in manifest.split("\n---\n") {
            let kind = if document.contains("kind: ClusterRoleBinding") {
                "clusterrolebindings"
            } else {
                "clusterroles"
            };
            let path = format!("/apis/rbac.authorization.k8s.io/v1/{kind}");
            self.send("POST", &path, Some(("application/yaml", document)))?;
        }
        Ok(())
    }

    /// A kubeconfig for auditor, with a token of its service account.
    ///
    /// # Errors
    /// When the server gives no token.
    pub fn kubeconfig(&self) -> anyhow::Result<PathBuf> {
        let path = format!("/api/v1/namespaces/auditor/serviceaccounts/{ACCOUNT}/token");
        let answer = self.create(&path, &json!({"spec": {"expirationSeconds": 3600}}))?;
        let token = answer["status"]["token"].as_str().context("no token")?;
        self.configuration("kubeconfig", token)
    }

    /// A kubeconfig for who may do everything.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn administrator(&self) -> anyhow::Result<PathBuf> {
        self.configuration("administrator", ADMIN)
    }

    fn configuration(&self, name: &str, token: &str) -> anyhow::Result<PathBuf> {
        let configuration = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority": self.scratch.path("server/apiserver.crt"),
            }}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        self.scratch.file(name, configuration.to_string())
    }

    /// # Errors
    /// When the server refuses.
    pub fn namespace(&self, name: &str, labels: &Value) -> anyhow::Result<()> {
        let object = json!({"metadata": {"name": name, "labels": labels}});
        self.create("/api/v1/namespaces", &object).map(drop)
    }

    /// A node with an address.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn node(&self, name: &str, ip: &str) -> anyhow::Result<()> {
        self.create("/api/v1/nodes", &json!({"metadata": {"name": name}}))?;
        let addresses = json!([{"type": "InternalIP", "address": ip}]);
        let path = format!("/api/v1/nodes/{name}/status");
        self.patch(&path, &json!({"status": {"addresses": addresses}}))
            .map(drop)
    }

    /// A Deployment with one pod, and the ReplicaSet between them; returns the pod's uid.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn deployment(&self, namespace: &str, name: &str, pod: &Pod<'_>) -> anyhow::Result<String> {
        let hash = TEMPLATE;
        let labels = json!({"app": name, "pod-template-hash": hash});
        let containers = json!([{"name": "main", "image": "example"}]);
        let spec = json!({
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        });
        let apps = format!("/apis/apps/v1/namespaces/{namespace}");
        let deployment = json!({"metadata": {"name": name}, "spec": spec});
        let made = self.create(&format!("{apps}/deployments"), &deployment)?;
        let mut between = json!({"metadata": {"name": format!("{name}-{hash}")}, "spec": spec});
        between["metadata"]["ownerReferences"] = owner("apps/v1", "Deployment", &made);
        let between = self.create(&format!("{apps}/replicasets"), &between)?;
        let owned = Pod {
            owner: Some(owner("apps/v1", "ReplicaSet", &between)),
            labels: labels.clone(),
            ..pod.clone()
        };
        self.pod(namespace, &format!("{name}-{hash}-x"), &owned)
    }

    /// Another pod in the place of a Deployment's; returns its uid.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn roll(&self, namespace: &str, name: &str, pod: &Pod<'_>) -> anyhow::Result<String> {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/replicasets/{name}-{TEMPLATE}");
        let between = self.call("GET", &path, None)?;
        let owned = Pod {
            owner: Some(owner("apps/v1", "ReplicaSet", &between)),
            labels: json!({"app": name, "pod-template-hash": TEMPLATE}),
            ..pod.clone()
        };
        let name = format!("{name}-{TEMPLATE}-x");
        self.delete_pod(namespace, &name)?;
        self.pod(namespace, &name, &owned)
    }

    /// A pod as its node would show it; returns its uid.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn pod(&self, namespace: &str, name: &str, pod: &Pod<'_>) -> anyhow::Result<String> {
        let object = json!({
            "metadata": {"name": name, "labels": pod.labels, "ownerReferences": pod.owner,
                "annotations": pod.annotations, "finalizers": pod.finalizers},
            "spec": {
                "nodeName": pod.node, "hostNetwork": pod.host_network, "serviceAccountName": pod.account,
                "containers": [{"name": "main", "image": "example"}],
            },
        });
        let made = self.create(&format!("/api/v1/namespaces/{namespace}/pods"), &object)?;
        let ips: Vec<Value> = pod.ips.iter().map(|ip| json!({"ip": ip})).collect();
        let status = json!({
            "phase": "Running", "hostIP": pod.host_ip, "podIP": pod.ips.first(), "podIPs": ips,
            "startTime": pod.started.clone().map_or_else(now, Ok)?,
        });
        self.status(namespace, name, &status)?;
        made["metadata"]["uid"]
            .as_str()
            .map(str::to_owned)
            .context("no uid")
    }

    /// Changes the status of a pod.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn status(&self, namespace: &str, name: &str, status: &Value) -> anyhow::Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/status");
        self.patch(&path, &json!({"status": status})).map(drop)
    }

    /// Deletes a pod: at once, or so that it stays until its finalizers are gone.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn delete_pod(&self, namespace: &str, name: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0");
        self.call("DELETE", &path, None).map(drop)
    }

    /// A service and the pods behind it, in an EndpointSlice of the version that this server has.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn service(
        &self,
        namespace: &str,
        name: &str,
        ip: &str,
        pods: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let object = json!({
            "metadata": {"name": name},
            "spec": {"clusterIP": ip, "ports": [{"port": 443}]},
        });
        self.create(&format!("/api/v1/namespaces/{namespace}/services"), &object)?;
        let endpoints: Vec<Value> = pods
            .iter()
            .map(|(uid, ip)| json!({"addresses": [ip], "targetRef": {"kind": "Pod", "uid": uid}}))
            .collect();
        let slice = json!({
            "metadata": {"name": format!("{name}-x"), "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 8443}],
        });
        let path = format!("/apis/discovery.k8s.io/v1beta1/namespaces/{namespace}/endpointslices");
        self.create(&path, &slice).map(drop)
    }

    /// # Errors
    /// When the server refuses.
    pub fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, Some(object))
    }

    /// # Errors
    /// When the server refuses.
    pub fn patch(&self, path: &str, change: &Value) -> anyhow::Result<Value> {
        let text = change.to_string();
        self.send("PATCH", path, Some(("application/merge-patch+json", &text)))
    }

    /// # Errors
    /// When the server refuses.
    pub fn call(&self, method: &str, path: &str, object: Option<&Value>) -> anyhow::Result<Value> {
        let text = object.map(Value::to_string);
        self.send(
            method,
            path,
            text.as_deref().map(|text| ("application/json", text)),
        )
    }

    fn send(&self, method: &str, path: &str, body: Option<(&str, &str)>) -> anyhow::Result<Value> {
        self.send_with(&[], method, path, body)
    }

    fn send_with(
        &self,
        words: &[&str],
        method: &str,
        path: &str,
        body: Option<(&str, &str)>,
    ) -> anyhow::Result<Value> {
        let mut curl = Command::new("curl");
        curl.args(words);
        curl.args(["--silent", "--insecure", "--max-time", "30", "--request", method]);
        curl.args(["--write-out", "\n%{http_code}"]);
        curl.arg("--header").arg(format!("Authorization: Bearer {ADMIN}"));
        if let Some((kind, body)) = body {
            curl.arg("--header").arg(format!("Content-Type: {kind}"));
            curl.args(["--data-binary", body]);
        }
        curl.arg(format!("https://127.0.0.1:{}{path}", self.port));
        let output = curl.output().context("cannot start curl")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (answer, code) = text.rsplit_once('\n').unwrap_or((&text, ""));
        ensure!(code.starts_with('2'), "{method} {path}: {code} {answer}");
        Ok(serde_json::from_str(answer).unwrap_or_default())
    }
}

/// What a pod is made of.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    pub ips: Vec<&'a str>,
    pub node: &'a str,
    pub host_ip: &'a str,
    pub host_network: bool,
    pub account: &'a str,
    pub owner: Option<Value>,
    pub labels: Value,
    pub annotations: Value,
    pub finalizers: Value,
    /// RFC 3339; now, when it is not given.
    pub started: Option<String>,
}

impl<'a> Pod<'a> {
    /// On the node `node-1`, with an address of its own.
    pub fn at(ip: &'a str) -> Self {
        Self {
            ips: vec![ip],
            node: "node-1",
            host_ip: "192.0.2.1",
            host_network: false,
            account: "default",
            owner: None,
            labels: json!({}),
            annotations: json!({}),
            finalizers: json!([]),
            started: None,
        }
    }
}

/// The reference to an object that controls another.
pub fn owner(version: &str, kind: &str, object: &Value) -> Value {
    json!([{
        "apiVersion": version, "kind": kind, "controller": true,
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    }])
}

fn now() -> anyhow::Result<String> {
    let mut date = Command::new("date");
    date.args(["--utc", "+%Y-%m-%dT%H:%M:%SZ"]);
    Ok(Running::start(&mut date)?.succeed()?.stdout.trim().to_owned())
}

/// The folder of etcd and kube-apiserver.
///
/// # Errors
/// When they were not built.
pub fn programs() -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("AUDITOR_KUBE") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = std::env::home_dir().context("HOME is not set")?;
            home.join(".cache/auditor/kube")
        }
    };
    ensure!(
        folder.join("kube-apiserver").is_file(),
        "{} holds no kube-apiserver: `cargo xtask kube` builds it",
        folder.display()
    );
    Ok(folder)
}
