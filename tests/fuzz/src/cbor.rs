//! Items of CBOR, declared and found.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(&[(Some("application/cbor"), None), (None, None)], input);
}
