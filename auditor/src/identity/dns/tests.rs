use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// A name as labels with their lengths.
fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.bytes());
    }
    out.push(0);
    out
}

fn head(id: u16, flags: u16, answers: u16) -> Vec<u8> {
    [id, flags, 1, answers, 0, 0]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect()
}

fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut out = head(id, 0x0100, 0);
    out.extend(labels(name));
    out.extend([kind.to_be_bytes(), 1_u16.to_be_bytes()].concat());
    out
}

/// A record of an answer: its owner, kind, seconds and data.
type Record<'a> = (&'a str, u16, u32, Vec<u8>);

fn answer(id: u16, name: &str, records: &[Record<'_>]) -> Vec<u8> {
    let mut out = question(id, name, 1);
    out.splice(..12, head(id, 0x8180, u16::try_from(records.len()).unwrap()));
    for (owner, kind, seconds, data) in records {
        // A pointer to the name that was asked for.
        out.extend(if *owner == name {
            vec![0xc0, 12]
        } else {
            labels(owner)
        });
        out.extend([kind.to_be_bytes(), 1_u16.to_be_bytes()].concat());
        out.extend(seconds.to_be_bytes());
        out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(data);
    }
    out
}

fn a(last: u8) -> Vec<u8> {
    vec![203, 0, 113, last]
}

const fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, last))
}

fn told(datagram: &[u8]) -> Option<(String, Vec<(IpAddr, u32)>)> {
    match read(datagram)? {
        Said::Answer { answer, .. } => Some((answer.name.to_string(), answer.addresses)),
        Said::Question { .. } => None,
    }
}

#[test]
fn addresses_are_those_of_the_name_that_was_asked_for() {
    let aaaa = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let alias = labels("edge.cdn.example");
    let cases: [(&[Record<'_>], Vec<(IpAddr, u32)>); 5] = [
        (
            &[("Api.example.com", 1, 60, a(1)), ("api.example.com", 1, 60, a(2))],
            vec![(ip(1), 60), (ip(2), 60)],
        ),
        (
            &[("api.example.com", 28, 60, aaaa.octets().to_vec())],
            vec![(IpAddr::V6(aaaa), 60)],
        ),
        // An alias, in any order; what ends first counts.
        (
            &[
                ("edge.cdn.example", 1, 300, a(3)),
                ("api.example.com", 5, 20, alias.clone()),
            ],
            vec![(ip(3), 20)],
        ),
        // What nobody asked for does not count.
        (
            &[("api.example.com", 1, 60, a(1)), ("bank.example", 1, 60, a(9))],
            vec![(ip(1), 60)],
        ),
        // An alias of itself.
        (
            &[
                ("api.example.com", 5, 20, labels("api.example.com")),
                ("api.example.com", 1, 60, a(1)),
            ],
            vec![(ip(1), 20)],
        ),
    ];
    for (records, expected) in cases {
        let (name, addresses) = told(&answer(7, "api.example.com", records)).unwrap();
        assert_eq!(name, "api.example.com");
        assert_eq!(addresses, expected);
    }
}

#[test]
fn what_is_no_answer_names_nothing() {
    let good = answer(7, "api.example.com", &[("api.example.com", 1, 60, a(1))]);
    assert!(told(&good).is_some());
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        good[..good.len() - 1].to_vec(),
        // Not a query; truncated; no such name; two questions; a pointer to itself.
        with(2, 0xa8),
        with(2, 0x83),
        with(3, 0x83),
        with(5, 2),
        with(12, 0xc0),
        answer(7, "a b.example", &[("a b.example", 1, 60, a(1))]),
        answer(7, "\u{1b}[31m.example", &[]),
        answer(7, "10.0.0.1", &[("10.0.0.1", 1, 60, a(1))]),
        answer(7, "api.example.com", &[("api.example.com", 1, 60, vec![1, 2, 3])]),
        answer(7, "api.example.com", &[("bank.example", 1, 60, a(1))]),
        Vec::new(),
    ];
    for (number, datagram) in cases.iter().enumerate() {
        assert_eq!(told(datagram), None, "case {number}");
    }
}

#[test]
fn only_an_answer_to_what_the_socket_asked_counts() {
    let told = answer(7, "api.example.com", &[("api.example.com", 1, 60, a(1))]);
    let mut questions = Questions::default();
    assert_eq!(questions.answered(&told), None, "nobody asked");
    questions.asked(&question(8, "api.example.com", 1));
    questions.asked(&question(7, "bank.example", 1));
    assert_eq!(questions.answered(&told), None, "another id, another name");
    questions.asked(&question(7, "API.example.com", 1));
    let answer = questions.answered(&told).unwrap();
    assert_eq!(&*answer.name, "api.example.com");
    assert_eq!(questions.answered(&told), None, "once");
    for id in 0..100 {
        questions.asked(&question(id, "api.example.com", 28));
    }
    assert_eq!(questions.0.len(), MAX_QUESTIONS);
}

fn given(names: &Names, netns: u32, name: &str, ip: IpAddr, seconds: u32, at: u64) {
    let answer = Answer {
        name: name.into(),
        addresses: vec![(ip, seconds)],
    };
    names.learn(netns, &answer, at * NANOSECONDS);
}

fn at(names: &Names, netns: u32, ip: IpAddr, seconds: u64) -> Vec<String> {
    let names = names.at(netns, ip, seconds * NANOSECONDS);
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_for_who_was_told_it_and_as_long_as_it_lives() {
    let names = Names::default();
    given(&names, 1, "api.example.com", ip(1), 60, 1000);
    assert_eq!(at(&names, 1, ip(1), 1000), ["api.example.com"]);
    assert_eq!(at(&names, 1, ip(1), 1060), ["api.example.com"]);
    for (netns, ip, seconds) in [
        (1, ip(1), 999),
        (1, ip(1), 1061),
        (2, ip(1), 1000),
        (1, ip(2), 1000),
    ] {
        assert!(
            at(&names, netns, ip, seconds).is_empty(),
            "{netns} {ip} {seconds}"
        );
    }
    given(&names, 1, "short.example", ip(3), 0, 1000);
    assert_eq!(at(&names, 1, ip(3), 1000 + SHORTEST), ["short.example"]);
    given(&names, 1, "long.example", ip(4), u32::MAX, 1000);
    assert!(at(&names, 1, ip(4), 1001 + LONGEST).is_empty());
    given(&names, 0, "nowhere.example", ip(5), 60, 1000);
    assert!(at(&names, 0, ip(5), 1000).is_empty());
}

#[test]
fn addresses_of_every_host_have_no_name() {
    let names = Names::default();
    for text in [
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "::ffff:127.0.0.1",
    ] {
        let ip: IpAddr = text.parse().unwrap();
        given(&names, 1, "evil.example", ip, 60, 1000);
        assert!(at(&names, 1, ip, 1000).is_empty(), "{text}");
    }
}

#[test]
fn who_asks_for_much_pushes_out_what_it_asked_for_itself() {
    let names = Names::default();
    given(&names, 1, "api.example.com", ip(1), 60, 1000);
    for number in 0..4 * u32::try_from(MAX_ADDRESSES).unwrap() {
        given(
            &names,
            2,
            "evil.example",
            IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + number)),
            60,
            1000,
        );
    }
    for number in 0..100 {
        given(&names, 2, &format!("{number}.evil.example"), ip(1), 60, 1000);
    }
    assert_eq!(at(&names, 1, ip(1), 1000), ["api.example.com"]);
    assert_eq!(at(&names, 2, ip(1), 1000).len(), MAX_NAMES);
    {
        let views = names.0.lock().unwrap();
        assert_eq!(views.views[&2].addresses.len(), MAX_ADDRESSES);
        assert_eq!(views.views[&2].order.len(), MAX_ADDRESSES);
    }
    for netns in 3..3 + 2 * u32::try_from(MAX_VIEWS).unwrap() {
        given(&names, netns, "a.example", ip(1), 60, 1000);
    }
    assert_eq!(names.0.lock().unwrap().views.len(), MAX_VIEWS);
}

#[test]
fn what_led_to_an_address_counts_more_than_what_was_written_there() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| Arc::from(*name))
            .collect::<Vec<Arc<str>>>()
    };
    let (none, one, two) = (
        names(&[]),
        names(&["a.example"]),
        names(&["a.example", "b.example"]),
    );
    assert_eq!(choose(&none, None), None);
    assert_eq!(choose(&none, Some("a.example")), Some(("a.example", false)));
    assert_eq!(choose(&one, None), Some(("a.example", true)));
    assert_eq!(choose(&one, Some("bank.example")), Some(("a.example", true)));
    assert_eq!(choose(&two, Some("b.example")), Some(("b.example", true)));
    assert_eq!(choose(&two, Some("bank.example")), None);
    assert_eq!(choose(&two, None), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = head(7, 0x8180, 3);
        framed.extend(&bytes);
        for datagram in [&bytes, &framed] {
            match read(datagram) {
                Some(Said::Question { name, .. }) => prop_assert!(is_harmless(&name)),
                Some(Said::Answer { answer, .. }) => prop_assert!(is_harmless(&answer.name)),
                None => {}
            }
        }
    }

    #[test]
    fn a_broken_answer_names_nobody_else(at in 0_usize..80, byte in any::<u8>()) {
        let mut datagram = answer(7, "api.example.com", &[
            ("api.example.com", 5, 20, labels("edge.cdn.example")),
            ("edge.cdn.example", 1, 300, a(3)),
        ]);
        let at = at % datagram.len();
        datagram[at] = byte;
        let mut questions = Questions::default();
        questions.asked(&question(7, "api.example.com", 1));
        if let Some(answer) = questions.answered(&datagram) {
            prop_assert_eq!(&*answer.name, "api.example.com");
        }
    }
}

fn is_harmless(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
