//! `Unschedulable`: the scheduler has looked and found no node.

use super::case::{Case, because, condition_evidence, text_evidence, with};
use crate::{
    model::{
        pod::Phase,
        pod_condition::{ConditionStatus, PodConditionType},
        verdict::{Condition, Confidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if *case.pod.phase() != Phase::Pending || case.is_being_deleted() {
        return None;
    }
    let scheduled = case.condition(PodConditionType::PodScheduled)?;
    // A pod behind a scheduling gate (reason SchedulingGated) is held on purpose.
    let refused = scheduled.status() == ConditionStatus::False
        && matches!(scheduled.reason(), Some("Unschedulable" | "SchedulerError"));
    let since = scheduled.since().or_else(|| case.pod.created());
    let waited = since.map(|since| case.now.since(since));
    if !refused || waited.is_some_and(|waited| waited < case.thresholds.unschedulable_after) {
        return None;
    }
    let waited = waited
        .map(|waited| format!(" for {}", Age(waited)))
        .unwrap_or_default();
    let summary = format!("no node fits{waited}{}", because(scheduled.message()));
    let finding = Finding::new(
        Condition::Unschedulable,
        Confidence::High,
        summary,
        condition_evidence(scheduled),
    );
    let path = |field: &str| format!(r#"status.conditions[?(@.type=="PodScheduled")].{field}"#);
    let finding = with(finding, text_evidence(path("reason"), scheduled.reason()));
    Some(with(
        finding,
        text_evidence(path("message"), scheduled.message()),
    ))
}
