//! Calls in JSON: GraphQL and JSON-RPC.
//!
//! Goes in: the start of a body, which may be cut. Comes out: a [`Call`]. Only the members of the object
//! at the top are looked at, or of the objects in an array at the top; everything is passed once.

use super::{Call, GRAPHQL, JSON_RPC, as_name};

/// What a body in JSON calls.
pub(super) fn call(bytes: &[u8]) -> Option<Call<'_>> {
    // Nearly no body has one of these, and to look for them is fast.
    let has = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
    if !has(b"\"jsonrpc\"") && !has(b"\"query\"") && !has(b"\"operationName\"") {
        return None;
    }
    let mut walk = Walk { bytes, at: 0 };
    walk.blank();
    match walk.peek()? {
        b'{' => walk.object(),
        b'[' => {
            walk.at += 1;
            let mut first = None;
            loop {
                walk.blank();
                match walk.peek() {
                    Some(b'{') => {}
                    Some(b',') => {
                        walk.at += 1;
                        continue;
                    }
                    _ => break first,
                }
                let next = walk.object()?;
                first = match first {
                    None => Some(next),
                    Some(known) if known == next => Some(known),
                    Some(known) if known.protocol == next.protocol => Some(Call { name: None, ..known }),
                    Some(_) => return None,
                };
            }
        }
        _ => None,
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    }

    /// The members of one object, of which the end may be cut off.
    fn object(&mut self) -> Option<Call<'a>> {
        self.at += 1;
        let (mut is_rpc, mut method, mut query, mut named) = (false, None, None, None);
        loop {
            self.blank();
            match self.peek() {
                Some(b'"') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                _ => break,
            }
            let Some(key) = self.string() else { break };
            self.blank();
            if self.peek() != Some(b':') {
                break;
            }
            self.at += 1;
            self.blank();
            let value = match self.peek() {
                Some(b'"') => self.string(),
                _ => {
                    self.skip();
                    None
                }
            };
            match key {
                b"jsonrpc" => is_rpc = true,
                b"method" => method = value,
                b"query" => query = value,
                b"operationName" => named = value,
                _ => {}
            }
        }
        if is_rpc {
            let name = method.and_then(as_name);
            return Some(Call {
                protocol: JSON_RPC,
                name,
            });
        }
        let document = query.and_then(document);
        // A query that was stored on the server comes as its name only.
        if document.is_none() && (query.is_some() || named.is_none()) {
            return None;
        }
        Some(Call {
            protocol: GRAPHQL,
            name: named.and_then(as_name).or(document.flatten()),
        })
    }

    /// The inside of a string, escapes as they are; `None` when its end is missing.
    fn string(&mut self) -> Option<&'a [u8]> {
        let from = self.at + 1;
        let mut at = from;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.bytes.get(at..)?)?;
            if self.bytes[at] == b'"' {
                self.at = at + 1;
                return Some(&self.bytes[from..at]);
            }
            at += 2;
        }
    }

    /// Passes a value that is no string, with all that is in it.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    if self.string().is_none() {
                        self.at = self.bytes.len();
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// Whether a string is a document of GraphQL, and the name of its only operation.
fn document(text: &[u8]) -> Option<Option<&str>> {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(escape) = rest
            .strip_prefix(b"\\n")
            .or_else(|| rest.strip_prefix(b"\\r"))
            .or_else(|| rest.strip_prefix(b"\\t"))
        {
            rest = escape;
        } else if rest.first() == Some(&b'#') {
            let end = memchr::memmem::find(rest, b"\\n")?;
            rest = &rest[end..];
        } else {
            break;
        }
    }
    if rest.first() == Some(&b'{') {
        return Some(None);
    }
    let kinds: [&[u8]; 4] = [b"query", b"mutation", b"subscription", b"fragment"];
    let kind = kinds.iter().find(|kind| rest.starts_with(kind))?;
    let rest = &rest[kind.len()..];
    let name = rest.trim_ascii_start();
    let length = name
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count();
    let (name, behind) = name.split_at(length);
    if length > 0 && rest.len() == length + behind.len() {
        return None;
    }
    let behind = behind.trim_ascii_start();
    if *kind == b"fragment" {
        return behind.starts_with(b"on ").then_some(None);
    }
    matches!(behind.first(), Some(b'{' | b'(' | b'@' | b'\\')).then(|| as_name(name))
}
