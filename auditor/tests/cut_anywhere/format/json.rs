//! JSON (RFC 8259), alone and a text to a line.

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub struct Json<'a> {
    pub out: Written,
    pub values: &'a mut Values,
    pub whim: &'a mut Whim,
    style: Style,
}

/// How a text is written.
#[derive(Clone, Copy)]
pub struct Style {
    /// Line ends may stand between signs.
    pub has_lines: bool,
    /// Characters may be escaped that need not be.
    pub has_escapes: bool,
}

pub const FREE: Style = Style {
    has_lines: true,
    has_escapes: true,
};
pub const ONE_LINE: Style = Style {
    has_lines: false,
    has_escapes: true,
};
/// As it may stand in a string, where escapes of escapes are not undone.
pub const PLAIN: Style = Style {
    has_lines: false,
    has_escapes: false,
};

/// One text.
pub fn write(node: &Node, values: &mut Values, whim: &mut Whim, style: Style) -> Written {
    let mut json = Json {
        out: Written::default(),
        values,
        whim,
        style,
    };
    json.node(node, "$");
    json.out
}

/// A text to a line.
pub fn lines(nodes: &[Node], values: &mut Values, whim: &mut Whim) -> Written {
    let mut out = Written::default();
    for node in nodes {
        out.inner(write(node, values, whim, ONE_LINE), |field| field);
        out.text("\n");
    }
    out
}

impl Json<'_> {
    fn node(&mut self, node: &Node, path: &str) {
        match node {
            Node::Card => {
                let card = self.values.card();
                if self.whim.once_in(3) {
                    self.out.value(card, path.to_owned());
                } else {
                    self.quoted(card, path);
                }
            }
            Node::Email => {
                let email = self.values.email();
                self.quoted(email, path);
            }
            Node::Word(word) => {
                let text = self.escaped(word);
                self.out.text(&format!("\"{text}\""));
            }
            Node::Number(number) => self.out.text(&number.to_string()),
            Node::List(nodes) => {
                self.out.text("[");
                for (n, node) in nodes.iter().enumerate() {
                    self.comma(n);
                    self.node(node, &format!("{path}[{n}]"));
                }
                self.blank();
                self.out.text("]");
            }
            Node::Map(members) => {
                self.out.text("{");
                for (n, (name, node)) in members.iter().enumerate() {
                    self.comma(n);
                    self.out.text(&format!("\"{name}\""));
                    self.blank();
                    self.out.text(":");
                    self.blank();
                    self.node(node, &format!("{path}.{name}"));
                }
                self.blank();
                self.out.text("}");
            }
        }
    }

    fn comma(&mut self, n: usize) {
        if n > 0 {
            self.blank();
            self.out.text(",");
        }
        self.blank();
    }

    fn blank(&mut self) {
        let blanks: &[&str] = if self.style.has_lines {
            &["", "", " ", "\n", "\n  "]
        } else {
            &["", "", " ", "\t"]
        };
        let blank = self.whim.one(blanks);
        self.out.text(blank);
    }

    fn quoted(&mut self, value: (&'static str, String), path: &str) {
        let text = self.escaped(&value.1);
        self.out.text("\"");
        self.out.value_as(value, text.as_bytes(), path.to_owned());
        self.out.text("\"");
    }

    /// As it stands in a string.
    fn escaped(&mut self, text: &str) -> String {
        let escapes = self.style.has_escapes && self.whim.once_in(3);
        let mut escaped = String::new();
        for c in text.chars() {
            match c {
                '"' | '\\' => escaped.extend(['\\', c]),
                '\t' => escaped.push_str("\\t"),
                '/' if self.style.has_escapes && self.whim.once_in(2) => escaped.push_str("\\/"),
                c if escapes && self.whim.once_in(4) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        escaped.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => escaped.push(c),
            }
        }
        escaped
    }
}
