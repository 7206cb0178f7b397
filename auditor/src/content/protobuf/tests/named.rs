//! Messages whose type is known: names, types, and what does not fit them.

use prost::encoding;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions,
    MethodDescriptorProto, ServiceDescriptorProto,
};

use super::*;
use crate::content::protobuf::{Registry, Schema};

pub(in crate::content) const PLACE: &str = "/shop.Orders/Place";

pub(in crate::content) fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..Default::default()
    }
}

pub(in crate::content) fn of(message: &str, mut field: FieldDescriptorProto) -> FieldDescriptorProto {
    field.type_name = Some(message.into());
    field
}

pub(in crate::content) fn repeated(mut field: FieldDescriptorProto) -> FieldDescriptorProto {
    field.label = Some(Label::Repeated.into());
    field
}

pub(in crate::content) fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.into()),
        field,
        ..Default::default()
    }
}

/// The entries of a map, which `protoc` names after it.
fn entry(name: &str, value: FieldDescriptorProto) -> DescriptorProto {
    DescriptorProto {
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..Default::default()
        }),
        ..message(name, vec![field("key", 1, Type::String), value])
    }
}

/// A file of package `shop` whose service `Orders` has the method `Place`.
pub(in crate::content) fn file(
    messages: Vec<DescriptorProto>,
    request: &str,
    response: &str,
) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("shop.proto".into()),
        package: Some("shop".into()),
        message_type: messages,
        service: vec![ServiceDescriptorProto {
            name: Some("Orders".into()),
            method: vec![MethodDescriptorProto {
                name: Some("Place".into()),
                input_type: Some(request.into()),
                output_type: Some(response.into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(in crate::content) fn bytes(file: FileDescriptorProto) -> Vec<u8> {
    prost::Message::encode_to_vec(&file)
}

fn schema(file: FileDescriptorProto) -> Schema {
    let set = FileDescriptorSet { file: vec![file] };
    Schema::parse(&prost::Message::encode_to_vec(&set)).unwrap()
}

/// Path, key and value of each field.
type Named = (String, Option<String>, String);

#[derive(Default)]
struct Fields(Vec<Named>);

impl Receiver for Fields {
    fn document(&mut self, _: &Origin<'_>, document: &Document<'_>) {
        if document.format != Format::Protobuf {
            return;
        }
        for mark in memchr::memchr_iter(MARK, document.bytes) {
            let line = &document.bytes[mark..];
            let Some(head) = line.windows(2).position(|pair| pair == b": ") else {
                continue;
            };
            let start = mark + head + 2;
            let field = document.field_at(start..start + 1);
            let value = String::from_utf8_lossy(&document.bytes[field.value]).into_owned();
            self.0.push((field.path.unwrap_or_default(), field.key, value));
        }
    }

    fn settle(&mut self, _: Direction, _: Account, _: u64) {}
}

/// Reads a message of this operation and place, in pieces.
pub(in crate::content) fn read_as(
    registry: &Arc<Registry>,
    (operation, place): (&str, Place),
    content_type: &str,
    wire: &[u8],
    piece: usize,
) -> Vec<Named> {
    let exchange = Arc::new(Exchange {
        protocol: "grpc",
        operation: Some(operation.into()),
        ..Exchange::default()
    });
    let mut reader = Reader::new(Limits {
        window: 64 << 20,
        ..Limits::default()
    })
    .with_descriptors(Arc::clone(registry));
    let mut fields = Fields::default();
    let mut offset = 0;
    let mut pieces = wire.chunks(piece.max(1)).peekable();
    while let Some(data) = pieces.next() {
        let part = Part {
            exchange: &exchange,
            // Who opened a connection may not be known.
            direction: Direction::ToServer,
            place,
            message: 0,
            content_type: Some(content_type),
            content_encoding: None,
            offset,
            last: pieces.peek().is_none(),
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut fields);
        offset += data.len() as u64;
    }
    reader.finish(&mut fields);
    fields.0
}

fn read_order(file: FileDescriptorProto, wire: &[u8], expected: &[(&str, Option<&str>, &str)]) {
    let registry = Arc::new(Registry::new(schema(file), false));
    for piece in [1, 7, 100_000] {
        let fields = read_as(
            &registry,
            (PLACE, Place::RequestBody),
            "application/grpc",
            wire,
            piece,
        );
        let fields: Vec<_> = fields
            .iter()
            .map(|(path, key, value)| (path.as_str(), key.as_deref(), value.as_str()))
            .collect();
        assert_eq!(fields, expected, "in pieces of {piece}");
    }
}

fn text(number: u32, text: &str) -> (u32, Content) {
    (number, Content::Text(text.into()))
}

fn wire(fields: &[(u32, Content)]) -> Vec<u8> {
    encode(fields, "", 0, &mut Expected::default())
}

#[test]
fn names_come_from_a_descriptor_set() {
    let order = DescriptorProto {
        nested_type: vec![
            message(
                "Card",
                vec![field("number", 1, Type::String), field("cvv", 2, Type::Sint32)],
            ),
            message(
                "Buyer",
                vec![repeated(of(".shop.Order.Card", field("cards", 2, Type::Message)))],
            ),
        ],
        ..message(
            "Order",
            vec![
                of(".shop.Order.Buyer", field("buyer", 1, Type::Message)),
                repeated(field("ids", 3, Type::Fixed64)),
                field("latitude", 4, Type::Double),
            ],
        )
    };
    let file = file(vec![order], ".shop.Order", ".shop.Missing");
    let schema = schema(file.clone());
    assert!(schema.message("shop.Order.Card").is_some());
    assert!(schema.message_of(PLACE, Place::ResponseBody).is_some());
    assert!(schema.message("shop.Missing").is_none(), "only referred to");
    let card = |number: &str| Content::Message(vec![text(1, number), (2, Content::Number(5))]);
    let mut wire = wire(&[(
        1,
        Content::Message(vec![(2, card("5447911234560249")), (2, card("4929112345678906"))]),
    )]);
    encoding::fixed64::encode_packed(3, &[4_929_112_345_678_906, 7], &mut wire);
    encoding::double::encode(4, &52.52, &mut wire);
    encoding::string::encode(9, &"jane@corp.test".to_owned(), &mut wire);
    read_order(
        file,
        &wire,
        &[
            ("$.buyer.cards[0].number", Some("number"), "5447911234560249"),
            ("$.buyer.cards[0].cvv", Some("cvv"), "-3"),
            ("$.buyer.cards[1].number", Some("number"), "4929112345678906"),
            ("$.buyer.cards[1].cvv", Some("cvv"), "-3"),
            ("$.ids[0]", Some("ids"), "4929112345678906"),
            ("$.ids[1]", Some("ids"), "7"),
            ("$.latitude", Some("latitude"), "52.52"),
            ("$.9", None, "jane@corp.test"),
        ],
    );
}

#[test]
fn types_may_be_named_from_where_they_stand() {
    let with_message = |name: &str, nested: Vec<DescriptorProto>, fields| DescriptorProto {
        nested_type: nested,
        ..message(name, fields)
    };
    let holds = |name: &str, number, type_name: &str| of(type_name, field(name, number, Type::Message));
    let card = |name: &str| message("Card", vec![field(name, 1, Type::String)]);
    let order = with_message(
        "Order",
        vec![card("inner")],
        vec![
            holds("nearest", 1, "Card"),
            holds("package", 2, "shop.Card"),
            holds("whole", 3, ".shop.Card"),
            holds("through", 4, "Order.Card"),
            holds("missing", 5, "Nothing"),
        ],
    );
    let file = file(vec![order, card("outer")], "Order", "shop.Order");
    let schema = schema(file.clone());
    for place in [Place::RequestBody, Place::ResponseBody] {
        assert!(schema.message_of(PLACE, place).is_some(), "{place:?}");
    }
    let one = || Content::Message(vec![text(1, "5447911234560249")]);
    read_order(
        file,
        &wire(&[(1, one()), (2, one()), (3, one()), (4, one()), (5, one())]),
        &[
            ("$.nearest.inner", Some("inner"), "5447911234560249"),
            ("$.package.outer", Some("outer"), "5447911234560249"),
            ("$.whole.outer", Some("outer"), "5447911234560249"),
            ("$.through.inner", Some("inner"), "5447911234560249"),
            ("$.missing.1", None, "5447911234560249"),
        ],
    );
}

#[test]
fn values_of_maps_have_their_keys_for_names() {
    let order = DescriptorProto {
        nested_type: vec![
            entry("LabelsEntry", field("value", 2, Type::String)),
            entry("CardsEntry", of("shop.Card", field("value", 2, Type::Message))),
        ],
        ..message(
            "Order",
            vec![
                repeated(of("shop.Order.LabelsEntry", field("labels", 1, Type::Message))),
                repeated(of("shop.Order.CardsEntry", field("cards", 2, Type::Message))),
            ],
        )
    };
    let card = message("Card", vec![field("number", 1, Type::String)]);
    let entry = |key: &str, value| Content::Message(vec![text(1, key), (2, value)]);
    let wire = wire(&[
        (1, entry("card_number", Content::Text("5447911234560249".into()))),
        (1, entry("jane@corp.test", Content::Text("x".into()))),
        (1, entry("a: b\u{1e}", Content::Text("y".into()))),
        (1, Content::Message(vec![text(2, "no key")])),
        (
            2,
            entry("spare", Content::Message(vec![text(1, "4929112345678906")])),
        ),
    ]);
    read_order(
        file(vec![order, card], "shop.Order", ""),
        &wire,
        &[
            ("$.labels.key", Some("key"), "card_number"),
            ("$.labels.card_number", Some("card_number"), "5447911234560249"),
            ("$.labels.key", Some("key"), "jane@corp.test"),
            ("$.labels.{key}", Some("{key}"), "x"),
            ("$.labels.key", Some("key"), "a: b "),
            ("$.labels.{key}", Some("{key}"), "y"),
            ("$.labels.value", Some("value"), "no key"),
            ("$.cards.key", Some("key"), "spare"),
            ("$.cards.spare.number", Some("number"), "4929112345678906"),
        ],
    );
}

#[test]
fn wrappers_and_structures_stand_for_what_is_in_them() {
    let google = |name: &str| format!(".google.protobuf.{name}");
    let order = message(
        "Order",
        vec![
            of(&google("StringValue"), field("card_number", 1, Type::Message)),
            repeated(of(&google("Int64Value"), field("ids", 2, Type::Message))),
            of(&google("Struct"), field("meta", 3, Type::Message)),
        ],
    );
    let wrapped = |value| Content::Message(vec![(1, value)]);
    let string = |text: &str| Content::Message(vec![(3, Content::Text(text.into()))]);
    let pair = |key: &str, value| Content::Message(vec![text(1, key), (2, value)]);
    let structure = |pairs: Vec<Content>| Content::Message(pairs.into_iter().map(|pair| (1, pair)).collect());
    let list = |values: Vec<Content>| {
        let list = Content::Message(values.into_iter().map(|value| (1, value)).collect());
        Content::Message(vec![(6, list)])
    };
    let inner = Content::Message(vec![(5, structure(vec![pair("iban", string("DE1"))]))]);
    let wire = wire(&[
        (1, wrapped(Content::Text("5447911234560249".into()))),
        (2, wrapped(Content::Number(5))),
        (2, wrapped(Content::Number(6))),
        (
            3,
            structure(vec![
                pair("email", string("jane@corp.test")),
                pair("phones", list(vec![string("+1"), string("+2")])),
                pair("account", inner),
            ]),
        ),
    ]);
    read_order(
        file(vec![order], ".shop.Order", ""),
        &wire,
        &[
            ("$.card_number", Some("card_number"), "5447911234560249"),
            ("$.ids[0]", Some("ids"), "5"),
            ("$.ids[1]", Some("ids"), "6"),
            ("$.meta.key", Some("key"), "email"),
            ("$.meta.email", Some("email"), "jane@corp.test"),
            ("$.meta.key", Some("key"), "phones"),
            ("$.meta.phones[0]", Some("phones"), "+1"),
            ("$.meta.phones[1]", Some("phones"), "+2"),
            ("$.meta.key", Some("key"), "account"),
            ("$.meta.account.key", Some("key"), "iban"),
            ("$.meta.account.iban", Some("iban"), "DE1"),
        ],
    );
}

#[test]
fn an_any_is_read_as_the_type_that_it_names() {
    let any = of(".google.protobuf.Any", field("detail", 1, Type::Message));
    let order = message("Order", vec![repeated(any)]);
    let card = message("Card", vec![field("number", 1, Type::String)]);
    let of_type = |url: &str| {
        let value = Content::Message(vec![text(1, "5447911234560249")]);
        Content::Message(vec![text(1, url), (2, value)])
    };
    let wire = wire(&[
        (1, of_type("type.googleapis.com/shop.Card")),
        (1, of_type("type.googleapis.com/shop.Unknown")),
    ]);
    read_order(
        file(vec![order, card], "shop.Order", ""),
        &wire,
        &[
            (
                "$.detail[0].type_url",
                Some("type_url"),
                "type.googleapis.com/shop.Card",
            ),
            ("$.detail[0].value.number", Some("number"), "5447911234560249"),
            (
                "$.detail[1].type_url",
                Some("type_url"),
                "type.googleapis.com/shop.Unknown",
            ),
            ("$.detail[1].value.1", None, "5447911234560249"),
        ],
    );
}

#[test]
fn what_does_not_fit_its_type_is_read_by_its_shape() {
    let order = message(
        "Order",
        vec![
            field("note", 1, Type::String),
            field("count", 2, Type::Int32),
            of("shop.Order", field("before", 3, Type::Message)),
            of("shop.Order", field("box", 4, Type::Group)),
            repeated(field("ids", 5, Type::Fixed64)),
            field("blob", 6, Type::Bytes),
        ],
    );
    let mut wire = wire(&[
        (1, Content::Number(4_929_112_345_678_906)),
        (2, Content::Text("jane@corp.test".into())),
        (3, Content::Text("no message at all".into())),
        (4, Content::Group(vec![text(1, "in a group")])),
        (4, Content::Message(vec![text(1, "delimited")])),
        (5, Content::Text("nine bytes".into())),
        (
            6,
            Content::Message(vec![(1, Content::Number(1)), text(2, "inside")]),
        ),
        (99, Content::Text("an extension".into())),
    ]);
    // A whole number where a double is not: six bytes of varints that break off.
    encoding::bytes::encode(2, &b"\xff\xff\xff\xff\xff\xff".to_vec(), &mut wire);
    read_order(
        file(vec![order], "shop.Order", ""),
        &wire,
        &[
            ("$.1", None, "4929112345678906"),
            ("$.count", Some("count"), "jane@corp.test"),
            ("$.before", Some("before"), "no message at all"),
            ("$.box.note", Some("note"), "in a group"),
            ("$.box.note", Some("note"), "delimited"),
            ("$.ids[0]", Some("ids"), "nine bytes"),
            ("$.blob.1", None, "1"),
            ("$.blob.2", None, "inside"),
            ("$.99", None, "an extension"),
        ],
    );
}

#[test]
fn a_type_is_known_by_prefixes_of_its_path_and_by_what_the_content_says() {
    let order = message("Order", vec![field("note", 1, Type::String)]);
    let receipt = message("Receipt", vec![field("account", 1, Type::String)]);
    let file = file(vec![order, receipt], "shop.Order", "shop.Receipt");
    let registry = Arc::new(Registry::new(schema(file), false));
    let wire = wire(&[text(1, "words")]);
    for (operation, place, media, path) in [
        (PLACE, Place::RequestBody, "application/grpc+proto", "$.note"),
        (PLACE, Place::ResponseBody, "application/grpc", "$.account"),
        (
            "/api/shop.Orders/Place",
            Place::RequestBody,
            "application/proto",
            "$.note",
        ),
        (
            "POST /twirp/shop.Orders/Place",
            Place::RequestBody,
            "application/protobuf",
            "$.note",
        ),
        (
            "POST /upload",
            Place::RequestBody,
            "application/x-protobuf; messageType=\"shop.Receipt\"",
            "$.account",
        ),
        (
            "POST /upload",
            Place::RequestBody,
            "application/vnd.google.protobuf; proto=shop.Order",
            "$.note",
        ),
        ("/shop.Orders/Other", Place::RequestBody, "application/grpc", "1"),
        ("/Place", Place::RequestBody, "application/grpc", "1"),
    ] {
        let fields = read_as(&registry, (operation, place), media, &wire, 100);
        assert_eq!(fields[0].0, path, "{operation} {media}");
        assert_eq!(fields[0].2, "words");
    }
}
