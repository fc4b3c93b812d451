//! `Evicted`: the node or the control plane got rid of the pod.
//!
//! The kubelet evicts for want of memory, disk or processes and leaves the pod behind, failed with
//! reason `Evicted`. For any other disruption (preemption, drain, taint, node shutdown) the pod
//! gets the condition `DisruptionTarget`, whose reason says whose doing it was.

use super::case::{Case, because, condition_evidence, phase_evidence, text_evidence, with};
use crate::model::{
    pod::Phase,
    pod_condition::{ConditionStatus, PodCondition, PodConditionType},
    verdict::{Condition, Confidence, Finding},
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let pod = case.pod;
    let target = target(case);
    if !is_evicted(case) {
        // It is about to go, or was meant to go and stayed: the control plane takes that back.
        let target = target.filter(|_| !pod.phase().is_terminal())?;
        let summary = format!("was chosen to go{}", why(target));
        let evidence = condition_evidence(target);
        return Some(
            Finding::new(Condition::Evicted, Confidence::Low, summary, evidence).into_history(),
        );
    }
    let by_kubelet = pod.reason() == Some("Evicted");
    let summary = match target {
        Some(target) if !by_kubelet => format!("evicted{}", why(target)),
        _ => format!("evicted by the kubelet{}", because(pod.message())),
    };
    let mut finding = Finding::new(
        Condition::Evicted,
        Confidence::High,
        summary,
        phase_evidence(pod),
    );
    finding = with(finding, text_evidence("status.reason", pod.reason()));
    finding = with(finding, text_evidence("status.message", pod.message()));
    if let Some(target) = target {
        finding = finding.and(condition_evidence(target));
        let path =
            |field: &str| format!(r#"status.conditions[?(@.type=="DisruptionTarget")].{field}"#);
        finding = with(finding, text_evidence(path("reason"), target.reason()));
        finding = with(finding, text_evidence(path("message"), target.message()));
    }
    Some(finding)
}

/// Whether the pod is gone for the node's sake and not for its own.
pub(super) fn is_evicted(case: &Case<'_>) -> bool {
    *case.pod.phase() == Phase::Failed
        && (case.pod.reason() == Some("Evicted") || target(case).is_some())
}

fn target<'a>(case: &Case<'a>) -> Option<&'a PodCondition> {
    case.condition(PodConditionType::DisruptionTarget)
        .filter(|target| target.status() == ConditionStatus::True)
}

fn why(target: &PodCondition) -> String {
    let reason = target.reason().unwrap_or("no reason");
    format!(" ({reason}){}", because(target.message()))
}
