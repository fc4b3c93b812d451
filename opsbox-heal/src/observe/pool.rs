//! What many pods have in common, each kept once.

use std::{borrow::Borrow, collections::HashSet, hash::Hash, sync::Arc};

use super::wire;
use crate::model::{
    container::ContainerSpec,
    labels::Labels,
    pod::{Owner, Shared},
    volume::{Volume, VolumeKind},
};

/// Texts that are asked for again before anything is hashed.
const RECENT: usize = 64;

/// Containers that are compared with before anything is hashed.
const LAST_CONTAINERS: usize = 8;

/// Values that many pods have in common. A list is sorted by namespace and name, so most pods have
/// what the one before had, and that is compared first.
#[derive(Debug)]
pub(super) struct Pool {
    texts: HashSet<Arc<str>>,
    recent: [Option<Arc<str>>; RECENT],
    owners: HashSet<Arc<Owner>>,
    last_owner: Option<Arc<Owner>>,
    last_labels: Option<Arc<str>>,
    volumes: HashSet<Arc<[Volume]>>,
    last_volumes: Option<Arc<[Volume]>>,
    containers: HashSet<Arc<ContainerSpec>>,
    /// Those of the pod before, by the lengths of their names.
    last_containers: [Option<Arc<ContainerSpec>>; LAST_CONTAINERS],
    shared: HashSet<Arc<Shared>>,
    last_shared: Option<Arc<Shared>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            texts: HashSet::new(),
            recent: [const { None }; RECENT],
            owners: HashSet::new(),
            last_owner: None,
            last_labels: None,
            volumes: HashSet::new(),
            last_volumes: None,
            containers: HashSet::new(),
            last_containers: [const { None }; LAST_CONTAINERS],
            shared: HashSet::new(),
            last_shared: None,
        }
    }
}

impl Pool {
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        let bytes = text.as_bytes();
        let at = |byte: Option<&u8>| byte.map_or(0, |b| usize::from(*b));
        // Names differ at their ends.
        let place = at(bytes.last()) * 31 + at(bytes.first()) * 7 + bytes.len();
        let Some(recent) = self.recent.get_mut(place % RECENT) else {
            return shared(&mut self.texts, text);
        };
        match recent {
            Some(known) if **known == *text => Arc::clone(known),
            _ => Arc::clone(recent.insert(shared(&mut self.texts, text))),
        }
    }

    pub(super) fn some_text(&mut self, text: &wire::Text<'_>) -> Option<Arc<str>> {
        (!text.as_str().is_empty()).then(|| self.text(text.as_str()))
    }

    pub(super) fn labels(&mut self, labels: &wire::Labels) -> Option<Labels> {
        if labels.0.is_empty() {
            return None;
        }
        let labels = match &self.last_labels {
            Some(known) if **known == *labels.0 => Arc::clone(known),
            _ => Arc::clone(
                self.last_labels
                    .insert(shared(&mut self.texts, labels.0.as_str())),
            ),
        };
        Some(Labels(labels))
    }

    pub(super) fn owner(&mut self, owner: &wire::OwnerReference<'_>) -> Arc<Owner> {
        let controller = owner.controller == Some(true);
        let is_same = |known: &Owner| {
            *known.uid == *owner.uid.as_str()
                && *known.name == *owner.name.as_str()
                && *known.kind == *owner.kind.as_str()
                && known.controller == controller
        };
        if let Some(known) = self.last_owner.as_ref().filter(|known| is_same(known)) {
            return Arc::clone(known);
        }
        let owner = Owner {
            kind: owner.kind.as_str().into(),
            name: owner.name.as_str().into(),
            uid: owner.uid.as_str().into(),
            controller,
        };
        Arc::clone(self.last_owner.insert(kept(&mut self.owners, owner)))
    }

    pub(super) fn volumes(&mut self, volumes: &[(VolumeKind, &str)]) -> Option<Arc<[Volume]>> {
        if volumes.is_empty() {
            return None;
        }
        let is_same = |known: &[Volume]| {
            known.len() == volumes.len()
                && known
                    .iter()
                    .zip(volumes)
                    .all(|(known, (kind, source))| known.kind == *kind && *known.source == **source)
        };
        if let Some(known) = self.last_volumes.as_ref().filter(|known| is_same(known)) {
            return Some(Arc::clone(known));
        }
        let volumes: Vec<Volume> = volumes
            .iter()
            .map(|&(kind, source)| Volume {
                kind,
                source: self.text(source),
            })
            .collect();
        let volumes = shared(&mut self.volumes, volumes.as_slice());
        Some(Arc::clone(self.last_volumes.insert(volumes)))
    }

    pub(super) fn container(&mut self, spec: ContainerSpec) -> Arc<ContainerSpec> {
        let Some(last) = self
            .last_containers
            .get_mut(spec.name.len() % LAST_CONTAINERS)
        else {
            return kept(&mut self.containers, spec);
        };
        match last {
            Some(known) if **known == spec => Arc::clone(known),
            _ => Arc::clone(last.insert(kept(&mut self.containers, spec))),
        }
    }

    pub(super) fn shared(&mut self, of_pod: Shared) -> Arc<Shared> {
        match &self.last_shared {
            Some(known) if **known == of_pod => Arc::clone(known),
            _ => Arc::clone(self.last_shared.insert(kept(&mut self.shared, of_pod))),
        }
    }
}

fn kept<T: Eq + Hash>(pool: &mut HashSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(known) = pool.get(&value) {
        return Arc::clone(known);
    }
    let new = Arc::new(value);
    pool.insert(Arc::clone(&new));
    new
}

/// What only a store that lives long needs.
#[cfg(feature = "kube")]
impl Pool {
    pub(super) fn len(&self) -> usize {
        self.texts.len()
            + self.owners.len()
            + self.volumes.len()
            + self.containers.len()
            + self.shared.len()
    }

    /// Drops the values that no pod has any more.
    pub(super) fn drop_unused(&mut self) {
        self.recent.fill(None);
        self.last_owner = None;
        self.last_labels = None;
        self.last_volumes = None;
        self.last_containers.fill(None);
        self.last_shared = None;
        // What holds others before these, and the texts last.
        self.shared.retain(|shared| Arc::strong_count(shared) > 1);
        self.containers
            .retain(|container| Arc::strong_count(container) > 1);
        self.volumes
            .retain(|volumes| Arc::strong_count(volumes) > 1);
        self.owners.retain(|owner| Arc::strong_count(owner) > 1);
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.shared.shrink_to(2 * self.shared.len());
        self.containers.shrink_to(2 * self.containers.len());
        self.volumes.shrink_to(2 * self.volumes.len());
        self.owners.shrink_to(2 * self.owners.len());
        self.texts.shrink_to(2 * self.texts.len());
    }

    /// Calls `each` with the size of each piece of memory that the values take, counters included,
    /// and with that of each table.
    pub(super) fn each_piece(&self, mut each: impl FnMut(usize)) {
        const COUNTERS: usize = 2 * size_of::<usize>();
        for text in &self.texts {
            each(COUNTERS + text.len());
        }
        for owner in &self.owners {
            each(COUNTERS + size_of::<Owner>());
            each(owner.kind.len());
            each(owner.name.len());
            each(owner.uid.len());
        }
        for volumes in &self.volumes {
            each(COUNTERS + size_of_val(&**volumes));
        }
        for _ in &self.shared {
            each(COUNTERS + size_of::<Shared>());
        }
        for _ in &self.containers {
            each(COUNTERS + size_of::<ContainerSpec>());
        }
        each(self.shared.capacity() * size_of::<Arc<Shared>>());
        each(self.containers.capacity() * size_of::<Arc<ContainerSpec>>());
        each(self.texts.capacity() * size_of::<Arc<str>>());
        each(self.owners.capacity() * size_of::<Arc<Owner>>());
        each(self.volumes.capacity() * size_of::<Arc<[Volume]>>());
    }
}

fn shared<T: ?Sized + Eq + Hash>(pool: &mut HashSet<Arc<T>>, value: &T) -> Arc<T>
where
    Arc<T>: Borrow<T> + for<'a> From<&'a T>,
{
    if let Some(known) = pool.get(value) {
        return Arc::clone(known);
    }
    let new: Arc<T> = value.into();
    pool.insert(Arc::clone(&new));
    new
}
