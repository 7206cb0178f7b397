//! Which request a response answers.
//!
//! Goes in: requests in order, where responses start and end, and where messages may have been missed. Comes out: the
//! request of the next response. Better no request than a wrong one: once messages may have been missed, a request
//! counts only when it waits alone, and a response ended between the missing ones and it. That is right for a client that
//! sends one request at a time, as nearly all do; on a connection that was seen to pipeline nothing is paired from then
//! on. Wrong it can be when a client pipelines and nothing of what was seen shows it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::protocol::Exchange;

use super::head::Method;

/// Requests that may wait for their response; a client that sends more is not paired any more.
const MAX_PENDING: usize = 256;

pub(super) struct Pending {
    pub(super) exchange: Arc<Exchange>,
    pub(super) method: Method,
}

pub(super) struct Pairing {
    sure: bool,
    /// Messages may have been missed, and no response has ended since.
    behind: bool,
    /// Requests were seen to be sent before the response to the one before.
    pipelines: bool,
    /// A final response has started, and not ended.
    answering: bool,
    /// Requests that no response is paired with, and that wait for one.
    unpaired: usize,
    pending: VecDeque<Pending>,
}

impl Pairing {
    /// Every message of the connection is seen.
    pub(super) fn sure() -> Self {
        Self {
            sure: true,
            behind: false,
            pipelines: false,
            answering: false,
            unpaired: 0,
            pending: VecDeque::new(),
        }
    }

    /// Messages before now were not seen. The first request counts as if no other were under way: of most connections
    /// that are joined the client had said nothing for a while.
    pub(super) fn unsure() -> Self {
        Self {
            sure: false,
            ..Self::sure()
        }
    }

    pub(super) fn is_sure(&self) -> bool {
        self.sure
    }

    /// Messages may have been missed: no request seen so far is answered by what comes.
    pub(super) fn doubt(&mut self) {
        self.sure = false;
        self.behind = true;
        self.answering = false;
        self.unpaired = 0;
        self.pending.clear();
    }

    pub(super) fn request(&mut self, pending: Pending) {
        self.pipelines |= self.answering || self.unpaired > 0 || self.waits();
        self.pending.push_back(pending);
        if self.pending.len() > MAX_PENDING {
            self.doubt();
        }
        if !self.sure && (self.behind || self.pipelines) {
            self.unpaired += self.pending.len();
            self.pending.clear();
        }
    }

    /// Bytes behind the end of a request are missing: more was sent before its response ended, if it has not.
    pub(super) fn request_missed(&mut self) {
        self.pipelines |= self.answering || self.waits();
    }

    /// The name of a request became known when its body came.
    pub(super) fn rename(&mut self, before: &Arc<Exchange>, exchange: &Arc<Exchange>) {
        let mut latest = self.pending.iter_mut().rev();
        if let Some(pending) = latest.find(|pending| Arc::ptr_eq(&pending.exchange, before)) {
            pending.exchange = Arc::clone(exchange);
        }
    }

    /// Whether a request waits for its response.
    pub(super) fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The request of the response that starts now, kept for the final one when `interim` (1xx).
    pub(super) fn response(&mut self, interim: bool) -> Option<Pending> {
        if interim {
            let Pending { exchange, method } = self.pending.front()?;
            return Some(Pending {
                exchange: Arc::clone(exchange),
                method: *method,
            });
        }
        self.answering = true;
        let request = self.pending.pop_front();
        if request.is_none() {
            self.unpaired = self.unpaired.saturating_sub(1);
        }
        request
    }

    /// The response that was read is over; nothing when it was an interim one.
    pub(super) fn response_ended(&mut self) {
        if self.answering {
            self.answering = false;
            self.behind = false;
        }
    }
}
