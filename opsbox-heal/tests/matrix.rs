//! Every cell of the joint matrix against a table written by hand, and the inference of each state.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use opsbox_heal::{JointState, ProbeMatrix, ProbeState, Thresholds};
use serde_json::{Value, json};

/// Rows: startup, then readiness. Columns: liveness not declared, passing, unknown, failing.
const TABLE: &str = "
    -       -        Serving         Serving         Serving         Restarting
    -       passing  Serving         Serving         Serving         Restarting
    -       unknown  Unclear         Unclear         Unclear         Restarting
    -       failing  NotReady        NotReady        NotReady        Restarting
    passing -        Serving         Serving         Serving         Restarting
    passing passing  Serving         Serving         Serving         Restarting
    passing unknown  Unclear         Unclear         Unclear         Restarting
    passing failing  NotReady        NotReady        NotReady        Restarting
    unknown -        Starting        Starting        Starting        Restarting
    unknown passing  Serving         Serving         Serving         Restarting
    unknown unknown  Starting        Starting        Starting        Restarting
    unknown failing  Starting        Starting        Starting        Restarting
    failing -        StartupFailing  StartupFailing  StartupFailing  Restarting
    failing passing  StartupFailing  StartupFailing  StartupFailing  Restarting
    failing unknown  StartupFailing  StartupFailing  StartupFailing  Restarting
    failing failing  StartupFailing  StartupFailing  StartupFailing  Restarting
";

const STATES: [ProbeState; 4] = [
    ProbeState::NotDeclared,
    ProbeState::Passing,
    ProbeState::Unknown,
    ProbeState::Failing,
];

fn state(text: &str) -> ProbeState {
    *STATES
        .iter()
        .find(|state| state.to_string() == text)
        .unwrap()
}

#[test]
fn every_cell() {
    let mut cells = 0;
    for line in TABLE.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (liveness, expected) in STATES.into_iter().zip(&words[2..]) {
            let matrix = ProbeMatrix::new(state(words[0]), state(words[1]), liveness);
            assert_eq!(matrix.joint().to_string(), *expected, "{matrix}");
            cells += 1;
        }
    }
    assert_eq!(cells, 64);
}

#[test]
fn the_worst_of_two_is_in_any_order_and_grouping() {
    let mut all = Vec::new();
    for startup in STATES {
        for readiness in STATES {
            for liveness in STATES {
                all.push(ProbeMatrix::new(startup, readiness, liveness));
            }
        }
    }
    for a in &all {
        assert_eq!(a.worst(*a), *a);
        for b in &all {
            assert_eq!(a.worst(*b), b.worst(*a));
            for c in all.iter().step_by(5) {
                assert_eq!(a.worst(*b).worst(*c), a.worst(b.worst(*c)));
            }
        }
    }
}

/// Startup, readiness, liveness and joint state of a container with these probes and status.
fn inferred(probes: &[&str], status: Value) -> String {
    let mut pod = running(app(status));
    for probe in probes {
        pod["spec"]["containers"][0][format!("{probe}Probe")] = json!({"exec": {}});
    }
    let pod = read(&pod);
    let row = ProbeMatrix::of_container(&pod.containers()[0], now(), &Thresholds::default());
    assert_eq!(
        ProbeMatrix::of_pod(&pod, now(), &Thresholds::default()),
        row
    );
    format!(
        "{} {} {} {}",
        row.startup(),
        row.readiness(),
        row.liveness(),
        row.joint()
    )
}

const ALL: &[&str] = &["startup", "readiness", "liveness"];

#[test]
fn inference() {
    let killed = || ended(137, "Error", 60, 60);
    for (probes, status, expected) in [
        (&[][..], json!({}), "- - - Serving"),
        (ALL, json!({}), "passing passing passing Serving"),
        (
            ALL,
            json!({"ready": false}),
            "passing failing passing NotReady",
        ),
        // Not started yet: the other two are not probed.
        (
            ALL,
            json!({"ready": false, "started": false}),
            "unknown unknown unknown Starting",
        ),
        // A server that leaves `started` out: ready implies it.
        (
            ALL,
            json!({"started": null}),
            "passing passing passing Serving",
        ),
        // Killed a minute ago, up again.
        (
            ALL,
            json!({"lastState": killed()}),
            "passing passing failing Restarting",
        ),
        // Killed a minute ago, starting again.
        (
            ALL,
            json!({"ready": false, "started": false, "lastState": killed()}),
            "failing unknown unknown StartupFailing",
        ),
        // Killed and waiting: either probe may be why.
        (
            ALL,
            json!({"ready": false, "started": false, "state": waiting("CrashLoopBackOff"),
                "lastState": ended(143, "Error", 9000, 60)}),
            "failing unknown failing Restarting",
        ),
        // Killed long ago.
        (
            ALL,
            json!({"lastState": ended(137, "Error", 3600, 60)}),
            "passing passing passing Serving",
        ),
        // Out of memory is not a failed probe; nor is an exit of its own.
        (
            &["liveness"],
            json!({"lastState": ended(137, "OOMKilled", 60, 60)}),
            "- - unknown Serving",
        ),
        (
            &["liveness"],
            json!({"lastState": ended(1, "Error", 60, 60)}),
            "- - unknown Serving",
        ),
        (
            &["readiness"],
            json!({"ready": false, "started": false, "state": waiting("ContainerCreating")}),
            "- unknown - Stopped",
        ),
        (
            &[],
            json!({"ready": false, "state": ended(1, "Error", 5, 5)}),
            "- - - Stopped",
        ),
    ] {
        assert_eq!(
            inferred(probes, status.clone()),
            expected,
            "{probes:?} {status}"
        );
    }
}

#[test]
fn a_pod_is_as_bad_as_its_worst_container_that_has_work_to_do() {
    let beside = |second: Value| {
        let spec = json!({"restartPolicy": "Never",
            "containers": [{"name": "app"}, {"name": "b", "readinessProbe": {}}]});
        let status = running_status(true, json!([app(json!({})), second]));
        ProbeMatrix::of_pod(&read(&pod(spec, status)), now(), &Thresholds::default())
    };
    let unready = beside(app(json!({"name": "b", "ready": false})));
    assert_eq!(unready.joint(), JointState::NotReady);
    let done = beside(app(
        json!({"name": "b", "ready": false, "state": ended(0, "Completed", 9, 9)}),
    ));
    assert_eq!(done.joint(), JointState::Serving);
    assert_eq!(done.readiness(), ProbeState::NotDeclared);
}
