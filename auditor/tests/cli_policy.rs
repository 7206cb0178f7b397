//! `auditor policy`, and `auditor scan` with a policy: the built binary in a directory of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const CARD: &str = "5447911234560249";

const POLICY: &str = r#"apiVersion: auditor.dev/v1alpha1
kind: ClusterDataFlowPolicy
metadata: {name: cards}
spec:
  rules:
    - name: charge
      data: {detectors: [payment_card]}
      from: namespace=shop,workload=Deployment/checkout
      to: external
      operations: ["POST /v1/charges*"]
      transport: {encrypted: required}
      action: allow
    - name: fixtures
      data: {detectors: [payment_card]}
      fields: ["$.fixture.card_number"]
      action: allow
"#;

const TESTS: &str = r#"apiVersion: auditor.dev/v1alpha1
kind: DataFlowPolicyTest
policies: [cards.yaml]
tests:
  - name: the charge is allowed
    flow:
      detector: payment_card
      from: namespace=shop,workload=Deployment/checkout
      to: external
      operation: POST /v1/charges
    expect: {verdict: allowed, rule: cards/charge}
  - name: and nothing else
    flow: {detector: payment_card, from: namespace=shop, to: external}
    expect: {verdict: violation, rule: none}
"#;

fn auditor(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_auditor"))
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!out.contains(CARD) && !err.contains(CARD), "a value came out");
    (output.status.code().unwrap(), out, err)
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_check_says_what_is_wrong_and_what_decides() {
    let folder = folder(&[
        ("cards.yaml", POLICY),
        ("bad.yaml", &POLICY.replace("workload=", "worklaod=")),
        (
            "conflict.yaml",
            &POLICY
                .replace("name: cards", "name: other")
                .replace("action: allow", "action: report"),
        ),
        (
            "old.yaml",
            &format!("{POLICY}    - {{name: old, action: ignore, until: 2024-01-31, reason: moved}}\n"),
        ),
    ]);
    let check = |words: &[&str]| auditor(folder.path(), &[&["policy", "check"], words].concat());
    let (code, out, _) = check(&["cards.yaml"]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("1 policies, 2 rules, version ") && out.ends_with("can be used\n"),
        "{out}"
    );

    let flow = "from=namespace=shop,workload=Deployment/checkout to=external detector=payment_card operation=POST /v1/charges";
    let (code, out, _) = check(&["cards.yaml", "--explain", flow, "--format", "json"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &answer["explained"]["verdict"]),
        (0, &Value::from("allowed"))
    );
    assert_eq!(answer["explained"]["rule"], "cards/charge");

    let (code, out, _) = check(&["bad.yaml"]);
    assert_eq!(code, 2);
    assert!(
        out.contains("bad.yaml: ")
            && out.contains("unknown key `worklaod`, did you mean `workload`?")
            && out.contains("line"),
        "{out}"
    );
    let (code, out, _) = check(&["cards.yaml", "conflict.yaml"]);
    assert_eq!(code, 2);
    assert!(
        out.contains("rule cards/charge: conflicts with rule other/charge in conflict.yaml"),
        "{out}"
    );
    let (code, out, _) = check(&["old.yaml"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("warning: old.yaml: rule cards/old is over since 2024-01-31"),
        "{out}"
    );
    let (code, _, err) = check(&["cards.yaml", "--explain", "detector=payment_card form=any"]);
    assert!(code == 2 && err.contains("did you mean `from=`?"), "{err}");
    let (code, out, _) = check(&["--preset", "pci-dss", "--preset", "gdpr", "cards.yaml"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_test_ends_with_1_when_something_is_not_as_expected() {
    let folder = folder(&[
        ("cards.yaml", POLICY),
        ("cards.test.yaml", TESTS),
        (
            "wrong.test.yaml",
            &TESTS.replace("verdict: violation", "verdict: allowed"),
        ),
    ]);
    let test = |words: &[&str]| auditor(folder.path(), &[&["policy", "test"], words].concat());
    let (code, out, _) = test(&["cards.test.yaml"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("cards.test.yaml: 2 of 2 as expected\n"), "{out}");
    let (code, out, _) = test(&["wrong.test.yaml"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("failed  and nothing else\n          verdict: expected allowed, is violation"),
        "{out}"
    );
    let (code, _, err) = test(&["missing.yaml"]);
    assert!(code == 2 && err.contains("cannot read missing.yaml"), "{err}");
    // A folder of policies is not made of tests.
    let (code, out, _) = auditor(folder.path(), &["policy", "check", "."]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_scan_ends_with_1_only_for_what_no_policy_allows_and_its_findings_can_be_replayed() {
    let order = format!(r#"{{"fixture": {{"card_number": "{CARD}"}}}}"#);
    let folder = folder(&[("cards.yaml", POLICY), ("order.json", &order)]);
    let scan = |words: &[&str]| {
        auditor(
            folder.path(),
            &[&["scan", "order.json", "--format", "json"], words].concat(),
        )
    };
    let (code, out, _) = scan(&["--policy", "cards.yaml"]);
    let finding: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &finding["policy"]["verdict"]),
        (0, &Value::from("allowed"))
    );
    assert_eq!(finding["policy"]["rule"], "fixtures");
    assert_eq!(finding["policy"]["version"].as_str().unwrap().len(), 16);
    let (code, before, _) = scan(&[]);
    assert_eq!(code, 1);
    let (code, out, _) = scan(&["--preset", "secrets-only"]);
    assert_eq!((code, out.as_str()), (0, ""), "what is counted is not printed");

    fs::write(folder.path().join("journal.ndjson"), before).unwrap();
    let (code, out, _) = auditor(
        folder.path(),
        &[
            "policy",
            "test",
            "--replay",
            "journal.ndjson",
            "--policy",
            "cards.yaml",
        ],
    );
    assert_eq!(code, 0);
    assert!(
        out.contains("1 findings, 0 as before")
            && out.contains("nothing -> allowed by cards/fixtures: 1 findings, 1 values"),
        "{out}"
    );
}
