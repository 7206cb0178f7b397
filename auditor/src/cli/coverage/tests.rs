use std::sync::Arc;

use clap::Parser as _;

use super::*;
use crate::detect::State;
use crate::masking::keeper;
use crate::masking::tests::{Bench, seen};
use crate::serve::hub::Hub;
use crate::serve::tail::{Limits, Listener};

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Command::try_parse_from(std::iter::once(&"coverage").chain(words))
        .unwrap()
        .args
}

/// 30 of 40 cards masked.
fn snapshot() -> Snapshot {
    let mut bench = Bench::new(100);
    for n in 0..40 {
        let state = if n % 4 == 0 { State::Clear } else { State::Masked };
        bench.see(&seen("$.card", state));
    }
    Snapshot::of(&bench.book, store::Traffic::default(), bench.now)
}

fn shown(words: &[&str]) -> (String, ExitCode) {
    let args = args(words);
    let requirements: Vec<Requirement> = args.require.iter().map(|text| text.parse().unwrap()).collect();
    let mut out = Vec::new();
    let code = show(&args, &snapshot(), &requirements, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), code)
}

#[test]
fn a_requirement_that_is_not_met_is_exit_code_1() {
    let code = |words: &[&str]| format!("{:?}", shown(words).1);
    let fine = format!("{:?}", ExitCode::SUCCESS);
    let not = format!("{:?}", ExitCode::from(1));
    assert_eq!(
        code(&["--require", "payment_card masked >= 75% in namespace shop"]),
        fine
    );
    assert_eq!(code(&["--require", "payment_card masked >= 100%"]), not);
    assert_eq!(
        code(&[
            "--require",
            "payment_card masked >= 1%",
            "--require",
            "iban masked >= 0%"
        ]),
        not
    );
    assert_eq!(
        code(&["--require", "payment_card masked >= 1%", "--namespace", "pay"]),
        not
    );
    assert_eq!(code(&[]), fine);
}

#[test]
fn json_says_what_is_met_and_the_ledger_form_is_read_again() {
    let (out, _) = shown(&["--format", "json", "--require", "payment_card masked = 75%"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["requirements"][0]["met"], true);
    assert_eq!(json["requirements"][0]["all"], 40);
    assert_eq!(json["fields"][0]["coverage"], 0.75);
    let (out, _) = shown(&["--format", "ledger"]);
    let (mut read, made) = (Snapshot::read(out.as_bytes()).unwrap(), snapshot());
    // Every ledger has an id of its own.
    assert_eq!(read.header.ledgers, std::slice::from_ref(&read.header.totals.id));
    read.header.totals.id.clone_from(&made.header.totals.id);
    read.header.ledgers.clone_from(&made.header.ledgers);
    assert_eq!(read, made);
}

#[test]
fn files_of_every_form_are_read_and_others_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, lines) = (folder.path().join("a.redb"), folder.path().join("a.jsonl"));
    let (mut store, _) = store::Store::open(&ledger).unwrap();
    let mut bench = Bench::new(100);
    bench.see(&seen("$.card", State::Clear));
    store
        .write(&bench.book.take_batch(bench.now), &store::Traffic::default())
        .unwrap();
    drop(store);
    let whole = read(&ledger).unwrap();
    assert_eq!(whole.rows.len(), 1);
    whole.write(&mut File::create(&lines).unwrap()).unwrap();
    assert_eq!(read(&lines).unwrap(), whole);
    for (name, content, expected) in [
        ("empty", "", "is no masking ledger and no journal"),
        ("text", "hello", "is no masking ledger and no journal"),
        ("redb", "redb", "is damaged"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains(expected), "{name}: {error}");
    }
    let missing = format!("{:#}", read(&folder.path().join("none")).unwrap_err());
    assert!(missing.contains("cannot read"), "{missing}");
}

#[tokio::test]
async fn a_running_daemon_is_asked_through_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auditor.sock");
    let hub = Arc::new(Hub::default());
    let listener = Listener::bind(&path).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server =
        tokio::spawn(listener.serve(Arc::clone(&hub), Limits::default(), async { _ = stopped.await }));
    let ask = |path: PathBuf| tokio::task::spawn_blocking(move || read(&path));
    let error = format!("{:#}", ask(path.clone()).await.unwrap().unwrap_err());
    assert!(error.contains("there is no masking ledger"), "{error}");
    hub.serve_ledger(snapshot);
    assert_eq!(ask(path.clone()).await.unwrap().unwrap().rows, snapshot().rows);
    stop.send(()).unwrap();
    server.await.unwrap();
    let error = ask(path).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("no auditor is"), "{error}");
}

#[test]
fn a_key_that_the_ledger_does_not_keep_is_refused() {
    let error = run(&args(&["--from", "pod=a"])).unwrap_err().to_string();
    assert!(error.contains("does not keep `pod`"), "{error}");
    let error = format!(
        "{:#}",
        run(&args(&["--require", "cards masked >= 1%"])).unwrap_err()
    );
    assert!(
        error.contains("is no detector, category or regulation"),
        "{error}"
    );
    assert_eq!(keeper::Status::default().word(), "kept");
}
