//! Separated values.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[
            (Some("text/csv"), None),
            (Some("text/tab-separated-values"), None),
            (None, None),
        ],
        input,
    );
}
