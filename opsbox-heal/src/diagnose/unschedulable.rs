//! `Unschedulable`: the scheduler has looked and found no node.
//!
//! Why is told by its message only, as in `0/5 nodes are available: 3 Insufficient cpu, 2 node(s)
//! had untolerated taint {dedicated: gpu}. preemption: ...`. A ResourceQuota that is used up is
//! not seen here: it refuses the pod at its creation, so there is none, and its ReplicaSet or Job
//! has the condition and the events that say so. Schedulers with queues of their own do say
//! `quota` of a pod.

use super::case::{Case, because, condition_evidence, text_evidence, with};
use crate::{
    model::{
        cause::Cause,
        pod::Phase,
        pod_condition::{ConditionStatus, PodConditionType},
        verdict::{Condition, Confidence, Finding},
    },
    time::Age,
};

pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    if *case.pod.phase() != Phase::Pending || case.is_being_deleted() {
        return None;
    }
    let scheduled = case.condition(PodConditionType::PodScheduled)?;
    // A pod behind a scheduling gate (reason SchedulingGated) is held on purpose.
    let refused = scheduled.status() == ConditionStatus::False
        && matches!(scheduled.reason(), Some("Unschedulable" | "SchedulerError"));
    let since = scheduled.since().or_else(|| case.pod.created());
    let waited = since.map(|since| case.now.since(since));
    if !refused || waited.is_some_and(|waited| waited < case.thresholds.unschedulable_after) {
        return None;
    }
    let waited = waited
        .map(|waited| format!(" for {}", Age(waited)))
        .unwrap_or_default();
    let summary = format!("no node fits{waited}{}", because(scheduled.message()));
    let finding = Finding::new(
        Condition::Unschedulable,
        Confidence::High,
        summary,
        condition_evidence(scheduled),
    )
    .caused_by(scheduled.message().and_then(cause));
    let path = |field: &str| format!(r#"status.conditions[?(@.type=="PodScheduled")].{field}"#);
    let finding = with(finding, text_evidence(path("reason"), scheduled.reason()));
    Some(with(
        finding,
        text_evidence(path("message"), scheduled.message()),
    ))
}

/// The cause that stands between the pod and the nodes that come nearest to fitting.
///
/// The scheduler tests each node in steps and counts it at the first step that it fails. Taints
/// and node selectors come first: nodes that fail there were mostly never meant for this pod, and
/// those that get further were. So a cause of a later step wins, and of several the one that rules
/// out most nodes.
fn cause(message: &str) -> Option<Cause> {
    let (reasons, total) = reasons(message);
    // In the order that decides between equals.
    let mut late = [
        (Cause::InsufficientResources, 0_u32),
        (Cause::Volume, 0),
        (Cause::Affinity, 0),
        (Cause::Quota, 0),
    ];
    let mut early = None;
    for reason in reasons.split(", ") {
        let (count, reason) = counted(reason.trim_start());
        match step(reason) {
            Some(Step::Late(cause)) => {
                for (_, nodes) in late.iter_mut().filter(|(known, _)| *known == cause) {
                    // Without a number of its own it holds for every node.
                    *nodes = nodes.saturating_add(count.unwrap_or(total).max(1));
                }
            }
            Some(Step::Selector) => early = Some(Cause::Affinity),
            Some(Step::Taint) => {
                early.get_or_insert(Cause::UntoleratedTaint);
            }
            None => {}
        }
    }
    late.into_iter()
        .filter(|(_, nodes)| *nodes > 0)
        .reduce(|most, next| if next.1 > most.1 { next } else { most })
        .map(|(cause, _)| cause)
        .or(early)
}

/// At which step of the scheduler a node fails, as far as it matters.
enum Step {
    Taint,
    Selector,
    Late(Cause),
}

/// The reasons for which nodes were refused, and how many nodes there are. What preemption would
/// change is another list of the same nodes, and left out.
fn reasons(message: &str) -> (&str, u32) {
    let end = message.find("preemption: ").unwrap_or(message.len());
    let message = message.get(..end).unwrap_or(message);
    let total = message
        .strip_prefix("0/")
        .map_or(0, |rest| counted(rest).0.unwrap_or(0));
    match message.split_once(" are available: ") {
        Some((_, reasons)) => (reasons, total),
        None => (message, total),
    }
}

/// The number before a reason, and the reason.
fn counted(text: &str) -> (Option<u32>, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end).unwrap_or(("", text));
    (number.parse().ok(), rest.trim_start())
}

/// The reasons of the default scheduler's plugins, of this and earlier releases.
fn step(reason: &str) -> Option<Step> {
    let has = |part: &str| reason.contains(part);
    // The key and value of a taint may be any word, so taints are told by how the reason begins.
    let taint = [
        "node(s) had untolerated taint",
        "node(s) had taint",
        "node(s) were unschedulable",
        "node(s) were not ready",
    ];
    if taint.iter().any(|start| reason.starts_with(start)) {
        return Some(Step::Taint);
    }
    if reason.starts_with("Insufficient ")
        || reason.starts_with("Too many pods")
        || has("free ports")
        || has("no nodes available")
        || has("cannot allocate all claims")
    {
        return Some(Step::Late(Cause::InsufficientResources));
    }
    if has("node affinity/selector") || has("node selector") || has("requested node name") {
        return Some(Step::Selector);
    }
    if has("olume") || has("torage") {
        return Some(Step::Late(Cause::Volume));
    }
    if has("affinity") || has("topology spread") {
        return Some(Step::Late(Cause::Affinity));
    }
    has("quota").then_some(Step::Late(Cause::Quota))
}
