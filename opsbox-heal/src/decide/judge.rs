//! The decision itself.

use std::cmp::Reverse;

use super::{
    action::Action,
    budget::Budget,
    common_cause::{Breakers, Tripped},
    count::is_available,
    decision::{Decision, Plan},
    facts::ClusterFacts,
    history::{History, Subject},
    policy::{Mode, Policy},
    reason::{Answer, Reason},
    response::Response,
    scope::{Scope, Target},
    window,
};
use crate::{
    diagnose::report::Diagnosis,
    limits::REFUSALS_UNTIL_TOLD,
    model::{pod::PodState, pod_condition::ConditionStatus, verdict::Verdict},
    time::Timestamp,
};

/// Decides what to do about the sick pods of a cluster at a moment.
///
/// A pure function: the same arguments give the same plan. What it allows fits, all together, into
/// every budget and the rate of the policy. Of a pod that is not among the sick nothing is decided.
pub fn decide<'p>(
    sick: impl IntoIterator<Item = &'p Diagnosis<'p>>,
    policy: &Policy,
    history: &History,
    facts: &ClusterFacts,
    now: Timestamp,
) -> Plan {
    let mut pass = Pass::new(policy, history, facts, now);
    let mut cases: Vec<_> = sick
        .into_iter()
        .map(|sick| Case::new(sick.pod(), sick.verdict(), &pass))
        .collect();
    cases.sort_by(|a, b| a.order().cmp(&b.order()));
    let decisions = cases.iter().map(|case| pass.decide(case)).collect();
    Plan {
        decisions,
        tripped: pass.breakers.into_tripped(),
    }
}

/// Why a pod is left alone, or what would be done if it were the only sick one.
pub fn why(
    pod: &PodState,
    verdict: &Verdict,
    policy: &Policy,
    history: &History,
    facts: &ClusterFacts,
    now: Timestamp,
) -> Decision {
    let mut pass = Pass::new(policy, history, facts, now);
    let case = Case::new(pod, verdict, &pass);
    pass.decide(&case)
}

/// One pod before its decision.
struct Case<'a> {
    pod: &'a PodState,
    verdict: &'a Verdict,
    target: Target,
    since: Timestamp,
}

impl<'a> Case<'a> {
    fn new(pod: &'a PodState, verdict: &'a Verdict, pass: &Pass<'_>) -> Self {
        Self {
            pod,
            verdict,
            target: Target::of(pod),
            since: sick_since(pod, verdict, pass.history).unwrap_or(pass.now),
        }
    }

    /// The worst first, then the one that has waited longest.
    fn order(&self) -> impl Ord + use<'_> {
        (
            Reverse(self.verdict.severity()),
            self.since,
            self.pod.namespace(),
            self.pod.name(),
        )
    }
}

/// Since when a pod has been sick: as the object says, or as it was observed, whichever is longer.
fn sick_since(pod: &PodState, verdict: &Verdict, history: &History) -> Option<Timestamp> {
    let evidence = verdict.primary().evidence().filter_map(|e| e.since()).max();
    let unready = pod
        .condition("Ready")
        .filter(|ready| ready.status() != ConditionStatus::True)
        .and_then(|ready| ready.since());
    [evidence, unready, history.sick_since(pod)]
        .into_iter()
        .flatten()
        .min()
}

/// What a pass has allowed so far, on top of what is under way.
struct Pass<'a> {
    policy: &'a Policy,
    history: &'a History,
    facts: &'a ClusterFacts,
    now: Timestamp,
    breakers: Breakers,
    acts: Vec<Target>,
    told: Vec<Subject>,
}

impl<'a> Pass<'a> {
    fn new(
        policy: &'a Policy,
        history: &'a History,
        facts: &'a ClusterFacts,
        now: Timestamp,
    ) -> Self {
        Self {
            policy,
            history,
            facts,
            now,
            breakers: Breakers::new(&policy.breaker, facts, history, now),
            acts: Vec::new(),
            told: Vec::new(),
        }
    }

    fn decide(&mut self, case: &Case<'_>) -> Decision {
        let answer = self.answer(case);
        if answer.action.is_act() {
            self.acts.push(case.target.clone());
        }
        let primary = case.verdict.primary();
        Decision {
            target: case.target.clone(),
            condition: primary.condition(),
            cause: primary.cause(),
            confidence: primary.confidence(),
            summary: primary.summary().to_owned(),
            action: answer.action,
            reason: answer.reason,
            failures: self
                .history
                .efficacy(&case.target.workload, primary.condition())
                .failures,
            dry_run: self.policy.mode == Mode::DryRun,
        }
    }

    fn answer(&mut self, case: &Case<'_>) -> Answer {
        if !case.verdict.is_sick() {
            return Answer::new(Action::Ignore, Reason::NotSick);
        }
        let condition = case.verdict.condition();
        let response = self.policy.response(condition, case.verdict.cause());
        let Some(response) = response else {
            return self.tell(Subject::of(&case.target, condition), Reason::NoResponse);
        };
        let efficacy = self.history.efficacy(&case.target.workload, condition);
        let step = response.step(efficacy.failures);
        let rule = || Reason::Policy {
            rule: response.name(),
        };
        let action = match step {
            Some(action @ (Action::Ignore | Action::Wait)) => return Answer::new(action, rule()),
            Some(action) if action.is_act() => action,
            // Whom nothing protects from being looked at, a human is told of.
            Some(_) | None => {
                if let Some(early) = self.too_early(case, response) {
                    return Answer::wait(early);
                }
                if let Some(tripped) = self.breakers.of(case.pod).cloned() {
                    return self.common(tripped);
                }
                let reason = match efficacy.failures {
                    0 => rule(),
                    failures => Reason::StepsSpent { failures },
                };
                return self.tell(Subject::of(&case.target, condition), reason);
            }
        };
        if let Some(reason) = self.forbids(case, response, action) {
            return match reason {
                Refusal::Wait(reason) => Answer::wait(reason),
                Refusal::Leave(reason) => Answer::new(Action::Ignore, reason),
                Refusal::Common(tripped) => self.common(tripped),
                Refusal::Tell(reason) => self.tell(Subject::of(&case.target, condition), reason),
            };
        }
        Answer::new(action, rule())
    }

    /// Tells a human, but for a subject that was told of already.
    fn tell(&mut self, subject: Subject, reason: Reason) -> Answer {
        if let Some(at) = self.history.escalated_at(&subject) {
            return Answer::wait(Reason::AlreadyEscalated { at });
        }
        if self.told.contains(&subject) {
            return Answer::wait(Reason::AlreadyEscalated { at: self.now });
        }
        self.told.push(subject);
        Answer::new(Action::Escalate, reason)
    }

    /// The first pod of a common cause is where it is told, the others wait.
    fn common(&mut self, tripped: Tripped) -> Answer {
        let Tripped {
            cause, sick, of, ..
        } = tripped;
        let subject = Subject::CommonCause(cause.clone());
        let reason = Reason::CommonCause { cause, sick, of };
        let answer = self.tell(subject, reason.clone());
        match answer.action {
            Action::Escalate => answer,
            _ => Answer::wait(reason),
        }
    }

    fn too_early(&self, case: &Case<'_>, response: &Response) -> Option<Reason> {
        let until = case.since.saturating_add(response.after);
        (until > self.now).then_some(Reason::TooEarly { until })
    }

    /// What stands against an act, what lasts before what passes.
    fn forbids(&self, case: &Case<'_>, response: &Response, action: Action) -> Option<Refusal> {
        let (policy, history, now) = (self.policy, self.history, self.now);
        let target = &case.target;
        if let Some(reason) = policy.protection.protects(case.pod, self.facts.own()) {
            return Some(Refusal::Leave(reason));
        }
        if case.pod.deletion().is_some() {
            return Some(Refusal::Wait(Reason::BeingDeleted));
        }
        let kind = target.workload.kind.as_str();
        let can_roll = matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet");
        if action == Action::RestartOwner && !can_roll {
            return Some(Refusal::Tell(Reason::NoRollout));
        }
        if let Some(early) = self.too_early(case, response) {
            return Some(Refusal::Wait(early));
        }
        let confidence = case.verdict.confidence();
        if confidence < response.confidence {
            return Some(Refusal::Wait(Reason::LowConfidence {
                confidence,
                needed: response.confidence,
            }));
        }
        if let Some(since) = self.facts.stale()
            && now.since(since) >= policy.stale_after
        {
            return Some(Refusal::Wait(Reason::StaleView { since }));
        }
        let pending = history
            .of_uid(&target.uid)
            .or_else(|| history.rollout(&target.workload));
        if let Some(act) = pending {
            return Some(Refusal::Wait(Reason::UnderWay { since: act.since }));
        }
        if let Some(tripped) = self.breakers.of(case.pod) {
            return Some(Refusal::Common(tripped.clone()));
        }
        let efficacy = history.efficacy(&target.workload, case.verdict.condition());
        if let Some(until) = efficacy.next(policy).filter(|until| *until > now) {
            let subject = Subject::of(target, case.verdict.condition());
            let refusals = efficacy.refusals;
            if refusals >= REFUSALS_UNTIL_TOLD && history.escalated_at(&subject).is_none() {
                return Some(Refusal::Tell(Reason::RefusedAgain { refusals }));
            }
            return Some(Refusal::Wait(Reason::BackingOff {
                until,
                failures: efficacy.failures,
            }));
        }
        let last = history.last_act(&target.workload);
        if let Some(until) = last.map(|last| last.saturating_add(policy.cooldown))
            && until > now
        {
            return Some(Refusal::Wait(Reason::Cooldown { until }));
        }
        if !window::allow(&policy.windows, now) {
            return Some(Refusal::Wait(Reason::OutsideWindow));
        }
        let spent = self.budget_spent(case).or_else(|| self.rate_spent());
        spent.map(Refusal::Wait)
    }

    fn budget_spent(&self, case: &Case<'_>) -> Option<Reason> {
        let budgets = &self.policy.budgets;
        let scopes: [(Scope, Budget); 4] = [
            (Scope::Workload, budgets.workload),
            (Scope::Namespace, budgets.namespace),
            (Scope::Node, budgets.node),
            (Scope::Cluster, budgets.cluster),
        ];
        for (scope, budget) in scopes {
            if scope == Scope::Node && case.target.node.is_none() {
                continue;
            }
            let here = self.acts.iter();
            let new = here
                .filter(|act| scope.is_shared(act, &case.target))
                .count();
            let used = self.history.under_way_in(scope, &case.target)
                + u32::try_from(new).unwrap_or(u32::MAX);
            let allowed = budget.allowed(scope.pods(self.facts, &case.target));
            if used >= allowed {
                return Some(Reason::BudgetSpent {
                    scope,
                    used,
                    allowed,
                });
            }
        }
        // A pod that is ready still serves: then the workload must have others that do.
        let group = self.facts.workload(&case.target.workload);
        let allowed = budgets.workload.allowed(group.staying());
        (is_available(case.pod) && group.unavailable >= allowed).then_some(Reason::WouldDisrupt {
            unavailable: group.unavailable,
            allowed,
        })
    }

    fn rate_spent(&self) -> Option<Reason> {
        let rate = &self.policy.rate;
        let recent: Vec<_> = self
            .history
            .starts()
            .filter(|start| self.now.since(*start) < rate.period)
            .chain(self.acts.iter().map(|_| self.now))
            .collect();
        let most = usize::try_from(rate.acts).unwrap_or(usize::MAX);
        if recent.len() < most {
            return None;
        }
        // One more fits when all but the last `acts - 1` have left the period.
        let leaving = recent.len() - most;
        let until = recent.get(leaving).copied().unwrap_or(self.now);
        Some(Reason::RateSpent {
            until: until.saturating_add(rate.period),
        })
    }
}

/// Why not to act, and what to do instead.
enum Refusal {
    /// It may be otherwise later.
    Wait(Reason),
    /// It will not.
    Leave(Reason),
    /// Others are sick of the same.
    Common(Tripped),
    /// A human has to see to it.
    Tell(Reason),
}
