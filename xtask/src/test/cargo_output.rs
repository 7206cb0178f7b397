//! Reads what `cargo test` prints, line by line, into a [`Tally`].
//!
//! Lines of libtest: `test NAME ... ok|FAILED|ignored, WHY`, and per binary `test result: …`. The sums are taken from the
//! results, the names from the tests.

use super::Tally;

/// Adds what one line says.
pub(super) fn read_line(tally: &mut Tally, line: &str) {
    let Some(rest) = line.strip_prefix("test ") else {
        return;
    };
    if let Some(result) = rest.strip_prefix("result: ") {
        tally.passed += count(result, "passed");
        tally.failed += count(result, "failed");
        tally.skipped += count(result, "ignored");
    } else if let Some((name, outcome)) = rest.rsplit_once(" ... ") {
        if outcome == "FAILED" {
            tally.failures.push(name.to_owned());
        } else if let Some(why) = outcome.strip_prefix("ignored") {
            let why = why.trim_start_matches(", ");
            tally.reasons.push(format!(
                "{name}: {}",
                if why.is_empty() { "no reason given" } else { why }
            ));
        }
    }
}

/// The number before `word` in `ok. 5 passed; 0 failed; 1 ignored; …`.
fn count(result: &str, word: &str) -> u32 {
    result
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_are_summed_with_names_and_reasons() {
        let output = "running 4 tests\n\
             test a::fits ... ok\n\
             test a::breaks ... FAILED\n\
             test a::needs_nss ... ignored, selfserv is not installed\n\
             test b.md - example (line 3) ... ignored\n\
             test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 9 filtered out; finished in 1.50s\n\
             test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let mut tally = Tally::default();
        for line in output.lines() {
            read_line(&mut tally, line);
        }
        let expected = Tally {
            passed: 41,
            failed: 1,
            skipped: 2,
            failures: vec!["a::breaks".into()],
            reasons: vec![
                "a::needs_nss: selfserv is not installed".into(),
                "b.md - example (line 3): no reason given".into(),
            ],
        };
        assert_eq!(tally, expected);
    }
}
