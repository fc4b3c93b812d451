//! The loop from pods to decisions and back, without its edges: no clock, no network, no task.
//!
//! ```text
//!          ┌──────── pass(pods, now) ─────────┐
//! pods ──> │ verify, diagnose, count, decide  │ ──> Pass: Plan, recoveries
//!          └───────────────┬──────────────────┘
//!                  acts    │   ▲
//!                  begin() │   │ answered()
//!                          ▼   │
//!                  whoever carries them out
//! ```
//!
//! The controller is this with a watch before and requests behind it; a batch run over a
//! saved list is this with neither.
//!
//! ```
//! use opsbox_heal::{Healer, PodSnapshot, Timestamp, decide::Policy};
//!
//! let snapshot = PodSnapshot::from_json(br#"{"kind": "List", "items": [
//!     {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "uid": "1"},
//!      "status": {"phase": "Failed", "reason": "Evicted"}}
//! ]}"#)?;
//! let now: Timestamp = "2026-03-01T12:00:00Z".parse()?;
//! let mut healer = Healer::new(Policy::default());
//! let pass = healer.pass(snapshot.pods().iter(), None, now);
//! let decision = &pass.plan.decisions()[0];
//! assert_eq!(decision.reason.to_string(), "no controller would make it again");
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    act::{Act, Expect, Outcome, Recovery, RecoveryLimits, Verifier},
    decide::{
        Action, ClusterFacts, Decision, Effect, History, PastAct, Plan, Policy, Reason, Totals,
        UnderWay, WorkloadRef, decide,
    },
    diagnose::{judge::diagnose_with, report::Diagnosis},
    model::{pod::PodState, verdict::Condition},
    time::Timestamp,
};

/// Policy and memory, and the decisions that follow from them pass by pass.
#[derive(Clone, Debug)]
pub struct Healer {
    policy: Policy,
    history: History,
    verifier: Verifier,
    /// The uids of acts of which it is not known whether they were done.
    unsure: HashSet<String>,
    own_pod: Option<(String, String)>,
    /// By uid, what was decided of a sick pod in the last pass.
    decided: HashMap<String, (Action, &'static str)>,
}

/// What one pass found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pass {
    /// The decision on every sick pod.
    pub plan: Plan,
    /// Indexes of the decisions of the plan that are not those of the pass before: what is worth a
    /// line in the audit stream.
    pub changed: Vec<usize>,
    /// Acts of which it is now known what came of them.
    pub recoveries: Vec<(UnderWay, Recovery)>,
    /// How many pods have which primary condition.
    pub conditions: BTreeMap<Condition, u32>,
}

impl Pass {
    /// The decisions that are not those of the pass before.
    pub fn changed(&self) -> impl Iterator<Item = &Decision> {
        let decisions = self.plan.decisions();
        self.changed
            .iter()
            .filter_map(|&index| decisions.get(index))
    }
}

impl Healer {
    /// With a policy and no memory.
    pub fn new(policy: Policy) -> Self {
        let limits = RecoveryLimits {
            // A pod that is missing counts against the budgets: nobody coming frees nothing earlier.
            replaced_within: policy.recovery_timeout,
            ready_within: policy.recovery_timeout,
            ..RecoveryLimits::default()
        };
        Self {
            policy,
            history: History::new(),
            verifier: Verifier::new(limits),
            unsure: HashSet::new(),
            own_pod: None,
            decided: HashMap::new(),
        }
    }

    /// With the memory of the process before. What it had under way is followed from now on.
    #[must_use]
    pub fn with_history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// With namespace and name of the pod that this code runs in.
    #[must_use]
    pub fn with_own_pod(mut self, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        self.own_pod = Some((namespace.into(), name.into()));
        self
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What was done so far, and what came of it.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Adds what records say of acts of a process before; see [`History::recall`].
    pub fn recall(&mut self, acts: impl IntoIterator<Item = PastAct>, now: Timestamp) {
        self.history.recall(acts, &self.policy, now);
    }

    /// Adds acts of a process before that are certainly not known; see [`History::recall_late`].
    pub fn recall_late(&mut self, acts: impl IntoIterator<Item = PastAct>, now: Timestamp) {
        self.history.recall_late(acts, &self.policy, now);
    }

    /// The clock was set by so many seconds: what is remembered keeps its distance from now.
    pub fn clock_was_set(&mut self, seconds: i64) {
        self.history.shift(seconds);
        self.verifier.shift(seconds);
    }

    /// Judges and decides. `pods` are all that are observed, `stale_since` is set if they may be
    /// out of date. Two passes of the same moment decide the same, but tell a human once.
    pub fn pass<'p, I>(&mut self, pods: I, stale_since: Option<Timestamp>, now: Timestamp) -> Pass
    where
        I: Iterator<Item = &'p PodState> + Clone,
    {
        self.pass_with(pods, None, stale_since, now)
    }

    /// As [`pass`](Self::pass), of the suspicious pods of a sweep and its counts of all. If a part
    /// could not be swept, `stale_since` has to be set: then no act is verified.
    pub fn pass_of_sweep<'p, I>(
        &mut self,
        suspects: I,
        totals: &dyn Totals,
        stale_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Pass
    where
        I: Iterator<Item = &'p PodState> + Clone,
    {
        self.pass_with(suspects, Some(totals), stale_since, now)
    }

    fn pass_with<'p, I>(
        &mut self,
        pods: I,
        totals: Option<&dyn Totals>,
        stale_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Pass
    where
        I: Iterator<Item = &'p PodState> + Clone,
    {
        // A view that is out of date cannot tell whether an act helped.
        let recoveries = match (stale_since, totals) {
            (Some(_), _) => Vec::new(),
            (None, None) => self.verify(pods.clone(), now),
            (None, Some(_)) => self.verify_by_suspects(pods.clone(), now),
        };
        let mut conditions = BTreeMap::new();
        let mut sick = Vec::new();
        for pod in pods.clone() {
            let verdict = diagnose_with(pod, now, &self.policy.thresholds);
            *conditions.entry(verdict.condition()).or_default() += 1;
            if verdict.is_sick() {
                sick.push(Diagnosis::new(pod, verdict));
            }
        }
        let mut facts = ClusterFacts::new(pods, &sick).stale_since(stale_since);
        if let Some(totals) = totals {
            facts = facts.totals(totals, &sick);
        }
        if let Some((namespace, name)) = &self.own_pod {
            facts = facts.own_pod(namespace, name);
        }
        self.history.observe(&sick, &self.policy, now);
        let plan = decide(&sick, &self.policy, &self.history, &facts, now);
        self.history.note(&plan, now);
        let changed = self.remember(&plan);
        Pass {
            plan,
            changed,
            recoveries,
            conditions,
        }
    }

    fn remember(&mut self, plan: &Plan) -> Vec<usize> {
        let mut decided = HashMap::with_capacity(plan.decisions().len());
        let mut changed = Vec::new();
        for (index, decision) in plan.decisions().iter().enumerate() {
            let new = (decision.action, decision.reason.as_str());
            if self.decided.get(&decision.target.uid) != Some(&new) {
                changed.push(index);
            }
            decided.insert(decision.target.uid.clone(), new);
        }
        self.decided = decided;
        changed
    }

    /// An act is about to be carried out: to be called *before* the request, so that it counts
    /// against the budgets whatever becomes of this process's view.
    pub fn begin<'p>(
        &mut self,
        decision: &Decision,
        pods: impl Iterator<Item = &'p PodState>,
        now: Timestamp,
    ) {
        let target = &decision.target;
        let mut act = Act::new(&target.namespace, &target.name, &target.uid, now);
        let mut ended = false;
        let known = pods.filter(|pod| is_of(pod, &target.workload)).map(|pod| {
            ended |= pod.uid() == target.uid && pod.phase().is_terminal();
            pod.uid()
        });
        act = act.knowing(known);
        let expect = match decision.action {
            Action::RestartOwner => Expect::Rollout,
            _ if ended => Expect::Gone,
            _ => Expect::Replacement,
        };
        self.verifier.begin(act, expect);
        self.history.started(decision, now);
    }

    /// What the API server said to an act that was begun. Returns the decision that a human is to be
    /// told, if it cannot work without one.
    pub fn answered(
        &mut self,
        decision: &Decision,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<Decision> {
        let effect = match outcome {
            // Whether it helped is seen in the pods.
            Outcome::Done => return None,
            Outcome::Unavailable {
                uncertain: true, ..
            } => {
                self.unsure.insert(decision.target.uid.clone());
                return None;
            }
            Outcome::Blocked { retry_after, .. } => Effect::Blocked {
                retry_after: *retry_after,
            },
            Outcome::Gone | Outcome::Changed { .. } | Outcome::NotLeader => Effect::NotNeeded,
            Outcome::Forbidden { .. } | Outcome::Rejected { .. } | Outcome::Unavailable { .. } => {
                Effect::Failed
            }
        };
        let uid = &decision.target.uid;
        self.verifier.forget(uid);
        self.history.finished(uid, &effect, now);
        let needs_human = matches!(outcome, Outcome::Forbidden(_) | Outcome::Rejected { .. });
        let told = Decision {
            action: Action::Escalate,
            reason: Reason::Refused {
                message: outcome.to_string(),
            },
            ..decision.clone()
        };
        (needs_human && self.history.escalate(&told, now)).then_some(told)
    }

    fn verify<'p>(
        &mut self,
        pods: impl Iterator<Item = &'p PodState>,
        now: Timestamp,
    ) -> Vec<(UnderWay, Recovery)> {
        let open: Vec<UnderWay> = self.history.under_way().cloned().collect();
        if open.is_empty() {
            return Vec::new();
        }
        let mut workloads: HashMap<&WorkloadRef, Vec<&PodState>> = HashMap::new();
        for act in &open {
            workloads.entry(&act.target.workload).or_default();
        }
        for pod in pods {
            if let Some(of_it) = workloads.get_mut(&WorkloadRef::of(pod)) {
                of_it.push(pod);
            }
        }
        let mut recoveries = Vec::new();
        for act in &open {
            self.follow(act);
            let of_it = workloads.get(&act.target.workload).into_iter().flatten();
            let found = self.verifier.observe(&act.target.uid, of_it.copied(), now);
            if let Some(recovery) = found {
                self.conclude(act, &recovery, now);
                recoveries.push((act.clone(), recovery));
            }
        }
        recoveries
    }

    /// In a sweep a replacement that is well is not seen: what tells is that nothing suspicious is
    /// left of the workload but what was there before the act.
    fn verify_by_suspects<'p>(
        &mut self,
        suspects: impl Iterator<Item = &'p PodState> + Clone,
        now: Timestamp,
    ) -> Vec<(UnderWay, Recovery)> {
        let open: Vec<UnderWay> = self.history.under_way().cloned().collect();
        let mut recoveries = Vec::new();
        for act in open {
            let after = now.since(act.since);
            let mut of_it = suspects
                .clone()
                .filter(|pod| is_of(pod, &act.target.workload));
            let old = of_it.clone().any(|pod| pod.uid() == act.target.uid);
            let new = of_it.find(|pod| pod.created() >= Some(act.since));
            let timed_out = after >= self.policy.recovery_timeout;
            let recovery = match (old, new) {
                (false, None) => Recovery::Recovered {
                    after,
                    replacement: None,
                },
                _ if !timed_out => continue,
                (true, _) => Recovery::NotGone { after },
                (false, Some(pod)) => Recovery::NotReady {
                    replacement: pod.name().to_owned(),
                    after,
                },
            };
            self.conclude(&act, &recovery, now);
            recoveries.push((act, recovery));
        }
        recoveries
    }

    fn conclude(&mut self, act: &UnderWay, recovery: &Recovery, now: Timestamp) {
        let is_unsure = self.unsure.remove(&act.target.uid);
        let effect = match recovery {
            Recovery::Recovered { .. } => Effect::Helped,
            // Then it was not done, and says nothing of whether it would help.
            Recovery::NotGone { .. } if is_unsure => Effect::Failed,
            _ => Effect::DidNotHelp,
        };
        if let Recovery::Recovered {
            replacement: Some(name),
            ..
        } = recovery
        {
            self.history.replaced_by(&act.target.namespace, name, now);
        }
        self.history.finished(&act.target.uid, &effect, now);
    }

    /// Of a process before, only its memory is left.
    fn follow(&mut self, act: &UnderWay) {
        let target = &act.target;
        if self.verifier.open().any(|open| open.uid() == target.uid) {
            return;
        }
        let expect = match act.action {
            Action::RestartOwner => Expect::Rollout,
            _ if matches!(act.condition, Condition::Failed | Condition::Evicted) => Expect::Gone,
            _ => Expect::Replacement,
        };
        let act = Act::new(&target.namespace, &target.name, &target.uid, act.since);
        self.verifier.begin(act, expect);
    }
}

fn is_of(pod: &PodState, workload: &WorkloadRef) -> bool {
    let own = pod.workload();
    pod.namespace() == workload.namespace
        && own.kind() == workload.kind
        && own.name() == workload.name
}
