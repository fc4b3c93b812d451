//! What must hold for any input.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::{ago, data, now, read};
use opsbox_heal::{Condition, PodSnapshot, ProbeMatrix, Report, Thresholds, diagnose};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

fn fixture() -> &'static [u8] {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| {
        // Without managed fields and indentation, so that a random cut or change hits what counts.
        let text = std::fs::read(data("pods.json")).unwrap();
        let mut list: Value = serde_json::from_slice(&text).unwrap();
        for item in list["items"].as_array_mut().unwrap() {
            item["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("managedFields");
        }
        serde_json::to_vec(&list).unwrap()
    })
}

fn yaml_fixture() -> &'static [u8] {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| std::fs::read(data("pod.yaml")).unwrap())
}

/// Any time from long before to some time after now, or none.
fn time() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        4 => (-1_000_i64..100_000).prop_map(|seconds| json!(ago(seconds))),
        1 => select(vec!["1970-01-01T00:00:00Z", "9999-12-30T00:00:00Z"]).prop_map(|t| json!(t)),
    ]
}

fn text(known: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        9 => select(known).prop_map(|text| json!(text)),
        // YAML has no control characters, so neither has this.
        1 => "[ -~äß✓]{0,6}".prop_map(|text| json!(text)),
    ]
}

const REASONS: &[&str] = &[
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "CreateContainerConfigError",
    "ContainerCreating",
    "PodInitializing",
    "OOMKilled",
    "Error",
    "Completed",
    "Unschedulable",
    "SchedulingGated",
    "NodeLost",
    "Evicted",
    "ContainersNotReady",
];

fn terminated() -> impl Strategy<Value = Value> {
    (
        select(vec![0_i64, 1, 137, 143, i64::MAX, -1]),
        text(REASONS),
        time(),
        time(),
    )
        .prop_map(|(code, reason, started, finished)| {
            json!({"terminated": {"exitCode": code, "reason": reason,
                "startedAt": started, "finishedAt": finished}})
        })
}

fn container_state() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!({"hibernated": {}})),
        text(REASONS).prop_map(|reason| json!({"waiting": {"reason": reason, "message": "m"}})),
        time().prop_map(|started| json!({"running": {"startedAt": started}})),
        terminated(),
    ]
}

fn status_list() -> impl Strategy<Value = Value> {
    let flag = || select(vec![Value::Null, json!(true), json!(false)]);
    let name = select(vec!["a", "b", "c"]);
    let last = prop_oneof![Just(Value::Null), terminated()];
    let status = (name, container_state(), last, flag(), flag(), -1_i64..50).prop_map(
        |(name, state, last, ready, started, restarts)| {
            json!({"name": name, "state": state, "lastState": last, "ready": ready,
                "started": started, "restartCount": restarts})
        },
    );
    prop_oneof![
        1 => Just(Value::Null),
        9 => prop::collection::vec(status, 0..4).prop_map(Value::Array),
    ]
}

fn spec_list() -> impl Strategy<Value = Value> {
    let probe = || select(vec![Value::Null, json!({"exec": {}})]);
    let policy = text(&["Always", "OnFailure", "Never"]);
    let container = (
        select(vec!["a", "b", "c"]),
        policy,
        probe(),
        probe(),
        probe(),
    )
        .prop_map(|(name, policy, startup, readiness, liveness)| {
            json!({"name": name, "restartPolicy": policy, "startupProbe": startup,
                "readinessProbe": readiness, "livenessProbe": liveness})
        });
    prop::collection::vec(container, 0..3).prop_map(Value::Array)
}

fn conditions() -> impl Strategy<Value = Value> {
    let kinds = &[
        "Ready",
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "gate.example/x",
    ];
    let condition = (text(kinds), text(&["True", "False", "Unknown"]), text(REASONS), time())
        .prop_map(|(kind, status, reason, since)| {
            json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": since})
        });
    prop::collection::vec(condition, 0..4).prop_map(Value::Array)
}

/// Pods as no kubelet would write them, but as the types of the API allow.
fn any_pod() -> impl Strategy<Value = Value> {
    let phases = &["Pending", "Running", "Succeeded", "Failed", "Unknown"];
    let meta = ("[a-z]{1,8}", time(), time(), text(&["Job", "ReplicaSet"]));
    let spec = (
        spec_list(),
        spec_list(),
        text(&["Always", "OnFailure", "Never"]),
    );
    let status = (
        text(phases),
        text(REASONS),
        conditions(),
        status_list(),
        status_list(),
    );
    (meta, spec, status).prop_map(
        |(
            (name, created, deleted, owner),
            (containers, init, policy),
            (phase, reason, conditions, statuses, init_statuses),
        )| {
            json!({
                "kind": "Pod",
                "metadata": {"name": name, "creationTimestamp": created,
                    "deletionTimestamp": deleted,
                    "ownerReferences": [{"kind": owner, "name": "x"}]},
                "spec": {"containers": containers, "initContainers": init,
                    "restartPolicy": policy},
                "status": {"phase": phase, "reason": reason, "conditions": conditions,
                    "containerStatuses": statuses, "initContainerStatuses": init_statuses}
            })
        },
    )
}

/// The same object with fields that do not exist in it, at every level.
fn with_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // The members of a container state are a union: a new one there means something.
            let is_state = ["waiting", "running", "terminated", "hibernated"]
                .iter()
                .any(|m| map.contains_key(*m));
            map.values_mut().for_each(with_unknown_fields);
            if !is_state && !map.is_empty() {
                map.insert("zzFuture".to_owned(), json!({"deep": [1, {"x": null}]}));
                map.insert("aaFuture".to_owned(), json!("text"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_unknown_fields),
        _ => {}
    }
}

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for read in [PodSnapshot::from_slice, PodSnapshot::from_json, PodSnapshot::from_yaml] {
            if let Err(error) = read(&bytes) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_cut_list_is_refused(end in 0..fixture().len()) {
        let error = PodSnapshot::from_slice(&fixture()[..end]).unwrap_err();
        if let Some(offset) = error.byte_offset() {
            prop_assert!(offset <= end as u64);
        }
    }

    #[test]
    fn a_changed_list_is_read_or_refused(
        changes in prop::collection::vec((0..fixture().len(), any::<u8>()), 1..4),
    ) {
        let mut bytes = fixture().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(snapshot) = PodSnapshot::from_slice(&bytes) {
            Report::new(snapshot.pods(), now());
        }
    }

    #[test]
    fn a_changed_yaml_is_read_or_refused(
        changes in prop::collection::vec((0..yaml_fixture().len(), any::<u8>()), 1..4),
    ) {
        let mut bytes = yaml_fixture().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(snapshot) = PodSnapshot::from_slice(&bytes) {
            Report::new(snapshot.pods(), now());
        }
    }

    #[test]
    fn every_pod_gets_a_verdict_with_evidence(pod in any_pod()) {
        let pod = read(&pod);
        let verdict = diagnose(&pod, now());
        prop_assert!(!verdict.primary().is_history());
        prop_assert!(!verdict.summary().is_empty());
        for finding in verdict.findings() {
            prop_assert!(finding.evidence().all(|e| !e.field().is_empty()));
        }
        let others: Vec<Condition> = verdict.findings().skip(1).map(|f| f.condition()).collect();
        prop_assert!(others.is_sorted(), "{verdict:#}");
        prop_assert_eq!(&verdict, &diagnose(&pod, now()));
        ProbeMatrix::of_pod(&pod, now(), &Thresholds::default());
    }

    #[test]
    fn healthy_means_that_every_container_with_work_runs_and_is_ready(pod in any_pod()) {
        let pod = read(&pod);
        if diagnose(&pod, now()).condition() == Condition::Healthy {
            prop_assert!(pod.deletion().is_none());
            let mut working = pod.serving_containers().filter(|c| !c.is_done());
            prop_assert!(working.all(|c| c.state().is_running() && c.ready()));
        }
    }

    #[test]
    fn unknown_fields_change_nothing(pod in any_pod()) {
        let mut extended = pod.clone();
        with_unknown_fields(&mut extended);
        prop_assert_eq!(read(&pod), read(&extended));
    }

    #[test]
    fn the_order_of_items_changes_no_verdict_and_counts_add_up(
        pods in prop::collection::vec(any_pod(), 0..8).prop_shuffle(),
    ) {
        let snapshot = |pods: &[Value]| {
            let list = json!({"kind": "List", "items": pods});
            PodSnapshot::from_json(&serde_json::to_vec(&list).unwrap()).unwrap()
        };
        let forward = snapshot(&pods);
        let reversed: Vec<Value> = pods.iter().rev().cloned().collect();
        let backward = snapshot(&reversed);
        let mut mirrored = backward.pods().to_vec();
        mirrored.reverse();
        prop_assert_eq!(forward.pods(), &mirrored[..]);
        let one = Report::new(forward.pods(), now());
        let two = Report::new(backward.pods(), now());
        prop_assert_eq!(one.to_string(), two.to_string());
        prop_assert_eq!(one.counts().map(|(_, count)| count).sum::<usize>(), pods.len());
        let sick = one.entries().iter().filter(|entry| entry.verdict().is_sick()).count();
        prop_assert_eq!(one.sick().count(), sick);
    }

    #[test]
    #[cfg(feature = "yaml")]
    fn yaml_is_read_as_json_is(pod in any_pod()) {
        // JSON is YAML, so the same bytes go through the other parser.
        let bytes = serde_json::to_vec(&pod).unwrap();
        let yaml = PodSnapshot::from_yaml(&bytes);
        prop_assert_eq!(yaml.unwrap(), PodSnapshot::from_json(&bytes).unwrap());
    }
}
