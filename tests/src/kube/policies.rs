//! Policies of a real API server: their definitions as they are deployed, and objects.

use std::fs;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Cluster, READY};
use crate::process::wait_for;

/// Where the server has policies.
pub const POLICIES: &str = "/apis/auditor.dev/v1alpha1";

impl Cluster<'_> {
    /// Makes the custom resources of policies known, as they are deployed; returns once the server has them.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn define_policies(&self) -> anyhow::Result<()> {
        for plural in ["clusterdataflowpolicies", "dataflowpolicies"] {
            let file = format!(
                "{}/../deploy/kubernetes/base/crds/{plural}.yaml",
                env!("CARGO_MANIFEST_DIR")
            );
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            let text = fs::read_to_string(file)?;
            self.send("POST", path, Some(("application/yaml", &text)))?;
            let list = format!("{POLICIES}/{plural}");
            wait_for("the server to have policies", READY, || {
                Ok(self.call("GET", &list, None).is_ok().then_some(()))
            })?;
        }
        Ok(())
    }

    /// Makes a policy `NAMESPACE/NAME`, or `NAME`, with these rules, or replaces what it says.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn policy(&self, title: &str, rules: &Value) -> anyhow::Result<()> {
        let (path, kind) = match title.split_once('/') {
            Some((namespace, _)) => (
                format!("{POLICIES}/namespaces/{namespace}/dataflowpolicies"),
                "DataFlowPolicy",
            ),
            None => (
                format!("{POLICIES}/clusterdataflowpolicies"),
                "ClusterDataFlowPolicy",
            ),
        };
        let name = title.rsplit('/').next().unwrap_or(title);
        let object = json!({
            "apiVersion": "auditor.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": {"rules": rules},
        });
        match self.call("GET", &format!("{path}/{name}"), None) {
            Ok(_) => self.patch(&format!("{path}/{name}"), &object).map(drop),
            Err(_) => self.create(&path, &object).map(drop),
        }
    }

    /// Deletes a policy.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn delete_policy(&self, title: &str) -> anyhow::Result<()> {
        let path = match title.split_once('/') {
            Some((namespace, name)) => format!("{POLICIES}/namespaces/{namespace}/dataflowpolicies/{name}"),
            None => format!("{POLICIES}/clusterdataflowpolicies/{title}"),
        };
        self.call("DELETE", &path, None).map(drop)
    }

    /// What `kubectl get --output wide` shows of a list: its columns, and the cells of each row.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn table(&self, path: &str) -> anyhow::Result<(Vec<String>, Vec<Value>)> {
        let accept = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io";
        let table = self.send_with(&["--header", accept], "GET", path, None)?;
        let columns = table["columnDefinitions"].as_array().context("no columns")?;
        let name = |column: &Value| column["name"].as_str().map(str::to_owned);
        let rows = table["rows"].as_array().context("no rows")?;
        Ok((
            columns.iter().filter_map(name).collect(),
            rows.iter().map(|row| row["cells"].clone()).collect(),
        ))
    }
}
