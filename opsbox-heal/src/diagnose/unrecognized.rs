//! `Unrecognized`: something newer than this crate, which a human should look at.

use super::case::{Case, called, phase_evidence};
use crate::model::{
    container::{Container, ContainerState},
    pod::Phase,
    verdict::{Condition, Confidence, Evidence, Finding},
};

/// Reasons to wait that other conditions judge, or that are normal on the way up.
const KNOWN_WAITING: [&[&str]; 4] = [
    &["ContainerCreating", "PodInitializing"],
    &["CrashLoopBackOff"],
    super::image_pull::REASONS,
    super::container_config::REASONS,
];

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if let Phase::Other(phase) = case.pod.phase() {
        let summary = match &**phase {
            "" => "the pod has no phase, so nothing can be said of it".to_owned(),
            text => format!("phase {text:?} is not known to opsbox-heal: ask a human"),
        };
        return Some(finding(summary, phase_evidence(case.pod)));
    }
    case.by_container(container)
}

fn container(container: &Container) -> Option<Finding> {
    match container.state() {
        ContainerState::Other(state) => Some(finding(
            format!(
                "{} is in state {state:?}, which is not known to opsbox-heal: ask a human",
                called(container)
            ),
            Evidence::new(container.field_path("state"), state.to_string(), None),
        )),
        ContainerState::Waiting(waiting) => {
            let reason = waiting.reason()?;
            if KNOWN_WAITING.iter().any(|known| known.contains(&reason)) {
                return None;
            }
            Some(finding(
                format!(
                    "{} waits for {reason:?}, which is not known to opsbox-heal: ask a human",
                    called(container)
                ),
                Evidence::new(
                    container.field_path("state.waiting.reason"),
                    reason.to_owned(),
                    None,
                ),
            ))
        }
        _ => None,
    }
}

/// Sure is only that it is not known.
fn finding(summary: String, evidence: Evidence) -> Finding {
    Finding::new(Condition::Unrecognized, Confidence::High, summary, evidence)
}
