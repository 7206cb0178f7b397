//! Protocol buffers without a schema, and the messages of gRPC-Web in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

/// One message; the number of a field is its place in the map.
pub fn write(node: &Node, values: &mut Values) -> Written {
    let mut out = Written::default();
    if let Node::Map(members) = node {
        message(members, "", &mut out, values);
    }
    out
}

fn message(members: &[(&'static str, Node)], path: &str, out: &mut Written, values: &mut Values) {
    for (n, (_, node)) in members.iter().enumerate() {
        let number = n as u8 + 1;
        let path = match path {
            "" => number.to_string(),
            path => format!("{path}.{number}"),
        };
        match node {
            Node::List(nodes) => {
                for (n, node) in nodes.iter().enumerate() {
                    let path = if n == 0 {
                        path.clone()
                    } else {
                        format!("{path}[{n}]")
                    };
                    field(number, node, &path, out, values);
                }
            }
            node => field(number, node, &path, out, values),
        }
    }
}

fn field(number: u8, node: &Node, path: &str, out: &mut Written, values: &mut Values) {
    let mut inner = Written::default();
    match node {
        Node::Number(value) => {
            out.bytes.push(number << 3);
            varint(u64::from(*value), &mut out.bytes);
            return;
        }
        // Numbers of fields say nothing, so a card would be low.
        Node::Card | Node::Email => inner.value(values.email(), path.to_owned()),
        Node::Word(word) => inner.text(word),
        Node::Map(members) => message(members, path, &mut inner, values),
        Node::List(_) => {}
    }
    out.bytes.push(number << 3 | 2);
    varint(inner.bytes.len() as u64, &mut out.bytes);
    out.inner(inner, |field| field);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Messages with a head of five bytes each, in base64 that is padded anywhere between them.
pub fn web_text(messages: &[Written], whim: &mut Whim) -> Written {
    let mut out = Written::default();
    let mut waiting = Vec::new();
    for message in messages {
        // Places are those in the message.
        out.expect(message, 0, |field| field);
        waiting.push(0);
        waiting.extend((message.bytes.len() as u32).to_be_bytes());
        waiting.extend(&message.bytes);
        if whim.once_in(2) {
            out.text(&STANDARD.encode(std::mem::take(&mut waiting)));
        }
    }
    out.text(&STANDARD.encode(&waiting));
    out
}
