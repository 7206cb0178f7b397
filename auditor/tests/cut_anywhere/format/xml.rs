//! XML 1.0.

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub struct Xml<'a> {
    out: Written,
    values: &'a mut Values,
    whim: &'a mut Whim,
}

/// A document whose outermost element is `root`.
pub fn write(root: &str, node: &Node, values: &mut Values, whim: &mut Whim) -> Written {
    let mut out = Written::default();
    if whim.once_in(2) {
        out.text("<?xml version=\"1.0\"?>\n");
    }
    out.inner(element(root, "", node, values, whim), |field| field);
    out
}

/// One element inside of what `around` is the path of.
pub fn element(name: &str, around: &str, node: &Node, values: &mut Values, whim: &mut Whim) -> Written {
    let mut xml = Xml {
        out: Written::default(),
        values,
        whim,
    };
    xml.element(name, node, around);
    xml.out
}

impl Xml<'_> {
    fn element(&mut self, name: &str, node: &Node, around: &str) {
        if let Node::List(nodes) = node {
            for node in nodes {
                self.element(name, node, around);
            }
            return;
        }
        let path = format!("{around}/{name}");
        self.out.text(&format!("<{name}"));
        let members = match node {
            Node::Map(members) => &members[..],
            _ => &[],
        };
        // Leaves in front may be attributes.
        let is_leaf = |node: &Node| !matches!(node, Node::List(_) | Node::Map(_));
        let leaves = members.iter().take_while(|(_, node)| is_leaf(node)).count();
        let attributes = self.whim.below(leaves + 1);
        for (name, node) in &members[..attributes] {
            let quote = self.whim.one(&["\"", "'"]);
            let gap = self.whim.one(&[" ", "\n  "]);
            let equals = self.whim.one(&["=", "=", " = "]);
            self.out.text(&format!("{gap}{name}{equals}{quote}"));
            self.leaf(node, &format!("{path}/@{name}"));
            self.out.text(quote);
        }
        let is_empty = matches!(node, Node::Map(members) if members.len() == attributes);
        if is_empty && self.whim.once_in(2) {
            self.out.text(" />");
            return;
        }
        self.out.text(">");
        for (name, node) in &members[attributes..] {
            self.between();
            self.element(name, node, &path);
        }
        if is_leaf(node) {
            let marks = self.whim.one(&[("", ""), ("", ""), ("<![CDATA[", "]]>")]);
            self.out.text(marks.0);
            self.leaf(node, &path);
            self.out.text(marks.1);
        }
        self.out.text(&format!("</{name}>"));
    }

    fn between(&mut self) {
        let text = self
            .whim
            .one(&["", "\n", "  ", "<!-- <b> email: -->", "<?go on?>"]);
        self.out.text(text);
    }

    fn leaf(&mut self, node: &Node, path: &str) {
        match node {
            Node::Card => {
                let card = self.values.card();
                self.out.value(card, path.to_owned());
            }
            Node::Email => {
                let email = self.values.email();
                self.out.value(email, path.to_owned());
            }
            Node::Word(word) => {
                let word = word.replace('&', "&amp;").replace('<', "&lt;");
                self.out
                    .text(&word.replace('"', "&quot;").replace('\'', "&apos;"));
            }
            Node::Number(number) => self.out.text(&number.to_string()),
            Node::List(_) | Node::Map(_) => {}
        }
    }
}
