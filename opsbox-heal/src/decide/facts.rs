//! How many pods there are of what, and how many of them are sick.

use std::collections::{BTreeMap, HashMap};

use super::{
    common_cause::{CommonCause, Shared},
    count::Counted,
    scope::{Scope, WorkloadRef},
};
use crate::{diagnose::report::Diagnosis, model::pod::PodState, time::Timestamp};

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
    pub(super) fn add(&mut self, other: Self) {
        self.pods += other.pods;
        self.sick += other.sick;
        self.unavailable += other.unavailable;
        self.leaving += other.leaving;
    }

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
        let counted = Counted::new(pods);
        cluster.add(counted.cluster);
        for (pod, of_it) in counted.templates() {
            let known = [
                workloads.get_mut(&workload(pod)),
                namespaces.get_mut(pod.namespace()),
            ];
            known
                .into_iter()
                .flatten()
                .for_each(|group| group.add(of_it));
            Shared::each_of_template(pod, |shared| add_to(&mut groups, shared, of_it));
        }
        for (node, on_it) in counted.nodes() {
            if let Some(group) = nodes.get_mut(node) {
                group.add(on_it);
            }
            add_to(&mut groups, Shared::Node(node), on_it);
        }
        for (image, with_it) in counted.images() {
            add_to(&mut groups, Shared::Image(image), with_it);
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

/// Adds to what a sick pod has.
fn add_to<'p>(groups: &mut HashMap<Shared<'p>, Group>, shared: Shared<'p>, of_it: Group) {
    if let Some(group) = groups.get_mut(&shared) {
        group.add(of_it);
    }
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

    fn any_pod(rng: &mut fastrand::Rng) -> serde_json::Value {
        let mut pick = |from: &[&str]| from[rng.usize(..from.len())].to_owned();
        let (workload, hash) = (pick(&["web", "api"]), pick(&["7d9", "8e0"]));
        let images = ["web:1", "web:2", ""].map(ToOwned::to_owned);
        let image =
            |pick: &mut dyn FnMut(&[&str]) -> String| pick(&images.each_ref().map(|i| &**i));
        let (one, other) = (image(&mut pick), image(&mut pick));
        let leaving = pick(&["", "", "2026-03-01T12:00:05Z"]);
        serde_json::json!({
            "kind": "Pod",
            "metadata": {
                "name": "a", "namespace": pick(&["shop", "ops"]),
                "labels": {"pod-template-hash": hash},
                "ownerReferences": [{
                    "kind": "ReplicaSet", "name": format!("{workload}-{hash}"), "controller": true
                }],
                "deletionTimestamp": (!leaving.is_empty()).then_some(leaving),
            },
            "spec": {
                "nodeName": pick(&["", "node-a", "node-b"]),
                "containers": [{"name": "one", "image": one}, {"name": "other", "image": other}],
                "volumes": [{"name": "v", "configMap": {"name": pick(&["settings", "rules"])}}],
            },
            "status": {
                "phase": pick(&["Running", "Pending", "Failed", "Succeeded"]),
                "conditions": [{"type": "Ready", "status": pick(&["True", "False"])}],
                "containerStatuses": [{
                    "name": "one", "restartCount": 9,
                    "state": {"waiting": {"reason": pick(&["CrashLoopBackOff", "PodInitializing"])}},
                }],
            },
        })
    }

    /// Pod by pod, as it is said, with every text compared.
    fn naively<'p>(
        pods: &[&'p PodState],
        sick: &[Diagnosis<'p>],
        of: impl Fn(&'p PodState) -> bool,
    ) -> Group {
        let mut group = Group::default();
        let counts = |pod: &PodState| !pod.phase().is_terminal();
        for pod in pods.iter().filter(|pod| counts(pod) && of(pod)) {
            let ready = pod.condition("Ready").map(|ready| ready.status());
            let is_ready = ready == Some(crate::ConditionStatus::True);
            group.pods += 1;
            group.unavailable += u32::from(!is_ready || pod.deletion().is_some());
            group.leaving += u32::from(pod.deletion().is_some());
        }
        let sick = sick.iter().map(Diagnosis::pod);
        let sick = sick.filter(|pod| counts(pod) && of(pod)).count();
        group.sick = u32::try_from(sick).unwrap();
        group
    }

    #[test]
    fn counts_are_those_of_looking_at_each_pod() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..40 {
            // Two snapshots have the same texts in two places.
            let snapshots = [(); 2].map(|()| {
                let items: Vec<_> = (0..20).map(|_| any_pod(&mut rng)).collect();
                let list = serde_json::json!({"kind": "List", "items": items}).to_string();
                PodSnapshot::from_json(list.as_bytes()).unwrap()
            });
            let now = "2026-03-01T12:00:00Z".parse().unwrap();
            let reports = snapshots
                .each_ref()
                .map(|all| Report::of_snapshot(all, now));
            let sick: Vec<_> = reports.iter().flat_map(Report::sick).cloned().collect();
            let pods: Vec<_> = snapshots.iter().flat_map(PodSnapshot::pods).collect();
            let facts = ClusterFacts::new(pods.iter().copied(), &sick);
            let naively = |of: &dyn Fn(&PodState) -> bool| naively(&pods, &sick, of);
            assert_eq!(facts.cluster(), naively(&|_| true));
            for (workload, group) in &facts.workloads {
                assert_eq!(*group, naively(&|pod| WorkloadRef::of(pod) == *workload));
            }
            for (name, group) in &facts.namespaces {
                assert_eq!(*group, naively(&|pod| pod.namespace() == name));
            }
            for (name, group) in &facts.nodes {
                assert_eq!(*group, naively(&|pod| pod.node() == Some(name)));
            }
            assert!(facts.groups.len() > 4, "{:?}", facts.groups);
            for (cause, group) in facts.groups() {
                let shares = |pod: &PodState| {
                    let mut found = false;
                    Shared::each(pod, |shared| found |= CommonCause::from(shared) == *cause);
                    found
                };
                assert_eq!(group, naively(&shares));
            }
        }
    }
}
