//! Any type information is refused or read, in bounded time.

use auditor::capture::btf::KernelTypes;
use auditor_common::offsets::FIELDS;

pub fn run(input: &[u8]) {
    let Ok(types) = KernelTypes::parse(input.to_vec()) else {
        return;
    };
    let fields = types.offsets(FIELDS);
    assert!(fields.is_err() || fields.is_ok_and(|offsets| offsets.len() == FIELDS.len()));
    // Short names, which an input has by chance.
    for path in [&["a"][..], &["a", "b"], &["b", "a", "a"]] {
        let _ = types.offset("s", path);
    }
    assert!(!types.has_name("no kernel type is called this, nor can a short input spell it out by chance"));
}
