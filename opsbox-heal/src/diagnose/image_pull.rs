//! `ImagePullBackOff`: an image that cannot be had.
//!
//! The reason is the same for a mistyped name and for a registry that is down for a minute. They
//! are told apart by the message, in the words of containerd, CRI-O and Docker and of the
//! registries behind them.

use super::case::{Case, because, called, text_evidence, with};
use crate::model::{
    cause::Cause,
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
        because(waiting.message().and_then(root))
    );
    let field = container.field_path("state.waiting.reason");
    let finding = Finding::new(
        Condition::ImagePullBackOff,
        confidence,
        summary,
        Evidence::new(field, reason.to_owned(), None),
    )
    .caused_by(cause(reason, waiting.message(), container.image()));
    let message = container.field_path("state.waiting.message");
    Some(with(finding, text_evidence(message, waiting.message())))
}

/// The end of the chain of causes, as in `Back-off pulling image "x": ErrImagePull: ...: not found`.
/// The image is named in the summary anyway, and so is that it cannot be had.
fn root(message: &str) -> Option<&str> {
    let last = message.trim_end().rsplit(": ").next()?;
    (!last.is_empty() && !last.starts_with("Back-off pulling image ")).then_some(last)
}

/// What the registry, the network or the name is to blame for, by what their errors say.
///
/// The errors of a chain are looked at from the last, which is the root, to the first.
fn cause(reason: &str, message: Option<&str>, image: &str) -> Option<Cause> {
    match reason {
        "InvalidImageName" => return Some(Cause::ImageNameInvalid),
        "ErrImageNeverPull" => return Some(Cause::ImageNotFound),
        "ImageInspectError" | "SignatureValidationFailed" => return None,
        _ => {}
    }
    let said = message.and_then(|message| {
        message
            .rsplit(": ")
            .find_map(|error| known(&without_names(error, image)))
    });
    match reason {
        "RegistryUnavailable" => said.or(Some(Cause::ImageTimeout)),
        _ => said,
    }
}

fn known(error: &str) -> Option<Cause> {
    let found = |(_, words): &&(Cause, &[&str])| words.iter().any(|word| error.contains(word));
    match error {
        "eof" => Some(Cause::ImageTimeout),
        _ => WORDS.iter().find(found).map(|(cause, _)| *cause),
    }
}

/// An error in lower case, without the image and other names and addresses in it: an image may be
/// called `not-found`.
fn without_names(error: &str, image: &str) -> String {
    let mut plain = String::with_capacity(error.len());
    for (index, part) in error.split('"').enumerate() {
        // Every other part is between quotes.
        if index % 2 == 0 {
            for word in part.split_ascii_whitespace() {
                let is_name = word.contains('/') && word != "i/o";
                if !is_name && word.trim_end_matches([',', '.']) != image {
                    plain.push_str(word);
                    plain.push(' ');
                }
            }
        }
    }
    plain.truncate(plain.trim_end().len());
    plain.make_ascii_lowercase();
    plain
}

/// What is said by whom: `toomanyrequests` Docker Hub and ECR, `pull QPS` the kubelet of itself,
/// `no basic auth` ECR, `insufficient_scope` the token server of Docker Hub, `manifest unknown`
/// and `name unknown` the registry API, `may require` containerd and Docker.
const WORDS: &[(Cause, &[&str])] = &[
    (
        Cause::ImageRateLimited,
        &[
            "toomanyrequests",
            "too many requests",
            "rate limit",
            "rate exceeded",
            "pull qps exceeded",
        ],
    ),
    (
        Cause::ImageNameInvalid,
        &[
            "invalid reference format",
            "parse image name",
            "invalid image name",
            "invalid tag format",
        ],
    ),
    (
        Cause::ImageUnauthorized,
        &[
            "unauthorized",
            "unauthenticated",
            "access denied",
            "is denied",
            "permissiondenied",
            "forbidden",
            "authentication required",
            "authorization failed",
            "insufficient_scope",
            "no basic auth",
            "may require authorization",
            "may require 'docker login'",
        ],
    ),
    (
        Cause::ImageTimeout,
        &[
            "timeout",
            "timed out",
            "deadline exceeded",
            "deadlineexceeded",
            "connection refused",
            "connection reset",
            "no such host",
            "no route to host",
            "network is unreachable",
            "name resolution",
            "server misbehaving",
            "internal server error",
            "bad gateway",
            "service unavailable",
            "code = unavailable",
            "unexpected eof",
            "request canceled",
        ],
    ),
    (
        Cause::ImageNotFound,
        &[
            "not found",
            "notfound",
            "manifest unknown",
            "name unknown",
            "does not exist",
            "no match for platform",
            "no matching manifest",
            "pull policy of never",
        ],
    ),
];
