//! Replays the committed inputs of every fuzz target: the corpus, and what once broke something.

use std::{fs, path::Path};

#[path = "../../tests/fuzz/src/lib.rs"]
mod targets;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus");

fn folders(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_committed_input_keeps_every_promise_of_its_target() {
    for (name, target) in targets::TARGETS {
        let folder = Path::new(CORPUS).join(name);
        let inputs = folders(&folder);
        assert!(!inputs.is_empty(), "{name} has no inputs");
        for input in inputs {
            println!("{name}/{input}");
            target(&fs::read(folder.join(input)).unwrap());
        }
    }
}

#[test]
fn every_target_is_replayed() {
    let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(folders(Path::new(CORPUS)), known);
    let programs = folders(&Path::new(CORPUS).with_file_name("fuzz_targets"));
    assert_eq!(
        programs,
        known.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>()
    );
}
