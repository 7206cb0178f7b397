//! Names of protobuf fields, by the full name of the message they are in.
//!
//! Goes in: descriptors, those of the configuration first, then what peers say. Comes out: for a message and a field
//! number the field's name and type, and for an operation the messages of its request and response. It holds no captured
//! byte but names that cannot be values, and a bounded number of them.
//!
//! Nobody contradicts the configuration: of a message that is in it, what peers say is ignored. Where two others differ
//! about one field, or about a method, neither is believed: it goes by number from then on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::protocol::Place;

use super::descriptors::{self, Field, File, Message, Refusal, Room};
use super::known::Known;

/// Most that is taken of the configuration.
const CONFIGURED: Room = Room {
    types: 65_536,
    fields: 1 << 20,
    methods: 65_536,
};

/// Most that is learnt from peers. Types that are only referred to count as well.
const LEARNT: Room = Room {
    types: 4_096,
    fields: 65_536,
    methods: 4_096,
};

/// Types, fields and methods that are known.
#[derive(Clone, Debug)]
pub struct Schema {
    types: Vec<Arc<Type>>,
    by_name: HashMap<Arc<str>, MessageId>,
    /// By `package.Service/Method`.
    methods: HashMap<Arc<str>, Method>,
    configured: Room,
    learnt: Room,
    ambiguous: u64,
}

/// A message of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId(usize);

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Configured,
    Learnt,
}

/// How the fields of a message are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Plain,
    /// A key and a value of a map: the value has the key for its name.
    Entry,
    /// `google.protobuf.Any`: its first field says what the second is.
    Any,
    /// Stands for what is in it, which has the name of what holds it: `StringValue`, `Struct`, …
    Wrapper,
}

#[derive(Clone, Debug)]
struct Type {
    nature: Nature,
    /// None while it is only referred to.
    origin: Option<Origin>,
    /// None of a field about which descriptors differ.
    fields: BTreeMap<u32, Option<Known>>,
}

#[derive(Clone, Debug)]
struct Method {
    origin: Origin,
    /// Of request and response; none where it is not said, or not by all the same.
    types: [Option<MessageId>; 2],
}

/// What a file changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) is_one: bool,
    /// Some of it found no room.
    pub(super) is_cut: bool,
}

impl Default for Schema {
    fn default() -> Self {
        let mut schema = Self {
            types: Vec::new(),
            by_name: HashMap::new(),
            methods: HashMap::new(),
            configured: CONFIGURED,
            learnt: LEARNT,
            ambiguous: 0,
        };
        schema.add(&well_known(), Origin::Configured);
        schema.configured = CONFIGURED;
        schema
    }
}

impl Schema {
    /// Reads a descriptor set of the configuration.
    ///
    /// # Errors
    /// When `descriptors` is no `FileDescriptorSet`, declares no message, or more than there is room for.
    pub fn parse(descriptors: &[u8]) -> Result<Self, Refusal> {
        let mut schema = Self::default();
        schema.add_set(descriptors)?;
        Ok(schema)
    }

    /// Adds another one.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn add_set(&mut self, descriptors: &[u8]) -> Result<(), Refusal> {
        let mut room = self.configured;
        let (mut messages, mut is_cut) = (0, false);
        descriptors::set(descriptors, &mut room, &mut |file| {
            messages += file.messages.len();
            is_cut |= self.add(&file, Origin::Configured).is_cut;
        })?;
        match (messages, is_cut) {
            (0, _) => Err(Refusal::Malformed),
            (_, true) => Err(Refusal::NoRoom),
            _ => Ok(()),
        }
    }

    /// The message with this full name, `package.Message`.
    pub fn message(&self, name: &str) -> Option<MessageId> {
        let id = *self.by_name.get(name)?;
        self.types.get(id.0)?.origin.map(|_| id)
    }

    /// The message that an operation, `/package.Service/Method`, has in this place. What stands in front of the service,
    /// as some servers have it, does not matter.
    pub fn message_of(&self, operation: &str, place: Place) -> Option<MessageId> {
        // And not the direction: who opened a connection is not always known.
        let at = match place {
            Place::RequestBody => 0,
            Place::ResponseBody => 1,
            _ => return None,
        };
        let mut slashes = memchr::memrchr_iter(b'/', operation.as_bytes());
        let service = slashes.nth(1)? + 1;
        self.methods.get(&operation[service..])?.types[at]
    }

    pub(super) fn field(&self, message: MessageId, number: u32) -> Option<&Known> {
        self.types.get(message.0)?.fields.get(&number)?.as_ref()
    }

    pub(super) fn nature(&self, message: MessageId) -> Nature {
        self.types.get(message.0).map_or(Nature::Plain, |of| of.nature)
    }

    /// Whether nobody declared anything.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.by_name.len() == Self::default_types()
    }

    /// Types that were learnt or referred to by what was, and how many there may be.
    pub fn learnt_types(&self) -> [u64; 2] {
        [(LEARNT.types - self.learnt.types) as u64, LEARNT.types as u64]
    }

    /// Messages that are known, methods, and fields and methods about which descriptors differ.
    pub fn tally(&self) -> [u64; 3] {
        let known = self.types.iter().filter(|of| of.origin.is_some()).count();
        let well_known = Self::default_types();
        [
            known.saturating_sub(well_known) as u64,
            self.methods.len() as u64,
            self.ambiguous,
        ]
    }

    fn default_types() -> usize {
        well_known().messages.len()
    }

    /// Room for one file of a peer.
    pub(super) const fn room_of_a_file() -> Room {
        LEARNT
    }

    /// Adds what a file declares.
    pub(super) fn add(&mut self, file: &File, origin: Origin) -> Change {
        let mut change = Change::default();
        for message in &file.messages {
            self.add_message(message, origin, &mut change);
        }
        for method in &file.methods {
            let types = method
                .types
                .each_ref()
                .map(|name| self.refer(name, origin, &mut change));
            self.add_method(&method.name, types, origin, &mut change);
        }
        change
    }

    fn room(&mut self, origin: Origin) -> &mut Room {
        match origin {
            Origin::Configured => &mut self.configured,
            Origin::Learnt => &mut self.learnt,
        }
    }

    /// The type of this name, which may be declared later.
    fn refer(&mut self, name: &str, origin: Origin, change: &mut Change) -> Option<MessageId> {
        if name.is_empty() {
            return None;
        }
        if let Some(id) = self.by_name.get(name) {
            return Some(*id);
        }
        if !take(&mut self.room(origin).types, change) {
            return None;
        }
        let id = MessageId(self.types.len());
        self.by_name.insert(name.into(), id);
        self.types.push(Arc::new(Type {
            nature: Nature::of(name, false),
            origin: None,
            fields: BTreeMap::new(),
        }));
        Some(id)
    }

    fn add_message(&mut self, message: &Message, origin: Origin, change: &mut Change) {
        let Some(id) = self.refer(&message.name, origin, change) else {
            return;
        };
        let known = &self.types[id.0];
        if origin == Origin::Learnt && known.origin == Some(Origin::Configured) {
            return;
        }
        let nature = Nature::of(&message.name, message.is_entry);
        if known.origin.is_none() {
            let declared = Arc::make_mut(&mut self.types[id.0]);
            declared.origin = Some(origin);
            declared.nature = nature;
            change.is_one = true;
        } else if known.nature == Nature::Entry && nature == Nature::Plain {
            // Then the key of a map is not known to be one.
            Arc::make_mut(&mut self.types[id.0]).nature = Nature::Plain;
            self.ambiguous += 1;
            change.is_one = true;
        }
        for field in &message.fields {
            self.add_field(id, field, origin, change);
        }
    }

    fn add_field(&mut self, id: MessageId, field: &Field, origin: Origin, change: &mut Change) {
        let message = self.refer(&field.type_name, origin, change);
        let known = Known::of(field, message, origin == Origin::Learnt);
        match self.types[id.0].fields.get(&field.number) {
            None => {
                if take(&mut self.room(origin).fields, change) {
                    self.set_field(id, field.number, Some(known));
                    change.is_one = true;
                }
            }
            Some(Some(before)) if *before != known => {
                self.set_field(id, field.number, None);
                self.ambiguous += 1;
                change.is_one = true;
            }
            Some(_) => (),
        }
    }

    fn set_field(&mut self, id: MessageId, number: u32, known: Option<Known>) {
        Arc::make_mut(&mut self.types[id.0]).fields.insert(number, known);
    }

    fn add_method(&mut self, name: &str, types: [Option<MessageId>; 2], origin: Origin, change: &mut Change) {
        if let Some(known) = self.methods.get_mut(name) {
            if origin == Origin::Learnt && known.origin == Origin::Configured {
                return;
            }
            for (known, now) in known.types.iter_mut().zip(types) {
                if known.is_some() && *known != now {
                    *known = None;
                    self.ambiguous += 1;
                    change.is_one = true;
                }
            }
        } else if take(&mut self.room(origin).methods, change) {
            self.methods.insert(name.into(), Method { origin, types });
            change.is_one = true;
        }
    }
}

impl Nature {
    fn of(name: &str, is_entry: bool) -> Self {
        match name.strip_prefix("google.protobuf.") {
            Some("Any") => Self::Any,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
                | "BoolValue" | "StringValue" | "BytesValue" | "Struct" | "Value" | "ListValue",
            ) => Self::Wrapper,
            _ if is_entry => Self::Entry,
            _ => Self::Plain,
        }
    }
}

/// Takes one of what there is room for.
fn take(room: &mut usize, change: &mut Change) -> bool {
    match room.checked_sub(1) {
        Some(left) => {
            *room = left;
            true
        }
        None => {
            change.is_cut = true;
            false
        }
    }
}

/// Types that every implementation knows, so that descriptors are often without them
/// (<https://protobuf.dev/reference/protobuf/google.protobuf/>).
fn well_known() -> File {
    let field = |number, name: &str, kind, type_name: &str, is_repeated| Field {
        number,
        name: name.to_owned(),
        is_repeated,
        kind,
        type_name: type_name.to_owned(),
    };
    let message = |name: &str, fields| Message {
        name: format!("google.protobuf.{name}"),
        is_entry: name.ends_with("Entry"),
        fields,
    };
    let (value, entry) = ("google.protobuf.Value", "google.protobuf.Struct.FieldsEntry");
    let mut messages = vec![
        message(
            "Any",
            vec![
                field(1, "type_url", 9, "", false),
                field(2, "value", 12, "", false),
            ],
        ),
        message("Struct", vec![field(1, "fields", 11, entry, true)]),
        message(
            "Struct.FieldsEntry",
            vec![field(1, "key", 9, "", false), field(2, "value", 11, value, false)],
        ),
        message("ListValue", vec![field(1, "values", 11, value, true)]),
        message(
            "Value",
            vec![
                field(1, "null_value", 14, "", false),
                field(2, "number_value", 1, "", false),
                field(3, "string_value", 9, "", false),
                field(4, "bool_value", 8, "", false),
                field(5, "struct_value", 11, "google.protobuf.Struct", false),
                field(6, "list_value", 11, "google.protobuf.ListValue", false),
            ],
        ),
    ];
    for (name, kind) in [
        ("DoubleValue", 1),
        ("FloatValue", 2),
        ("Int64Value", 3),
        ("UInt64Value", 4),
        ("Int32Value", 5),
        ("UInt32Value", 13),
        ("BoolValue", 8),
        ("StringValue", 9),
        ("BytesValue", 12),
    ] {
        messages.push(message(name, vec![field(1, "value", kind, "", false)]));
    }
    File {
        messages,
        methods: Vec::new(),
    }
}
