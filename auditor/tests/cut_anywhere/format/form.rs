//! Forms (WHATWG URL, application/x-www-form-urlencoded), some of whose values are JSON.

use crate::format::json;
use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub fn write(
    members: &[(&'static str, Node)],
    payload: Option<&Node>,
    values: &mut Values,
    whim: &mut Whim,
) -> Written {
    let mut out = Written::default();
    let at = whim.below(members.len() + 1);
    for n in 0..=members.len() {
        if n == at
            && let Some(payload) = payload
        {
            separate(&mut out);
            let json = json::write(payload, values, whim, json::PLAIN);
            out.text("payload=");
            let escaped = escaped(&json, whim);
            out.inner(escaped, |field| {
                Some(format!("payload|json{}", field.as_deref()?.strip_prefix('$')?))
            });
        }
        let Some((name, node)) = members.get(n) else { break };
        separate(&mut out);
        out.text(&format!("{name}="));
        let mut plain = Written::default();
        match node {
            Node::Card => plain.value(values.card(), (*name).to_owned()),
            Node::Email => plain.value(values.email(), (*name).to_owned()),
            Node::Word(word) => plain.text(word),
            _ => {}
        }
        out.inner(escaped(&plain, whim), |field| field);
    }
    out
}

fn separate(out: &mut Written) {
    if !out.bytes.is_empty() {
        out.text("&");
    }
}

/// Escaped where it must be, and sometimes where it need not.
fn escaped(plain: &Written, whim: &mut Whim) -> Written {
    let often = whim.one(&[5, 1000]);
    plain.mapped(|_, byte, out| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.@*".contains(&byte);
        match byte {
            b' ' if !whim.once_in(3) => out.push(b'+'),
            byte if is_plain && !whim.once_in(often) => out.push(byte),
            byte => out.extend(format!("%{byte:02X}").bytes()),
        }
    })
}
