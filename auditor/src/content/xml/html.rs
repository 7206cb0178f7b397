//! What is different in HTML (WHATWG HTML §13): elements without an end, scripts, and inputs, whose values have
//! names of their own.
//!
//! Goes in: where the cursor is. Comes out: how it goes on, and the name of a value.

use memchr::memmem;

use crate::content::cursor::{REACH, text_of};

use super::{Element, State, Xml};

/// Elements without an end (WHATWG HTML §13.1.2).
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
];

impl Xml {
    /// For HTML.
    pub(in crate::content) fn html() -> Self {
        Self {
            html: true,
            ..Self::default()
        }
    }

    /// Elements whose end is left out end with what holds them; an end of none is ignored.
    pub(super) fn close_named(&mut self, bytes: &[u8], name: &[u8]) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let own = |element: &Element| element.name.bytes(bytes).eq_ignore_ascii_case(name);
        if let Some(at) = self.elements.iter().rposition(own) {
            self.elements.truncate(at);
        }
    }

    /// What follows a tag of HTML.
    pub(super) fn behind_tag(&mut self, bytes: &[u8]) -> State {
        let Some(element) = self.elements.last().filter(|_| self.html && self.deeper == 0) else {
            return State::Text;
        };
        let name = element.name.bytes(bytes);
        if name.eq_ignore_ascii_case(b"script") {
            return State::Raw(b"</script");
        }
        if name.eq_ignore_ascii_case(b"style") {
            return State::Raw(b"</style");
        }
        if VOID.iter().any(|void| name.eq_ignore_ascii_case(void.as_bytes())) {
            self.close();
        }
        State::Text
    }

    /// What the input or the like is called whose value the attribute `own` is.
    pub(super) fn html_name(&self, bytes: &[u8], own: &str) -> Option<(&'static str, String)> {
        let is_value = ["value", "content"]
            .iter()
            .any(|name| own.eq_ignore_ascii_case(name));
        if !self.html || !is_value {
            return None;
        }
        let rest = &bytes[self.tag.min(bytes.len())..];
        let rest = &rest[..rest.len().min(REACH)];
        let tag_end = memchr::memchr(b'>', rest);
        let tag = &rest[..tag_end.unwrap_or(rest.len())];
        let names = [("name", &b" name="[..]), ("id", b" id=")];
        names.into_iter().find_map(|(attribute, start)| {
            let value = &tag[memmem::find(tag, start)? + start.len()..];
            let (value, is_end): (_, fn(&u8) -> bool) = match value.first()? {
                b'"' => (&value[1..], |b| *b == b'"'),
                b'\'' => (&value[1..], |b| *b == b'\''),
                _ => (value, u8::is_ascii_whitespace),
            };
            let end = value.iter().position(is_end);
            // What is cut off is no name.
            let end = end.or_else(|| tag_end.map(|_| value.len()))?;
            (end > 0).then(|| (attribute, text_of(value, 0..end)))
        })
    }
}
