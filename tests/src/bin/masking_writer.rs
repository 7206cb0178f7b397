//! Fills a masking ledger as fast as it is told, for tests that kill it: masking_writer FILE FIELDS A_SECOND.
//!
//! Says ten times a second how many values it has counted in its life, after how many milliseconds, and how the file
//! is kept or why it is not. On a line of its input it writes for the last time, says "finished" and waits for the end of its input.

use std::{
    io::{Write as _, stdin, stdout},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use auditor::{
    ledger::ByteLedger,
    masking::{
        Book, Limits, Side, Sighting, drift,
        keeper::{Keeper, Settings},
    },
};
use auditor_tests::masking::observation;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, fields, rate] = words.as_slice() else {
        anyhow::bail!("FILE FIELDS A_SECOND");
    };
    let (fields, rate): (u64, u64) = (fields.parse()?, rate.parse()?);
    let start = Instant::now();
    let book = Book::new(Limits::default(), drift::Settings::default(), start);
    let book = Arc::new(Mutex::new(book));
    let settings = Settings {
        path: PathBuf::from(path),
        max_age: Duration::from_secs(86_400),
        max_bytes: 1 << 30,
    };
    let keeper = Keeper::start(Arc::clone(&book), Arc::new(ByteLedger::default()), settings)?;
    let ends = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ends);
    let listener = thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().read_line(&mut line);
        end.store(true, Ordering::Release);
        let _ = stdin().read_line(&mut line);
    });
    let mut values = observation()?;
    let (mut counted, mut said) = (0, start);
    while !ends.load(Ordering::Acquire) {
        let due = u64::try_from(start.elapsed().as_millis())?.saturating_mul(rate) / 1000;
        let mut book = book.lock().ok().context("the ledger is poisoned")?;
        let until = due.min(counted + 1000);
        while counted < until {
            counted += 1;
            values.detection.field.path = Some(format!("$.field{}", counted % fields));
            let sighting = Sighting {
                observation: &values,
                verdict: None,
                is_silent: false,
                side: Side::Sender,
            };
            book.observe(&sighting, Instant::now(), jiff::Timestamp::now());
        }
        drop(book);
        if said.elapsed() >= Duration::from_millis(100) {
            said = Instant::now();
            let status = keeper.status();
            let word = status.reason.unwrap_or(status.word());
            writeln!(stdout(), "{counted} {} {word}", start.elapsed().as_millis())?;
        }
        if counted >= due {
            thread::sleep(Duration::from_millis(1));
        }
    }
    keeper.finish();
    writeln!(stdout(), "{counted} {} finished", start.elapsed().as_millis())?;
    let _ = listener.join();
    Ok(())
}
