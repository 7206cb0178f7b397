//! HTML.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(&[(Some("text/html"), None), (None, None)], input);
}
