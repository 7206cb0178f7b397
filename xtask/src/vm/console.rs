//! Reads what the guest says on its console, line by line.
//!
//! `scenario: planned N`, then N times `scenario: passed|failed|skipped NAME: detail`, and at the end exactly one `init: success` or `init: failure: why`.
//! Everything else is the kernel's or a program's and is kept in the log only.

/// One line that matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// How many scenarios follow: a result that is lost on its way must not go unnoticed.
    Planned(u32),
    Scenario {
        outcome: Outcome,
        text: String,
    },
    Init(Result<(), String>),
    /// The kernel died.
    Panic(String),
}

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// What a line reports, if anything.
pub(super) fn parse(line: &str) -> Option<Report> {
    if let Some(rest) = line.strip_prefix("scenario: ") {
        let (outcome, text) = rest.split_once(' ')?;
        let outcome = match outcome {
            "planned" => return text.parse().ok().map(Report::Planned),
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            "skipped" => Outcome::Skipped,
            _ => return None,
        };
        return Some(Report::Scenario {
            outcome,
            text: text.to_owned(),
        });
    }
    match line.strip_prefix("init: ") {
        Some("success") => return Some(Report::Init(Ok(()))),
        Some(rest) => {
            let why = rest.strip_prefix("failure: ")?;
            return Some(Report::Init(Err(why.to_owned())));
        }
        None => {}
    }
    line.find("Kernel panic")
        .map(|at| Report::Panic(line[at..].to_owned()))
}

/// The line without its end and without the terminal's control characters, which firmware and kernels print.
pub(super) fn plain(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_the_agreed_form_are_reports() {
        let scenario = |outcome, text: &str| {
            Some(Report::Scenario {
                outcome,
                text: text.into(),
            })
        };
        for (line, expected) in [
            (
                "scenario: passed boots: 0.1 s",
                scenario(Outcome::Passed, "boots: 0.1 s"),
            ),
            (
                "scenario: failed tls: no finding",
                scenario(Outcome::Failed, "tls: no finding"),
            ),
            (
                "scenario: skipped nss: not in the image",
                scenario(Outcome::Skipped, "nss: not in the image"),
            ),
            ("scenario: planned 3", Some(Report::Planned(3))),
            ("scenario: planned many", None),
            ("scenario: exploded x", None),
            ("init: success", Some(Report::Init(Ok(())))),
            (
                "init: failure: 1 scenario",
                Some(Report::Init(Err("1 scenario".into()))),
            ),
            ("init: success?", None),
            ("said init: success", None),
            (
                "[    1.2] Kernel panic - not syncing: x",
                Some(Report::Panic("Kernel panic - not syncing: x".into())),
            ),
            ("", None),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn control_characters_and_line_ends_are_dropped() {
        assert_eq!(plain(b"\x1bcinit: success\r\n"), "cinit: success");
        assert_eq!(plain(b"a\xff\tb"), "a\u{fffd}\tb");
    }
}
