//! Which workload a pod belongs to: what a person deployed.

use std::fmt;

use super::pod::PodState;
use crate::text::Escaped;

const TEMPLATE_HASH: &str = "pod-template-hash";
const CONTROLLER_REVISION: &str = "controller-revision-hash";

/// The workload of a pod, in the namespace of the pod.
///
/// It stays the same over a rollout: of a pod of a Deployment it is the Deployment, although the
/// owner in the object is a ReplicaSet of one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload<'a> {
    kind: &'a str,
    name: &'a str,
}

impl<'a> Workload<'a> {
    /// Kind, such as `Deployment`, `StatefulSet` or, of a pod without an owner, `Pod`.
    pub fn kind(self) -> &'a str {
        self.kind
    }

    /// Name, in the namespace of the pod.
    pub fn name(self) -> &'a str {
        self.name
    }
}

/// `kind/name`, as `kubectl` takes it; unprintable characters are escaped.
impl fmt::Display for Workload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Escaped(self.kind), Escaped(self.name))
    }
}

impl PodState {
    /// The workload that the pod belongs to: its [`owner`](Self::owner), or the Deployment of a
    /// ReplicaSet whose name ends in `-` and the label `pod-template-hash`, or the pod itself if
    /// it has no owner.
    ///
    /// The name of a ReplicaSet is the only trace of its Deployment in a pod. One that somebody
    /// made by hand and named that way is taken for a Deployment, too.
    pub fn workload(&self) -> Workload<'_> {
        let Some(owner) = self.owner() else {
            return Workload {
                kind: "Pod",
                name: self.name(),
            };
        };
        let deployment = || {
            let hash = self.label(TEMPLATE_HASH)?;
            let name = owner.name().strip_suffix(hash)?.strip_suffix('-')?;
            (owner.kind() == "ReplicaSet" && !hash.is_empty() && !name.is_empty()).then_some(name)
        };
        match deployment() {
            Some(name) => Workload {
                kind: "Deployment",
                name,
            },
            None => Workload {
                kind: owner.kind(),
                name: owner.name(),
            },
        }
    }

    /// The revision of the workload that the pod was made from: the label `pod-template-hash`
    /// (Deployment) or `controller-revision-hash` (StatefulSet, DaemonSet).
    pub fn revision(&self) -> Option<&str> {
        self.label(TEMPLATE_HASH)
            .or_else(|| self.label(CONTROLLER_REVISION))
            .filter(|hash| !hash.is_empty())
    }
}
