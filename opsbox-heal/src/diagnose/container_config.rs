//! `ContainerConfigError`: the runtime cannot make or start a container as its spec asks, for
//! want of a ConfigMap, a Secret, a mount or a program.

use super::case::{Case, because, called, text_evidence, with};
use crate::model::{
    container::{Container, ContainerState},
    verdict::{Condition, Confidence, Evidence, Finding},
};

/// The kubelet's reasons to wait between making and running a container.
pub(super) const REASONS: &[&str] = &[
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "VerifyNonRootError",
    "RunInitContainerError",
    "StartError",
    "ContainerCannotRun",
];

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    case.by_container(container)
}

fn container(container: &Container) -> Option<Finding> {
    let ContainerState::Waiting(waiting) = container.state() else {
        return None;
    };
    let reason = waiting.reason().filter(|reason| REASONS.contains(reason))?;
    let summary = format!(
        "{} cannot be started{}",
        called(container),
        because(waiting.message())
    );
    let field = container.field_path("state.waiting.reason");
    let finding = Finding::new(
        Condition::ContainerConfigError,
        Confidence::High,
        summary,
        Evidence::new(field, reason.to_owned(), None),
    );
    let message = container.field_path("state.waiting.message");
    Some(with(finding, text_evidence(message, waiting.message())))
}
