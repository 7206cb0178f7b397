//! Content that is no text becomes text as it comes.
//!
//! Goes in: pieces with their place in the source. Comes out, to a closure: text with the place each run
//! of it came from.

use crate::ledger::Account;

/// Takes text and the source position of its first byte.
pub(super) type Show<'a> = dyn FnMut(&[u8], u64) + 'a;

/// Bytes that were decided on.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) all: u64,
    /// Of these, those that were not shown, and why.
    others: Vec<(Account, u64)>,
}

impl Taken {
    pub(super) fn of(all: u64) -> Self {
        Self {
            all,
            others: Vec::new(),
        }
    }

    /// Says that `bytes`, of those that are counted, were not shown.
    pub(super) fn leave_out(&mut self, account: Account, bytes: u64) {
        if account == Account::Scanned || bytes == 0 {
            return;
        }
        match self.others.iter_mut().find(|(known, _)| *known == account) {
            Some((_, sum)) => *sum += bytes,
            None => self.others.push((account, bytes)),
        }
    }

    /// What was not shown.
    pub(super) fn others(&self) -> &[(Account, u64)] {
        &self.others
    }
}

/// Makes text of one content.
pub(super) trait Recode: Send {
    /// Takes the next bytes.
    fn feed(&mut self, bytes: &[u8], source: u64, show: &mut Show<'_>);

    /// Nothing follows: what waits is shown as it is.
    fn finish(&mut self, show: &mut Show<'_>);

    /// Bytes are missing here: what follows is shown as text, unless it can be known how to go on.
    fn give_up(&mut self, show: &mut Show<'_>);

    /// What was decided on since the last time; none when all is text.
    fn taken(&mut self) -> Option<Taken> {
        None
    }

    /// Whether some of it may be no text.
    fn has_binary(&self) -> bool {
        false
    }
}
