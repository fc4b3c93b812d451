//! The state of one pod.

use std::{fmt, sync::Arc};

use super::{
    container::{Container, ContainerKind},
    labels::Labels,
    pod_condition::{Detail, PodCondition},
    volume::Volume,
};
use crate::{text::Escaped, time::Timestamp};

/// A pod as the API server last saw it, reduced to what a diagnosis needs.
///
/// Its texts are those of the input as they are, terminal escapes and newlines included: before
/// printing one, escape it, or use a `Display` of this crate, which does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    pub(crate) identity: Identity,
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Option<Arc<str>>,
    pub(crate) phase: Phase,
    pub(crate) detail: Option<Box<Detail>>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) deletion: Option<Box<Deletion>>,
    pub(crate) conditions: Box<[PodCondition]>,
    pub(crate) containers: Box<[Container]>,
}

/// What pods made from one template have in common, mostly all pods of a ReplicaSet.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    pub(crate) namespace: Arc<str>,
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) labels: Option<Labels>,
    pub(crate) volumes: Option<Arc<[Volume]>>,
    pub(crate) priority: Option<i32>,
    pub(crate) qos_class: QosClass,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) marks: Marks,
}

impl PodState {
    /// `metadata.namespace`; empty if the object had none.
    pub fn namespace(&self) -> &str {
        &self.shared.namespace
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.identity.name()
    }

    /// `metadata.uid`; empty if the object had none.
    pub fn uid(&self) -> &str {
        self.identity.uid()
    }

    /// `metadata.resourceVersion`; empty if the object had none. It says which version of the
    /// object was judged, for the precondition of an act.
    pub fn resource_version(&self) -> &str {
        self.identity.resource_version()
    }

    /// `metadata.labels`, in the order of the object.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shared.labels.iter().flat_map(Labels::iter)
    }

    /// The value of a label, if the pod has it.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| value)
    }

    /// The volumes that matter, and the ConfigMaps and Secrets of the environment, once each:
    /// see [`Volume`].
    pub fn volumes(&self) -> &[Volume] {
        self.shared.volumes.as_deref().unwrap_or_default()
    }

    /// Whether the node's disk has data of the pod that an eviction would lose or leave behind: an
    /// `emptyDir` that is not in memory, or a `hostPath`.
    pub fn has_local_data(&self) -> bool {
        self.volumes().iter().any(|volume| volume.kind().is_local())
    }

    /// Whether it is the API server's picture of a static pod (annotation
    /// `kubernetes.io/config.mirror`): to delete it changes nothing.
    pub fn is_mirror(&self) -> bool {
        self.shared.marks.has(Marks::MIRROR)
    }

    /// Whether the kubelet runs it from a file or URL of its own rather than from the API server:
    /// a [mirror](Self::is_mirror), or with another source than `api` in the annotation
    /// `kubernetes.io/config.source`.
    pub fn is_static(&self) -> bool {
        self.shared.marks.has(Marks::STATIC) || self.is_mirror()
    }

    /// The annotation `cluster-autoscaler.kubernetes.io/safe-to-evict`, if it is `true` or
    /// `false`: whether its owner lets the autoscaler evict it.
    pub fn safe_to_evict(&self) -> Option<bool> {
        if self.shared.marks.has(Marks::NOT_SAFE_TO_EVICT) {
            return Some(false);
        }
        self.shared.marks.has(Marks::SAFE_TO_EVICT).then_some(true)
    }

    /// Whether the annotation `karpenter.sh/do-not-disrupt` is `true`.
    pub fn do_not_disrupt(&self) -> bool {
        self.shared.marks.has(Marks::DO_NOT_DISRUPT)
    }

    /// The owner that manages the pod, or else the first one listed.
    pub fn owner(&self) -> Option<&Owner> {
        self.shared.owner.as_deref()
    }

    /// `spec.nodeName`: the node that the pod is bound to.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// `status.phase`.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// `status.reason`, such as `Evicted` or `NodeLost`.
    pub fn reason(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.reason.as_deref())
    }

    /// `status.message`, cut at [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    pub fn message(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.message.as_deref())
    }

    /// `metadata.creationTimestamp`.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// Set once somebody has asked for the pod to be deleted.
    pub fn deletion(&self) -> Option<&Deletion> {
        self.deletion.as_deref()
    }

    /// `status.conditions`, in the order of the object.
    pub fn conditions(&self) -> &[PodCondition] {
        &self.conditions
    }

    /// The condition of this type, such as `Ready`, if the object has it.
    pub fn condition(&self, kind: &str) -> Option<&PodCondition> {
        self.conditions.iter().find(|c| c.kind() == kind)
    }

    /// All containers: regular ones first, then init containers and sidecars, then ephemeral ones.
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// The containers that the pod exists to run: regular ones and sidecars.
    pub fn serving_containers(&self) -> impl Iterator<Item = &Container> {
        self.containers
            .iter()
            .filter(|c| matches!(c.kind(), ContainerKind::Regular | ContainerKind::Sidecar))
    }

    /// `spec.priority`.
    pub fn priority(&self) -> Option<i32> {
        self.shared.priority
    }

    /// `status.qosClass`.
    pub fn qos_class(&self) -> QosClass {
        self.shared.qos_class
    }

    /// `spec.restartPolicy`.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.shared.restart_policy
    }
}

/// `namespace/name`, as logs and people write it; unprintable characters are escaped.
impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace().is_empty() {
            write!(f, "{}/", Escaped(self.namespace()))?;
        }
        Escaped(self.name()).fmt(f)
    }
}

/// Name, uid and resource version in one piece of memory.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    text: Box<str>,
    name_end: u32,
    uid_end: u32,
}

impl Identity {
    /// Nothing if the three are too long for a piece of memory of this kind, 4 GiB.
    pub(crate) fn new(name: &str, uid: &str, resource_version: &str) -> Option<Self> {
        let end = |bytes: usize| u32::try_from(bytes).ok();
        Some(Self {
            name_end: end(name.len())?,
            uid_end: end(name.len() + uid.len())?,
            text: [name, uid, resource_version].concat().into(),
        })
    }

    fn part(&self, start: u32, end: Option<u32>) -> &str {
        let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let end = end.map_or(self.text.len(), at);
        self.text.get(at(start)..end).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.part(0, Some(self.name_end))
    }

    fn uid(&self) -> &str {
        self.part(self.name_end, Some(self.uid_end))
    }

    fn resource_version(&self) -> &str {
        self.part(self.uid_end, None)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name())
            .field("uid", &self.uid())
            .field("resource_version", &self.resource_version())
            .finish()
    }
}

/// What the annotations say about who may touch the pod, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Marks(u8);

impl Marks {
    pub(crate) const MIRROR: u8 = 1;
    pub(crate) const STATIC: u8 = 2;
    pub(crate) const SAFE_TO_EVICT: u8 = 4;
    pub(crate) const NOT_SAFE_TO_EVICT: u8 = 8;
    pub(crate) const DO_NOT_DISRUPT: u8 = 16;

    /// The annotations that mark anything.
    pub(crate) const KEYS: [&str; 4] = [
        "kubernetes.io/config.mirror",
        "kubernetes.io/config.source",
        "cluster-autoscaler.kubernetes.io/safe-to-evict",
        "karpenter.sh/do-not-disrupt",
    ];

    /// Takes in one annotation.
    pub(crate) fn annotation(&mut self, key: &str, value: &str) {
        let [mirror, source, safe_to_evict, do_not_disrupt] = Self::KEYS;
        self.0 |= match value {
            _ if key == mirror => Self::MIRROR,
            "api" if key == source => 0,
            _ if key == source => Self::STATIC,
            "true" if key == safe_to_evict => Self::SAFE_TO_EVICT,
            "false" if key == safe_to_evict => Self::NOT_SAFE_TO_EVICT,
            "true" if key == do_not_disrupt => Self::DO_NOT_DISRUPT,
            _ => 0,
        };
    }

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// `status.phase`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Accepted, but not every container has been set up.
    Pending,
    /// Bound to a node, and at least one container runs or restarts.
    Running,
    /// All containers ended with exit code 0 and stay so.
    Succeeded,
    /// All containers ended, at least one in failure, and stay so.
    Failed,
    /// The node cannot be asked. Not set by Kubernetes since 2015, but still in its API.
    Unknown,
    /// A phase that this crate does not know; empty if the object had none.
    Other(Box<str>),
}

impl Phase {
    /// The text of the API, as it is.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
            Self::Other(text) => text,
        }
    }

    /// Whether the pod has ended for good.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl From<&str> for Phase {
    fn from(text: &str) -> Self {
        match text {
            "Pending" => Self::Pending,
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Unknown" => Self::Unknown,
            other => Self::Other(other.into()),
        }
    }
}

/// The text of the API; unprintable characters are escaped.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.pad(&Escaped(text).to_string()),
            known => f.pad(known.as_str()),
        }
    }
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub(crate) kind: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    pub(crate) controller: bool,
}

impl Owner {
    /// Kind of the owner, such as `ReplicaSet`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Name of the owner, in the namespace of the pod.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Unique id of the owner.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Whether it is the one that manages the pod.
    pub fn is_controller(&self) -> bool {
        self.controller
    }
}

/// `kind/name`, as `kubectl` takes it; unprintable characters are escaped.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Escaped(&self.kind), Escaped(&self.name))
    }
}

/// A deletion that has been asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    pub(crate) due: Timestamp,
    pub(crate) grace_period_seconds: Option<u32>,
    pub(crate) finalizers: Box<[Arc<str>]>,
}

impl Deletion {
    /// `metadata.deletionTimestamp`: when the pod is to be gone.
    ///
    /// The API server writes the time of the request *plus the grace period*, so the grace period
    /// must not be added again.
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// `metadata.deletionGracePeriodSeconds`, already part of [`due`](Self::due).
    pub fn grace_period_seconds(&self) -> Option<u32> {
        self.grace_period_seconds
    }

    /// `metadata.finalizers`: who must agree before the object goes.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.finalizers.iter().map(AsRef::as_ref)
    }
}

/// `status.qosClass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QosClass {
    /// Limits equal requests for every container.
    Guaranteed,
    /// Some container has a request or a limit.
    Burstable,
    /// No container has either.
    BestEffort,
    /// Absent, or a class that this crate does not know.
    Unknown,
}

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartPolicy {
    /// Containers are restarted whatever their exit code; the default of the API.
    Always,
    /// Containers are restarted after a failure.
    OnFailure,
    /// Containers are not restarted.
    Never,
}
