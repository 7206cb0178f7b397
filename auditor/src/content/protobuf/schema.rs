//! Names of protobuf fields, from the descriptors that `protoc --descriptor_set_out` writes.
//!
//! Goes in: a `FileDescriptorSet`
//! (<https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto>), from the
//! configuration. Comes out: for a message and a field number the field's name and type, and for an
//! operation the messages of its request and response. It holds no captured byte.

use std::collections::HashMap;
use std::io::Write as _;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::protocol::Direction;

use super::shape::{Kind, Numbers};

/// Why descriptors cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the descriptor set does not decode as a FileDescriptorSet: {0}; write it with protoc --include_imports --descriptor_set_out"
)]
pub struct SchemaError(#[from] prost::DecodeError);

/// Messages and operations that are known.
#[derive(Debug, Default)]
pub struct Schema {
    messages: Vec<HashMap<u32, Known>>,
    by_name: HashMap<String, usize>,
    /// Request and response of `/package.Service/Method`.
    methods: HashMap<String, [Option<usize>; 2]>,
}

/// A message of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId(usize);

/// A field that is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) is_repeated: bool,
    /// Of a number of fixed length, that it has 64 bits.
    is_wide: bool,
    pub(super) shape: Shape,
}

/// How the value of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// None when the message is in no descriptor.
    Message(Option<MessageId>),
    Text,
    Bytes,
    Unsigned,
    Signed,
    Zigzag,
    Fixed,
    SignedFixed,
    Float,
}

impl Known {
    /// What a payload is, unless its bytes have to tell.
    pub(super) fn kind(&self, may_nest: bool, is_whole: bool) -> Option<Kind> {
        let numbers = match self.shape {
            Shape::Message(_) => return may_nest.then_some(Kind::Message),
            Shape::Text => return Some(Kind::Text),
            Shape::Bytes => return None,
            Shape::Unsigned | Shape::Signed | Shape::Zigzag => Numbers::Varint,
            Shape::Fixed | Shape::SignedFixed | Shape::Float if self.is_wide => Numbers::Fixed64,
            Shape::Fixed | Shape::SignedFixed | Shape::Float => Numbers::Fixed32,
        };
        is_whole.then_some(Kind::Numbers(numbers))
    }

    /// Writes a number as its type has it, and tells how long that is; none for those without a sign.
    pub(super) fn written(&self, value: u64, is_narrow: bool, text: &mut [u8; 40]) -> Option<usize> {
        let mut rest = &mut text[..];
        // What does not fit is cut off, which no number is.
        let _ = match self.shape {
            // Numbers of 32 bits are extended to 64 before they are written.
            Shape::Signed => write!(rest, "{}", value as i64),
            Shape::Zigzag => write!(rest, "{}", (value >> 1) as i64 ^ -((value & 1) as i64)),
            Shape::SignedFixed if is_narrow => write!(rest, "{}", value as u32 as i32),
            Shape::SignedFixed => write!(rest, "{}", value as i64),
            Shape::Float => {
                let float = if is_narrow {
                    f64::from(f32::from_bits(value as u32))
                } else {
                    f64::from_bits(value)
                };
                let is_usual = float == 0.0 || (1e-7..1e16).contains(&float.abs());
                if is_usual {
                    write!(rest, "{float}")
                } else {
                    write!(rest, "0")
                }
            }
            _ => return None,
        };
        Some(40 - rest.len())
    }
}

impl Schema {
    /// Reads descriptors.
    ///
    /// # Errors
    ///
    /// When `descriptors` is no `FileDescriptorSet`.
    pub fn parse(descriptors: &[u8]) -> Result<Self, SchemaError> {
        let set = FileDescriptorSet::decode(descriptors)?;
        let mut schema = Self::default();
        for file in &set.file {
            for message in &file.message_type {
                schema.declare(file.package(), message);
            }
        }
        for file in &set.file {
            for message in &file.message_type {
                schema.define(file.package(), message);
            }
            for service in &file.service {
                for method in &service.method {
                    let operation = format!("/{}/{}", joined(file.package(), service.name()), method.name());
                    let message = |name: &str| schema.by_name.get(name.trim_start_matches('.')).copied();
                    let messages = [message(method.input_type()), message(method.output_type())];
                    schema.methods.insert(operation, messages);
                }
            }
        }
        Ok(schema)
    }

    /// The message with this full name, `package.Message`.
    pub fn message(&self, name: &str) -> Option<MessageId> {
        self.by_name.get(name).copied().map(MessageId)
    }

    /// The message that an operation, `/package.Service/Method`, has in this direction.
    pub fn message_of(&self, operation: &str, direction: Direction) -> Option<MessageId> {
        self.methods.get(operation)?[direction.index()].map(MessageId)
    }

    pub(super) fn field(&self, message: MessageId, number: u32) -> Option<&Known> {
        self.messages.get(message.0)?.get(&number)
    }

    fn declare(&mut self, around: &str, message: &DescriptorProto) {
        let name = joined(around, message.name());
        for nested in &message.nested_type {
            self.declare(&name, nested);
        }
        self.by_name.insert(name, self.messages.len());
        self.messages.push(HashMap::new());
    }

    fn define(&mut self, around: &str, message: &DescriptorProto) {
        let name = joined(around, message.name());
        for nested in &message.nested_type {
            self.define(&name, nested);
        }
        let fields = message.field.iter().filter_map(|field| {
            let number = u32::try_from(field.number()).ok()?;
            Some((
                number,
                Known {
                    name: field.name().to_owned(),
                    is_repeated: field.label() == Label::Repeated,
                    is_wide: matches!(field.r#type(), Type::Double | Type::Fixed64 | Type::Sfixed64),
                    shape: self.shape(field),
                },
            ))
        });
        let fields = fields.collect();
        if let Some(message) = self.by_name.get(&name) {
            self.messages[*message] = fields;
        }
    }

    fn shape(&self, field: &FieldDescriptorProto) -> Shape {
        match field.r#type() {
            Type::Message | Type::Group => {
                Shape::Message(self.message(field.type_name().trim_start_matches('.')))
            }
            Type::String => Shape::Text,
            Type::Bytes => Shape::Bytes,
            Type::Double | Type::Float => Shape::Float,
            Type::Int32 | Type::Int64 | Type::Enum => Shape::Signed,
            Type::Uint32 | Type::Uint64 | Type::Bool => Shape::Unsigned,
            Type::Sint32 | Type::Sint64 => Shape::Zigzag,
            Type::Fixed32 | Type::Fixed64 => Shape::Fixed,
            Type::Sfixed32 | Type::Sfixed64 => Shape::SignedFixed,
        }
    }
}

fn joined(around: &str, name: &str) -> String {
    if around.is_empty() {
        name.to_owned()
    } else {
        format!("{around}.{name}")
    }
}
