//! Any first line of a client is refused, or means the same when it is written and read again.

use auditor::serve::filter::{Matcher, Request};

pub fn run(input: &[u8]) {
    let Ok(request) = serde_json::from_slice::<Request>(input) else {
        return;
    };
    let written = serde_json::to_vec(&request).expect("a request can be written");
    assert_eq!(
        serde_json::from_slice::<Request>(&written).ok().as_ref(),
        Some(&request)
    );
    if let Err(error) = Matcher::new(request.filters) {
        assert!(!error.to_string().is_empty());
    }
}
