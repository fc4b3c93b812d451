//! Asks every condition and picks the primary one.

use super::{
    case::Case, completed, container_config, crash_loop, evicted, failed, healthy, image_pull,
    init_stuck, leftover, liveness, node_lost, not_ready, oom, starting, terminating,
    thresholds::Thresholds, unrecognized, unschedulable,
};
use crate::{
    model::{
        pod::PodState,
        verdict::{Finding, Verdict},
    },
    time::Timestamp,
};

/// The verdict on a pod at a moment, with the default [`Thresholds`].
pub fn diagnose(pod: &PodState, now: Timestamp) -> Verdict {
    diagnose_with(pod, now, &Thresholds::default())
}

/// The verdict on a pod at a moment.
pub fn diagnose_with(pod: &PodState, now: Timestamp, thresholds: &Thresholds) -> Verdict {
    match healthy::beyond_doubt(pod) {
        Some(finding) => Verdict::new(finding, Vec::new()),
        None => judge(&Case {
            pod,
            now,
            thresholds,
        }),
    }
}

/// Asks them all.
fn judge(case: &Case<'_>) -> Verdict {
    let mut primary = None;
    let mut others = Vec::new();
    for find in IN_ORDER {
        if let Some(finding) = find(case) {
            if primary.is_none() && !finding.is_history() {
                primary = Some(finding);
            } else {
                others.push(finding);
            }
        }
    }
    // These are what is left if nothing explains the pod, so they are not asked beside a finding.
    let primary = primary.unwrap_or_else(|| {
        leftover::find(case)
            .or_else(|| completed::find(case))
            .or_else(|| healthy::find(case))
            .unwrap_or_else(|| starting::find(case))
    });
    Verdict::new(primary, others)
}

const IN_ORDER: [fn(&Case<'_>) -> Option<Finding>; 13] = [
    unrecognized::find,
    terminating::find,
    node_lost::find,
    evicted::find,
    oom::find,
    image_pull::find,
    container_config::find,
    crash_loop::find,
    liveness::find,
    failed::find,
    unschedulable::find,
    not_ready::find,
    init_stuck::find,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodSnapshot;
    use serde_json::{Value, json};

    fn any_pod(rng: &mut fastrand::Rng) -> Value {
        let times = [
            "2026-03-01T11:59:00Z",
            "2026-03-01T09:00:00Z",
            "2026-03-02T00:00:00Z",
        ];
        let mut pick = |from: &[Value]| from[rng.usize(0..from.len())].clone();
        let time = |pick: &mut dyn FnMut(&[Value]) -> Value| pick(&times.map(Value::from));
        let end = |pick: &mut dyn FnMut(&[Value]) -> Value| {
            json!({"exitCode": pick(&[json!(0), json!(1), json!(137)]), "startedAt": times[1],
                "reason": pick(&[json!("OOMKilled"), json!("Error"), json!("Completed")]),
                "finishedAt": time(pick)})
        };
        let mut container = |name: &str, init: bool| {
            let running = json!({"running": {"startedAt": time(&mut pick)}});
            let ended = json!({"terminated": end(&mut pick)});
            // Most are as in a healthy pod, so that many pods are.
            let well = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
            let usual = if init { well } else { running.clone() };
            let state = pick(&[
                usual.clone(),
                usual.clone(),
                usual.clone(),
                usual,
                running,
                ended,
                json!(null),
                json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            ]);
            let last = json!({"terminated": end(&mut pick)});
            json!({"name": name, "state": state,
                "lastState": pick(&[vec![json!({}); 9], vec![last]].concat()),
                "ready": pick(&[vec![json!(true); 9], vec![json!(false)]].concat()),
                "restartCount": pick(&[json!(0), json!(5)])})
        };
        let statuses = [container("app", false), container("b", false)];
        let inits = [container("init", true), container("proxy", false)];
        let debug = container("debug", false);
        let status = |pick: &mut dyn FnMut(&[Value]) -> Value| {
            pick(
                &[
                    vec![json!("True"); 9],
                    vec![json!("False"), json!("Unknown")],
                ]
                .concat(),
            )
        };
        let conditions: Vec<Value> = ["Ready", "PodScheduled", "example.com/gate", "DisruptionTarget"]
            .into_iter()
            .take(pick(&["", "1", "333", "333", "4444"].map(Value::from)).as_str().unwrap().len())
            .map(|kind| json!({"type": kind, "status": status(&mut pick), "lastTransitionTime": times[1]}))
            .collect();
        json!({
            "kind": "Pod",
            "metadata": {"name": "a", "creationTimestamp": times[1],
                "deletionTimestamp": pick(&[vec![json!(null); 9], vec![json!(times[0])]].concat())},
            "spec": {
                "containers": [{"name": "app", "livenessProbe": {}}, {"name": "b", "readinessProbe": {}}],
                "initContainers": [{"name": "init"}, {"name": "proxy", "restartPolicy": "Always"}],
                "ephemeralContainers": [{"name": "debug"}],
                "restartPolicy": pick(&[json!("Always"), json!("Never")])
            },
            "status": {"phase": pick(&[vec![json!("Running"); 9], vec![json!("Pending")]].concat()),
                "reason": pick(&[vec![json!(null); 9], vec![json!("NodeLost")]].concat()),
                "conditions": conditions, "containerStatuses": statuses,
                "initContainerStatuses": inits, "ephemeralContainerStatuses": [debug]}
        })
    }

    #[test]
    fn healthy_beyond_doubt_is_what_all_conditions_come_to() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let mut rng = fastrand::Rng::with_seed(5);
        let mut count = 0;
        for _ in 0..20_000 {
            let json = any_pod(&mut rng).to_string();
            let pod = &PodSnapshot::from_json(json.as_bytes()).unwrap().into_pods()[0];
            let asked = judge(&Case {
                pod,
                now,
                thresholds: &Thresholds::default(),
            });
            if let Some(finding) = healthy::beyond_doubt(pod) {
                assert_eq!(Verdict::new(finding, Vec::new()), asked, "{json}");
                count += 1;
            }
        }
        assert!(count > 200, "{count}");
    }
}
