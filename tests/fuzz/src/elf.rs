//! Any file is refused or read, and a place to attach to lies within it.

use auditor::capture::{
    elf::{Elf, call_targets, entry_point, first_instruction, shifts_fourth_argument},
    tls,
};

pub fn run(input: &[u8]) {
    super::with_file(input, |path| {
        let elf = Elf::open(path).expect("the file is there");
        for target in tls::find(&elf).unwrap_or_default() {
            assert!(target.file_offset < input.len() as u64);
            assert!(target.point.offset < 64);
        }
        let functions = elf
            .functions(&["SSL_read", "SSL_write", "f", "_start"])
            .unwrap_or_default();
        for function in functions.values() {
            let body = elf.body(*function).unwrap_or_default();
            assert!(body.len() <= input.len().min(16 * 1024));
            let at_start = first_instruction(&body);
            assert!(at_start.is_none_or(|point| point.offset == 0 && point.stack_delta == 0));
            let entry = entry_point(&body);
            assert!(entry.is_none_or(|point| point.offset < body.len() as u64));
            assert!(call_targets(&body, function.address).len() <= body.len());
            let _ = shifts_fourth_argument(&body);
            let _ = elf.is_text(function.address);
            let place = elf.file_offset(function.address).unwrap_or_default();
            assert!(place.is_none_or(|offset| offset < input.len() as u64));
        }
    });
}
