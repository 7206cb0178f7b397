//! Any bytes in any stack of content encodings are decoded within the limits, and what is read of them
//! is not more than there is.
//!
//! The input is a byte that chooses codings, one that says how to cut, and the encoded bytes.

use auditor::content::encoding::{Coding, DecodeLimits, Decoder};

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
const LIMITS: DecodeLimits = DecodeLimits {
    total: 1 << 20,
    ratio: 200,
    free: 1 << 16,
    window: 1 << 20,
};
/// What one step of a coding may decode beyond the limits: a block of Zstandard in each, and its window.
const STEP: u64 = LIMITS.window + 4 * (128 << 10);

pub fn run(input: &[u8]) {
    let [choice, piece, bytes @ ..] = input else {
        return;
    };
    let choice = usize::from(*choice);
    // The lowest bits say how many, and whether to look for more; the others which.
    let codings: Vec<Coding> = (0..choice & 3).map(|n| CODINGS[choice >> (3 + n) & 3]).collect();
    let mut decoder = Decoder::new(&codings, choice & 4 != 0, LIMITS);
    let mut decoded = 0;
    for piece in bytes.chunks(usize::from(*piece).max(1)) {
        let (read, stop) = decoder.decode(piece, |bytes| decoded += bytes.len() as u64);
        assert!(read <= piece.len());
        if stop.is_some() {
            break;
        }
        assert_eq!(read, piece.len(), "all is read until something stops it");
    }
    decoder.finish(|bytes| decoded += bytes.len() as u64);
    assert!(decoded <= LIMITS.total + STEP, "the limits hold");
}
