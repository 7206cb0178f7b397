//! What all versions of HTTP share: the fields that steer how a message is read, the name of its
//! operation, and its body.
//!
//! Goes in: fields of a head and bytes of a body, from the parser of a version. Comes out: an
//! [`Exchange`] and parts. It knows nothing of how a version frames them.

mod body;
mod fields;

use std::sync::Arc;

use crate::secret::Secret;

use super::grpc::Dialect;
use super::{Exchange, grpc, operation, rpc, websocket};

pub(super) use body::{Body, Carrier};
pub(super) use fields::Fields;

/// Name of Server-Sent Events in findings.
pub const SSE: &str = "sse";

/// A request's head, as far as it is known.
pub(super) struct Request<'a> {
    /// `http/1.1` or `http/2`.
    pub(super) version: &'static str,
    pub(super) method: Option<&'a str>,
    /// Path and query, or another form of target.
    pub(super) target: Option<&'a str>,
    pub(super) authority: Option<String>,
    pub(super) fields: &'a Fields,
    /// Some fields are not known: one of them may be the content type.
    pub(super) is_partial: bool,
}

impl Request<'_> {
    /// What the request and its response are called.
    pub(super) fn exchange(self) -> Exchange {
        let dialect = Dialect::of(self.fields).or_else(|| Dialect::of_get(self.method, self.target));
        let may_be_rpc = self.is_partial && self.fields.content_type.is_none() && self.method == Some("POST");
        let is_rpc = dialect.is_some() || may_be_rpc && self.target.is_some_and(operation::is_full_method);
        let called = self.target.filter(|_| !is_rpc).and_then(rpc::call_in_query);
        let operation = match (is_rpc, self.method, self.target) {
            // Its method is always POST, and its path says it all.
            (true, _, Some(target)) => Some(operation::full_method(target)),
            (false, Some(method), Some(target)) => {
                let mut operation = operation::template(method, target);
                if let Some(name) = called.and_then(|call| call.name) {
                    operation::append(&mut operation, name);
                }
                Some(operation)
            }
            _ => None,
        };
        Exchange {
            protocol: dialect.map_or(called.map_or(self.version, |call| call.protocol), Dialect::name),
            operation,
            status: None,
            authority: self.authority,
            client: self.fields.client.clone(),
        }
    }
}

/// What a response belongs to, knowing its request's exchange.
pub(super) fn response(request: &Exchange, status: Option<u16>, fields: &Fields) -> Exchange {
    let plain = matches!(request.protocol, super::http1::PROTOCOL | super::http2::PROTOCOL);
    Exchange {
        // An answer can be gRPC although its request was not seen.
        protocol: match Dialect::of(fields) {
            Some(dialect) if plain => dialect.name(),
            None if plain && fields.is_event_stream() => SSE,
            _ => request.protocol,
        },
        status,
        ..request.clone()
    }
}

/// The body behind a head.
pub(super) fn body_of(exchange: &Exchange, fields: &Fields) -> Body {
    match grpc::Envelopes::of(exchange.protocol, fields) {
        Some(envelopes) => Body::enveloped(envelopes, fields.is_base64()),
        None => Body::plain(),
    }
}

/// Looks for the name of an operation that only the body of its request tells (GraphQL, JSON-RPC,
/// SOAP). A name that comes late is that of the parts from there on. How the body is cut changes no name.
#[derive(Default)]
pub(super) struct Naming {
    /// The start of the body, as far as it came in pieces without a name.
    seen: Secret,
    /// Length at which it is looked at again.
    again: usize,
}

impl Naming {
    /// Longest start of a body that is looked at, bytes.
    const MAX: usize = 16 * 1024;

    /// For a request's body of this kind; `None` when it names nothing.
    pub(super) fn of(exchange: &Exchange, fields: &Fields) -> Option<Self> {
        let is_plain = matches!(exchange.protocol, super::http1::PROTOCOL | super::http2::PROTOCOL);
        (is_plain && exchange.operation.is_some() && rpc::may_call(fields)).then(Self::default)
    }

    /// Takes the next bytes of the body. Gives the exchange its name; or gives up, which sets it to `None`.
    pub(super) fn look(
        naming: &mut Option<Self>,
        exchange: &Exchange,
        fields: &Fields,
        bytes: &[u8],
        last: bool,
    ) -> Option<Arc<Exchange>> {
        let this = naming.as_mut()?;
        let next = &bytes[..bytes.len().min(Self::MAX - this.seen.len())];
        let length = this.seen.len() + next.len();
        let is_over = last || length == Self::MAX;
        let is_first = this.seen.is_empty();
        if !is_first {
            this.seen.extend(next);
        }
        if is_first || is_over || length >= this.again {
            this.again = length * 2;
            let start = if is_first { next } else { this.seen.expose() };
            let found = rpc::call(fields, start);
            if found.is_sure || is_over {
                let named = found.call.and_then(|call| called(exchange, call));
                *naming = None;
                return named;
            }
        }
        if is_first {
            this.seen.extend(next);
        }
        None
    }
}

fn called(exchange: &Exchange, call: rpc::Call<'_>) -> Option<Arc<Exchange>> {
    let mut operation = exchange.operation.clone()?;
    if let Some(name) = call.name {
        operation::append(&mut operation, name);
    }
    Some(Arc::new(Exchange {
        protocol: call.protocol,
        operation: Some(operation),
        ..exchange.clone()
    }))
}

/// The frames of a WebSocket that a request opened, when both agreed on one.
pub(super) fn websocket(request: &Exchange, answer: &Fields) -> (Arc<Exchange>, websocket::Deflate) {
    let exchange = Exchange {
        protocol: websocket::PROTOCOL,
        ..request.clone()
    };
    (Arc::new(exchange), answer.deflate())
}
