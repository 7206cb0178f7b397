//! Any cgroup path, file of /proc and answer of a container runtime: what is found stands in it, and is bounded.

use std::collections::BTreeSet;

use auditor::identity::{
    addresses, cgroup,
    container::{Facts, cri, engine},
    process::parse_stat,
    users,
};

/// Longest text kept of an answer, bytes.
const LIMIT: usize = 512;

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    path(&text);
    if let Some(path_of_a_process) = cgroup::choose(&text) {
        assert!(text.contains(path_of_a_process));
        path(path_of_a_process);
    }
    let _ = parse_stat(&text);
    for (uid, name) in users::parse(&text) {
        assert!(text.contains(&name) && text.contains(&uid.to_string()));
    }
    let _ = addresses::local_v4(&text);
    let _ = addresses::local_v6(&text);
    let labels = BTreeSet::from(["team".to_owned()]);
    for answer in [engine::facts(input, &labels), cri::facts(input, &labels)] {
        match answer {
            Ok(facts) => check(&facts),
            Err(failure) => assert!(failure.to_string().len() < 2 * LIMIT),
        }
    }
}

fn path(text: &str) {
    let found = cgroup::parse(text);
    if let Some(id) = &found.container_id {
        assert!(text.to_ascii_lowercase().contains(&id.to_ascii_lowercase()));
        assert!(found.unit.is_none() && found.slice.is_none());
    }
    if let Some(uid) = &found.pod_uid {
        assert!(text.replace('_', "-").contains(uid.as_str()));
    }
    assert!(found.container_id.is_some() || !found.is_nested);
}

fn check(facts: &Facts) {
    let pod = facts
        .pod
        .iter()
        .flat_map(|pod| [&pod.uid, &pod.name, &pod.namespace]);
    let texts = facts.name.iter().chain(&facts.image).chain(facts.labels.values());
    for text in texts.chain(pod) {
        assert!(text.len() <= LIMIT);
    }
    assert!(facts.labels.keys().all(|key| key == "team"));
}
