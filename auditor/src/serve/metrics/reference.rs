//! docs/metrics.md, made from what is registered: name, type, labels and meaning are those of the registry, units and
//! what labels can say are said here.
//!
//! A test fails when the page says something else. `UPDATE_DOCS=1 cargo test -p auditor --lib reference` writes it.

use std::fmt::Write as _;

use prometheus::core::Collector;
use prometheus::proto::MetricType;

use super::rows::{GROUPS, Most, Row, Values};
use super::*;

const OPEN: &str = "<!-- written from here -->\n";
const CLOSE: &str = "<!-- to here -->";

/// A family of metrics as it is registered.
#[derive(Clone, Debug)]
pub(super) struct Family {
    name: String,
    kind: &'static str,
    labels: Vec<String>,
    help: String,
    /// Series that one set of labels makes: those of a histogram are more than one.
    series: usize,
}

/// What a collector brings.
pub(super) fn families(collector: &dyn Collector) -> Vec<Family> {
    let collected = collector.collect();
    let kind = |name: &str| match collected.iter().find(|family| family.name() == name) {
        Some(family) if family.get_field_type() == MetricType::COUNTER => "counter",
        Some(family) if family.get_field_type() == MetricType::HISTOGRAM => "histogram",
        _ => "gauge",
    };
    let series = |name: &str| {
        let family = collected.iter().find(|family| family.name() == name);
        let of_histogram = family.and_then(|family| family.get_metric().first());
        // The buckets, the one of all, the sum and the count.
        match of_histogram.map(|metric| metric.get_histogram().get_bucket().len()) {
            Some(buckets) if kind(name) == "histogram" => buckets + 3,
            _ => 1,
        }
    };
    let family = |desc: &prometheus::core::Desc| Family {
        name: desc.fq_name.clone(),
        kind: kind(&desc.fq_name),
        labels: desc.variable_labels.clone(),
        help: desc.help.clone(),
        series: series(&desc.fq_name),
    };
    collector.desc().into_iter().map(family).collect()
}

fn registered() -> Vec<Family> {
    let metrics = tests::metrics(1);
    let known = metrics.registry.known.lock().unwrap();
    known.clone()
}

fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().flat_map(|(_, rows)| rows.iter())
}

impl Row {
    /// How many series there can be, as a sentence.
    fn most(&self, of_each: usize) -> String {
        let mut number = of_each;
        let mut words = Vec::new();
        let mut is_capped = false;
        for (_, values) in self.labels {
            match values {
                Values::Of(list) => number *= list().len(),
                Values::Open(_, Most::Number(most)) => number *= most,
                Values::Open(_, Most::Detectors) => words.push("detectors"),
                Values::Given(_) | Values::Open(_, Most::Given) => {}
                Values::Open(_, Most::Series) => is_capped = true,
            }
        }
        let mut most = match (number, words.is_empty()) {
            (number, true) => number.to_string(),
            (1, false) => words.join(" × "),
            (number, false) => format!("{number} × {}", words.join(" × ")),
        };
        if is_capped {
            most = format!("`serve.max_series` + {most}");
        }
        most
    }
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn tables() -> String {
    let registered = registered();
    let mut out = String::new();
    for (group, rows) in GROUPS {
        _ = writeln!(out, "\n## {group}\n");
        out += "| metric | type | unit | labels | series at most | meaning |\n|---|---|---|---|---|---|\n";
        for row in *rows {
            let family = registered
                .iter()
                .find(|family| family.name.strip_prefix("auditor_") == Some(row.name))
                .unwrap_or_else(|| panic!("{} is in serve/metrics/rows.rs and not registered", row.name));
            let labels: Vec<String> = family.labels.iter().map(|label| code(label)).collect();
            let unit = if row.unit.is_empty() { "–" } else { row.unit };
            let (name, kind, most) = (&family.name, family.kind, row.most(family.series));
            let (labels, help) = (labels.join(" "), &family.help);
            _ = writeln!(out, "| `{name}` | {kind} | {unit} | {labels} | {most} | {help} |");
        }
    }
    out + "\n" + &labels()
}

/// One row for each label and what it can say; metrics in which it says the same share one.
fn labels() -> String {
    let mut of: Vec<(&str, String, Vec<String>)> = Vec::new();
    for row in rows() {
        for (label, values) in row.labels {
            let says = match values {
                Values::Of(list) | Values::Given(list) => {
                    list().iter().map(|word| code(word)).collect::<Vec<_>>().join(" ")
                }
                Values::Open(what, _) => (*what).to_owned(),
            };
            let name = code(&format!("auditor_{}", row.name));
            match of
                .iter_mut()
                .find(|(known, text, _)| known == label && *text == says)
            {
                Some((.., names)) => names.push(name),
                None => of.push((label, says, vec![name])),
            }
        }
    }
    of.sort_by_key(|(label, ..)| *label);
    let mut out = "## Labels\n\n| label | of | says |\n|---|---|---|\n".to_owned();
    for (label, says, names) in of {
        _ = writeln!(out, "| `{label}` | {} | {says} |", names.join(" "));
    }
    out.push('\n');
    out
}

#[test]
fn the_page_on_metrics_shows_every_metric_and_what_its_labels_can_say() {
    crate::page::holds("metrics.md", [OPEN, CLOSE], &tables());
}

#[test]
fn reference_every_registered_metric_has_a_row_with_the_same_labels() {
    for family in registered() {
        let row = rows().find(|row| family.name.strip_prefix("auditor_") == Some(row.name));
        let row = row.unwrap_or_else(|| panic!("{} has no row in serve/metrics/rows.rs", family.name));
        let labels: Vec<&str> = row.labels.iter().map(|(label, _)| *label).collect();
        assert_eq!(labels, family.labels, "{}", family.name);
        assert!(
            family.help.ends_with('.') && !family.help.contains('|'),
            "{}",
            family.help
        );
        let is_total = family.name.ends_with("_total");
        assert_eq!(is_total, family.kind == "counter", "{}", family.name);
        let pairs = row
            .labels
            .iter()
            .filter(|(label, _)| PAIR.contains(label))
            .count();
        assert!(
            pairs == 0 || pairs == PAIR.len(),
            "{}: ends are named whole",
            family.name
        );
    }
}

/// What docs/architecture.md promises, with the labels that queries rely on.
#[test]
fn reference_what_the_architecture_promises_is_registered() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md")).unwrap();
    let (_, list) = page.split_once("<!-- metrics -->").expect("the list of metrics");
    let (list, _) = list.split_once("<!-- end of metrics -->").expect("its end");
    let registered = registered();
    let mut promised = 0;
    for word in list
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| !word.starts_with('`'))
    {
        let (name, labels) = word.split_once('{').unwrap_or((word, "}"));
        let family = registered
            .iter()
            .find(|family| family.name.strip_prefix("auditor_") == Some(name))
            .unwrap_or_else(|| panic!("{word} is promised and not registered"));
        for label in labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.is_empty())
        {
            let is_there = match label {
                "pair" => PAIR
                    .iter()
                    .all(|label| family.labels.iter().any(|known| known == label)),
                label => family.labels.iter().any(|known| known == label),
            };
            assert!(is_there, "{name} has no label {label}");
        }
        promised += 1;
    }
    assert!(promised >= 20, "{promised}");
}
