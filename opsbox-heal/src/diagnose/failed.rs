//! `Failed`: the pod, or one of its containers, ended in failure for good, and not because the
//! node got rid of it.

use super::{
    case::{Case, because, called, phase_evidence, text_evidence, with},
    evicted,
};
use crate::model::{
    container::{Container, ContainerState},
    pod::Phase,
    verdict::{Condition, Confidence, Evidence, Finding},
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if evicted::is_evicted(case) {
        return None;
    }
    if *case.pod.phase() == Phase::Failed {
        return Some(pod(case));
    }
    case.by_container(container)
}

fn pod(case: &Case<'_>) -> Finding {
    let pod = case.pod;
    let ended = pod.containers().iter().find_map(|c| match c.state() {
        ContainerState::Terminated(end) if end.exit_code() != 0 => Some((c, end)),
        _ => None,
    });
    let summary = match (pod.reason(), ended) {
        // The kubelet's or a controller's own reason says more than an exit code that follows it.
        (Some(reason), _) => format!("{reason}{}", because(pod.message())),
        (None, Some((container, end))) => {
            let reason = end.reason().unwrap_or("no reason");
            format!(
                "{} ended with exit code {} ({reason})",
                called(container),
                end.exit_code()
            )
        }
        (None, None) => format!("the pod failed{}", because(pod.message())),
    };
    let finding = Finding::new(
        Condition::Failed,
        Confidence::High,
        summary,
        phase_evidence(pod),
    );
    let finding = with(finding, text_evidence("status.reason", pod.reason()));
    let finding = with(finding, text_evidence("status.message", pod.message()));
    let exit_code = ended.map(|(container, end)| {
        let field = container.field_path("state.terminated.exitCode");
        Evidence::new(field, end.exit_code().to_string(), end.finished_at())
    });
    with(finding, exit_code)
}

fn container(container: &Container) -> Option<Finding> {
    let ContainerState::Terminated(end) = container.state() else {
        return None;
    };
    (container.is_done() && end.exit_code() != 0).then(|| {
        Finding::new(
            Condition::Failed,
            Confidence::Medium,
            format!(
                "{} ended with exit code {} and is not restarted, while the pod goes on",
                called(container),
                end.exit_code()
            ),
            Evidence::new(
                container.field_path("state.terminated.exitCode"),
                end.exit_code().to_string(),
                end.finished_at(),
            ),
        )
    })
}
