//! Any bytes in place of an answer of connection tracking are refused, or are an entry of which either end leads to the
//! other. The first four bytes are the number of the question.

use auditor::identity::conntrack::message::{Answer, answer};

pub fn run(input: &[u8]) {
    let Some((number, bytes)) = input.split_first_chunk::<4>() else {
        return;
    };
    let Ok(Answer::Entry(entry)) = answer(bytes, u32::from_ne_bytes(*number)) else {
        return;
    };
    if let Some(other) = entry.other_end(entry.original) {
        assert_eq!(other, entry.reply);
        assert!(entry.other_end(entry.reply).is_some());
    }
}
