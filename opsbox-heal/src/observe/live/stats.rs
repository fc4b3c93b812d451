//! What a sweep has counted.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{error::Error, model::pod::PodState};

/// What a sweep has seen so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SweepStats {
    /// Pods seen, as rows or as objects.
    pub pods: u64,
    /// Rows that were not plainly healthy.
    pub suspects: u64,
    /// Pods read in full.
    pub fetched: u64,
    /// Suspects that were gone when they were asked for.
    pub gone: u64,
    /// Calls made.
    pub calls: u64,
    /// Bytes of the bodies that were read, after decompression.
    pub bytes: u64,
    /// Whether the server made tables.
    pub tables: bool,
    /// Why the nodes are not known, if they are not.
    pub nodes_not_known: Option<Arc<Error>>,
    pub(super) counts: Counts,
}

#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) namespaces: BTreeMap<Box<str>, PodCount>,
    nodes: BTreeMap<Box<str>, PodCount>,
    /// By namespace and name without what makes a pod of a workload unique.
    groups: BTreeMap<(Box<str>, Box<str>), PodCount>,
}

/// Only how many there are: a cluster has thousands.
impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("namespaces", &self.namespaces.len())
            .field("nodes", &self.nodes.len())
            .field("groups", &self.groups.len())
            .finish()
    }
}

/// How many pods, for budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodCount {
    /// All of them.
    pub pods: u32,
    /// Those that are not plainly healthy.
    pub suspects: u32,
}

impl SweepStats {
    /// The pods of a namespace.
    pub fn namespace(&self, namespace: &str) -> PodCount {
        self.counts
            .namespaces
            .get(namespace)
            .copied()
            .unwrap_or_default()
    }

    /// The pods on a node.
    pub fn node(&self, node: &str) -> PodCount {
        self.counts.nodes.get(node).copied().unwrap_or_default()
    }

    /// The pods of the same ReplicaSet, StatefulSet, DaemonSet or Job as this one, as far as their
    /// names tell: those that differ only after the last `-`.
    pub fn siblings(&self, pod: &PodState) -> PodCount {
        let key = (Box::from(pod.namespace()), Box::from(stem(pod.name())));
        self.counts.groups.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
    }
}

impl Counts {
    pub(super) fn count(
        &mut self,
        namespace: &str,
        name: &str,
        node: Option<&str>,
        suspicious: bool,
    ) {
        let one = PodCount {
            pods: 1,
            suspects: u32::from(suspicious),
        };
        self.namespaces
            .entry(namespace.into())
            .or_default()
            .add(one);
        let group = (namespace.into(), stem(name).into());
        self.groups.entry(group).or_default().add(one);
        if let Some(node) = node {
            self.nodes.entry(node.into()).or_default().add(one);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (namespace, count) in other.namespaces {
            self.namespaces.entry(namespace).or_default().add(count);
        }
        for (node, count) in other.nodes {
            self.nodes.entry(node).or_default().add(count);
        }
        for (group, count) in other.groups {
            self.groups.entry(group).or_default().add(count);
        }
    }
}

impl PodCount {
    fn add(&mut self, other: Self) {
        self.pods = self.pods.saturating_add(other.pods);
        self.suspects = self.suspects.saturating_add(other.suspects);
    }
}

/// The name without its last part: what the pods of a workload have in common.
fn stem(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(stem, _)| stem)
}
