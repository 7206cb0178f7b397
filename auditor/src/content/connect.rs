//! The message in the query of a unary call of Connect by GET
//! (<https://connectrpc.com/docs/protocol/#unary-get-request>).
//!
//! Goes in: a query. Comes out: the message, when it is one of protocol buffers in base64, and how that is compressed. One
//! of JSON is read where it stands, as any parameter is.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::protocol::operation::percent;
use crate::secret::Secret;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A message of protocol buffers.
pub(super) struct Message {
    pub(super) content: Secret,
    /// As `Content-Encoding` would say it.
    pub(super) encoding: Option<&'static str>,
}

/// The message in `query`; none when there is none of this kind.
pub(super) fn message(query: &[u8]) -> Option<Message> {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    let parameter = |name: &[u8]| {
        let mut parameters = query.split(|b| *b == b'&');
        parameters.find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix(b"="))
    };
    if parameter(b"encoding") != Some(b"proto") || parameter(b"base64") != Some(b"1") {
        return None;
    }
    let text = plain(parameter(b"message")?);
    let content = Secret::new(ENGINE.decode(text.as_slice()).ok()?);
    let encoding = match parameter(b"compression") {
        None | Some(b"identity") => None,
        Some(b"gzip") => Some("gzip"),
        Some(b"br") => Some("br"),
        Some(b"zstd") => Some("zstd"),
        Some(_) => return None,
    };
    (!content.is_empty()).then_some(Message { content, encoding })
}

/// Undoes escapes.
fn plain(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut at = 0;
    while at < text.len() {
        let (byte, width) = percent(&text[at..]).map_or((text[at], 1), |byte| (byte, 3));
        plain.push(byte);
        at += width;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_whatever_stands_around_it() {
        for (query, expected) in [
            (
                "?connect=v1&encoding=proto&base64=1&message=CgN4eXo",
                Some((&b"\n\x03xyz"[..], None)),
            ),
            (
                "message=CgN4eXo%3d&base64=1&encoding=proto",
                Some((b"\n\x03xyz", None)),
            ),
            (
                "?message=CgN4eXo=&compression=gzip&base64=1&encoding=proto",
                Some((b"\n\x03xyz", Some("gzip"))),
            ),
            ("?encoding=json&base64=1&message=e30", None),
            ("?encoding=proto&message=CgN4eXo", None),
            ("?encoding=proto&base64=1&message=", None),
            ("?encoding=proto&base64=1&message=a", None),
            ("?encoding=proto&base64=1&message=CgN4eXo&compression=lzma", None),
            ("?", None),
        ] {
            let message = message(query.as_bytes());
            let message = message
                .as_ref()
                .map(|message| (message.content.expose(), message.encoding));
            assert!(message == expected, "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read_without_panic(bytes: Vec<u8>) {
            let _ = message(&bytes);
            let _ = message(&[b"encoding=proto&base64=1&message=", &bytes[..]].concat());
        }
    }
}
