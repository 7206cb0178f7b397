use super::*;
use crate::masking::tests::{Bench, seen};

fn answer(text: &str) -> Answer {
    let mut bench = Bench::new(10);
    for state in [
        State::Clear,
        State::Masked,
        State::Masked,
        State::Hashed,
        State::Test,
    ] {
        bench.see(&seen("$.card", state));
    }
    let rows: Vec<Row> = bench.book.rows().collect();
    text.parse::<Requirement>()
        .unwrap()
        .judge(&rows, &Traffic::default())
}

#[test]
fn a_requirement_is_met_by_what_was_seen() {
    for (text, is_met) in [
        ("payment_card masked >= 75%", true),
        ("payment_card protected = 75 %", true),
        ("payment_card masked>=75.000001%", false),
        ("payment_card masked > 75%", false),
        ("payment masked > 74.999999%", true),
        ("pci-dss masked >= 100% in namespace shop", false),
        (
            "everything only masked = 50% in workload Deployment/checkout",
            true,
        ),
        (
            "everything only hashed >= 25% from namespace=shop to workload=orders",
            true,
        ),
        ("everything masked >= 0% to namespace=shop", true),
    ] {
        assert_eq!(answer(text).is_met, is_met, "{text}");
    }
}

#[test]
fn a_requirement_about_what_was_never_seen_is_not_met() {
    for text in [
        "iban masked >= 0%",
        "payment_card masked >= 0% in namespace pay",
        "payment_card masked >= 0% from external",
        "payment_card masked >= 0% to workload=checkout",
        "traffic seen >= 0%",
    ] {
        let answer = answer(text);
        assert_eq!((answer.is_met, answer.all), (false, 0), "{text}");
    }
}

#[test]
fn what_can_not_be_read_says_where() {
    for (text, expected) in [
        ("", "it ends too early: expected a detector"),
        ("payment_card", "it ends too early: expected `masked`"),
        (
            "payment_crad masked >= 1%",
            "`payment_crad` is no detector, category or regulation; did you mean `payment_card`?",
        ),
        (
            "payment_card clear >= 1%",
            "`clear` is not `masked`, `protected` or `only` with a state",
        ),
        (
            "payment_card only clear >= 1%",
            "`clear` is not `masked`, `hashed`",
        ),
        ("payment_card masked <= 1%", "`<=` is not `>=`"),
        ("payment_card masked >= 101%", "`101` is no percentage"),
        ("payment_card masked >= 1e1%", "`1e1` is no percentage"),
        ("payment_card masked >= 100", "it ends too early: expected `%`"),
        (
            "payment_card masked >= 1% near namespace shop",
            "`near` is not `in`, `from` or `to`",
        ),
        (
            "payment_card masked >= 1% in pod shop",
            "`pod` is not `namespace`",
        ),
        (
            "payment_card masked >= 1% from pod=a",
            "the ledger does not keep `pod`",
        ),
        ("payment_card masked >= 1% from namspace=a", "`namspace=a`: "),
        (
            "payment_card masked >= 1% to external from any",
            "`external from any`: ",
        ),
        ("traffic masked >= 1%", "`masked` is not `seen`"),
    ] {
        let error = text.parse::<Requirement>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert!(Requirement::parse("badge masked >= 1%", &["badge"]).is_ok());
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}|(payment_card|iban| |masked|only|>=|=|[0-9.]{1,9}|%|in|from|to|namespace){0,12}") {
        if let Ok(requirement) = text.parse::<Requirement>() {
            let again = requirement.to_string().parse::<Requirement>();
            proptest::prop_assert_eq!(again, Ok(requirement));
        }
    }

    #[test]
    fn every_percentage_with_six_places_is_read_exactly(millionths in 0_u64..=100_000_000) {
        let (whole, fraction) = (millionths / 1_000_000, millionths % 1_000_000);
        let requirement: Requirement = format!("iban masked = {whole}.{fraction:06}%").parse().unwrap();
        proptest::prop_assert_eq!(requirement.share, millionths);
    }
}
