//! HTTP/1.0 and HTTP/1.1 (RFC 9112), both directions of one connection.
//!
//! Goes in: bytes in order with gaps named. Comes out: path, query, header, body and trailer
//! parts with the operation of their request. Bodies are handed on as they come, never held; only
//! an incomplete head waits, at most [`MAX_HEAD`] bytes. What cannot be placed in a message, after
//! a gap or in the middle of a connection, goes out as [`Place::Stream`] until a message starts.

mod chunked;
mod head;
mod pairing;
mod side;
pub mod sniff;
#[cfg(test)]
mod tests;

use crate::ledger::Account;
use crate::secret::Secret;

use super::http2::Http2;
use super::sniff::{Beginning, Speaker};
use super::websocket::WebSocket;
use super::{Connection, Direction, Parser, Sink, WINDOW, http};

pub use head::MAX_HEADERS;

use pairing::Pairing;
use side::{Side, Stop};

/// Name of the protocol in findings.
pub const PROTOCOL: &str = "http/1.1";
/// Longest head (and trailer section) in bytes; longer ones settle as `Limit`.
pub const MAX_HEAD: usize = 64 * 1024;

/// The parser of one HTTP/1 connection.
pub struct Http1 {
    requests: Side,
    responses: Side,
    pairing: Pairing,
    /// Responses that came in before their request did, at most one window.
    early: Secret,
    /// What an upgrade or `CONNECT` opened.
    tunnel: Option<Box<dyn Parser>>,
}

/// The two kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

impl Kind {
    const fn speaker(self) -> Speaker {
        match self {
            Self::Request => Speaker::Client,
            Self::Response => Speaker::Server,
        }
    }
}

impl Http1 {
    /// A connection seen from its first byte: responses wait for their request.
    pub fn opened() -> Self {
        Self::new(&Beginning::opened())
    }

    /// A connection seen from somewhere in its middle. `at_start` tells, per direction, whether a
    /// message starts with the next byte.
    pub fn joined(at_start: [bool; 2]) -> Self {
        Self::new(&Beginning {
            opened: false,
            at_start,
            ..Beginning::opened()
        })
    }

    /// As the first bytes show it.
    pub(super) fn new(beginning: &Beginning) -> Self {
        let side = |direction: Direction, kind| {
            let way = direction.index();
            let at_start = beginning.opened || beginning.at_start[way];
            Side::new(direction, kind, at_start, beginning.messages[way])
        };
        Self {
            requests: side(Direction::ToServer, Kind::Request),
            responses: side(Direction::ToClient, Kind::Response),
            pairing: if beginning.opened {
                Pairing::sure()
            } else {
                Pairing::unsure()
            },
            early: Secret::default(),
            tunnel: None,
        }
    }

    fn feed_responses(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        if !self.early.is_empty() {
            self.early.extend(bytes);
            if self.early.len() <= WINDOW {
                return;
            }
            // Its request will not come any more.
            self.pairing.doubt();
            let early = std::mem::take(&mut self.early);
            return self.read_responses(early.expose(), sink);
        }
        self.read_responses(bytes, sink);
    }

    fn read_responses(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        match self.responses.feed(bytes, &mut self.pairing, sink) {
            None => {}
            Some((Stop::Early, at)) => {
                if bytes.len() - at > WINDOW {
                    self.pairing.doubt();
                    self.read_responses(&bytes[at..], sink);
                } else {
                    self.early.extend(&bytes[at..]);
                }
            }
            Some((Stop::Tunnel, at)) => {
                self.requests.finish(sink);
                let mut tunnel = self.open_tunnel();
                if at < bytes.len() {
                    tunnel.feed(Direction::ToClient, &bytes[at..], sink);
                }
                self.tunnel = Some(tunnel);
            }
        }
    }

    /// The parser of what follows a 101, or the answer to a `CONNECT`.
    fn open_tunnel(&self) -> Box<dyn Parser> {
        let messages = [self.requests.next_message(), self.responses.next_message()];
        let (exchange, answer) = (self.responses.exchange(), self.responses.fields());
        let upgrade = answer.upgrade.as_deref().unwrap_or_default();
        if upgrade.eq_ignore_ascii_case(WebSocket::UPGRADE) {
            let (exchange, deflate) = http::websocket(exchange, answer);
            Box::new(WebSocket::opened(exchange, deflate, messages))
        } else if upgrade.eq_ignore_ascii_case(Http2::UPGRADE) {
            Box::new(Http2::upgraded(exchange, messages))
        } else {
            Box::new(Connection::tunnel(exchange, messages))
        }
    }

    fn release_early(&mut self, sink: &mut dyn Sink) {
        if !self.early.is_empty() && (self.pairing.waits() || !self.pairing.is_sure()) {
            let early = std::mem::take(&mut self.early);
            self.read_responses(early.expose(), sink);
        }
    }
}

impl Parser for Http1 {
    fn feed(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.feed(direction, bytes, sink);
        }
        match direction {
            Direction::ToServer => {
                self.requests.feed(bytes, &mut self.pairing, sink);
                self.release_early(sink);
            }
            Direction::ToClient => self.feed_responses(bytes, sink),
        }
    }

    fn gap(&mut self, direction: Direction, len: u64, sink: &mut dyn Sink) {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.gap(direction, len, sink);
        }
        let ended = self.responses.next_message();
        let placed = match direction {
            Direction::ToServer => {
                if len > 0 && self.requests.is_between() {
                    self.pairing.request_missed();
                }
                self.requests.gap(len, sink)
            }
            Direction::ToClient => {
                if !self.early.is_empty() {
                    self.pairing.doubt();
                    self.release_early(sink);
                    if self.tunnel.is_some() {
                        return self.gap(direction, len, sink);
                    }
                }
                self.responses.gap(len, sink)
            }
        };
        if placed && self.responses.next_message() != ended {
            self.pairing.response_ended();
        }
        if !placed {
            self.pairing.doubt();
            self.release_early(sink);
        }
    }

    fn quiet(&mut self, sink: &mut dyn Sink) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.quiet(sink);
        }
    }

    fn finish(&mut self, direction: Direction, sink: &mut dyn Sink) {
        if direction == Direction::ToClient && !self.early.is_empty() {
            self.pairing.doubt();
            self.release_early(sink);
        }
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.finish(direction, sink);
        }
        match direction {
            Direction::ToServer => self.requests.finish(sink),
            Direction::ToClient => self.responses.finish(sink),
        }
    }
}

/// Settles framing that the parser itself has looked at.
fn settle_framing(direction: Direction, bytes: usize, sink: &mut dyn Sink) {
    if bytes > 0 {
        sink.settle(direction, Account::Scanned, bytes as u64);
    }
}
