//! MessagePack and CBOR (RFC 8949).

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Expected, Values, Written};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    MessagePack,
    Cbor,
}

pub struct Items<'a> {
    format: Format,
    out: Written,
    values: &'a mut Values,
    whim: &'a mut Whim,
}

/// One item.
pub fn write(format: Format, node: &Node, values: &mut Values, whim: &mut Whim) -> Written {
    let mut items = Items {
        format,
        out: Written::default(),
        values,
        whim,
    };
    items.node(node, "$");
    items.out
}

impl Items<'_> {
    fn node(&mut self, node: &Node, path: &str) {
        if self.format == Format::Cbor && self.whim.once_in(12) {
            // A tag that says that what follows is CBOR.
            self.out.bytes.extend([0xd9, 0xd9, 0xf7]);
        }
        match node {
            Node::Card => {
                let card = self.values.card();
                if self.whim.once_in(3) {
                    let number = card.1.parse().unwrap();
                    self.number(number);
                    self.out.expected.push(Expected {
                        detector: card.0,
                        value: card.1,
                        field: Some(path.to_owned()),
                        at: None,
                    });
                } else {
                    self.string(&card.1.clone(), Some((card, path)));
                }
            }
            Node::Email => {
                let email = self.values.email();
                self.string(&email.1.clone(), Some((email, path)));
            }
            Node::Word(word) => self.string(word, None),
            Node::Number(number) => self.number(u64::from(*number)),
            Node::List(nodes) => {
                let ends = self.head(4, nodes.len());
                for (n, node) in nodes.iter().enumerate() {
                    self.node(node, &format!("{path}[{n}]"));
                }
                self.end(ends);
            }
            Node::Map(members) => {
                let ends = self.head(5, members.len());
                for (name, node) in members {
                    self.string(name, None);
                    self.node(node, &format!("{path}.{name}"));
                }
                self.end(ends);
            }
        }
    }

    /// The head of a list (4) or map (5); tells whether an end must follow.
    fn head(&mut self, major: u8, length: usize) -> bool {
        if self.format == Format::Cbor {
            if self.whim.once_in(3) {
                self.out.bytes.push(major << 5 | 31);
                return true;
            }
            self.argument(major, length as u64);
            return false;
        }
        let (short, long) = if major == 4 { (0x90, 0xdc) } else { (0x80, 0xde) };
        match self.whim.below(3) {
            0 if length < 16 => self.out.bytes.push(short | length as u8),
            1 => {
                self.out.bytes.push(long + 1);
                self.out.bytes.extend((length as u32).to_be_bytes());
            }
            _ => {
                self.out.bytes.push(long);
                self.out.bytes.extend((length as u16).to_be_bytes());
            }
        }
        false
    }

    fn end(&mut self, ends: bool) {
        if ends {
            self.out.bytes.push(0xff);
        }
    }

    /// The head of an item of CBOR, at least as long as it must be.
    fn argument(&mut self, major: u8, argument: u64) {
        let least = match argument {
            0..24 => 0,
            24..0x100 => 1,
            0x100..0x1_0000 => 2,
            0x1_0000..0x1_0000_0000 => 3,
            _ => 4,
        };
        let width = (least + self.whim.one(&[0, 0, 1])).min(4);
        let out = &mut self.out.bytes;
        match width {
            0 => out.push(major << 5 | argument as u8),
            width => {
                out.push((major << 5) | (23 + width as u8));
                out.extend(&argument.to_be_bytes()[8 - (1 << (width - 1))..]);
            }
        }
    }

    fn number(&mut self, number: u64) {
        if self.format == Format::Cbor {
            self.argument(0, number);
        } else if number < 128 && self.whim.once_in(2) {
            self.out.bytes.push(number as u8);
        } else {
            self.out.bytes.push(0xcf);
            self.out.bytes.extend(number.to_be_bytes());
        }
    }

    /// A string, which may be a value.
    fn string(&mut self, text: &str, value: Option<((&'static str, String), &str)>) {
        let is_value = value.is_some();
        if self.format == Format::Cbor && is_value && self.whim.once_in(3) {
            self.pieces(text, value);
            return;
        }
        let length = text.len();
        match (self.format, self.whim.below(3)) {
            // Bytes that are readable are text, too.
            (Format::Cbor, 0) if is_value => self.argument(2, length as u64),
            (Format::Cbor, _) => self.argument(3, length as u64),
            (_, 0) if length < 32 => self.out.bytes.push(0xa0 | length as u8),
            (_, 1) if is_value => self.out.bytes.extend([0xc4, length as u8]),
            (_, 2) => {
                self.out.bytes.push(0xdb);
                self.out.bytes.extend((length as u32).to_be_bytes());
            }
            _ => self.out.bytes.extend([0xd9, length as u8]),
        }
        match value {
            Some((value, path)) => self.out.value(value, path.to_owned()),
            None => self.out.text(text),
        }
    }

    /// A string in pieces, with heads between them.
    fn pieces(&mut self, text: &str, value: Option<((&'static str, String), &str)>) {
        self.out.bytes.push(3 << 5 | 31);
        let mut place = None;
        for piece in text.as_bytes().chunks(5) {
            self.argument(3, piece.len() as u64);
            let at = self.out.bytes.len() as u64;
            self.out.bytes.extend(piece);
            let start = place.map_or(at, |(start, _)| start);
            place = Some((start, self.out.bytes.len() as u64));
        }
        self.out.bytes.push(0xff);
        if let Some(((detector, value), path)) = value {
            self.out.expected.push(Expected {
                detector,
                value,
                field: Some(path.to_owned()),
                at: place,
            });
        }
    }
}
