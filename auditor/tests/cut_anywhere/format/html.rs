//! HTML: inputs of a form, and text.

use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub fn write(members: &[(&'static str, Node)], values: &mut Values, whim: &mut Whim) -> Written {
    let mut out = Written::default();
    out.text("<!DOCTYPE html>\n<html><head><title>x</title><meta charset=utf-8>");
    out.text("<script>if (a < b && c > d) { e = '</p>' }</script><style>a > b {}</style></head><body>");
    for (name, node) in members {
        if whim.once_in(4) {
            out.text(whim.one(&[
                "<br>",
                "<hr>\n",
                "<img src=a.png>",
                "<!-- <b>: -->",
                "<ul><li>a</ul>",
            ]));
        }
        match node {
            Node::Card | Node::Email => value(name, node, &mut out, values, whim),
            Node::Word(word) => {
                let word = word.replace('&', "&amp;").replace('<', "&lt;");
                out.text(&format!("<i>{word}</i>"));
            }
            _ => {}
        }
    }
    out.text("</body></html>");
    out
}

fn value(name: &str, node: &Node, out: &mut Written, values: &mut Values, whim: &mut Whim) {
    let (value, label) = match node {
        Node::Card => (values.card(), "Card number"),
        _ => (values.email(), "E-mail"),
    };
    match whim.below(4) {
        0 => {
            out.text(&format!("<p><b>{label}: "));
            out.value(value, "/html/body/p/b".to_owned());
            out.text("</b></p>");
        }
        1 => {
            out.text(&format!("<dl><dt>x<dd>{label}: "));
            out.value(value, "/html/body/dl/dt/dd".to_owned());
            out.text("</dl>");
        }
        order => {
            let quote = whim.one(&["\"", "'"]);
            let named = format!("name={quote}{name}{quote}");
            let field = format!("/html/body/form/input[@name='{name}']/@value");
            out.text("<form><input type=text ");
            if order == 2 {
                out.text(&format!("{named} "));
            }
            out.text(&format!("value={quote}"));
            out.value(value, field);
            out.text(quote);
            if order == 3 {
                out.text(&format!(" {named}"));
            }
            out.text("></form>");
        }
    }
}
