//! Any text is refused with a column inside of it, or is a selector that means the same when it is
//! written and read again, and whose example is an end that it means.
//!
//! A NUL parts two selectors; an end that both mean is then meant by each.

use auditor::glob::overlap::Overlap;
use auditor::identity::selector::Selector;
use auditor::identity::selector::describe::describe;
use auditor::identity::selector::overlap::{common_end, covers};

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut selectors = Vec::new();
    for part in text.splitn(2, '\0') {
        match part.parse::<Selector>() {
            Ok(selector) => selectors.push(selector),
            Err(error) => assert!(error.column >= 1 && error.column <= part.chars().count() + 1),
        }
    }
    for selector in &selectors {
        let written = selector.to_string();
        assert_eq!(written.parse().as_ref(), Ok(selector), "{written}");
        if let Ok(end) = describe(selector) {
            let external = written.starts_with("!external");
            assert!(external || selector.matches(&end), "{written}");
        }
        let _ = selector.narrowness();
    }
    if let [a, b] = &selectors[..]
        && let Overlap::Something(end) = common_end(&[a, b])
    {
        assert!(a.matches(&end) && b.matches(&end), "{a} {b}");
    }
    if let [a, b] = &selectors[..]
        && let (Ok(end), true) = (describe(b), covers(a, b))
    {
        assert!(!b.matches(&end) || a.matches(&end), "{a} {b}");
    }
}
