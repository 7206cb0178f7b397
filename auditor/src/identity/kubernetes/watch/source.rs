//! Where the API server has a kind of object: its list, and its watch from there.
//!
//! A list is asked for as the server's cache has it, and comes in one answer: a limit would make the server read its
//! store, page by page, for every node of the cluster. It is read object by object ([`Cut`]).

use std::{marker::PhantomData, pin::pin, time::Duration};

use futures_util::{AsyncBufReadExt as _, Stream};
use kube::{
    Client, Resource,
    api::{ListParams, VersionMatch, WatchParams},
    core::{Request, WatchEvent},
};
use serde::de::DeserializeOwned;

use crate::identity::kubernetes::list::{Cut, Unreadable};

/// After how long the server ends a watch.
pub(super) const WATCH: Duration = Duration::from_secs(290);

/// Most parts of a list.
const PARTS: usize = 10_000;

/// A kind of object.
pub(super) struct Source<K> {
    client: Client,
    request: Request,
    fields: Option<&'static str>,
    is_metadata: bool,
    kind: PhantomData<fn() -> K>,
}

impl<K: DeserializeOwned + Clone> Source<K> {
    /// Objects of all namespaces, of a version of the API.
    pub(super) fn of<R: Resource>(client: &Client, version: &R::DynamicType) -> Self {
        Self {
            client: client.clone(),
            request: Request::new(R::url_path(version, None)),
            fields: None,
            is_metadata: false,
            kind: PhantomData,
        }
    }

    /// Only those with these fields.
    pub(super) const fn fields(mut self, fields: &'static str) -> Self {
        self.fields = Some(fields);
        self
    }

    /// Of them only the metadata.
    pub(super) const fn metadata(mut self) -> Self {
        self.is_metadata = true;
        self
    }

    /// Hands out every object, and says what the list is the state of.
    ///
    /// # Errors
    /// When the server refuses, can not be reached, or answers what is no list.
    pub(super) async fn list(&self, mut each: impl FnMut(K)) -> kube::Result<Option<String>> {
        let mut parameters = ListParams {
            resource_version: Some("0".to_owned()),
            version_match: Some(VersionMatch::NotOlderThan),
            field_selector: self.fields.map(str::to_owned),
            ..ListParams::default()
        };
        let mut version = None;
        for _ in 0..PARTS {
            let request = if self.is_metadata {
                self.request.list_metadata(&parameters)
            } else {
                self.request.list(&parameters)
            };
            let request = request.map_err(kube::Error::BuildRequest)?;
            let mut answer = pin!(self.client.request_stream(request).await?);
            let mut cut = Cut::default();
            loop {
                let piece = answer.fill_buf().await.map_err(kube::Error::ReadEvents)?;
                if piece.is_empty() {
                    break;
                }
                let taken = cut.take(piece, |object| {
                    each(serde_json::from_slice(object)?);
                    Ok(())
                });
                taken.map_err(unreadable)?;
                let length = piece.len();
                answer.as_mut().consume_unpin(length);
            }
            let metadata = cut.end().map_err(kube::Error::SerdeError)?.metadata;
            version = metadata.resource_version.filter(|version| !version.is_empty());
            match metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => parameters.continue_token = Some(next),
                None => break,
            }
        }
        Ok(version)
    }

    /// What changes from there on.
    ///
    /// # Errors
    /// When the server refuses, or can not be reached.
    pub(super) async fn watch(
        &self,
        version: &str,
    ) -> kube::Result<impl Stream<Item = kube::Result<WatchEvent<K>>> + use<K>> {
        let parameters = WatchParams {
            field_selector: self.fields.map(str::to_owned),
            timeout: u32::try_from(WATCH.as_secs()).ok(),
            ..WatchParams::default()
        };
        let request = if self.is_metadata {
            self.request.watch_metadata(&parameters, version)
        } else {
            self.request.watch(&parameters, version)
        };
        let request = request.map_err(kube::Error::BuildRequest)?;
        self.client.request_events(request).await
    }
}

fn unreadable(error: Unreadable) -> kube::Error {
    kube::Error::SerdeError(match error {
        Unreadable::Json(error) => error,
        other => serde::de::Error::custom(other),
    })
}
