//! The cluster that the servers are pods of, while pods come and go and its API server dies and hangs.
//!
//! Python's server is the only pod of a Deployment; each time it begins it is another pod, with a uid and a cgroup of its
//! own. The pods of its neighbours run nothing.

use serde_json::json;

use crate::{
    cgroups::PodCgroup,
    kube::{self, Cluster, Pod},
    scratch::Scratch,
};

const NAMESPACE: &str = "street";
const SHOP: &str = "python";
/// Pods of others that begin and end with each event.
const NEIGHBOURS: usize = 12;

/// A cluster, and the pod that is a server's now.
pub struct Street<'a> {
    cluster: Cluster<'a>,
    /// Those of former pods are kept: a process may be in them until its parent knows that it ended.
    cgroups: Vec<PodCgroup>,
    pods: usize,
}

impl<'a> Street<'a> {
    /// Starts a cluster with the Deployment; `None`, and why, where there are no programs of one.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn open(scratch: &'a Scratch) -> anyhow::Result<Option<Self>> {
        if let Err(error) = kube::programs() {
            println!("without a cluster, its API server and its pods: {error:#}");
            return Ok(None);
        }
        let cluster = Cluster::start(scratch)?;
        cluster.namespace(NAMESPACE, &json!({}))?;
        let uid = cluster.deployment(NAMESPACE, SHOP, &Pod::at("10.112.0.1"))?;
        Ok(Some(Self {
            cluster,
            cgroups: vec![PodCgroup::new(&uid, 'c')?],
            pods: 1,
        }))
    }

    /// What auditor is given to follow it.
    ///
    /// # Errors
    /// When the server gives no token.
    pub fn kubeconfig(&self) -> anyhow::Result<String> {
        Ok(self.cluster.kubeconfig()?.display().to_string())
    }

    /// Where the server of the Deployment is to run.
    pub fn cgroup(&self) -> Option<&PodCgroup> {
        self.cgroups.last()
    }

    /// The pod goes, and another comes; so do its neighbours.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn churn(&mut self) -> anyhow::Result<()> {
        for place in 0..NEIGHBOURS {
            let name = format!("neighbour-{place}");
            if self.pods > 1 {
                self.cluster.delete_pod(NAMESPACE, &name)?;
            }
            // Addresses change hands.
            let ip = format!("10.112.1.{}", 1 + (place + self.pods) % NEIGHBOURS);
            self.cluster.pod(NAMESPACE, &name, &Pod::at(&ip))?;
        }
        self.pods += 1;
        let ip = format!("10.112.0.{}", 1 + self.pods % 200);
        let uid = self.cluster.roll(NAMESPACE, SHOP, &Pod::at(&ip))?;
        self.cgroups.push(PodCgroup::new(&uid, 'c')?);
        Ok(())
    }

    /// The API server ends.
    ///
    /// # Errors
    /// When it does not.
    pub fn server_dies(&mut self) -> anyhow::Result<()> {
        self.cluster.pause()
    }

    /// The API server hangs, with its connections open.
    ///
    /// # Errors
    /// When it has ended.
    pub fn server_hangs(&mut self) -> anyhow::Result<()> {
        self.cluster.stall()
    }

    /// It is there again, whichever of both it was.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn server_is_back(&mut self) -> anyhow::Result<()> {
        if self.cluster.is_up() {
            self.cluster.go_on()
        } else {
            self.cluster.resume()
        }
    }
}

/// What the end of Python's server may be called in a finding: by its workload, or not at all.
pub fn may_be_called(workload: Option<&str>) -> bool {
    workload.is_none_or(|name| name == SHOP)
}
