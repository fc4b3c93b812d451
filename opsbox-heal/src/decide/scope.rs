//! What budgets, memory and reasons are counted by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{model::pod::PodState, text::Escaped};

/// A workload in its namespace, such as a Deployment: what pods come and go for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkloadRef {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, such as `Deployment`; `Pod` for a pod without an owner.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl WorkloadRef {
    /// A workload by its names.
    pub fn new(
        namespace: impl Into<String>,
        kind: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            kind: kind.into(),
            name: name.into(),
        }
    }

    /// The workload of a pod, as [`PodState::workload`] says.
    pub fn of(pod: &PodState) -> Self {
        let workload = pod.workload();
        Self::new(pod.namespace(), workload.kind(), workload.name())
    }
}

/// `namespace/kind/name`; unprintable characters are escaped.
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            Escaped(&self.namespace),
            Escaped(&self.kind),
            Escaped(&self.name)
        )
    }
}

/// The pod that a decision is about, as it was when it was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`: the one that was judged; a pod of the same name with another one is not it.
    pub uid: String,
    /// `metadata.resourceVersion` of the state that was judged; empty if it had none.
    pub resource_version: String,
    /// What the pod is one of.
    pub workload: WorkloadRef,
    /// The node that it is bound to.
    pub node: Option<String>,
}

impl Target {
    /// Of a pod.
    pub fn of(pod: &PodState) -> Self {
        Self {
            namespace: pod.namespace().to_owned(),
            name: pod.name().to_owned(),
            uid: pod.uid().to_owned(),
            resource_version: pod.resource_version().to_owned(),
            workload: WorkloadRef::of(pod),
            node: pod.node().map(ToOwned::to_owned),
        }
    }
}

/// `namespace/name`; unprintable characters are escaped.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Escaped(&self.namespace), Escaped(&self.name))
    }
}

/// What a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// One workload.
    Workload,
    /// One namespace.
    Namespace,
    /// One node.
    Node,
    /// All that is observed.
    Cluster,
}

impl Scope {
    /// Its name in reasons, metrics and the audit stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Cluster => "cluster",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
