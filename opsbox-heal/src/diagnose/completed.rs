//! `Completed`: the work is done.

use super::case::{Case, called, phase_evidence};
use crate::{
    model::{
        container::{Container, ContainerKind, ContainerState},
        pod::Phase,
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    match case.pod.phase() {
        Phase::Succeeded => Some(Finding::new(
            Condition::Completed,
            Confidence::High,
            "all containers ended well",
            phase_evidence(case.pod),
        )),
        Phase::Running => running(case),
        _ => None,
    }
}

/// The pod counts as running although its work is done: for a moment, until the kubelet says so,
/// or for ever, if a helper beside the work of a `Job` does not end.
fn running(case: &Case<'_>) -> Option<Finding> {
    let regular = || {
        case.pod
            .containers()
            .iter()
            .filter(|c| c.kind() == ContainerKind::Regular)
    };
    let (container, end) = regular().find_map(|c| match c.state() {
        ContainerState::Terminated(end) if c.is_done() && end.exit_code() == 0 => Some((c, end)),
        _ => None,
    })?;
    let still_up: Vec<&Container> = regular().filter(|c| !c.is_done()).collect();
    let all_well = still_up.iter().all(|c| c.state().is_running() && c.ready());
    let of_job = case.pod.owner().is_some_and(|owner| owner.kind() == "Job");
    let (confidence, rest) = match still_up.as_slice() {
        [] => (Confidence::Medium, "the pod is about to succeed".to_owned()),
        [helper, ..] if of_job && all_well => {
            let rest = format!("the pod cannot succeed while {} still runs", called(helper));
            (Confidence::Low, rest)
        }
        _ => return None,
    };
    let ago = end
        .finished_at()
        .map(|at| format!(" {} ago", Age(case.now.since(at))));
    let summary = format!(
        "{} ended well{}; {rest}",
        called(container),
        ago.unwrap_or_default()
    );
    let field = container.field_path("state.terminated.exitCode");
    let evidence = Evidence::new(field, "0", end.finished_at());
    Some(Finding::new(
        Condition::Completed,
        confidence,
        summary,
        evidence,
    ))
}
