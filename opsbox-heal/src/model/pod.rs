//! The state of one pod.

use std::{fmt, sync::Arc};

use super::container::{Container, ContainerKind};
use crate::{text::Escaped, time::Timestamp};

/// A pod as the API server last saw it, reduced to what a diagnosis needs.
///
/// Its texts are those of the input as they are, terminal escapes and newlines included: before
/// printing one, escape it, or use a `Display` of this crate, which does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) node: Option<Arc<str>>,
    pub(crate) phase: Phase,
    pub(crate) detail: Option<Box<Detail>>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) deletion: Option<Box<Deletion>>,
    pub(crate) conditions: Box<[PodCondition]>,
    pub(crate) containers: Box<[Container]>,
    pub(crate) priority: Option<i32>,
    pub(crate) qos_class: QosClass,
    pub(crate) restart_policy: RestartPolicy,
}

impl PodState {
    /// `metadata.namespace`; empty if the object had none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `metadata.uid`; empty if the object had none.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The owner that manages the pod, or else the first one listed.
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_deref()
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
        self.priority
    }

    /// `status.qosClass`.
    pub fn qos_class(&self) -> QosClass {
        self.qos_class
    }

    /// `spec.restartPolicy`.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.restart_policy
    }
}

/// `namespace/name`, as logs and people write it; unprintable characters are escaped.
impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", Escaped(&self.namespace))?;
        }
        Escaped(&self.name).fmt(f)
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

/// What only few conditions and waits have, kept apart because healthy pods have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    /// The type of a condition that is none of the well-known ones.
    pub(crate) kind: Option<Arc<str>>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) message: Option<Box<str>>,
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

/// One of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodCondition {
    pub(crate) since: Option<Timestamp>,
    pub(crate) detail: Option<Box<Detail>>,
    pub(crate) kind: PodConditionType,
    pub(crate) status: ConditionStatus,
}

impl PodCondition {
    /// `type`, such as `Ready` or the name of a readiness gate.
    pub fn kind(&self) -> &str {
        match self.kind {
            PodConditionType::PodScheduled => "PodScheduled",
            PodConditionType::Initialized => "Initialized",
            PodConditionType::ContainersReady => "ContainersReady",
            PodConditionType::Ready => "Ready",
            PodConditionType::PodReadyToStartContainers => "PodReadyToStartContainers",
            PodConditionType::DisruptionTarget => "DisruptionTarget",
            PodConditionType::Other => self
                .detail
                .as_ref()
                .and_then(|d| d.kind.as_deref())
                .unwrap_or_default(),
        }
    }

    /// `status`.
    pub fn status(&self) -> ConditionStatus {
        self.status
    }

    /// `lastTransitionTime`: since when the status is what it is.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// `reason`.
    pub fn reason(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.reason.as_deref())
    }

    /// `message`, cut at [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    pub fn message(&self) -> Option<&str> {
        self.detail.as_ref().and_then(|d| d.message.as_deref())
    }
}

/// The type of a pod condition, in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodConditionType {
    PodScheduled,
    Initialized,
    ContainersReady,
    Ready,
    PodReadyToStartContainers,
    DisruptionTarget,
    /// One that this crate need not know, such as a readiness gate; `Detail` has its name.
    Other,
}

/// The status of a pod condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell, or the status is a text that this crate does not know.
    Unknown,
}

impl ConditionStatus {
    /// The text of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
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
