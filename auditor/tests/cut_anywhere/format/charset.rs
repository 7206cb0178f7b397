//! Text in another encoding than UTF-8.

use encoding_rs::Encoding;

use crate::written::Written;

/// How a text is encoded.
pub struct Charset {
    /// What its type says, if that says anything.
    pub label: Option<&'static str>,
    /// A byte order mark stands in front.
    has_mark: bool,
    encoding: &'static str,
}

pub const ALL: [Charset; 8] = [
    charset(None, true, "utf-16le"),
    charset(None, true, "utf-16be"),
    charset(Some("utf-16"), true, "utf-16le"),
    charset(Some("utf-16be"), false, "utf-16be"),
    charset(Some("UTF-16LE"), false, "utf-16le"),
    charset(Some("iso-8859-1"), false, "windows-1252"),
    charset(Some("shift_jis"), false, "shift_jis"),
    charset(Some("gb18030"), false, "gb18030"),
];

const fn charset(label: Option<&'static str>, has_mark: bool, encoding: &'static str) -> Charset {
    Charset {
        label,
        has_mark,
        encoding,
    }
}

impl Charset {
    /// The same text in this encoding; characters that it does not have become question marks.
    pub fn of(&self, text: &Written) -> Written {
        let plain = str::from_utf8(&text.bytes).unwrap();
        let mut at = 0;
        let mut encoded = text.mapped(|place, _, out| {
            if place == at
                && let Some(character) = plain[place..].chars().next()
            {
                at += character.len_utf8();
                out.extend(self.character(character));
            }
        });
        if self.has_mark {
            let mark = self.character('\u{feff}');
            let mut marked = Written {
                bytes: mark,
                ..Written::default()
            };
            marked.inner(encoded, |field| field);
            encoded = marked;
        }
        encoded
    }

    fn character(&self, character: char) -> Vec<u8> {
        let units = character.encode_utf16(&mut [0; 2]).to_vec();
        match self.encoding {
            "utf-16le" => units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            "utf-16be" => units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            label => {
                let encoding = Encoding::for_label(label.as_bytes()).unwrap();
                let text = character.to_string();
                let (bytes, _, has_none) = encoding.encode(&text);
                if has_none {
                    b"?".to_vec()
                } else {
                    bytes.into_owned()
                }
            }
        }
    }
}
