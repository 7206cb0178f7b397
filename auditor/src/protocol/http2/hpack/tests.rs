//! Blocks of the standard, of an encoder written here, and damaged ones.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::static_table::STATIC_TABLE;
use super::{Broken, Decoder, MAX_DECODED};

type Field = (Option<String>, Option<String>);

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, Broken> {
    let text = |text: Option<&[u8]>| text.map(|text| String::from_utf8_lossy(text).into_owned());
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| fields.push((text(name), text(value))))?;
    Ok(fields)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(char::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

fn known(fields: &[(&str, &str)]) -> Vec<Field> {
    let some = |text: &str| Some(text.to_owned());
    fields
        .iter()
        .map(|(name, value)| (some(name), some(value)))
        .collect()
}

/// RFC 7541, appendix C.4: requests with Huffman coding.
#[test]
fn requests_of_the_standard_are_read() {
    let mut decoder = Decoder::new();
    for (block, expected) in [
        (
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "www.example.com"),
            ][..],
        ),
        (
            "8286 84be 5886 a8eb 1064 9cbf",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "www.example.com"),
                ("cache-control", "no-cache"),
            ],
        ),
        (
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            &[
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/index.html"),
                (":authority", "www.example.com"),
                ("custom-key", "custom-value"),
            ],
        ),
    ] {
        assert_eq!(decode(&mut decoder, &hex(block)), Ok(known(expected)));
    }
}

/// RFC 7541, appendix C.5: responses, with a table of 256 bytes that loses entries.
#[test]
fn responses_of_the_standard_are_read_though_entries_are_evicted() {
    let mut decoder = Decoder::new();
    // The size update that the example takes for agreed on.
    let first = [
        hex("3fe1 01"),
        hex("4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"),
    ]
    .concat();
    let date = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
    let location = ("location", "https://www.example.com");
    let private = ("cache-control", "private");
    for (block, expected) in [
        (first, [(":status", "302"), private, date, location]),
        (
            hex("4803 3330 37c1 c0bf"),
            [(":status", "307"), private, date, location],
        ),
    ] {
        assert_eq!(decode(&mut decoder, &block), Ok(known(&expected)));
    }
    // `:status: 302` was evicted: its index is now beyond the table.
    assert_eq!(decode(&mut decoder, &[0xc2]), Err(Broken));
}

#[test]
fn an_index_beyond_a_table_that_was_not_seen_whole_is_unknown() {
    let mut decoder = Decoder::new();
    decoder.forget();
    let block = hex("40 0a 637573746f6d2d6b6579 01 61 be bf c0");
    let custom = known(&[("custom-key", "a"), ("custom-key", "a")]);
    let unknown = vec![(None, None), (None, None)];
    assert_eq!(decode(&mut decoder, &block), Ok([custom, unknown].concat()));
    // A name by an index that is not known, and a value that is.
    assert_eq!(
        decode(&mut decoder, &hex("7f 05 01 62")),
        Ok(vec![(None, Some("b".into()))])
    );
    // It moved the entry before it by one.
    let moved = decode(&mut decoder, &hex("be bf")).unwrap();
    assert_eq!(moved[0], (None, None));
    assert_eq!(moved[1], known(&[("custom-key", "a")])[0]);
}

#[test]
fn broken_blocks_are_refused_and_forgotten() {
    for block in [
        "80",                                  // index 0
        "be",                                  // nothing is there
        "40 85 ff ff ff ff ff 00",             // the end symbol
        "40 81 00 00",                         // padding that is no padding
        "7f ff ff ff ff ff ff ff ff ff ff 01", // an endless integer
        "40 05 61",                            // a string that ends early
        "40 00 01 61",                         // a name that is empty
    ] {
        let mut decoder = Decoder::new();
        assert_eq!(decode(&mut decoder, &hex(block)), Err(Broken), "{block}");
        assert!(!decoder.is_complete());
    }
}

#[test]
fn a_block_that_becomes_very_long_is_cut() {
    let mut decoder = Decoder::new();
    let mut block = vec![0x40, 1, b'a', 0x7f, 0x80 | 0x41, 0x1e];
    block.extend(vec![b'x'; 4000]);
    assert_eq!(&block[3..6], [0x7f, 0xc1, 0x1e]);
    block[3..6].copy_from_slice(&[
        0x7f,
        0x80 | ((4000_u16 - 127) & 0x7f) as u8,
        ((4000_u16 - 127) >> 7) as u8,
    ]);
    block.extend(vec![0xbe; 60_000]);
    let (mut fields, mut bytes) = (0, 0);
    let whole = decoder.decode(&block, &mut |name, value| {
        fields += 1;
        bytes += name.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
    });
    assert_eq!(whole, Ok(false));
    assert!(fields > 10 && bytes <= MAX_DECODED);
}

/// The other side, as simple as it can be.
struct Encoder {
    entries: VecDeque<(String, String)>,
    limit: usize,
}

/// How to send a field.
#[derive(Clone, Debug)]
enum How {
    Indexed,
    Added,
    Not,
    Resize(usize),
}

impl Encoder {
    fn block(&mut self, fields: &[(How, String, String)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (how, name, value) in fields {
            match how {
                How::Resize(limit) => {
                    self.limit = *limit;
                    integer(&mut block, 0x20, 5, *limit);
                    self.evict();
                    continue;
                }
                How::Indexed => {
                    if let Some(at) = self.find(|entry| entry == (name, value)) {
                        integer(&mut block, 0x80, 7, at);
                        continue;
                    }
                }
                How::Added | How::Not => {}
            }
            let adds = !matches!(how, How::Not);
            let (first, prefix) = if adds { (0x40, 6) } else { (0, 4) };
            match self.find(|entry| entry.0 == name) {
                Some(at) => integer(&mut block, first, prefix, at),
                None => {
                    block.push(first);
                    string(&mut block, name);
                }
            }
            string(&mut block, value);
            if adds {
                self.entries.push_front((name.clone(), value.clone()));
                self.evict();
            }
        }
        block
    }

    fn find(&self, which: impl Fn((&String, &String)) -> bool) -> Option<usize> {
        let at = self
            .entries
            .iter()
            .position(|(name, value)| which((name, value)))?;
        Some(at + STATIC_TABLE.len() + 1)
    }

    fn evict(&mut self) {
        let size = |entries: &VecDeque<(String, String)>| {
            entries.iter().map(|(n, v)| n.len() + v.len() + 32).sum::<usize>()
        };
        while size(&self.entries) > self.limit {
            self.entries.pop_back();
        }
    }
}

fn integer(block: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let mask = (1 << prefix) - 1;
    if value < mask {
        block.push(first | value as u8);
        return;
    }
    block.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 128 {
        block.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn string(block: &mut Vec<u8>, text: &str) {
    integer(block, 0, 7, text.len());
    block.extend(text.as_bytes());
}

fn fields() -> impl Strategy<Value = Vec<(How, String, String)>> {
    let how = prop_oneof![
        6 => Just(How::Indexed),
        4 => Just(How::Added),
        1 => Just(How::Not),
        1 => (0..300_usize).prop_map(How::Resize),
    ];
    proptest::collection::vec((how, "[ab]", "[xy]{0,2}|z{60,90}"), 1..6)
}

proptest! {
    #[test]
    fn whoever_joins_late_or_misses_blocks_never_reads_another_value(
        blocks in proptest::collection::vec((fields(), 0..5_u8), 1..12),
        joins in 0..4_usize,
    ) {
        let mut encoder = Encoder { entries: VecDeque::new(), limit: 4096 };
        let mut decoder = Decoder::new();
        if joins > 0 {
            decoder.forget();
        }
        for (at, (fields, fate)) in blocks.iter().enumerate() {
            let block = encoder.block(fields);
            if at < joins || *fate == 0 {
                decoder.forget();
                continue;
            }
            let sent: Vec<_> = fields
                .iter()
                .filter(|(how, ..)| !matches!(how, How::Resize(_)))
                .collect();
            let read = decode(&mut decoder, &block);
            prop_assert!(read.is_ok());
            let read = read.unwrap();
            prop_assert_eq!(read.len(), sent.len());
            for ((_, name, value), (read_name, read_value)) in sent.iter().zip(&read) {
                prop_assert!(read_name.as_ref().is_none_or(|read| read == name));
                prop_assert!(read_value.as_ref().is_none_or(|read| read == value));
                if decoder.is_complete() {
                    prop_assert!(read_name.is_some() && read_value.is_some());
                }
            }
        }
    }

    #[test]
    fn any_block_is_read_without_panic_and_within_bounds(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8)) {
        let mut decoder = Decoder::new();
        for block in blocks {
            let _ = decode(&mut decoder, &block);
            prop_assert!(decoder.size <= super::MAX_TABLE);
        }
    }
}
