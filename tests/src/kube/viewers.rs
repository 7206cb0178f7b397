//! Users of a cluster, as `auditor tail` meets them: accounts with tokens and rights, and pods of agents.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ACCOUNT, Cluster, Pod};
use crate::process::{self, Running};

/// Bindings of roles.
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

impl Cluster<'_> {
    /// Makes an account in the namespace of auditor; returns a token of it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn user(&self, name: &str) -> anyhow::Result<String> {
        let account = json!({"metadata": {"name": name}});
        self.create("/api/v1/namespaces/auditor/serviceaccounts", &account)?;
        self.token(name, None)
    }

    /// A token of an account, for the API server or for another audience.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn token(&self, account: &str, audience: Option<&str>) -> anyhow::Result<String> {
        let path = format!("/api/v1/namespaces/{ACCOUNT}/serviceaccounts/{account}/token");
        let mut spec = json!({"expirationSeconds": 3600});
        if let Some(audience) = audience {
            spec["audiences"] = json!([audience]);
        }
        let answer = self.create(&path, &json!({"spec": spec}))?;
        Ok(answer["status"]["token"].as_str().context("no token")?.to_owned())
    }

    /// The token with another time of its end, in seconds from now, signed as the server signs them.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn token_until(&self, token: &str, seconds: i64) -> anyhow::Result<String> {
        let mut parts = token.split('.');
        let (head, claims) = (
            parts.next().context("no head")?,
            parts.next().context("no claims")?,
        );
        let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
        let now = jiff::Timestamp::now().as_second();
        claims["exp"] = json!(now + seconds);
        claims["nbf"] = json!(now - 7200);
        claims["iat"] = json!(now - 7200);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let (text, signature) = (self.scratch.path("signed"), self.scratch.path("signature"));
        fs::write(&text, &signed)?;
        let mut openssl = Command::new("openssl");
        openssl
            .args(["dgst", "-sha256", "-sign"])
            .arg(self.scratch.path("accounts.key"))
            .arg("-out")
            .arg(&signature)
            .arg(&text);
        Running::start(&mut openssl)?.succeed()?;
        Ok(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(fs::read(signature)?)
        ))
    }

    /// Binds a cluster role to an account, everywhere or in one namespace; returns where the binding is.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn permit(&self, account: &str, role: &str, namespace: Option<&str>) -> anyhow::Result<String> {
        let name = format!("{account}-{role}");
        let path = match namespace {
            Some(namespace) => format!("{RBAC}/namespaces/{namespace}/rolebindings"),
            None => format!("{RBAC}/clusterrolebindings"),
        };
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": ACCOUNT}],
        });
        self.create(&path, &binding)?;
        Ok(format!("{path}/{name}"))
    }

    /// A kubeconfig with this token.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn kubeconfig_of(&self, name: &str, token: &str) -> anyhow::Result<PathBuf> {
        self.configuration(name, token)
    }

    /// The pod of an agent, as the DaemonSet would have it on this node.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn agent(&self, name: &str, node: &str, ip: &str) -> anyhow::Result<()> {
        let labels =
            json!({"app.kubernetes.io/name": "auditor", "app.kubernetes.io/component": "node-agent"});
        let pod = Pod {
            labels,
            node,
            account: ACCOUNT,
            ..Pod::at(ip)
        };
        self.pod(ACCOUNT, name, &pod).map(drop)
    }
}

/// What an endpoint answers to a request with this token: the status, and the body.
///
/// # Errors
/// When there is no answer.
pub fn asked(
    words: &[&str],
    port: u16,
    token: Option<&str>,
    authority: &str,
    body: &str,
) -> anyhow::Result<(u16, String)> {
    let mut curl = curl(port, token, authority, body);
    curl.args(words).args(["--write-out", "\n%{http_code}"]);
    let answer = Running::start(&mut curl)?.end(process::LIMIT)?.stdout;
    let (text, code) = answer.rsplit_once('\n').context("no answer")?;
    Ok((code.parse()?, text.to_owned()))
}

/// A request to the endpoint at this port, by a client that prints what it gets as it comes.
pub fn curl(port: u16, token: Option<&str>, authority: &str, body: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--noproxy", "*", "--cacert", authority]);
    if let Some(token) = token {
        curl.arg("--header").arg(format!("Authorization: Bearer {token}"));
    }
    curl.args(["--data-binary", body]);
    curl.arg("--resolve").arg(format!("localhost:{port}:127.0.0.1"));
    curl.arg(format!("https://localhost:{port}/v1/findings"));
    curl
}
