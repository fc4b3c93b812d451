//! `Healthy`: runs, and says that it is ready.

use super::case::{Case, condition_evidence};
use crate::model::{
    container::{ContainerKind, ContainerState},
    pod::{Phase, PodState},
    pod_condition::{ConditionStatus, PodCondition, PodConditionType},
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
            Some(finding(ready))
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

fn finding(ready: &PodCondition) -> Finding {
    Finding::new(
        Condition::Healthy,
        Confidence::High,
        "running and ready",
        condition_evidence(ready),
    )
}

/// The finding on a pod of which nothing can be said but that it is healthy, as nearly all are:
/// the only one that every condition together would come to, without asking them.
pub(super) fn beyond_doubt(pod: &PodState) -> Option<Finding> {
    if *pod.phase() != Phase::Running || pod.deletion.is_some() || pod.detail.is_some() {
        return None;
    }
    let mut ready = None;
    for condition in &pod.conditions {
        match (condition.kind, condition.status) {
            (PodConditionType::Ready, ConditionStatus::True) => {
                ready = ready.or(Some(condition));
            }
            (PodConditionType::DisruptionTarget, _) => return None,
            (_, ConditionStatus::True) => {}
            _ => return None,
        }
    }
    let mut serves = false;
    for container in &pod.containers {
        if container.kind() == ContainerKind::Ephemeral {
            continue;
        }
        if container.last_state.is_some() {
            return None;
        }
        match (&container.state, container.kind()) {
            (ContainerState::Running(_), ContainerKind::Regular | ContainerKind::Sidecar)
                if container.ready() =>
            {
                serves = true;
            }
            (ContainerState::Terminated(end), ContainerKind::Init)
                if end.exit_code == 0 && !end.is_oom_killed() => {}
            _ => return None,
        }
    }
    ready.filter(|_| serves).map(finding)
}
