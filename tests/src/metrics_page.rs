//! What `/metrics` shows, next to what docs/metrics.md says that it can.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};

const PAGE: &str = include_str!("../../docs/metrics.md");

/// One metric as the page describes it.
#[derive(Debug)]
struct Metric<'a> {
    kind: &'a str,
    labels: BTreeSet<&'a str>,
}

/// The page, read.
struct Page<'a> {
    metrics: BTreeMap<&'a str, Metric<'a>>,
    /// What a label of a metric can say, where that is a list.
    values: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
}

/// Words between grave accents.
fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn page(text: &str) -> Page<'_> {
    let (mut metrics, mut values) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            [name, kind, _, labels, _, _] => {
                let labels = words(labels).collect();
                metrics.insert(name.trim_matches('`'), Metric { kind, labels });
            }
            // A list, and nothing else.
            [label, names, says]
                if says
                    .split('`')
                    .step_by(2)
                    .all(|between| between.trim().is_empty()) =>
            {
                for name in words(names) {
                    values.insert((name, label.trim_matches('`')), words(says).collect());
                }
            }
            _ => {}
        }
    }
    Page { metrics, values }
}

/// Names and values of the labels of a series.
fn labels(text: &str) -> anyhow::Result<Vec<(&str, &str)>> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").context("a label")?;
        let mut is_escaped = false;
        let end = behind.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let end = end.context("the end of a value")?;
        labels.push((name.trim_start_matches(','), &behind[..end]));
        rest = &behind[end + 1..];
    }
    Ok(labels)
}

/// Looks for each series of an answer of `/metrics` in docs/metrics.md; returns which metrics it shows.
///
/// # Errors
/// The first series that is not there, or that says what the page does not let it say.
pub fn check(shown: &str) -> anyhow::Result<BTreeSet<String>> {
    let page = page(PAGE);
    ensure!(
        page.metrics.len() > 40 && page.values.len() > 30,
        "the page of metrics was not read"
    );
    let mut seen = BTreeSet::new();
    for line in shown.lines().filter(|line| line.starts_with("auditor_")) {
        let (series, _) = line.rsplit_once(' ').context("a value")?;
        let (name, inside) = series.split_once('{').unwrap_or((series, ""));
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .filter(|name| {
                page.metrics
                    .get(name)
                    .is_some_and(|metric| metric.kind == "histogram")
            });
        let name = of_histogram.unwrap_or(name);
        let metric = page
            .metrics
            .get(name)
            .with_context(|| format!("not in docs/metrics.md: {line}"))?;
        let labels = labels(inside.trim_end_matches('}'))?;
        let labels = labels
            .into_iter()
            .filter(|(label, _)| of_histogram.is_none() || *label != "le");
        let labels: Vec<(&str, &str)> = labels.collect();
        let named: BTreeSet<&str> = labels.iter().map(|(label, _)| *label).collect();
        ensure!(named == metric.labels, "docs/metrics.md has other labels: {line}");
        for (label, value) in labels {
            let can_say = page.values.get(&(name, label));
            ensure!(
                can_say.is_none_or(|values| values.contains(value)),
                "docs/metrics.md does not have {label}={value}: {line}"
            );
        }
        seen.insert(name.to_owned());
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_does_not_have_is_told_by_its_series() {
        let seen = check(
            "# HELP x\nauditor_scan_seconds_bucket{le=\"1\"} 2\nauditor_bytes_moved_total{ledger=\"tls\"} 5\n",
        );
        assert_eq!(seen.unwrap().len(), 2);
        for (line, why) in [
            ("auditor_byte_moved_total{ledger=\"tls\"} 5", "not in docs"),
            (
                "auditor_bytes_moved_total{ledger=\"udp\"} 5",
                "does not have ledger=udp",
            ),
            (
                "auditor_bytes_moved_total{ledger=\"tls\",pod=\"a\\\"b\"} 5",
                "other labels",
            ),
            ("auditor_bytes_moved_total 5", "other labels"),
            ("auditor_names_pending_bucket{le=\"1\"} 5", "not in docs"),
        ] {
            let error = format!("{:#}", check(line).unwrap_err());
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
