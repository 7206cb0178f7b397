//! JSON that is safe to look at: one line, in which nothing steers a terminal.
//!
//! Goes in: anything that can be serialised. Comes out: its JSON, in which control characters of all kinds and those that
//! change the direction of text are written as `\u` escapes. A parser reads the same from it.

use std::fmt::Write as _;

use serde::Serialize;

use super::table::steers;

/// # Errors
/// When the value has no JSON.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(escaped)
}

/// Such characters stand in strings only: what is around them is printable ASCII.
fn escaped(json: String) -> String {
    if !json.contains(steers) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 32);
    for c in json.chars() {
        if !steers(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_one_line_that_steers_nothing_and_is_read_as_it_was(
            text in "\\PC*|[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{206f}\\u{e0000}-\\u{e007f}\"\\\\<a]{0,40}", key in "[\\x00-\\x1f\\u{202e}k]{1,5}",
        ) {
            let value = serde_json::json!({"a": text, key: [text]});
            let line = line(&value).unwrap();
            prop_assert!(!line.contains(steers), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        }
    }
}
