//! What is kept of a pod beside its health, from JSON and YAML alike.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use opsbox_heal::{Cause, Condition, PodSnapshot, PodState, VolumeKind};
use serde_json::{Value, json};

/// The pod as read from JSON; it is the same from YAML.
fn both(value: &Value) -> PodState {
    let pod = read(value);
    if cfg!(feature = "yaml") {
        let yaml = PodSnapshot::from_yaml(serde_json::to_string(value).unwrap().as_bytes());
        assert_eq!(yaml.unwrap().pods(), std::slice::from_ref(&pod));
    }
    pod
}

fn with_metadata(change: Value) -> PodState {
    let mut pod = running(app(json!({})));
    merge(&mut pod["metadata"], change);
    both(&pod)
}

fn with_spec(change: Value) -> PodState {
    let mut pod = running(app(json!({})));
    merge(&mut pod["spec"], change);
    both(&pod)
}

fn owned_by(kind: &str, name: &str, labels: Value) -> PodState {
    with_metadata(json!({
        "ownerReferences": [{"kind": kind, "name": name, "uid": "1", "controller": true}],
        "labels": labels
    }))
}

#[test]
fn identity() {
    let pod = with_metadata(json!({"name": "grün-1", "uid": "é-0b0e", "resourceVersion": "12345"}));
    assert_eq!(
        [pod.name(), pod.uid(), pod.resource_version()],
        ["grün-1", "é-0b0e", "12345"]
    );
    let pod = with_metadata(json!({"uid": null, "resourceVersion": ""}));
    assert_eq!(
        [pod.name(), pod.uid(), pod.resource_version()],
        ["web-1", "", ""]
    );
    let same_text_cut_elsewhere = with_metadata(json!({"uid": "ab", "resourceVersion": "c"}));
    let other = with_metadata(json!({"uid": "a", "resourceVersion": "bc"}));
    assert_ne!(same_text_cut_elsewhere, other);
}

#[test]
fn labels() {
    let pod = with_metadata(json!({"labels": {"app": "web", "empty": "", "tier": "front"}}));
    assert_eq!(
        pod.labels().collect::<Vec<_>>(),
        [("app", "web"), ("empty", ""), ("tier", "front")]
    );
    assert_eq!(pod.label("tier"), Some("front"));
    assert_eq!(pod.label("empty"), Some(""));
    assert_eq!(pod.label("web"), None);
    for none in [json!({}), json!(null)] {
        assert_eq!(with_metadata(json!({"labels": none})).labels().count(), 0);
    }
    assert!(format!("{pod:?}").contains(r#"{"app": "web", "empty": "", "tier": "front"}"#));
}

#[test]
fn a_label_with_a_nul_is_a_problem_of_that_item_only() {
    let list = json!({"kind": "List", "items": [
        {"kind": "Pod", "metadata": {"name": "odd", "labels": {"a\0b": "c"}}},
        {"kind": "Pod", "metadata": {"name": "good", "labels": {"a": "b"}}}
    ]});
    let snapshot = PodSnapshot::from_json(list.to_string().as_bytes()).unwrap();
    assert_eq!(snapshot.pods()[0].name(), "good");
    assert_eq!(
        snapshot.problems()[0].reason(),
        "a label with a NUL character, which the API does not have"
    );
}

#[test]
fn volumes() {
    let pod = with_spec(json!({
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "huge", "emptyDir": {"medium": "HugePages-2Mi"}},
            {"name": "logs", "hostPath": {"path": "/var/log", "type": "Directory"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}},
            {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "conf", "configMap": {"name": "web-conf", "items": [{"key": "a", "path": "b"}]}},
            {"name": "tls", "secret": {"secretName": "web-tls", "items": [{"key": "a", "path": "b"}]}},
            {"name": "kube-api-access-x", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt"}}
            ]}},
            {"name": "both", "projected": {"sources": [
                {"configMap": {"name": "shared"}}, {"secret": {"name": "web-tls"}}, {"downwardAPI": {}}
            ]}},
            {"name": "nfs", "nfs": {"server": "nfs", "path": "/"}},
            {"name": "null", "emptyDir": null}
        ],
        "containers": [{
            "name": "app", "image": "web:1",
            "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "env"}}],
            "env": [
                {"name": "PLAIN", "value": "x"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "token", "key": "a"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "token", "key": "b"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "web-conf", "key": "c"}}}
            ]
        }],
        "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "init"}}]}]
    }));
    let shown: Vec<String> = pod.volumes().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "EmptyDir scratch",
            "EmptyDirMemory shm",
            "EmptyDirMemory huge",
            "HostPath /var/log",
            "PersistentVolumeClaim data-web-1",
            "Ephemeral tmp",
            "ConfigMap web-conf",
            "Secret web-tls",
            "ConfigMap shared",
            "ConfigMap env",
            "Secret env",
            "Secret token",
            "Secret init",
        ]
    );
    assert_eq!(pod.volumes()[4].kind(), VolumeKind::PersistentVolumeClaim);
    assert_eq!(pod.volumes()[4].source(), "data-web-1");
    assert!(pod.has_local_data());
    let volume = |volume: Value| with_spec(json!({"volumes": [volume]})).has_local_data();
    assert!(volume(json!({"name": "a", "emptyDir": {}})));
    assert!(volume(json!({"name": "a", "hostPath": {"path": "/x"}})));
    assert!(!volume(
        json!({"name": "a", "emptyDir": {"medium": "Memory"}})
    ));
    assert!(!volume(
        json!({"name": "a", "persistentVolumeClaim": {"claimName": "c"}})
    ));
    assert!(!with_spec(json!({})).has_local_data());
}

#[test]
fn what_pods_have_in_common_is_kept_once() {
    let item = |name: &str| {
        json!({"kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"volumes": [{"name": "conf", "configMap": {"name": "conf"}}]}})
    };
    let list = json!({"kind": "List", "items": [item("a"), item("b")]});
    let snapshot = PodSnapshot::from_json(list.to_string().as_bytes()).unwrap();
    let [a, b] = snapshot.pods() else {
        panic!("two pods")
    };
    assert!(std::ptr::eq(a.volumes(), b.volumes()));
    assert!(std::ptr::eq(
        a.label("app").unwrap(),
        b.label("app").unwrap()
    ));
}

#[test]
fn marks() {
    let marked = |key: &str, value: &str| with_metadata(json!({"annotations": {key: value}}));
    let mirror = marked("kubernetes.io/config.mirror", "3f9c");
    assert!(mirror.is_mirror() && mirror.is_static());
    let source = |source: &str| {
        let pod = marked("kubernetes.io/config.source", source);
        (pod.is_mirror(), pod.is_static())
    };
    assert_eq!(source("file"), (false, true));
    assert_eq!(source("api"), (false, false));
    let safe = |value: &str| {
        marked("cluster-autoscaler.kubernetes.io/safe-to-evict", value).safe_to_evict()
    };
    assert_eq!(
        [safe("true"), safe("false"), safe("maybe")],
        [Some(true), Some(false), None]
    );
    assert!(marked("karpenter.sh/do-not-disrupt", "true").do_not_disrupt());
    assert!(!marked("karpenter.sh/do-not-disrupt", "false").do_not_disrupt());
    let other = marked("kubectl.kubernetes.io/restartedAt", "2026-01-01T00:00:00Z");
    let plain = with_metadata(json!({"annotations": null}));
    for pod in [other, plain] {
        assert!(!pod.is_mirror() && !pod.is_static() && !pod.do_not_disrupt());
        assert_eq!(pod.safe_to_evict(), None);
    }
}

#[test]
fn workload_and_revision() {
    let shown = |pod: &PodState| {
        (
            pod.workload().to_string(),
            pod.revision().map(str::to_owned),
        )
    };
    let hash = json!({"pod-template-hash": "7d9f5c6b8d"});
    let of = |kind: &str, name: &str, labels: &Value| shown(&owned_by(kind, name, labels.clone()));
    let revision = Some("7d9f5c6b8d".to_owned());
    assert_eq!(
        of("ReplicaSet", "web-7d9f5c6b8d", &hash),
        ("Deployment/web".to_owned(), revision.clone())
    );
    // Made by hand: its name does not end in the hash.
    assert_eq!(
        of("ReplicaSet", "web", &json!({})),
        ("ReplicaSet/web".to_owned(), None)
    );
    assert_eq!(
        of("ReplicaSet", "7d9f5c6b8d", &hash).0,
        "ReplicaSet/7d9f5c6b8d"
    );
    assert_eq!(
        of("ReplicaSet", "-7d9f5c6b8d", &hash).0,
        "ReplicaSet/-7d9f5c6b8d"
    );
    assert_eq!(
        of("ReplicaSet", "web-", &json!({"pod-template-hash": ""})),
        ("ReplicaSet/web-".to_owned(), None)
    );
    // Of another kind the same name means nothing.
    assert_eq!(
        of("Rollout", "web-7d9f5c6b8d", &hash),
        ("Rollout/web-7d9f5c6b8d".to_owned(), revision)
    );
    assert_eq!(
        of(
            "StatefulSet",
            "db",
            &json!({"controller-revision-hash": "db-5c8"})
        ),
        ("StatefulSet/db".to_owned(), Some("db-5c8".to_owned()))
    );
    let bare = with_metadata(json!({}));
    assert_eq!(shown(&bare), ("Pod/web-1".to_owned(), None));
    assert_eq!(
        (bare.workload().kind(), bare.workload().name()),
        ("Pod", "web-1")
    );
}

#[test]
fn every_condition_and_cause_is_listed_once_by_its_name() {
    let mut last = None;
    for condition in Condition::ALL {
        assert!(Some(condition) > last, "{condition} in order of precedence");
        last = Some(condition);
    }
    let mut names: Vec<&str> = Condition::ALL.map(Condition::as_str).to_vec();
    names.extend(Cause::ALL.map(Cause::as_str));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for cause in Cause::ALL {
        assert!(Condition::ALL.contains(&cause.condition()));
        assert_eq!(cause.to_string(), cause.as_str());
    }
}
