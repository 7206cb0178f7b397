//! Any descriptors, and any message of any type: what is shown is what was sent, under the names that were declared.

use proptest::sample::Index;
use prost::encoding::{self, WireType};
use prost_types::DescriptorProto;
use prost_types::field_descriptor_proto::Type;

use super::named::{PLACE, bytes, field, file, message, of, read_as, repeated};
use super::*;
use crate::content::protobuf::{Registry, Schema};

/// A field that is declared: number, type, whether it is repeated.
#[derive(Clone, Debug)]
struct Declared {
    number: u32,
    kind: Kind,
    is_repeated: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Unsigned,
    Zigzag,
    Fixed,
    Packed,
    /// One of the types.
    Message(usize),
    Group(usize),
}

const TYPES: usize = 4;

fn declared() -> impl Strategy<Value = Vec<Vec<Declared>>> {
    let kind = prop_oneof![
        3 => Just(Kind::Text),
        1 => Just(Kind::Unsigned),
        1 => Just(Kind::Zigzag),
        1 => Just(Kind::Fixed),
        1 => Just(Kind::Packed),
        3 => (0..TYPES).prop_map(Kind::Message),
        1 => (0..TYPES).prop_map(Kind::Group),
    ];
    let one = (kind, any::<bool>(), 1..50u32);
    let of_type = prop::collection::vec(one, 1..6).prop_map(|fields| {
        let mut number = 0;
        let next = |(kind, is_repeated, step)| {
            number += step;
            Declared {
                number,
                kind,
                is_repeated,
            }
        };
        fields.into_iter().map(next).collect()
    });
    prop::collection::vec(of_type, TYPES)
}

fn descriptor(at: usize, fields: &[Declared]) -> DescriptorProto {
    let fields = fields.iter().map(|declared| {
        let kind = match declared.kind {
            Kind::Text => Type::String,
            Kind::Unsigned | Kind::Packed => Type::Uint64,
            Kind::Zigzag => Type::Sint64,
            Kind::Fixed => Type::Fixed64,
            Kind::Message(_) => Type::Message,
            Kind::Group(_) => Type::Group,
        };
        let named = field(
            &format!("field_{}", declared.number),
            declared.number as i32,
            kind,
        );
        let named = match declared.kind {
            Kind::Message(of_type) | Kind::Group(of_type) => of(&format!(".shop.T{of_type}"), named),
            _ => named,
        };
        if declared.is_repeated || matches!(declared.kind, Kind::Packed) {
            repeated(named)
        } else {
            named
        }
    });
    message(&format!("T{at}"), fields.collect())
}

/// Writes a random message of a type, and notes path, key and value of its fields.
struct Writer<'a> {
    types: &'a [Vec<Declared>],
    picks: std::slice::Iter<'a, Index>,
    expected: Vec<(String, Option<String>, String)>,
}

impl Writer<'_> {
    fn pick(&mut self, below: usize) -> Option<usize> {
        self.picks.next().map(|pick| pick.index(below))
    }

    fn message(&mut self, of_type: usize, path: &str, depth: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut counts = HashMap::new();
        let fields = self.types[of_type].clone();
        for _ in 0..self.pick(5).unwrap_or(0) {
            let Some(at) = self.pick(fields.len()) else { break };
            let declared = &fields[at];
            let name = format!("field_{}", declared.number);
            let index: &mut usize = counts.entry(declared.number).or_default();
            let own = if declared.is_repeated {
                format!("{path}.{name}[{index}]")
            } else {
                format!("{path}.{name}")
            };
            *index += 1;
            let number = declared.number;
            let value = self.pick(1_000_000).unwrap_or(7) as u64;
            let leaf = |path: String, value: String| (path, Some(name.clone()), value);
            match declared.kind {
                Kind::Text => {
                    let text = format!("text {value}");
                    encoding::string::encode(number, &text, &mut wire);
                    self.expected.push(leaf(own, text));
                }
                Kind::Unsigned => {
                    encoding::uint64::encode(number, &value, &mut wire);
                    self.expected.push(leaf(own, value.to_string()));
                }
                Kind::Zigzag => {
                    let value = -(value as i64);
                    encoding::sint64::encode(number, &value, &mut wire);
                    self.expected.push(leaf(own, value.to_string()));
                }
                Kind::Fixed => {
                    // Not what would be taken for a whole number without its type.
                    let value = u64::MAX - value;
                    encoding::fixed64::encode(number, &value, &mut wire);
                    self.expected.push(leaf(own, value.to_string()));
                }
                Kind::Packed => {
                    *index += 1;
                    let first = *index - 2;
                    encoding::uint64::encode_packed(number, &[value, 5], &mut wire);
                    for (at, value) in [(first, value), (first + 1, 5)] {
                        self.expected
                            .push(leaf(format!("{path}.{name}[{at}]"), value.to_string()));
                    }
                }
                Kind::Message(_) | Kind::Group(_) if depth == 0 => *index -= 1,
                Kind::Message(of_type) => {
                    let inner = self.message(of_type, &own, depth - 1);
                    encoding::encode_key(number, WireType::LengthDelimited, &mut wire);
                    encoding::encode_varint(inner.len() as u64, &mut wire);
                    wire.extend(inner);
                }
                Kind::Group(of_type) => {
                    let inner = self.message(of_type, &own, depth - 1);
                    encoding::encode_key(number, WireType::StartGroup, &mut wire);
                    wire.extend(inner);
                    encoding::encode_key(number, WireType::EndGroup, &mut wire);
                }
            }
        }
        wire
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_field_of_a_known_type_has_its_name_and_value_wherever_it_is_cut(
        types in declared(),
        picks in prop::collection::vec(any::<Index>(), 20..300),
        piece in prop_oneof![1..40usize, Just(70_000)],
    ) {
        let messages = types.iter().enumerate().map(|(at, fields)| descriptor(at, fields));
        let file = file(messages.collect(), "shop.T0", "shop.T1");
        let set = prost_types::FileDescriptorSet { file: vec![file] };
        let schema = Schema::parse(&prost::Message::encode_to_vec(&set)).unwrap();
        let registry = Arc::new(Registry::new(schema, false));
        let mut writer = Writer { types: &types, picks: picks.iter(), expected: Vec::new() };
        let wire = writer.message(0, "$", 4);
        let fields = read_as(&registry, (PLACE, Place::RequestBody), "application/grpc", &wire, piece);
        prop_assert_eq!(fields, writer.expected);
    }

    #[test]
    fn any_bytes_are_descriptors_or_refused_and_settle_any_message(
        mut descriptors in prop::collection::vec(prop_oneof![any::<u8>(), 0..32u8, Just(0x12)], 0..300),
        cut in any::<Index>(),
        wire in prop::collection::vec(prop_oneof![any::<u8>(), 0..32u8, Just(0x12)], 0..300),
        piece in 1..100usize,
    ) {
        let _ = Schema::parse(&descriptors);
        // Good ones with other bytes somewhere.
        let good = bytes(file(
            vec![message("T0", vec![of("shop.T0", field("inner", 2, Type::Message))])],
            "shop.T0",
            "shop.T0",
        ));
        let at = cut.index(good.len());
        descriptors.truncate(4);
        let changed = [&good[..at], &descriptors, &good[at..]].concat();
        let mut set = vec![0x0a];
        encoding::encode_varint(changed.len() as u64, &mut set);
        set.extend(changed);
        let schema = Schema::parse(&set).unwrap_or_default();
        let registry = Arc::new(Registry::new(schema, false));
        read_as(&registry, (PLACE, Place::RequestBody), "application/grpc", &wire, piece);
    }
}
