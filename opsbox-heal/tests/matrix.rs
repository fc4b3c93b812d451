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

/// What the first table of `ProbeMatrix` says, rule by rule, with names as it has them.
fn by_the_rules(
    declared: [bool; 3],
    running: bool,
    started: Option<bool>,
    ready: bool,
    killed_lately: bool,
    ended_lately: bool,
) -> [&'static str; 3] {
    let startup = match () {
        () if !declared[0] => "-",
        () if started == Some(true) || ready => "passing",
        () if killed_lately => "failing",
        () => "unknown",
    };
    let over = startup == "-" || startup == "passing";
    let readiness = match () {
        () if !declared[1] => "-",
        () if ready => "passing",
        () if !running || !over => "unknown",
        () => "failing",
    };
    let liveness = match () {
        () if !declared[2] => "-",
        () if running && !over => "unknown",
        () if killed_lately => "failing",
        () if running && !ended_lately => "passing",
        () => "unknown",
    };
    [startup, readiness, liveness]
}

fn cell(row: [&str; 3]) -> &'static str {
    let line = TABLE
        .lines()
        .find(|line| line.split_whitespace().take(2).eq(row[..2].iter().copied()))
        .unwrap();
    let column = STATES.iter().position(|s| s.to_string() == row[2]).unwrap();
    line.split_whitespace().nth(2 + column).unwrap()
}

#[test]
fn every_status_of_a_container_is_the_row_and_the_cell_that_the_tables_say() {
    let mut cells = std::collections::BTreeSet::new();
    let mut count = 0;
    // (running, killed lately, ended lately)
    let histories = [
        (json!({}), true, false, false),
        (
            json!({"lastState": ended(137, "Error", 60, 60)}),
            true,
            true,
            true,
        ),
        (
            json!({"lastState": ended(143, "Error", HOUR, 60)}),
            true,
            false,
            false,
        ),
        (
            json!({"lastState": ended(1, "Error", 60, 60)}),
            true,
            false,
            true,
        ),
        (
            json!({"lastState": ended(137, "OOMKilled", 60, 60)}),
            true,
            false,
            true,
        ),
        (
            json!({"state": waiting("ContainerCreating")}),
            false,
            false,
            false,
        ),
        (
            json!({"state": waiting("CrashLoopBackOff"), "lastState": ended(137, "Error", HOUR, 60)}),
            false,
            true,
            false,
        ),
        (
            json!({"state": ended(137, "Error", 60, 60)}),
            false,
            true,
            true,
        ),
        (
            json!({"state": ended(2, "Error", 60, 60)}),
            false,
            false,
            true,
        ),
    ];
    for declared in 0..8_u8 {
        let declared = [declared & 1 != 0, declared & 2 != 0, declared & 4 != 0];
        let probes: Vec<&str> = ALL
            .iter()
            .zip(declared)
            .filter_map(|(probe, is)| is.then_some(*probe))
            .collect();
        for started in [None, Some(false), Some(true)] {
            for ready in [false, true] {
                for (history, running, killed, ended) in &histories {
                    let mut status = json!({"started": started, "ready": ready});
                    merge(&mut status, history.clone());
                    let row = by_the_rules(declared, *running, started, ready, *killed, *ended);
                    let joint = match cell(row) {
                        joint @ ("StartupFailing" | "Restarting") => joint,
                        joint if *running => joint,
                        _ => "Stopped",
                    };
                    let expected = format!("{} {} {} {joint}", row[0], row[1], row[2]);
                    assert_eq!(
                        inferred(&probes, status.clone()),
                        expected,
                        "{probes:?} {status}"
                    );
                    cells.insert(row);
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 432);
    // Every other cell is one that no status leads to: readiness is not known before startup is
    // over, and known of what runs, as liveness passes only of what runs.
    let never: Vec<String> = STATES
        .iter()
        .flat_map(|a| {
            STATES
                .iter()
                .flat_map(move |b| STATES.iter().map(move |c| [a, b, c]))
        })
        .map(|row| row.map(ToString::to_string))
        .filter(|row| !cells.iter().any(|cell| row.iter().eq(cell.iter())))
        .map(|row| row.join(" "))
        .collect();
    for row in &never {
        let words: Vec<&str> = row.split(' ').collect();
        let startup_is_over = matches!(words[0], "-" | "passing");
        assert!(
            !startup_is_over || (words[1] == "unknown" && words[2] == "passing"),
            "no status leads to {row}"
        );
    }
    assert_eq!(cells.len() + never.len(), 64);
}

#[test]
fn a_pod_is_the_worst_of_its_containers_in_every_combination() {
    let killed = || ended(137, "Error", 60, 60);
    let probes = |names: &[&str]| {
        let mut spec = json!({});
        for name in names {
            spec[format!("{name}Probe")] = json!({"exec": {}});
        }
        spec
    };
    // From better to worse; no status of a container is `Unclear`.
    let kinds = [
        ("Serving", probes(&[]), json!({})),
        (
            "Starting",
            probes(&["startup"]),
            json!({"ready": false, "started": false}),
        ),
        ("NotReady", probes(&["readiness"]), json!({"ready": false})),
        (
            "Stopped",
            probes(&[]),
            json!({"ready": false, "state": waiting("ContainerCreating")}),
        ),
        (
            "StartupFailing",
            probes(&["startup"]),
            json!({"ready": false, "started": false, "lastState": killed()}),
        ),
        (
            "Restarting",
            probes(&["liveness"]),
            json!({"lastState": killed()}),
        ),
    ];
    for sidecar in [false, true] {
        for (first, (name_a, spec_a, status_a)) in kinds.iter().enumerate() {
            for (second, (name_b, spec_b, status_b)) in kinds.iter().enumerate() {
                let (mut a, mut b) = (spec_a.clone(), spec_b.clone());
                merge(&mut a, json!({"name": "a"}));
                merge(&mut b, json!({"name": "b"}));
                let of = |name: &str, change: &Value| {
                    let mut status = app(change.clone());
                    merge(&mut status, json!({"name": name}));
                    status
                };
                let (of_a, of_b) = (of("a", status_a), of("b", status_b));
                let both = if sidecar {
                    merge(&mut b, json!({"restartPolicy": "Always"}));
                    let mut both = pod(
                        json!({"containers": [a], "initContainers": [b]}),
                        running_status(true, json!([of_a])),
                    );
                    both["status"]["initContainerStatuses"] = json!([of_b]);
                    both
                } else {
                    pod(
                        json!({"containers": [a, b]}),
                        running_status(true, json!([of_a, of_b])),
                    )
                };
                let both = read(&both);
                let row = |i: usize| {
                    ProbeMatrix::of_container(&both.containers()[i], now(), &Thresholds::default())
                };
                assert_eq!(row(0).joint().to_string(), *name_a);
                assert_eq!(row(1).joint().to_string(), *name_b);
                let whole = ProbeMatrix::of_pod(&both, now(), &Thresholds::default());
                let worst = kinds[first.max(second)].0;
                assert_eq!(whole.joint().to_string(), worst, "{name_a} beside {name_b}");
                assert_eq!(whole.startup(), row(0).startup().max(row(1).startup()));
                assert_eq!(
                    whole.readiness(),
                    row(0).readiness().max(row(1).readiness())
                );
                assert_eq!(whole.liveness(), row(0).liveness().max(row(1).liveness()));
            }
        }
    }
    let none = read(&pod(json!({"containers": []}), json!({"phase": "Running"})));
    let row = ProbeMatrix::of_pod(&none, now(), &Thresholds::default());
    assert_eq!(row.joint(), JointState::Stopped);
}
