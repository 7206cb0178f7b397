//! Text in an older encoding becomes UTF-8, where the encoding is declared: in the content type, in an XML
//! declaration or in an HTML `meta` (WHATWG Encoding has the names).
//!
//! Goes in: pieces of a text with their place in the source. Comes out, to a closure: the same in UTF-8,
//! each character with its place. At most the bytes of one character wait.

use encoding_rs::{Decoder, Encoding, REPLACEMENT, UTF_8};

use super::recode::{Recode, Show};

/// Bytes at the beginning of XML or HTML that are searched for a declaration.
const LOOK: usize = 512;

/// Turns one text into UTF-8.
pub(super) struct Charset {
    decoder: Decoder,
    encoding: &'static Encoding,
    /// Place of the first byte of a character that is not complete.
    begun: Option<u64>,
}

/// The encoding that content is declared to have; none for UTF-8, and where nothing is said.
pub(super) fn declared(content_type: Option<&str>, sample: &[u8]) -> Option<&'static Encoding> {
    let by_type = content_type.and_then(|value| label(value.as_bytes(), b"charset="));
    let encoding = match by_type {
        Some(label) => Encoding::for_label(label),
        None => Encoding::for_label(by_itself(sample)?),
    };
    encoding.filter(|encoding| *encoding != UTF_8 && *encoding != REPLACEMENT)
}

/// What XML or HTML says in its beginning.
fn by_itself(sample: &[u8]) -> Option<&[u8]> {
    let head = &sample[..sample.len().min(LOOK)];
    if head.starts_with(b"<?xml") {
        let end = memchr::memchr(b'>', head)?;
        label(&head[..end], b"encoding=")
    } else if head.first() == Some(&b'<') {
        let meta = memchr::memmem::find(head, b"<meta ")?;
        label(&head[meta..], b"charset=")
    } else {
        None
    }
}

/// What stands behind `name`, quotes left out.
fn label<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut places = text.windows(name.len());
    let start = places.position(|place| place.eq_ignore_ascii_case(name))? + name.len();
    let rest = &text[start..];
    let rest = rest
        .strip_prefix(b"\"")
        .or(rest.strip_prefix(b"'"))
        .unwrap_or(rest);
    let is_label = |b: &u8| b.is_ascii_alphanumeric() || b"-_:.".contains(b);
    Some(&rest[..rest.iter().take_while(|b| is_label(b)).count()])
}

impl Charset {
    pub(super) fn new(encoding: &'static Encoding) -> Self {
        Self {
            decoder: encoding.new_decoder_without_bom_handling(),
            encoding,
            begun: None,
        }
    }

    fn byte(&mut self, byte: &[u8], last: bool, source: u64, show: &mut Show<'_>) {
        let mut text = [0; 32];
        // One byte completes two characters at most; there is room for them.
        let (_, _, written, _) = self.decoder.decode_to_utf8(byte, &mut text, last);
        let begun = self.begun.take().unwrap_or(source);
        if written > 0 {
            show(&text[..written], begun);
        } else {
            self.begun = Some(begun);
        }
    }
}

impl Recode for Charset {
    fn feed(&mut self, bytes: &[u8], source: u64, show: &mut Show<'_>) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let plain = if self.begun.is_none() && self.encoding.is_ascii_compatible() {
                Encoding::ascii_valid_up_to(rest)
            } else {
                0
            };
            if plain > 0 {
                show(&rest[..plain], source + at as u64);
                at += plain;
            } else {
                self.byte(&rest[..1], false, source + at as u64, show);
                at += 1;
            }
        }
    }

    fn finish(&mut self, show: &mut Show<'_>) {
        if let Some(begun) = self.begun {
            self.byte(&[], true, begun, show);
        }
        *self = Self::new(self.encoding);
    }

    fn give_up(&mut self, show: &mut Show<'_>) {
        self.finish(show);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(label: &str, bytes: &[u8], piece: usize) -> String {
        let mut charset = Charset::new(Encoding::for_label(label.as_bytes()).unwrap());
        let (mut text, mut last) = (Vec::new(), 0);
        let mut show = |shown: &[u8], source: u64| {
            assert!(source >= last && source <= bytes.len() as u64, "places ascend");
            last = source;
            text.extend_from_slice(shown);
        };
        for (n, data) in bytes.chunks(piece).enumerate() {
            charset.feed(data, (n * piece) as u64, &mut show);
        }
        charset.finish(&mut show);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn text_in_a_declared_encoding_is_read() {
        for (label, bytes, expected) in [
            ("iso-8859-1", &b"Jos\xe9 \x80 4111"[..], "José € 4111"),
            ("windows-1252", b"M\xfcller", "Müller"),
            ("shift_jis", b"a\x93\xfa\x96\x7bz", "a日本z"),
            ("utf-16le", b"a\0\xe9\0", "aé"),
            ("gbk", b"\xd6\xd0", "中"),
            ("shift_jis", b"a\x93", "a\u{fffd}"),
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(text(label, bytes, piece), expected, "{label}");
            }
        }
    }

    #[test]
    fn an_encoding_is_declared_by_type_or_by_the_text_itself() {
        for (content_type, sample, expected) in [
            (
                Some("text/plain; charset=\"ISO-8859-1\""),
                &b""[..],
                Some("windows-1252"),
            ),
            (Some("text/plain; Charset=latin1; x=y"), b"", Some("windows-1252")),
            (
                Some("text/plain; charset=utf-8"),
                b"<?xml encoding='latin1'?>",
                None,
            ),
            (Some("text/plain; charset=none-such"), b"", None),
            (
                None,
                b"<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?>",
                Some("ISO-8859-15"),
            ),
            (
                Some("text/html"),
                b"<html><head><meta charset=big5>",
                Some("Big5"),
            ),
            (Some("text/html"), b"<p>charset=big5</p>", None),
            (None, b"encoding=latin1", None),
        ] {
            let found = declared(content_type, sample).map(Encoding::name);
            assert_eq!(found, expected, "{content_type:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..60_usize,
            label in proptest::sample::select(vec!["latin1", "shift_jis", "gb18030", "iso-2022-jp", "utf-16be", "euc-kr"]),
        ) {
            prop_assert_eq!(text(label, &bytes, piece), text(label, &bytes, 1000));
        }
    }
}
