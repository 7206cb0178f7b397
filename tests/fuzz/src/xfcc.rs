//! `x-forwarded-client-cert`: what comes out is a SPIFFE id of harmless characters, and elements before the last do not
//! change it.

use auditor::protocol::xfcc;

pub fn run(input: &[u8]) {
    let client = xfcc::client(input);
    let Some(id) = &client else { return };
    assert!(id.starts_with("spiffe://") && id.len() <= 512);
    assert!(
        id.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b))
    );
    let behind = [b"By=spiffe://a/b;URI=spiffe://a/forged,", input].concat();
    assert_eq!(xfcc::client(&behind), client);
}
