//! Any definition of an own detector is refused or taken, and one that is taken reads any text.
//!
//! Lines: flags, pattern, pattern of masked values, name, validator; then the text.

use auditor::detect::own::{Definition, validators};
use auditor::detect::{Fingerprinter, Scanner, explain};
use serde_json::json;

pub fn run(input: &[u8]) {
    let mut lines = input.splitn(6, |b| *b == b'\n').map(String::from_utf8_lossy);
    let mut line = || lines.next().unwrap_or_default().into_owned();
    let [flags, pattern, masked, key, validator, text] = [(); 6].map(|()| line());
    let known = validators();
    let validator = validator.bytes().next().map(|byte| {
        known
            .get(usize::from(byte) % (known.len() + 1))
            .copied()
            .unwrap_or("none")
    });
    let keys: Vec<&str> = [key.as_str()].into_iter().filter(|key| !key.is_empty()).collect();
    let masked: Vec<&str> = [masked.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let definition = json!({
        "id": "acme_own", "pattern": pattern, "keys": keys, "validator": validator,
        "states": { "masked": masked }, "slow": flags.contains('s'),
        "examples": { "no_match": if flags.contains('e') { vec![text.as_str()] } else { vec![] } },
    });
    let Ok(definition) = serde_json::from_value::<Definition>(definition) else {
        return;
    };
    let scanner = match Scanner::with_own(Fingerprinter::new([0; 32]), &[definition]) {
        Ok(scanner) => scanner,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for key in [None, Some(key.as_str())] {
        for found in explain(&scanner, &text, key) {
            assert!(found.range.start < found.range.end);
            assert!(found.score_bits.is_finite());
        }
    }
}
