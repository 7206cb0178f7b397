#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| auditor_fuzz::cluster_list::run(input));
