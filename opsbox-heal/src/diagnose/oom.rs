//! `OOMKilled`: a container ended for want of memory.
//!
//! Exit code 137 alone is no evidence: every SIGKILL gives it. What counts is the reason.

use super::{
    case::{Case, called, merge, restarted, with},
    crash_loop::is_short,
};
use crate::{
    model::{
        cause::Cause,
        container::{Container, ContainerKind, ContainerState, Termination},
        pod::Phase,
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    // A failed pod is searched too, since this is why it failed.
    let searched = *case.pod.phase() != Phase::Succeeded;
    case.pod
        .containers()
        .iter()
        .filter(|c| searched && c.kind() != ContainerKind::Ephemeral)
        .filter_map(|c| container(case, c))
        .reduce(merge)
}

fn container(case: &Case<'_>, container: &Container) -> Option<Finding> {
    if let ContainerState::Terminated(end) = container.state() {
        return oom(end).then(|| {
            let summary = format!("{} ran out of memory and is down", called(container));
            finding(case, container, end, "state", Confidence::High, summary)
        });
    }
    let end = container.last_termination().filter(|end| oom(end))?;
    if !container.state().is_running() {
        let summary = format!(
            "{} ran out of memory and is down, {} so far",
            called(container),
            restarted(container)
        );
        return Some(finding(
            case,
            container,
            end,
            "lastState",
            Confidence::High,
            summary,
        ));
    }
    let ago = end.finished_at().map(|at| case.now.since(at));
    let when = ago
        .map(|ago| format!(" {} ago", Age(ago)))
        .unwrap_or_default();
    let summary = format!(
        "{} ran out of memory{when} and runs again, {} so far",
        called(container),
        restarted(container)
    );
    let recent = ago.is_some_and(|ago| ago <= case.thresholds.oom_recent)
        && !is_helper_of_a_pod_that_works(case, container);
    let confidence = if recent {
        Confidence::Medium
    } else {
        Confidence::Low
    };
    let finding = finding(case, container, end, "lastState", confidence, summary);
    Some(if recent {
        finding
    } else {
        finding.into_history()
    })
}

/// A sidecar that is up again beside containers that serve is a note, not the state of the pod,
/// unless it happens again and again.
fn is_helper_of_a_pod_that_works(case: &Case<'_>, container: &Container) -> bool {
    container.kind() == ContainerKind::Sidecar
        && cause(case, container) == Cause::OomOnce
        && case.live_containers().all(|c| match c.kind() {
            ContainerKind::Init => true,
            _ => c.is_done() || (c.state().is_running() && c.ready()),
        })
}

fn oom(end: &Termination) -> bool {
    end.is_oom_killed()
}

/// Of a container only the last two ends are known, and often one. With restarts before it, an end
/// soon after the start is taken for one of a series.
fn cause(case: &Case<'_>, container: &Container) -> Cause {
    let now = match container.state() {
        ContainerState::Terminated(end) => oom(end),
        _ => false,
    };
    let before = container.last_termination().is_some_and(oom);
    let last = match container.state() {
        ContainerState::Terminated(end) => Some(&**end),
        _ => container.last_termination(),
    };
    let soon = last.is_some_and(|end| is_short(case, end));
    let many = container.restarts() >= case.thresholds.oom_repeated_restarts;
    match (now && before) || (soon && many) {
        true => Cause::OomRepeated,
        false => Cause::OomOnce,
    }
}

fn finding(
    case: &Case<'_>,
    container: &Container,
    end: &Termination,
    state: &str,
    confidence: Confidence,
    summary: String,
) -> Finding {
    let reason = Evidence::new(
        container.field_path(&format!("{state}.terminated.reason")),
        "OOMKilled",
        end.finished_at(),
    );
    let exit_code = Evidence::new(
        container.field_path(&format!("{state}.terminated.exitCode")),
        end.exit_code().to_string(),
        None,
    );
    let restarts = (container.restarts() > 0).then(|| {
        Evidence::new(
            container.field_path("restartCount"),
            container.restarts().to_string(),
            None,
        )
    });
    let finding = Finding::new(Condition::OomKilled, confidence, summary, reason)
        .caused_by(Some(cause(case, container)))
        .and(exit_code);
    with(finding, restarts)
}
