use std::fs;
use std::path::Path;

use super::super::load::Places;
use super::super::names::Names;
use super::super::source::{Refused, Source, State};
use super::policy;

fn start(policy: &Path, state: &Path) -> Result<Source, Refused> {
    let places = Places {
        paths: vec![policy.to_owned()],
        presets: Vec::new(),
    };
    Source::start(places, Names::new(&[]), state.join("policy.json"), None)
}

fn version(source: &Source) -> String {
    source.live().current().version.clone()
}

#[test]
fn a_change_is_put_in_force_and_what_is_no_good_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let [one, two] = ["allow", "report"].map(|action| policy(&[&format!("{{name: r, action: {action}}}")]));
    fs::write(&file, &one).unwrap();
    let mut source = start(&file, folder.path()).unwrap();
    assert_eq!((source.state(), source.poll()), (State::Loaded, false));
    let first = version(&source);
    fs::write(&file, &two).unwrap();
    assert!(source.poll() && version(&source) != first);
    let second = version(&source);
    fs::write(&file, "rules: [").unwrap();
    assert!(source.poll());
    assert_eq!((source.state(), version(&source)), (State::Stale, second.clone()));
    assert!(!source.poll(), "said once");
    fs::remove_file(&file).unwrap();
    source.poll();
    assert_eq!((source.state(), version(&source)), (State::Stale, second.clone()));
    fs::write(&file, &two).unwrap();
    assert!(source.poll());
    assert_eq!((source.state(), version(&source)), (State::Loaded, second));
}

#[test]
fn the_last_good_policies_are_in_force_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, "rules: [").unwrap();
    assert!(start(&file, folder.path()).is_err(), "there is nothing of before");
    fs::write(&file, policy(&["{name: r, action: allow}"])).unwrap();
    let good = version(&start(&file, folder.path()).unwrap());
    fs::write(&file, policy(&["{name: r, action: alow}"])).unwrap();
    let source = start(&file, folder.path()).unwrap();
    assert_eq!((source.state(), version(&source)), (State::Stale, good));
}

#[test]
fn policies_that_were_kept_before_there_were_objects_are_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, policy(&["{name: r, action: allow}"])).unwrap();
    let good = version(&start(&file, folder.path()).unwrap());
    let kept = folder.path().join("policy.json");
    let text: serde_json::Value = serde_json::from_str(&fs::read_to_string(&kept).unwrap()).unwrap();
    fs::write(&kept, text["documents"].to_string()).unwrap();
    fs::write(&file, "rules: [").unwrap();
    let source = start(&file, folder.path()).unwrap();
    assert_eq!((source.state(), version(&source)), (State::Stale, good));
}

#[test]
fn a_folder_that_is_swapped_by_a_symbolic_link_is_seen_to_change() {
    let folder = tempfile::tempdir().unwrap();
    for (name, action) in [("one", "allow"), ("two", "report")] {
        let version = folder.path().join(name);
        fs::create_dir(&version).unwrap();
        fs::write(
            version.join("policy.yaml"),
            policy(&[&format!("{{name: r, action: {action}}}")]),
        )
        .unwrap();
        fs::write(version.join("p.test.yaml"), "no policy").unwrap();
    }
    let data = folder.path().join("..data");
    std::os::unix::fs::symlink("one", &data).unwrap();
    let mounted = folder.path().join("mounted");
    fs::create_dir(&mounted).unwrap();
    std::os::unix::fs::symlink("../..data/policy.yaml", mounted.join("policy.yaml")).unwrap();
    let mut source = start(&mounted, folder.path()).unwrap();
    let first = version(&source);
    let swapped = folder.path().join("..new");
    std::os::unix::fs::symlink("two", &swapped).unwrap();
    fs::rename(&swapped, &data).unwrap();
    assert!(source.poll() && version(&source) != first);
    // Nothing is read of what only lies beside.
    assert_eq!(source.live().current().rules.len(), 1);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(start(&empty, folder.path()).is_ok(), "those of before are kept");
}

#[test]
fn a_file_that_everybody_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let error = crate::policy::load::read(&file).unwrap_err().to_string();
    assert!(error.contains("chmod o-w"), "{error}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(crate::policy::load::read(&file).is_ok());
}
