use super::*;
use crate::report::observation::tests::card;

fn finding() -> Finding {
    card().into_finding("id".into(), None, jiff::Timestamp::UNIX_EPOCH)
}

fn lines() -> String {
    let mut many = finding();
    many.count = 12_345;
    many.severity = Severity::Critical;
    let mut hostile = finding();
    let source = hostile.source.as_mut().unwrap();
    source.workload = None;
    source.process.as_mut().unwrap().exe = None;
    source.process.as_mut().unwrap().comm = Some("a\u{1b}[2Jb".into());
    hostile.location.field = Some("$.\u{202e}x\r\n".into());
    let mut protected = finding();
    protected.kind = crate::report::finding::Kind::Observation;
    protected.state = crate::detect::State::Masked;
    protected.flow.as_mut().unwrap().encrypted = false;
    protected.location.field = None;
    protected.destination = None;
    let table = Table::plain();
    let rows = [finding(), many, hostile, protected];
    let lines: Vec<String> = rows.iter().map(|f| table.line(&Row::of(f))).collect();
    format!("{}\n{}", table.header(), lines.join("\n"))
}

#[test]
fn findings_line_up_in_columns_a_person_reads_at_a_glance() {
    insta::assert_snapshot!(lines(), @r"
    TIME     SEV  DETECTOR     SAMPLE           SOURCE → DESTINATION   OPERATION       WHERE              BY      CONF COUNT
    10:00:00 HIGH payment_card 544791******0247 python3 → nginx        POST /v…es/{id} req …r.card.number openssl high
    10:00:00 CRIT payment_card 544791******0247 python3 → nginx        POST /v…es/{id} req …r.card.number openssl high ×12k
    10:00:00 HIGH payment_card 544791******0247 a\x1b[2Jb → nginx      POST /v…es/{id} req …02e}x\x0d\x0a openssl high
    10:00:00 mask payment_card 544791******0247 python3 → unknown      POST /v…es/{id} req.body           plain   high
    ");
}

#[test]
fn no_line_is_wider_than_its_terminal() {
    for line in lines().lines() {
        assert!(line.chars().count() <= NARROW, "{line}");
    }
    let mut long = finding();
    long.sample = "9".repeat(300);
    long.flow.as_mut().unwrap().operation = Some("x".repeat(300));
    long.location.field = Some("y".repeat(300));
    long.count = u64::MAX;
    for width in [NARROW, 150, 200, WIDE] {
        let line = Table { width, colour: false }.line(&Row::of(&long));
        assert!(line.chars().count() <= width, "{width}: {}", line.chars().count());
    }
}

#[test]
fn the_row_of_a_finding_is_the_row_of_its_json() {
    for finding in [
        finding(),
        Finding {
            flow: None,
            source: None,
            ..finding()
        },
    ] {
        let mut row = Row::of(&finding);
        if finding.flow.is_none() {
            row.captured_by = "plain".into();
        }
        assert_eq!(Row::of_json(&serde_json::to_string(&finding).unwrap()), Some(row));
    }
    assert_eq!(Row::of_json(r#"{"schema":"auditor.tail/v1","dropped":3}"#), None);
}

#[test]
fn colour_follows_severity() {
    let line = Table {
        width: NARROW,
        colour: true,
    }
    .line(&Row::of(&finding()));
    assert!(
        line.starts_with("\u{1b}[31m") && line.ends_with("\u{1b}[0m"),
        "{line:?}"
    );
}

proptest::proptest! {
    #[test]
    fn nothing_that_steers_a_terminal_survives_in_any_column(text in "\\PC*|[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{206f}a]{0,40}") {
        let mut finding = finding();
        finding.sample = text.clone();
        finding.location.field = Some(text.clone());
        finding.flow.as_mut().unwrap().operation = Some(text.clone());
        finding.destination.as_mut().unwrap().workload.as_mut().unwrap().name = text;
        let line = Table::plain().line(&Row::of(&finding));
        proptest::prop_assert!(!line.contains(steers), "{:?}", line);
        proptest::prop_assert!(line.chars().count() <= NARROW);
    }
}
