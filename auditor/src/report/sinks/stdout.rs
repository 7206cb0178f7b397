//! Findings on standard output (or a file given with `--output`), as JSON lines or as text.
//!
//! Goes in: [`Finding`]s. Comes out: one line each. A reader that went away is not an error: the
//! sink says that it is broken, and the command can end.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Sink;
use super::format::Format as Shape;
use crate::report::finding::Finding;
use crate::report::table::{Row, Table};

/// How a finding is written.
#[derive(Clone, Debug)]
pub enum Format {
    /// One JSON object a line.
    Json(Shape),
    /// One line a person reads.
    Text(Table),
}

/// Writes findings to `out`.
pub struct Writer<W> {
    out: W,
    format: Format,
    broken: bool,
    dropped: Arc<AtomicU64>,
}

impl<W: Write + Send> Writer<W> {
    /// A sink that writes to `out`, unbuffered: give it a `BufWriter` where findings are many.
    pub fn new(out: W, format: Format) -> Self {
        Self {
            out,
            format,
            broken: false,
            dropped: Arc::default(),
        }
    }

    /// Writes a line that is no finding, such as the summary.
    ///
    /// # Errors
    /// When the reader went away or the disk is full.
    pub fn write_line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    fn line(&self, finding: &Finding) -> io::Result<String> {
        Ok(match &self.format {
            Format::Json(format) => format.line(crate::report::json::line(finding)?.as_bytes())?,
            Format::Text(table) => table.line(&Row::of(finding)),
        })
    }
}

impl<W: Write + Send> Sink for Writer<W> {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn write(&mut self, finding: &Finding) {
        let mut written = self.line(finding);
        if let Ok(line) = &mut written {
            line.push('\n');
        }
        if let Err(error) = written.and_then(|line| self.out.write_all(line.as_bytes())) {
            self.broken |= error.kind() == io::ErrorKind::BrokenPipe;
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&mut self) {
        if let Err(error) = self.out.flush() {
            self.broken |= error.kind() == io::ErrorKind::BrokenPipe;
        }
    }

    fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    fn broken(&self) -> bool {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::observation::tests::card;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_finding_is_one_line_in_either_format() {
        let finding = card().into_finding("id".into(), None, jiff::Timestamp::UNIX_EPOCH);
        for format in [Format::Json(Shape::Auditor), Format::Text(Table::plain())] {
            let mut out = Vec::new();
            let mut sink = Writer::new(&mut out, format);
            sink.write(&finding);
            sink.write(&finding);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().count(), 2);
            assert!(
                text.lines().all(|line| line.contains("544791******0247")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_reader_that_went_away_breaks_the_sink_and_nothing_else() {
        let mut sink = Writer::new(Closed, Format::Json(Shape::Auditor));
        sink.write(&card().into_finding("id".into(), None, jiff::Timestamp::UNIX_EPOCH));
        assert!(sink.broken());
        assert_eq!(sink.dropped().load(Ordering::Relaxed), 1);
    }
}
