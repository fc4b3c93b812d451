//! `InitStuck`: an init container that works for so long that it may never end.
//!
//! Such a pod shows no failure anywhere: it waits for a service, a lock or a migration. An init
//! container that fails is a crash loop or a failed pod instead.

use super::case::{Case, called};
use crate::{
    model::{
        container::{Container, ContainerKind, ContainerState, Termination},
        pod::Phase,
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if *case.pod.phase() != Phase::Pending || case.is_being_deleted() {
        return None;
    }
    let inits = || {
        case.live_containers()
            .filter(|c| c.kind() == ContainerKind::Init)
    };
    if inits().any(has_failed) {
        return None;
    }
    inits().find_map(|c| container(case, c))
}

fn container(case: &Case<'_>, container: &Container) -> Option<Finding> {
    let since = running_since(case, container)?;
    let works_for = case.now.since(since);
    if works_for < case.thresholds.init_stuck_after {
        return None;
    }
    let summary = format!(
        "{} has run for {} and has not ended, and the pod waits for it",
        called(container),
        Age(works_for)
    );
    let field = container.field_path("state.running.startedAt");
    let evidence = Evidence::new(field, since.to_string(), Some(since));
    Some(Finding::new(
        Condition::InitStuck,
        Confidence::Medium,
        summary,
        evidence,
    ))
}

fn running_since(case: &Case<'_>, container: &Container) -> Option<crate::Timestamp> {
    match container.state() {
        ContainerState::Running(running) => running.started_at().or_else(|| case.pod.created()),
        _ => None,
    }
}

fn has_failed(container: &Container) -> bool {
    let failed = |end: &Termination| end.exit_code() != 0;
    let now = match container.state() {
        ContainerState::Terminated(end) => failed(end),
        _ => false,
    };
    now || container.last_termination().is_some_and(failed)
}
