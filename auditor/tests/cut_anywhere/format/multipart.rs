//! Multipart bodies (RFC 2046 §5.1, RFC 7578), with parts of several formats, encodings and levels.

use crate::format::{coding, csv, json, xml};
use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Expected, Values, Written, within};

/// What a part holds.
#[derive(Clone, Debug)]
pub enum Content {
    Field(Node),
    Json(Node),
    Xml(Node),
    Csv(Vec<Vec<(&'static str, Node)>>),
    Packed(Node),
    /// A file that is no text.
    Picture,
    Parts(Vec<Content>),
}

/// The body, and its boundary.
pub fn write(parts: &[Content], depth: usize, values: &mut Values, whim: &mut Whim) -> (Written, String) {
    // Boundaries of bodies inside of each other may begin with each other.
    let boundary = format!(
        "{}{}",
        whim.one(&["X", "--b", "x'()+_,-./:=?"]),
        "Y".repeat(depth)
    );
    let mut out = Written::default();
    if whim.once_in(4) {
        out.text("a preamble\r\n");
    }
    for (n, part) in parts.iter().enumerate() {
        out.text(&format!("--{boundary}\r\n"));
        let name = (!whim.once_in(4)).then(|| whim.one(&["card_number", "email", "meta", "rows"]));
        let path = name.map_or_else(|| format!("[{n}]"), str::to_owned);
        match name {
            Some(name) => out.text(&format!("Content-Disposition: form-data; name=\"{name}\"")),
            None => out.text("Content-Disposition: inline"),
        }
        one(part, &path, depth, &mut out, values, whim);
        out.text("\r\n");
    }
    out.text(&format!("--{boundary}--\r\n"));
    (out, boundary)
}

fn one(part: &Content, path: &str, depth: usize, out: &mut Written, values: &mut Values, whim: &mut Whim) {
    let prefixed = |field| within(path, field);
    match part {
        Content::Field(node) => {
            out.text("\r\n\r\n");
            let value = match node {
                Node::Card if path == "card_number" => values.card(),
                _ => values.email(),
            };
            out.value(value, path.to_owned());
        }
        Content::Json(node) => {
            let media = whim.one(&["\r\nContent-Type: application/json", ""]);
            out.text(&format!("{media}\r\n\r\n"));
            out.inner(json::write(node, values, whim, json::FREE), prefixed);
        }
        Content::Xml(node) => {
            out.text("\r\nContent-Type: text/xml\r\n\r\n");
            out.inner(xml::write("order", node, values, whim), prefixed);
        }
        Content::Csv(rows) => {
            let file = values.email();
            out.text(&format!(
                "; filename=\"{}\"\r\nContent-Type: text/csv\r\n\r\n",
                file.1
            ));
            out.expected.push(Expected {
                detector: file.0,
                value: file.1,
                field: Some(format!("{path}.filename")),
                at: None,
            });
            out.inner(csv::write(rows, ',', values, whim), prefixed);
        }
        Content::Packed(node) => {
            let json = json::write(node, values, whim, json::FREE);
            let (packed, name) = coding::pack(&json.bytes, whim);
            out.text(&format!(
                "\r\nContent-Type: application/json\r\nContent-Encoding: {name}\r\n\r\n"
            ));
            out.bytes.extend(packed);
            // Places are those of the decoded content, whatever it lies in.
            out.expect(&json, 0, prefixed);
            let packed = out.expected.iter_mut().rev().take(json.expected.len());
            packed.for_each(|expected| expected.at = None);
        }
        Content::Picture => {
            out.text("; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n");
            out.bytes.extend(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
            out.bytes.extend((0..300).map(|_| whim.below(256) as u8));
        }
        Content::Parts(parts) => {
            let (inner, boundary) = write(parts, depth + 1, values, whim);
            out.text(&format!(
                "\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n"
            ));
            out.inner(inner, prefixed);
        }
    }
}
