//! Any file of sketches is refused or read; what is read is written and read again the same.

use auditor::detect::sketch::{Sketches, load, store};
use sha2::{Digest as _, Sha256};

use super::with_file;

const KEY: u128 = 7;

pub fn run(input: &[u8]) {
    with_file(input, |path| {
        assert!(load(&mut Sketches::<()>::default(), KEY, path).is_err())
    });
    // The same behind a right head and with a right seal.
    let head = [&b"auditsk\n"[..], &1u32.to_le_bytes(), &KEY.to_le_bytes()].concat();
    let mut sealed = [&head, input].concat();
    let seal = Sha256::digest(&sealed);
    sealed.extend(&seal[..8]);
    with_file(&sealed, |path| {
        let mut sketches = Sketches::<()>::default();
        if load(&mut sketches, KEY, path).is_err() {
            assert!(sketches.is_empty());
            return;
        }
        let folder = std::env::temp_dir().join(format!("auditor-fuzz-{}", std::process::id()));
        let again = folder.with_extension("sketches");
        store(&sketches, KEY)
            .write(&again)
            .expect("a temporary file can be written");
        let mut read = Sketches::<()>::default();
        load(&mut read, KEY, &again).expect("what was written is read");
        assert!(store(&sketches, KEY) == store(&read, KEY));
        std::fs::remove_file(&again).expect("it is there");
    });
}
