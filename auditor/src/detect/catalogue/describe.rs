//! What a row says of itself, in words, for `auditor detectors` and docs/detectors.md.
//!
//! Goes in: a row. Comes out: text. No value is in it: samples are made of zeros and of a row's own
//! public prefixes.

use super::{Convention, DetectorInfo, Needs, Trigger};
use crate::detect::{Severity, State, sample};

/// Forms and prefixes that are told one by one.
const TOLD: usize = 12;

impl DetectorInfo {
    /// What makes the scanner look at a value, one line each.
    pub fn forms(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.triggers.iter().map(of_trigger).collect();
        if lines.is_empty() {
            lines.push("the pattern of the configuration".into());
        }
        lines
    }

    /// What must stand around a value before it is reported.
    pub fn needed(&self) -> &'static str {
        match self.needs {
            Needs::Nothing => "nothing",
            Needs::Name => "a field name, a column or a word near by that speaks of such values",
            Needs::Key => "a field name or a column that speaks of such values",
            Needs::KeyAndSibling => "a field name or a column, and a field beside it",
            Needs::KeyOrSibling => "a field name, a column, or a field beside it",
        }
    }

    /// Names that it shares with other rows.
    pub fn shared_names(&self) -> Vec<&'static str> {
        self.families.concat()
    }

    /// How a sample of a clear value looks. A zero stands for a character that is shown.
    pub fn sample(&self) -> String {
        let value = match self.convention {
            Convention::Card => "0000000000000000".to_owned(),
            Convention::LastFour => "000000000".to_owned(),
            Convention::Phone => "00000000000".to_owned(),
            Convention::Email => "someone@example.com".to_owned(),
            Convention::Iban => "XX00000000000000000000".to_owned(),
            Convention::Initials => "Given Family".to_owned(),
            Convention::Network => "0.0.0.0".to_owned(),
            Convention::Hidden => String::new(),
            Convention::Secret(length) => match self.public_prefix(length) {
                Some(prefix) => format!("{prefix}00000000"),
                None => String::new(),
            },
        };
        sample::of(self, value.as_bytes(), State::Clear)
    }

    fn public_prefix(&self, length: usize) -> Option<&'static str> {
        let prefixes = self.triggers.iter().flat_map(|trigger| match trigger {
            Trigger::Prefix { prefixes, .. } => *prefixes,
            _ => &[],
        });
        prefixes.filter_map(|prefix| prefix.get(..length)).next()
    }

    /// Severity of a clear value, as findings write it.
    pub fn severity_name(&self) -> &'static str {
        match self.severity {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

fn of_trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Digits { lengths, .. } => format!("{} digits, in one run or in groups", ranges(lengths)),
        Trigger::Country { .. } => "two letters and two digits at the start of a word".into(),
        Trigger::At { .. } => "an at sign".into(),
        Trigger::Prefix { prefixes, .. } => format!("text that begins with {}", list(prefixes, true)),
        Trigger::Form { forms, .. } => format!("{} (9 a digit, A a letter, N either)", list(forms, true)),
        Trigger::Word { lengths, .. } => format!(
            "a word of {} to {} letters and digits",
            lengths.start(),
            lengths.end()
        ),
        Trigger::Named { .. } => "the whole value of a field with one of the names".into(),
    }
}

/// The first of a list, each in backticks when `quoted`, and how many more there are.
pub fn list(texts: &[&str], quoted: bool) -> String {
    let told = texts.iter().take(TOLD).map(|text| match quoted {
        true => format!("`{text}`"),
        false => (*text).to_owned(),
    });
    let mut all = told.collect::<Vec<_>>().join(", ");
    if let Some(more) = texts.len().checked_sub(TOLD + 1) {
        all.push_str(&format!(" and {} more", more + 1));
    }
    all
}

/// `12 to 19`, `8 or 10`.
fn ranges(lengths: &[u8]) -> String {
    let is_run = lengths.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    match lengths {
        [first, .., last] if is_run && lengths.len() > 2 => format!("{first} to {last}"),
        _ => lengths.iter().map(u8::to_string).collect::<Vec<_>>().join(" or "),
    }
}
