//! What the tests share: pods written as the API server writes them, and a moment.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses its part")]

use opsbox_heal::{Condition, PodSnapshot, PodState, Timestamp, Verdict, diagnose};
use serde_json::{Value, json};

/// The moment of every test.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A time as the API writes it, so many seconds before `NOW`.
pub(crate) fn ago(seconds: i64) -> String {
    Timestamp::from_unix_seconds(now().unix_seconds() - seconds).to_string()
}

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 3600;

/// A pod on a node, made two hours ago, with the given status; `spec` replaces whole fields.
pub(crate) fn pod(spec: Value, status: Value) -> Value {
    let mut whole = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-1", "namespace": "shop", "uid": "0b0e", "creationTimestamp": ago(2 * HOUR)
        },
        "spec": {"nodeName": "node-a", "containers": [{"name": "app", "image": "web:1"}]},
        "status": status
    });
    merge(&mut whole["spec"], spec);
    whole
}

/// A running pod of one container.
pub(crate) fn running(container_status: Value) -> Value {
    let ready = container_status["ready"] == json!(true);
    pod(json!({}), running_status(ready, json!([container_status])))
}

pub(crate) fn running_status(ready: bool, containers: Value) -> Value {
    let text = if ready { "True" } else { "False" };
    json!({
        "phase": "Running",
        "conditions": [
            {"type": "Ready", "status": text, "lastTransitionTime": ago(HOUR)},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(2 * HOUR)}
        ],
        "containerStatuses": containers
    })
}

/// A container status that runs and is ready since an hour; `change` replaces whole fields.
pub(crate) fn app(change: Value) -> Value {
    let mut status = json!({
        "name": "app", "ready": true, "started": true, "restartCount": 0,
        "state": {"running": {"startedAt": ago(HOUR)}}, "lastState": {}
    });
    merge(&mut status, change);
    status
}

pub(crate) fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason}})
}

/// A run that ended `end` seconds ago after `length` seconds.
pub(crate) fn ended(code: i64, reason: &str, end: i64, length: i64) -> Value {
    json!({"terminated": {
        "exitCode": code, "reason": reason,
        "startedAt": ago(end + length), "finishedAt": ago(end)
    }})
}

pub(crate) fn merge(into: &mut Value, change: Value) {
    if let (Some(into), Value::Object(change)) = (into.as_object_mut(), change) {
        into.extend(change);
    }
}

pub(crate) fn read(value: &Value) -> PodState {
    let bytes = serde_json::to_vec(value).unwrap();
    PodSnapshot::from_json(&bytes)
        .unwrap()
        .into_pods()
        .remove(0)
}

pub(crate) fn verdict(value: &Value) -> Verdict {
    diagnose(&read(value), now())
}

/// Asserts the primary condition, and prints the whole verdict if it is another.
#[track_caller]
pub(crate) fn expect(value: &Value, condition: Condition) -> Verdict {
    let verdict = verdict(value);
    assert_eq!(verdict.condition(), condition, "{verdict:#}");
    verdict
}

pub(crate) fn data(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}
