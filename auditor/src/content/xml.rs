//! Fields of XML 1.0: `/order/card/@number`; and of HTML, where the value of an input is named by what
//! that is called: `/html/body/form/input[@name='card']/@value`.
//!
//! Goes in: bytes that should be XML or HTML. Comes out: the element path and, in a tag, the attribute. It
//! validates nothing, expands no entity and follows [`MAX_DEPTH`] levels; below, the path ends in
//! `//*`.

mod html;

use std::ops::Range;

use memchr::memmem;

use super::cursor::{Cursor, MAX_SIBLINGS, Name, REACH, safe_name, siblings, text_of};
use super::text::Text;
use super::{Field, FieldLookup as _};

/// Levels of nesting that are followed.
pub const MAX_DEPTH: usize = 128;

#[derive(Clone, Default)]
pub(super) struct Xml {
    html: bool,
    at: usize,
    state: State,
    /// Where the tag began that the cursor is in, or was last.
    tag: usize,
    /// Start of the text, attribute name or attribute value.
    start: usize,
    end: Option<usize>,
    elements: Vec<Element>,
    deeper: usize,
    /// Of the tag the cursor is in.
    attributes: Vec<Name>,
    /// The last of them, also when there are more than are kept.
    attribute: Option<Name>,
    /// Names of the elements at the top, which have no parent.
    roots: Vec<Name>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Tag,
    AttributeName,
    Attribute(u8),
    /// Comment, instruction, declaration or closing tag, up to this.
    Skip(&'static [u8]),
    /// Text without markup, up to this.
    Raw(&'static [u8]),
}

#[derive(Clone)]
struct Element {
    name: Name,
    children: Vec<Name>,
}

impl Xml {
    /// At a `<`.
    fn markup(&mut self, bytes: &[u8]) {
        let rest = &bytes[self.at..];
        let name = rest[1..].iter().take(256).take_while(|b| is_name(**b)).count();
        let (state, length) = match rest {
            [b'<', b'!', b'-', b'-', ..] => (State::Skip(b"-->"), 4),
            _ if rest.starts_with(b"<![CDATA[") => (State::Text, 9),
            [b'<', b'?', ..] => (State::Skip(b"?>"), 2),
            [b'<', b'!', ..] => (State::Skip(b">"), 2),
            [b'<', b'/', ..] if self.html => {
                let length = rest[2..].iter().take(256).take_while(|b| is_name(**b)).count();
                self.close_named(bytes, &rest[2..2 + length]);
                (State::Skip(b">"), 2)
            }
            [b'<', b'/', ..] => {
                self.close();
                (State::Skip(b">"), 2)
            }
            _ if name > 0 => {
                self.tag = self.at;
                self.open(Name::At(self.at + 1, self.at + 1 + name));
                (State::Tag, 1 + name)
            }
            _ => (State::Text, 1),
        };
        self.state = state;
        self.at += length;
        self.begin(self.at);
    }

    fn begin(&mut self, start: usize) {
        self.start = start;
        self.end = None;
    }

    fn open(&mut self, name: Name) {
        self.attributes.clear();
        if self.elements.len() == MAX_DEPTH {
            self.deeper += 1;
            return;
        }
        let beside = self
            .elements
            .last_mut()
            .map_or(&mut self.roots, |parent| &mut parent.children);
        if beside.len() < MAX_SIBLINGS {
            beside.push(name.clone());
        }
        self.elements.push(Element {
            name,
            children: Vec::new(),
        });
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.elements.pop();
        }
    }

    fn tag(&mut self, bytes: &[u8]) {
        let byte = bytes[self.at];
        let closes = bytes.get(self.at + 1) == Some(&b'>') && !self.html;
        match byte {
            b'>' => {
                self.state = self.behind_tag(bytes);
                self.begin(self.at + 1);
            }
            b'/' if closes => self.close(),
            b'"' | b'\'' => {
                self.state = State::Attribute(byte);
                self.begin(self.at + 1);
            }
            b if is_name(b) => {
                self.state = State::AttributeName;
                self.begin(self.at);
            }
            _ => {}
        }
        self.at += 1;
    }

    fn text_siblings(&self, bytes: &[u8], end: usize, own: Option<&str>) -> Vec<String> {
        let parent = self
            .elements
            .len()
            .checked_sub(2)
            .map(|parent| &self.elements[parent]);
        let before = parent
            .map_or(&self.roots, |parent| &parent.children)
            .iter()
            .map(|name| name.text(bytes));
        siblings(before.chain(names_behind(bytes, end)), own)
    }
}

impl Cursor for Xml {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        while self.at < to {
            let rest = &bytes[self.at..to];
            match self.state {
                State::Text => match memchr::memchr(b'<', rest) {
                    None => self.at = to,
                    Some(found) => {
                        self.at += found;
                        self.markup(bytes);
                        // Never past where it was asked to stop: the rest of a name is harmless.
                        self.at = self.at.min(to);
                    }
                },
                State::Tag => self.tag(bytes),
                State::AttributeName => {
                    let end = rest.iter().position(|b| !is_name(*b));
                    self.at = end.map_or(to, |end| self.at + end);
                    if end.is_some() {
                        let name = Name::At(self.start, self.at);
                        if self.attributes.len() < MAX_SIBLINGS {
                            self.attributes.push(name.clone());
                        }
                        self.attribute = Some(name);
                        self.state = State::Tag;
                    }
                }
                State::Attribute(quote) => match memchr::memchr(quote, rest) {
                    None => self.at = to,
                    Some(found) => {
                        self.at += found + 1;
                        self.state = State::Tag;
                    }
                },
                State::Raw(end) => {
                    let from = self.at.saturating_sub(end.len() - 1).max(self.start).min(to);
                    match memmem::find(&bytes[from..to], end) {
                        None => self.at = to,
                        Some(found) => {
                            self.at = from + found;
                            self.state = State::Text;
                        }
                    }
                }
                State::Skip(end) => {
                    let from = self.at.saturating_sub(end.len() - 1).max(self.start).min(to);
                    match memmem::find(&bytes[from..to], end) {
                        None => self.at = to,
                        Some(found) => {
                            self.at = from + found + end.len();
                            self.state = State::Text;
                            self.begin(self.at);
                        }
                    }
                }
            }
        }
    }

    fn rebase(&mut self, bytes: &[u8]) {
        for element in &mut self.elements {
            element.name.keep(bytes);
            element.children.iter_mut().for_each(|name| name.keep(bytes));
        }
        self.attributes
            .iter_mut()
            .chain(&mut self.roots)
            .chain(&mut self.attribute)
            .for_each(|name| name.keep(bytes));
        self.start = self.start.saturating_sub(self.at);
        self.tag = self.tag.saturating_sub(self.at);
        self.end = None;
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        let quote = match self.state {
            State::Attribute(quote) => quote,
            _ => b'<',
        };
        let end = self.end.filter(|end| *end >= at.end).unwrap_or_else(|| {
            memchr::memchr(quote, &bytes[at.end..]).map_or(bytes.len(), |found| at.end + found)
        });
        self.end = Some(end);
        let mut path = String::new();
        for element in &self.elements {
            path.push('/');
            path.push_str(safe_name(&element.name.text(bytes)));
        }
        if self.deeper > 0 {
            path.push_str("//*");
        }
        let value = self.start.min(at.start)..end;
        if let (State::Attribute(_), Some(name)) = (self.state, self.attribute.as_ref()) {
            let own = name.text(bytes);
            let named = self.html_name(bytes, &own);
            if let Some((attribute, name)) = &named
                && safe_name(name) == name
                && !name.contains('\'')
            {
                path.push_str(&format!("[@{attribute}='{name}']"));
            }
            path.push_str("/@");
            path.push_str(safe_name(&own));
            let key = named.map_or(own, |(_, name)| name);
            let before = self.attributes.iter().map(|name| name.text(bytes));
            let siblings = siblings(before.chain(attributes_behind(bytes, end + 1)), Some(&key));
            return Field {
                path: Some(path),
                key: Some(key),
                siblings,
                value,
            };
        }
        if self.html {
            // The names of elements say nothing of their text.
            let inner = Text.field_at(bytes, at);
            return Field {
                path: (!path.is_empty()).then_some(path),
                value,
                ..inner
            };
        }
        let key = self.elements.last().map(|element| element.name.text(bytes));
        let siblings = self.text_siblings(bytes, end, key.as_deref());
        Field {
            path: (!path.is_empty()).then_some(path),
            key,
            siblings,
            value,
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | 0x80..)
}

/// Attributes that follow in the same tag.
fn attributes_behind(bytes: &[u8], from: usize) -> Vec<String> {
    let from = from.min(bytes.len());
    let reach = &bytes[from..bytes.len().min(from + REACH)];
    let tag = &reach[..memchr::memchr(b'>', reach).unwrap_or(reach.len())];
    let equals = memchr::memchr_iter(b'=', tag).take(MAX_SIBLINGS);
    equals
        .map(|equals| {
            let start = tag[..equals]
                .iter()
                .rposition(|b| !is_name(*b))
                .map_or(0, |at| at + 1);
            text_of(tag, start..equals)
        })
        .collect()
}

/// Elements that follow beside the one whose text ends at `from`.
fn names_behind(bytes: &[u8], from: usize) -> Vec<String> {
    let end = bytes.len().min(from + REACH);
    let mut names = Vec::new();
    // The element itself is still open.
    let mut depth = 1_i32;
    for lt in memchr::memchr_iter(b'<', &bytes[from.min(end)..end]) {
        let rest = &bytes[from + lt + 1..end];
        let name = rest.iter().take_while(|b| is_name(**b)).count();
        let tag_end = memchr::memchr(b'>', rest).unwrap_or(0);
        match rest.first() {
            Some(b'/') => depth -= 1,
            Some(_) if name > 0 => {
                if depth == 0 {
                    names.push(text_of(rest, 0..name));
                }
                let empty = tag_end > 0 && rest[tag_end - 1] == b'/';
                depth += i32::from(!empty);
            }
            _ => {}
        }
        if depth < 0 || names.len() > MAX_SIBLINGS {
            break;
        }
    }
    names
}
