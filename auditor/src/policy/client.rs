//! What a rule asks of the client's certificate.
//!
//! Goes in: patterns of SPIFFE ids, and the id that a proxy of the mesh verified, where that is known. Comes out: whether
//! it is one that the rule means. No certificate is read here: who is not known is never taken for another, nor for one
//! that is meant.

use std::sync::Arc;

use super::model::{OperationPattern, Transport, UnknownClient};
use super::{Flow, Judged};
use crate::glob::Glob;
use crate::report::finding::{ClientIdentity, End, SpiffeSource};

/// The ids that a rule means, and what comes out of each answer.
#[derive(Clone, Debug)]
pub(super) struct ClientRule {
    pub(super) ids: Vec<Glob>,
    pub(super) unknown: UnknownClient,
    /// In the order of [`ClientIdentity`].
    outcomes: [Arc<Judged>; 3],
}

impl ClientRule {
    /// Of a rule that asks for one. `judged` is what comes out where the rest of the transport is as asked for.
    pub(super) fn of(transport: &Transport, judged: impl Fn(bool) -> Judged) -> Option<Self> {
        if transport.client.is_empty() {
            return None;
        }
        let unknown = transport.unknown_client.unwrap_or_default();
        let all = [
            ClientIdentity::Verified,
            ClientIdentity::Other,
            ClientIdentity::Unknown,
        ];
        let outcomes = all.map(|client| {
            let is_broken = match client {
                ClientIdentity::Verified => false,
                ClientIdentity::Other => true,
                ClientIdentity::Unknown => unknown == UnknownClient::Report,
            };
            let mut judged = judged(is_broken);
            judged.policy.client = Some(client);
            Arc::new(judged)
        });
        let ids = transport.client.iter();
        Some(Self {
            ids: ids.map(|OperationPattern(glob)| glob.clone()).collect(),
            unknown,
            outcomes,
        })
    }

    /// What it decides about this client.
    pub(super) fn judge(&self, client: Option<&str>) -> &Arc<Judged> {
        let identity = match client {
            None => ClientIdentity::Unknown,
            Some(id) if self.ids.iter().any(|glob| glob.matches(id)) => ClientIdentity::Verified,
            Some(_) => ClientIdentity::Other,
        };
        &self.outcomes[identity as usize]
    }
}

/// Whether a rule that wants to know the client asks about this flow. What stayed on a host between two programs needs no
/// certificate, but what a proxy passes on came from elsewhere.
pub(super) fn is_asked(flow: &Flow<'_>) -> bool {
    flow.encrypted || flow.client.is_some() || flow.source.hop.is_some() || flow.destination.hop.is_some()
}

/// The SPIFFE id of the client of a flow, where a proxy that verified its certificate said so. Only the client has one.
pub(crate) fn verified<'a>(source: &'a End, destination: &'a End) -> Option<&'a str> {
    let is_verified = |end: &&End| end.spiffe_id_source == Some(SpiffeSource::Xfcc);
    let end = [source, destination].into_iter().find(is_verified)?;
    end.spiffe_id.as_deref()
}
