//! What is known of every pod, kept small.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet, VecDeque},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::memory;
use crate::{
    limits::{MAX_TOMBSTONES, POOL_SLACK},
    model::pod::PodState,
    observe::pool::Pool,
};

/// The pods of a cluster as they were last seen, by namespace and name.
///
/// A pod takes about half a kilobyte (489 bytes on average of 150,000 with one to three containers). Values that many pods share (namespace, node, owner,
/// image, labels, reasons) are kept once, and dropped when the last pod that has them is gone.
///
/// It is filled by a [`PodWatch`](super::PodWatch); read it between two changes.
///
/// ```no_run
/// # fn example(watch: &opsbox_heal::observe::live::PodWatch, now: opsbox_heal::Timestamp) {
/// use opsbox_heal::diagnose;
///
/// for pod in watch.store().iter() {
///     let verdict = diagnose(pod, now);
///     if verdict.is_sick() {
///         println!("{pod}: {verdict}");
///     }
/// }
/// # }
/// ```
#[derive(Debug, Default)]
pub struct PodStore {
    entries: HashSet<Entry>,
    pool: SharedPool,
    /// How many values were in the pool after the unused ones were last dropped.
    pooled: usize,
    heap_bytes: usize,
    tombstones: Tombstones,
}

/// The values that pods have in common. The feeds of a watch decode into it.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedPool(Arc<Mutex<Pool>>);

impl SharedPool {
    pub(super) fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a change did to the store.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It was known, or older than what is known.
    Nothing,
    Applied {
        old: Option<Arc<PodState>>,
        new: Arc<PodState>,
    },
    /// Another pod of the same name was there, of whose end nothing was heard.
    Replaced {
        old: Arc<PodState>,
        new: Arc<PodState>,
    },
}

impl PodStore {
    /// How many pods are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no pod is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The pod of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<PodState>> {
        let key: &dyn Named = &(namespace, name);
        self.entries.get(key).map(|entry| &entry.pod)
    }

    /// All pods, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PodState>> + Clone {
        self.entries.iter().map(|entry| &entry.pod)
    }

    /// All pods at this moment, in no order. The states are shared with the store, so that this
    /// costs 8 bytes a pod.
    pub fn snapshot(&self) -> Vec<Arc<PodState>> {
        self.iter().map(Arc::clone).collect()
    }

    /// The memory that the pods take, in bytes: the states, what is shared between them, and the
    /// index, each allocation rounded up as glibc's allocator does on a 64-bit machine.
    ///
    /// Walks over what is shared, which takes about a millisecond for 150,000 pods.
    pub fn heap_bytes(&self) -> usize {
        let index =
            self.entries.capacity().saturating_mul(8).div_ceil(7) * (size_of::<Entry>() + 1);
        let mut shared = 0;
        let each = |bytes| shared += memory::allocated(bytes);
        self.pool.lock().each_piece(each);
        self.heap_bytes + index + shared
    }

    /// How many values are kept that pods share; for a metric that shows that it does not grow for
    /// ever.
    pub fn shared_values(&self) -> usize {
        self.pool.lock().len()
    }

    pub(super) fn pool(&self) -> SharedPool {
        self.pool.clone()
    }

    /// Takes in a pod, seen in the listing `generation` or after it.
    pub(super) fn apply(&mut self, pod: PodState, generation: u32) -> Outcome {
        if self.tombstones.outdates(&pod) {
            return Outcome::Nothing;
        }
        let key: &dyn Named = &(pod.namespace(), pod.name());
        if let Some(known) = self.entries.get(key)
            && !is_news(&known.pod, &pod)
        {
            // Still there, which a listing must know.
            let pod = Arc::clone(&known.pod);
            self.entries.replace(Entry { pod, generation });
            return Outcome::Nothing;
        }
        let new = Arc::new(pod);
        self.heap_bytes += memory::of_pod(&new);
        let entry = Entry {
            pod: Arc::clone(&new),
            generation,
        };
        let old = self.entries.replace(entry).map(|entry| entry.pod);
        if let Some(old) = &old {
            self.heap_bytes = self.heap_bytes.saturating_sub(memory::of_pod(old));
        }
        self.drop_unused();
        match old {
            Some(old) if old.uid() != new.uid() => {
                self.tombstones.bury(&old);
                Outcome::Replaced { old, new }
            }
            old => Outcome::Applied { old, new },
        }
    }

    /// Forgets a pod that was deleted, or that the selector no longer selects. Nothing if it is not
    /// known, or if the pod of this name is another one by now.
    pub(super) fn delete(&mut self, gone: &PodState) -> Option<Arc<PodState>> {
        self.tombstones.bury(gone);
        let key: &dyn Named = &(gone.namespace(), gone.name());
        if self.entries.get(key)?.pod.uid() != gone.uid() {
            return None;
        }
        self.remove(key)
    }

    /// Forgets a pod whatever its uid.
    pub(super) fn forget(&mut self, namespace: &str, name: &str) -> Option<Arc<PodState>> {
        self.remove(&(namespace, name))
    }

    /// Forgets all pods of the namespace (of all, without one) that were not seen in the listing
    /// `generation` or after it.
    pub(super) fn keep_only(
        &mut self,
        namespace: Option<&str>,
        generation: u32,
    ) -> Vec<Arc<PodState>> {
        let is_stale = |entry: &Entry| {
            entry.generation != generation
                && namespace.is_none_or(|namespace| entry.pod.namespace() == namespace)
        };
        let stale: Vec<_> = self.entries.extract_if(is_stale).map(|e| e.pod).collect();
        for pod in &stale {
            self.heap_bytes = self.heap_bytes.saturating_sub(memory::of_pod(pod));
        }
        self.drop_unused();
        stale
    }

    fn remove(&mut self, key: &dyn Named) -> Option<Arc<PodState>> {
        let pod = self.entries.take(key)?.pod;
        self.heap_bytes = self.heap_bytes.saturating_sub(memory::of_pod(&pod));
        self.drop_unused();
        Some(pod)
    }

    /// Drops shared values that no pod has any more, once the pool has grown to twice of what was
    /// in use: so the pool is never more than that, and a change costs nothing in the long run.
    fn drop_unused(&mut self) {
        let mut pool = self.pool.lock();
        if pool.len() > 2 * self.pooled + POOL_SLACK {
            pool.drop_unused();
            self.pooled = pool.len();
        }
    }
}

/// Whether `seen` is newer than what is known of a pod of this name, or cannot be compared with it.
fn is_news(known: &PodState, seen: &PodState) -> bool {
    match (version(known), version(seen)) {
        (Some(known), Some(seen)) => seen > known,
        _ => known.resource_version() != seen.resource_version() || known.uid() != seen.uid(),
    }
}

/// The resource version as a number. It is one on every API server that is known, and since 1.35
/// clients may compare it; one that is not cannot be compared and is taken as it comes.
fn version(pod: &PodState) -> Option<u64> {
    pod.resource_version().parse().ok()
}

/// A pod in the index, found by its name.
#[derive(Debug)]
struct Entry {
    pod: Arc<PodState>,
    generation: u32,
}

/// What an entry is found by.
trait Named {
    fn named(&self) -> (&str, &str);
}

impl Named for Entry {
    fn named(&self) -> (&str, &str) {
        (self.pod.namespace(), self.pod.name())
    }
}

impl Named for (&str, &str) {
    fn named(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Named + 'a> for Entry {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.named() == other.named()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.named().hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.named() == other.named()
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.named().hash(state);
    }
}

/// The pods that went last, so that a late event does not bring one of them back.
#[derive(Debug, Default)]
struct Tombstones {
    /// Up to which version of a uid nothing is news.
    buried: HashMap<Box<str>, u64>,
    order: VecDeque<Box<str>>,
}

impl Tombstones {
    fn bury(&mut self, pod: &PodState) {
        let Some(version) = version(pod).filter(|_| !pod.uid().is_empty()) else {
            return;
        };
        if let Some(buried) = self.buried.get_mut(pod.uid()) {
            *buried = version.max(*buried);
            return;
        }
        self.buried.insert(pod.uid().into(), version);
        self.order.push_back(pod.uid().into());
        if self.order.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.order.pop_front()
        {
            self.buried.remove(&oldest);
        }
    }

    /// Whether the pod is known to have gone later than this. A pod may come back with a newer
    /// version, if the selector selects it again.
    fn outdates(&self, pod: &PodState) -> bool {
        match (self.buried.get(pod.uid()), version(pod)) {
            (Some(buried), Some(version)) => version <= *buried,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::live::decode;

    fn pod(store: &PodStore, name: &str, uid: &str, version: u64, image: &str) -> PodState {
        let json = serde_json::json!({
            "metadata": {"namespace": "shop", "name": name, "uid": uid,
                "resourceVersion": version.to_string()},
            "spec": {"nodeName": image, "containers": [{"name": "app", "image": image}]},
        });
        decode::pod(json.to_string().as_bytes(), &mut store.pool().lock()).unwrap()
    }

    fn applied(outcome: Outcome) -> (Option<Arc<PodState>>, Arc<PodState>) {
        match outcome {
            Outcome::Applied { old, new } => (old, new),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn duplicates_and_late_events_change_nothing() {
        let mut store = PodStore::default();
        let (old, _) = applied(store.apply(pod(&store, "web", "a", 5, "i"), 1));
        assert_eq!(old, None);
        let seen = store.apply(pod(&store, "web", "a", 5, "i"), 1);
        assert_eq!(seen, Outcome::Nothing);
        let seen = store.apply(pod(&store, "web", "a", 4, "i"), 1);
        assert_eq!(seen, Outcome::Nothing);
        let (old, new) = applied(store.apply(pod(&store, "web", "a", 7, "i"), 1));
        assert_eq!(old.unwrap().resource_version(), "5");
        assert_eq!(new.resource_version(), "7");

        assert!(store.delete(&pod(&store, "web", "a", 9, "i")).is_some());
        assert_eq!(store.len(), 0);
        // What was sent before the end and comes after it does not bring it back.
        let seen = store.apply(pod(&store, "web", "a", 8, "i"), 1);
        assert_eq!(seen, Outcome::Nothing);
        // A pod that the selector selects again does come back.
        applied(store.apply(pod(&store, "web", "a", 12, "i"), 1));
    }

    #[test]
    fn a_namesake_is_another_pod() {
        let mut store = PodStore::default();
        applied(store.apply(pod(&store, "db-0", "a", 5, "i"), 1));
        let Outcome::Replaced { old, new } = store.apply(pod(&store, "db-0", "b", 8, "i"), 1)
        else {
            panic!()
        };
        assert_eq!((old.uid(), new.uid()), ("a", "b"));
        // The end of the first, heard late, is not the end of the second.
        assert_eq!(store.delete(&pod(&store, "db-0", "a", 7, "i")), None);
        let seen = store.apply(pod(&store, "db-0", "a", 6, "i"), 1);
        assert_eq!(seen, Outcome::Nothing);
        assert_eq!(store.get("shop", "db-0").unwrap().uid(), "b");
        assert_eq!(store.get("other", "db-0"), None);
    }

    #[test]
    fn a_listing_ends_what_it_does_not_have() {
        let mut store = PodStore::default();
        for name in ["a", "b", "c"] {
            applied(store.apply(pod(&store, name, name, 5, "i"), 1));
        }
        store.apply(pod(&store, "b", "b", 5, "i"), 2);
        assert!(store.keep_only(Some("other"), 2).is_empty());
        let gone = store.keep_only(Some("shop"), 2);
        assert_eq!(gone.len(), 2);
        assert_eq!(store.iter().next().unwrap().name(), "b");
        assert_eq!(store.keep_only(None, 3).len(), 1);
        assert_eq!(store.heap_bytes, 0);
    }

    #[test]
    fn what_no_pod_has_any_more_is_dropped() {
        let mut store = PodStore::default();
        // An image and a container each, and what all share.
        const IN_USE: usize = 2 * 50 + 10;
        let name = |round: usize, nth: usize| format!("{round}-{nth}");
        let mut most = 0;
        for round in 0..200 {
            for nth in 0..50 {
                // Each brings a node, an image and a ReplicaSet that nobody had before.
                let image = format!("registry.example/web:{round}-{nth}");
                let new = pod(&store, &name(round, nth), &name(round, nth), 5, &image);
                applied(store.apply(new, 1));
            }
            for nth in 0..50 {
                let name = name(round, nth);
                let gone = pod(&store, &name, &name, 6, "i");
                assert!(store.delete(&gone).is_some());
            }
            most = most.max(store.shared_values());
        }
        assert!(store.is_empty());
        assert!(most <= 2 * IN_USE + POOL_SLACK + 1, "{most} values at once");
        assert_eq!(store.heap_bytes, 0);
        assert!(store.tombstones.buried.len() <= MAX_TOMBSTONES);
        assert_eq!(store.tombstones.buried.len(), store.tombstones.order.len());
    }
}
