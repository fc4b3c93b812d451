//! Conditions of a pod on its way up, short of ready, and on its way out, with their look-alikes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use opsbox_heal::{Condition, Confidence, Thresholds, diagnose_with};
use serde_json::{Value, json};

fn pending(reason: &str, since: i64) -> Value {
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": reason,
        "message": "0/3 nodes are available: 3 Insufficient cpu.", "lastTransitionTime": ago(since)
    }]});
    let mut pod = pod(json!({"nodeName": ""}), status);
    pod["metadata"]["creationTimestamp"] = json!(ago(since));
    pod
}

#[test]
fn unschedulable() {
    let verdict = expect(&pending("Unschedulable", HOUR), Condition::Unschedulable);
    assert_eq!(
        verdict.summary(),
        "no node fits for 60m: 0/3 nodes are available: 3 Insufficient cpu."
    );
    // An autoscaler may be at work.
    expect(&pending("Unschedulable", 30), Condition::Starting);
    // Held on purpose, however long.
    expect(&pending("SchedulingGated", 50 * HOUR), Condition::Starting);
    // Nobody has looked at it.
    let mut unseen = pending("", HOUR);
    unseen["status"]["conditions"] = json!([]);
    let verdict = expect(&unseen, Condition::StuckStarting);
    assert!(
        verdict.summary().starts_with("no node has been chosen yet"),
        "{verdict}"
    );
}

fn deleted(due: i64, finalizers: &[&str]) -> Value {
    let mut pod = running(app(json!({})));
    pod["metadata"]["deletionTimestamp"] = json!(ago(due));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(3600);
    pod["metadata"]["finalizers"] = json!(finalizers);
    pod
}

#[test]
fn terminating() {
    // The grace period is part of the timestamp: an hour of it does not make this pod patient.
    let verdict = expect(&deleted(10 * MINUTE, &[]), Condition::StuckTerminating);
    assert!(
        verdict
            .summary()
            .contains("kubelet has not confirmed (node node-a)"),
        "{verdict}"
    );
    let held = expect(
        &deleted(10 * MINUTE, &["a/b", "c/d"]),
        Condition::StuckTerminating,
    );
    assert!(
        held.summary().ends_with("held by finalizer a/b, c/d"),
        "{held}"
    );
    expect(&deleted(MINUTE, &[]), Condition::Terminating);
    expect(&deleted(-HOUR, &[]), Condition::Terminating);
    // A pod on its way out is not called unready.
    let mut unready = deleted(-60, &[]);
    unready["status"]["containerStatuses"][0]["ready"] = json!(false);
    assert_eq!(
        expect(&unready, Condition::Terminating).findings().count(),
        1
    );
}

fn unready(started: i64, unready: i64) -> Value {
    let mut pod = running(app(json!({
        "ready": false, "state": {"running": {"startedAt": ago(started)}}
    })));
    pod["spec"]["containers"][0]["readinessProbe"] = json!({});
    pod["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(unready));
    pod
}

#[test]
fn not_ready() {
    // Never ready since its start.
    let verdict = expect(&unready(HOUR, 2 * HOUR), Condition::NotReady);
    assert_eq!(
        verdict.summary(),
        "container app runs but has not been ready for 60m"
    );
    expect(&unready(2 * MINUTE, 2 * HOUR), Condition::Starting);
    // Was ready before.
    let lately = expect(&unready(HOUR, 20), Condition::NotReady);
    assert_eq!(lately.confidence(), Confidence::Medium);
    assert_eq!(
        expect(&unready(HOUR, 600), Condition::NotReady).confidence(),
        Confidence::High
    );
}

#[test]
fn a_readiness_gate_holds_the_pod() {
    let mut pod = running(app(json!({})));
    merge(
        &mut pod["status"]["conditions"][0],
        json!({"status": "False", "reason": "ReadinessGatesNotReady"}),
    );
    let verdict = expect(&pod, Condition::NotReady);
    assert!(
        verdict.summary().contains("ReadinessGatesNotReady"),
        "{verdict}"
    );
}

#[test]
fn a_startup_probe_that_does_not_pass() {
    let starting = |started: i64| {
        let mut pod = unready(started, 2 * HOUR);
        pod["spec"]["containers"][0]["startupProbe"] = json!({});
        pod["status"]["containerStatuses"][0]["started"] = json!(false);
        pod
    };
    expect(&starting(MINUTE), Condition::Starting);
    let verdict = expect(&starting(HOUR), Condition::StuckStarting);
    assert!(
        verdict.summary().contains("startup probe has not passed"),
        "{verdict}"
    );
}

#[test]
fn thresholds_are_the_callers() {
    let pod = read(&unready(2 * MINUTE, 2 * HOUR));
    let mut thresholds = Thresholds::default();
    thresholds.startup_grace = std::time::Duration::from_secs(30);
    let verdict = diagnose_with(&pod, now(), &thresholds);
    assert_eq!(verdict.condition(), Condition::NotReady);
}

#[test]
fn a_long_message_is_cut_in_the_summary() {
    let mut pod = pending("Unschedulable", HOUR);
    pod["status"]["conditions"][0]["message"] = json!("ß".repeat(4000));
    let verdict = expect(&pod, Condition::Unschedulable);
    assert_eq!(
        verdict.summary(),
        format!("no node fits for 60m: {}…", "ß".repeat(160))
    );
    let message = verdict.primary().evidence().last().unwrap();
    assert_eq!(message.value(), "ß".repeat(512));
}
