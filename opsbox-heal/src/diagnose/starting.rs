//! `Starting` and `StuckStarting`: what is left of a pod that is not up and that nothing explains.

use super::case::{Case, called, condition_evidence, phase_evidence, with};
use crate::{
    model::{
        container::{Container, ContainerKind, ContainerState, Termination},
        matrix::{JointState, ProbeMatrix},
        pod::Phase,
        pod_condition::{ConditionStatus, PodConditionType},
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::{Age, Timestamp},
};

pub(super) fn find(case: &Case<'_>) -> Finding {
    let scheduled = case.condition(PodConditionType::PodScheduled);
    let gated = scheduled.is_some_and(|s| s.reason() == Some("SchedulingGated"));
    if gated {
        let summary = "held on purpose by a scheduling gate";
        let evidence = scheduled.map_or_else(
            || phase_evidence(case.pod),
            |s| {
                let field = r#"status.conditions[?(@.type=="PodScheduled")].reason"#;
                Evidence::new(field, "SchedulingGated", s.since())
            },
        );
        return Finding::new(Condition::Starting, Confidence::High, summary, evidence);
    }
    let says_nothing = *case.pod.phase() == Phase::Running
        && case.condition(PodConditionType::Ready).is_none()
        && case.pod.serving_containers().next().is_none();
    if says_nothing {
        let summary = "running, but the status names no containers and no conditions: ask a human";
        let evidence = phase_evidence(case.pod);
        return Finding::new(Condition::Unrecognized, Confidence::Low, summary, evidence);
    }
    let progress = last_progress(case);
    let quiet_for = progress.map(|at| case.now.since(at));
    let (container, why) = blocking(case).unzip();
    let init_works = container.is_some_and(|c| {
        c.kind() == ContainerKind::Init
            && c.state().is_running()
            && quiet_for.is_some_and(|quiet| quiet < case.thresholds.init_stuck_after)
    });
    let unscheduled =
        scheduled.is_none_or(|s| s.status() != ConditionStatus::True) && case.pod.node().is_none();
    let what = match (container, why) {
        _ if unscheduled => "no node has been chosen yet".to_owned(),
        (Some(container), Some(why)) => format!("{} {why}", called(container)),
        _ => "containers are not up yet".to_owned(),
    };
    let (condition, confidence, summary) = match quiet_for {
        // An init container at work is judged by `init_stuck`, which gives it longer.
        Some(quiet) if quiet >= case.thresholds.startup_grace && !init_works => {
            let summary = format!("{what}, and there was no progress for {}", Age(quiet));
            (Condition::StuckStarting, Confidence::Medium, summary)
        }
        Some(_) => (Condition::Starting, Confidence::Medium, what),
        None => (Condition::Starting, Confidence::Low, what),
    };
    let phase = Evidence::new(
        "status.phase",
        case.pod.phase().as_str().to_owned(),
        progress,
    );
    let finding = Finding::new(condition, confidence, summary, phase);
    let more = match scheduled {
        Some(scheduled) if unscheduled => Some(condition_evidence(scheduled)),
        _ => container.map(state_evidence),
    };
    with(finding, more)
}

/// The latest moment at which something is known to have happened in the pod.
fn last_progress(case: &Case<'_>) -> Option<Timestamp> {
    let scheduled = case
        .condition(PodConditionType::PodScheduled)
        .and_then(|s| s.since());
    let containers = case.live_containers().flat_map(|c| {
        let now = match c.state() {
            ContainerState::Running(running) => running.started_at(),
            ContainerState::Terminated(end) => end.finished_at(),
            _ => None,
        };
        [now, c.last_termination().and_then(Termination::finished_at)]
    });
    containers
        .chain([scheduled, case.pod.created()])
        .flatten()
        .max()
}

/// The first container, in the order in which they start, that the pod waits for, and how.
fn blocking<'a>(case: &Case<'a>) -> Option<(&'a Container, &'static str)> {
    let init = || {
        case.live_containers()
            .filter(|c| c.kind() != ContainerKind::Regular)
    };
    let regular = case
        .live_containers()
        .filter(|c| c.kind() == ContainerKind::Regular);
    init().chain(regular).find_map(|c| {
        let why = match c.state() {
            ContainerState::Running(_) if c.kind() == ContainerKind::Init => "is still at work",
            ContainerState::Running(_) => {
                let matrix = ProbeMatrix::of_container(c, case.now, case.thresholds);
                match matrix.joint() {
                    JointState::Serving if c.ready() => return None,
                    JointState::Starting => "runs and its startup probe has not passed yet",
                    JointState::StartupFailing => "was killed before its startup probe passed",
                    _ => "runs and is not ready yet",
                }
            }
            ContainerState::Terminated(_) if c.is_done() => return None,
            ContainerState::Terminated(_) => "has ended and was not restarted yet",
            _ => "has not been started yet",
        };
        Some((c, why))
    })
}

fn state_evidence(container: &Container) -> Evidence {
    match container.state() {
        ContainerState::Running(running) => {
            Evidence::new(container.field_path("ready"), "false", running.started_at())
        }
        ContainerState::Terminated(end) => Evidence::new(
            container.field_path("state.terminated.exitCode"),
            end.exit_code().to_string(),
            end.finished_at(),
        ),
        ContainerState::NotReported => {
            Evidence::new(container.field_path("state"), "no status yet", None)
        }
        state => {
            let reason = state.waiting_reason().unwrap_or("<absent>");
            let field = container.field_path("state.waiting.reason");
            Evidence::new(field, reason.to_owned(), None)
        }
    }
}
