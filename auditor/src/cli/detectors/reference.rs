//! The tables of docs/detectors.md, which are made from the catalogue.
//!
//! Goes in: the catalogue. Comes out: the text between two marks of the page, or a failing test
//! when the page says something else. `UPDATE_DOCS=1 cargo test -p auditor --lib reference`
//! writes it.

use std::fmt::Write as _;
use std::path::Path;

use crate::config;
use crate::detect::catalogue::{self, DetectorInfo};
use crate::detect::{Fingerprinter, Scanner, explain, own};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/detectors.md");
const OPEN: &str = "<!-- made from the catalogue: change the rows, not this -->\n";
const CLOSE: &str = "<!-- end -->\n";
/// Names of fields in a table; `show` prints all.
const NAMES: usize = 4;

fn tables() -> String {
    let rows = catalogue::all();
    let mut categories: Vec<&str> = Vec::new();
    for row in rows {
        if !categories.contains(&row.category) {
            categories.push(row.category);
        }
    }
    let mut out = format!("\n{} detectors in {} categories.\n", rows.len(), categories.len());
    for category in categories {
        let of_category: Vec<_> = rows.iter().filter(|row| row.category == category).collect();
        let _ = writeln!(out, "\n### {category} ({})\n", of_category.len());
        out += "| detector | class | what is checked | severity | regulations | field names | sample | source |\n";
        out += "|---|---|---|---|---|---|---|---|\n";
        of_category.into_iter().for_each(|row| line(&mut out, row));
    }
    out.push('\n');
    out
}

fn line(out: &mut String, row: &DetectorInfo) {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut names = row
        .keys
        .iter()
        .take(NAMES)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if row.keys.len() > NAMES {
        let _ = write!(names, " and {} more", row.keys.len() - NAMES);
    }
    let _ = writeln!(
        out,
        "| `{}` | {} | {} | {} | {} | {} | `{}` | {} |",
        row.id,
        row.class.name(),
        cell(row.explanation),
        row.severity_name(),
        row.regulations.join(", "),
        names,
        cell(&row.sample()),
        cell(row.source),
    );
}

#[test]
fn the_page_on_detectors_says_what_the_catalogue_says() {
    crate::page::holds("detectors.md", [OPEN, CLOSE], &tables());
}

#[test]
fn the_example_of_the_page_is_accepted_and_finds_what_it_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, example).unwrap();
    let definitions = config::own_detectors(Some(Path::new(&file))).unwrap();
    assert_eq!(definitions.len(), 2);
    let scanner = Scanner::with_own(Fingerprinter::new([0; 32]), &definitions).unwrap();
    assert_eq!(
        explain(&scanner, "seen ACME-20481216 today", None)[0].detector,
        "acme_customer"
    );
}

#[test]
fn the_page_names_every_validator() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    for name in own::validators() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
