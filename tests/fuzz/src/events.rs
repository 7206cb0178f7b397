//! Server-Sent Events, plain and compressed.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[
            (Some("text/event-stream"), None),
            (Some("text/event-stream"), Some("gzip")),
        ],
        input,
    );
}
