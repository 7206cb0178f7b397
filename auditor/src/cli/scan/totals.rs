//! What a scan counts, and the lines that say it.
//!
//! Goes in: files, findings, what was left out. Comes out: the summary for people and the exit code.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ledger::Account;

use super::file::Extent;

/// Why entries of a directory were left out; the order of [`Totals::skipped`].
const KINDS: [&str; 5] = ["symbolic link", "FIFO", "socket", "device", "special file"];

/// Counted by all threads.
#[derive(Default)]
pub(super) struct Totals {
    files: AtomicU64,
    bytes: AtomicU64,
    findings: AtomicU64,
    clear: AtomicU64,
    errors: AtomicU64,
    not_scanned: [AtomicU64; Account::ALL.len()],
    /// Files of which bytes were not scanned.
    partly: AtomicU64,
    skipped: [AtomicU64; KINDS.len()],
}

impl Totals {
    pub(super) fn file(&self, extent: &Extent) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(extent.scanned, Ordering::Relaxed);
        let partly = u64::from(!extent.not_scanned.is_empty());
        self.partly.fetch_add(partly, Ordering::Relaxed);
        for (account, bytes) in &extent.not_scanned {
            self.not_scanned[*account as usize].fetch_add(*bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn finding(&self, clear: bool) {
        self.findings.fetch_add(1, Ordering::Relaxed);
        self.clear.fetch_add(u64::from(clear), Ordering::Relaxed);
    }

    pub(super) fn error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// An entry of a directory that was left out because of what it is.
    pub(super) fn skipped(&self, kind: &str) {
        let index = KINDS.iter().position(|known| *known == kind);
        self.skipped[index.unwrap_or(KINDS.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// 0: no clear value; 1: some; 2: something could not be read.
    pub(super) fn exit_code(&self) -> ExitCode {
        match (load(&self.errors), load(&self.clear)) {
            (1.., _) => ExitCode::from(2),
            (0, 1..) => ExitCode::from(1),
            (0, 0) => ExitCode::SUCCESS,
        }
    }

    /// What was scanned and what was not; none when nothing could be read.
    pub(super) fn summary(&self) -> Option<String> {
        let files = load(&self.files);
        if files == 0 {
            return None;
        }
        let mut summary = format!(
            "{} ({}) scanned, {}",
            counted(files, "file"),
            size(load(&self.bytes)),
            counted(load(&self.findings), "finding")
        );
        let mut reasons = Vec::new();
        let accounts = Account::ALL.iter().zip(&self.not_scanned);
        for (account, bytes) in accounts.filter(|(_, bytes)| load(bytes) > 0) {
            reasons.push(format!("{} {}", size(load(bytes)), reason(*account)));
        }
        if !reasons.is_empty() {
            reasons = vec![format!(
                "{} in {}",
                reasons.join(" and "),
                counted(load(&self.partly), "file")
            )];
        }
        let kinds = KINDS.iter().zip(&self.skipped);
        for (kind, count) in kinds.filter(|(_, count)| load(count) > 0) {
            reasons.push(counted(load(count), kind));
        }
        if !reasons.is_empty() {
            summary.push_str("; not scanned: ");
            summary.push_str(&reasons.join(", "));
        }
        Some(summary)
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn reason(account: Account) -> &'static str {
    match account {
        Account::Binary => "without text",
        Account::UnsupportedEncoding => "in an encoding that is not read",
        Account::Undecodable => "of damaged compressed data",
        Account::Limit => "beyond a size limit",
        Account::Gap => "behind a gap",
        account => account.name(),
    }
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Bytes as people read them: `512 bytes`, `1.5 MB`.
fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return counted(bytes, "byte");
    }
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.95 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    format!("{amount:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_was_scanned_and_what_was_not_and_why() {
        let totals = Totals::default();
        assert_eq!(totals.summary(), None);
        totals.file(&Extent {
            scanned: 1_234_567,
            not_scanned: vec![(Account::Binary, 25), (Account::Limit, 3000)],
        });
        assert_eq!(
            totals.summary().unwrap(),
            "1 file (1.2 MB) scanned, 0 findings; not scanned: 25 bytes without text and 3.0 kB beyond a size limit in 1 file"
        );
        let totals = Totals::default();
        totals.file(&Extent::default());
        totals.file(&Extent::default());
        totals.finding(true);
        ["symbolic link", "FIFO", "FIFO"]
            .iter()
            .for_each(|kind| totals.skipped(kind));
        assert_eq!(
            totals.summary().unwrap(),
            "2 files (0 bytes) scanned, 1 finding; not scanned: 1 symbolic link, 2 FIFOs"
        );
        assert_eq!(size(999_999), "1.0 MB");
    }
}
