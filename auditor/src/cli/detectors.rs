//! `auditor detectors`: what can be detected, and why a value is or is not.
//!
//! Goes in: a subcommand. Comes out: a table or JSON on standard output. The tested value is never
//! printed, only its masked sample.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::config;
use crate::detect::catalogue::{self, DetectorInfo};
use crate::detect::{self, Detection, FLOOR, Fingerprinter, Scanner};

/// Arguments of `auditor detectors`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Text for people or one JSON document
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
    /// Configuration whose own detectors are known too
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List all detectors
    List,
    /// Say what one detector looks for
    Show {
        /// Id, as `list` prints it
        id: String,
    },
    /// Judge one value and print the evidence, never the value
    Test {
        /// The value; `-` reads one line from standard input and keeps it out of the process list
        value: String,
        /// Name of the field the value is in
        #[arg(long)]
        key: Option<String>,
    },
}

impl std::fmt::Debug for Command {
    /// The value under test may be real: it is not printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::List => "List",
            Self::Show { .. } => "Show",
            Self::Test { .. } => "Test",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
///
/// # Errors
/// For an id that is not in the catalogue, and when standard output cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    super::engine::forbid_core_dumps()?;
    let own = config::own_detectors(args.config.as_deref())?;
    // Fingerprints of this scanner are not shown.
    let scanner = Scanner::with_own(Fingerprinter::new([0; 32]), &own)?.telling_all();
    let rows = scanner.rows();
    let text = match (args.command, args.format) {
        (Command::List, Format::Text) => list_text(rows),
        (Command::List, Format::Json) => lines(&rows.iter().map(|row| row_json(row)).collect()),
        (Command::Show { id }, Format::Text) => show_text(find(rows, &id)?),
        (Command::Show { id }, Format::Json) => lines(&row_json(find(rows, &id)?)),
        (Command::Test { value, key }, format) => {
            let value = if value == "-" { first_line()? } else { value };
            let found = detect::explain(&scanner, &value, key.as_deref());
            match format {
                Format::Text => test_text(&found),
                Format::Json => lines(&found.iter().map(detection_json).collect()),
            }
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn first_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn find(rows: &[&'static DetectorInfo], id: &str) -> anyhow::Result<&'static DetectorInfo> {
    match rows.iter().copied().find(|row| row.id == id) {
        Some(row) => Ok(row),
        None => {
            let nearest = catalogue::nearest(id);
            bail!("no detector is called {id:?}; did you mean {nearest}? `auditor detectors list` prints all")
        }
    }
}

fn lines(value: &Value) -> String {
    format!("{value:#}\n")
}

fn list_text(rows: &[&'static DetectorInfo]) -> String {
    let mut out = format!(
        "{:<32} {:<10} {:<9} {:<6} REGULATIONS\n",
        "DETECTOR", "CATEGORY", "SEVERITY", "CLASS"
    );
    for row in rows {
        let severity = row.severity_name();
        let laws = row.regulations.join(",");
        let _ = writeln!(
            out,
            "{:<32} {:<10} {severity:<9} {:<6} {laws}",
            row.id,
            row.category,
            row.class.name()
        );
    }
    out
}

fn show_text(row: &DetectorInfo) -> String {
    let names = |names: &[&str]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let forms = row.forms();
    let mut out = format!("{}\n\n{}\n\n", row.id, row.explanation);
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<13}{text}");
    };
    line("source", row.source);
    line("category", row.category);
    line("class", row.class.name());
    line("needs", row.needed());
    line("regulations", &names(row.regulations));
    line("severity", &format!("{} when clear", row.severity_name()));
    for (at, form) in forms.iter().enumerate() {
        line(if at == 0 { "looks at" } else { "" }, form);
    }
    line("sample", &row.sample());
    line("field names", &names(row.keys));
    line("shared names", &names(&row.shared_names()));
    line("words", &names(row.words));
    line("siblings", &names(row.siblings));
    out
}

fn test_text(found: &[Detection]) -> String {
    if found.is_empty() {
        return "nothing: no detector takes this value for one of its kind; many need the name of its field (--key)\n".into();
    }
    let mut out = String::new();
    for detection in found {
        let state = format!("{:?}", detection.state).to_lowercase();
        let confidence = format!("{:?}", detection.confidence).to_lowercase();
        let _ = writeln!(
            out,
            "{}  {state}  {confidence} ({:.1} bits)  {}",
            detection.detector, detection.score_bits, detection.sample
        );
        for line in &detection.evidence {
            let _ = writeln!(out, "  {:+5.1}  {}", line.bits, line.reason);
        }
        if detection.score_bits < FLOOR {
            let _ = writeln!(
                out,
                "         below {FLOOR:.1} bits it is dropped and never reported"
            );
        }
        if detection.under_masked {
            let _ = writeln!(out, "         the mask leaves more than its convention allows");
        }
    }
    out
}

fn row_json(row: &DetectorInfo) -> Value {
    json!({
        "id": row.id, "category": row.category, "severity": row.severity, "class": row.class.name(),
        "regulations": row.regulations, "explanation": row.explanation, "source": row.source,
        "needs": row.needed(), "forms": row.forms(), "sample": row.sample(),
        "keys": row.keys, "shared_names": row.shared_names(), "words": row.words, "siblings": row.siblings,
    })
}

fn detection_json(detection: &Detection) -> Value {
    let evidence: Vec<Value> = detection
        .evidence
        .iter()
        .map(|line| json!({ "bits": line.bits, "reason": line.reason }))
        .collect();
    json!({
        "detector": detection.detector, "state": detection.state, "confidence": detection.confidence,
        "score_bits": detection.score_bits, "sample": detection.sample, "length": detection.length,
        "start": detection.range.start, "end": detection.range.end,
        "declared_masked": detection.declared_masked, "under_masked": detection.under_masked,
        "evidence": evidence,
    })
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn an_unknown_id_names_the_nearest_one() {
        let line = Line::try_parse_from(["detectors", "show", "payment_crad"]).unwrap();
        let error = run(line.args).unwrap_err().to_string();
        assert!(error.contains("did you mean payment_card?"), "{error}");
    }

    #[test]
    fn the_list_holds_every_detector_once() {
        let text = list_text(catalogue::all());
        for row in catalogue::all() {
            assert_eq!(
                text.lines()
                    .filter(|line| line.split(' ').next() == Some(row.id))
                    .count(),
                1
            );
        }
    }

    #[test]
    fn a_test_prints_evidence_and_not_the_value() {
        let value = "5447911234560249";
        let found = detect::explain(
            &Scanner::new(Fingerprinter::new([0; 32])),
            value,
            Some("card_number"),
        );
        assert_eq!(found.len(), 1);
        let text = test_text(&found) + &detection_json(&found[0]).to_string();
        assert!(
            text.contains("544791******0249") && text.contains("passes Luhn"),
            "{text}"
        );
        assert!(!text.contains(value));
        assert!(
            test_text(&detect::explain(
                &Scanner::new(Fingerprinter::new([0; 32])),
                "hello",
                None
            ))
            .starts_with("nothing")
        );
    }

    #[test]
    fn debug_output_of_the_arguments_hides_the_value() {
        let line = Line::try_parse_from(["detectors", "test", "5447911234560249", "--key", "k"]).unwrap();
        assert!(!format!("{:?}", line.args).contains("5447"));
    }

    fn tested(value: &str, key: Option<&str>) -> String {
        let scanner = Scanner::new(Fingerprinter::new([0; 32])).telling_all();
        test_text(&detect::explain(&scanner, value, key))
    }

    #[test]
    fn what_people_read_is_as_it_was() {
        let list: Vec<String> = list_text(catalogue::all())
            .lines()
            .take(12)
            .map(str::to_owned)
            .collect();
        insta::assert_snapshot!("list", list.join("\n"));
        let shown = ["payment_card", "us_ssn", "jwt", "religion"]
            .map(|id| catalogue::find(id).map(show_text).unwrap_or_default());
        insta::assert_snapshot!("show", shown.join("\n"));
        let judged = [
            ("5447911234560249", Some("card_number")),
            ("5447911234560249", None),
            ("5447911234560249", Some("order_id")),
            ("544791******0249", Some("card_number")),
            ("5447911234560240", Some("card_number")),
            ("+4915123456789", Some("phone")),
        ]
        .map(|(value, key)| format!("--key {}\n{}", key.unwrap_or("(none)"), tested(value, key)));
        insta::assert_snapshot!("test", judged.join("\n"));
    }
}
