//! Pages of docs/ of which a part, between two marks, is made from the code.

use std::path::Path;

/// Holds that part of a page against what the code says; with `UPDATE_DOCS` it is written instead.
pub(crate) fn holds(name: &str, [open, close]: [&str; 2], made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let page = std::fs::read_to_string(&path).unwrap();
    let start = page.find(open).expect("the page has the first mark") + open.len();
    let end = start + page[start..].find(close).expect("the page has the second mark");
    let made = format!("{}{made}{}", &page[..start], &page[end..]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, made).unwrap();
    } else {
        assert!(
            page == made,
            "docs/{name} is old: UPDATE_DOCS=1 cargo test -p auditor --lib reference"
        );
    }
}
