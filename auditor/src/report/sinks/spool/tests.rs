use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ROOM: u64 = 1 << 20;

fn record(id: &str, revision: u32) -> (String, Vec<u8>) {
    let json = serde_json::json!({"id": id, "revision": revision}).to_string();
    (id.to_owned(), json.into_bytes())
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.json.clone()).unwrap();
    records.iter().map(text).collect()
}

fn all(spool: &Spool) -> Vec<Record> {
    spool.oldest(usize::MAX, usize::MAX).unwrap()
}

#[test]
fn what_was_accepted_is_there_after_a_restart_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webhook.redb");
    {
        let (mut spool, said) = Spool::open(&path, ROOM).unwrap();
        assert_eq!(said, None);
        assert!(all(&spool).is_empty());
        spool
            .add(&[record("a", 1), record("b", 1), record("c", 1)])
            .unwrap();
        let first = spool.oldest(1, usize::MAX).unwrap();
        assert_eq!(texts(&first), [r#"{"id":"a","revision":1}"#]);
        spool.remove(&first).unwrap();
    }
    let (mut spool, _) = Spool::open(&path, ROOM).unwrap();
    assert_eq!(spool.len(), 2);
    // The newer revision of what waits takes its place, across the restart as well.
    let added = spool
        .add(&[record("b", 2), record("d", 1), record("d", 2)])
        .unwrap();
    assert_eq!((added.replaced, added.dropped), (2, 0));
    let texts = texts(&all(&spool));
    assert_eq!(
        texts,
        [
            r#"{"id":"b","revision":2}"#,
            r#"{"id":"c","revision":1}"#,
            r#"{"id":"d","revision":2}"#
        ]
    );
}

#[test]
fn a_revision_that_comes_while_the_one_before_is_sent_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(&folder.path().join("q"), ROOM).unwrap();
    spool.add(&[record("a", 1), record("b", 1)]).unwrap();
    let sent = all(&spool);
    spool.add(&[record("a", 2)]).unwrap();
    spool.remove(&sent).unwrap();
    assert_eq!(texts(&all(&spool)), [r#"{"id":"a","revision":2}"#]);
    spool.remove(&all(&spool)).unwrap();
    assert_eq!((spool.len(), spool.bytes()), (0, 0));
}

#[test]
fn a_damaged_file_is_kept_and_an_empty_queue_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otlp.redb");
    for damage in [&b"not a database, and much too short"[..], &[0; 8192]] {
        fs::write(&path, damage).unwrap();
        let (mut spool, said) = Spool::open(&path, ROOM).unwrap();
        assert!(said.unwrap().contains("otlp.redb.damaged.1"));
        assert_eq!(
            fs::read(folder.path().join("otlp.redb.damaged.1")).unwrap(),
            damage
        );
        spool.add(&[record("a", 1)]).unwrap();
        assert_eq!(spool.len(), 1);
    }
    assert!(folder.path().join("otlp.redb.damaged.2").exists());
}

#[test]
fn a_file_that_is_in_use_or_gone_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    let (mut spool, _) = Spool::open(&path, ROOM).unwrap();
    let error = Spool::open(&path, ROOM).err().unwrap();
    assert!(matches!(error, SpoolError::InUse(_)), "{error}");
    fs::remove_file(&path).unwrap();
    let error = spool.add(&[record("a", 1)]).unwrap_err();
    assert!(error.to_string().contains("removed"), "{error}");
}

#[test]
fn bytes_that_are_no_queue_never_end_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q");
    {
        let (mut spool, _) = Spool::open(&path, ROOM).unwrap();
        let records: Vec<_> = (0..200).map(|id| record(&format!("finding-{id}"), 1)).collect();
        spool.add(&records).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5a;
        fs::write(&path, &damaged).unwrap();
        // Either the damage is found, or it is where nothing stands.
        let (mut spool, _) = Spool::open(&path, ROOM).unwrap();
        let _ = spool.oldest(1000, 1 << 20);
        let _ = spool.add(&[record("new", 1)]);
    }
    for length in (0..whole.len()).step_by(whole.len() / 31) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(Spool::open(&path, ROOM).is_ok(), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Against the plainest queue there is.
    #[test]
    fn it_is_a_bounded_queue_of_newest_revisions(
        steps in prop::collection::vec((prop::collection::vec((0_u8..12, 1_u32..1000), 0..6), 0_usize..4, prop::bool::weighted(0.1)), 1..20),
        room in 60_u64..400,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        let (mut spool, _) = Spool::open(&path, room).unwrap();
        let mut model: BTreeMap<u64, (String, Vec<u8>)> = BTreeMap::new();
        let mut next = 0;
        for (adds, takes, restart) in steps {
            let records: Vec<_> = adds.iter().map(|&(id, revision)| record(&id.to_string(), revision)).collect();
            let mut replaced = 0;
            for (id, json) in &records {
                if let Some((_, waiting)) = model.iter_mut().find(|(_, (other, _))| other == id) {
                    if revision(json) >= revision(&waiting.1) {
                        waiting.1.clone_from(json);
                    }
                    replaced += 1;
                } else {
                    model.insert(next, (id.clone(), json.clone()));
                    next += 1;
                }
            }
            let mut dropped = 0;
            while model.values().map(|(_, json)| json.len() as u64).sum::<u64>() > room {
                model.pop_first();
                dropped += 1;
            }
            prop_assert_eq!(spool.add(&records).unwrap(), Added { replaced, dropped });
            if restart {
                drop(spool);
                (spool, _) = Spool::open(&path, room).unwrap();
            }
            let taken = spool.oldest(takes, usize::MAX).unwrap();
            spool.remove(&taken).unwrap();
            for _ in 0..taken.len() {
                let (_, (_, json)) = model.pop_first().unwrap();
                prop_assert!(taken.iter().any(|record| record.json == json));
            }
            let waiting: Vec<_> = all(&spool).into_iter().map(|record| record.json).collect();
            let expected: Vec<_> = model.values().map(|(_, json)| json.clone()).collect();
            prop_assert_eq!(&waiting, &expected);
            prop_assert_eq!(spool.len(), expected.len() as u64);
            prop_assert_eq!(spool.bytes(), expected.iter().map(|json| json.len() as u64).sum::<u64>());
        }
    }
}
