//! Addresses of kernel symbols, from `/proc/kallsyms`.
//!
//! Comes out: numbers that only kernel programs use. Without CAP_SYSLOG, or with `kernel.kptr_restrict=2`, the kernel
//! shows zeros; then there is no address, and no error.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

const FILE: &str = "/proc/kallsyms";

/// The addresses of these symbols; 0 for one that is not there or not shown.
pub fn addresses<const N: usize>(names: [&str; N]) -> [u64; N] {
    File::open(FILE).map_or([0; N], |file| find(BufReader::new(file), names))
}

/// Lines are `ADDRESS TYPE NAME`, and `[MODULE]` for those of modules, which are left out. Stops where reading fails.
fn find<const N: usize>(mut lines: impl BufRead, names: [&str; N]) -> [u64; N] {
    let mut found = [0; N];
    let mut left = N;
    let mut line = String::new();
    while left > 0 {
        line.clear();
        match lines.read_line(&mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(_), Some(name), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(index) = names.iter().position(|wanted| *wanted == name) else {
            continue;
        };
        if let Ok(address) = u64::from_str_radix(address, 16)
            && found[index] == 0
            && address != 0
        {
            found[index] = address;
            left -= 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_has_the_address_of_its_line_and_none_when_it_is_hidden_or_a_modules() {
        let text = "ffffffff81000000 T _text\n\
            ffffffff82b6a0a8 D vmemmap_base\n\
            0000000000000000 D page_offset_base\n\
            ffffffffc0000000 d vmemmap_bases\n\
            ffffffffc0000010 d only_of_a_module\t[ext4]\n";
        let names = ["page_offset_base", "vmemmap_base", "only_of_a_module", "absent"];
        assert_eq!(find(text.as_bytes(), names), [0, 0xffff_ffff_82b6_a0a8, 0, 0]);
    }
}
