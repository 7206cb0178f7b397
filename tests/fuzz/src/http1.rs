//! A connection of which nothing is known.

pub fn run(input: &[u8]) {
    crate::conversation::run(&[], input);
}
