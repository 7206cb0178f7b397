//! What servers say of themselves, whoever they are.

use prost_types::FileDescriptorProto;
use prost_types::field_descriptor_proto::Type;

use super::*;
use crate::content::protobuf::tests::named::{PLACE, bytes, field, file, message, of, read_as};
use crate::protocol::Place;

fn answer(files: &[FileDescriptorProto]) -> Vec<u8> {
    let mut response = Vec::new();
    for file in files {
        prost::encoding::bytes::encode(1, &bytes(file.clone()), &mut response);
    }
    let mut answer = Vec::new();
    prost::encoding::string::encode(1, &"localhost".to_owned(), &mut answer);
    prost::encoding::bytes::encode(4, &response, &mut answer);
    answer
}

fn order(note: &str, kind: Type) -> FileDescriptorProto {
    let order = message(
        "Order",
        vec![
            field(note, 1, kind),
            of(".shop.Card", field("card", 2, Type::Message)),
        ],
    );
    file(vec![order], ".shop.Order", ".shop.Order")
}

fn card() -> FileDescriptorProto {
    FileDescriptorProto {
        package: Some("shop".into()),
        message_type: vec![message("Card", vec![field("number", 1, Type::String)])],
        ..Default::default()
    }
}

/// Two fields of a request.
fn paths(registry: &Arc<Registry>) -> Vec<String> {
    let mut card = Vec::new();
    prost::encoding::string::encode(1, &"5447911234560249".to_owned(), &mut card);
    let mut wire = Vec::new();
    prost::encoding::string::encode(1, &"words".to_owned(), &mut wire);
    prost::encoding::bytes::encode(2, &card, &mut wire);
    let read = read_as(
        registry,
        (PLACE, Place::RequestBody),
        "application/grpc",
        &wire,
        9,
    );
    read.into_iter().map(|(path, ..)| path).collect()
}

fn told(registry: &Arc<Registry>, method: &str, answer: &[u8]) {
    read_as(
        registry,
        (method, Place::ResponseBody),
        "application/grpc",
        answer,
        11,
    );
}

fn nothing() -> Arc<Registry> {
    Arc::new(Registry::new(Schema::default(), true))
}

#[test]
fn types_are_known_once_their_file_was_told_of() {
    for method in REFLECTION {
        let registry = nothing();
        assert_eq!(paths(&registry), ["1", "2.1"]);
        told(&registry, method, &answer(&[order("note", Type::String)]));
        assert_eq!(paths(&registry), ["$.note", "$.card.1"]);
        told(&registry, method, &answer(&[card()]));
        told(&registry, method, &answer(&[card()]));
        assert_eq!(paths(&registry), ["$.note", "$.card.number"]);
        let expected = Tally {
            types: 2,
            methods: 1,
            files: 2,
            ..Tally::default()
        };
        assert_eq!(registry.tally(), expected);
    }
}

#[test]
fn only_answers_to_the_question_are_learnt_from() {
    let answer = answer(&[order("note", Type::String)]);
    let registry = nothing();
    for (method, place) in [(PLACE, Place::ResponseBody), (REFLECTION[0], Place::RequestBody)] {
        read_as(&registry, (method, place), "application/grpc", &answer, 11);
    }
    let deaf = Arc::new(Registry::new(Schema::default(), false));
    told(&deaf, REFLECTION[0], &answer);
    for registry in [registry, deaf] {
        assert_eq!(registry.tally(), Tally::default());
        assert_eq!(paths(&registry), ["1", "2.1"]);
    }
}

#[test]
fn a_field_about_which_two_differ_goes_by_number() {
    let registry = nothing();
    told(
        &registry,
        REFLECTION[0],
        &answer(&[order("note", Type::String), card()]),
    );
    told(
        &registry,
        REFLECTION[0],
        &answer(&[order("order_id", Type::String)]),
    );
    assert_eq!(paths(&registry), ["$.1", "$.card.number"]);
    // Whoever comes later is not believed either.
    told(&registry, REFLECTION[0], &answer(&[order("note", Type::Bytes)]));
    assert_eq!(paths(&registry), ["$.1", "$.card.number"]);
    assert_eq!(registry.tally().ambiguous, 1);
}

#[test]
fn a_method_about_whose_messages_two_differ_has_none() {
    let registry = nothing();
    let other = file(Vec::new(), ".shop.Card", ".shop.Order");
    told(
        &registry,
        REFLECTION[0],
        &answer(&[order("note", Type::String), card(), other]),
    );
    assert_eq!(paths(&registry), ["1", "2.1"]);
}

#[test]
fn nobody_contradicts_the_configuration() {
    let mut schema = Schema::default();
    let set = prost_types::FileDescriptorSet {
        file: vec![order("note", Type::String)],
    };
    schema.add_set(&prost::Message::encode_to_vec(&set)).unwrap();
    let registry = Arc::new(Registry::new(schema, true));
    let other = file(
        vec![message("Order", vec![field("order_id", 1, Type::String)])],
        ".shop.Card",
        "",
    );
    told(&registry, REFLECTION[0], &answer(&[other, card()]));
    assert_eq!(paths(&registry), ["$.note", "$.card.number"]);
    assert_eq!(registry.tally().ambiguous, 0);
}

#[test]
fn names_that_may_be_values_and_no_names_stay_out_of_paths() {
    for name in [
        "4111111111111111",
        "c4111111111111111",
        "jane@corp.test",
        "a:b",
        "a\u{1e}b",
        "",
    ] {
        let registry = nothing();
        told(
            &registry,
            REFLECTION[0],
            &answer(&[order(name, Type::String), card()]),
        );
        assert_eq!(paths(&registry), ["$.1", "$.card.number"]);
    }
}

#[test]
fn what_is_learnt_is_bounded_and_what_finds_no_room_is_counted() {
    let registry = nothing();
    let many = |from: usize, count: usize| FileDescriptorProto {
        package: Some(format!("p{from}")),
        message_type: (0..count).map(|at| message(&format!("M{at}"), vec![])).collect(),
        ..Default::default()
    };
    // Half of all there is room for, a good half, and what is behind that.
    for from in 0..3 {
        told(&registry, REFLECTION[0], &answer(&[many(from, 2_100)]));
    }
    let tally = registry.tally();
    assert_eq!((tally.types, tally.no_room), (4_096, 2));
    // More in one file than there is room for in all.
    told(&registry, REFLECTION[0], &answer(&[many(9, 5_000)]));
    assert_eq!(registry.tally().no_room, 3);
    // What was known before is known still.
    assert_eq!(registry.schema().message("p0.M5").map(|_| ()), Some(()));
}

#[test]
fn answers_that_are_too_long_or_too_many_at_once_are_left_and_give_back_their_room() {
    let registry = nothing();
    let mut long = Answer::of(&registry).unwrap();
    long.take(&vec![0; MAX_ANSWER]);
    assert_eq!(registry.waiting.load(Ordering::Relaxed), MAX_ANSWER);
    long.take(b"a");
    assert_eq!(registry.waiting.load(Ordering::Relaxed), 0);
    long.end();
    let mut open: Vec<_> = (0..9).map(|_| Answer::of(&registry).unwrap()).collect();
    for answer in &mut open {
        answer.take(&vec![0; MAX_ANSWER]);
    }
    assert_eq!(registry.waiting.load(Ordering::Relaxed), MAX_WAITING);
    assert_eq!(registry.tally().no_room, 2);
    drop(open);
    assert_eq!(registry.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(registry.tally().refused, 0);
}

#[test]
fn a_broken_answer_and_a_broken_file_are_counted() {
    let registry = nothing();
    let mut cut = answer(&[card()]);
    cut.truncate(cut.len() - 1);
    told(&registry, REFLECTION[0], &cut);
    let mut response = Vec::new();
    prost::encoding::bytes::encode(1, &b"\xff".to_vec(), &mut response);
    let mut broken = Vec::new();
    prost::encoding::bytes::encode(4, &response, &mut broken);
    told(&registry, REFLECTION[0], &broken);
    assert_eq!(registry.tally().refused, 2);
    assert_eq!(registry.tally().types, 0);
}

#[test]
fn no_type_that_a_peer_claims_hides_a_value() {
    let card = "5447911234560249";
    let number: u64 = card.parse().unwrap();
    let mut text = Vec::new();
    prost::encoding::string::encode(1, &card.to_owned(), &mut text);
    let mut varint = Vec::new();
    prost::encoding::uint64::encode(1, &number, &mut varint);
    let mut fixed = Vec::new();
    prost::encoding::fixed64::encode(1, &number, &mut fixed);
    let mut packed = Vec::new();
    prost::encoding::fixed64::encode_packed(1, &[number], &mut packed);
    for kind in 1..=18 {
        let kind = Type::try_from(kind).unwrap();
        let claim = of(".shop.Order", field("claimed", 1, kind));
        let registry = nothing();
        let order = file(vec![message("Order", vec![claim])], ".shop.Order", "");
        told(&registry, REFLECTION[0], &answer(&[order]));
        for wire in [&text, &varint, &fixed, &packed] {
            let read = read_as(
                &registry,
                (PLACE, Place::RequestBody),
                "application/grpc",
                wire,
                9,
            );
            assert!(read.iter().any(|(_, _, value)| value == card), "{kind:?}");
        }
    }
}
