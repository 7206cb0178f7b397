//! What others know of an end: the container runtime, and whoever knows pods.
//!
//! Goes in: an [`End`] with the ids that the cgroup path gave. Comes out: the same end with names, or the reason why it
//! has none. It never waits: what was asked and not answered yet is [`Named::Pending`].

use std::sync::Arc;

use super::{
    container::{Containers, Facts, Look, Unnamed},
    mesh::Mesh,
    selector::choice::Certain,
};
use crate::report::finding::{Container, End, Workload};

/// Whether more may become known of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// What there is to know is in it.
    Done,
    /// An answer is under way.
    Pending,
}

/// Who knows pods by their uid: the Kubernetes API. It adds the workload that owns the pod, the service account, labels.
pub trait Pods: Send + Sync {
    /// Adds what is known of the pod to the end; it must not wait.
    fn name(&self, pod_uid: &str, end: &mut End) -> Named;

    /// Grows whenever more became known.
    fn answers(&self) -> u64;
}

/// Everyone who can be asked. Without any the ids of the cgroup path are all there is.
#[derive(Clone, Default)]
pub struct Names {
    containers: Option<Arc<Containers>>,
    pods: Option<Arc<dyn Pods>>,
    mesh: Arc<Mesh>,
}

impl Names {
    /// Names from these sources.
    pub fn new(containers: Option<Arc<Containers>>, pods: Option<Arc<dyn Pods>>) -> Self {
        Self {
            containers,
            pods,
            mesh: Arc::default(),
        }
    }

    /// With who is a proxy of a mesh.
    #[must_use]
    pub fn with_mesh(mut self, mesh: Mesh) -> Self {
        self.mesh = Arc::new(mesh.asking(self.containers.clone()));
        self
    }

    /// Who is a proxy of a mesh.
    pub const fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// Adds to an end what is known of it now.
    pub fn name(&self, end: &mut End) -> Named {
        let (by_runtime, by_pods) = (self.by_runtime(end), self.by_pods(end));
        self.mesh.mark(end);
        match (by_runtime, by_pods) {
            (Named::Done, None | Some(Named::Done)) => Named::Done,
            _ => Named::Pending,
        }
    }

    fn by_pods(&self, end: &mut End) -> Option<Named> {
        let uid = end.pod.as_ref().map(|pod| pod.uid.clone())?;
        Some(self.pods.as_ref()?.name(&uid, end))
    }

    /// The same for an end that is a process of this host, in a pod without labels of the container, and what of it is
    /// known for good. Where nobody answers, nothing is, also if nobody ever will.
    pub fn name_with_certainty(&self, end: &mut End) -> (Named, Certain) {
        let by_runtime = self.by_runtime(end);
        let container = end
            .container
            .as_ref()
            .is_none_or(|container| container.unnamed.is_none());
        if end.pod.is_some() {
            end.labels.clear();
        }
        let by_pods = self.by_pods(end);
        let workload = match end.pod {
            Some(_) => by_pods == Some(Named::Done),
            None => container,
        };
        self.mesh.mark(end);
        let certain = Certain {
            container,
            pod: workload || end.pod.as_ref().is_none_or(|pod| pod.name.is_some()),
            workload,
        };
        let is_pending = by_runtime == Named::Pending || by_pods == Some(Named::Pending);
        (if is_pending { Named::Pending } else { Named::Done }, certain)
    }

    /// Grows whenever an end that is pending may have become known.
    pub fn answers(&self) -> u64 {
        let containers = self
            .containers
            .as_ref()
            .map_or(0, |containers| containers.answers());
        let pods = self.pods.as_ref().map_or(0, |pods| pods.answers());
        containers.wrapping_add(pods)
    }

    /// The containers that are asked about.
    pub const fn containers(&self) -> Option<&Arc<Containers>> {
        self.containers.as_ref()
    }

    fn by_runtime(&self, end: &mut End) -> Named {
        let Some(container) = &mut end.container else {
            return Named::Done;
        };
        if container.name.is_some() || container.unnamed == Some(Unnamed::NotTheHosts) {
            return Named::Done;
        }
        let Some(containers) = &self.containers else {
            container.unnamed = Some(Unnamed::NoRuntime);
            return Named::Done;
        };
        match containers.look(&container.id) {
            Look::Known(facts) => {
                add(end, &facts);
                Named::Done
            }
            Look::Unnamed(why) => {
                container.unnamed = Some(why);
                Named::Done
            }
            Look::Pending => {
                container.unnamed = Some(Unnamed::Pending);
                Named::Pending
            }
        }
    }
}

/// Adds what the runtime knows. Labels that name a pod are believed where the kubelet made the container's cgroup for
/// that very pod: anybody may put labels on an image.
pub(super) fn add(end: &mut End, facts: &Facts) {
    let Some(Container {
        name, image, unnamed, ..
    }) = &mut end.container
    else {
        return;
    };
    name.clone_from(&facts.name);
    image.clone_from(&facts.image);
    *unnamed = None;
    end.labels.extend(facts.labels.clone());
    if let (Some(pod), Some(known)) = (&mut end.pod, &facts.pod)
        && is_same(&pod.uid, &known.uid)
    {
        pod.name = Some(known.name.clone());
        end.workload = Some(Workload {
            namespace: Some(known.namespace.clone()),
            kind: "Pod".to_owned(),
            name: known.name.clone(),
        });
    } else if let (Some(name), Some(workload)) = (&facts.name, &mut end.workload)
        && workload.kind == "Container"
    {
        workload.name.clone_from(name);
    }
}

/// True for the uids of one pod: cgroup paths may have them without dashes.
fn is_same(one: &str, other: &str) -> bool {
    let digits = |uid: &str| -> Vec<u8> { uid.bytes().filter(|b| *b != b'-').collect() };
    digits(one).eq_ignore_ascii_case(&digits(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::container::PodFacts, report::finding::Pod};

    const UID: &str = "12345678-90ab-cdef-1234-567890abcdef";

    fn end(pod: Option<&str>) -> End {
        End {
            workload: Some(Workload {
                namespace: None,
                kind: "Container".into(),
                name: "0123".into(),
            }),
            pod: pod.map(|uid| Pod {
                uid: uid.into(),
                name: None,
            }),
            container: Some(Container {
                id: "0123".into(),
                name: None,
                image: None,
                unnamed: Some(Unnamed::Pending),
            }),
            ..End::default()
        }
    }

    fn facts() -> Facts {
        Facts {
            name: Some("app".into()),
            image: Some("shop/app:1".into()),
            labels: [("team".to_owned(), "pay".to_owned())].into(),
            pod: Some(PodFacts {
                uid: UID.into(),
                name: "checkout-0".into(),
                namespace: "shop".into(),
            }),
        }
    }

    #[test]
    fn a_pods_container_is_named_with_its_pod() {
        for uid in [UID.to_owned(), UID.replace('-', "")] {
            let mut named = end(Some(&uid));
            add(&mut named, &facts());
            let container = named.container.unwrap();
            assert_eq!(container.name.as_deref(), Some("app"));
            assert_eq!(container.image.as_deref(), Some("shop/app:1"));
            assert_eq!(container.unnamed, None);
            assert_eq!(named.pod.unwrap().name.as_deref(), Some("checkout-0"));
            let workload = named.workload.unwrap();
            assert_eq!(workload.namespace.as_deref(), Some("shop"));
            assert_eq!(
                (workload.kind.as_str(), workload.name.as_str()),
                ("Pod", "checkout-0")
            );
            assert_eq!(named.labels["team"], "pay");
        }
    }

    #[test]
    fn labels_do_not_make_a_pod_of_a_container_that_is_in_none_or_in_another() {
        for pod in [None, Some("aaaaaaaa-90ab-cdef-1234-567890abcdef")] {
            let mut named = end(pod);
            add(&mut named, &facts());
            assert_eq!(named.pod.and_then(|pod| pod.name), None);
            let workload = named.workload.unwrap();
            assert_eq!(workload.namespace, None);
            assert_eq!(
                (workload.kind.as_str(), workload.name.as_str()),
                ("Container", "app")
            );
        }
    }

    #[test]
    fn without_a_runtime_the_ids_stay_and_the_end_says_why() {
        let mut named = end(Some(UID));
        assert_eq!(Names::default().name(&mut named), Named::Done);
        let container = named.container.unwrap();
        assert_eq!(
            (container.id.as_str(), container.unnamed),
            ("0123", Some(Unnamed::NoRuntime))
        );
        assert_eq!(named.pod.unwrap().uid, UID);
    }
}
