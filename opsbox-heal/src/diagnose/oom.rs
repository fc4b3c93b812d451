//! `OOMKilled`: a container ended for want of memory.
//!
//! Exit code 137 alone is no evidence: every SIGKILL gives it. What counts is the reason.

use super::case::{Case, called, merge, restarted, with};
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
            finding(container, end, "state", Confidence::High, summary)
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
    let recent = ago.is_some_and(|ago| ago <= case.thresholds.oom_recent);
    let confidence = if recent {
        Confidence::Medium
    } else {
        Confidence::Low
    };
    let finding = finding(container, end, "lastState", confidence, summary);
    Some(if recent {
        finding
    } else {
        finding.into_history()
    })
}

fn oom(end: &Termination) -> bool {
    end.is_oom_killed()
}

/// Two ends are known of a container. Of those before them only the number is, so that of a
/// container with more restarts this is the least.
fn cause(container: &Container) -> Cause {
    let now = match container.state() {
        ContainerState::Terminated(end) => oom(end),
        _ => false,
    };
    let before = container.last_termination().is_some_and(oom);
    match now && before {
        true => Cause::OomRepeated,
        false => Cause::OomOnce,
    }
}

fn finding(
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
        .caused_by(Some(cause(container)))
        .and(exit_code);
    with(finding, restarts)
}
