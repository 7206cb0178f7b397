//! Text in encodings other than UTF-8, declared by its type, by itself or by a byte order mark.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(
        &[
            (Some("text/plain; charset=iso-8859-1"), None),
            (Some("application/json; charset=utf-16le"), None),
            (Some("application/json; charset=utf-16"), None),
            (Some("text/csv; charset=shift_jis"), None),
            (Some("application/xml; charset=gb18030"), None),
            (Some("text/html"), None),
            (Some("text/plain; charset=iso-2022-jp"), None),
            (None, None),
        ],
        input,
    );
}
