//! Separated values (RFC 4180).

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub fn write(
    rows: &[Vec<(&'static str, Node)>],
    delimiter: char,
    values: &mut Values,
    whim: &mut Whim,
) -> Written {
    let mut out = Written::default();
    let end = whim.one(&["\n", "\r\n"]);
    let names: Vec<&str> = rows[0].iter().map(|(name, _)| *name).collect();
    out.text(&names.join(&delimiter.to_string()));
    out.text(end);
    for row in rows {
        for (n, (name, node)) in row.iter().enumerate() {
            if n > 0 {
                out.text(&delimiter.to_string());
            }
            let quote = whim.one(&["", "\""]);
            match node {
                Node::Card | Node::Email => {
                    let value = match node {
                        Node::Card => values.card(),
                        _ => values.email(),
                    };
                    out.text(quote);
                    out.value(value, (*name).to_owned());
                    out.text(quote);
                }
                Node::Word(word) => {
                    let end = whim.one(&["", "\n", delimiter.to_string().leak()]);
                    out.text(&format!("\"{}{end}\"", word.replace('"', "\"\"")));
                }
                _ => {}
            }
        }
        out.text(end);
    }
    out
}
