//! `Healthy`: runs, and says that it is ready.

use super::case::{Case, condition_evidence};
use crate::model::{
    pod::Phase,
    pod_condition::{ConditionStatus, PodConditionType},
    verdict::{Condition, Confidence, Evidence, Finding},
};

/// Makes no allocation: nearly all pods of a cluster end here.
pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let pod = case.pod;
    if *pod.phase() != Phase::Running {
        return None;
    }
    let mut serving = pod.serving_containers().filter(|c| !c.is_done()).peekable();
    let any = serving.peek().is_some();
    if !serving.all(|c| c.state().is_running() && c.ready()) {
        return None;
    }
    let ready = case.condition(PodConditionType::Ready);
    // With containers that are done beside others that run, `Ready` is false for good.
    let some_done = pod.serving_containers().any(|c| c.is_done());
    match ready {
        Some(ready) if ready.status() == ConditionStatus::True || (any && some_done) => {
            Some(Finding::new(
                Condition::Healthy,
                Confidence::High,
                "running and ready",
                condition_evidence(ready),
            ))
        }
        // Lists that were cut down to their containers.
        None if any => Some(Finding::new(
            Condition::Healthy,
            Confidence::Medium,
            "running, and all containers are ready",
            Evidence::new("status.phase", "Running", None),
        )),
        _ => None,
    }
}
