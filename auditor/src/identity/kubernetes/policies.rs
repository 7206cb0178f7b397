//! Objects of the API server that hold policies, before anybody has looked into them.
//!
//! Goes in: JSON of a `DataFlowPolicy` or a `ClusterDataFlowPolicy`. Comes out: [`Written`], for who takes policies in.
//! What is wrong inside of one can not make a list or a watch fail.

use std::{borrow::Cow, fmt::Debug, path::Path};

use k8s_openapi::{ClusterResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, Resource, api::ListParams};
use serde::Deserialize;
use serde_json::Value;

use super::{connect, directory::Kind, objects::slim};

/// Group and version of the objects.
pub const GROUP: &str = "auditor.dev";
pub const VERSION: &str = "v1alpha1";

/// Objects of one page of a list.
const PAGE: u32 = 100;
/// Objects that [`list`] takes of each kind.
const MOST: usize = 10_000;

/// Which object of the API it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `None`: a `ClusterDataFlowPolicy`.
    pub namespace: Option<String>,
    pub name: String,
}

/// An object as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub place: Place,
    pub uid: String,
    /// Seconds since 1970.
    pub created: i64,
    pub generation: i64,
    /// JSON.
    pub spec: String,
}

/// Who takes policies in. Called on the thread of the watches, which does not wait long.
pub trait PolicyObjects: Debug + Send + Sync {
    /// A list of this kind begins; what is known stays until it ends.
    fn list_begins(&self, kind: Kind);
    /// The list is complete: what it did not name is gone. Says how many there are.
    fn list_ends(&self, kind: Kind) -> usize;
    fn seen(&self, object: Written);
    fn deleted(&self, place: &Place);
}

/// A policy as the API server sends it.
#[derive(Clone, Debug, Deserialize)]
pub struct PolicyObject<const OF_CLUSTER: bool> {
    #[serde(deserialize_with = "slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
}

impl<const OF_CLUSTER: bool> PolicyObject<OF_CLUSTER> {
    pub(super) const KIND_OF: Kind = if OF_CLUSTER {
        Kind::ClusterDataFlowPolicies
    } else {
        Kind::DataFlowPolicies
    };

    pub(super) fn place(&self) -> Place {
        let namespace = self.metadata.namespace.clone();
        Place {
            namespace: (!OF_CLUSTER).then(|| namespace.unwrap_or_default()),
            name: self.metadata.name.clone().unwrap_or_default(),
        }
    }

    pub(super) fn written(&self) -> Written {
        let created = self.metadata.creation_timestamp.as_ref();
        Written {
            place: self.place(),
            uid: self.metadata.uid.clone().unwrap_or_default(),
            created: created.map_or(i64::MAX, |time| time.0.as_second()),
            generation: self.metadata.generation.unwrap_or_default(),
            spec: self.spec.to_string(),
        }
    }
}

impl<const OF_CLUSTER: bool> Resource for PolicyObject<OF_CLUSTER> {
    type DynamicType = ();
    // All namespaces are asked for at once.
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        if OF_CLUSTER {
            "ClusterDataFlowPolicy".into()
        } else {
            "DataFlowPolicy".into()
        }
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        Self::KIND_OF.name().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Why policies cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Connect(#[from] connect::ConnectError),
    #[error("the API server has no {0}: apply deploy/kubernetes/base/crds")]
    Missing(&'static str),
    #[error("cannot list {kind}: {source}; the kubeconfig's user needs the verb list for {kind} of {GROUP}")]
    Refused {
        kind: &'static str,
        source: Box<kube::Error>,
    },
    #[error("the API server has more than {MOST} {0}")]
    TooMany(&'static str),
}

/// All policies of the API server, once; as a pod does, without a kubeconfig.
///
/// # Errors
/// When the server cannot be reached, refuses, or does not have the kinds.
pub fn list(kubeconfig: Option<&Path>) -> Result<Vec<Written>, ListError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(connect::ConnectError::Thread)?;
    runtime.block_on(async {
        let client = connect::client(connect::configuration(kubeconfig).await?, |_| ())?;
        let mut all = listed::<false>(&client).await?;
        all.extend(listed::<true>(&client).await?);
        Ok(all)
    })
}

async fn listed<const OF_CLUSTER: bool>(client: &Client) -> Result<Vec<Written>, ListError> {
    let kind = PolicyObject::<OF_CLUSTER>::KIND_OF.name();
    let api = Api::<PolicyObject<OF_CLUSTER>>::all(client.clone());
    let (mut all, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = api.list(&page).await.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => ListError::Missing(kind),
            error => ListError::Refused {
                kind,
                source: Box::new(error),
            },
        })?;
        all.extend(list.items.iter().map(PolicyObject::written));
        if all.len() > MOST {
            return Err(ListError::TooMany(kind));
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(all),
        }
    }
}
