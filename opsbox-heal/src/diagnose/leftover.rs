//! `CompletedLeftover`: a pod that ended well long ago and that nothing will clear away.
//!
//! Pods of a Job are cleared away with the Job, after its `ttlSecondsAfterFinished` or by the
//! history limits of a CronJob. Of other pods the control plane keeps 12,500 before it begins.

use super::case::{Case, phase_evidence};
use crate::{
    model::{
        container::ContainerState,
        pod::Phase,
        pod_condition::PodConditionType,
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::{Age, Timestamp},
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let pod = case.pod;
    if *pod.phase() != Phase::Succeeded || case.is_being_deleted() {
        return None;
    }
    let owner = pod.owner();
    if owner.is_some_and(|owner| owner.kind() == "Job") {
        return None;
    }
    let ended = ended(case)?;
    let lying_for = case.now.since(ended);
    if lying_for < case.thresholds.leftover_after {
        return None;
    }
    // A controller of another kind may still want to look at its pod.
    let (confidence, whose) = match owner {
        Some(owner) => (Confidence::Medium, format!("{owner} has not removed it")),
        None => (Confidence::High, "nothing owns it".to_owned()),
    };
    let summary = format!("ended well {} ago, and {whose}", Age(lying_for));
    let finding = Finding::new(
        Condition::CompletedLeftover,
        confidence,
        summary,
        phase_evidence(pod),
    );
    let last = pod.containers().iter().find_map(|c| match c.state() {
        ContainerState::Terminated(end) if end.finished_at() == Some(ended) => {
            let field = c.field_path("state.terminated.finishedAt");
            Some(Evidence::new(field, ended.to_string(), None))
        }
        _ => None,
    });
    let when = || Evidence::new("metadata.creationTimestamp", ended.to_string(), None);
    Some(finding.and(last.unwrap_or_else(when)))
}

/// When its last container ended; of a pod that does not say so, what is known to be before.
fn ended(case: &Case<'_>) -> Option<Timestamp> {
    let ends = case
        .pod
        .containers()
        .iter()
        .filter_map(|c| match c.state() {
            ContainerState::Terminated(end) => end.finished_at(),
            _ => None,
        });
    let ready = case.condition(PodConditionType::Ready);
    ends.max()
        .or_else(|| ready.and_then(|ready| ready.since()))
        .or_else(|| case.pod.created())
}
