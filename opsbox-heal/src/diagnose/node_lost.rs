//! `Unknown`: the node does not answer, and what the status says may be long out of date.

use super::case::{Case, because, condition_evidence, phase_evidence, text_evidence, with};
use crate::model::{
    pod::Phase,
    pod_condition::{ConditionStatus, PodConditionType},
    verdict::{Condition, Confidence, Evidence, Finding},
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let pod = case.pod;
    let node = pod.node().unwrap_or("none");
    let reason = text_evidence("status.reason", pod.reason());
    let lost = pod.reason() == Some("NodeLost");
    if *pod.phase() == Phase::Unknown || lost {
        let summary = format!("node {node} does not answer{}", because(pod.message()));
        let phase = phase_evidence(pod);
        return Some(match reason {
            Some(reason) if lost => finding(summary, reason).and(phase),
            reason => with(finding(summary, phase), reason),
        });
    }
    if pod.phase().is_terminal() {
        return None;
    }
    let ready = case.condition(PodConditionType::Ready)?;
    (ready.status() == ConditionStatus::Unknown).then(|| {
        Finding::new(
            Condition::Unknown,
            Confidence::Medium,
            format!(
                "whether it is ready is not known (node {node}){}",
                because(ready.message())
            ),
            condition_evidence(ready),
        )
    })
}

fn finding(summary: String, first: Evidence) -> Finding {
    Finding::new(Condition::Unknown, Confidence::High, summary, first)
}
