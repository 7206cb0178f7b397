//! What is written is what is read, from this format and those before, and a damaged file is only an error.

use std::io::Write as _;

use super::*;
use crate::detect::State;
use crate::masking::tests::{Bench, seen};

fn filled() -> Bench {
    let mut bench = Bench::new(100);
    for n in 0..50 {
        for state in [State::Clear, State::Masked, State::Masked] {
            bench.see(&seen(&format!("$.field{n}"), state));
        }
    }
    bench.pass(5);
    bench
}

fn traffic() -> Traffic {
    let bytes = Bytes {
        moved: 1000,
        accounts: [("scanned".to_owned(), 900), ("ciphertext".to_owned(), 50)].into(),
    };
    Traffic {
        socket: bytes.clone(),
        tls: bytes,
    }
}

/// Rows in an order of their own.
fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.field.cmp(&b.field));
    rows
}

#[test]
fn what_is_written_is_read_again_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let mut bench = filled();
    let (mut store, stored) = Store::open(&path).unwrap();
    assert_eq!((stored.batch, stored.rows.len()), (0, 0));
    store
        .write(&bench.book.take_batch(bench.now), &traffic())
        .unwrap();
    bench.see(&seen("$.field7", State::Hashed));
    store
        .write(&bench.book.take_batch(bench.now), &traffic())
        .unwrap();
    // Nothing changed: nothing counts again.
    store
        .write(&bench.book.take_batch(bench.now), &traffic())
        .unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::InUse(_))));
    drop(store);

    let stored = read(&path).unwrap();
    assert_eq!(stored.batch, 3);
    assert_eq!(sorted(stored.rows), sorted(bench.book.rows().collect()));
    assert_eq!(stored.totals, bench.book.totals(bench.now));
    assert_eq!(stored.totals.observed, 151);
    assert_eq!(stored.traffic, traffic());
    assert_eq!(stored.traffic.looked_at(), (1800, 1900));

    let (_, stored) = Store::open(&path).unwrap();
    let mut next = Bench::new(100);
    next.book.load(stored.rows, stored.edges, stored.totals);
    assert_eq!(
        sorted(next.book.rows().collect()),
        sorted(bench.book.rows().collect())
    );
    next.see(&seen("$.field7", State::Hashed));
    let field7 = next
        .book
        .rows()
        .find(|row| row.field.field.as_deref() == Some("$.field7"));
    assert_eq!(field7.unwrap().record.counts().hashed, 2);
    assert_eq!(next.book.totals(next.now).watched, 5_000);
}

#[test]
fn drift_is_told_after_a_restart_of_what_was_learnt_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let mut bench = Bench::new(100);
    for _ in 0..10 {
        bench.see(&seen("$.card", State::Masked));
        bench.pass(400);
    }
    let (mut store, _) = Store::open(&path).unwrap();
    store
        .write(&bench.book.take_batch(bench.now), &traffic())
        .unwrap();
    drop(store);
    let stored = read(&path).unwrap();
    let mut next = Bench::new(100);
    next.book.load(stored.rows, stored.edges, stored.totals);
    let drifts = next.see(&seen("$.card", State::Clear));
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    assert_eq!(drifts[0].kind, crate::report::finding::Kind::MaskDrift);
}

#[test]
fn with_less_room_than_before_no_count_is_lost() {
    let mut bench = filled();
    let batch = bench.book.take_batch(bench.now);
    let rows: Vec<Row> = batch.rows.into_iter().map(|(_, row)| row).collect();
    let mut small = Bench::new(10);
    small.book.load(rows, Vec::new(), batch.totals);
    let total: u64 = small.book.rows().map(|row| row.record.counts().total()).sum();
    assert_eq!((small.book.fields(), total), (10, 150));
    assert_eq!(small.book.totals(small.now).observed, 150);
}

/// Makes the file that the test of a format reads, once, when the format is released:
/// `UPDATE_FORMAT=path cargo test -p auditor --lib format_1`.
fn make_a_file_of_this_format(target: &std::ffi::OsStr) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let mut bench = filled();
    let (mut store, _) = Store::open(&path).unwrap();
    store
        .write(&bench.book.take_batch(bench.now), &traffic())
        .unwrap();
    store.compact().unwrap();
    drop(store);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&std::fs::read(path).unwrap()).unwrap();
    std::fs::write(target, packed.finish().unwrap()).unwrap();
}

#[test]
fn format_1_can_be_read() {
    if let Some(target) = std::env::var_os("UPDATE_FORMAT") {
        make_a_file_of_this_format(&target);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let mut bytes = Vec::new();
    let packed = include_bytes!("tests/format-1.redb.gz").as_slice();
    io::copy(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let stored = read(&path).unwrap();
    let expected = filled();
    let counts = |rows: &[Row]| -> Vec<_> {
        let mut counts: Vec<_> = rows
            .iter()
            .map(|row| (row.field.clone(), row.record.counts(), row.record.first_seen))
            .collect();
        counts.sort_by(|a, b| a.0.cmp(&b.0));
        counts
    };
    let expected_rows: Vec<Row> = expected.book.rows().collect();
    assert_eq!(counts(&stored.rows), counts(&expected_rows));
    assert_eq!(
        (stored.totals.observed, stored.edges.len(), stored.batch),
        (150, 1, 1)
    );
    assert_eq!(stored.traffic, traffic());
    // And written on, in the current format.
    let (mut store, stored) = Store::open(&path).unwrap();
    let mut next = Bench::new(100);
    next.book.load(stored.rows, stored.edges, stored.totals);
    store.write(&next.book.take_batch(next.now), &traffic()).unwrap();
    drop(store);
    assert_eq!(counts(&read(&path).unwrap().rows), counts(&expected_rows));
}

#[test]
fn a_newer_format_is_refused_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let (store, _) = Store::open(&path).unwrap();
    let transaction = store.database.begin_write().unwrap();
    transaction
        .open_table(META)
        .unwrap()
        .insert("format", "2")
        .unwrap();
    transaction.commit().unwrap();
    drop(store);
    let error = Store::open(&path).err().unwrap();
    assert!(
        matches!(error, StoreError::Newer(_, 2)) && error.is_of_the_file(),
        "{error}"
    );
    assert!(matches!(read(&path), Err(StoreError::Newer(_, 2))));
}

#[test]
fn a_damaged_file_is_an_error_or_what_was_written_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masking.redb");
    let mut bench = filled();
    let (mut store, _) = Store::open(&path).unwrap();
    store
        .write(&bench.book.take_batch(bench.now), &traffic())
        .unwrap();
    store.compact().unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    let mut damage = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let _ = read(&path);
        match Store::open(&path) {
            Ok((_, stored)) => {
                let sum: u64 = stored.rows.iter().map(|row| row.record.counts().total()).sum();
                assert!([0, 150].contains(&sum), "{sum}");
            }
            Err(error) => {
                refused += 1;
                assert!(error.is_of_the_file(), "{error}");
            }
        }
    };
    for cut in [1, 7, 100, 4096, whole.len() / 2, whole.len() - 1] {
        damage(&whole[..cut]);
    }
    damage(b"not a database, but long enough for one to be looked for in it");
    let mut random = 7_u64;
    for _ in 0..60 {
        random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        let mut bytes = whole.clone();
        let at = (random >> 20) as usize % bytes.len();
        let end = bytes.len().min(at + 64);
        bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0xA5);
        damage(&bytes);
    }
    assert!(refused >= 5, "{refused}");
}
