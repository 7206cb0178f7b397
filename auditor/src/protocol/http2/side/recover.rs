//! How a side goes on when bytes are missing or make no sense, and how it ends.
//!
//! Goes in: gaps, ends, and bytes that belong to no frame. Comes out: what was held, as a stretch, and a
//! state from which the next frame is found.

use crate::ledger::Account;
use crate::protocol::{Direction, Sink};

use super::super::resync::{self, Chain};
use super::super::stream::Streams;
use super::super::{PREFACE, PROTOCOL, frame};
use super::{Side, State, Step};

impl Side {
    /// Where the next frame begins is not known any more.
    pub(super) fn lose(&mut self, streams: &mut Streams, sink: &mut dyn Sink) {
        if matches!(self.state, State::Show { .. }) {
            self.stretch.finish(sink);
        }
        if let Some(block) = self.block.take() {
            self.settle(Account::Gap, block.wire, sink);
        }
        self.table.forget();
        streams.missed(self.direction, sink);
        if !matches!(self.state, State::Lost) {
            sink.lost(self.direction, PROTOCOL);
            self.stretch.lose();
        }
        self.state = State::Lost;
    }

    /// A frame that may not come here. Its header is passed, or it would be found again.
    pub(super) fn refuse(&mut self, bytes: &[u8], streams: &mut Streams, sink: &mut dyn Sink) -> Step {
        self.lose(streams, sink);
        self.stretch.feed(&bytes[..frame::LENGTH], sink);
        Step::Took(frame::LENGTH)
    }

    /// Looks for the next frame.
    pub(super) fn search(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Step {
        if self.direction == Direction::ToServer && bytes.starts_with(PREFACE) {
            self.stretch.finish(sink);
            self.state = State::Preface(0);
            return Step::Took(0);
        }
        match resync::find(bytes) {
            Some((at, Chain::Sure)) => {
                self.stretch.feed(&bytes[..at], sink);
                self.stretch.finish(sink);
                self.state = State::Frame;
                Step::Took(at)
            }
            Some((0, _)) if bytes.len() < resync::MAX_HELD => Step::Needs(bytes.len() + 1),
            // Held for long enough: it is none.
            Some((0, _)) => {
                self.stretch.feed(&bytes[..1], sink);
                Step::Took(1)
            }
            Some((at, _)) => {
                self.stretch.feed(&bytes[..at], sink);
                Step::Took(at)
            }
            None => {
                // A header may begin in the last bytes.
                let tail = bytes.len().min(frame::LENGTH - 1);
                let at = bytes.len() - tail;
                if at == 0 {
                    return Step::Needs(frame::LENGTH);
                }
                self.stretch.feed(&bytes[..at], sink);
                Step::Took(at)
            }
        }
    }

    /// `len` bytes are missing (0: unknown).
    pub(in crate::protocol::http2) fn gap(&mut self, len: u64, streams: &mut Streams, sink: &mut dyn Sink) {
        self.flush_held(sink);
        match &mut self.state {
            State::Data(data) if len > 0 && len <= data.left => {
                data.left -= len;
                let data = *data;
                streams.gap(self.direction, &data, len, sink);
                if data.left == 0 {
                    self.data(data, &[], streams, sink);
                }
            }
            State::Pass { left, account } if len > 0 && len <= *left => {
                let (left, account) = (*left - len, *account);
                self.pass(left, account);
            }
            State::Show { left } if len > 0 && len < *left => {
                *left -= len;
                self.stretch.finish(sink);
            }
            _ => {
                self.stretch.finish(sink);
                self.lose(streams, sink);
            }
        }
    }

    /// What may be the start of a frame is shown when nothing follows it for a while.
    pub(in crate::protocol::http2) fn quiet(&mut self, sink: &mut dyn Sink) {
        if matches!(self.state, State::Lost) {
            self.flush_held(sink);
        }
    }

    /// The direction ended.
    pub(in crate::protocol::http2) fn finish(&mut self, streams: &mut Streams, sink: &mut dyn Sink) {
        self.flush_held(sink);
        if let Some(block) = self.block.take() {
            self.settle(Account::Undecodable, block.wire, sink);
        }
        self.stretch.finish(sink);
        streams.finish(self.direction, sink);
        if !matches!(self.state, State::Lost) {
            self.state = State::Frame;
        }
    }

    /// Shows what waits for the rest of a frame.
    fn flush_held(&mut self, sink: &mut dyn Sink) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.stretch.feed(held.expose(), sink);
            if !matches!(self.state, State::Lost) {
                self.stretch.finish(sink);
            }
        }
    }
}
