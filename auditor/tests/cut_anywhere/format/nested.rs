//! Content in a string of JSON: base64, the claims of a JSON Web Token, JSON.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::format::json;
use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written, encoded};

/// Wraps a map `depth` times.
pub fn write(node: &Node, depth: usize, values: &mut Values, whim: &mut Whim) -> Written {
    let mut inner = json::write(node, values, whim, json::PLAIN);
    for _ in 0..depth {
        inner = wrapped(&inner, values, whim);
    }
    inner
}

fn wrapped(inner: &Written, values: &mut Values, whim: &mut Whim) -> Written {
    let mut out = Written::default();
    out.text("{\"n\":1,\"email\":\"");
    out.value(values.email(), "$.email".to_owned());
    out.text("\",\"blob\":\"");
    match whim.below(3) {
        // Shorter strings are left alone.
        0 if inner.bytes.len() >= 18 => {
            // Places are counted from where the string begins.
            let base = out.bytes.len() as u64;
            out.expect(inner, base, |field| encoded("$.blob", "base64", field));
            out.text(&STANDARD.encode(&inner.bytes));
        }
        1 if inner.bytes.len() >= 18 => {
            out.text(&URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
            out.text(".");
            let base = out.bytes.len() as u64;
            out.expect(inner, base, |field| encoded("$.blob", "jwt", field));
            out.text(&URL_SAFE_NO_PAD.encode(&inner.bytes));
            out.text(".c2lnbmF0dXJl");
        }
        _ => {
            let escaped = inner.mapped(|_, byte, out| match byte {
                b'"' | b'\\' => out.extend([b'\\', byte]),
                b'\t' => out.extend(b"\\t"),
                byte => out.push(byte),
            });
            out.inner(escaped, |field| encoded("$.blob", "json", field));
        }
    }
    out.text("\",\"z\":[\"");
    out.value(values.email(), "$.z[0]".to_owned());
    out.text("\"]}");
    out
}
