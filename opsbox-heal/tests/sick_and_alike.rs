//! Conditions that are inferred from history and time, and the pods that only look like them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use opsbox_heal::{Condition, Confidence, Severity, Thresholds, diagnose_with};
use serde_json::{Value, json};

fn disruption(status: &str, reason: &str, message: &str) -> Value {
    json!({"type": "DisruptionTarget", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": ago(MINUTE)})
}

#[test]
fn evicted_by_the_kubelet() {
    let status = json!({"phase": "Failed", "reason": "Evicted",
        "message": "The node was low on resource: memory. ",
        "containerStatuses": [app(json!({"ready": false, "state": ended(137, "Error", 60, 60)}))]});
    let verdict = expect(&pod(json!({}), status), Condition::Evicted);
    assert_eq!(
        verdict.summary(),
        "evicted by the kubelet: The node was low on resource: memory."
    );
    assert_eq!(verdict.confidence(), Confidence::High);
    assert_eq!(verdict.findings().count(), 1, "and not Failed beside it");
    let fields: Vec<&str> = verdict.primary().evidence().map(|e| e.field()).collect();
    assert_eq!(fields, ["status.phase", "status.reason", "status.message"]);
}

#[test]
fn evicted_by_the_control_plane() {
    for (reason, message) in [
        (
            "PreemptionByScheduler",
            "default-scheduler: preempting to accommodate a higher priority pod",
        ),
        ("EvictionByEvictionAPI", "Eviction API: evicting"),
        (
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
        ),
        (
            "TerminationByKubelet",
            "Pod was terminated in response to imminent node shutdown.",
        ),
    ] {
        let status =
            json!({"phase": "Failed", "conditions": [disruption("True", reason, message)]});
        let verdict = expect(&pod(json!({}), status), Condition::Evicted);
        assert_eq!(
            verdict.summary(),
            format!("evicted ({reason}): {message}"),
            "{verdict}"
        );
    }
}

#[test]
fn a_disruption_that_has_not_ended_the_pod_is_a_note() {
    let with = |status: &str| {
        let mut pod = running(app(json!({})));
        let condition = disruption(status, "EvictionByEvictionAPI", "Eviction API: evicting");
        let conditions = pod["status"]["conditions"].as_array_mut().unwrap();
        conditions.push(condition);
        pod
    };
    let verdict = expect(&with("True"), Condition::Healthy);
    assert!(verdict.finding(Condition::Evicted).unwrap().is_history());
    let verdict = expect(&with("False"), Condition::Healthy);
    assert!(verdict.finding(Condition::Evicted).is_none());
    let mut going = with("True");
    going["metadata"]["deletionTimestamp"] = json!(ago(-20));
    expect(&going, Condition::Terminating);
    // Ended well all the same.
    let mut done = with("True");
    done["status"]["phase"] = json!("Succeeded");
    assert!(
        expect(&done, Condition::Completed)
            .finding(Condition::Evicted)
            .is_none()
    );
    // A failure of its own, whose disruption was taken back.
    let mut failed = with("False");
    failed["status"]["phase"] = json!("Failed");
    expect(&failed, Condition::Failed);
}

fn with_probes(mut pod: Value, probes: &[&str]) -> Value {
    for probe in probes {
        pod["spec"]["containers"][0][format!("{probe}Probe")] = json!({"exec": {}});
    }
    pod
}

/// Up again a minute after it was killed for the `restarts`th time.
fn killed(restarts: u32, code: i64, length: i64) -> Value {
    running(app(json!({
        "restartCount": restarts, "state": {"running": {"startedAt": ago(MINUTE)}},
        "lastState": ended(code, "Error", MINUTE, length)
    })))
}

const LIVENESS: &[&str] = &["liveness"];

#[test]
fn liveness_restarts() {
    let verdict = expect(
        &with_probes(killed(7, 137, 90), LIVENESS),
        Condition::LivenessFailing,
    );
    assert_eq!(verdict.confidence(), Confidence::Medium);
    assert_eq!(verdict.severity(), Severity::Warning);
    assert_eq!(
        verdict.summary(),
        "container app was killed 60s ago, most likely because its liveness probe fails: 7 restarts"
    );
    let fields: Vec<&str> = verdict.primary().evidence().map(|e| e.field()).collect();
    assert_eq!(
        fields,
        [
            "status.containerStatuses[0].lastState.terminated.exitCode",
            "status.containerStatuses[0].restartCount"
        ]
    );
    // SIGTERM too, and every hour as well as every minute.
    expect(
        &with_probes(killed(2, 143, HOUR), LIVENESS),
        Condition::LivenessFailing,
    );
    // Ready or not.
    let mut unready = with_probes(killed(7, 137, 90), &["liveness", "readiness"]);
    unready["status"]["containerStatuses"][0]["ready"] = json!(false);
    expect(&unready, Condition::LivenessFailing);
}

#[test]
fn liveness_in_back_off_is_beside_the_loop() {
    let mut pod = with_probes(killed(9, 137, 90), LIVENESS);
    merge(
        &mut pod["status"]["containerStatuses"][0],
        json!({"ready": false, "started": false, "state": waiting("CrashLoopBackOff")}),
    );
    let verdict = expect(&pod, Condition::CrashLoopBackOff);
    assert!(verdict.finding(Condition::LivenessFailing).is_some());
    // With a startup probe either may be why.
    let verdict = expect(&with_probes(pod, &["startup"]), Condition::CrashLoopBackOff);
    assert!(verdict.finding(Condition::LivenessFailing).is_none());
}

#[test]
fn liveness_look_alikes() {
    // No such probe.
    expect(&killed(2, 137, 90), Condition::Healthy);
    // One restart may have any cause.
    expect(
        &with_probes(killed(1, 137, 90), LIVENESS),
        Condition::Healthy,
    );
    // It ended by itself, or for want of memory.
    expect(&with_probes(killed(2, 1, 90), LIVENESS), Condition::Healthy);
    let oom = running(app(
        json!({"restartCount": 7, "lastState": ended(137, "OOMKilled", 60, 90)}),
    ));
    let verdict = expect(&with_probes(oom, LIVENESS), Condition::OomKilled);
    assert!(verdict.finding(Condition::LivenessFailing).is_none());
    // Still starting: the startup probe is why.
    let mut starting = with_probes(killed(7, 137, 90), &["startup", "liveness"]);
    merge(
        &mut starting["status"]["containerStatuses"][0],
        json!({"ready": false, "started": false}),
    );
    assert!(
        verdict_of(&starting, Condition::LivenessFailing).is_none(),
        "killed by its startup probe"
    );
    // Killed once in a day is a note.
    let rare = expect(
        &with_probes(killed(7, 137, 24 * HOUR), LIVENESS),
        Condition::Healthy,
    );
    assert!(
        rare.finding(Condition::LivenessFailing)
            .unwrap()
            .is_history()
    );
    // A pod that is being deleted is killed for that.
    let mut deleted = with_probes(killed(7, 143, 90), LIVENESS);
    deleted["metadata"]["deletionTimestamp"] = json!(ago(-20));
    assert!(verdict_of(&deleted, Condition::LivenessFailing).is_none());
    // Long ago.
    let mut old = with_probes(killed(7, 137, 90), LIVENESS);
    merge(
        &mut old["status"]["containerStatuses"][0],
        json!({"state": {"running": {"startedAt": ago(HOUR)}},
            "lastState": ended(137, "Error", HOUR, 90)}),
    );
    expect(&old, Condition::Healthy);
}

fn verdict_of(pod: &Value, condition: Condition) -> Option<String> {
    verdict(pod).finding(condition).map(ToString::to_string)
}

#[test]
fn a_node_that_went_down_killed_all_containers_at_once() {
    let two = |second_end: i64| {
        let status = |name: &str, end: i64| {
            app(json!({"name": name, "restartCount": 4,
                "state": {"running": {"startedAt": ago(MINUTE)}},
                "lastState": ended(137, "Error", end, 2 * HOUR)}))
        };
        let container = |name: &str| json!({"name": name, "livenessProbe": {"exec": {}}});
        pod(
            json!({"containers": [container("a"), container("b")]}),
            running_status(true, json!([status("a", 120), status("b", second_end)])),
        )
    };
    expect(&two(121), Condition::Healthy);
    let verdict = expect(&two(320), Condition::LivenessFailing);
    assert_eq!(
        verdict.primary().evidence().count(),
        4,
        "both containers, each for itself"
    );
}

/// A pod that waits for the init container `wait`, after the init container `first`.
fn initializing(first: Value, started: i64) -> Value {
    let wait = json!({"name": "wait", "ready": false, "restartCount": 0,
        "state": {"running": {"startedAt": ago(started)}}});
    let mut pod = pod(
        json!({"initContainers": [{"name": "first"}, {"name": "wait"}, {"name": "proxy",
            "restartPolicy": "Always"}]}),
        json!({"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "True",
                "lastTransitionTime": ago(5 * HOUR)}],
            "initContainerStatuses": [{"name": "first", "state": first, "restartCount": 0}, wait],
            "containerStatuses": [app(json!({"ready": false, "started": false,
                "state": waiting("PodInitializing")}))]}),
    );
    pod["metadata"]["creationTimestamp"] = json!(ago(5 * HOUR));
    pod
}

#[test]
fn an_init_container_that_does_not_end() {
    let done = || ended(0, "Completed", 4 * HOUR, 5);
    let verdict = expect(&initializing(done(), 2 * HOUR), Condition::InitStuck);
    assert_eq!(
        verdict.summary(),
        "init container wait has run for 2h and has not ended, and the pod waits for it"
    );
    assert_eq!(verdict.confidence(), Confidence::Medium);
    let evidence = verdict.primary().evidence().next().unwrap();
    assert_eq!(
        evidence.field(),
        "status.initContainerStatuses[1].state.running.startedAt"
    );
    // A migration may take its time: longer than a start may stand still.
    expect(&initializing(done(), 20 * MINUTE), Condition::Starting);
    // Between two init containers.
    let mut between = initializing(done(), HOUR);
    between["status"]["initContainerStatuses"][1]["state"] = waiting("PodInitializing");
    between["status"]["initContainerStatuses"][0]["state"] = ended(0, "Completed", 2, 5 * HOUR);
    expect(&between, Condition::Starting);
    // It failed before: that is another story.
    let mut failed = initializing(done(), 2 * HOUR);
    merge(
        &mut failed["status"]["initContainerStatuses"][1],
        json!({"restartCount": 1, "lastState": ended(1, "Error", 2 * HOUR, 9)}),
    );
    expect(&failed, Condition::StuckStarting);
    // A sidecar runs for as long as the pod does.
    let mut sidecar = initializing(done(), 30);
    let statuses = sidecar["status"]["initContainerStatuses"]
        .as_array_mut()
        .unwrap();
    statuses.push(
        json!({"name": "proxy", "ready": true, "started": true, "restartCount": 0,
        "state": {"running": {"startedAt": ago(4 * HOUR)}}}),
    );
    expect(&sidecar, Condition::Starting);
    // An init container that runs again after the pod's sandbox was made anew.
    let mut again = initializing(done(), 30);
    again["status"]["initContainerStatuses"][1]["restartCount"] = json!(3);
    expect(&again, Condition::Starting);
    let mut thresholds = Thresholds::default();
    thresholds.init_stuck_after = std::time::Duration::from_secs(3 * 3600);
    let patient = diagnose_with(&read(&initializing(done(), 2 * HOUR)), now(), &thresholds);
    assert_eq!(patient.condition(), Condition::Starting);
}

fn succeeded(end: i64, owner: Option<&str>) -> Value {
    let mut pod = pod(
        json!({"restartPolicy": "Never"}),
        json!({"phase": "Succeeded", "containerStatuses": [
            app(json!({"ready": false, "started": false, "state": ended(0, "Completed", end, 5)}))
        ]}),
    );
    if let Some(kind) = owner {
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": kind, "name": "x", "uid": "1", "controller": true}]);
    }
    pod
}

#[test]
fn a_pod_that_nothing_clears_away() {
    let verdict = expect(&succeeded(25 * HOUR, None), Condition::CompletedLeftover);
    assert_eq!(verdict.summary(), "ended well 25h ago, and nothing owns it");
    assert_eq!(verdict.confidence(), Confidence::High);
    let fields: Vec<&str> = verdict.primary().evidence().map(|e| e.field()).collect();
    assert_eq!(
        fields,
        [
            "status.phase",
            "status.containerStatuses[0].state.terminated.finishedAt"
        ]
    );
    let verdict = expect(
        &succeeded(25 * HOUR, Some("Workflow")),
        Condition::CompletedLeftover,
    );
    assert_eq!(verdict.confidence(), Confidence::Medium);
    // Not yet, or a Job's own business.
    expect(&succeeded(23 * HOUR, None), Condition::Completed);
    expect(&succeeded(900 * HOUR, Some("Job")), Condition::Completed);
    // The last container decides.
    let mut late = succeeded(25 * HOUR, None);
    let statuses = late["status"]["containerStatuses"].as_array_mut().unwrap();
    statuses.push(json!({"name": "b", "state": ended(0, "Completed", HOUR, 5)}));
    expect(&late, Condition::Completed);
    // Being deleted already.
    let mut going = succeeded(25 * HOUR, None);
    going["metadata"]["deletionTimestamp"] = json!(ago(10));
    expect(&going, Condition::Terminating);
    // Of a status without ends the age of the pod is what is known, two hours here.
    let mut bare = succeeded(25 * HOUR, None);
    bare["status"]["containerStatuses"] = json!([]);
    expect(&bare, Condition::Completed);
    bare["metadata"]["creationTimestamp"] = json!(ago(30 * HOUR));
    expect(&bare, Condition::CompletedLeftover);
}

#[test]
fn a_sidecar_that_ran_out_of_memory_once_is_a_note_beside_an_app_that_serves() {
    let with = |restarts: u32, length: i64, ready: bool| {
        let mut pod = running(app(json!({"ready": ready})));
        pod["spec"]["initContainers"] = json!([{"name": "proxy", "restartPolicy": "Always"}]);
        pod["spec"]["containers"][0]["readinessProbe"] = json!({});
        pod["status"]["initContainerStatuses"] = json!([app(json!({"name": "proxy",
            "restartCount": restarts, "lastState": ended(137, "OOMKilled", 5 * MINUTE, length)}))]);
        pod
    };
    let verdict = expect(&with(1, HOUR, true), Condition::Healthy);
    assert!(verdict.finding(Condition::OomKilled).unwrap().is_history());
    // Again and again, or with the app down, it is not.
    expect(&with(9, MINUTE, true), Condition::OomKilled);
    expect(&with(1, HOUR, false), Condition::OomKilled);
}

#[test]
fn times_in_the_future_count_as_now() {
    // Clocks of nodes differ, and some are wrong by hours.
    let ahead = -3 * HOUR;
    let mut fresh = running(app(
        json!({"state": {"running": {"startedAt": ago(ahead)}}}),
    ));
    fresh["metadata"]["creationTimestamp"] = json!(ago(ahead));
    fresh["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(ahead));
    expect(&fresh, Condition::Healthy);
    expect(&succeeded(ahead, None), Condition::Completed);
    expect(
        &initializing(ended(0, "Completed", 4 * HOUR, 5), ahead),
        Condition::Starting,
    );
    let mut loop_ahead = running(app(json!({"ready": false, "restartCount": 12,
        "state": waiting("CrashLoopBackOff"), "lastState": ended(1, "Error", ahead, 3)})));
    expect(&loop_ahead, Condition::CrashLoopBackOff);
    // A run that ended before it began.
    loop_ahead["status"]["containerStatuses"][0]["lastState"] = ended(1, "Error", 30, -90);
    expect(&loop_ahead, Condition::CrashLoopBackOff);
    let killed_ahead = with_probes(killed(7, 137, 90), LIVENESS);
    let mut killed_ahead = killed_ahead;
    killed_ahead["status"]["containerStatuses"][0]["lastState"] = ended(137, "Error", ahead, 90);
    expect(&killed_ahead, Condition::LivenessFailing);
}

#[test]
fn pods_of_a_job_between_two_tries() {
    let job = |phase: &str, status: Value| {
        let mut pod = pod(
            json!({"restartPolicy": "OnFailure"}),
            json!({"phase": phase, "containerStatuses": [status],
                "conditions": [{"type": "Ready", "status": "False",
                    "lastTransitionTime": ago(MINUTE)}]}),
        );
        pod["metadata"]["ownerReferences"] =
            json!([{"kind": "Job", "name": "resize", "uid": "1", "controller": true}]);
        pod
    };
    // Its first failure, not yet started again.
    let ended_once =
        app(json!({"ready": false, "started": false, "state": ended(1, "Error", 2, 60)}));
    expect(&job("Running", ended_once), Condition::Starting);
    // At work again after two failures.
    let again = app(
        json!({"restartCount": 2, "state": {"running": {"startedAt": ago(20)}},
        "lastState": ended(1, "Error", 40, 60)}),
    );
    let mut again = job("Running", again);
    again["status"]["conditions"][0]["status"] = json!("True");
    expect(&again, Condition::Healthy);
    // Done, and not yet cleared away, for a month.
    let done = app(json!({"ready": false, "state": ended(0, "Completed", 700 * HOUR, 60)}));
    expect(&job("Succeeded", done), Condition::Completed);
}

#[test]
fn a_scheduling_gate_is_no_sickness_however_long() {
    let gated = pod(
        json!({"nodeName": ""}),
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "SchedulingGated", "lastTransitionTime": ago(300 * HOUR),
            "message": "Scheduling is blocked due to non-empty scheduling gates"}]}),
    );
    let verdict = expect(&gated, Condition::Starting);
    assert_eq!(verdict.severity(), Severity::Passing);
    assert!(!verdict.is_sick());
    assert_eq!(verdict.cause(), None);
}
