//! Any bytes are refused as a table of Go functions or read in one go, and any code is decoded: what
//! is found lies within it.

use std::cell::Cell;

use auditor::capture::tls::{FunctionTable, GoCode, Source};

const NAMES: [&str; 3] = ["crypto/tls.(*Conn).Write", "main.main", "a"];

/// The input, which counts how much of it is read.
struct Counting<'a> {
    bytes: &'a [u8],
    read: Cell<usize>,
}

impl Source for Counting<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let read = self.bytes.read_at(offset, buffer);
        self.read.set(self.read.get() + read);
        read
    }
}

pub fn run(input: &[u8]) {
    let source = Counting {
        bytes: input,
        read: Cell::new(0),
    };
    if let Ok(table) = FunctionTable::read(&source, input.len() as u64)
        && let Ok(found) = table.find(&source, &NAMES)
    {
        assert!(found.values().all(|range| range.start <= range.end));
    }
    // Names once; entries and bodies four times the table, and 64 pieces of 64 KiB, each.
    assert!(source.read.get() <= 10 * input.len() + (2 * 64 + 2) * 65_536);

    let code = &input[..input.len().min(16 * 1024)];
    let (address, length) = (0x1000, code.len() as u64);
    let code = GoCode::new(code, address);
    let _ = code.has_register_abi();
    assert!(code.entry().is_none_or(|point| point.offset < length));
    for target in [address, address + 64] {
        for call in code.write_calls(target).unwrap_or_default() {
            assert!(call.call.offset < call.behind.offset && call.behind.offset < length);
        }
        assert!(
            code.read_copy(target)
                .is_none_or(|copy| copy.call.offset < length)
        );
    }
}
