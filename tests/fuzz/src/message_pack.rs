//! Items of MessagePack, declared and found.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(&[(Some("application/msgpack"), None), (None, None)], input);
}
