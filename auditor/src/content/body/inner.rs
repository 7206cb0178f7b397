//! A part of a multipart body that has a body of its own.
//!
//! Goes in: its content as it comes. Comes out: documents whose paths begin with the part's, and what was not
//! shown of it.

use crate::content::multipart::PartHead;
use crate::content::prefix::{Inside, Prefix};
use crate::content::recode::Taken;
use crate::content::window::Positions;
use crate::protocol::Part;

use super::Body;
use super::parts::Out;

/// A part with a body of its own.
pub(super) struct Inner {
    pub(super) body: Body,
    pub(super) prefix: Prefix,
    pub(super) head: PartHead,
    pub(super) offset: u64,
}

impl Inner {
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        (positions, base): (&Positions, usize),
        last: bool,
        taken: &mut Taken,
        out: &mut Out<'_>,
    ) {
        let mut settled = |account, bytes| {
            taken.all += bytes;
            taken.leave_out(account, bytes);
        };
        let mut receiver = Inside {
            receiver: out.receiver,
            prefix: &self.prefix,
            settled: &mut settled,
        };
        let mut at = 0;
        while at < bytes.len() {
            let run = positions.run_end(base + at).saturating_sub(base).min(bytes.len());
            let data = &bytes[at..run];
            let part = Part {
                exchange: &out.body.exchange,
                direction: out.body.direction,
                place: out.body.place,
                message: out.body.message,
                content_type: self.head.content_type.as_deref(),
                content_encoding: self.head.content_encoding.as_deref(),
                offset: self.offset,
                last: last && run == bytes.len(),
                data,
                wire_bytes: data.len() as u64,
            };
            self.body.take(&part, positions.of(base + at), &mut receiver);
            self.offset += data.len() as u64;
            at = run;
        }
    }

    /// Shows what waits; `last` when nothing follows.
    pub(super) fn flush(&mut self, last: bool, taken: &mut Taken, out: &mut Out<'_>) {
        let mut settled = |account, bytes| {
            taken.all += bytes;
            taken.leave_out(account, bytes);
        };
        let mut receiver = Inside {
            receiver: out.receiver,
            prefix: &self.prefix,
            settled: &mut settled,
        };
        self.body.flush(last, &mut receiver);
    }
}
