//! Stage three: contiguous bytes of a connection become parts of messages.
//!
//! Goes in: bytes per direction, in order, with gaps named. Comes out: [`Part`]s with the
//! operation they belong to, and a settlement of every byte that went in (see [`Sink`]). Parsers
//! keep no value: what they must hold back waits in a [`crate::secret::Secret`] of bounded size.

pub mod connection;
mod grpc;
mod http;
pub mod http1;
pub mod http2;
pub mod operation;
#[cfg(test)]
mod recorded;
mod rpc;
pub mod sniff;
pub mod text;
pub mod websocket;
pub mod xfcc;

use std::sync::Arc;

use crate::ledger::Account;

pub use connection::Connection;

/// Every `flow.protocol` there is.
pub const NAMES: [&str; 12] = [
    http1::PROTOCOL,
    http2::PROTOCOL,
    grpc::Dialect::Grpc.name(),
    grpc::Dialect::GrpcWeb.name(),
    grpc::Dialect::Connect.name(),
    websocket::PROTOCOL,
    http::SSE,
    rpc::GRAPHQL,
    rpc::JSON_RPC,
    rpc::SOAP,
    text::DATAGRAM,
    text::PROTOCOL,
];

/// Name of Connect in findings.
pub const CONNECT: &str = grpc::Dialect::Connect.name();

/// Longest `data` of a [`Part`], bytes.
pub const WINDOW: usize = 64 * 1024;

/// Offset of the first byte of a stretch of which the beginning is missing: at least one byte is.
pub(crate) const BEHIND_GAP: u64 = 1;

/// Which way bytes travel, in the terms of the connection: the client opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the side that opened the connection.
    ToServer,
    /// From the side that accepted it.
    ToClient,
}

impl Direction {
    /// The other way.
    pub const fn reversed(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// 0 or 1, for tables with one entry per direction.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What a message belongs to: one request and its response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// `http/1.1`, `http/2`, `grpc`, `websocket`, `text` (unknown protocol), …
    pub protocol: &'static str,
    /// Templated, so that no id and no value is in it: `POST /v1/charges/{id}`.
    pub operation: Option<String>,
    /// Response status where the protocol has one; only known on response parts.
    pub status: Option<u16>,
    /// Host name the client asked for, lower case, without port (HTTP `Host`).
    pub authority: Option<String>,
    /// Who the client is, as the request says ([`xfcc`]): anybody may write that.
    pub client: Option<Arc<str>>,
}

/// Which piece of a message the bytes are; the name is `location.part` in a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    RequestPath,
    RequestQuery,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    /// A message between equals (WebSocket).
    Message,
    /// Bytes of an unknown protocol, or of a message whose start was not seen.
    Stream,
    /// A file given to `scan`.
    File,
}

impl Place {
    /// The value of `location.part`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestPath => "request.path",
            Self::RequestQuery => "request.query",
            Self::RequestHeaders => "request.headers",
            Self::RequestBody => "request.body",
            Self::RequestTrailers => "request.trailers",
            Self::ResponseHeaders => "response.headers",
            Self::ResponseBody => "response.body",
            Self::ResponseTrailers => "response.trailers",
            Self::Message => "message",
            Self::Stream => "stream",
            Self::File => "file",
        }
    }
}

/// A piece of one message, handed on as soon as it is complete or a window of it is full.
///
/// Long bodies arrive as several parts with the same `message` id; `last` closes them.
/// `data` is what was on the wire after transfer coding (chunked) and before content encoding
/// (gzip); `wire_bytes` is what the receiver of the part must settle in the ledger: framing that
/// the parser itself looked at (request line, chunk sizes) is already settled as scanned.
pub struct Part<'a> {
    pub exchange: &'a Arc<Exchange>,
    pub direction: Direction,
    pub place: Place,
    /// Counts messages of this connection and direction, so that parts of one can be joined.
    pub message: u64,
    /// Content-Type without surrounding space, as sent; only on bodies.
    pub content_type: Option<&'a str>,
    /// Content-Encoding as sent; only on bodies.
    pub content_encoding: Option<&'a str>,
    /// Offset of `data` in the part's own bytes (0 unless a long body).
    pub offset: u64,
    /// True when no more data of this part will come.
    pub last: bool,
    pub data: &'a [u8],
    /// Ledger bytes the receiver has to settle for `data`.
    pub wire_bytes: u64,
}

/// Receives what a parser makes of the bytes.
///
/// Conservation: for every byte fed (or gap named) a parser causes, sooner or later and at the
/// latest in [`Parser::finish`], exactly one byte to be settled: through [`Sink::settle`] or as
/// `wire_bytes` of a part. Bytes named in [`Parser::gap`] are *not* settled by the parser: who
/// lost them has already said why.
pub trait Sink {
    /// A piece of a message. The receiver settles `part.wire_bytes`.
    fn part(&mut self, part: Part<'_>);
    /// `bytes` of this direction end here.
    fn settle(&mut self, direction: Direction, account: Account, bytes: u64);
    /// The parser of `protocol` does not know any more where in its messages it is: what follows names no
    /// operation until it does.
    fn lost(&mut self, direction: Direction, protocol: &'static str) {
        let _ = (direction, protocol);
    }
}

/// One connection's parser. Both directions go through the same parser, because a response can
/// only be read knowing its request.
pub trait Parser: Send {
    /// Bytes in order; never called with an empty slice.
    fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink);
    /// `len` bytes of this direction are missing here (0 when it is not known how many).
    fn gap(&mut self, direction: Direction, len: u64, sink: &mut dyn Sink);
    /// The direction ended (both, when the connection closed): flush and settle all that waits.
    fn finish(&mut self, direction: Direction, sink: &mut dyn Sink);
    /// Nothing came for a while: give out what waits only for a better guess.
    fn quiet(&mut self, sink: &mut dyn Sink) {
        let _ = sink;
    }
}
