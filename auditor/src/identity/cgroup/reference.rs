//! The table of cgroup paths of docs/identity.md, which is made from the shapes that the tests go through.
//!
//! Goes in: the shapes. Comes out: the text between two marks of the page, or a failing test when the page says something
//! else. `UPDATE_DOCS=1 cargo test -p auditor --lib reference` writes it.

use std::fmt::Write as _;

use super::{
    CgroupIdentity, parse,
    shapes::{CONTAINERS, MONITORS, OF_USERS, UNITS},
    tests::filled,
};

const OPEN: &str = "<!-- made from auditor/src/identity/cgroup/shapes.rs: change the rows there -->\n";
const CLOSE: &str = "<!-- end -->\n";

/// What is found in a path, by the words that stand for it in a shape.
fn word(found: Option<&str>) -> String {
    let words = ["INNER", "ID", "UID", "FLAT"];
    let known = |text: &str| {
        words
            .into_iter()
            .find(|word| filled(word) == text)
            .map(str::to_owned)
    };
    found.map_or(String::new(), |text| {
        format!("`{}`", known(text).unwrap_or_else(|| text.to_owned()))
    })
}

fn container(out: &mut String, by: &str, shape: &str) {
    let found = parse(&filled(shape));
    let CgroupIdentity {
        pod_uid,
        container_id,
        runtime,
        ..
    } = &found;
    let named = match container_id {
        None => "",
        Some(_) if found.has_name() => "by its path",
        Some(_) if found.is_nested => "no: made in a container",
        Some(_) if found.user_manager.is_some() => "no: a user's own",
        Some(_) => "yes",
    };
    let (container, pod) = (word(container_id.as_deref()), word(pod_uid.as_deref()));
    let runtime = runtime.map_or("", |runtime| runtime.name());
    _ = writeln!(
        out,
        "| {by} | `{shape}` | {pod} | {container} | {runtime} | {named} |"
    );
}

fn tables() -> String {
    let mut out =
        "\n| made by | path | pod | container | runtime by the path | runtimes are asked |\n".to_owned();
    out += "|---|---|---|---|---|---|\n";
    for (by, shape, ..) in CONTAINERS.into_iter().chain(OF_USERS) {
        container(&mut out, by, shape);
    }
    for (by, shape, _) in MONITORS {
        container(&mut out, &format!("{by}, what holds a container's output"), shape);
    }
    out += "\n| path outside of containers | unit | slice | workload |\n|---|---|---|---|\n";
    for (path, ..) in UNITS.into_iter().filter(|(path, ..)| !path.is_empty()) {
        let found = parse(path);
        let [unit, slice, service] =
            [found.unit.as_deref(), found.slice.as_deref(), found.service()].map(word);
        let workload = if service.is_empty() {
            "the executable".to_owned()
        } else {
            service
        };
        _ = writeln!(out, "| `{path}` | {unit} | {slice} | {workload} |");
    }
    out.push('\n');
    out
}

#[test]
fn the_page_on_identity_shows_every_shape_of_path_and_what_is_read_from_it() {
    crate::page::holds("identity.md", [OPEN, CLOSE], &tables());
}
