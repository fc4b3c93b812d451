//! What the conditions share: the pod in its moment, and how evidence is put.

use std::borrow::Cow;

use super::thresholds::Thresholds;
use crate::{
    limits::MAX_SUMMARY_MESSAGE_CHARS,
    model::{
        container::{Container, ContainerKind},
        pod::PodState,
        pod_condition::{PodCondition, PodConditionType},
        verdict::{Evidence, Finding},
    },
    time::Timestamp,
};

/// What every condition looks at.
pub(super) struct Case<'a> {
    pub(super) pod: &'a PodState,
    pub(super) now: Timestamp,
    pub(super) thresholds: &'a Thresholds,
}

impl<'a> Case<'a> {
    /// The containers that a verdict may rest on, if the pod has not ended.
    pub(super) fn live_containers(&self) -> impl Iterator<Item = &'a Container> {
        let ended = self.pod.phase().is_terminal();
        self.pod
            .containers()
            .iter()
            .filter(move |c| !ended && c.kind() != ContainerKind::Ephemeral)
    }

    pub(super) fn condition(&self, kind: PodConditionType) -> Option<&'a PodCondition> {
        self.pod.conditions.iter().find(|c| c.kind == kind)
    }

    pub(super) fn is_being_deleted(&self) -> bool {
        self.pod.deletion().is_some()
    }

    /// A finding about every container for which `judge` has something to say, by the first.
    pub(super) fn by_container(
        &self,
        judge: impl Fn(&'a Container) -> Option<Finding>,
    ) -> Option<Finding> {
        self.live_containers().filter_map(judge).reduce(merge)
    }
}

/// One finding of two of the same condition: the surer one speaks, the evidence is added up.
pub(super) fn merge(first: Finding, second: Finding) -> Finding {
    let rank = |f: &Finding| (!f.is_history(), f.confidence());
    let (mut kept, other) = if rank(&second) > rank(&first) {
        (second, first)
    } else {
        (first, second)
    };
    for evidence in other.evidence() {
        kept = kept.and(evidence.clone());
    }
    kept
}

/// How a container is called in a sentence.
pub(super) fn called(container: &Container) -> String {
    let kind = match container.kind() {
        ContainerKind::Init => "init container",
        ContainerKind::Sidecar => "sidecar",
        _ => "container",
    };
    format!("{kind} {}", container.name())
}

/// How often a container was restarted, in a sentence.
pub(super) fn restarted(container: &Container) -> String {
    match container.restarts() {
        1 => "1 restart".to_owned(),
        count => format!("{count} restarts"),
    }
}

pub(super) fn condition_evidence(condition: &PodCondition) -> Evidence {
    let field: Cow<'static, str> = match condition.kind {
        PodConditionType::Ready => r#"status.conditions[?(@.type=="Ready")].status"#.into(),
        _ => format!(
            r#"status.conditions[?(@.type=="{}")].status"#,
            condition.kind()
        )
        .into(),
    };
    Evidence::new(field, condition.status().as_str(), condition.since())
}

pub(super) fn phase_evidence(pod: &PodState) -> Evidence {
    let value = match pod.phase().as_str() {
        "" => Cow::Borrowed("<absent>"),
        text => Cow::Owned(text.to_owned()),
    };
    Evidence::new("status.phase", value, None)
}

/// The evidence of a text field, if there is one.
pub(super) fn text_evidence(
    field: impl Into<Cow<'static, str>>,
    value: Option<&str>,
) -> Option<Evidence> {
    value.map(|value| Evidence::new(field, value.to_owned(), None))
}

pub(super) fn with(finding: Finding, more: Option<Evidence>) -> Finding {
    match more {
        Some(evidence) => finding.and(evidence),
        None => finding,
    }
}

/// A message for the end of a sentence, after a colon; nothing if there is none.
pub(super) fn because(message: Option<&str>) -> String {
    let Some(message) = message.map(str::trim_end) else {
        return String::new();
    };
    match message.char_indices().nth(MAX_SUMMARY_MESSAGE_CHARS) {
        Some((end, _)) => format!(": {}…", message.get(..end).unwrap_or_default()),
        None => format!(": {message}"),
    }
}
