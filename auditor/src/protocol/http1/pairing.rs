//! Which request a response answers.
//!
//! Goes in: requests in order. Comes out: the request of the next response. Better no request
//! than a wrong one: once messages may have been missed only the latest request is kept, as
//! clients that pipeline are rare.

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
    pending: VecDeque<Pending>,
}

impl Pairing {
    /// Every message of the connection is seen.
    pub(super) fn sure() -> Self {
        Self {
            sure: true,
            pending: VecDeque::new(),
        }
    }

    /// Messages before now were not seen.
    pub(super) fn unsure() -> Self {
        Self {
            sure: false,
            pending: VecDeque::new(),
        }
    }

    pub(super) fn is_sure(&self) -> bool {
        self.sure
    }

    /// Messages may have been missed: no request seen so far is answered by what comes.
    pub(super) fn doubt(&mut self) {
        self.sure = false;
        self.pending.clear();
    }

    pub(super) fn request(&mut self, pending: Pending) {
        self.pending.push_back(pending);
        if self.pending.len() > MAX_PENDING {
            self.sure = false;
        }
        if !self.sure {
            self.keep_latest();
        }
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
        self.pending.pop_front()
    }

    fn keep_latest(&mut self) {
        let older = self.pending.len().saturating_sub(1);
        self.pending.drain(..older);
    }
}
