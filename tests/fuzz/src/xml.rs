//! XML.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[
            (Some("text/xml"), None),
            (Some("application/soap+xml"), None),
            (None, None),
        ],
        input,
    );
}
