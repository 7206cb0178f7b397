//! Content in a string of other content: base64, the claims of a token, JSON in JSON.
//!
//! The input is a byte that chooses how it is wrapped, four times two bits, one that says how to cut, and the
//! content.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::cut;

pub fn run(input: &[u8]) {
    let [ways, cuts, body @ ..] = input else {
        return;
    };
    let mut content = body[..body.len().min(4096)].to_vec();
    for shift in [0, 2, 4, 6] {
        content = match ways >> shift & 3 {
            0 => continue,
            1 => format!("{{\"a\":1,\"blob\":\"{}\"}}", STANDARD.encode(&content)).into_bytes(),
            2 => format!(
                "token={}.{}.c2ln&b=1",
                URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"),
                URL_SAFE_NO_PAD.encode(&content)
            )
            .into_bytes(),
            _ => {
                let text = String::from_utf8_lossy(&content);
                serde_json::json!({ "n": 1, "text": text })
                    .to_string()
                    .into_bytes()
            }
        };
    }
    cut::compare((None, None), *cuts, &content);
}
