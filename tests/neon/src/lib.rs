//! The means that classify blocks, with their own tests: NEON is held to the portable code.
#![allow(
    dead_code,
    unused_imports,
    unused_mut,
    reason = "the scanner that uses them is not here, nor are the means of x86"
)]

#[path = "../../../auditor/src/detect"]
mod detect {
    mod block;
}

/// Without it the tests above would only hold the portable code to itself.
#[cfg(target_arch = "aarch64")]
#[test]
fn this_processor_has_neon() {
    assert!(std::arch::is_aarch64_feature_detected!("neon"));
}
