//! A scanner with own detectors beside the catalogue's: what do 100 of them cost?

use std::path::Path;

use auditor::config;
use auditor::detect::own::{DefinedSeverity, Definition, Examples};
use auditor::detect::{Fingerprinter, Scanner};

/// Own detectors that are added when no file says which.
pub const COUNT: usize = 100;
/// Row of the scanner with own detectors.
pub const SCANNER: &str = "auditor scanner, own detectors";
/// Row of reader and scanner with own detectors.
pub const WHOLE: &str = "auditor reader + scanner, own detectors";

/// A scanner with the detectors of `file`, or with [`COUNT`] made-up ones.
///
/// # Errors
/// When the file cannot be read, or one of its detectors is refused.
pub fn scanner(file: Option<&Path>) -> anyhow::Result<Scanner> {
    let definitions = match file {
        Some(_) => config::own_detectors(file)?,
        None => (0..COUNT).map(made_up).collect(),
    };
    Ok(Scanner::with_own(Fingerprinter::new([7; 32]), &definitions)?)
}

/// One of the kinds that installations have: ids with a literal beginning, with and without a
/// check digit, and numbers under names of their own.
fn made_up(n: usize) -> Definition {
    const DEPARTMENTS: [&str; 10] = [
        "crm", "emp", "claim", "policy", "order", "ticket", "loan", "acct", "case", "asset",
    ];
    let department = DEPARTMENTS[n % 10];
    let (pattern, keys, validator) = match n % 4 {
        0 => (format!("{department}-{n}-[0-9]{{8}}"), Vec::new(), None),
        1 => (
            format!("{}{n}_[A-Z0-9]{{12}}\\b", department.to_uppercase()),
            Vec::new(),
            None,
        ),
        2 => (
            "[0-9]{10,12}".to_owned(),
            vec![format!("{department}Internal{n}")],
            Some("luhn".to_owned()),
        ),
        _ => (
            format!("(?:{department}|x{department}){n}:[a-f0-9]{{16}}"),
            vec![format!("{department}_ref_{n}")],
            None,
        ),
    };
    Definition {
        id: format!("own_{department}_{n}"),
        pattern,
        keys,
        validator,
        states: Default::default(),
        regulations: Vec::new(),
        category: "own".to_owned(),
        severity: DefinedSeverity::High,
        explanation: String::new(),
        examples: Examples::default(),
        slow: false,
    }
}
