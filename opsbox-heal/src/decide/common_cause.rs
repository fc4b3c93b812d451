//! What many sick pods have in common: then a restart does not help, and a human has to know.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{facts::ClusterFacts, history::History, scope::WorkloadRef, share::Share};
use crate::{
    model::{pod::PodState, volume::VolumeKind},
    text::Escaped,
    time::Timestamp,
};

/// When sick pods are taken to have a common cause.
///
/// A group of pods with something in common stops being acted on when both numbers are reached; it
/// is named to a human once. It stays so until the group has been below them for `hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Breaker {
    /// From how many sick pods on: 5.
    pub min_pods: u32,
    /// From which share of the pods of the group on: 50 %.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub min_share: Share,
    /// From which share of all observed pods on everything stops: 25 %, and at least `min_pods`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub cluster_share: Share,
    /// How long the group must be better before acts go on: 10 minutes.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub hold: Duration,
    /// A node is suspected when so many different workloads recovered by leaving it within
    /// [`forget_after`](super::Backoff::forget_after): 5. 0 suspects none.
    pub node_workloads: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            min_pods: 5,
            min_share: Share::percent(50),
            cluster_share: Share::percent(25),
            hold: Duration::from_secs(600),
            node_workloads: 5,
        }
    }
}

/// What sick pods have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "snake_case"
)]
#[non_exhaustive]
pub enum CommonCause {
    /// Nothing but the cluster itself.
    Cluster,
    /// The node.
    Node {
        /// Its name.
        name: String,
    },
    /// A revision of a workload: a rollout that went wrong.
    Rollout {
        /// The workload.
        workload: WorkloadRef,
        /// The label `pod-template-hash` or `controller-revision-hash`.
        revision: String,
    },
    /// An image, as the spec asks for it.
    Image {
        /// Its name.
        name: String,
    },
    /// A ConfigMap.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A Secret.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A PersistentVolumeClaim.
    PersistentVolumeClaim {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl CommonCause {
    /// What [`kind`](Self::kind) can be.
    pub const KINDS: [&'static str; 7] = [
        "cluster",
        "node",
        "rollout",
        "image",
        "config_map",
        "secret",
        "persistent_volume_claim",
    ];

    /// Its kind in metrics and the audit stream.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Node { .. } => "node",
            Self::Rollout { .. } => "rollout",
            Self::Image { .. } => "image",
            Self::ConfigMap { .. } => "config_map",
            Self::Secret { .. } => "secret",
            Self::PersistentVolumeClaim { .. } => "persistent_volume_claim",
        }
    }
}

/// What a pod may share with others, by reference: pods are counted by the hundred thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shared<'p> {
    Node(&'p str),
    Rollout {
        namespace: &'p str,
        kind: &'p str,
        name: &'p str,
        revision: &'p str,
    },
    Image(&'p str),
    Volume(VolumeKind, &'p str, &'p str),
}

impl<'p> Shared<'p> {
    /// Gives each thing that a pod shares once, the widest first.
    pub(super) fn each(pod: &'p PodState, mut give: impl FnMut(Self)) {
        if let Some(node) = pod.node() {
            give(Self::Node(node));
        }
        if let Some(rollout) = Self::rollout(pod) {
            give(rollout);
        }
        each_image(pod, |image| give(Self::Image(image)));
        Self::each_volume(pod, give);
    }

    /// What all pods of a template share: the revision of their workload, and volumes.
    pub(super) fn each_of_template(pod: &'p PodState, mut give: impl FnMut(Self)) {
        if let Some(rollout) = Self::rollout(pod) {
            give(rollout);
        }
        Self::each_volume(pod, give);
    }

    fn rollout(pod: &'p PodState) -> Option<Self> {
        let revision = pod.revision()?;
        let workload = pod.workload();
        Some(Self::Rollout {
            namespace: pod.namespace(),
            kind: workload.kind(),
            name: workload.name(),
            revision,
        })
    }

    fn each_volume(pod: &'p PodState, mut give: impl FnMut(Self)) {
        for volume in pod.volumes() {
            use VolumeKind::{ConfigMap, PersistentVolumeClaim, Secret};
            if matches!(volume.kind(), ConfigMap | PersistentVolumeClaim | Secret) {
                give(Self::Volume(
                    volume.kind(),
                    pod.namespace(),
                    volume.source(),
                ));
            }
        }
    }
}

/// Gives each image of a pod once.
pub(super) fn each_image<'p>(pod: &'p PodState, mut give: impl FnMut(&'p Arc<str>)) {
    for (index, container) in pod.containers.iter().enumerate() {
        let image = &container.spec.image;
        let mut before = pod.containers.iter().take(index);
        if !image.is_empty() && before.all(|other| other.spec.image != *image) {
            give(image);
        }
    }
}

impl From<Shared<'_>> for CommonCause {
    fn from(shared: Shared<'_>) -> Self {
        match shared {
            Shared::Node(name) => Self::Node { name: name.into() },
            Shared::Rollout {
                namespace,
                kind,
                name,
                revision,
            } => Self::Rollout {
                workload: WorkloadRef::new(namespace, kind, name),
                revision: revision.into(),
            },
            Shared::Image(name) => Self::Image { name: name.into() },
            Shared::Volume(kind, namespace, name) => {
                let (namespace, name) = (namespace.into(), name.into());
                match kind {
                    VolumeKind::ConfigMap => Self::ConfigMap { namespace, name },
                    VolumeKind::Secret => Self::Secret { namespace, name },
                    _ => Self::PersistentVolumeClaim { namespace, name },
                }
            }
        }
    }
}

/// As a sentence names it; unprintable characters are escaped.
impl fmt::Display for CommonCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Node { name } => write!(f, "node {}", Escaped(name)),
            Self::Rollout { workload, revision } => {
                write!(f, "revision {} of {workload}", Escaped(revision))
            }
            Self::Image { name } => write!(f, "image {}", Escaped(name)),
            Self::ConfigMap { namespace, name } => {
                write!(f, "ConfigMap {}/{}", Escaped(namespace), Escaped(name))
            }
            Self::Secret { namespace, name } => {
                write!(f, "Secret {}/{}", Escaped(namespace), Escaped(name))
            }
            Self::PersistentVolumeClaim { namespace, name } => write!(
                f,
                "PersistentVolumeClaim {}/{}",
                Escaped(namespace),
                Escaped(name)
            ),
        }
    }
}

/// A common cause that stops acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tripped {
    /// What the pods have in common.
    pub cause: CommonCause,
    /// How many of them are sick now.
    pub sick: u32,
    /// How many there are.
    pub of: u32,
    /// Whether the numbers are reached now, or were within the hold time.
    pub reached: bool,
}

/// The causes that stop acts at this moment, and which of them a pod has.
pub(super) struct Breakers {
    tripped: BTreeMap<CommonCause, Tripped>,
}

impl Breakers {
    pub(super) fn new(
        breaker: &Breaker,
        facts: &ClusterFacts,
        history: &History,
        now: Timestamp,
    ) -> Self {
        let mut tripped = BTreeMap::new();
        let groups = facts.groups().map(|(cause, group)| (cause.clone(), group));
        let all = (CommonCause::Cluster, facts.cluster());
        for (cause, group) in groups.chain([all]) {
            let share = match cause {
                CommonCause::Cluster => breaker.cluster_share,
                _ => breaker.min_share,
            };
            let reached =
                group.sick >= breaker.min_pods.max(1) && share.is_reached(group.sick, group.pods);
            let held = history
                .tripped_at(&cause)
                .is_some_and(|last| now.since(last) < breaker.hold);
            let suspected = match &cause {
                CommonCause::Node { name } if breaker.node_workloads > 0 => {
                    history.workloads_acted_on(name) >= breaker.node_workloads
                }
                _ => false,
            };
            let reached = reached || suspected;
            if reached || held {
                let entry = Tripped {
                    cause: cause.clone(),
                    sick: group.sick,
                    of: group.pods,
                    reached,
                };
                tripped.insert(cause, entry);
            }
        }
        Self { tripped }
    }

    /// The widest cause that stops acts on a pod.
    pub(super) fn of(&self, pod: &PodState) -> Option<&Tripped> {
        if self.tripped.is_empty() {
            return None;
        }
        if let Some(all) = self.tripped.get(&CommonCause::Cluster) {
            return Some(all);
        }
        let mut found = None;
        Shared::each(pod, |shared| {
            if found.is_none() {
                found = self.tripped.get(&CommonCause::from(shared));
            }
        });
        found
    }

    pub(super) fn into_tripped(self) -> Vec<Tripped> {
        self.tripped.into_values().collect()
    }
}
