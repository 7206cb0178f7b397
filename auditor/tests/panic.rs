//! A panic does not repeat the text it failed on.

use std::process::Command;

/// Set for the copy of this test that panics.
const CHILD: &str = "AUDITOR_TEST_PANICS";
const SENTINEL: &str = "sentinel-5447914839201003-\u{e9}";

#[test]
fn a_panic_says_where_and_not_what() {
    if std::env::var_os(CHILD).is_some() {
        auditor::secret::hide_panic_messages();
        // Cuts a character in two: the standard message shows the whole text.
        let thread = std::thread::spawn(|| SENTINEL[..SENTINEL.len() - 1].len());
        assert!(thread.join().is_err());
        return;
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_panic_says_where_and_not_what", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success(), "{said}");
    assert!(
        said.contains("internal error in thread") && said.contains("panic.rs:"),
        "{said}"
    );
    assert!(
        !said.contains("5447914839201003"),
        "a value left in a panic message"
    );
}
