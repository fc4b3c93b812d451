//! What a process before has done, as records tell it.

use std::collections::BTreeMap;

use super::{
    action::Action,
    common_cause::CommonCause,
    history::{History, Span, Subject, UnderWay},
    policy::Policy,
    scope::{Target, WorkloadRef},
};
use crate::{model::verdict::Condition, time::Timestamp};

/// An act or an escalation of a process before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "it is made by whoever reads records"
)]
pub struct PastAct {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What the pod was one of.
    pub workload: WorkloadRef,
    /// What it suffered from.
    pub condition: Condition,
    /// What was done.
    pub action: Action,
    /// The node that the pod was bound to, if it is known.
    pub node: Option<String>,
    /// How many acts before it did not help.
    pub failures: u32,
    /// Of an escalation, what the pod has in common with others, if it was about that.
    pub common_cause: Option<CommonCause>,
    /// When.
    pub at: Timestamp,
}

impl History {
    /// Adds what records say of acts of a process before, in the order of time; acts that are
    /// remembered anyhow change nothing.
    ///
    /// What was begun within [`recovery_timeout`](Policy::recovery_timeout) counts as under way. Of
    /// older acts it is not known whether they helped: they did until a new pod is sick again.
    pub fn recall(
        &mut self,
        acts: impl IntoIterator<Item = PastAct>,
        policy: &Policy,
        now: Timestamp,
    ) {
        // Of this memory alone: two acts of one moment are two acts.
        let known: BTreeMap<Subject, Option<Timestamp>> = self
            .efficacy
            .iter()
            .map(|(subject, efficacy)| (subject.clone(), efficacy.last))
            .collect();
        for past in acts {
            let last = known.get(&subject(&past)).copied().flatten();
            let is_known = past.action.is_act() && last >= Some(past.at.min(now));
            if !is_known || self.under_way.contains_key(&past.uid) {
                self.add(past, policy, now);
            }
        }
    }

    /// Adds acts of a process before of which this memory certainly has nothing, whatever was done on
    /// the same workload since: records that came when [`recall`](Self::recall) had been made.
    pub fn recall_late(
        &mut self,
        acts: impl IntoIterator<Item = PastAct>,
        policy: &Policy,
        now: Timestamp,
    ) {
        for past in acts {
            self.add(past, policy, now);
        }
    }

    fn add(&mut self, past: PastAct, policy: &Policy, now: Timestamp) {
        let at = past.at.min(now);
        let subject = subject(&past);
        let span = Span {
            first: at,
            last: at,
        };
        if !past.action.is_act() {
            self.escalated.entry(subject).or_insert(span);
            return;
        }
        if let Some(act) = self.under_way.get_mut(&past.uid) {
            // Another process did it again, as one does after a request without an answer.
            if act.since < at {
                act.since = at;
                self.start(at);
            }
            return;
        }
        let efficacy = self.efficacy.entry(subject).or_default();
        // What was done since says more.
        if efficacy.last <= Some(at) {
            efficacy.failures = past.failures;
            efficacy.last = Some(at);
            efficacy.helped = Some(span);
        }
        if now.since(at) < policy.rate.period {
            self.start(at);
        }
        if now.since(at) < policy.recovery_timeout {
            let target = Target {
                namespace: past.namespace,
                name: past.name,
                uid: past.uid.clone(),
                resource_version: String::new(),
                workload: past.workload,
                node: past.node,
            };
            let act = UnderWay {
                target,
                condition: past.condition,
                action: past.action,
                since: at,
            };
            self.under_way.insert(past.uid, act);
        }
    }

    /// Starts are kept in the order of time.
    fn start(&mut self, at: Timestamp) {
        let place = self.starts.partition_point(|start| *start <= at);
        self.starts.insert(place, at);
    }
}

fn subject(past: &PastAct) -> Subject {
    match &past.common_cause {
        Some(cause) if !past.action.is_act() => Subject::CommonCause(cause.clone()),
        _ => Subject::Workload(past.workload.clone(), past.condition),
    }
}
