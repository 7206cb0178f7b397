//! How much of what was moved the ledger stands for.
//!
//! Goes in: the account of bytes. Comes out: bytes that were searched, and bytes that could have been, of all runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::{Account, ByteLedger, Ledger};

/// Bytes of what the ledger stands for, of all runs: how much was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Crossed sockets, ciphertext too.
    pub socket: Bytes,
    /// Plaintext of TLS libraries.
    pub tls: Bytes,
}

/// Bytes of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bytes {
    pub moved: u64,
    /// Where they ended, by the name of the account.
    pub accounts: BTreeMap<String, u64>,
}

impl Traffic {
    /// Of this run.
    pub fn of(ledger: &ByteLedger) -> Self {
        let bytes = |which| {
            let balance = ledger.balance(which);
            let used = balance.accounts.iter().filter(|(_, bytes)| *bytes > 0);
            Bytes {
                moved: balance.moved,
                accounts: used
                    .map(|&(account, bytes)| (account.name().to_owned(), bytes))
                    .collect(),
            }
        };
        Self {
            socket: bytes(Ledger::Socket),
            tls: bytes(Ledger::Tls),
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (own, other) in [(&mut self.socket, &other.socket), (&mut self.tls, &other.tls)] {
            own.moved = own.moved.saturating_add(other.moved);
            for (account, bytes) in &other.accounts {
                let sum = own.accounts.entry(account.clone()).or_default();
                *sum = sum.saturating_add(*bytes);
            }
        }
    }

    /// What is more than in an earlier one.
    pub fn beyond(mut self, earlier: &Self) -> Self {
        for (own, earlier) in [(&mut self.socket, &earlier.socket), (&mut self.tls, &earlier.tls)] {
            own.moved = own.moved.saturating_sub(earlier.moved);
            for (account, bytes) in &mut own.accounts {
                let before = earlier.accounts.get(account).copied().unwrap_or(0);
                *bytes = bytes.saturating_sub(before);
            }
        }
        self
    }

    /// Bytes that were searched, and bytes that could have been: plaintext of TLS libraries, and of
    /// sockets what is no TLS. What moved and is in no account yet counts as not searched.
    pub fn looked_at(&self) -> (u64, u64) {
        let of = |bytes: &Bytes, account: Account| bytes.accounts.get(account.name()).copied().unwrap_or(0);
        let mut searched = 0_u64;
        let mut all = 0_u64;
        for bytes in [&self.socket, &self.tls] {
            // TLS records; and what the other end's record already accounts for.
            let elsewhere = [Account::Ciphertext, Account::Handshake, Account::Duplicate];
            let elsewhere: u64 = elsewhere.iter().map(|&account| of(bytes, account)).sum();
            searched = searched.saturating_add(of(bytes, Account::Scanned));
            let settled: u64 = bytes.accounts.values().sum();
            all = all.saturating_add(bytes.moved.max(settled).saturating_sub(elsewhere));
        }
        (searched.min(all), all)
    }
}
