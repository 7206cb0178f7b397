//! How a side goes on when bytes are missing or make no sense, and how it ends.
//!
//! Goes in: gaps, ends, and bytes that belong to no message. Comes out: what was held, as a stream,
//! and a state from which the next message is found.

use crate::protocol::http1::sniff;
use crate::protocol::sniff::Start;
use crate::protocol::{Sink, WINDOW};

use super::{Side, State, Taken};

impl Side {
    /// Everything up to the next message start is a stream.
    pub(super) fn lost(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Taken {
        let mut from = 0;
        loop {
            match sniff::message_start(&bytes[from..]) {
                Start::Yes(speaker) if speaker == self.kind.speaker() => {
                    self.emit_stream(&bytes[..from], true, sink);
                    self.end_message();
                    return Taken(from, None);
                }
                Start::More if from < bytes.len() => {
                    self.emit_stream(&bytes[..from], false, sink);
                    self.held.extend(&bytes[from..]);
                    return Taken(bytes.len(), None);
                }
                _ => {}
            }
            match memchr::memchr(b'\n', &bytes[from..]) {
                Some(lf) => from += lf + 1,
                None => {
                    self.emit_stream(bytes, false, sink);
                    return Taken(bytes.len(), None);
                }
            }
        }
    }

    /// `len` bytes are missing (0: unknown); false when messages may be missing with them.
    pub(in crate::protocol::http1) fn gap(&mut self, len: u64, sink: &mut dyn Sink) -> bool {
        self.flush_held(sink);
        // A name is read from what is there without a gap.
        self.naming = None;
        match &mut self.state {
            State::Length(left) if len > 0 && len <= *left => {
                *left -= len;
                let ends = *left == 0;
                self.skip_body(len, ends, sink);
                if ends {
                    self.end_message();
                }
                return true;
            }
            State::Chunked(chunked) => {
                let placed = chunked.skip(len);
                self.skip_body(len, false, sink);
                if placed {
                    return true;
                }
            }
            State::UntilClose => {
                self.skip_body(len, false, sink);
                return true;
            }
            _ => {}
        }
        self.close(sink);
        self.lose(sink);
        false
    }

    fn skip_body(&mut self, len: u64, ends: bool, sink: &mut dyn Sink) {
        self.with_body(|body, carrier, message| {
            body.gap(carrier, message, len, sink);
            if ends {
                body.end(carrier, message, &[], sink);
            }
        });
    }

    /// The direction ended.
    pub(in crate::protocol::http1) fn finish(&mut self, sink: &mut dyn Sink) {
        self.flush_held(sink);
        self.close(sink);
        self.state = State::Start;
    }

    /// Gives out an incomplete head, trailer section or start line.
    pub(super) fn flush_held(&mut self, sink: &mut dyn Sink) {
        let held = std::mem::take(&mut self.held);
        self.searched = 0;
        if held.is_empty() {
            return;
        }
        if matches!(self.state, State::Trailers) {
            self.emit_whole(self.trailer_place(), held.expose(), sink);
            return;
        }
        if matches!(self.state, State::Start) {
            self.lose(sink);
        }
        for window in held.expose().chunks(WINDOW) {
            self.emit_stream(window, false, sink);
        }
    }

    /// Closes the body or stream that is open.
    pub(super) fn close(&mut self, sink: &mut dyn Sink) {
        match self.state {
            State::Length(_) | State::Chunked(_) | State::UntilClose => {
                self.with_body(|body, carrier, message| body.end(carrier, message, &[], sink));
            }
            State::Lost if self.offset > 0 => self.emit_stream(&[], true, sink),
            State::Trailers => {}
            State::Start | State::Tunnel | State::Lost => return,
        }
        self.end_message();
    }
}
