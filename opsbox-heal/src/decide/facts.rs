//! How many pods there are of what, and how many of them are sick.

use std::collections::{BTreeMap, HashMap};

use super::{
    common_cause::{CommonCause, Shared},
    scope::{Scope, WorkloadRef},
};
use crate::{
    diagnose::report::Diagnosis,
    model::{pod::PodState, pod_condition::ConditionStatus},
    time::Timestamp,
};

/// Counts of a group of pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Pods that have not ended.
    pub pods: u32,
    /// How many of these are sick. What failed and was replaced is not counted.
    pub sick: u32,
    /// Pods that have not ended and are not ready.
    pub unavailable: u32,
    /// Pods that have not ended and are on their way out. Others may be there in their place already,
    /// so no budget is a share of them.
    pub leaving: u32,
}

impl Group {
    /// Pods that have not ended and stay.
    pub fn staying(self) -> u32 {
        self.pods.saturating_sub(self.leaving)
    }
}

/// How many pods there are, when not all of them are at hand.
pub trait Totals {
    /// In all.
    fn cluster(&self) -> u32;
    /// In a namespace.
    fn namespace(&self, namespace: &str) -> u32;
    /// On a node.
    fn node(&self, node: &str) -> u32;
    /// Of the workload of this pod.
    fn siblings(&self, pod: &PodState) -> u32;
}

/// What a decision needs to know of the cluster beside the pod.
///
/// ```
/// use opsbox_heal::{PodSnapshot, Timestamp, Report, decide::ClusterFacts};
///
/// let snapshot = PodSnapshot::from_json(br#"{"kind": "List", "items": [
///     {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "status": {"phase": "Running"}},
///     {"kind": "Pod", "metadata": {"name": "b", "namespace": "shop"}, "status": {"phase": "Failed"}}
/// ]}"#)?;
/// let now: Timestamp = "2026-03-01T12:00:00Z".parse()?;
/// let report = Report::of_snapshot(&snapshot, now);
/// let facts = ClusterFacts::new(snapshot.pods(), report.sick());
/// assert_eq!(facts.cluster().pods, 1);
/// # Ok::<(), opsbox_heal::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    cluster: Group,
    workloads: HashMap<WorkloadRef, Group>,
    namespaces: HashMap<String, Group>,
    nodes: HashMap<String, Group>,
    groups: BTreeMap<CommonCause, Group>,
    stale_since: Option<Timestamp>,
    own_pod: Option<(String, String)>,
}

impl ClusterFacts {
    /// Counts all observed pods, of which the sick ones are known.
    ///
    /// Only what a sick pod is part of is counted, but for the cluster as a whole.
    pub fn new<'p: 'd, 'd>(
        pods: impl IntoIterator<Item = &'p PodState>,
        sick: impl IntoIterator<Item = &'d Diagnosis<'p>>,
    ) -> Self {
        let mut cluster = Group::default();
        let mut workloads: HashMap<(&str, &str, &str), Group> = HashMap::new();
        let mut namespaces: HashMap<&str, Group> = HashMap::new();
        let mut nodes: HashMap<&str, Group> = HashMap::new();
        let mut groups: HashMap<Shared<'_>, Group> = HashMap::new();
        for pod in sick.into_iter().map(Diagnosis::pod) {
            let sick = u32::from(!pod.phase().is_terminal());
            cluster.sick += sick;
            workloads.entry(workload(pod)).or_default().sick += sick;
            namespaces.entry(pod.namespace()).or_default().sick += sick;
            if let Some(node) = pod.node() {
                nodes.entry(node).or_default().sick += sick;
            }
            Shared::each(pod, |shared| groups.entry(shared).or_default().sick += sick);
        }
        for pod in pods {
            let ended = pod.phase().is_terminal();
            let unavailable = !ended && !is_available(pod);
            let leaving = !ended && pod.deletion().is_some();
            let count = |group: &mut Group| {
                group.pods += u32::from(!ended);
                group.unavailable += u32::from(unavailable);
                group.leaving += u32::from(leaving);
            };
            count(&mut cluster);
            let known = [
                workloads.get_mut(&workload(pod)),
                namespaces.get_mut(pod.namespace()),
                pod.node().and_then(|node| nodes.get_mut(node)),
            ];
            known.into_iter().flatten().for_each(count);
            Shared::each(pod, |shared| {
                if let Some(group) = groups.get_mut(&shared) {
                    count(group);
                }
            });
        }
        let owned = |of: HashMap<&str, Group>| {
            of.into_iter()
                .map(|(name, group)| (name.to_owned(), group))
                .collect()
        };
        Self {
            cluster,
            workloads: workloads
                .into_iter()
                .map(|((namespace, kind, name), group)| {
                    (WorkloadRef::new(namespace, kind, name), group)
                })
                .collect(),
            namespaces: owned(namespaces),
            nodes: owned(nodes),
            groups: groups
                .into_iter()
                .map(|(shared, group)| (shared.into(), group))
                .collect(),
            stale_since: None,
            own_pod: None,
        }
    }

    /// With the moment since which the view of the cluster may be out of date, if it may.
    #[must_use]
    pub fn stale_since(mut self, since: Option<Timestamp>) -> Self {
        self.stale_since = since;
        self
    }

    /// With namespace and name of the pod that this code runs in, which is never touched.
    #[must_use]
    pub fn own_pod(mut self, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        self.own_pod = Some((namespace.into(), name.into()));
        self
    }

    /// With the counts of a sweep that looked at all pods, but gave only the suspicious ones.
    ///
    /// What pods have in common, such as an image, is then taken to be in common to all pods of
    /// their workloads.
    #[must_use]
    pub fn totals<'p>(
        mut self,
        totals: &dyn Totals,
        sick: impl IntoIterator<Item = &'p Diagnosis<'p>>,
    ) -> Self {
        let at_least = |group: &mut Group, pods: u32| group.pods = group.pods.max(pods);
        at_least(&mut self.cluster, totals.cluster());
        for (name, group) in &mut self.namespaces {
            at_least(group, totals.namespace(name));
        }
        for (name, group) in &mut self.nodes {
            at_least(group, totals.node(name));
        }
        let mut sharing: HashMap<Shared<'_>, HashMap<(&str, &str, &str), u32>> = HashMap::new();
        for pod in sick.into_iter().map(Diagnosis::pod) {
            let siblings = totals.siblings(pod);
            let known = self.workloads.get_mut(&WorkloadRef::of(pod));
            if let Some(group) = known {
                at_least(group, siblings);
            }
            Shared::each(pod, |shared| {
                let of_it = sharing.entry(shared).or_default();
                of_it.insert(workload(pod), siblings);
            });
        }
        for (shared, workloads) in sharing {
            let pods = match shared {
                Shared::Node(name) => totals.node(name),
                _ => workloads.values().sum(),
            };
            if let Some(group) = self.groups.get_mut(&shared.into()) {
                at_least(group, pods);
            }
        }
        self
    }

    /// All observed pods.
    pub fn cluster(&self) -> Group {
        self.cluster
    }

    /// The pods of a workload; nothing if none of them is sick.
    pub fn workload(&self, workload: &WorkloadRef) -> Group {
        self.workloads.get(workload).copied().unwrap_or_default()
    }

    /// The pods of a namespace; nothing if none of them is sick.
    pub fn namespace(&self, namespace: &str) -> Group {
        self.namespaces.get(namespace).copied().unwrap_or_default()
    }

    /// The pods on a node; nothing if none of them is sick.
    pub fn node(&self, node: &str) -> Group {
        self.nodes.get(node).copied().unwrap_or_default()
    }

    /// What sick pods have in common with other pods.
    pub fn groups(&self) -> impl Iterator<Item = (&CommonCause, Group)> {
        self.groups.iter().map(|(cause, group)| (cause, *group))
    }

    pub(super) fn stale(&self) -> Option<Timestamp> {
        self.stale_since
    }

    pub(super) fn own(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.own_pod.as_ref()?;
        Some((namespace, name))
    }
}

/// A pod counts as available when it is ready and stays.
pub(super) fn is_available(pod: &PodState) -> bool {
    let ready = pod.condition("Ready").map(|ready| ready.status());
    ready == Some(ConditionStatus::True) && pod.deletion().is_none()
}

fn workload(pod: &PodState) -> (&str, &str, &str) {
    let workload = pod.workload();
    (pod.namespace(), workload.kind(), workload.name())
}

impl Scope {
    /// How many pods are in the scope of a target and stay there.
    pub(super) fn pods(self, facts: &ClusterFacts, of: &super::scope::Target) -> u32 {
        let group = match self {
            Self::Workload => facts.workload(&of.workload),
            Self::Namespace => facts.namespace(&of.namespace),
            Self::Node => of
                .node
                .as_deref()
                .map_or_else(Group::default, |n| facts.node(n)),
            Self::Cluster => facts.cluster(),
        };
        group.staying()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PodSnapshot, Report};

    #[test]
    fn pods_on_their_way_out_are_told_from_those_that_stay() {
        let json = br#"{"kind": "List", "items": [
            {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "status": {"phase": "Pending"}},
            {"kind": "Pod", "metadata": {"name": "b", "namespace": "shop",
                "deletionTimestamp": "2026-03-01T12:00:05Z"}, "status": {"phase": "Running"}},
            {"kind": "Pod", "metadata": {"name": "c", "namespace": "shop",
                "deletionTimestamp": "2026-03-01T12:00:05Z"}, "status": {"phase": "Succeeded"}}
        ]}"#;
        let snapshot = PodSnapshot::from_json(json).unwrap();
        let report = Report::of_snapshot(&snapshot, "2026-03-01T12:00:00Z".parse().unwrap());
        let facts = ClusterFacts::new(snapshot.pods(), report.sick());
        let all = facts.cluster();
        assert_eq!((all.pods, all.leaving, all.staying()), (2, 1, 1));
    }
}
