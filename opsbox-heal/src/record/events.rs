//! Kubernetes Events: what was done, where a person looks for it.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use super::redact::redacted;
use crate::{
    act::{
        Outcome, OwnerTarget, Target,
        classify::{Asked, judge},
    },
    call::{Call, Caller, Gate, is_path_segment},
    limits,
    model::pod::Owner,
    time::Timestamp,
};

/// The label of every Event of this crate, key and value: by it the next process finds what was done.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "opsbox-heal");

/// The object that an [`Event`] is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ObjectRef {
    /// Such as `v1` or `apps/v1`; empty if it is not known.
    pub api_version: String,
    /// Such as `Pod`.
    pub kind: String,
    /// Empty for what has none, such as a Node.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; empty if it is not known.
    pub uid: String,
}

impl ObjectRef {
    /// An object by its names. The API version of the usual owners of pods is filled in.
    pub fn new(
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        let kind = kind.into();
        let api_version = match kind.as_str() {
            "Pod" | "Node" | "ReplicationController" => "v1",
            "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
            "Job" | "CronJob" => "batch/v1",
            _ => "",
        };
        Self {
            api_version: api_version.to_owned(),
            kind,
            namespace: namespace.into(),
            name: name.into(),
            uid: String::new(),
        }
    }

    /// The owner of a pod in this namespace.
    pub fn owner(namespace: impl Into<String>, owner: &Owner) -> Self {
        Self::new(owner.kind(), namespace, owner.name()).uid(owner.uid())
    }

    /// With its uid.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.uid = uid.into();
        self
    }

    fn json(&self) -> Value {
        let fields = [
            ("apiVersion", &self.api_version),
            ("kind", &self.kind),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
        ];
        let known = fields.into_iter().filter(|(_, value)| !value.is_empty());
        known
            .map(|(field, value)| (field.to_owned(), Value::from(value.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl From<&Target> for ObjectRef {
    fn from(target: &Target) -> Self {
        Self::new("Pod", &target.namespace, &target.name).uid(&target.uid)
    }
}

impl From<&OwnerTarget> for ObjectRef {
    fn from(owner: &OwnerTarget) -> Self {
        let uid = owner.uid.clone().unwrap_or_default();
        Self::new(owner.kind.as_str(), &owner.namespace, &owner.name).uid(uid)
    }
}

/// One Event to be recorded.
///
/// One request tells of both the pod and its owner: the pod is `regarding`, which `kubectl describe pod` looks for, and
/// the owner is `related`. `kubectl describe` of the owner does not look there; `kubectl get events` with
/// [these](EventRecorder) options does. Where a second request is worth it, as for an escalation, record another
/// Event that is regarding the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    regarding: ObjectRef,
    related: Option<ObjectRef>,
    is_warning: bool,
    action: String,
    reason: String,
    note: String,
    annotations: BTreeMap<String, String>,
}

impl Event {
    /// Something that went as it should. `action` is what was done or tried, `reason` why or with which result, both
    /// in CamelCase and cut at [`MAX_EVENT_WORD_BYTES`](limits::MAX_EVENT_WORD_BYTES).
    pub fn normal(
        regarding: impl Into<ObjectRef>,
        action: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            regarding: regarding.into(),
            related: None,
            is_warning: false,
            action: action.into(),
            reason: reason.into(),
            note: String::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Something that a person may have to look at.
    pub fn warning(
        regarding: impl Into<ObjectRef>,
        action: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            is_warning: true,
            ..Self::normal(regarding, action, reason)
        }
    }

    /// With the other object it is about, such as the owner.
    pub fn related(mut self, object: impl Into<ObjectRef>) -> Self {
        self.related = Some(object.into());
        self
    }

    /// With a text for people. It is cut at [`MAX_EVENT_NOTE_BYTES`](limits::MAX_EVENT_NOTE_BYTES) at a character, and
    /// what looks like a secret in it is taken out. In a series the first note stays.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// With an annotation for programs. In a series the first ones stay.
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    fn json(&self, name: &str, time: &str, recorder: &EventRecorder) -> Value {
        let mut event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {
                "name": name, "namespace": self.namespace(), "labels": {MANAGED_BY.0: MANAGED_BY.1},
            },
            "eventTime": time,
            "type": if self.is_warning { "Warning" } else { "Normal" },
            "reason": cut(&self.reason, limits::MAX_EVENT_WORD_BYTES),
            "action": cut(&self.action, limits::MAX_EVENT_WORD_BYTES),
            "note": cut(&redacted(&self.note), limits::MAX_EVENT_NOTE_BYTES),
            "regarding": self.regarding_json(),
            "reportingController": recorder.controller,
            "reportingInstance": cut(&recorder.instance, limits::MAX_EVENT_WORD_BYTES),
        });
        if !self.annotations.is_empty()
            && let Some(metadata) = event
                .pointer_mut("/metadata")
                .and_then(Value::as_object_mut)
        {
            metadata.insert("annotations".to_owned(), json!(self.annotations));
        }
        if let (Some(related), Some(fields)) = (&self.related, event.as_object_mut()) {
            fields.insert("related".to_owned(), related.json());
        }
        event
    }

    /// What has no namespace must have the one of the Event all the same on servers up to 1.20 at least.
    fn regarding_json(&self) -> Value {
        let mut regarding = self.regarding.clone();
        self.namespace().clone_into(&mut regarding.namespace);
        regarding.json()
    }

    /// What has no namespace is told of in `default`, as everybody does.
    fn namespace(&self) -> &str {
        match self.regarding.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        }
    }
}

/// Records Events of `events.k8s.io/v1`, one request each.
///
/// What is told again within half an hour is counted on the Event that is there (its `series`), instead of another
/// object: the same if object, owner, type, action, reason and annotations are. Which ones are there is remembered by this value and
/// its clones, up to [`MAX_EVENT_SERIES`](limits::MAX_EVENT_SERIES).
///
/// An Event that cannot be recorded is no reason not to act: the [`Outcome`] says why, and the audit stream has it all.
///
/// ```no_run
/// # async fn example(client: kube::Client, now: opsbox_heal::Timestamp) {
/// use opsbox_heal::act::Target;
/// use opsbox_heal::record::{Event, EventRecorder, ObjectRef};
///
/// let events = EventRecorder::new(client, "heal-7d9-x2x");
/// let pod = Target::new("shop", "cart-7d9-x2x", "0b0e1c3a-7a54-4a52-93d4-3a1f7b9a8a61");
/// let event = Event::normal(&pod, "Evict", "CrashLoopBackOff")
///     .related(ObjectRef::new("ReplicaSet", "shop", "cart-7d9"))
///     .note("restarted 7 times, exit code 1");
/// let outcome = events.record(&event, now).await;
/// # let _ = outcome;
/// # }
/// ```
///
/// To read them:
///
/// ```text
/// kubectl describe pod cart-7d9-x2x
/// kubectl get events --field-selector involvedObject.name=cart-7d9-x2x
/// kubectl get events.events.k8s.io -o json | jq '.items[] | select(.related.name == "cart-7d9")'
/// ```
#[derive(Clone)]
pub struct EventRecorder {
    caller: Caller,
    controller: String,
    instance: String,
    time_limit: Duration,
    random: RandomState,
    made: Arc<AtomicU64>,
    series: Arc<Mutex<BTreeMap<Key, Series>>>,
}

/// What makes two Events the same.
type Key = (
    ObjectRef,
    Option<ObjectRef>,
    bool,
    String,
    String,
    BTreeMap<String, String>,
);

#[derive(Clone, Debug)]
struct Series {
    name: String,
    count: u64,
    last: Timestamp,
}

impl EventRecorder {
    /// Records with the rights of this client, as `opsbox-heal`; `instance` is this process, such as its pod's name.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as everything that makes a `kube::Client`.
    pub fn new(client: Client, instance: impl Into<String>) -> Self {
        Self {
            caller: Caller::new(client),
            controller: "opsbox-heal".to_owned(),
            instance: instance.into(),
            time_limit: limits::ACT_TIME_LIMIT,
            random: RandomState::new(),
            made: Arc::default(),
            series: Arc::default(),
        }
    }

    /// Under another name than `opsbox-heal`: a qualified name, such as `ops.example/healer`.
    pub fn controller(mut self, name: impl Into<String>) -> Self {
        self.controller = name.into();
        self
    }

    /// How long one request may take; [`ACT_TIME_LIMIT`](limits::ACT_TIME_LIMIT) if it is not set.
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Asks this gate before each request.
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.caller = self.caller.gate(gate);
        self
    }

    /// Records that this happened now. A second request is only sent if the Event to count on has expired.
    pub async fn record(&self, event: &Event, now: Timestamp) -> Outcome {
        if !is_path_segment(event.namespace()) {
            let reason = "the namespace of the object is no name of the API".to_owned();
            return Outcome::Rejected { code: 0, reason };
        }
        let outcome = match self.again(event, now) {
            Some(series) => match self.count(event, &series, now).await {
                Err(Outcome::Gone) => self.create(event, now).await,
                counted => counted,
            },
            None => self.create(event, now).await,
        };
        match outcome {
            Ok(()) => Outcome::Done,
            Err(outcome) => {
                tracing::warn!(
                    namespace = event.namespace(),
                    regarding = %event.regarding.name,
                    reason = %event.reason,
                    "the Event is not recorded: {outcome}"
                );
                outcome
            }
        }
    }

    /// The series to count it on, counted.
    fn again(&self, event: &Event, now: Timestamp) -> Option<Series> {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(event);
        let series = all.get_mut(&key)?;
        if now.since(series.last) > limits::EVENT_SERIES_GAP {
            all.remove(&key);
            return None;
        }
        series.count += 1;
        series.last = now;
        Some(series.clone())
    }

    async fn create(&self, event: &Event, now: Timestamp) -> Result<(), Outcome> {
        let name = self.name(event);
        let body = event.json(&name, &micro_time(now), self);
        let path = collection(event.namespace());
        let call = Call::new(Method::POST, path, body.to_string().into_bytes());
        self.send("create", event, call).await?;
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::MAX_EVENT_SERIES {
            let oldest = all.iter().min_by_key(|(_, series)| series.last);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                all.remove(&oldest);
            }
        }
        let (count, last) = (1, now);
        all.insert(key(event), Series { name, count, last });
        Ok(())
    }

    async fn count(&self, event: &Event, series: &Series, now: Timestamp) -> Result<(), Outcome> {
        let body = json!({"series": {"count": series.count, "lastObservedTime": micro_time(now)}});
        let path = format!("{}/{}", collection(event.namespace()), series.name);
        let call = Call::new(Method::PATCH, path, body.to_string().into_bytes())
            .content_type("application/merge-patch+json");
        self.send("patch", event, call).await
    }

    async fn send(&self, verb: &'static str, event: &Event, call: Call) -> Result<(), Outcome> {
        let asked = Asked {
            verb,
            group: "events.k8s.io",
            resource: "events",
            namespace: event.namespace(),
            writes: true,
        };
        self.caller.pass().await;
        judge(asked, self.caller.send(call, self.time_limit).await).map(drop)
    }

    /// As others name Events: the object and something unique.
    fn name(&self, event: &Event) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let unique = self.random.hash_one((number, &self.instance));
        // Names have at most 253 characters, and those of pods are plain.
        let name = &event.regarding.name;
        let (name, _) = name.split_at(name.floor_char_boundary(230));
        let name = if is_path_segment(name) {
            name
        } else {
            "unnamed"
        };
        format!("{name}.{unique:016x}")
    }
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder")
            .field("controller", &self.controller)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

fn key(event: &Event) -> Key {
    (
        event.regarding.clone(),
        event.related.clone(),
        event.is_warning,
        event.action.clone(),
        event.reason.clone(),
        event.annotations.clone(),
    )
}

fn collection(namespace: &str) -> String {
    format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")
}

/// As the API writes it where it wants microseconds.
fn micro_time(time: Timestamp) -> String {
    let text = time.to_string();
    match text.strip_suffix('Z') {
        Some(seconds) => format!("{seconds}.000000Z"),
        None => text,
    }
}

fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let dots = "...";
    let (kept, _) = text.split_at(text.floor_char_boundary(limit - dots.len()));
    format!("{kept}{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_a_character() {
        assert_eq!(cut("abc", 3), "abc");
        let long = cut(&"ü".repeat(1_000), limits::MAX_EVENT_NOTE_BYTES);
        assert!(long.len() <= limits::MAX_EVENT_NOTE_BYTES && long.ends_with("ü..."));
    }

    #[test]
    fn times_have_microseconds() {
        let time: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(micro_time(time), "2026-03-01T12:00:00.000000Z");
    }

    #[test]
    fn an_owner_has_its_api_version() {
        let owner = ObjectRef::new("StatefulSet", "shop", "db").json();
        assert_eq!(
            owner,
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": "shop", "name": "db"})
        );
        assert_eq!(ObjectRef::new("Rollout", "shop", "db").api_version, "");
    }
}
