//! Creation, update, patch, deletion and eviction, with their preconditions.

use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    list::{key, not_found},
    objects::{Change, Key, Object, Objects, metadata},
    route::{Query, Route},
    selector::Labels,
};
use crate::Timestamp;

/// A request to write.
pub(super) struct Write<'a> {
    pub(super) route: &'a Route,
    pub(super) query: &'a Query,
    pub(super) body: Value,
    pub(super) now: Timestamp,
}

/// What came of it.
pub(super) struct Written {
    pub(super) answer: Answer,
    pub(super) changes: Vec<Change>,
    /// The object that it is about, as it was before, if it was there.
    pub(super) uid: Option<Box<str>>,
}

impl Written {
    fn refused(answer: Answer) -> Self {
        Self {
            answer,
            changes: Vec::new(),
            uid: None,
        }
    }

    fn of(mut self, object: &Object) -> Self {
        self.uid = Some(object.uid.clone());
        self
    }
}

/// How an object goes.
struct Deletion<'a> {
    options: &'a Value,
    dry_run: bool,
}

impl Write<'_> {
    pub(super) fn is_dry_run(&self) -> bool {
        let options = self.body.get("deleteOptions").unwrap_or(&self.body);
        let in_body = options.get("dryRun").and_then(Value::as_array);
        self.query.get("dryRun") == Some("All") || in_body.is_some_and(|all| !all.is_empty())
    }

    pub(super) fn create(&self, objects: &mut Objects) -> Written {
        if self.route.subresource.as_deref() == Some("eviction") {
            return self.evict(objects);
        }
        if self.route.subresource.as_deref() == Some("binding") {
            return self.bind(objects);
        }
        let mut object = self.body.clone();
        object["kind"] = self.route.kind().into();
        object["apiVersion"] = self.route.api_version().into();
        let serial = objects.version() + 1;
        let meta = metadata(&mut object);
        if let Some(namespace) = &self.route.namespace {
            meta.insert("namespace".to_owned(), namespace.as_str().into());
        }
        let name = match (meta.get("name"), meta.get("generateName")) {
            (Some(Value::String(name)), _) => name.clone(),
            (_, Some(Value::String(prefix))) => format!("{prefix}{serial:05x}"),
            _ => {
                let message = format!("{}: name or generateName is required", self.route.kind());
                return Written::refused(Answer::failure(422, "Invalid", &message));
            }
        };
        meta.insert("name".to_owned(), name.as_str().into());
        let key = Key {
            resource: self.route.to_string(),
            namespace: self.route.namespace.clone().unwrap_or_default(),
            name,
        };
        if let Some(there) = objects.get(&key) {
            let message = format!("{} {:?} already exists", self.route, key.name);
            let refused = self.refuse(409, "AlreadyExists", &message, &key.name);
            return Written::refused(refused).of(there);
        }
        born(&mut object, serial, self.now);
        if self.route.resource == "pods" {
            // Only the kubelet, and who stands in for it, may say how a pod does.
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
        }
        self.keep(objects, key, object, 201)
    }

    pub(super) fn update(&self, objects: &mut Objects) -> Written {
        let Some((key, there)) = self.there(objects) else {
            return Written::refused(not_found(self.route));
        };
        let mut object = self.body.clone();
        let asked = text(&object, "/metadata/resourceVersion").to_owned();
        if asked.is_empty() && self.route.resource == "leases" {
            let message = format!(
                "Lease.coordination.k8s.io {:?} is invalid: metadata.resourceVersion: Invalid \
                 value: 0x0: must be specified for an update",
                key.name
            );
            let details = json!({
                "name": key.name, "group": self.route.group, "kind": "Lease",
                "causes": [{"reason": "FieldValueInvalid", "field": "metadata.resourceVersion"}],
            });
            let refused = Answer::status(422, "Invalid", &message, &details);
            return Written::refused(refused).of(&there);
        }
        if !asked.is_empty() && asked != there.version.to_string() {
            return Written::refused(self.conflict(&key)).of(&there);
        }
        object["kind"] = self.route.kind().into();
        object["apiVersion"] = self.route.api_version().into();
        let before = there.value();
        keep_identity(&mut object, &before);
        if object == before {
            return unchanged(&there);
        }
        self.keep(objects, key, object, 200).of(&there)
    }

    pub(super) fn patch(&self, objects: &mut Objects) -> Written {
        let Some((key, there)) = self.there(objects) else {
            return Written::refused(not_found(self.route));
        };
        let asked = text(&self.body, "/metadata/resourceVersion");
        if !asked.is_empty() && asked != there.version.to_string() {
            return Written::refused(self.conflict(&key)).of(&there);
        }
        let before = there.value();
        let mut object = before.clone();
        match self.route.subresource.as_deref() {
            Some("status") => {
                let status = self.body.get("status").unwrap_or(&Value::Null);
                merge(&mut object["status"], status);
            }
            _ => merge(&mut object, &self.body),
        }
        keep_identity(&mut object, &before);
        if object == before {
            return unchanged(&there);
        }
        self.keep(objects, key, object, 200).of(&there)
    }

    pub(super) fn delete(&self, objects: &mut Objects) -> Written {
        let Some((key, there)) = self.there(objects) else {
            return Written::refused(not_found(self.route));
        };
        if let Some(refused) = self.preconditions(&key, &there, &self.body) {
            return Written::refused(refused).of(&there);
        }
        let deletion = Deletion {
            options: &self.body,
            dry_run: self.is_dry_run(),
        };
        let (last, changes) = self.go(objects, &key, &there, &deletion);
        Written {
            answer: Answer::json(200, last.to_string()),
            changes,
            uid: Some(there.uid.clone()),
        }
    }

    /// An Eviction: a deletion that disruption budgets may refuse.
    fn evict(&self, objects: &mut Objects) -> Written {
        let Some((key, there)) = self.there(objects) else {
            return Written::refused(not_found(self.route));
        };
        let empty = json!({});
        let options = self.body.get("deleteOptions").unwrap_or(&empty);
        if let Some(refused) = self.preconditions(&key, &there, options) {
            return Written::refused(refused).of(&there);
        }
        let pod = there.value();
        let mut changes = Vec::new();
        let ignores_budgets = matches!(
            text(&pod, "/status/phase"),
            "Pending" | "Succeeded" | "Failed"
        ) || pod.pointer("/metadata/deletionTimestamp").is_some();
        if !ignores_budgets {
            let budgets = budgets_of(objects, &there);
            if budgets.len() > 1 {
                let message = "This pod has more than one PodDisruptionBudget, which the \
                               eviction subresource does not support.";
                return Written::refused(Answer::failure(500, "InternalError", message)).of(&there);
            }
            if let Some(budget) = budgets.first() {
                match self.spend(objects, budget) {
                    Ok(change) => changes.extend(change),
                    Err(refused) => return Written::refused(refused).of(&there),
                }
            }
        }
        let deletion = Deletion {
            options,
            dry_run: self.is_dry_run(),
        };
        let (_, gone) = self.go(objects, &key, &there, &deletion);
        changes.extend(gone);
        let success = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        });
        Written {
            answer: Answer::json(201, success.to_string()),
            changes,
            uid: Some(there.uid.clone()),
        }
    }

    /// Takes one from `status.disruptionsAllowed` of a budget, or says that there is none.
    fn spend(&self, objects: &mut Objects, budget: &Key) -> Result<Option<Change>, Answer> {
        let mut value = objects
            .get(budget)
            .map(|budget| budget.value())
            .unwrap_or_default();
        let allowed = value
            .pointer("/status/disruptionsAllowed")
            .and_then(Value::as_i64);
        let allowed = allowed.unwrap_or(0);
        if allowed < 1 {
            let number = |path: &str| value.pointer(path).and_then(Value::as_i64).unwrap_or(0);
            let message = format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                budget.name,
                number("/status/desiredHealthy"),
                number("/status/currentHealthy"),
            );
            let details = json!({"causes": [{"reason": "DisruptionBudget", "message": message}]});
            let said = "Cannot evict pod as it would violate the pod's disruption budget.";
            return Err(Answer::status(429, "TooManyRequests", said, &details));
        }
        if self.is_dry_run() {
            return Ok(None);
        }
        value["status"]["disruptionsAllowed"] = (allowed - 1).into();
        Ok(Some(objects.put(budget.clone(), value)))
    }

    /// Deletes it at once, or marks it to go after its grace period or its finalizers.
    fn go(
        &self,
        objects: &mut Objects,
        key: &Key,
        there: &Object,
        deletion: &Deletion<'_>,
    ) -> (Value, Vec<Change>) {
        let mut object = there.value();
        let is_pod = key.resource == "pods";
        let asked = deletion
            .options
            .get("gracePeriodSeconds")
            .and_then(Value::as_u64);
        let own = object
            .pointer("/spec/terminationGracePeriodSeconds")
            .and_then(Value::as_u64);
        let mut grace = asked.unwrap_or_else(|| own.unwrap_or(30));
        let ended = matches!(text(&object, "/status/phase"), "Succeeded" | "Failed");
        let unbound = text(&object, "/spec/nodeName").is_empty();
        if !is_pod || unbound || ended {
            grace = 0;
        }
        let finalizers = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let waits = grace > 0 || finalizers.is_some_and(|all| !all.is_empty());
        let was_due = text(&object, "/metadata/deletionTimestamp")
            .parse::<Timestamp>()
            .ok();
        if !waits {
            if is_pod {
                let meta = metadata(&mut object);
                meta.insert("deletionTimestamp".to_owned(), self.now.to_string().into());
                meta.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
            }
            let mut changes = Vec::new();
            if !deletion.dry_run {
                if is_pod {
                    // The server marks a pod even if it goes at once, so watches see both.
                    changes.push(objects.put(key.clone(), object.clone()));
                }
                changes.extend(objects.remove(key));
            }
            return (object, changes);
        }
        let due = self
            .now
            .saturating_add(std::time::Duration::from_secs(grace));
        // A second deletion may shorten the grace period, never lengthen it.
        let due = was_due.map_or(due, |was| was.min(due));
        let meta = metadata(&mut object);
        meta.insert("deletionTimestamp".to_owned(), due.to_string().into());
        meta.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
        let changes = if deletion.dry_run || was_due == Some(due) {
            Vec::new()
        } else {
            vec![objects.put(key.clone(), object.clone())]
        };
        (object, changes)
    }

    /// Keeps the object, unless it is a dry run; one that only waited for its finalizers goes.
    fn keep(&self, objects: &mut Objects, key: Key, object: Value, code: u16) -> Written {
        if self.is_dry_run() {
            return Written {
                answer: Answer::json(code, object.to_string()),
                changes: Vec::new(),
                uid: None,
            };
        }
        let finalizers = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let is_free = finalizers.is_none_or(Vec::is_empty);
        let grace = object.pointer("/metadata/deletionGracePeriodSeconds");
        let goes = is_free
            && object.pointer("/metadata/deletionTimestamp").is_some()
            && grace.and_then(Value::as_u64) == Some(0);
        if goes && objects.get(&key).is_some() {
            let change = objects.remove(&key);
            return Written {
                answer: Answer::json(code, object.to_string()),
                changes: change.into_iter().collect(),
                uid: None,
            };
        }
        let change = objects.put(key, object);
        Written {
            answer: Answer::json(code, change.last.whole()),
            uid: Some(change.last.uid.clone()),
            changes: vec![change],
        }
    }

    /// As the scheduler binds a pod to a node.
    fn bind(&self, objects: &mut Objects) -> Written {
        let Some((key, there)) = self.there(objects) else {
            return Written::refused(not_found(self.route));
        };
        let mut object = there.value();
        object["spec"]["nodeName"] = text(&self.body, "/target/name").into();
        self.keep(objects, key, object, 201).of(&there)
    }

    fn there(&self, objects: &Objects) -> Option<(Key, std::sync::Arc<Object>)> {
        let key = key(self.route)?;
        let there = objects.get(&key)?.clone();
        Some((key, there))
    }

    fn preconditions(&self, key: &Key, there: &Object, options: &Value) -> Option<Answer> {
        let uid = text(options, "/preconditions/uid");
        if !uid.is_empty() && *uid != *there.uid {
            return Some(self.refused_precondition(key, "UID", uid, &there.uid));
        }
        let version = text(options, "/preconditions/resourceVersion");
        if !version.is_empty() && version != there.version.to_string() {
            let is = there.version.to_string();
            return Some(self.refused_precondition(key, "ResourceVersion", version, &is));
        }
        None
    }

    fn refuse(&self, code: u16, reason: &str, message: &str, name: &str) -> Answer {
        let details = json!({
            "name": name, "group": self.route.group, "kind": self.route.resource,
        });
        Answer::status(code, reason, message, &details)
    }

    fn refused_precondition(&self, key: &Key, what: &str, asked: &str, is: &str) -> Answer {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: Precondition failed: {what} in \
             precondition: {asked}, {what} in object meta: {is}",
            self.route, key.name
        );
        self.refuse(409, "Conflict", &message, &key.name)
    }

    fn conflict(&self, key: &Key) -> Answer {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply \
             your changes to the latest version and try again",
            self.route, key.name
        );
        self.refuse(409, "Conflict", &message, &key.name)
    }
}

/// Nothing changes, so there is no new version either.
fn unchanged(there: &Object) -> Written {
    Written {
        answer: Answer::json(200, there.whole()),
        changes: Vec::new(),
        uid: Some(there.uid.clone()),
    }
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What the API server gives a new object.
pub(super) fn born(object: &mut Value, serial: u64, now: Timestamp) {
    let meta = metadata(object);
    meta.entry("uid")
        .or_insert_with(|| format!("00000000-0000-4000-8000-{serial:012x}").into());
    meta.entry("creationTimestamp")
        .or_insert_with(|| now.to_string().into());
}

/// What no update can change.
fn keep_identity(object: &mut Value, before: &Value) {
    let meta = metadata(object);
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ] {
        match before.pointer(&format!("/metadata/{field}")) {
            Some(value) => meta.insert(field.to_owned(), value.clone()),
            None => meta.remove(field),
        };
    }
}

/// JSON Merge Patch (RFC 7396, section 2). Strategic merge is the same for what is no list.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.as_str()).or_insert(Value::Null), value);
        }
    }
}

/// The disruption budgets that select the pod.
fn budgets_of(objects: &Objects, pod: &Object) -> Vec<Key> {
    let selection = super::objects::Selection {
        resource: "poddisruptionbudgets.policy".to_owned(),
        namespace: Some(pod.key.namespace.clone()),
        ..Default::default()
    };
    let page = objects.page(&selection, None, None, usize::MAX);
    let budgets = page.into_iter().flat_map(|page| page.objects);
    let selects = |budget: &std::sync::Arc<Object>| {
        let value = budget.value();
        let selector = value.pointer("/spec/selector");
        selector.is_some_and(|selector| Labels::of_object(selector).selects(&pod.labels))
    };
    budgets
        .filter(selects)
        .map(|budget| budget.key.clone())
        .collect()
}
