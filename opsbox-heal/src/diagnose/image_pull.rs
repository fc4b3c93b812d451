//! `ImagePullBackOff`: an image that cannot be had.

use super::case::{Case, because, called, text_evidence, with};
use crate::model::{
    container::{Container, ContainerState},
    verdict::{Condition, Confidence, Evidence, Finding},
};

/// The kubelet's reasons to wait for an image.
pub(super) const REASONS: &[&str] = &[
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// Those of a first attempt, which the kubelet repeats at once.
const FIRST_ATTEMPT: &[&str] = &["ErrImagePull", "RegistryUnavailable"];

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    case.by_container(container)
}

fn container(container: &Container) -> Option<Finding> {
    let ContainerState::Waiting(waiting) = container.state() else {
        return None;
    };
    let reason = waiting.reason().filter(|reason| REASONS.contains(reason))?;
    let confidence = match FIRST_ATTEMPT.contains(&reason) {
        true => Confidence::Medium,
        false => Confidence::High,
    };
    let summary = format!(
        "{} cannot get image {}{}",
        called(container),
        container.image(),
        because(waiting.message().and_then(cause))
    );
    let field = container.field_path("state.waiting.reason");
    let finding = Finding::new(
        Condition::ImagePullBackOff,
        confidence,
        summary,
        Evidence::new(field, reason.to_owned(), None),
    );
    let message = container.field_path("state.waiting.message");
    Some(with(finding, text_evidence(message, waiting.message())))
}

/// The end of the chain of causes, as in `Back-off pulling image "x": ErrImagePull: ...: not found`.
/// The image is named in the summary anyway, and so is that it cannot be had.
fn cause(message: &str) -> Option<&str> {
    let last = message.trim_end().rsplit(": ").next()?;
    (!last.is_empty() && !last.starts_with("Back-off pulling image ")).then_some(last)
}
