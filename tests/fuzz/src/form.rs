//! Parameters of a form.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[(Some("application/x-www-form-urlencoded"), None), (None, None)],
        input,
    );
}
