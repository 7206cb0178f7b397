//! What of the findings a client may see.
//!
//! Goes in: the namespaces of a client who may not see everything, and findings. Comes out: the findings that have an end
//! in one of them, in which ends elsewhere have a name and nothing more.

use std::borrow::Cow;

use crate::report::finding::{End, Facts, Finding, PolicyVerdict};

/// Everything, or what concerns some namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// `None`: everything.
    namespaces: Option<Vec<String>>,
}

impl View {
    pub const fn everything() -> Self {
        Self { namespaces: None }
    }

    /// What has an end in one of these Kubernetes namespaces.
    pub const fn of(namespaces: Vec<String>) -> Self {
        Self {
            namespaces: Some(namespaces),
        }
    }

    /// The namespaces it is limited to.
    pub fn namespaces(&self) -> Option<&[String]> {
        self.namespaces.as_deref()
    }

    /// The finding as it may be seen, if it may be.
    pub fn shown<'a>(&self, finding: &'a Finding) -> Option<Cow<'a, Finding>> {
        let Some(own) = &self.namespaces else {
            return Some(Cow::Borrowed(finding));
        };
        let ends = [&finding.source, &finding.destination];
        if !ends.into_iter().flatten().any(|end| is_own(own, end)) {
            return None;
        }
        let mut seen = finding.clone();
        for end in [&mut seen.source, &mut seen.destination].into_iter().flatten() {
            if !is_own(own, end) {
                *end = named_only(end);
            }
        }
        if let Some(policy) = &mut seen.policy {
            hide_foreign_policy(own, policy);
        }
        for facts in [&mut seen.before, &mut seen.after].into_iter().flatten() {
            **facts = Facts {
                rule: None,
                ..std::mem::take(&mut **facts)
            };
        }
        Some(Cow::Owned(seen))
    }
}

fn is_own(own: &[String], end: &End) -> bool {
    let namespace = end.workload.as_ref().and_then(|w| w.namespace.as_deref());
    namespace.is_some_and(|namespace| own.iter().any(|one| one == namespace))
}

/// Who it is, and of who is neither a workload nor a process here, where. No pod, container, account, process, label or
/// node.
fn named_only(end: &End) -> End {
    let is_elsewhere = end.workload.is_none() && end.process.is_none();
    End {
        workload: end.workload.clone(),
        host: end.host.clone(),
        address: end.address.clone().filter(|_| is_elsewhere),
        hop: end.hop,
        identified_by: end.identified_by,
        certainty: end.certainty,
        ..End::default()
    }
}

/// A policy of another namespace judges, and is not named.
fn hide_foreign_policy(own: &[String], policy: &mut PolicyVerdict) {
    let namespace = policy.name.as_deref().and_then(|name| name.split_once('/'));
    if namespace.is_some_and(|(namespace, _)| !own.iter().any(|one| one == namespace)) {
        policy.name = None;
        policy.version = None;
        policy.rule = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finding::{Container, Pod, Process, Verdict, Workload};
    use crate::serve::hub::tests::finding;

    fn end(namespace: &str, secret: &str) -> End {
        End {
            workload: Some(Workload {
                namespace: Some(namespace.into()),
                kind: "Deployment".into(),
                name: format!("{namespace}-app"),
            }),
            pod: Some(Pod {
                uid: format!("{secret}-uid"),
                name: Some(format!("{secret}-pod")),
            }),
            container: Some(Container {
                id: format!("{secret}-id"),
                name: None,
                image: Some(format!("{secret}-image")),
                unnamed: None,
            }),
            service_account: Some(format!("{secret}-account")),
            labels: [("label".to_owned(), format!("{secret}-label"))].into(),
            spiffe_id: Some(format!("spiffe://{secret}")),
            process: Some(Process {
                pid: 7,
                exe: Some(format!("/{secret}-exe")),
                comm: Some(format!("{secret}-comm")),
                user: Some(format!("{secret}-user")),
                ..Process::default()
            }),
            unit: Some(format!("{secret}.service")),
            slice: Some(format!("{secret}.slice")),
            address: Some(format!("{secret}:1")),
            node: Some(format!("{secret}-node")),
            ..End::default()
        }
    }

    fn between(source: Option<End>, destination: Option<End>) -> Finding {
        Finding {
            source,
            destination,
            policy: Some(PolicyVerdict {
                name: Some("bank/zzz".into()),
                version: Some("zzz".into()),
                rule: Some("zzz".into()),
                action: None,
                verdict: Verdict::Violation,
                client: None,
            }),
            after: Some(Box::new(Facts {
                rule: Some("bank/zzz/rule".into()),
                values: Some(3),
                ..Facts::default()
            })),
            ..finding("a", 1)
        }
    }

    #[test]
    fn findings_without_an_end_in_a_namespace_of_the_client_are_not_seen() {
        let view = View::of(vec!["shop".into(), "web".into()]);
        let cases = [
            (Some(end("shop", "a")), None, true),
            (None, Some(end("web", "a")), true),
            (Some(end("bank", "a")), Some(end("shop", "a")), true),
            (Some(end("bank", "a")), Some(end("sho", "a")), false),
            (Some(end("", "a")), Some(End::default()), false),
            (None, None, false),
        ];
        for (source, destination, is_seen) in cases {
            let finding = between(source, destination);
            assert_eq!(view.shown(&finding).is_some(), is_seen);
            assert!(View::of(Vec::new()).shown(&finding).is_none());
            assert!(matches!(
                View::everything().shown(&finding),
                Some(Cow::Borrowed(_))
            ));
        }
    }

    #[test]
    fn of_an_end_elsewhere_only_its_name_is_seen() {
        let finding = between(Some(end("shop", "own")), Some(end("bank", "zzz")));
        let seen = View::of(vec!["shop".into()])
            .shown(&finding)
            .unwrap()
            .into_owned();
        assert_eq!(seen.source, finding.source, "the client's own end is whole");
        assert_eq!(
            seen.destination.as_ref().unwrap().workload,
            finding.destination.as_ref().unwrap().workload
        );
        assert_eq!(seen.after.as_ref().unwrap().values, Some(3));
        let text = crate::report::json::line(&seen).unwrap();
        assert!(!text.contains("zzz"), "{text}");
        assert!(text.contains("own-pod"), "{text}");
        // The other way round as well.
        let seen = View::of(vec!["bank".into()])
            .shown(&finding)
            .unwrap()
            .into_owned();
        let text = crate::report::json::line(&seen).unwrap();
        assert!(!text.contains("own") && text.contains("shop-app"), "{text}");
        assert_eq!(seen.policy, finding.policy, "its own policy");
    }

    #[test]
    fn who_is_outside_of_the_cluster_keeps_host_and_address() {
        let outside = End {
            host: Some("api.example.com".into()),
            address: Some("192.0.2.1:443".into()),
            ..End::default()
        };
        let on_the_node = End {
            process: Some(Process::default()),
            address: Some("10.0.0.9:443".into()),
            ..End::default()
        };
        assert_eq!(named_only(&outside), outside);
        assert_eq!(named_only(&on_the_node), End::default());
    }
}
