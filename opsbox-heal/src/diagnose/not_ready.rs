//! `NotReady`: runs, but does not serve.

use super::case::{Case, because, called, condition_evidence, text_evidence, with};
use crate::{
    model::{
        container::{Container, ContainerKind, ContainerState},
        matrix::{JointState, ProbeMatrix},
        pod::Phase,
        pod_condition::{ConditionStatus, PodConditionType},
        verdict::{Condition, Confidence, Evidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if *case.pod.phase() != Phase::Running || case.is_being_deleted() {
        return None;
    }
    case.by_container(|c| container(case, c))
        .or_else(|| pod(case))
}

fn container(case: &Case<'_>, container: &Container) -> Option<Finding> {
    let ContainerState::Running(running) = container.state() else {
        return None;
    };
    let serves = matches!(
        container.kind(),
        ContainerKind::Regular | ContainerKind::Sidecar
    );
    if container.ready() || !serves {
        return None;
    }
    let matrix = ProbeMatrix::of_container(container, case.now, case.thresholds);
    // One that has not started yet is judged by `starting`.
    if matches!(
        matrix.joint(),
        JointState::Starting | JointState::StartupFailing
    ) {
        return None;
    }
    let ready = case.condition(PodConditionType::Ready);
    let unready_since = ready
        .filter(|ready| ready.status() == ConditionStatus::False)
        .and_then(|ready| ready.since());
    let began = running
        .started_at()
        .or(unready_since)
        .or_else(|| case.pod.created());
    // A pod that became unready after the container had started has been ready before.
    let was_ready = unready_since.is_some_and(|unready| Some(unready) > began);
    let since = if was_ready { unready_since } else { began };
    let unready_for = since.map(|since| case.now.since(since)).unwrap_or_default();
    if !was_ready && unready_for < case.thresholds.startup_grace {
        return None;
    }
    let confidence = match unready_for < case.thresholds.not_ready_after {
        true => Confidence::Medium,
        false => Confidence::High,
    };
    let summary = format!(
        "{} runs but has not been ready for {}",
        called(container),
        Age(unready_for)
    );
    let field = Evidence::new(container.field_path("ready"), "false", since);
    let finding = Finding::new(Condition::NotReady, confidence, summary, field);
    Some(with(finding, ready.map(condition_evidence)))
}

/// All containers are ready, but the pod is not: readiness gates, or a status half written.
fn pod(case: &Case<'_>) -> Option<Finding> {
    let ready = case.condition(PodConditionType::Ready)?;
    let mut serving = case.pod.serving_containers().peekable();
    serving.peek()?;
    let all_ready = serving.all(|c| c.state().is_running() && c.ready());
    if ready.status() != ConditionStatus::False || !all_ready {
        return None;
    }
    let unready_for = ready
        .since()
        .map(|at| case.now.since(at))
        .unwrap_or_default();
    let confidence = match unready_for < case.thresholds.not_ready_after {
        true => Confidence::Low,
        false => Confidence::Medium,
    };
    let summary = format!(
        "all containers are ready but the pod is not{}",
        because(ready.message().or_else(|| ready.reason()))
    );
    let finding = Finding::new(
        Condition::NotReady,
        confidence,
        summary,
        condition_evidence(ready),
    );
    let path = r#"status.conditions[?(@.type=="Ready")].reason"#;
    Some(with(finding, text_evidence(path, ready.reason())))
}
