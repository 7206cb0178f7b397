//! Any file is refused with messages, or is a policy that means the same when it is written and read
//! again, whose conflicts are real, and by which a flow can be judged.

use std::sync::LazyLock;

use auditor::policy::compile::Policies;
use auditor::policy::load::{Loaded, parse};
use auditor::policy::names::Names;
use auditor::policy::{Flow, check, judge};
use jiff::Timestamp;

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[]));

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut loaded = Vec::new();
    if let Err(error) = parse(&text, "input", &mut loaded) {
        assert!(error.to_string().starts_with("input"));
    }
    for Loaded { document, .. } in &loaded {
        let written = serde_json::to_string(document).expect("a document can be written");
        assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(document));
    }
    let now = Timestamp::UNIX_EPOCH;
    let policies = match Policies::compile(&loaded, NAMES.clone()) {
        Ok(policies) => policies,
        Err(problems) => return assert!(!problems.is_empty()),
    };
    for conflict in check::conflicts(&policies, now) {
        assert!(!conflict.problem(&policies).to_string().is_empty());
        let Some(example) = &conflict.example else {
            continue;
        };
        let extra: Vec<&str> = example.extra.as_deref().into_iter().collect();
        let flow = Flow {
            detector: policies.names.id(example.detector),
            extra_regulations: &extra,
            source: &example.from,
            destination: &example.to,
            operation: example.operation.as_deref(),
            field: example.field.as_deref(),
            state: example.state,
            encrypted: true,
            same_host: false,
            client: None,
        };
        // One of the two, or one that is more specific, decides.
        let decides = policies.decide(&flow, now).expect("two rules match");
        assert!(decides <= conflict.rules[0]);
        assert!(judge(&policies, &flow, now).is_some());
    }
    let _ = check::ending(&policies, now);
}
