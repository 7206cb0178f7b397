//! The descriptors of one `.proto` file, as far as names are in them
//! (<https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto>).
//!
//! Goes in: a `FileDescriptorProto`, or a `FileDescriptorSet`, from the configuration or from a peer. Comes out:
//! full names of messages and methods, names and types of fields. What is no name is left out, so that nothing
//! a peer makes up gets into a path. Memory is bounded by [`Room`] while it reads: a decoder that builds all of a
//! descriptor would make some hundred bytes of two.

use std::collections::HashSet;

use super::wire::{self, Item, Value};
use crate::content::cursor::safe_name;

/// Longest name of a field, a message or a method, bytes.
const MAX_NAME: usize = 128;
/// Longest name with its package, bytes.
const MAX_FULL_NAME: usize = 256;
/// Messages declared inside of each other that are followed.
const MAX_DEPTH: usize = 32;

/// Why descriptors are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is no descriptor set")]
    Malformed,
    #[error("it holds more types, fields or methods than there is room for")]
    NoRoom,
}

/// How much may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) types: usize,
    pub(super) fields: usize,
    pub(super) methods: usize,
}

/// What a file declares.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    pub(super) messages: Vec<Message>,
    pub(super) methods: Vec<Method>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// `package.Outer.Message`.
    pub(super) name: String,
    /// Holds a key and a value of a map.
    pub(super) is_entry: bool,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) is_repeated: bool,
    /// `FieldDescriptorProto.Type`.
    pub(super) kind: u32,
    /// Full name of a message, else empty.
    pub(super) type_name: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// `package.Service/Method`.
    pub(super) name: String,
    /// Full names of the messages of request and response.
    pub(super) types: [String; 2],
}

/// `LABEL_REPEATED`.
const REPEATED: u64 = 3;
/// `TYPE_GROUP` and `TYPE_MESSAGE`.
const MESSAGES: [u32; 2] = [10, 11];

/// Reads a `FileDescriptorSet`, one file after another.
pub(super) fn set(bytes: &[u8], room: &mut Room, each: &mut dyn FnMut(File)) -> Result<(), Refusal> {
    fields(bytes, |number, value| match (number, value) {
        (1, Content::Bytes(bytes)) => file(bytes, room).map(&mut *each),
        _ => Ok(()),
    })
}

/// Reads a `FileDescriptorProto`.
pub(super) fn file(bytes: &[u8], room: &mut Room) -> Result<File, Refusal> {
    let mut package = "";
    // It may stand behind what it is the package of.
    fields(bytes, |number, value| {
        if let (2, Content::Bytes(bytes)) = (number, value) {
            package = full_name(bytes).ok_or(Refusal::Malformed)?;
        }
        Ok(())
    })?;
    let mut file = File::default();
    fields(bytes, |number, value| match (number, value) {
        (4, Content::Bytes(bytes)) => message(bytes, package, MAX_DEPTH, room, &mut file),
        (6, Content::Bytes(bytes)) => service(bytes, package, room, &mut file),
        _ => Ok(()),
    })?;
    resolve(&mut file);
    Ok(file)
}

/// Makes full names of those that are written from where they stand, as protobuf.js writes them: the innermost scope that
/// has such a message counts. One of another file is taken for a full name.
fn resolve(file: &mut File) {
    let declared: HashSet<String> = file.messages.iter().map(|message| message.name.clone()).collect();
    let full = |mut scope: &str, name: &mut String| {
        if let Some(full) = name.strip_prefix('.') {
            *name = full.to_owned();
            return;
        }
        for _ in 0..MAX_DEPTH {
            if name.is_empty() || scope.is_empty() {
                return;
            }
            let candidate = format!("{scope}.{name}");
            if declared.contains(&candidate) {
                *name = candidate;
                return;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    };
    for message in &mut file.messages {
        for field in &mut message.fields {
            full(&message.name, &mut field.type_name);
        }
    }
    for method in &mut file.methods {
        let service = method.name.rsplit_once('/').map_or("", |(service, _)| service);
        for name in &mut method.types {
            full(service, name);
        }
    }
}

/// Reads a `DescriptorProto`, and those inside of it.
fn message(
    bytes: &[u8],
    around: &str,
    depth: usize,
    room: &mut Room,
    file: &mut File,
) -> Result<(), Refusal> {
    let mut name = None;
    let (mut is_entry, mut of_message) = (false, Vec::new());
    fields(bytes, |number, value| {
        match (number, value) {
            (1, Content::Bytes(bytes)) => name = joined(around, bytes),
            (2, Content::Bytes(bytes)) => {
                if let Some(field) = field(bytes)? {
                    room.fields = room.fields.checked_sub(1).ok_or(Refusal::NoRoom)?;
                    of_message.push(field);
                }
            }
            (7, Content::Bytes(options)) => is_entry = says(options, 7)?,
            _ => (),
        }
        Ok(())
    })?;
    let Some(name) = name else { return Ok(()) };
    let depth = depth.checked_sub(1).ok_or(Refusal::Malformed)?;
    fields(bytes, |number, value| match (number, value) {
        (3, Content::Bytes(bytes)) => message(bytes, &name, depth, room, file),
        _ => Ok(()),
    })?;
    room.types = room.types.checked_sub(1).ok_or(Refusal::NoRoom)?;
    file.messages.push(Message {
        name,
        is_entry,
        fields: of_message,
    });
    Ok(())
}

/// Reads a `FieldDescriptorProto`; none when it has no number or no name.
fn field(bytes: &[u8]) -> Result<Option<Field>, Refusal> {
    let (mut name, mut number, mut label, mut kind, mut type_name) = (None, 0, 0, 0, "");
    fields(bytes, |field, value| {
        match (field, value) {
            (1, Content::Bytes(bytes)) => name = identifier(bytes).filter(|name| safe_name(name) == *name),
            (3, Content::Number(value)) => number = u32::try_from(value).unwrap_or(0),
            (4, Content::Number(value)) => label = value,
            (5, Content::Number(value)) => kind = u32::try_from(value).unwrap_or(0),
            (6, Content::Bytes(bytes)) => type_name = type_of(bytes),
            _ => (),
        }
        Ok(())
    })?;
    let Some(name) = name.filter(|_| number > 0 && (1..=18).contains(&kind)) else {
        return Ok(None);
    };
    Ok(Some(Field {
        number,
        name: name.to_owned(),
        is_repeated: label == REPEATED,
        kind,
        type_name: if MESSAGES.contains(&kind) {
            type_name.to_owned()
        } else {
            String::new()
        },
    }))
}

/// Reads a `ServiceDescriptorProto`.
fn service(bytes: &[u8], package: &str, room: &mut Room, file: &mut File) -> Result<(), Refusal> {
    let mut name = None;
    fields(bytes, |number, value| {
        if let (1, Content::Bytes(bytes)) = (number, value) {
            name = joined(package, bytes);
        }
        Ok(())
    })?;
    let Some(service) = name else { return Ok(()) };
    fields(bytes, |number, value| {
        let (2, Content::Bytes(bytes)) = (number, value) else {
            return Ok(());
        };
        let (mut name, mut types) = (None, [""; 2]);
        fields(bytes, |number, value| {
            match (number, value) {
                (1, Content::Bytes(bytes)) => name = identifier(bytes),
                (2, Content::Bytes(bytes)) => types[0] = type_of(bytes),
                (3, Content::Bytes(bytes)) => types[1] = type_of(bytes),
                _ => (),
            }
            Ok(())
        })?;
        if let Some(name) = name {
            room.methods = room.methods.checked_sub(1).ok_or(Refusal::NoRoom)?;
            file.methods.push(Method {
                name: format!("{service}/{name}"),
                types: types.map(str::to_owned),
            });
        }
        Ok(())
    })
}

/// What a field of a message holds.
pub(super) enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Calls `each` for every field of a message that is all there. Groups are looked over.
pub(super) fn fields<'a>(
    bytes: &'a [u8],
    mut each: impl FnMut(u32, Content<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if !wire::are_fields(bytes, bytes.len() as u64) {
        return Err(Refusal::Malformed);
    }
    let (mut at, mut groups) = (0, 0_usize);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Item::Field {
            number,
            value,
            length,
            ..
        } = wire::item(rest)
        else {
            return Err(Refusal::Malformed);
        };
        at += length;
        let content = match value {
            Value::Delimited(payload) => {
                let end = usize::try_from(payload)
                    .ok()
                    .and_then(|payload| at.checked_add(payload));
                let payload = end.and_then(|end| bytes.get(at..end));
                let payload = payload.ok_or(Refusal::Malformed)?;
                at += payload.len();
                Content::Bytes(payload)
            }
            Value::Varint(value) => Content::Number(value),
            Value::StartGroup => {
                groups += 1;
                continue;
            }
            Value::EndGroup => {
                groups = groups.saturating_sub(1);
                continue;
            }
            Value::Fixed64(_) | Value::Fixed32(_) => continue,
        };
        if groups == 0 {
            each(number, content)?;
        }
    }
    Ok(())
}

/// Whether options set this flag.
fn says(options: &[u8], flag: u32) -> Result<bool, Refusal> {
    let mut says = false;
    fields(options, |number, value| {
        if let Content::Number(value) = value
            && number == flag
        {
            says = value != 0;
        }
        Ok(())
    })?;
    Ok(says)
}

/// A name in a program.
fn identifier(bytes: &[u8]) -> Option<&str> {
    let first = bytes.first()?;
    let is_one = bytes.len() <= MAX_NAME
        && (first.is_ascii_alphabetic() || *first == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    str::from_utf8(bytes).ok().filter(|_| is_one)
}

/// Such names with points between them; may be empty.
fn full_name(bytes: &[u8]) -> Option<&str> {
    let name = str::from_utf8(bytes).ok()?;
    let is_name = |name: &str| identifier(name.as_bytes()).is_some();
    (bytes.is_empty() || bytes.len() <= MAX_FULL_NAME && name.split('.').all(is_name)).then_some(name)
}

/// `.package.Message`, or the end of it, as it is written; empty when it is no name.
fn type_of(bytes: &[u8]) -> &str {
    let name = full_name(bytes.strip_prefix(b".").unwrap_or(bytes));
    name.and_then(|_| str::from_utf8(bytes).ok()).unwrap_or_default()
}

fn joined(around: &str, name: &[u8]) -> Option<String> {
    let name = identifier(name)?;
    let full = if around.is_empty() {
        name.to_owned()
    } else {
        format!("{around}.{name}")
    };
    (full.len() <= MAX_FULL_NAME).then_some(full)
}
