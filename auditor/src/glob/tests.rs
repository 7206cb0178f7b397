use proptest::prelude::*;

use super::overlap::{Overlap, are_apart, common, covers, search};
use super::*;

fn glob(text: &str, dialect: Dialect) -> Glob {
    Glob::parse(text, dialect).unwrap()
}

#[test]
fn a_pattern_matches_what_its_dialect_says() {
    use Dialect::*;
    let cases = [
        ("POST /v1/charges*", Text, "POST /v1/charges/{id}", true),
        ("POST /v1/charges*", Text, "POST /v2/charges", false),
        ("*", Text, "", true),
        ("*a*b", Text, "xxaxxab", true),
        ("*a*b", Text, "xxaxxabc", false),
        (r"a\*", Text, "a*", true),
        (r"a\*", Text, "ab", false),
        (r"dev\x2dx", Text, r"dev\x2dx", true),
        ("$.items[*].card", Path, "$.items[12].card", true),
        ("$.items[*].card", Path, "$.items[1].x[2].card", false),
        ("$.*.card", Path, "$.a.card", true),
        ("$.*.card", Path, "$.a.b.card", false),
        ("$.**.card", Path, "$.a.b.card", true),
        ("**", Path, "Authorization", true),
        ("*", Path, "$.a", false),
        ("deployment/checkout", Workload, "Deployment/checkout", true),
        ("checkout", Workload, "StatefulSet/checkout", true),
        ("checkout", Workload, "a/b/checkout", false),
        ("check*", Workload, "Job/check/x", true),
        ("*/x", Workload, "Job/x", true),
        ("/usr/sbin/nginx", Workload, "Process//usr/sbin/nginx", true),
        ("Process//usr/*", Workload, "Process//usr/sbin/nginx", true),
    ];
    for (pattern, dialect, text, expected) in cases {
        assert_eq!(glob(pattern, dialect).matches(text), expected, "{pattern} {text}");
    }
    assert_eq!(Glob::parse("", Text), Err(GlobError::Empty));
    assert_eq!(Glob::parse(&"a".repeat(257), Text), Err(GlobError::TooLong));
    assert!(glob(&"*a".repeat(128), Text).matches(&"a".repeat(128)));
}

#[test]
fn a_workload_without_a_name_is_read_again_too() {
    for text in ["*/", "Deployment/", "*/a/b", "/"] {
        let first = glob(text, Dialect::Workload);
        assert_eq!(glob(&first.to_string(), Dialect::Workload), first, "{text}");
    }
}

#[test]
fn a_narrower_pattern_has_the_greater_rank() {
    let order = [
        "**",
        "*",
        "$.**",
        "$.*",
        "$.card*",
        "$.card.**",
        "$.card.*",
        "$.card.number",
    ];
    let ranks: Vec<Rank> = order
        .iter()
        .map(|text| glob(text, Dialect::Path).rank())
        .collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Text), Just(Dialect::Path), Just(Dialect::Workload)]
}

/// The plain definition, exponential: tries every length of every wildcard.
fn matches_slowly(tokens: &[Token], dialect: Dialect, text: &[char]) -> bool {
    match tokens.split_first() {
        None => text.is_empty(),
        Some((Token::Literal(c), rest)) => {
            text.first() == Some(c) && matches_slowly(rest, dialect, &text[1..])
        }
        Some((wildcard, rest)) => (0..=text.len())
            .take_while(|n| *wildcard == Token::Any || text[..*n].iter().all(|c| !is_separator(dialect, *c)))
            .any(|n| matches_slowly(rest, dialect, &text[n..])),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(text in r"[ab*\\./,\[\] ]{1,12}|\PC{1,20}", dialect in dialect()) {
        let Ok(first) = Glob::parse(&text, dialect) else { return Ok(()) };
        prop_assert_eq!(&Glob::parse(&first.to_string(), dialect).unwrap(), &first);
        let mut escaped = String::new();
        first.write(&mut escaped, |c| matches!(c, ',' | ' ' | '(')).unwrap();
        prop_assert_eq!(&Glob::parse(&escaped, dialect).unwrap(), &first);
    }

    #[test]
    fn matching_is_what_the_definition_says(pattern in "[ab.*/]{1,8}", text in "[ab./]{0,8}", dialect in dialect()) {
        let glob = glob(&pattern, dialect);
        let letters: Vec<char> = text.chars().collect();
        prop_assert_eq!(glob.matches(&text), matches_slowly(&glob.tokens, dialect, &letters));
    }

    #[test]
    fn an_overlap_is_found_exactly_when_there_is_one(
        patterns in prop::collection::vec("[ab.*]{1,5}", 2..4),
        none in prop::collection::vec("[ab.*]{1,5}", 0..2),
        texts in prop::collection::vec("[ab.x]{0,7}", 200),
        dialect in dialect(),
    ) {
        let all: Vec<[Glob; 1]> = patterns.iter().map(|text| [glob(text, dialect)]).collect();
        let all: Vec<&[Glob]> = all.iter().map(|one| &one[..]).collect();
        let none: Vec<Glob> = none.iter().map(|text| glob(text, dialect)).collect();
        let none: Vec<&Glob> = none.iter().collect();
        let fits = |text: &str| {
            all.iter().all(|group| group[0].matches(text)) && !none.iter().any(|glob| glob.matches(text))
        };
        match common(&all, &none) {
            Overlap::Something(text) => prop_assert!(fits(&text), "{:?}", text),
            Overlap::Nothing => prop_assert!(!texts.iter().any(|text| fits(text))),
            Overlap::Undecided => prop_assert!(false, "too many states for so short patterns"),
        }
    }

    #[test]
    fn patterns_that_are_plainly_apart_have_nothing_in_common(
        a in r"[ab]{0,2}\.[ab*]{0,3}\[[ab*.]{1,4}",
        b in r"[ab]{0,2}\.[ab*]{0,3}[.\[][ab*.]{1,4}",
        dialect in dialect(),
    ) {
        let (a, b) = (glob(&a, dialect), glob(&b, dialect));
        if are_apart(&a, &b) {
            prop_assert_eq!(search(&[&[a], &[b]], &[]), Overlap::Nothing);
        }
    }

    #[test]
    fn parts_between_separators_tell_patterns_apart(a in 0..10_u8, b in 0..10_u8, tail in r"\*\*|\*|x") {
        let [one, other] = [a, b].map(|n| glob(&format!("$.*.debug{n}.{tail}"), Dialect::Path));
        prop_assert_eq!(are_apart(&one, &other), a != b);
    }

    #[test]
    fn what_is_covered_never_has_the_lower_rank(a in "[ab.*]{1,6}", b in "[ab.*]{1,6}", dialect in dialect()) {
        let (a, b) = (glob(&a, dialect), glob(&b, dialect));
        if covers(std::slice::from_ref(&a), std::slice::from_ref(&b)) {
            prop_assert!(b.rank() >= a.rank());
        }
    }
}
