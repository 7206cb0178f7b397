//! The receivers here are scripts of answers; tests/tests/sinks.rs has real ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::report::observation::tests::card;

/// What the receiver does with the next batch.
#[derive(Clone, Debug)]
enum Answer {
    Takes,
    /// Takes it, but the answer is lost.
    TakesAndFails,
    Fails,
    Hangs,
    TooLarge,
    RefusesOneOf,
}

struct Scripted {
    answers: std::vec::IntoIter<Answer>,
    /// What was in batches that were taken.
    got: Arc<Mutex<Vec<String>>>,
}

/// A finding that this receiver never takes.
const POISON: &str = "poison";

fn id_and_revision(record: &Record) -> String {
    let value: serde_json::Value = serde_json::from_slice(&record.json).unwrap();
    format!("{}.{}", value["id"].as_str().unwrap(), value["revision"])
}

impl Target for Scripted {
    async fn send(&mut self, batch: &[Record]) -> Result<Accepted, Failure> {
        let again = |reason| {
            Err(Failure::Again {
                reason,
                why: "scripted".into(),
                after: None,
            })
        };
        let names: Vec<_> = batch.iter().map(id_and_revision).collect();
        let answer = self.answers.next().unwrap_or(Answer::Takes);
        if names.iter().any(|name| name.starts_with(POISON))
            && !matches!(answer, Answer::Fails | Answer::Hangs)
        {
            return Err(Failure::Never { why: "poison".into() });
        }
        let take = || self.got.lock().unwrap().extend(names.clone());
        match answer {
            Answer::Takes => {
                take();
                Ok(Accepted::default())
            }
            Answer::TakesAndFails => {
                take();
                again("transport")
            }
            Answer::Fails => again("status"),
            Answer::Hangs => std::future::pending().await,
            Answer::TooLarge if batch.len() > 1 => Err(Failure::TooLarge {
                why: "scripted".into(),
            }),
            Answer::TooLarge => {
                take();
                Ok(Accepted::default())
            }
            Answer::RefusesOneOf => {
                take();
                Ok(Accepted { refused: 1 })
            }
        }
    }
}

fn settings(folder: &std::path::Path) -> Settings {
    Settings {
        name: "scripted",
        queue: folder.join("scripted.redb"),
        max_bytes: 1 << 24,
        min_severity: Severity::Low,
        wants: |_| true,
        timeout: Duration::from_secs(5),
    }
}

fn finding(id: &str, revision: u32) -> Finding {
    let mut finding = card().into_finding(id.into(), None, Timestamp::UNIX_EPOCH);
    finding.revision = revision;
    finding
}

/// Waits for what another thread does.
fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A copy of what is on the disk: what a kill leaves.
fn killed(folder: &std::path::Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    left
}

/// All of it, in a runtime whose clock runs as fast as it can.
fn run(shared: &Arc<Shared>, answers: Vec<Answer>) -> Vec<String> {
    let got = Arc::default();
    let target = Scripted {
        answers: answers.into_iter(),
        got: Arc::clone(&got),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (closing, closed) = watch::channel(false);
    let shared = Arc::clone(shared);
    runtime.block_on(async move {
        let delivery = tokio::spawn(deliver(Arc::clone(&shared), target, closed));
        while shared.waiting().0 > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        closing.send(true).unwrap();
        delivery.await.unwrap();
    });
    Arc::try_unwrap(got).unwrap().into_inner().unwrap()
}

#[test]
fn a_receiver_that_is_away_at_the_end_gets_the_rest_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (mut sink, shared) = Remote::open(settings(folder.path())).unwrap();
        (0..10).for_each(|n| sink.write(&finding(&format!("f{n}"), 1)));
        drop(sink);
        assert_eq!(shared.waiting().0, 10);
        // Closing, with a receiver that fails: it ends at once and keeps all.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let target = Scripted {
            answers: vec![Answer::Fails; 3].into_iter(),
            got: Arc::default(),
        };
        runtime.block_on(deliver(Arc::clone(&shared), target, watch::channel(true).1));
        assert_eq!(shared.waiting().0, 10);
    }
    let (mut sink, shared) = Remote::open(settings(folder.path())).unwrap();
    sink.write(&finding("f3", 2));
    drop(sink);
    let got = run(&shared, Vec::new());
    let wanted: Vec<_> = (0..10)
        .map(|n| format!("f{n}.{}", if n == 3 { 2 } else { 1 }))
        .collect();
    assert_eq!(got, wanted);
}

#[test]
fn a_kill_costs_nothing_that_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, shared) = Remote::open(settings(folder.path())).unwrap();
    let mut wanted = Vec::new();
    for n in 0..300 {
        sink.write(&finding(&format!("f{n}"), 1));
        wanted.push(format!("f{n}.1"));
        // In the queue, in both files, in one of them: at some time it is each of these. A commit to the queue may be
        // under way: then it is torn in the copy, which is another matter.
        if n % 60 == 0 {
            let _still = lock(&shared.waiting);
            let left = killed(folder.path());
            let (sink, shared) = Remote::open(settings(left.path())).unwrap();
            drop(sink);
            let got: BTreeSet<_> = run(&shared, Vec::new()).into_iter().collect();
            assert_eq!(got, wanted.iter().cloned().collect(), "after {n}");
        }
    }
}

#[test]
fn only_what_is_severe_enough_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let high = Settings {
        min_severity: Severity::High,
        ..settings(folder.path())
    };
    let (mut sink, shared) = Remote::open(high).unwrap();
    for (id, severity) in [
        ("low", Severity::Low),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ] {
        let mut finding = finding(id, 1);
        finding.severity = severity;
        sink.write(&finding);
    }
    drop(sink);
    assert_eq!(run(&shared, Vec::new()), ["high.1", "critical.1"]);
}

#[test]
fn a_disk_that_can_not_be_written_leaves_findings_in_memory_and_they_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (mut sink, shared) = Remote::open(settings.clone()).unwrap();
    // Somebody removed the queue, and a folder is in its place.
    std::fs::remove_file(&settings.queue).unwrap();
    std::fs::create_dir(&settings.queue).unwrap();
    (0..5000).for_each(|n| sink.write(&finding(&format!("f{n}"), 1)));
    // No more than that is kept in memory.
    until(|| shared.waiting().0 == 4096 && shared.counts.dropped.load(Ordering::Relaxed) == 904);
    assert_eq!(run(&shared, Vec::new()).len(), 4096);
    // And once it can be written again, it is.
    std::fs::remove_dir(&settings.queue).unwrap();
    sink.write(&finding("later", 1));
    drop((sink, shared));
    let (_, shared) = Remote::open(settings).unwrap();
    assert_eq!(run(&shared, Vec::new()), ["later.1"]);
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        Just(Answer::Takes),
        Just(Answer::TakesAndFails),
        Just(Answer::Fails),
        Just(Answer::Hangs),
        Just(Answer::TooLarge),
        Just(Answer::RefusesOneOf),
    ];
    prop::collection::vec(answer, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_finding_arrives_at_its_newest_revision_or_is_counted(
        answers in answers(),
        writes in prop::collection::vec((0_u8..30, prop::bool::weighted(0.05)), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut sink, shared) = Remote::open(settings(folder.path())).unwrap();
        let mut newest: BTreeMap<String, u32> = BTreeMap::new();
        for (id, is_poison) in writes {
            let id = if is_poison { format!("{POISON}{id}") } else { format!("f{id}") };
            let revision = newest.entry(id.clone()).and_modify(|revision| *revision += 1).or_insert(1);
            sink.write(&finding(&id, *revision));
        }
        drop(sink);
        let got: BTreeSet<_> = run(&shared, answers).into_iter().collect();
        let poison = newest.keys().filter(|id| id.starts_with(POISON)).count() as u64;
        for (id, revision) in newest.iter().filter(|(id, _)| !id.starts_with(POISON)) {
            let name = format!("{}.{}", id, revision);
            prop_assert!(got.contains(&name), "{} did not arrive", name);
        }
        let counts = &shared.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        prop_assert!(of(&counts.dropped) >= poison);
        prop_assert_eq!(of(&counts.dropped), of(&counts.refused));
        prop_assert_eq!(of(&counts.delivered) + of(&counts.dropped), newest.len() as u64);
    }
}
