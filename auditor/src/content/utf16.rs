//! UTF-16 with a byte order mark (RFC 2781) becomes UTF-8.
//!
//! Goes in: pieces of a text with their place in the source. Comes out, to a closure: each
//! character in UTF-8 with its place. At most three bytes wait for the rest of a character; an
//! unpaired surrogate is shown as U+FFFD.

use super::recode::{Recode, Show};

/// Turns one text into UTF-8.
#[derive(Clone)]
pub(super) struct Utf16 {
    big_endian: bool,
    begun: bool,
    /// First byte of a unit.
    half: Option<(u8, u64)>,
    /// First unit of a surrogate pair.
    high: Option<(u16, u64)>,
}

impl Utf16 {
    /// For content that begins with a byte order mark; none otherwise. UTF-32 has the same first
    /// bytes and is none.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let big_endian = match bytes {
            [0xff, 0xfe, 0, 0, ..] => return None,
            [0xff, 0xfe, ..] => false,
            [0xfe, 0xff, ..] => true,
            _ => return None,
        };
        Some(Self {
            big_endian,
            begun: false,
            half: None,
            high: None,
        })
    }

    fn unit(&mut self, unit: u16, source: u64, show: &mut Show<'_>) {
        let mut emit = |character: char, source| show(character.encode_utf8(&mut [0; 4]).as_bytes(), source);
        if !std::mem::replace(&mut self.begun, true) {
            // The mark itself.
            return;
        }
        if let Some((high, at)) = self.high.take() {
            if (0xdc00..0xe000).contains(&unit) {
                let code = 0x10000 + ((u32::from(high) & 0x3ff) << 10) + (u32::from(unit) & 0x3ff);
                emit(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), at);
                return;
            }
            emit(char::REPLACEMENT_CHARACTER, at);
        }
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some((unit, source));
        } else {
            let character = char::from_u32(u32::from(unit));
            emit(character.unwrap_or(char::REPLACEMENT_CHARACTER), source);
        }
    }
}

impl Recode for Utf16 {
    fn feed(&mut self, bytes: &[u8], source: u64, show: &mut Show<'_>) {
        for (byte, source) in bytes.iter().zip(source..) {
            match self.half.take() {
                None => self.half = Some((*byte, source)),
                Some((first, source)) => {
                    let unit = if self.big_endian {
                        u16::from_be_bytes([first, *byte])
                    } else {
                        u16::from_le_bytes([first, *byte])
                    };
                    self.unit(unit, source, show);
                }
            }
        }
    }

    /// Half a character is none.
    fn finish(&mut self, _: &mut Show<'_>) {
        self.half = None;
        self.high = None;
    }

    fn give_up(&mut self, show: &mut Show<'_>) {
        self.finish(show);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_its_place_however_the_text_is_cut() {
        let text = "aé😀\u{feff}z\n";
        for big_endian in [false, true] {
            let unit = |unit: u16| {
                if big_endian {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            };
            let mut bytes = unit(0xfeff).to_vec();
            bytes.extend(text.encode_utf16().flat_map(unit));
            bytes.extend(unit(0xd800));
            bytes.extend(unit(u16::from(b'!')));
            for piece in 1..bytes.len() {
                let (mut shown, mut places) = (Vec::new(), Vec::new());
                let mut utf16 = Utf16::of(&bytes).unwrap();
                for (n, piece_bytes) in bytes.chunks(piece).enumerate() {
                    utf16.feed(piece_bytes, (n * piece) as u64, &mut |text, source| {
                        shown.extend_from_slice(text);
                        places.push(source);
                    });
                }
                assert_eq!(String::from_utf8(shown).unwrap(), format!("{text}\u{fffd}!"));
                assert_eq!(places, [2, 4, 6, 10, 12, 14, 16, 18]);
            }
        }
        assert!(Utf16::of(b"\xff\xfe\0\0").is_none());
        assert!(Utf16::of(b"\xef\xbb\xbfa").is_none());
    }
}
