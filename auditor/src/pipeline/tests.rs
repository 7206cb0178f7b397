//! From records of a ring to findings, without a kernel.

use auditor_common::record::{ENDPOINT_LEN, HEADER_LEN, Kind, RecordHeader, Source, role};
use crossbeam_channel::unbounded;

use super::replay::Replay;
use super::selection::Told;
use super::*;
use crate::capture::policy::Reading;
use crate::capture::ring::Record;
use crate::detect::{Confidence, Fingerprinter};
use crate::ledger::{Account, Ledger};
use crate::report::finding::Finding;

/// A sender of HTTP requests on one TLS stream, and all stages behind it.
struct Bench {
    replay: Replay,
    /// What the kernel side is told of streams.
    told: Receiver<Told>,
    offset: u64,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self::unbound();
        bench.bind();
        bench
    }

    /// What the kernel side was told of streams since.
    fn told(&self) -> Vec<(u64, Reading)> {
        let told = self.told.try_iter();
        told.map(|told| (told.stream, told.reading)).collect()
    }

    fn unbound() -> Self {
        Self::selecting(Selection::default())
    }

    /// Not bound either, and with connections that are left out.
    fn selecting(selection: Selection) -> Self {
        let (policies, told) = unbounded();
        let scanner = Scanner::new(Fingerprinter::new([7; 32]));
        Self {
            replay: Replay::selecting(scanner, selection, policies).unwrap(),
            told,
            offset: 0,
        }
    }

    /// The stream's socket becomes known: from 10.0.0.1 to 203.0.113.9, port 443.
    fn bind(&mut self) {
        let mut payload = [0; ENDPOINT_LEN];
        payload[..4].copy_from_slice(&[10, 0, 0, 1]);
        payload[16..20].copy_from_slice(&[203, 0, 113, 9]);
        payload[36..38].copy_from_slice(&40_000u16.to_ne_bytes());
        payload[38..40].copy_from_slice(&443u16.to_ne_bytes());
        payload[40..42].copy_from_slice(&2u16.to_ne_bytes());
        payload[42] = role::CLIENT;
        let mut header = RecordHeader::decode(&[0; HEADER_LEN]).unwrap();
        header.cookie = 77;
        header.len = ENDPOINT_LEN as u32;
        self.replay.streams.record(&Record {
            header,
            kind: Kind::Bound,
            source: Source::Tls,
            payload: &payload,
        });
    }

    /// Sends a body in a request of its own; returns what is reported at once.
    fn post(&mut self, body: &str) -> Vec<Finding> {
        self.send(body);
        self.reported()
    }

    fn send(&mut self, body: &str) {
        let request = format!(
            "POST /orders HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send_bytes(request.as_bytes());
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        let mut header = RecordHeader::decode(&[0; HEADER_LEN]).unwrap();
        header.offset = self.offset;
        header.len = bytes.len() as u32;
        self.offset += bytes.len() as u64;
        self.replay.streams.record(&Record {
            header,
            kind: Kind::Data,
            source: Source::Tls,
            payload: bytes,
        });
    }

    fn reported(&mut self) -> Vec<Finding> {
        let mut findings = self.replay.reported();
        findings.extend(self.replay.reporter.due());
        findings
    }

    fn is_clean(&self) -> bool {
        self.replay.shared.watchlist.current().is_empty()
    }
}

/// Sixteen digits that begin like a Visa card; `check` is added to the check digit.
fn number(n: u64, check: u64) -> String {
    let digits = 400_000_000_000_000 + n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 99_999_999_999_999;
    let sum: u64 = (0..15)
        .map(|place| {
            let digit = digits / 10u64.pow(place) % 10;
            let doubled = if place % 2 == 0 { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10 + check) % 10)
}

#[test]
fn cards_in_a_field_without_a_telling_name_are_found_after_a_few() {
    let mut bench = Bench::new();
    let mut findings = Vec::new();
    for n in 1..=10 {
        findings.extend(bench.post(&format!(r#"{{"a":[{{"zq":"{}"}}]}}"#, number(n, 0))));
        assert_eq!(findings.is_empty(), n < 6, "after {n}");
    }
    findings.extend(bench.replay.reporter.finish());
    let last = findings.last().unwrap();
    assert_eq!(last.detector, "payment_card");
    assert_eq!(last.confidence, Confidence::High);
    assert_eq!(last.count, 10, "those that waited are counted, too");
    assert_eq!(last.location.field.as_deref(), Some("$.a[0].zq"));
    assert_eq!(bench.replay.reporter.aggregator().low_confidence(), 0);
    let accounted = bench.replay.shared.ledger.settled(Ledger::Tls, Account::Scanned);
    assert_eq!(accounted, bench.offset);
}

#[test]
fn ids_of_which_one_in_ten_passes_are_never_reported_and_soon_not_counted() {
    let mut bench = Bench::new();
    for n in 0..500 {
        let findings = bench.post(&format!(r#"{{"zq":"{}"}}"#, number(n, n % 10)));
        assert!(findings.is_empty(), "after {n}");
    }
    assert!(bench.is_clean(), "the field is decided");
    assert!(bench.replay.reporter.finish().is_empty());
    assert_eq!(bench.replay.reporter.aggregator().low_confidence(), 50);
}

#[test]
fn a_card_in_a_field_that_was_masked_is_found_at_once() {
    let mut bench = Bench::new();
    assert!(bench.post(r#"{"zq":"************0247"}"#).is_empty());
    let findings = bench.post(&format!(r#"{{"zq":"{}"}}"#, number(1, 0)));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].confidence, Confidence::High);
}

#[test]
fn what_fields_carried_outlives_the_reporter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sketches");
    let mut before = Bench::new();
    before.post(r#"{"zq":"************0247"}"#);
    before.replay.reporter.stored_sketches().write(&path).unwrap();
    let mut after = Bench::new();
    after.replay.reporter.load_sketches(&path);
    assert_eq!(after.post(&format!(r#"{{"zq":"{}"}}"#, number(1, 0))).len(), 1);
}

/// Where a finding says the bytes went.
fn destinations(findings: &[Finding]) -> Vec<Option<String>> {
    let ends = findings.iter().map(|finding| &finding.destination);
    ends.map(|end| end.as_ref().and_then(|end| end.address.clone()))
        .collect()
}

const BODY: &str = r#"{"card_number":"5447911234560249"}"#;

#[test]
fn what_a_stream_brings_before_it_is_bound_names_its_peer() {
    let mut bench = Bench::unbound();
    bench.send(BODY);
    assert!(bench.reported().is_empty());
    bench.bind();
    let named = Some("203.0.113.9:443".to_owned());
    assert_eq!(destinations(&bench.reported()), [named]);
}

#[test]
fn what_is_never_bound_is_reported_without_a_peer_after_a_moment() {
    let mut bench = Bench::unbound();
    let sent = std::time::Instant::now();
    bench.send(BODY);
    let mut findings = Vec::new();
    while findings.is_empty() && sent.elapsed() < Duration::from_secs(10) {
        bench.replay.streams.settle();
        findings = bench.reported();
        std::thread::yield_now();
    }
    assert!(sent.elapsed() >= crate::stream::BINDING);
    assert_eq!(destinations(&findings), [None]);
    // From then on nothing waits.
    bench.send(r#"{"card_number":"4024007103939509"}"#);
    assert_eq!(bench.replay.observations.len(), 1);
}

#[test]
fn a_stream_that_ends_unbound_keeps_nothing_back_and_is_counted() {
    let mut bench = Bench::unbound();
    bench.send(BODY);
    bench.replay.streams.finish();
    assert_eq!(destinations(&bench.reported()), [None]);
    assert_eq!(Totals::get(&bench.replay.shared.totals.unbound), 1);
}

#[test]
fn what_a_connection_brings_that_is_left_out_is_muted_and_the_kernel_side_told_once() {
    let rule: Rule = "peer=203.0.113.0/24 peer_port=443".parse().unwrap();
    let mut bench = Bench::selecting(Selection::new([rule]));
    bench.bind();
    assert!(bench.post(BODY).is_empty());
    assert!(bench.post(BODY).is_empty());
    assert_eq!(
        bench.replay.shared.ledger.settled(Ledger::Tls, Account::Muted),
        bench.offset
    );
    assert_eq!(bench.told(), [(0, Reading::Nothing)]);
}

#[test]
fn a_stream_is_left_out_from_when_its_peer_is_known() {
    let rule: Rule = "peer_port=443".parse().unwrap();
    let mut bench = Bench::selecting(Selection::new([rule]));
    bench.send(BODY);
    let read = bench.offset;
    bench.bind();
    assert_eq!(bench.reported().len(), 1);
    assert!(bench.post(BODY).is_empty());
    let settled = |account| bench.replay.shared.ledger.settled(Ledger::Tls, account);
    assert_eq!(settled(Account::Scanned), read);
    assert_eq!(settled(Account::Muted), bench.offset - read);
}

#[test]
fn of_a_connection_that_is_read_in_part_the_kernel_side_is_told_how_much() {
    let rule: Rule = "peer_port=443 first=512".parse().unwrap();
    let mut bench = Bench::selecting(Selection::new([rule]));
    bench.bind();
    assert_eq!(bench.post(BODY).len(), 1);
    assert_eq!(bench.told(), [(0, Reading::First(512))]);
}

#[test]
fn other_rules_decide_about_a_connection_anew() {
    let rule: Rule = "peer_port=443".parse().unwrap();
    let mut bench = Bench::selecting(Selection::new([rule.clone()]));
    bench.bind();
    assert!(bench.post(BODY).is_empty());
    let rules = |bench: &Bench, rules: &[Rule]| {
        let selection = Selection::new(rules.iter().cloned());
        bench.replay.shared.selection.set(selection);
    };
    assert_eq!(bench.told(), [(0, Reading::Nothing)]);
    // The same ones are no others.
    rules(&bench, std::slice::from_ref(&rule));
    assert!(bench.post(BODY).is_empty());
    assert!(bench.told().is_empty());
    let muted = bench.offset;
    rules(&bench, &[]);
    assert_eq!(bench.post(BODY).len(), 1);
    let read = bench.offset - muted;
    // The kernel side forgets by itself, and is told again.
    assert!(bench.told().is_empty());
    rules(&bench, &[rule]);
    assert!(bench.post(BODY).is_empty());
    assert_eq!(bench.told(), [(0, Reading::Nothing)]);
    let settled = |account| bench.replay.shared.ledger.settled(Ledger::Tls, account);
    assert_eq!(settled(Account::Scanned), read);
    assert_eq!(settled(Account::Muted), bench.offset - read);
}

#[test]
fn what_is_left_out_of_a_message_is_a_gap_in_it() {
    let mut bench = Bench::selecting(Selection::default());
    bench.bind();
    let rules = |bench: &Bench, rules: &[&str]| {
        let selection = Selection::new(rules.iter().map(|rule| rule.parse().unwrap()));
        bench.replay.shared.selection.set(selection);
    };
    bench.send_bytes(b"POST /files HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 500\r\n\r\n");
    rules(&bench, &["peer_port=443"]);
    bench.send_bytes(&[b'x'; 500]);
    rules(&bench, &[]);
    let findings = bench.post(BODY);
    let operation = |finding: &Finding| finding.flow.as_ref()?.operation.clone();
    let operations: Vec<_> = findings.iter().map(operation).collect();
    assert_eq!(operations, [Some("POST /orders".to_owned())]);
}

/// The counts of the masking ledger, by field.
fn counted(bench: &mut Bench, bodies: &[&str]) -> Vec<(String, crate::masking::Counts)> {
    use crate::masking::{Book, Limits, drift};

    let book = Book::new(
        Limits::default(),
        drift::Settings::default(),
        std::time::Instant::now(),
    );
    let book = Arc::new(std::sync::Mutex::new(book));
    bench.replay.reporter.count_in(Arc::clone(&book));
    for body in bodies {
        bench.post(body);
    }
    bench.replay.finish();
    let book = book.lock().unwrap();
    let mut rows: Vec<_> = book
        .rows()
        .map(|row| {
            let field = row.field.field.unwrap_or_default();
            (format!("{field} {}", row.field.detector), row.record.counts())
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

#[test]
fn what_is_masked_hashed_or_tokenised_reaches_the_masking_ledger_without_any_clear_value() {
    let sha = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let bodies = [
        r#"{"card_number":"544791******0249"}"#.to_owned(),
        format!(r#"{{"card_hash":"{sha}","iban":"{sha}"}}"#),
        r#"{"card_number":"tok_1MqLiJLkdIwHu7ixUEgbFdYF"}"#.to_owned(),
        r#"{"list":[{"email":"j***@example.org"},{"email":"k***@example.org"}]}"#.to_owned(),
        r#"{"ssn":"***-**-6789"}"#.to_owned(),
    ];
    let bodies = bodies.each_ref().map(String::as_str);
    let rows = counted(&mut Bench::new(), &bodies);
    let of = |name: &str| {
        let row = rows.iter().find(|(field, _)| field == name);
        row.unwrap_or_else(|| panic!("no {name} in {rows:?}")).1
    };
    let card = of("$.card_number payment_card");
    assert_eq!((card.masked, card.tokenised, card.clear), (1, 1, 0), "{rows:?}");
    assert_eq!(of("$.iban iban").hashed, 1);
    assert_eq!(of("$.list[*].email email_address").masked, 2);
    assert_eq!(of("$.ssn us_ssn").masked, 1);
    assert!(rows.iter().all(|(_, counts)| counts.clear == 0), "{rows:?}");
}

#[test]
fn masked_values_count_whatever_their_field_is_called() {
    let bodies = [r#"{"zq":"544791******0249"}"#, r#"{"zq":"************0247"}"#];
    let rows = counted(&mut Bench::new(), &bodies);
    let masked: u64 = rows.iter().map(|(_, counts)| counts.masked).sum();
    assert_eq!(masked, 2, "{rows:?}");
}
