//! YAML in block style (YAML 1.2 §8).

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub struct Yaml<'a> {
    out: Written,
    values: &'a mut Values,
    whim: &'a mut Whim,
}

pub fn write(node: &Node, values: &mut Values, whim: &mut Whim) -> Written {
    let mut yaml = Yaml {
        out: Written::default(),
        values,
        whim,
    };
    if yaml.whim.once_in(2) {
        yaml.out.text("---\n");
    }
    if let Node::Map(members) = node {
        yaml.members(members, 0, false, "$");
    }
    yaml.out
}

impl Yaml<'_> {
    /// The first of them stands on a line that was begun, or on one of its own.
    fn members(&mut self, members: &[(&'static str, Node)], indent: usize, begun: bool, path: &str) {
        for (n, (name, node)) in members.iter().enumerate() {
            if n > 0 || !begun {
                if self.whim.once_in(8) {
                    self.out.text("# a comment: with a colon\n");
                }
                self.out.text(&" ".repeat(indent));
            }
            let quote = self.whim.one(&["", "", "\"", "'"]);
            self.out.text(&format!("{quote}{name}{quote}:"));
            self.behind_key(node, indent, &format!("{path}.{name}"));
        }
    }

    fn behind_key(&mut self, node: &Node, indent: usize, path: &str) {
        match node {
            Node::Map(members) if !members.is_empty() => {
                self.out.text("\n");
                let inner = indent + self.whim.one(&[1, 2, 4]);
                self.members(members, inner, false, path);
            }
            Node::List(nodes) if !nodes.is_empty() => {
                self.out.text("\n");
                // Items may stand as far in as their key.
                let inner = indent + self.whim.one(&[0, 2]);
                for (n, node) in nodes.iter().enumerate() {
                    self.out.text(&" ".repeat(inner));
                    self.out.text("-");
                    let path = format!("{path}[{n}]");
                    match node {
                        Node::Map(members) if !members.is_empty() => {
                            self.out.text(" ");
                            self.members(members, inner + 2, true, &path);
                        }
                        leaf => self.leaf(leaf, inner, &path),
                    }
                }
            }
            leaf => self.leaf(leaf, indent, path),
        }
    }

    fn leaf(&mut self, node: &Node, indent: usize, path: &str) {
        self.out.text(" ");
        match node {
            Node::Card => {
                let card = self.values.card();
                self.quoted(card, path);
            }
            Node::Email => {
                let email = self.values.email();
                self.quoted(email, path);
            }
            Node::Word(word) if self.whim.once_in(4) => {
                let blanks = " ".repeat(indent + 2);
                self.out.text(&format!("|\n{blanks}{word}\n{blanks}key: {word}"));
            }
            Node::Word(word) => self.out.text(&format!("'{}'", word.replace('\'', "''"))),
            Node::Number(number) => self.out.text(&number.to_string()),
            Node::List(_) => self.out.text("[]"),
            Node::Map(_) => self.out.text("{}"),
        }
        self.out.text("\n");
    }

    fn quoted(&mut self, value: (&'static str, String), path: &str) {
        let quote = self.whim.one(&["", "\"", "'"]);
        self.out.text(quote);
        self.out.value(value, path.to_owned());
        self.out.text(quote);
    }
}
