//! `CrashLoopBackOff`: a container that ends again and again.
//!
//! Between two back-offs such a container runs for a moment, and a look at that moment must find
//! the loop too. It is one if there were enough restarts, the last run was short, and this run is
//! still short. A single restart after a long run is none, however many there were before.

use super::case::{Case, called, restarted, with};
use crate::model::{
    container::{Container, ContainerState, Termination},
    verdict::{Condition, Confidence, Evidence, Finding},
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    case.by_container(|c| container(case, c))
}

fn container(case: &Case<'_>, container: &Container) -> Option<Finding> {
    if container.state().waiting_reason() == Some("CrashLoopBackOff") {
        let field = container.field_path("state.waiting.reason");
        let since = container
            .last_termination()
            .and_then(Termination::finished_at);
        let evidence = Evidence::new(field, "CrashLoopBackOff", since);
        return Some(finding(
            container,
            container.last_termination(),
            Confidence::High,
            evidence,
        ));
    }
    if container.restarts() < case.thresholds.crash_loop_restarts {
        return None;
    }
    match container.state() {
        ContainerState::Running(running) => {
            let end = container.last_termination()?;
            let began = running.started_at().or_else(|| end.finished_at())?;
            if !is_short(case, end) || case.now.since(began) > case.thresholds.crash_loop_quiet {
                return None;
            }
            let field = container.field_path("state.running.startedAt");
            let evidence = Evidence::new(field, began.to_string(), None);
            Some(finding(container, Some(end), Confidence::Medium, evidence))
        }
        ContainerState::Terminated(end) => {
            if container.is_done() || end.exit_code() == 0 || !is_short(case, end) {
                return None;
            }
            let field = container.field_path("state.terminated.exitCode");
            let evidence = Evidence::new(field, end.exit_code().to_string(), end.finished_at());
            Some(finding(container, Some(end), Confidence::Medium, evidence))
        }
        _ => None,
    }
}

/// Whether a run was too short for the kubelet to forget its back-off. One of unknown length is.
fn is_short(case: &Case<'_>, run: &Termination) -> bool {
    match (run.started_at(), run.finished_at()) {
        (Some(started), Some(finished)) => {
            finished.since(started) <= case.thresholds.crash_loop_quiet
        }
        _ => true,
    }
}

fn finding(
    container: &Container,
    end: Option<&Termination>,
    confidence: Confidence,
    first: Evidence,
) -> Finding {
    let restarts = container.restarts();
    let ended = end
        .map(|end| {
            let reason = end.reason().unwrap_or("no reason");
            format!(", last with exit code {} ({reason})", end.exit_code())
        })
        .unwrap_or_default();
    let summary = format!(
        "{} ends again and again: {}{ended}",
        called(container),
        restarted(container)
    );
    let finding =
        Finding::new(Condition::CrashLoopBackOff, confidence, summary, first).and(Evidence::new(
            container.field_path("restartCount"),
            restarts.to_string(),
            None,
        ));
    let exit_code = container.last_termination().map(|end| {
        Evidence::new(
            container.field_path("lastState.terminated.exitCode"),
            end.exit_code().to_string(),
            end.finished_at(),
        )
    });
    with(finding, exit_code)
}
