//! A cluster of many pods and services in a real API server, and what happens in one all day.
//!
//! Everything is made and changed through the server. Used by tests/tests/kube_crowd.rs with a thousand pods, and by
//! `cargo xtask bench cluster` with ten thousand.

mod churn;
mod objects;
mod truth;

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, ensure};
use http::Request;
use kube::{Client, Config, config::Kubeconfig};
use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinSet};

pub use churn::{Churned, Sight};
pub use objects::Placed;
pub use truth::Verdict;

use crate::kube::Cluster;

/// Requests at the same time.
const CALLERS: usize = 12;

/// How large the crowd is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub pods: usize,
    pub services: usize,
    pub nodes: usize,
}

/// The crowd. Its pods have addresses from 10.128.0.1 on, its services from 10.96.16.0.
pub struct Crowd {
    size: Size,
    runtime: Runtime,
    caller: Caller,
    /// Who is in each place.
    pods: Arc<Vec<Mutex<Placed>>>,
}

/// Calls the server as who may do everything, on connections that stay.
#[derive(Clone)]
struct Caller(Client);

impl Crowd {
    /// Fills a cluster.
    ///
    /// # Errors
    /// When the server refuses something.
    pub fn fill(cluster: &Cluster<'_>, size: Size) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let kubeconfig = Kubeconfig::read_from(cluster.administrator()?)?;
        let caller = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
            anyhow::Ok(Caller(Client::try_from(config)?))
        })?;
        let place = |place| Mutex::new(Placed::new(place, 0));
        let crowd = Self {
            size,
            runtime,
            caller,
            pods: Arc::new((0..size.pods).map(place).collect()),
        };
        crowd.runtime.block_on(crowd.make())?;
        Ok(crowd)
    }

    /// How long the server's list of all pods is.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn bytes_of_pods(&self) -> anyhow::Result<usize> {
        let pods = self.runtime.block_on(self.caller.list("/api/v1/pods"))?;
        Ok(pods.iter().map(|pod| pod.to_string().len()).sum())
    }

    async fn make(&self) -> anyhow::Result<()> {
        let (caller, nodes) = (self.caller.clone(), self.size.nodes);
        let mut namespaces: Vec<String> = (0..self.size.pods).map(objects::namespace).collect();
        namespaces.dedup();
        for name in namespaces {
            let object = serde_json::json!({"metadata": {"name": name}});
            caller.create("/api/v1/namespaces", &object).await?;
        }
        let of_caller = caller.clone();
        each(nodes, move |number| {
            let caller = of_caller.clone();
            async move {
                caller.create("/api/v1/nodes", &objects::node(number)).await?;
                let path = format!("/api/v1/nodes/node-{number}/status");
                caller.patch(&path, &objects::node_status(number)).await
            }
        })
        .await?;
        let (of_caller, pods) = (caller.clone(), Arc::clone(&self.pods));
        each(self.size.pods, move |number| {
            let (caller, pods) = (of_caller.clone(), Arc::clone(&pods));
            async move {
                let mut placed = lock(&pods[number]).clone();
                caller.pod(&mut placed, nodes).await?;
                caller.status(&placed, nodes, 0).await?;
                *lock(&pods[number]) = placed;
                Ok(())
            }
        })
        .await?;
        let pods = Arc::clone(&self.pods);
        each(self.size.services, move |number| {
            let (caller, behind) = (caller.clone(), behind(&pods, number));
            async move {
                let namespace = objects::service_namespace(number);
                let path = format!("/api/v1/namespaces/{namespace}/services");
                caller.create(&path, &objects::service(number)).await?;
                let path = slices(number);
                caller
                    .create(&path, &objects::slice(number, &behind))
                    .await
                    .map(drop)
            }
        })
        .await
    }
}

/// Where slices of a service are.
fn slices(number: usize) -> String {
    let namespace = objects::service_namespace(number);
    format!("/apis/discovery.k8s.io/v1beta1/namespaces/{namespace}/endpointslices")
}

/// The pods behind a service.
fn behind(pods: &[Mutex<Placed>], service: usize) -> Vec<Placed> {
    let places = service * objects::BEHIND..(service + 1) * objects::BEHIND;
    places
        .map(|place| lock(&pods[place % pods.len()]).clone())
        .collect()
}

/// Does something for each number, some at the same time; the first error ends it.
async fn each<F>(count: usize, make: impl Fn(usize) -> F + Clone + Send + 'static) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (next, make) = (Arc::clone(&next), make.clone());
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                make(number).await?;
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.context("a caller panicked")??;
    }
    Ok(())
}

fn lock(place: &Mutex<Placed>) -> MutexGuard<'_, Placed> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Caller {
    /// Makes a pod, and notes its uid.
    async fn pod(&self, placed: &mut Placed, nodes: usize) -> anyhow::Result<()> {
        let path = format!("/api/v1/namespaces/{}/pods", placed.namespace());
        let made = self.create(&path, &objects::pod(placed, nodes)).await?;
        placed.uid = made["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        Ok(())
    }

    async fn status(&self, placed: &Placed, nodes: usize, beat: u64) -> anyhow::Result<()> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/status",
            placed.namespace(),
            placed.name()
        );
        self.patch(&path, &objects::status(placed, nodes, beat)).await
    }

    async fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        self.call("POST", path, "application/json", object).await
    }

    async fn patch(&self, path: &str, change: &Value) -> anyhow::Result<()> {
        let kind = "application/merge-patch+json";
        self.call("PATCH", path, kind, change).await.map(drop)
    }

    async fn call(&self, method: &str, path: &str, kind: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        let answer = self.0.request(request.body(serde_json::to_vec(body)?)?).await;
        answer.with_context(|| format!("{method} {path}"))
    }

    /// All objects of a kind, some hundreds at a time.
    async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let query = format!("{path}?limit=500&continue={next}");
            let mut page: Value = self.0.request(Request::get(query).body(Vec::new())?).await?;
            let items = page["items"].as_array_mut().context("no items")?;
            ensure!(next.is_empty() || !items.is_empty(), "an empty page of {path}");
            all.append(items);
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => token.clone_into(&mut next),
                _ => return Ok(all),
            }
        }
    }
}
