//! Any file is refused or read, and a place to attach to lies within it.

use auditor::capture::{
    elf::{Elf, Machine, scan::constants_at_calls},
    tls,
};

pub fn run(input: &[u8]) {
    super::with_file(input, |path| {
        let elf = Elf::open(path).expect("the file is there");
        for target in tls::find(&elf).unwrap_or_default() {
            assert!(target.file_offset < input.len() as u64);
            // Probes in Go programs sit anywhere in a function.
            assert!(target.point.offset < 16 * 1024);
        }
        search(&elf);
        let functions = elf
            .functions(&["SSL_read", "SSL_write", "f", "_start"])
            .unwrap_or_default();
        for function in functions.values() {
            let body = elf.body(*function).unwrap_or_default();
            assert!(body.len() <= input.len().min(16 * 1024));
            // Whatever the file says that it is for.
            for machine in [Machine::X86_64, Machine::Aarch64] {
                let at_start = machine.first_instruction(&body);
                assert!(at_start.is_none_or(|point| point.offset == 0 && point.stack_delta == 0));
                for point in [machine.entry_point(&body), machine.return_point(&body)] {
                    assert!(point.is_none_or(|point| point.offset < body.len() as u64));
                }
                assert!(machine.call_targets(&body, function.address).len() <= body.len());
                let _ = machine.passes_fifth_argument(&body, function.address, function.address);
            }
            assert!(constants_at_calls(&body).len() <= body.len());
            let _ = elf.is_text(function.address);
            let place = elf.file_offset(function.address).unwrap_or_default();
            assert!(place.is_none_or(|offset| offset < input.len() as u64));
        }
    });
}

/// What is looked for in programs without symbols, without asking first whether they are large enough.
fn search(elf: &Elf) {
    let places = elf
        .strings(&[b"SSL_read\0", b"ssl/ssl_lib.cc\0"])
        .unwrap_or_default();
    let mut addresses: Vec<u64> = places.into_iter().flatten().take(8).collect();
    addresses.push(0x1000);
    for (place, target) in elf.references(&addresses).unwrap_or_default() {
        assert!(addresses.contains(&target));
        let _ = elf.callers(place);
    }
    for address in &addresses {
        assert!(
            elf.string_start(*address).is_ok_and(|start| start <= *address) || elf.code_length().is_err()
        );
    }
    if let Ok(Some(functions)) = elf.function_table() {
        for address in &addresses {
            let around = elf.function_around(&functions, *address);
            assert!(around.is_none_or(|function| function.address <= *address));
        }
    }
    let before = elf.called_before(&addresses).unwrap_or_default();
    for (address, target) in addresses.iter().zip(before) {
        assert!(target.is_none_or(|target| target <= *address));
    }
    for table in elf.function_tables(10).unwrap_or_default() {
        assert!(table.len() >= 10);
    }
    for address in addresses {
        let _ = elf.linked(address);
    }
}
