//! Each condition, and the healthy or merely similar pod next to it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use opsbox_heal::{Condition, Confidence};
use serde_json::{Value, json};

#[test]
fn healthy() {
    let verdict = expect(&running(app(json!({}))), Condition::Healthy);
    assert!(!verdict.is_sick());
    assert_eq!(verdict.findings().count(), 1);
    let evidence = verdict.primary().evidence().next().unwrap();
    assert_eq!(
        evidence.field(),
        r#"status.conditions[?(@.type=="Ready")].status"#
    );
    assert_eq!(evidence.value(), "True");
    assert_eq!(evidence.since().unwrap().to_string(), ago(HOUR));
    assert_eq!(
        verdict.to_string(),
        "Healthy (high confidence): running and ready"
    );
}

#[test]
fn healthy_without_conditions_is_less_sure() {
    let pod = pod(
        json!({}),
        json!({"phase": "Running", "containerStatuses": [app(json!({}))]}),
    );
    assert_eq!(
        expect(&pod, Condition::Healthy).confidence(),
        Confidence::Medium
    );
}

#[test]
fn running_with_nothing_else_said_is_not_guessed() {
    let pod = pod(json!({"containers": []}), json!({"phase": "Running"}));
    assert_eq!(
        expect(&pod, Condition::Unrecognized).confidence(),
        Confidence::Low
    );
}

#[test]
fn crash_loop_in_back_off() {
    let verdict = expect(
        &running(app(json!({
            "ready": false, "restartCount": 12, "state": waiting("CrashLoopBackOff"),
            "lastState": ended(1, "Error", 90, 3)
        }))),
        Condition::CrashLoopBackOff,
    );
    assert_eq!(verdict.confidence(), Confidence::High);
    assert_eq!(
        verdict.summary(),
        "container app ends again and again: 12 restarts, last with exit code 1 (Error)"
    );
    let fields: Vec<&str> = verdict.primary().evidence().map(|e| e.field()).collect();
    assert_eq!(
        fields,
        [
            "status.containerStatuses[0].state.waiting.reason",
            "status.containerStatuses[0].restartCount",
            "status.containerStatuses[0].lastState.terminated.exitCode",
        ]
    );
}

fn between_back_offs(restarts: u32, started: i64, last_end: i64, last_length: i64) -> Value {
    running(app(json!({
        "restartCount": restarts, "state": {"running": {"startedAt": ago(started)}},
        "lastState": ended(1, "Error", last_end, last_length)
    })))
}

#[test]
fn crash_loop_in_the_moment_in_which_it_runs() {
    let verdict = expect(
        &between_back_offs(9, 20, 320, 15),
        Condition::CrashLoopBackOff,
    );
    assert_eq!(verdict.confidence(), Confidence::Medium);
}

#[test]
fn crash_loop_look_alikes() {
    // Too few restarts.
    expect(&between_back_offs(2, 20, 320, 15), Condition::Healthy);
    // Recovered: this run has outlasted the kubelet's back-off.
    expect(
        &between_back_offs(9, 11 * MINUTE, 16 * MINUTE, 15),
        Condition::Healthy,
    );
    // A restart after a long run, for the ninth time in the life of the pod.
    expect(&between_back_offs(9, 20, 25, 30 * HOUR), Condition::Healthy);
}

#[test]
fn crash_loop_just_ended_once_more() {
    let ended_again = |restarts: u32, code: i64| {
        running(app(json!({
            "ready": false, "restartCount": restarts, "state": ended(code, "Error", 2, 5)
        })))
    };
    expect(&ended_again(5, 3), Condition::CrashLoopBackOff);
    expect(&ended_again(0, 3), Condition::Starting);
}

#[test]
fn crash_loop_of_an_init_container() {
    let status = json!({
        "phase": "Pending",
        "initContainerStatuses": [{
            "name": "migrate", "restartCount": 4, "state": waiting("CrashLoopBackOff")
        }],
        "containerStatuses": [app(json!({"ready": false, "state": waiting("PodInitializing")}))]
    });
    let pod = pod(json!({"initContainers": [{"name": "migrate"}]}), status);
    let verdict = expect(&pod, Condition::CrashLoopBackOff);
    assert!(
        verdict.summary().starts_with("init container migrate "),
        "{verdict}"
    );
    let field = verdict
        .primary()
        .evidence()
        .next()
        .unwrap()
        .field()
        .to_owned();
    assert_eq!(
        field,
        "status.initContainerStatuses[0].state.waiting.reason"
    );
}

fn with_sidecar(sidecar: Value, app_status: Value) -> Value {
    let mut pod = running(app_status);
    pod["spec"]["initContainers"] =
        json!([{"name": "proxy", "restartPolicy": "Always", "readinessProbe": {}}]);
    pod["status"]["initContainerStatuses"] = json!([sidecar]);
    pod
}

#[test]
fn sidecars_count() {
    let proxy = |change: Value| {
        let mut status = app(json!({"name": "proxy"}));
        merge(&mut status, change);
        status
    };
    expect(
        &with_sidecar(proxy(json!({})), app(json!({}))),
        Condition::Healthy,
    );
    let looping = proxy(json!({"ready": false, "restartCount": 8,
        "state": waiting("CrashLoopBackOff")}));
    let verdict = expect(
        &with_sidecar(looping, app(json!({}))),
        Condition::CrashLoopBackOff,
    );
    assert!(verdict.summary().starts_with("sidecar proxy "), "{verdict}");
    let unready = proxy(json!({"ready": false}));
    expect(&with_sidecar(unready, app(json!({}))), Condition::NotReady);
}

#[test]
fn a_debug_container_never_counts() {
    let mut pod = running(app(json!({})));
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug"}]);
    pod["status"]["ephemeralContainerStatuses"] =
        json!([{"name": "debug", "state": ended(137, "OOMKilled", 5, 5)}]);
    expect(&pod, Condition::Healthy);
}

#[test]
fn image_pull() {
    let pulling = |reason: &str| {
        let mut pod = running(app(json!({"ready": false, "state": waiting(reason)})));
        pod["status"]["phase"] = json!("Pending");
        pod
    };
    for reason in ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"] {
        let verdict = expect(&pulling(reason), Condition::ImagePullBackOff);
        assert_eq!(verdict.confidence(), Confidence::High);
        assert_eq!(verdict.primary().evidence().next().unwrap().value(), reason);
    }
    let first = expect(&pulling("ErrImagePull"), Condition::ImagePullBackOff);
    assert_eq!(first.confidence(), Confidence::Medium);
    expect(&pulling("ContainerCreating"), Condition::StuckStarting);
    expect(
        &pulling("CreateContainerConfigError"),
        Condition::ContainerConfigError,
    );
    expect(
        &pulling("RunContainerError"),
        Condition::ContainerConfigError,
    );
}

#[test]
fn the_summary_of_an_image_pull_ends_with_the_cause() {
    let mut pod = running(app(json!({"ready": false, "state": {"waiting": {
        "reason": "ImagePullBackOff",
        "message": "Back-off pulling image \"web:1\": ErrImagePull: rpc error: web:1: not found"
    }}})));
    let verdict = expect(&pod, Condition::ImagePullBackOff);
    assert_eq!(
        verdict.summary(),
        "container app cannot get image web:1: not found"
    );
    let message = &mut pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
    *message = json!("Back-off pulling image \"web:1\"");
    let verdict = expect(&pod, Condition::ImagePullBackOff);
    assert_eq!(verdict.summary(), "container app cannot get image web:1");
    assert_eq!(
        verdict.primary().evidence().count(),
        2,
        "the message is evidence all the same"
    );
}

#[test]
fn oom_kill_and_what_only_looks_like_it() {
    let down = app(json!({
        "ready": false, "restartCount": 5, "state": waiting("CrashLoopBackOff"),
        "lastState": ended(137, "OOMKilled", 60, 60)
    }));
    let verdict = expect(&running(down), Condition::OomKilled);
    assert!(
        verdict.finding(Condition::CrashLoopBackOff).is_some(),
        "the effect is kept too"
    );
    // Killed by SIGKILL for another reason.
    let killed = app(json!({"restartCount": 1, "lastState": ended(137, "Error", 60, 3000)}));
    expect(&running(killed), Condition::Healthy);
}

#[test]
fn oom_kill_becomes_history() {
    let back = |end: i64| {
        running(app(
            json!({"restartCount": 1, "lastState": ended(137, "OOMKilled", end, HOUR)}),
        ))
    };
    let recent = expect(&back(20 * MINUTE), Condition::OomKilled);
    assert_eq!(recent.confidence(), Confidence::Medium);
    let later = expect(&back(3 * HOUR), Condition::Healthy);
    let note = later.finding(Condition::OomKilled).unwrap();
    assert!(note.is_history());
    assert_eq!(note.confidence(), Confidence::Low);
}

#[test]
fn oom_kill_explains_a_failed_pod() {
    let status = json!({"phase": "Failed",
        "containerStatuses": [app(json!({"state": ended(137, "OOMKilled", 60, 60)}))]});
    let verdict = expect(
        &pod(json!({"restartPolicy": "Never"}), status),
        Condition::OomKilled,
    );
    assert!(verdict.finding(Condition::Failed).is_some());
}

#[test]
fn failed() {
    let refused = json!({"phase": "Failed", "reason": "OutOfcpu",
        "message": "Pod was rejected: Node didn't have enough resource: cpu "});
    let verdict = expect(&pod(json!({}), refused), Condition::Failed);
    assert_eq!(
        verdict.summary(),
        "OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu"
    );
    let by_code = json!({"phase": "Failed",
        "containerStatuses": [app(json!({"state": ended(2, "Error", 60, 60)}))]});
    let verdict = expect(
        &pod(json!({"restartPolicy": "Never"}), by_code),
        Condition::Failed,
    );
    assert_eq!(
        verdict.summary(),
        "container app ended with exit code 2 (Error)"
    );
    // What a living pod would suffer from is not looked for in a dead one.
    let stale = json!({"phase": "Failed",
        "containerStatuses": [app(json!({"state": waiting("CrashLoopBackOff")}))]});
    let verdict = expect(&pod(json!({}), stale), Condition::Failed);
    assert_eq!(verdict.findings().count(), 1);
}

fn two_of_a_job(main: Value) -> Value {
    let status = running_status(
        false,
        json!([
            {"name": "main", "state": main},
            app(json!({"name": "proxy"}))
        ]),
    );
    let spec = json!({"restartPolicy": "Never",
        "containers": [{"name": "main"}, {"name": "proxy"}]});
    let mut pod = pod(spec, status);
    pod["metadata"]["ownerReferences"] =
        json!([{"kind": "Job", "name": "resize", "controller": true}]);
    pod
}

#[test]
fn a_job_whose_helper_runs_on() {
    let verdict = expect(
        &two_of_a_job(ended(0, "Completed", 300, 60)),
        Condition::Completed,
    );
    assert_eq!(verdict.confidence(), Confidence::Low);
    assert_eq!(
        verdict.summary(),
        "container main ended well 5m ago; the pod cannot succeed while container proxy still runs"
    );
    let verdict = expect(&two_of_a_job(ended(1, "Error", 300, 60)), Condition::Failed);
    assert_eq!(verdict.confidence(), Confidence::Medium);
    // The same containers without a Job: one is done by design.
    let mut bare = two_of_a_job(ended(0, "Completed", 300, 60));
    bare["metadata"]["ownerReferences"] = json!([]);
    expect(&bare, Condition::Healthy);
}

#[test]
fn succeeded() {
    expect(
        &pod(json!({}), json!({"phase": "Succeeded"})),
        Condition::Completed,
    );
}

#[test]
fn unknown() {
    let lost = json!({"phase": "Unknown"});
    expect(&pod(json!({}), lost), Condition::Unknown);
    let lost = json!({"phase": "Running", "reason": "NodeLost"});
    let verdict = expect(&pod(json!({}), lost), Condition::Unknown);
    assert_eq!(
        verdict.primary().evidence().next().unwrap().field(),
        "status.reason"
    );
    let mut pod = running(app(json!({})));
    pod["status"]["conditions"][0]["status"] = json!("Unknown");
    assert_eq!(
        expect(&pod, Condition::Unknown).confidence(),
        Confidence::Medium
    );
}

#[test]
fn what_is_new_is_left_to_a_human() {
    let phase = json!({"phase": "Hibernating"});
    let verdict = expect(&pod(json!({}), phase), Condition::Unrecognized);
    assert!(verdict.summary().contains("\"Hibernating\""), "{verdict}");
    expect(&pod(json!({}), json!({})), Condition::Unrecognized);
    let state = app(json!({"ready": false, "state": {"suspended": {"since": "x"}}}));
    let verdict = expect(&running(state), Condition::Unrecognized);
    assert!(verdict.summary().contains("\"suspended\""), "{verdict}");
    let reason = app(json!({"ready": false, "state": waiting("CheckpointRestoring")}));
    expect(&running(reason), Condition::Unrecognized);
    // An empty state is documented: it waits.
    let empty = app(json!({"ready": false, "state": {}}));
    expect(&running(empty), Condition::StuckStarting);
}

#[test]
fn two_sick_containers_are_one_finding_with_the_evidence_of_both() {
    let bad = |name: &str| {
        app(json!({"name": name, "ready": false, "restartCount": 4,
            "state": waiting("CrashLoopBackOff")}))
    };
    let pod = pod(
        json!({"containers": [{"name": "b"}, {"name": "a"}]}),
        running_status(false, json!([bad("a"), bad("b")])),
    );
    let verdict = expect(&pod, Condition::CrashLoopBackOff);
    // The kubelet sorts statuses, so the first container of the spec has the second status.
    assert!(verdict.summary().starts_with("container b "), "{verdict}");
    let fields: Vec<&str> = verdict.primary().evidence().map(|e| e.field()).collect();
    assert_eq!(fields.len(), 4);
    assert_eq!(
        fields[0],
        "status.containerStatuses[1].state.waiting.reason"
    );
    assert_eq!(
        fields[2],
        "status.containerStatuses[0].state.waiting.reason"
    );
}
