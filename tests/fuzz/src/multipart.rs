//! Parts of a multipart body.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[
            (Some("multipart/form-data; boundary=X"), None),
            (Some("multipart/mixed; boundary=\"--X--\""), None),
            (None, None),
        ],
        input,
    );
}
