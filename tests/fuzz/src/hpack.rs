//! Header blocks of one direction: the first byte of each says how long it is. Fields are bounded, and so is the table.

use auditor::protocol::http2::hpack::{Decoder, MAX_DECODED};

pub fn run(mut input: &[u8]) {
    let mut decoder = Decoder::new();
    while let [length, rest @ ..] = input {
        let (block, after) = rest.split_at(usize::from(*length).min(rest.len()));
        input = after;
        let mut bytes = 0;
        let whole = decoder.decode(block, &mut |name, value| {
            bytes += name.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        });
        assert!(bytes <= MAX_DECODED);
        assert!(whole.is_ok() || !decoder.is_complete());
    }
}
