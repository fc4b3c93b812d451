//! `LivenessFailing`: the kubelet kills a container again and again because its liveness probe
//! fails.
//!
//! The API has no field for that: it is inferred from restarts by SIGKILL or SIGTERM of a
//! container that declares the probe and had started. A program that handles SIGTERM and exits
//! with a code of its own is not seen. What else kills is told apart where it can be: the kernel
//! (`OOMKilled`), the startup probe, a deletion, and a node that goes down, which ends all
//! containers of the pod at once.

use std::time::Duration;

use super::case::{Case, called, restarted};
use crate::{
    model::{
        container::{Container, ContainerState, Termination},
        matrix::{ProbeMatrix, ProbeState},
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::Age,
};

/// Ends so close together have one cause.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if case.is_being_deleted() {
        return None;
    }
    case.by_container(|c| container(case, c))
}

/// Whether its last run was ended by its liveness probe, as far as one can tell.
pub(super) fn is_suspected(case: &Case<'_>, container: &Container) -> bool {
    let probes = container.probes();
    if !probes.liveness() || container.restarts() < case.thresholds.liveness_restarts {
        return false;
    }
    // One that waits may have been killed by either probe.
    if probes.startup() && !(container.state().is_running() && container.started() == Some(true)) {
        return false;
    }
    let matrix = ProbeMatrix::of_container(container, case.now, case.thresholds);
    matrix.liveness() == ProbeState::Failing && !others_ended_too(case, container)
}

fn container(case: &Case<'_>, container: &Container) -> Option<Finding> {
    if !is_suspected(case, container) {
        return None;
    }
    let (state, end) = last_end(container)?;
    let ago = end.finished_at().map(|at| case.now.since(at));
    let when = ago.map(|ago| format!(" {} ago", Age(ago)));
    let summary = format!(
        "{} was killed{}, most likely because its liveness probe fails: {}",
        called(container),
        when.unwrap_or_default(),
        restarted(container)
    );
    let field = |field: &str| container.field_path(field);
    let finding = Finding::new(
        Condition::LivenessFailing,
        Confidence::Medium,
        summary,
        Evidence::new(
            field(&format!("{state}.terminated.exitCode")),
            end.exit_code().to_string(),
            end.finished_at(),
        ),
    )
    .and(Evidence::new(
        field("restartCount"),
        container.restarts().to_string(),
        None,
    ));
    // Hours between two kills: it works, and something ends it now and then.
    let rare = match (end.started_at(), end.finished_at()) {
        (Some(started), Some(ended)) => ended.since(started) > case.thresholds.liveness_rare,
        _ => false,
    };
    Some(match rare && container.state().is_running() {
        true => finding.into_history(),
        false => finding,
    })
}

fn last_end(container: &Container) -> Option<(&'static str, &Termination)> {
    match container.state() {
        ContainerState::Terminated(end) => Some(("state", end)),
        _ => container.last_termination().map(|end| ("lastState", end)),
    }
}

/// Whether another container was killed at the same moment, as all are if the node goes down.
fn others_ended_too(case: &Case<'_>, container: &Container) -> bool {
    let killed_at = |container: &Container| {
        let (_, end) = last_end(container)?;
        end.finished_at().filter(|_| end.is_killed())
    };
    let Some(at) = killed_at(container) else {
        return false;
    };
    case.live_containers()
        .filter(|other| !std::ptr::eq(*other, container))
        .filter_map(killed_at)
        .any(|other| other.since(at) + at.since(other) <= AT_ONCE)
}
