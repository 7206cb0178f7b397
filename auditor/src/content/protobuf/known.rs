//! What is known of one field: its name, and how its value is written.
//!
//! Goes in: what a descriptor says of it. Comes out: whether a value on the wire fits that, and the value as text.

use std::io::Write as _;

use super::descriptors::Field;
use super::schema::MessageId;
use super::shape::{self, Kind, Numbers};
use super::wire::{self, Value};

/// Fewest bytes of a packed field that are taken for text.
const LEAST_TEXT: usize = 4;

/// A field that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: Box<str>,
    pub(super) is_repeated: bool,
    /// Of a number of fixed length, that it has 64 bits.
    is_wide: bool,
    pub(super) shape: Shape,
    /// A peer says so. It is believed in what the field is called and holds, not in how its bytes are read: that could
    /// hide a value of others.
    pub(super) is_claimed: bool,
}

/// How the value of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Of a type that may not be known yet; none without a name.
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
    /// `message` is the type of a field that is one.
    pub(super) fn of(field: &Field, message: Option<MessageId>, is_claimed: bool) -> Self {
        // `FieldDescriptorProto.Type`, whose numbers are 1 to 18.
        let (shape, is_wide) = match field.kind {
            1 => (Shape::Float, true),
            2 => (Shape::Float, false),
            6 => (Shape::Fixed, true),
            7 => (Shape::Fixed, false),
            9 => (Shape::Text, false),
            10 | 11 => (Shape::Message(message), false),
            12 => (Shape::Bytes, false),
            15 => (Shape::SignedFixed, false),
            16 => (Shape::SignedFixed, true),
            // A number without a sign would be another one.
            17 | 18 if is_claimed => (Shape::Unsigned, false),
            17 | 18 => (Shape::Zigzag, false),
            // Enums are numbers of 32 bits with a sign.
            3 | 5 | 14 => (Shape::Signed, false),
            _ => (Shape::Unsigned, false),
        };
        Self {
            name: field.name.as_str().into(),
            is_repeated: field.is_repeated,
            is_wide,
            shape,
            is_claimed,
        }
    }

    /// Whether a value on the wire can be one of this field. Numbers may be packed, also where that is not declared.
    pub(super) fn fits(&self, value: Value) -> bool {
        match (self.shape, value) {
            (Shape::Message(_), Value::Delimited(_) | Value::StartGroup | Value::EndGroup)
            | (_, Value::Delimited(_)) => true,
            (Shape::Unsigned | Shape::Signed | Shape::Zigzag, Value::Varint(_)) => true,
            (Shape::Fixed | Shape::SignedFixed | Shape::Float, Value::Fixed64(_)) => self.is_wide,
            (Shape::Fixed | Shape::SignedFixed | Shape::Float, Value::Fixed32(_)) => !self.is_wide,
            _ => false,
        }
    }

    /// What a payload of `payload` bytes is, of which `look` are the first; none when its bytes have to tell, as they
    /// do when they are not what is declared.
    pub(super) fn kind(&self, look: &[u8], payload: u64, may_nest: bool) -> Option<Kind> {
        match self.shape {
            _ if self.is_claimed => None,
            Shape::Message(_) => (may_nest && wire::are_fields(look, payload)).then_some(Kind::Message),
            Shape::Text => shape::is_readable(look).then_some(Kind::Text),
            Shape::Bytes => None,
            // Of a number four bytes at least would have to be letters.
            _ if look.len() >= LEAST_TEXT && shape::is_readable(look) => None,
            _ => self.packed(look, payload),
        }
    }

    /// The same of what says nothing by its bytes.
    pub(super) fn kind_of_binary(&self, look: &[u8], payload: u64) -> Kind {
        match self.shape {
            // Text with a control character in it is text still.
            Shape::Text => Kind::Text,
            Shape::Bytes | Shape::Message(_) => Kind::Binary,
            _ => self.packed(look, payload).unwrap_or(Kind::Binary),
        }
    }

    /// The numbers of a packed field, if that is what they are.
    fn packed(&self, look: &[u8], payload: u64) -> Option<Kind> {
        let numbers = match self.shape {
            Shape::Unsigned | Shape::Signed | Shape::Zigzag => Numbers::Varint,
            _ if self.is_wide => Numbers::Fixed64,
            _ => Numbers::Fixed32,
        };
        (payload == look.len() as u64 && numbers.fill(look)).then_some(Kind::Numbers(numbers))
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
            // What is a whole number is none of these, whatever a descriptor says.
            Shape::Float if is_narrow && shape::is_whole32(value as u32) => return None,
            Shape::Float if !is_narrow && shape::is_whole64(value) => return None,
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
