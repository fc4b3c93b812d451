//! What was done, and whether it helped.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    action::Action,
    common_cause::CommonCause,
    decision::{Decision, Plan},
    efficacy::Efficacy,
    policy::Policy,
    reason::Reason,
    scope::{Scope, Target, WorkloadRef},
};
use crate::{
    diagnose::report::Diagnosis,
    model::{pod::PodState, verdict::Condition},
    time::Timestamp,
};

/// What was done so far and what came of it: plain data that is kept between passes, by workload
/// and so over the recreation of pods.
///
/// A pass is: [`observe`](Self::observe) the sick pods, [`decide`](super::decide()),
/// [`note`](Self::note) the plan, then for each act [`started`](Self::started) before the request
/// and [`finished`](Self::finished) when it is known what came of it. It can be written with serde
/// and read back by the next process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    pub(super) under_way: BTreeMap<String, UnderWay>,
    pub(super) starts: VecDeque<Timestamp>,
    #[serde(with = "pairs")]
    pub(super) efficacy: BTreeMap<Subject, Efficacy>,
    #[serde(with = "pairs")]
    pub(super) escalated: BTreeMap<Subject, Span>,
    #[serde(with = "pairs")]
    tripped: BTreeMap<CommonCause, Timestamp>,
    nodes: BTreeMap<String, Vec<(WorkloadRef, Timestamp)>>,
    sick_since: BTreeMap<String, Timestamp>,
    /// By namespace and name: pods that took the place of others, and when that was known.
    replacements: BTreeMap<String, Timestamp>,
}

/// What a memory is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// A condition of a workload.
    Workload(WorkloadRef, Condition),
    /// What many pods have in common.
    CommonCause(CommonCause),
}

impl Subject {
    pub(super) fn of(target: &Target, condition: Condition) -> Self {
        Self::Workload(target.workload.clone(), condition)
    }

    fn of_escalation(decision: &Decision) -> Self {
        match &decision.reason {
            Reason::CommonCause { cause, .. } => Self::CommonCause(cause.clone()),
            _ => Self::of(&decision.target, decision.condition),
        }
    }
}

/// The first and the last time that something was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// An act whose effect is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnderWay {
    /// The pod.
    pub target: Target,
    /// What it suffered from.
    pub condition: Condition,
    /// What is done.
    pub action: Action,
    /// When it was begun.
    pub since: Timestamp,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// The workload has recovered.
    Helped,
    /// It has not, within the time for that.
    DidNotHelp,
    /// Nothing was done: the pod was gone or another one by then.
    NotNeeded,
    /// A disruption budget of the cluster refused it for now.
    Blocked {
        /// When to ask again at the earliest, if the server said so.
        retry_after: Option<Duration>,
    },
    /// The server refused it or failed, and it was not done.
    Failed,
}

impl History {
    /// Nothing was done so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes which pods are sick at a moment, and forgets what is long over. To be called before
    /// each [`decide`](super::decide()).
    pub fn observe<'p>(
        &mut self,
        sick: impl IntoIterator<Item = &'p Diagnosis<'p>>,
        policy: &Policy,
        now: Timestamp,
    ) {
        self.correct_future(now);
        let mut seen = BTreeMap::new();
        for pod in sick {
            let since = self.sick_since.get(pod.pod().uid()).copied();
            seen.insert(pod.pod().uid().to_owned(), since.unwrap_or(now));
            let subject = Subject::Workload(WorkloadRef::of(pod.pod()), pod.verdict().condition());
            if let Some(span) = self.escalated.get_mut(&subject) {
                span.last = now;
            }
            let replaced = self.replacements.get(&full_name(pod.pod())).copied();
            if let Some(efficacy) = self.efficacy.get_mut(&subject) {
                efficacy.last_sick = Some(now);
                efficacy.relapse(pod.pod(), replaced, policy, now);
            }
        }
        for efficacy in self.efficacy.values_mut() {
            efficacy.absolve(policy, now);
        }
        self.sick_since = seen;
        let forget = policy.backoff.forget_after;
        let keep = |last: Timestamp| now.since(last) < forget;
        self.replacements.retain(|_, at| keep(*at));
        self.efficacy
            .retain(|_, efficacy| efficacy.last.max(efficacy.last_sick).is_some_and(keep));
        self.escalated.retain(|_, span| keep(span.last));
        self.tripped
            .retain(|_, last| now.since(*last) < forget.max(policy.breaker.hold));
        self.nodes.retain(|_, acts| {
            acts.retain(|(_, at)| keep(*at));
            !acts.is_empty()
        });
        while let Some(start) = self.starts.front() {
            if now.since(*start) < policy.rate.period {
                break;
            }
            self.starts.pop_front();
        }
    }

    /// A clock that was ahead must not make everything wait until it is so late again.
    fn correct_future(&mut self, now: Timestamp) {
        self.each_moment(|moment| *moment = now.min(*moment));
    }

    /// Moves everything by so many seconds, as when the clock was set.
    pub(crate) fn shift(&mut self, seconds: i64) {
        self.each_moment(|moment| {
            let moved = moment.unix_seconds().saturating_add(seconds);
            *moment = Timestamp::from_unix_seconds(moved);
        });
    }

    /// Every moment in the past; those that the server gave for the future are not among them.
    fn each_moment(&mut self, mut change: impl FnMut(&mut Timestamp)) {
        let helped = self.efficacy.values_mut();
        let helped = helped.filter_map(|efficacy| efficacy.helped.as_mut());
        for span in self.escalated.values_mut().chain(helped) {
            change(&mut span.first);
            change(&mut span.last);
        }
        self.starts.iter_mut().for_each(&mut change);
        self.tripped.values_mut().for_each(&mut change);
        let by_pod = self.sick_since.values_mut();
        by_pod
            .chain(self.replacements.values_mut())
            .for_each(&mut change);
        for act in self.under_way.values_mut() {
            change(&mut act.since);
        }
        for efficacy in self.efficacy.values_mut() {
            let moments = [&mut efficacy.last, &mut efficacy.last_sick];
            moments.into_iter().flatten().for_each(&mut change);
        }
        for (_, at) in self.nodes.values_mut().flatten() {
            change(at);
        }
    }

    /// Notes whom a plan tells what, so that it is told once, and which common causes stop acts.
    pub fn note(&mut self, plan: &Plan, now: Timestamp) {
        for decision in plan.escalations() {
            self.escalate(decision, now);
        }
        for tripped in plan.common_causes() {
            let told = Subject::CommonCause(tripped.cause.clone());
            if let Some(span) = self.escalated.get_mut(&told) {
                span.last = now;
            }
            if tripped.reached {
                self.tripped.insert(tripped.cause.clone(), now);
            }
        }
    }

    /// Notes that a human is told of this; `false` if that was done already.
    pub fn escalate(&mut self, decision: &Decision, now: Timestamp) -> bool {
        match self.escalated.entry(Subject::of_escalation(decision)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(new) => {
                new.insert(Span {
                    first: now,
                    last: now,
                });
                true
            }
        }
    }

    /// An act is about to be made. From here on it counts against every budget.
    pub fn started(&mut self, decision: &Decision, now: Timestamp) {
        let target = &decision.target;
        let subject = Subject::of(target, decision.condition);
        self.efficacy.entry(subject).or_default().last = Some(now);
        self.starts.push_back(now);
        if let Some(node) = &target.node {
            let acts = self.nodes.entry(node.clone()).or_default();
            acts.retain(|(workload, _)| *workload != target.workload);
            acts.push((target.workload.clone(), now));
        }
        let act = UnderWay {
            target: target.clone(),
            condition: decision.condition,
            action: decision.action,
            since: now,
        };
        self.under_way.insert(target.uid.clone(), act);
    }

    /// A pod took the place of one that was acted on.
    pub fn replaced_by(&mut self, namespace: &str, name: &str, now: Timestamp) {
        self.replacements.insert(format!("{namespace}/{name}"), now);
    }

    /// It is known what came of the act on the pod with this uid. Does nothing if none is under way,
    /// so an effect that is reported twice counts once.
    pub fn finished(&mut self, uid: &str, effect: &Effect, now: Timestamp) {
        let Some(act) = self.under_way.remove(uid) else {
            return;
        };
        let subject = Subject::of(&act.target, act.condition);
        let efficacy = self.efficacy.entry(subject).or_default();
        efficacy.last = Some(now);
        match effect {
            Effect::Helped => {
                efficacy.refusals = 0;
                efficacy.not_before = None;
                efficacy.helps += 1;
                efficacy.helped = Some(Span {
                    first: act.since,
                    last: now,
                });
            }
            Effect::DidNotHelp => {
                efficacy.failures += 1;
                efficacy.refusals = 0;
                efficacy.did_not_help += 1;
                // The trouble moved with the workload.
                self.forgive_node(&act);
            }
            Effect::NotNeeded => self.forgive_node(&act),
            Effect::Blocked { retry_after } => {
                efficacy.refusals = efficacy.refusals.saturating_add(1);
                efficacy.not_before = retry_after.map(|wait| now.saturating_add(wait));
                self.forgive_node(&act);
            }
            Effect::Failed => {
                efficacy.refusals = efficacy.refusals.saturating_add(1);
                self.forgive_node(&act);
            }
        }
    }

    /// Only a workload that recovered by leaving a node speaks against the node.
    fn forgive_node(&mut self, act: &UnderWay) {
        let node = act.target.node.as_ref().and_then(|n| self.nodes.get_mut(n));
        if let Some(acts) = node {
            acts.retain(|(workload, at)| *workload != act.target.workload || *at > act.since);
        }
    }

    /// The acts whose effect is not known yet.
    pub fn under_way(&self) -> impl Iterator<Item = &UnderWay> {
        self.under_way.values()
    }

    /// How well acts on a workload for a condition have worked.
    pub fn efficacy(&self, workload: &WorkloadRef, condition: Condition) -> Efficacy {
        let subject = Subject::Workload(workload.clone(), condition);
        self.efficacy.get(&subject).copied().unwrap_or_default()
    }

    pub(super) fn of_uid(&self, uid: &str) -> Option<&UnderWay> {
        self.under_way.get(uid)
    }

    /// When the workload was last acted on, for whatever condition.
    pub(super) fn last_act(&self, workload: &WorkloadRef) -> Option<Timestamp> {
        let of = |condition| Subject::Workload(workload.clone(), condition);
        let [first, .., last] = Condition::ALL;
        let all = self.efficacy.range(of(first)..=of(last));
        all.filter_map(|(_, efficacy)| efficacy.last).max()
    }

    /// A restart of the whole workload that is under way.
    pub(super) fn rollout(&self, workload: &WorkloadRef) -> Option<&UnderWay> {
        self.under_way
            .values()
            .find(|act| act.action == Action::RestartOwner && act.target.workload == *workload)
    }

    pub(super) fn escalated_at(&self, subject: &Subject) -> Option<Timestamp> {
        self.escalated.get(subject).map(|span| span.first)
    }

    pub(super) fn tripped_at(&self, cause: &CommonCause) -> Option<Timestamp> {
        self.tripped.get(cause).copied()
    }

    pub(super) fn workloads_acted_on(&self, node: &str) -> u32 {
        let count = self.nodes.get(node).map_or(0, Vec::len);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Since when a pod has been sick, as far as this has been observed.
    pub(super) fn sick_since(&self, pod: &PodState) -> Option<Timestamp> {
        self.sick_since.get(pod.uid()).copied()
    }

    pub(super) fn starts(&self) -> impl DoubleEndedIterator<Item = Timestamp> + '_ {
        self.starts.iter().copied()
    }

    pub(super) fn under_way_in(&self, scope: Scope, target: &Target) -> u32 {
        let count = self
            .under_way
            .values()
            .filter(|act| scope.is_shared(&act.target, target))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn full_name(pod: &PodState) -> String {
    format!("{}/{}", pod.namespace(), pod.name())
}

impl Scope {
    /// Whether two targets are in the same scope of this kind.
    pub(super) fn is_shared(self, one: &Target, other: &Target) -> bool {
        match self {
            Self::Workload => one.workload == other.workload,
            Self::Namespace => one.namespace == other.namespace,
            Self::Node => one.node.is_some() && one.node == other.node,
            Self::Cluster => true,
        }
    }
}

/// Maps whose keys are no strings, as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}
