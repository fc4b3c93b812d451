//! The API server in the process.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kube::Client;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    faults::{Dice, Fault, FaultRates},
    objects::{Change, Key, Objects, key_of, metadata},
    record::{ApiRequest, ApiWrite},
    route, serve,
    watch::Watcher,
    write,
};
use crate::Timestamp;

/// What a server of some version can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Whether a watch may begin with a list (1.27 and later, if it is on).
    pub streaming_lists: bool,
    /// Whether the server makes tables. All do; an aggregated or hand-made one may not.
    pub tables: bool,
    /// Whether the column RESTARTS says when the last one was (1.22 and later).
    pub restarts_ago: bool,
}

impl Profile {
    /// A current server.
    pub fn current() -> Self {
        Self {
            streaming_lists: true,
            tables: true,
            restarts_ago: true,
        }
    }

    /// Kubernetes 1.20.
    pub fn v1_20() -> Self {
        Self {
            streaming_lists: false,
            tables: true,
            restarts_ago: false,
        }
    }

    /// A server that has only what the API has always had.
    pub fn plain() -> Self {
        Self {
            tables: false,
            ..Self::v1_20()
        }
    }
}

/// An API server in the process: no sockets, no threads, and as fast as the clock of tokio lets it
/// be, a paused one included.
///
/// A clone is the same server.
///
/// ```
/// use opsbox_heal::testing::ApiDouble;
/// use serde_json::json;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let api = ApiDouble::new("2026-03-01T12:00:00Z".parse()?);
/// api.put(json!({
///     "apiVersion": "v1", "kind": "Pod",
///     "metadata": {"namespace": "shop", "name": "web-1"},
///     "spec": {"nodeName": "a", "containers": [{"name": "app", "image": "web:1"}]},
///     "status": {"phase": "Running"},
/// }));
/// let client = api.client();
/// let request = http::Request::delete("/api/v1/namespaces/shop/pods/web-1").body(Vec::new())?;
/// client.request_text(request).await?;
/// let writes = api.writes();
/// assert!(writes[0].removed_pod());
/// assert_eq!(writes[0].name, "web-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ApiDouble {
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) sent: Arc<AtomicU64>,
    start: Instant,
}

pub(super) struct Shared {
    pub(super) objects: Objects,
    pub(super) watchers: Vec<Watcher>,
    pub(super) last_watch: u64,
    pub(super) profile: Profile,
    pub(super) dice: Dice,
    pub(super) script: VecDeque<Scripted>,
    pub(super) denied: Vec<(String, String)>,
    pub(super) requests: Vec<ApiRequest>,
    pub(super) writes: Vec<ApiWrite>,
    /// The wall clock when the double was made, and how far it was moved since.
    epoch: Timestamp,
    skew_seconds: i64,
}

/// A fault for the next request that fits.
pub(super) struct Scripted {
    pub(super) verb: String,
    pub(super) resource: String,
    pub(super) fault: Fault,
}

impl ApiDouble {
    /// A current server without an object, whose clock shows `now` and goes on with that of tokio.
    pub fn new(now: Timestamp) -> Self {
        Self::with_profile(now, Profile::current())
    }

    /// A server that can do what `profile` says.
    pub fn with_profile(now: Timestamp, profile: Profile) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                objects: Objects::default(),
                watchers: Vec::new(),
                last_watch: 0,
                profile,
                dice: Dice::new(0, FaultRates::none()),
                script: VecDeque::new(),
                denied: Vec::new(),
                requests: Vec::new(),
                writes: Vec::new(),
                epoch: now,
                skew_seconds: 0,
            })),
            sent: Arc::default(),
            start: Instant::now(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of it. It lives as long as the runtime that it is made on.
    pub fn client(&self) -> Client {
        let double = self.clone();
        let service = tower::service_fn(move |request| serve::serve(double.clone(), request));
        Client::new(service, "default")
    }

    /// What its clock shows.
    pub fn now(&self) -> Timestamp {
        let shared = self.lock();
        shared.now(self.elapsed())
    }

    /// Moves its clock against that of tokio, forward or, with a negative number, back.
    pub fn jump_clock(&self, seconds: i64) {
        self.lock().skew_seconds += seconds;
    }

    /// How long it has been there, by the clock of tokio.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Keeps an object, new or in place of the one of that name, and tells the watches. It is given
    /// a uid and a creation time if it has none: those of the object in its place, else new ones.
    ///
    /// Returns the object as it is kept. No fault and no check of a write is applied.
    pub fn put(&self, mut object: Value) -> Value {
        let now = self.now();
        let mut shared = self.lock();
        let key = key_of(&object);
        if let Some(there) = shared.objects.get(&key) {
            let there = there.value();
            let meta = metadata(&mut object);
            for field in ["uid", "creationTimestamp"] {
                let value = &there["metadata"][field];
                meta.entry(field).or_insert_with(|| value.clone());
            }
        }
        let serial = shared.objects.version() + 1;
        write::born(&mut object, serial, now);
        let change = shared.objects.put(key, object);
        shared.tell(&change);
        change.last.value()
    }

    /// Changes an object in place; `None` if it is not there.
    pub fn modify(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let mut object = self.get(kind, namespace, name)?;
        change(&mut object);
        Some(self.put(object))
    }

    /// Removes an object at once, whatever its grace period and finalizers, and tells the watches.
    pub fn remove(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let mut shared = self.lock();
        let key = shared.key(kind, namespace, name)?;
        let change = shared.objects.remove(&key)?;
        shared.tell(&change);
        Some(change.last.value())
    }

    /// The object of this kind, such as `Pod`, as it is now. Cluster-wide ones have an empty
    /// namespace.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let shared = self.lock();
        let key = shared.key(kind, namespace, name)?;
        Some(shared.objects.get(&key)?.value())
    }

    /// All objects of this kind, in the order of lists.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let shared = self.lock();
        let resource = shared.resource(kind);
        let selection = super::objects::Selection {
            resource,
            ..Default::default()
        };
        let page = shared.objects.page(&selection, None, None, usize::MAX);
        let objects = page.into_iter().flat_map(|page| page.objects);
        objects.map(|object| object.value()).collect()
    }

    /// Sends a bookmark with the newest version to every watch that asked for them.
    pub fn bookmark(&self) {
        self.lock().bookmark(|_| true);
    }

    /// Forgets how everything came to be, as the compaction of etcd does: watches and pages from
    /// before get 410.
    pub fn forget_history(&self) {
        self.lock().objects.forget_history();
    }

    /// Breaks the connection of every open watch.
    pub fn break_watches(&self) {
        let mut shared = self.lock();
        for mut watcher in shared.watchers.drain(..) {
            watcher.cut();
        }
    }

    /// Ends every open watch with an ERROR event of 410.
    pub fn expire_watches(&self) {
        let mut shared = self.lock();
        for mut watcher in shared.watchers.drain(..) {
            watcher.gone();
        }
    }

    /// From now on things go wrong as often as `rates` says, decided by `seed`.
    pub fn set_faults(&self, seed: u64, rates: FaultRates) {
        let mut shared = self.lock();
        let injected = std::mem::take(&mut shared.dice.injected);
        shared.dice = Dice::new(seed, rates);
        shared.dice.injected = injected;
    }

    /// How many faults there were so far of each kind: those of requests by [`Fault::as_str`], and
    /// of events `duplicate`, `reorder` and `break_watch`.
    pub fn injected_faults(&self) -> BTreeMap<&'static str, u64> {
        self.lock().dice.injected.clone()
    }

    /// The next request of this verb on this resource (`pods`, `leases.coordination.k8s.io`,
    /// `pods/eviction`) has this fault. Several are used up in their order.
    pub fn inject(&self, verb: &str, resource: &str, fault: Fault) {
        self.lock().script.push_back(Scripted {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            fault,
        });
    }

    /// From now on the verb on this resource is refused with 403, as if RBAC had no rule for it.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.lock()
            .denied
            .push((verb.to_owned(), resource.to_owned()));
    }

    /// Takes every [`deny`](Self::deny) back.
    pub fn allow_all(&self) {
        self.lock().denied.clear();
    }

    /// Every request so far, in the order in which they came.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.lock().requests.clone()
    }

    /// Every request to write so far, accepted or not, in the order in which they were done.
    pub fn writes(&self) -> Vec<ApiWrite> {
        self.lock().writes.clone()
    }

    /// Forgets the requests and the writes so far.
    pub fn clear_records(&self) {
        let mut shared = self.lock();
        shared.requests.clear();
        shared.writes.clear();
    }

    /// How many bytes of bodies it has sent.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many watches are open.
    pub fn open_watches(&self) -> usize {
        let mut shared = self.lock();
        shared.watchers.retain(|watcher| !watcher.is_closed());
        shared.watchers.len()
    }
}

impl Shared {
    pub(super) fn now(&self, elapsed: Duration) -> Timestamp {
        let elapsed = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        let seconds = self.epoch.unix_seconds().saturating_add(elapsed);
        Timestamp::from_unix_seconds(seconds.saturating_add(self.skew_seconds))
    }

    /// Sends a change to every watch that it concerns.
    pub(super) fn tell(&mut self, change: &Change) {
        let Self { watchers, dice, .. } = self;
        watchers.retain_mut(|watcher| watcher.tell(change, dice));
    }

    /// Sends a bookmark to the watches of these ids.
    pub(super) fn bookmark(&mut self, is_meant: impl Fn(u64) -> bool) {
        let version = self.objects.version();
        self.watchers
            .retain_mut(|watcher| !is_meant(watcher.id) || watcher.bookmark(version, false));
    }

    /// The resource with its group: that of the objects that are there, since a kind alone does not
    /// say it.
    fn resource(&self, kind: &str) -> String {
        let plain = route::resource(kind);
        let group = match plain.as_str() {
            "deployments" | "replicasets" | "statefulsets" | "daemonsets" => ".apps",
            "jobs" => ".batch",
            "events" => ".events.k8s.io",
            "leases" => ".coordination.k8s.io",
            "poddisruptionbudgets" => ".policy",
            _ => "",
        };
        format!("{plain}{group}")
    }

    fn key(&self, kind: &str, namespace: &str, name: &str) -> Option<Key> {
        let key = Key {
            resource: self.resource(kind),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.objects.get(&key).is_some().then_some(key)
    }
}

impl fmt::Debug for ApiDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.lock();
        f.debug_struct("ApiDouble")
            .field("objects", &shared.objects.len())
            .field("version", &shared.objects.version())
            .field("requests", &shared.requests.len())
            .finish_non_exhaustive()
    }
}
