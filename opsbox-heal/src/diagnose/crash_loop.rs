//! `CrashLoopBackOff`: a container that ends again and again.
//!
//! Between two back-offs such a container runs for a moment, and a look at that moment must find
//! the loop too. It is one if there were enough restarts, the last run was short, and this run is
//! still short. A single restart after a long run is none, however many there were before.
//!
//! A container that fails at every start needs another image or configuration; one that runs for
//! a while between failures works until something happens. They are told apart by how long the
//! last run was, and by how often the container was restarted in the life of the pod.

use super::{
    case::{Case, called, restarted, with},
    liveness,
};
use crate::model::{
    cause::Cause,
    container::{Container, ContainerKind, ContainerState, Termination},
    pod_condition::{ConditionStatus, PodConditionType},
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
        // The kubelet calls it so from the first failure on.
        let confidence = match container.restarts() < case.thresholds.crash_loop_restarts {
            true => Confidence::Medium,
            false => Confidence::High,
        };
        return Some(finding(
            case,
            container,
            container.last_termination(),
            confidence,
            evidence,
        ));
    }
    // One that is killed does not end by itself; in back-off the kubelet says so all the same.
    if container.restarts() < case.thresholds.crash_loop_restarts
        || liveness::is_suspected(case, container)
    {
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
            Some(finding(
                case,
                container,
                Some(end),
                Confidence::Medium,
                evidence,
            ))
        }
        ContainerState::Terminated(end) => {
            if container.is_done() || end.exit_code() == 0 || !is_short(case, end) {
                return None;
            }
            let field = container.field_path("state.terminated.exitCode");
            let evidence = Evidence::new(field, end.exit_code().to_string(), end.finished_at());
            Some(finding(
                case,
                container,
                Some(end),
                Confidence::Medium,
                evidence,
            ))
        }
        _ => None,
    }
}

/// Whether a run was too short for the kubelet to forget its back-off. One of unknown length is.
pub(super) fn is_short(case: &Case<'_>, run: &Termination) -> bool {
    match (run.started_at(), run.finished_at()) {
        (Some(started), Some(finished)) => {
            finished.since(started) <= case.thresholds.crash_loop_quiet
        }
        _ => true,
    }
}

/// Whether it works between failures, by its restart history. The kubelet starts a container again
/// after five minutes at most, so restarts further apart had good runs between them.
fn cause(case: &Case<'_>, container: &Container, end: &Termination) -> Option<Cause> {
    let finished = end.finished_at();
    let ran_for = end.started_at().zip(finished).map(|(s, f)| f.since(s));
    if ran_for.is_some_and(|ran_for| ran_for >= case.thresholds.flapping_run) {
        return Some(Cause::Flapping);
    }
    // Regular containers begin once the init containers are through.
    let initialized = case
        .condition(PodConditionType::Initialized)
        .filter(|c| c.status() == ConditionStatus::True)
        .filter(|_| container.kind() == ContainerKind::Regular)
        .and_then(|c| c.since());
    let began = initialized.or_else(|| case.pod.created());
    let apart = began
        .zip(finished)
        .map(|(began, finished)| finished.since(began) / container.restarts().max(1));
    match (ran_for, apart) {
        (_, Some(apart)) if apart > case.thresholds.crash_loop_quiet => Some(Cause::Flapping),
        (None, None) => None,
        _ => Some(Cause::SteadyFailure),
    }
}

/// How many other containers run, for what is left of the pod.
fn alive(case: &Case<'_>, container: &Container) -> String {
    let others = case
        .live_containers()
        .filter(|c| !std::ptr::eq(*c, container) && c.state().is_running())
        .count();
    match others {
        0 => String::new(),
        1 => "; 1 other container runs".to_owned(),
        count => format!("; {count} other containers run"),
    }
}

fn finding(
    case: &Case<'_>,
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
        "{} ends again and again: {}{ended}{}",
        called(container),
        restarted(container),
        alive(case, container)
    );
    let finding = Finding::new(Condition::CrashLoopBackOff, confidence, summary, first)
        .caused_by(end.and_then(|end| cause(case, container, end)))
        .and(Evidence::new(
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
