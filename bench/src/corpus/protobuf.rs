//! Protobuf: one long message whose first field, repeated, is a record of strings, varints, fixed
//! numbers, bytes and nested messages (the wire format of the protocol buffers documentation).

use super::person::Person;
use super::words::{sentence, slug};
use crate::random::Random;

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) -> &mut Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn double(&mut self, field: u64, value: f64) -> &mut Self {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }
}

/// Appends a record; a sensitive one when it is about a person.
pub fn record(out: &mut Vec<u8>, random: &mut Random, person: Option<&Person>) {
    let mut message = Message::default();
    message
        .bytes(1, random.uuid())
        .number(2, 1_770_000_000_000 + random.below(30_000_000_000))
        .number(3, random.below(9_000_000));
    match person {
        Some(person) => customer(&mut message, person),
        None => order(&mut message, random),
    }
    let mut whole = Message::default();
    whole.bytes(1, message.0);
    out.extend(whole.0);
}

fn order(message: &mut Message, random: &mut Random) {
    let digest: Vec<u8> = (0..4).flat_map(|_| random.bits().to_le_bytes()).collect();
    message
        .bytes(4, slug(random))
        .bytes(5, sentence(random, 9))
        .bytes(6, digest)
        .double(7, random.below(90_000) as f64 / 100.0)
        .number(8, random.below(2));
    for _ in 0..1 + random.below(4) {
        let mut item = Message::default();
        item.number(1, random.below(9_000_000))
            .bytes(2, sentence(random, 4))
            .number(3, random.below(5))
            .double(4, random.below(30_000) as f64 / 100.0)
            .bytes(5, format!("https://cdn.shop.test/p/{}.webp", random.hex(12)));
        message.bytes(9, item.0);
    }
}

fn customer(message: &mut Message, person: &Person) {
    let mut card = Message::default();
    card.bytes(1, &person.card).bytes(2, &person.cvv).number(3, 2029);
    message
        .bytes(10, format!("{} {}", person.first, person.last))
        .bytes(11, &person.email)
        .bytes(12, &person.phone)
        .bytes(13, &person.ssn)
        .bytes(14, card.0)
        .bytes(15, &person.iban);
}
