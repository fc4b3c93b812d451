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
    let case = Case {
        pod,
        now,
        thresholds,
    };
    let mut primary = None;
    let mut others = Vec::new();
    for find in IN_ORDER {
        if let Some(finding) = find(&case) {
            if primary.is_none() && !finding.is_history() {
                primary = Some(finding);
            } else {
                others.push(finding);
            }
        }
    }
    // These are what is left if nothing explains the pod, so they are not asked beside a finding.
    let primary = primary.unwrap_or_else(|| {
        leftover::find(&case)
            .or_else(|| completed::find(&case))
            .or_else(|| healthy::find(&case))
            .unwrap_or_else(|| starting::find(&case))
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
