//! Counting pods by the hundred thousand.
//!
//! What pods have in common is kept once, so most of them are told apart by where that is in memory.
//! Texts are compared once a template, node and image, not once a pod.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::{common_cause::each_image, facts::Group};
use crate::model::{
    pod::PodState,
    pod_condition::{ConditionStatus, PodConditionType},
};

type ByAddress<T> = HashMap<usize, (T, Group), BuildHasherDefault<Spread>>;

/// Groups of pods that share a template, a node, an image. The same text may be in two places, so two
/// groups may be of the same thing.
#[derive(Default)]
pub(super) struct Counted<'p> {
    pub(super) cluster: Group,
    templates: ByAddress<&'p PodState>,
    nodes: ByAddress<&'p str>,
    images: ByAddress<&'p str>,
}

impl<'p> Counted<'p> {
    /// Counts pods, but not which of them are sick.
    pub(super) fn new(pods: impl IntoIterator<Item = &'p PodState>) -> Self {
        let mut counted = Self::default();
        for pod in pods {
            if !pod.phase().is_terminal() {
                counted.count(pod);
            }
        }
        counted
    }

    fn count(&mut self, pod: &'p PodState) {
        let one = Group {
            pods: 1,
            sick: 0,
            unavailable: u32::from(!is_available(pod)),
            leaving: u32::from(pod.deletion().is_some()),
        };
        self.cluster.add(one);
        let template = Arc::as_ptr(&pod.shared).addr();
        let (_, group) = self.templates.entry(template).or_insert((pod, NONE));
        group.add(one);
        if let Some(node) = &pod.node {
            add(&mut self.nodes, node, one);
        }
        each_image(pod, |image| add(&mut self.images, image, one));
    }

    /// One pod of each template, and the counts of all.
    pub(super) fn templates(&self) -> impl Iterator<Item = (&'p PodState, Group)> {
        self.templates.values().copied()
    }

    /// Names of nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&'p str, Group)> {
        self.nodes.values().copied()
    }

    /// Images.
    pub(super) fn images(&self) -> impl Iterator<Item = (&'p str, Group)> {
        self.images.values().copied()
    }
}

const NONE: Group = Group {
    pods: 0,
    sick: 0,
    unavailable: 0,
    leaving: 0,
};

fn add<'p>(to: &mut ByAddress<&'p str>, text: &'p Arc<str>, one: Group) {
    let address = text.as_ptr().addr();
    to.entry(address).or_insert((text, NONE)).1.add(one);
}

/// A pod counts as available when it is ready and stays.
pub(super) fn is_available(pod: &PodState) -> bool {
    let mut conditions = pod.conditions.iter();
    let ready = conditions.find(|condition| condition.kind == PodConditionType::Ready);
    ready.is_some_and(|ready| ready.status == ConditionStatus::True) && pod.deletion.is_none()
}

/// Spreads addresses, which nobody chooses: their low bits are all the same.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, address: usize) {
        let mixed = self.0 ^ u64::try_from(address).unwrap_or(u64::MAX);
        self.0 = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
