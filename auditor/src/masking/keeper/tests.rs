//! What happens to the file while the daemon runs.

use std::fs;
use std::path::Path;

use super::*;
use crate::detect::State;
use crate::masking::tests::seen;
use crate::masking::{Limits, Side, Sighting, drift};
use jiff::Timestamp;

fn start(path: &Path) -> (Arc<Mutex<Book>>, Keeper) {
    let book = Book::new(Limits::default(), drift::Settings::default(), Instant::now());
    let book = Arc::new(Mutex::new(book));
    let settings = Settings {
        path: path.to_owned(),
        max_age: Duration::from_secs(86_400),
        max_bytes: 64 << 20,
    };
    let bytes = Arc::new(ByteLedger::default());
    let keeper = Keeper::start(Arc::clone(&book), bytes, settings).unwrap();
    (book, keeper)
}

fn see(book: &Mutex<Book>, field: &str) {
    let observation = seen(field, State::Masked);
    let sighting = Sighting {
        observation: &observation,
        verdict: None,
        is_silent: false,
        side: Side::Sender,
    };
    book.lock()
        .unwrap()
        .observe(&sighting, Instant::now(), Timestamp::now());
}

fn until(keeper: &Keeper, is: impl Fn(&Status) -> bool) -> Status {
    let start = Instant::now();
    loop {
        let status = keeper.status();
        if is(&status) {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{status:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn observed(path: &Path) -> u64 {
    let stored = store::read(path).unwrap();
    let sum: u64 = stored.rows.iter().map(|row| row.record.counts().total()).sum();
    assert_eq!(sum, stored.totals.observed);
    sum
}

#[test]
fn every_run_goes_on_where_the_last_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    for run in 1..=3 {
        let (book, keeper) = start(&path);
        see(&book, "$.a");
        see(&book, &format!("$.{run}"));
        assert_eq!(keeper.status().word(), "kept");
        keeper.finish();
        assert_eq!(observed(&path), 2 * run);
    }
}

#[test]
fn a_damaged_file_is_kept_aside_with_an_alarm_and_counting_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    for time in 0..2 {
        let damaged = format!("damaged {time}");
        fs::write(&path, &damaged).unwrap();
        let (book, keeper) = start(&path);
        see(&book, "$.a");
        let status = keeper.status();
        assert_eq!(status.word(), "set_aside");
        assert_eq!(status.failures.get("corrupt"), Some(&1));
        let kept = status.set_aside.clone().unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), damaged, "{}", kept.display());
        keeper.finish();
        assert_eq!(observed(&path), 1);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn what_can_not_be_written_is_when_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    let path = inner.join("masking.redb");
    let (book, keeper) = start(&path);
    see(&book, "$.a");
    let status = until(&keeper, |status| status.failing.is_some());
    assert_eq!((status.word(), status.written), ("failing", 0));
    fs::create_dir(&inner).unwrap();
    until(&keeper, |status| status.failing.is_none() && status.written > 0);
    see(&book, "$.b");
    // It goes away under the daemon.
    fs::rename(&path, inner.join("elsewhere")).unwrap();
    until(&keeper, |status| status.failing.is_some());
    until(&keeper, |status| status.failing.is_none());
    keeper.finish();
    assert_eq!(observed(&path), 2);
}

#[test]
fn what_could_not_be_read_at_first_is_added_when_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let (book, keeper) = start(&path);
    see(&book, "$.a");
    keeper.finish();
    let away = folder.path().join("away");
    fs::rename(&path, &away).unwrap();
    // Something that is no file is in the way.
    fs::create_dir(&path).unwrap();
    let (book, keeper) = start(&path);
    see(&book, "$.a");
    until(&keeper, |status| status.failing.is_some());
    fs::remove_dir(&path).unwrap();
    fs::rename(&away, &path).unwrap();
    until(&keeper, |status| status.failing.is_none() && status.written > 0);
    keeper.finish();
    assert_eq!(observed(&path), 2);
}

#[test]
fn between_two_attempts_there_is_time_for_others_however_long_they_take() {
    let ms = Duration::from_millis;
    assert_eq!(pause(ms(1), true), EVERY);
    assert_eq!(pause(ms(300), true), ms(400));
    assert_eq!(pause(ms(5_000), true), ms(5_000) + BREATH);
    assert_eq!(pause(ms(1), false), ms(1) + RETRY);
    assert_eq!(pause(ms(5_000), false), ms(5_000) + RETRY);
}
