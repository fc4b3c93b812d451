//! The audit stream and the metrics as observers, and the Events of acts.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    act::{Outcome, Recovery},
    controller::Observer,
    decide::{Action, Decision, Reason, UnderWay},
    record::{AuditLog, Entry, EntryKind, EntryTarget, Event, ObjectRef},
    time::Timestamp,
};

/// Every decision is a line once, when it is another than before; an act is a line before its
/// request, and is not made if that line cannot be written.
impl Observer for Mutex<AuditLog> {
    fn decided(&self, decision: &Decision, now: Timestamp) {
        // What is told to a human or really done has a line of its own.
        let own_line = decision.action.is_act() && !decision.dry_run;
        if !own_line && decision.action != Action::Escalate {
            append(self, &entry(EntryKind::Decision, decision, now));
        }
    }

    fn acting(&self, decision: &Decision, now: Timestamp) -> Result<(), String> {
        let entry = entry(EntryKind::Decision, decision, now);
        let mut audit = self.lock().unwrap_or_else(PoisonError::into_inner);
        let written = audit.append(&entry).and_then(|_| audit.flush());
        written.map_err(|error| error.to_string())
    }

    fn acted(&self, decision: &Decision, outcome: &Outcome, _: Duration, now: Timestamp) {
        append(
            self,
            &entry(EntryKind::Outcome, decision, now).outcome(outcome),
        );
    }

    fn recovered(&self, act: &UnderWay, recovery: &Recovery, now: Timestamp) {
        let target = &act.target;
        let entry = Entry::new(
            EntryKind::Recovery,
            now,
            act.action.as_str(),
            recovery.as_str(),
        );
        let entry = entry
            .act(&target.uid)
            .target(EntryTarget::from(target))
            .condition(act.condition)
            .message(recovery.to_string())
            .recovery(recovery);
        append(self, &entry);
    }

    fn escalated(&self, decision: &Decision, now: Timestamp) {
        append(self, &entry(EntryKind::Escalation, decision, now));
    }
}

fn append(audit: &Mutex<AuditLog>, entry: &Entry) {
    let mut audit = audit.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = audit.append(entry) {
        tracing::error!(%error, "the audit stream cannot be written");
    }
}

fn entry(kind: EntryKind, decision: &Decision, now: Timestamp) -> Entry {
    let reason = &decision.reason;
    let mut entry = Entry::new(kind, now, decision.action.as_str(), reason.as_str())
        .target(EntryTarget::from(&decision.target))
        .condition(decision.condition)
        .message(reason.to_string())
        .dry_run(decision.dry_run);
    entry.severity = Some(decision.condition.severity().to_string());
    entry.confidence = Some(decision.confidence.to_string());
    entry.summary = Some(decision.summary.clone());
    if decision.action.is_act() {
        entry = entry.act(&decision.target.uid);
    }
    if let Some(cause) = decision.cause {
        entry = entry.cause(cause.as_str());
    }
    if let Reason::Policy { rule } = reason {
        entry = entry.rule(rule);
    }
    entry
}

impl From<&crate::decide::Target> for EntryTarget {
    fn from(target: &crate::decide::Target) -> Self {
        let mut entry = Self::new(&target.namespace, &target.name, &target.uid)
            .workload(target.workload.to_string())
            .node(target.node.clone().unwrap_or_default());
        entry.resource_version.clone_from(&target.resource_version);
        entry
    }
}

/// What is known of a metric is set at each pass; labels come from closed sets.
#[cfg(feature = "metrics")]
mod metrics {
    use super::*;
    use crate::{
        decide::CommonCause,
        healer::Pass,
        model::verdict::Condition,
        observe::live::WatchState,
        record::{Metrics, Operation},
    };

    impl Observer for Metrics {
        fn decided(&self, decision: &Decision, _: Timestamp) {
            self.decided(decision.action.as_str(), decision.reason.as_str());
        }

        fn acted(&self, decision: &Decision, outcome: &Outcome, took: Duration, _: Timestamp) {
            self.acted(decision.action.as_str(), outcome, took);
        }

        fn recovered(&self, _: &UnderWay, recovery: &Recovery, _: Timestamp) {
            self.recovered(recovery);
        }

        fn escalated(&self, decision: &Decision, _: Timestamp) {
            self.escalated(decision.reason.as_str());
        }

        fn recorded(&self, outcome: &Outcome) {
            self.event(outcome);
        }

        fn leads(&self, leads: bool) {
            self.leads(leads);
        }

        fn interrupted(&self, _: &WatchState) {
            self.observe_failed(Operation::Watch);
        }

        fn passed(&self, pass: &Pass, now: Timestamp, took: Duration) {
            for condition in Condition::ALL {
                let count = pass.conditions.get(&condition).copied().unwrap_or(0);
                self.pods(condition, u64::from(count));
            }
            for kind in CommonCause::KINDS {
                let mut tripped = pass.plan.common_causes().iter();
                self.breaker(kind, tripped.any(|tripped| tripped.cause.kind() == kind));
            }
            self.swept(now, took);
        }
    }
}

/// The annotation of an Event with the node of the pod.
pub(super) const NODE: &str = "opsbox-heal/node";

/// The annotation of an Event with the number of acts before that did not help.
pub(super) const FAILURES: &str = "opsbox-heal/failures";

/// The annotation of an Event with the common cause that it is about, in JSON.
pub(super) const COMMON_CAUSE: &str = "opsbox-heal/common-cause";

/// The Event of an act or an escalation, on the pod and its workload. The annotations are for the
/// process after, which learns from it what was done.
pub(super) fn event(decision: &Decision) -> Event {
    let target = &decision.target;
    let pod = ObjectRef::new("Pod", &target.namespace, &target.name).uid(&target.uid);
    let workload = &target.workload;
    let owner = ObjectRef::new(&workload.kind, &workload.namespace, &workload.name);
    let condition = decision.condition.as_str();
    let mut event = match decision.action {
        Action::Evict => Event::normal(pod, "Evict", condition),
        Action::Delete => Event::normal(pod, "Delete", condition),
        Action::RestartOwner => Event::normal(pod, "RestartOwner", condition),
        _ => Event::warning(pod, "Escalate", condition),
    };
    event = event.annotation(FAILURES, decision.failures.to_string());
    if let Some(node) = &target.node {
        event = event.annotation(NODE, node);
    }
    if let Reason::CommonCause { cause, .. } = &decision.reason
        && let Ok(cause) = serde_json::to_string(cause)
    {
        event = event.annotation(COMMON_CAUSE, cause);
    }
    event
        .related(owner)
        .note(format!("{}; {}", decision.summary, decision.reason))
}
