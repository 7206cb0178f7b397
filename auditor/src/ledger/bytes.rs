//! The byte ledger itself: atomic sums, and the balance drawn from them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::{Account, Ledger};

/// Shared by all stages; every method takes `&self` and is lock-free.
#[derive(Default)]
pub struct ByteLedger {
    socket: Book,
    tls: Book,
}

#[derive(Default)]
struct Book {
    moved: AtomicU64,
    accounts: [AtomicU64; Account::ALL.len()],
}

impl ByteLedger {
    /// Records that `bytes` of `ledger` ended in `account`.
    pub fn settle(&self, ledger: Ledger, account: Account, bytes: u64) {
        self.book(ledger).accounts[account as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    /// Sets what the kernel says it moved so far (a running total, not a difference).
    pub fn set_moved(&self, ledger: Ledger, bytes: u64) {
        self.book(ledger).moved.store(bytes, Ordering::Relaxed);
    }

    /// Sum settled so far in one account.
    pub fn settled(&self, ledger: Ledger, account: Account) -> u64 {
        self.book(ledger).accounts[account as usize].load(Ordering::Relaxed)
    }

    /// Draws the balance of one ledger.
    pub fn balance(&self, ledger: Ledger) -> Balance {
        let book = self.book(ledger);
        let accounts: Vec<(Account, u64)> = Account::ALL
            .iter()
            .map(|&account| (account, self.settled(ledger, account)))
            .collect();
        Balance {
            moved: book.moved.load(Ordering::Relaxed),
            accounts,
        }
    }

    fn book(&self, ledger: Ledger) -> &Book {
        match ledger {
            Ledger::Socket => &self.socket,
            Ledger::Tls => &self.tls,
        }
    }
}

/// Bytes moved, and where they ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Bytes the kernel says moved.
    pub moved: u64,
    /// Every account, zeros included, in the order of [`Account::ALL`].
    pub accounts: Vec<(Account, u64)>,
}

impl Balance {
    /// Moved minus the sum of all accounts: 0 once everything in flight is settled.
    pub fn difference(&self) -> i128 {
        i128::from(self.moved) - self.accounts.iter().map(|(_, n)| i128::from(*n)).sum::<i128>()
    }

    /// Bytes in one account.
    pub fn account(&self, account: Account) -> u64 {
        self.accounts
            .iter()
            .find(|(a, _)| *a == account)
            .map_or(0, |(_, n)| *n)
    }
}

impl Serialize for Balance {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("moved", &self.moved)?;
        for (account, bytes) in self.accounts.iter().filter(|(_, bytes)| *bytes > 0) {
            map.serialize_entry(account.name(), bytes)?;
        }
        map.serialize_entry(
            "difference",
            &i64::try_from(self.difference()).unwrap_or(i64::MAX),
        )?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_names_follow_the_order_of_the_enum() {
        for (index, account) in Account::ALL.iter().enumerate() {
            assert_eq!(*account as usize, index, "{}", account.name());
        }
    }

    #[test]
    fn a_balance_shows_what_is_missing() {
        let ledger = ByteLedger::default();
        ledger.set_moved(Ledger::Socket, 100);
        ledger.settle(Ledger::Socket, Account::Scanned, 60);
        ledger.settle(Ledger::Socket, Account::RingFull, 30);
        let balance = ledger.balance(Ledger::Socket);
        assert_eq!(balance.difference(), 10);
        assert_eq!(
            serde_json::to_string(&balance).unwrap(),
            r#"{"moved":100,"scanned":60,"ring_full":30,"difference":10}"#
        );
        assert_eq!(ledger.balance(Ledger::Tls).difference(), 0);
    }
}
