//! Frame headers of HTTP/2 (RFC 9113 §4.1), and whether bytes could be one.
//!
//! Goes in: nine bytes. Comes out: a [`Header`]. What is here knows no connection: it is used to find a
//! way into one as well, so it is strict about what a frame of its type may look like.

/// Length of a frame header, bytes.
pub(super) const LENGTH: usize = 9;

pub(super) mod flags {
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Frame types (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Data,
    Headers,
    Priority,
    ResetStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Extensions: to be ignored (RFC 9113 §5.5).
    Other(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes behind the header.
    pub(super) length: u32,
    pub(super) kind: Type,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Header {
    /// The first nine bytes of `bytes`, if they could be a frame header; `None` when there are fewer, too.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, stream @ ..] = bytes.first_chunk::<LENGTH>()?;
        let header = Self {
            length: u32::from_be_bytes([0, *high, *middle, *low]),
            kind: Type::of(*kind),
            flags: *flags,
            stream: u32::from_be_bytes(*stream) & 0x7fff_ffff,
        };
        header.is_possible().then_some(header)
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a peer would not have to take it for an error by its header alone.
    fn is_possible(&self) -> bool {
        let padding = u32::from(self.has(flags::PADDED));
        let on_stream = self.stream != 0;
        match self.kind {
            Type::Data => on_stream && self.length >= padding,
            Type::Headers => {
                let priority = if self.has(flags::PRIORITY) { 5 } else { 0 };
                on_stream && self.length >= padding + priority
            }
            Type::Priority => on_stream && self.length == 5,
            Type::ResetStream => on_stream && self.length == 4,
            Type::Settings => {
                let fits = if self.has(flags::ACK) {
                    self.length == 0
                } else {
                    self.length.is_multiple_of(6)
                };
                !on_stream && fits
            }
            Type::PushPromise => on_stream && self.length >= padding + 4,
            Type::Ping => !on_stream && self.length == 8,
            Type::GoAway => !on_stream && self.length >= 8,
            Type::WindowUpdate => self.length == 4,
            Type::Continuation => on_stream,
            Type::Other(_) => true,
        }
    }

    /// Whether it looks like what programs send, and not only like what they may: types and flags
    /// that are defined, and a length that peers agree on.
    pub(super) fn is_usual(&self) -> bool {
        /// A frame may be longer when the peer says so; some raise it to a megabyte and more.
        const LONGEST: u32 = 1 << 20;
        let defined = match self.kind {
            Type::Data => flags::END_STREAM | flags::PADDED,
            Type::Headers => flags::END_STREAM | flags::END_HEADERS | flags::PADDED | flags::PRIORITY,
            Type::Settings | Type::Ping => flags::ACK,
            Type::PushPromise => flags::END_HEADERS | flags::PADDED,
            Type::Continuation => flags::END_HEADERS,
            Type::Priority | Type::ResetStream | Type::GoAway | Type::WindowUpdate => 0,
            Type::Other(_) => return false,
        };
        self.flags & !defined == 0 && self.length <= LONGEST
    }
}

impl Type {
    fn of(kind: u8) -> Self {
        match kind {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::ResetStream,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            other => Self::Other(other),
        }
    }
}
