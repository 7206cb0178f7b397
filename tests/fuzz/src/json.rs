//! JSON, alone, a text to a line and in a sequence.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[
            (Some("application/json"), None),
            (Some("application/x-ndjson"), None),
            (Some("application/json-seq"), None),
            (None, None),
        ],
        input,
    );
}
