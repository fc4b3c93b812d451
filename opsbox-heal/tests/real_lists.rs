//! Lists that a real API server gave; see `data/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::data;
use opsbox_heal::{
    Condition, ContainerKind, JointState, PodSnapshot, PodState, ProbeMatrix, Report, Thresholds,
    Timestamp, diagnose,
};

fn now() -> Timestamp {
    "2026-11-23T19:09:07Z".parse().unwrap()
}

fn snapshot(name: &str) -> PodSnapshot {
    PodSnapshot::from_path(data(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn pod<'s>(snapshot: &'s PodSnapshot, name: &str) -> &'s PodState {
    snapshot
        .pods()
        .iter()
        .find(|pod| pod.name() == name)
        .unwrap()
}

/// Written down by hand from what `data/make.py` asked for.
const EXPECTED: [(&str, Condition); 25] = [
    ("web-6d4cf56db6-k2x8p", Condition::Healthy),
    ("web-6d4cf56db6-zz7qd", Condition::Healthy),
    ("stock-55d8-b2", Condition::Healthy),
    ("cart-7c5ddbdf54-x1", Condition::CrashLoopBackOff),
    ("checkout-5b9c-aa", Condition::CrashLoopBackOff),
    ("session-0", Condition::LivenessFailing),
    ("router-init", Condition::CrashLoopBackOff),
    ("search-66f7-c9", Condition::OomKilled),
    ("import-28117-w2", Condition::OomKilled),
    ("prices-58d6-m4", Condition::ImagePullBackOff),
    ("prices-canary", Condition::ImagePullBackOff),
    ("mail-7f64-t8", Condition::ContainerConfigError),
    ("reviews-9c8-p1", Condition::NotReady),
    ("backup-28117-x5", Condition::Completed),
    ("resize-28117-v3", Condition::Completed),
    ("export-28117-q7", Condition::Failed),
    ("cache-evicted", Condition::Evicted),
    ("train-gpu-0", Condition::Unschedulable),
    ("train-gpu-1", Condition::Starting),
    ("gateway-lost", Condition::Unknown),
    ("relay-stuck", Condition::StuckTerminating),
    ("relay-silent", Condition::StuckTerminating),
    ("relay-draining", Condition::Terminating),
    ("dns-new", Condition::Starting),
    ("dns-old", Condition::StuckStarting),
];

#[test]
fn verdicts() {
    let snapshot = snapshot("pods.json");
    assert_eq!(snapshot.pods().len(), EXPECTED.len());
    for (name, condition) in EXPECTED {
        let verdict = diagnose(pod(&snapshot, name), now());
        assert_eq!(verdict.condition(), condition, "{name}: {verdict:#}");
    }
}

#[test]
fn the_same_pods_whatever_the_kind_and_format() {
    let list = snapshot("pods.json");
    assert_eq!(list.skipped_count(), 0);
    assert_eq!(snapshot("pod-list.json"), list);
    #[cfg(feature = "yaml")]
    {
        assert_eq!(snapshot("pods.yaml"), list);
        let one = snapshot("pod.yaml");
        assert_eq!(one.pods(), [pod(&list, "session-0").clone()]);
    }
}

#[test]
fn other_kinds_are_counted_and_named() {
    let mixed = snapshot("all.json");
    let first = &mixed.skipped()[0];
    assert_eq!(mixed.skipped_count(), 2);
    assert_eq!(
        (first.index(), first.kind(), first.namespace()),
        (0, "ReplicaSet", "shop")
    );
    assert_eq!(first.name(), "cart-7c5ddbdf54");
    let alone = snapshot("pods.json");
    let in_shop = alone.pods().iter().filter(|pod| pod.namespace() == "shop");
    assert_eq!(mixed.pods(), in_shop.cloned().collect::<Vec<_>>());
}

#[test]
fn fields() {
    let snapshot = snapshot("pods.json");
    let web = pod(&snapshot, "web-6d4cf56db6-k2x8p");
    let owner = web.owner().unwrap();
    assert_eq!(owner.to_string(), "ReplicaSet/web-6d4cf56db6");
    assert!(owner.is_controller() && !owner.uid().is_empty() && !web.uid().is_empty());
    assert_eq!(web.node(), Some("node-a"));
    assert_eq!(web.to_string(), "shop/web-6d4cf56db6-k2x8p");
    assert_eq!(web.conditions().len(), 4);
    let router = pod(&snapshot, "router-init");
    let kinds: Vec<_> = router.containers().iter().map(|c| c.kind()).collect();
    assert_eq!(kinds, [ContainerKind::Regular, ContainerKind::Init]);
    // Asked for with a grace period of four hours, which the server has added already.
    let draining = pod(&snapshot, "relay-draining").deletion().unwrap();
    assert_eq!(draining.grace_period_seconds(), Some(14_400));
    assert_eq!(draining.due().to_string(), "2026-11-23T21:09:08Z");
    let held = pod(&snapshot, "relay-stuck").deletion().unwrap();
    assert_eq!(
        held.finalizers().collect::<Vec<_>>(),
        ["relay.example/drain"]
    );
}

#[test]
fn a_liveness_probe_is_suspected() {
    let snapshot = snapshot("pods.json");
    let session = pod(&snapshot, "session-0");
    let matrix = ProbeMatrix::of_pod(session, now(), &Thresholds::default());
    assert_eq!(matrix.joint(), JointState::Restarting);
}

#[test]
fn the_report_adds_up_and_is_sorted() {
    let snapshot = snapshot("pods.json");
    let report = Report::new(snapshot.pods(), now());
    assert_eq!(report.total(), EXPECTED.len());
    assert_eq!(
        report.counts().map(|(_, count)| count).sum::<usize>(),
        report.total()
    );
    assert_eq!(
        report.to_string(),
        "25 pods: 2 StuckTerminating, 1 Terminating, 1 Unknown, 1 Evicted, 2 OOMKilled, 2 ImagePullBackOff, \
         1 ContainerConfigError, 3 CrashLoopBackOff, 1 LivenessFailing, 1 Failed, \
         1 Unschedulable, 1 NotReady, \
         1 StuckStarting, 2 Starting, 2 Completed, 3 Healthy"
    );
    let sick: Vec<&str> = report.sick().map(|entry| entry.pod().name()).collect();
    assert_eq!(sick.len(), 17);
    assert_eq!(sick[0], "gateway-lost");
    assert_eq!(sick.last(), Some(&"dns-old"));
}

#[cfg(feature = "yaml")]
#[test]
fn a_stream_of_yaml_documents() {
    let one = std::fs::read_to_string(data("pod.yaml")).unwrap();
    let service = "kind: Service\nmetadata:\n  name: web\n";
    let stream = format!("# saved by hand\n---\n{one}---\n{service}---\n{one}...\n");
    let snapshot = PodSnapshot::from_slice(stream.as_bytes()).unwrap();
    assert_eq!(snapshot.pods().len(), 2);
    assert_eq!(snapshot.pods()[0], snapshot.pods()[1]);
    assert_eq!(snapshot.skipped()[0].kind(), "Service");
    assert_eq!(snapshot.skipped()[0].index(), 1);
}

#[test]
fn a_byte_order_mark_and_white_space_do_not_matter() {
    let mut bytes = b"\xEF\xBB\xBF \r\n\t".to_vec();
    bytes.extend(std::fs::read(data("pods.json")).unwrap());
    assert_eq!(
        PodSnapshot::from_slice(&bytes).unwrap(),
        snapshot("pods.json")
    );
}

#[test]
fn a_list_of_nothing_has_no_pods() {
    for empty in [
        r#"{"apiVersion": "v1", "items": [], "kind": "List"}"#,
        r#"{"kind": "PodList", "items": null}"#,
        r#"{"kind": "PodList"}"#,
    ] {
        let snapshot = PodSnapshot::from_slice(empty.as_bytes()).unwrap();
        assert!(snapshot.pods().is_empty());
        assert_eq!(Report::new(snapshot.pods(), now()).to_string(), "0 pods");
    }
}
