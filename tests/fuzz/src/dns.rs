//! Answers of name servers: names are harmless, and nobody is named who was not asked for.

use auditor::identity::dns::{Questions, Said, read};

pub fn run(input: &[u8]) {
    let is_harmless = |name: &str| {
        !name.is_empty()
            && name.len() <= 253
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match read(input) {
        Some(Said::Question { name, .. }) => assert!(is_harmless(&name)),
        Some(Said::Answer { answer, .. }) => {
            assert!(is_harmless(&answer.name));
            assert!(!answer.addresses.is_empty() && answer.addresses.len() <= 128);
        }
        None => {}
    }
    let mut questions = Questions::default();
    assert_eq!(questions.answered(input), None);
    // A question for `a.example`.
    questions.asked(b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01");
    if let Some(answer) = questions.answered(input) {
        assert_eq!(&*answer.name, "a.example");
    }
}
