//! What is the same leak, across the nodes that see it.
//!
//! Goes in: a [`Finding`]. Comes out: a name for what it is about, without what only one node knows: ids,
//! times, connections, keys. Two agents that see both ends of a flow, and know them by the same names, give
//! it the same group.

use sha2::{Digest as _, Sha256};

use super::finding::Finding;
use super::naming::Name;

/// 32 hexadecimal digits.
pub fn of(finding: &Finding) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(finding.kind.name());
    add(finding.detector);
    for end in [&finding.source, &finding.destination] {
        let name = Name::of(end.as_ref());
        add(&name.namespace);
        add(&name.kind);
        add(&name.name);
    }
    let flow = finding.flow.as_ref();
    add(flow
        .and_then(|flow| flow.operation.as_deref())
        .unwrap_or_default());
    add(finding.location.part);
    add(finding.location.field.as_deref().unwrap_or_default());
    add(finding.path.as_deref().unwrap_or_default());
    let digest = hash.finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::observation::tests::card;

    #[test]
    fn it_does_not_depend_on_the_node_and_tells_fields_and_ends_apart() {
        let finding = |id: &str| card().into_finding(id.into(), None, jiff::Timestamp::UNIX_EPOCH);
        let (here, mut there) = (finding("a"), finding("b"));
        there.fingerprint = "of another key".into();
        there.time = "2030-01-01T00:00:00.000Z".into();
        there.revision = 7;
        assert_eq!(of(&here), of(&there));
        assert_eq!(of(&here).len(), 32);
        let mut others = vec![here.clone(), here.clone(), here.clone()];
        others[0].location.field = Some("another".into());
        others[1].detector = "us_ssn";
        std::mem::swap(&mut others[2].source, &mut there.destination);
        for other in &others {
            assert_ne!(of(&here), of(other));
        }
    }
}
