//! A connection of which nothing is known.

pub fn run(input: &[u8]) {
    super::conversation::run(&[], input);
}
