//! gRPC, gRPC-Web and Connect: messages with a five-byte header in the body of an HTTP message.
//!
//! Goes in: bytes of a body. Comes out: a part for each message inside, with the coding it is
//! compressed by. Sources: gRPC's PROTOCOL-HTTP2 and PROTOCOL-WEB, and the specification of the
//! Connect protocol. All three begin a message with a byte of flags and a length of four.

use crate::ledger::Account;
use crate::secret::Secret;

use super::http::{Carrier, Fields};
use super::{BEHIND_GAP, Place, Sink, WINDOW};

/// Flag: the message is compressed.
const COMPRESSED: u8 = 0x01;
/// Flag of Connect: the last message of a stream, in JSON.
const CONNECT_END: u8 = 0x02;
/// Flag of gRPC-Web: trailers, as lines of an HTTP/1.1 head.
const TRAILERS: u8 = 0x80;
/// Length of the header of a message.
const HEADER: usize = 5;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Grpc,
    GrpcWeb,
    Connect,
}

impl Dialect {
    /// From the fields of a request or response.
    pub(super) fn of(fields: &Fields) -> Option<Self> {
        if fields.media_starts_with("application/grpc-web") {
            Some(Self::GrpcWeb)
        } else if fields.media_starts_with("application/grpc") {
            Some(Self::Grpc)
        } else if fields.is_connect || is_connect_media(fields) {
            Some(Self::Connect)
        } else {
            None
        }
    }

    /// From the target of a request: unary calls of Connect by GET have their message in the query
    /// (<https://connectrpc.com/docs/protocol/#unary-get-request>).
    pub(super) fn of_get(method: Option<&str>, target: Option<&str>) -> Option<Self> {
        let (_, query) = target.filter(|_| method == Some("GET"))?.split_once('?')?;
        let has = |is: fn(&&str) -> bool| query.split('&').any(|parameter| is(&parameter));
        let is_call = has(|parameter| *parameter == "connect=v1")
            && has(|parameter| parameter.starts_with("encoding="))
            && has(|parameter| parameter.starts_with("message="));
        is_call.then_some(Self::Connect)
    }

    /// `flow.protocol`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Connect => "connect",
        }
    }
}

/// Types that only Connect has; its unary JSON is told by a header.
fn is_connect_media(fields: &Fields) -> bool {
    fields.media_starts_with("application/connect+")
        || fields.media().eq_ignore_ascii_case("application/proto")
}

/// The messages inside one body.
pub(super) struct Envelopes {
    state: State,
    flags: u8,
    /// Offset in the message.
    offset: u64,
}

enum State {
    Header {
        held: [u8; HEADER],
        length: u8,
    },
    Message {
        left: u32,
    },
    /// Where the next message begins is not known.
    Lost,
}

const START: State = State::Header {
    held: [0; HEADER],
    length: 0,
};

impl Envelopes {
    /// Of a body whose head says so. Unary calls of Connect have none.
    pub(super) fn of(protocol: &str, fields: &Fields) -> Option<Self> {
        let enveloped = match protocol {
            "grpc" | "grpc-web" => {
                fields.content_type.is_none() || fields.media_starts_with("application/grpc")
            }
            "connect" => fields.media_starts_with("application/connect+"),
            _ => false,
        };
        enveloped.then(Self::new)
    }

    pub(super) const fn new() -> Self {
        Self {
            state: START,
            flags: 0,
            offset: 0,
        }
    }

    /// Whether a body of `length` bytes, of which `bytes` are the first, could be one message of gRPC.
    pub(super) fn is_one(bytes: &[u8], length: u64) -> bool {
        match bytes {
            [0 | COMPRESSED, a, b, c, d, ..] => {
                u64::from(u32::from_be_bytes([*a, *b, *c, *d])) + HEADER as u64 == length
            }
            _ => false,
        }
    }

    /// Takes the next bytes, for which `wire` bytes were on the wire.
    pub(super) fn feed(
        &mut self,
        carrier: &Carrier<'_>,
        message: &mut u64,
        bytes: &[u8],
        wire: u64,
        sink: &mut dyn Sink,
    ) {
        let share = Share {
            wire,
            of: bytes.len(),
        };
        if matches!(self.state, State::Lost) && Self::is_one(bytes, bytes.len() as u64) {
            self.close(carrier, message, sink);
            self.state = START;
        }
        if bytes.is_empty() {
            carrier.settle(Account::Scanned, wire, sink);
        }
        let mut at = 0;
        while at < bytes.len() {
            let from = at;
            match &mut self.state {
                State::Header { held, length } => {
                    let have = usize::from(*length);
                    let n = (HEADER - have).min(bytes.len() - at);
                    held[have..have + n].copy_from_slice(&bytes[at..at + n]);
                    *length += n as u8;
                    at += n;
                    carrier.settle(Account::Scanned, share.of(from, at), sink);
                    if usize::from(*length) == HEADER {
                        let [flags, size @ ..] = *held;
                        self.begin(flags, u32::from_be_bytes(size));
                        if matches!(self.state, State::Message { left: 0 }) {
                            *message += 1;
                            self.state = START;
                        }
                    }
                }
                State::Message { left } => {
                    let n = (*left as usize).min(bytes.len() - at).min(WINDOW);
                    *left -= n as u32;
                    let last = *left == 0;
                    at += n;
                    self.emit(
                        carrier,
                        *message,
                        &bytes[from..at],
                        share.of(from, at),
                        last,
                        sink,
                    );
                    if last {
                        *message += 1;
                        self.offset = 0;
                        self.state = START;
                    }
                }
                State::Lost => {
                    self.offset = self.offset.max(BEHIND_GAP);
                    at += (bytes.len() - at).min(WINDOW);
                    self.emit(
                        carrier,
                        *message,
                        &bytes[from..at],
                        share.of(from, at),
                        false,
                        sink,
                    );
                }
            }
        }
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self, carrier: &Carrier<'_>, message: &mut u64, sink: &mut dyn Sink) {
        self.close(carrier, message, sink);
        self.state = START;
    }

    /// `len` bytes are missing (0: unknown).
    pub(super) fn gap(&mut self, carrier: &Carrier<'_>, message: &mut u64, len: u64, sink: &mut dyn Sink) {
        match &mut self.state {
            State::Message { left } if len > 0 && len < u64::from(*left) => {
                *left -= len as u32;
                self.offset += len;
            }
            State::Message { left } if len > 0 && len == u64::from(*left) => {
                self.close(carrier, message, sink);
                self.state = START;
            }
            _ => {
                self.close(carrier, message, sink);
                self.flags = 0;
                self.state = State::Lost;
            }
        }
    }

    fn begin(&mut self, flags: u8, length: u32) {
        self.flags = flags;
        self.offset = 0;
        self.state = if flags & !(COMPRESSED | CONNECT_END | TRAILERS) == 0 {
            State::Message { left: length }
        } else {
            State::Lost
        };
    }

    fn close(&mut self, carrier: &Carrier<'_>, message: &mut u64, sink: &mut dyn Sink) {
        if self.offset > 0 {
            self.emit(carrier, *message, &[], 0, true, sink);
            *message += 1;
            self.offset = 0;
        }
    }

    fn emit(
        &mut self,
        carrier: &Carrier<'_>,
        message: u64,
        data: &[u8],
        wire: u64,
        last: bool,
        sink: &mut dyn Sink,
    ) {
        let is_trailers = self.flags & TRAILERS != 0 && carrier.place == Place::ResponseBody;
        let compressed = self.flags & COMPRESSED != 0;
        // Trailers in pieces are text: a header section is read as a whole.
        let whole = self.offset == 0 && last;
        Carrier {
            place: if is_trailers && whole && !compressed {
                Place::ResponseTrailers
            } else {
                carrier.place
            },
            content_type: match (is_trailers, self.flags & CONNECT_END) {
                (true, _) => Some("text/plain"),
                (false, 0) => carrier.content_type,
                _ => Some("application/json"),
            },
            content_encoding: carrier.message_encoding.filter(|_| compressed),
            ..*carrier
        }
        .emit(message, self.offset, data, wire, last, sink);
        self.offset += data.len() as u64;
    }
}

/// How many of the bytes on the wire belong to a piece of what they were decoded to.
struct Share {
    wire: u64,
    of: usize,
}

impl Share {
    /// All pieces together are `wire`.
    fn of(&self, from: usize, to: usize) -> u64 {
        let upto = |at: usize| {
            let share = u128::from(self.wire) * at as u128 / (self.of.max(1)) as u128;
            u64::try_from(share).unwrap_or(self.wire)
        };
        upto(to) - upto(from)
    }
}

/// Base64 (RFC 4648 §4) that comes in pieces, each of which may end in padding.
#[derive(Default)]
pub(super) struct Base64 {
    bits: u32,
    count: u8,
}

impl Base64 {
    /// What `bytes` stand for; characters that are none of the alphabet stand for nothing.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Secret {
        let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
        for byte in bytes {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                b'=' => {
                    *self = Self::default();
                    continue;
                }
                _ => continue,
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                decoded.push((self.bits >> self.count) as u8);
            }
        }
        Secret::new(decoded)
    }
}
