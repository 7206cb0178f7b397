//! Calls in JSON: GraphQL and JSON-RPC.
//!
//! Goes in: the start of a body, which may be cut. Comes out: a [`Found`]. Only the members of the object
//! at the top are looked at, or of the objects in an array at the top; everything is passed once. The first
//! member of a name counts, so that what follows changes nothing that is sure.

use super::graphql::{Operations, operations};
use super::{Call, Found, GRAPHQL, JSON_RPC, as_name};

/// What a body in JSON calls.
pub(super) fn call(bytes: &[u8]) -> Found<'_> {
    // Nearly no body has one of these, and to look for them is fast.
    let has = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
    if !has(b"\"jsonrpc\"") && !has(b"\"query\"") && !has(b"\"operationName\"") {
        return Found::so_far(None);
    }
    let mut walk = Walk { bytes, at: 0 };
    walk.blank();
    match walk.peek() {
        Some(b'{') => walk.object(),
        Some(b'[') => walk.batch(),
        Some(_) => Found::sure(None),
        None => Found::so_far(None),
    }
}

/// The members of an object that say what it calls.
#[derive(Default)]
struct Members<'a> {
    is_rpc: bool,
    /// Each, once it was seen, and its value where that is a string.
    method: Option<Option<&'a [u8]>>,
    query: Option<Option<Operations<'a>>>,
    named: Option<Option<&'a str>>,
}

impl<'a> Members<'a> {
    fn take(&mut self, key: &[u8], value: Option<&'a [u8]>) {
        match key {
            b"jsonrpc" => self.is_rpc = true,
            b"method" if self.method.is_none() => self.method = Some(value),
            // Null stands for none.
            b"query" if self.query.is_none() => self.query = value.map(operations),
            b"operationName" if self.named.is_none() => self.named = Some(value.and_then(as_name)),
            _ => {}
        }
    }

    /// What is called, whatever else follows.
    fn sure(&self) -> Option<Call<'a>> {
        match (self.method, self.query, self.named) {
            (Some(method), ..) if self.is_rpc => Some(Call {
                protocol: JSON_RPC,
                name: method.and_then(as_name),
            }),
            (_, Some(Some(Operations::One(name))), _) => Some(graphql(name)),
            (_, Some(Some(Operations::Other)), Some(named)) => Some(graphql(named)),
            _ => None,
        }
    }

    /// What is called, if nothing else follows.
    fn so_far(&self) -> Option<Call<'a>> {
        match (self.query, self.named) {
            _ if self.is_rpc => Some(Call {
                protocol: JSON_RPC,
                name: None,
            }),
            (Some(Some(_)), _) => Some(graphql(None)),
            // A query that was stored on the server comes as its name only.
            (None, Some(Some(named))) => Some(graphql(Some(named))),
            _ => None,
        }
    }
}

fn graphql(name: Option<&str>) -> Call<'_> {
    Call {
        protocol: GRAPHQL,
        name,
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

    /// What all objects of an array call: the name of one is that of none.
    fn batch(&mut self) -> Found<'a> {
        self.at += 1;
        let mut first: Option<Call<'a>> = None;
        loop {
            self.blank();
            match self.peek() {
                Some(b'{') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => return Found::sure(first),
                None => return Found::so_far(first.map(Call::without_name)),
            }
            let found = self.object();
            let Some(next) = found.call else {
                return Found {
                    call: first.filter(|_| !found.is_sure).map(Call::without_name),
                    ..found
                };
            };
            first = match first {
                Some(known) if known == next => Some(known),
                Some(known) if known.protocol == next.protocol => Some(known.without_name()),
                Some(_) => return Found { call: None, ..found },
                None => Some(next),
            };
            if !found.is_sure || !self.end_object() {
                return Found::so_far(first.map(Call::without_name));
            }
        }
    }

    /// The members of one object, of which the end may be cut off. Stops where it is sure what it calls.
    fn object(&mut self) -> Found<'a> {
        self.at += 1;
        let mut members = Members::default();
        loop {
            self.blank();
            match self.peek() {
                Some(b'"') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => return Found::sure(members.so_far()),
                None => return Found::so_far(members.so_far()),
            }
            let Some(key) = self.string() else { break };
            self.blank();
            match self.peek() {
                Some(b':') => self.at += 1,
                Some(_) => return Found::sure(members.so_far()),
                None => break,
            }
            self.blank();
            let value = match self.peek() {
                Some(b'"') => match self.string() {
                    Some(value) => Some(value),
                    None => break,
                },
                _ => {
                    self.skip();
                    None
                }
            };
            // What is no string ends where the next sign begins.
            if self.peek().is_none() {
                break;
            }
            members.take(key, value);
            if let Some(call) = members.sure() {
                return Found::sure(Some(call));
            }
        }
        Found::so_far(members.so_far())
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

    /// Passes the rest of an object; false when its end is missing.
    fn end_object(&mut self) -> bool {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    if self.string().is_none() {
                        return false;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => {
                    self.at += 1;
                    return true;
                }
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        false
    }
}
