use proptest::prelude::*;

use super::*;

/// A table as the linkers of Go 1.18 and later write it: two functions and the end of the code.
fn table(magic: u32, text: u64, functions: &[(&str, u32)], end: u32) -> Vec<u8> {
    let mut names = vec![0];
    let mut name_offsets = Vec::new();
    for (name, _) in functions {
        name_offsets.push(names.len() as u32);
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let entries = 72 + names.len() as u64;
    let first_body = (functions.len() as u32 * 2 + 1) * 4;
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend([0, 0, 1, 8]);
    for word in [
        functions.len() as u64,
        0,
        text,
        72,
        entries,
        entries,
        entries,
        entries,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(&names);
    for (index, (_, entry)) in functions.iter().enumerate() {
        bytes.extend(entry.to_le_bytes());
        bytes.extend((first_body + index as u32 * 8).to_le_bytes());
    }
    bytes.extend(end.to_le_bytes());
    for (index, (_, entry)) in functions.iter().enumerate() {
        bytes.extend(entry.to_le_bytes());
        bytes.extend(name_offsets[index].to_le_bytes());
    }
    // The entry behind the last one is read with its body's offset, which real tables have room for.
    bytes.extend([0; 8]);
    bytes
}

fn find<'a>(bytes: &[u8], names: &[&'a str]) -> Result<(u64, Functions<'a>), PclntabError> {
    let table = FunctionTable::read(&bytes, bytes.len() as u64)?;
    Ok((table.text(), table.find(&bytes, names)?))
}

#[test]
fn functions_are_found_by_their_whole_names() {
    let functions = [("main.main", 0x40), ("main.mainly", 0x80), ("io.Copy", 0xc0)];
    let bytes = table(0xffff_fff1, 0x40_1000, &functions, 0x100);
    let (text, found) = find(&bytes, &["main.main", "io.Copy", "main.ma"]).unwrap();
    assert_eq!(text, 0x40_1000);
    assert_eq!(found["main.main"], 0x40..0x80);
    assert_eq!(found["io.Copy"], 0xc0..0x100);
    assert!(!found.contains_key("main.ma"));
}

#[test]
fn names_across_the_pieces_that_are_read_are_found() {
    let long = "x".repeat(PIECE - 7);
    let functions = [(long.as_str(), 0x40), ("crypto/tls.(*Conn).Write", 0x80)];
    let bytes = table(0xffff_fff0, 0, &functions, 0x100);
    let (_, found) = find(&bytes, &["crypto/tls.(*Conn).Write"]).unwrap();
    assert_eq!(found["crypto/tls.(*Conn).Write"], 0x80..0x100);
}

#[test]
fn a_table_that_lies_is_refused() {
    let bytes = table(0xffff_fff1, 0, &[("main.main", 0x40)], 0x80);
    let with = |at: usize, word: u64| {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        find(&bytes, &["main.main"]).map(|(_, found)| found.len())
    };
    // Number of functions, begin and end of the names, begin of the entries.
    for at in [8, 32, 40, 64] {
        assert_eq!(with(at, u64::MAX), Err(PclntabError::Broken), "{at}");
    }
    assert_eq!(find(&bytes[..71], &[]).map(drop), Err(PclntabError::Broken));
    let mut old = bytes.clone();
    old[0] = 0xfb;
    assert_eq!(find(&old, &[]).map(drop), Err(PclntabError::Unknown));
}

/// Entries whose bodies lie far apart, one by one at both ends of the file.
#[test]
fn a_table_that_makes_us_jump_is_given_up() {
    let count = 200_000u32;
    let mut bytes = table(0xffff_fff1, 0, &[("main.main", 0x40)], 0x80);
    bytes[8..16].copy_from_slice(&u64::from(count).to_le_bytes());
    let entries = u64::from_le_bytes(bytes[64..72].try_into().unwrap()) as usize;
    bytes.truncate(entries);
    for index in 0..=count {
        bytes.extend(index.to_le_bytes());
        bytes.extend((if index % 2 == 0 { 0 } else { count * 8 }).to_le_bytes());
    }
    bytes.extend([0xff; 64]);
    assert_eq!(
        find(&bytes, &["main.main"]).map(drop),
        Err(PclntabError::Scattered)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(
        mut bytes in proptest::collection::vec(0u8.., 72..600),
        magic in proptest::sample::select(vec![0xffff_fffau32, 0xffff_fff0, 0xffff_fff1]),
    ) {
        bytes[..4].copy_from_slice(&magic.to_le_bytes());
        bytes[4..8].copy_from_slice(&[0, 0, 1, 8]);
        // Small numbers get further than random ones.
        for at in (9..72).filter(|at| at % 8 > 1) {
            bytes[at] = 0;
        }
        let _ = find(&bytes, &["a", "crypto/tls.(*Conn).Write"]);
    }
}
