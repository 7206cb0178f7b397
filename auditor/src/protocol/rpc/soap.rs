//! Calls in SOAP: the first element in the body of the envelope.
//!
//! Goes in: the start of a document in XML. Comes out: a [`Found`]. The tags are passed once, until the
//! body's first element.

use super::{Call, Fields, Found, SOAP, as_name};

/// What an envelope calls; else the last piece of `SOAPAction`.
pub(super) fn call<'a>(bytes: &'a [u8], fields: &'a Fields) -> Found<'a> {
    let mut tags = Tags { bytes, at: 0 };
    match tags.next() {
        None => return Found::so_far(None),
        Some(b"Envelope") => {}
        Some(_) => return Found::sure(None),
    }
    let in_body = tags
        .by_ref()
        .find(|name| *name == b"Body")
        .and_then(|_| tags.next());
    let by_action = || {
        let action = fields.soap_action.as_deref()?.trim_matches('"');
        as_name(action.rsplit(['/', '#', ':']).next()?.as_bytes())
    };
    Found {
        call: Some(Call {
            protocol: SOAP,
            name: in_body.and_then(as_name).or_else(by_action),
        }),
        is_sure: in_body.is_some(),
    }
}

/// Local names of the elements that begin, in the order of the document.
struct Tags<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.at += memchr::memchr(b'<', self.bytes.get(self.at..)?)? + 1;
            let tag = &self.bytes[self.at..];
            match tag {
                [] | b"!" | b"!-" => return None,
                [b'!', b'-', b'-', comment @ ..] => {
                    self.at += 3 + memchr::memmem::find(comment, b"-->")? + 3;
                    continue;
                }
                [b'?' | b'!' | b'/', ..] => continue,
                _ => {}
            }
            let length = tag
                .iter()
                .position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))?;
            self.at += length;
            let name = &tag[..length];
            let local = memchr::memchr(b':', name).map_or(0, |colon| colon + 1);
            return Some(&name[local..]);
        }
    }
}
