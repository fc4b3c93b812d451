//! One sweep, one pass, and the acts of it.

use tokio::time::Instant;

use super::{
    acts::carry_out,
    clock::Steady,
    observer::Observer as _,
    past::{self, Past},
    records::event,
    run::Controller,
};
use crate::{
    act::{Outcome, Remediator},
    decide::{Decision, History, Totals},
    error::Error,
    healer::Pass,
    model::pod::PodState,
    observe::live::{Sweep, SweepStats, Swept, UnreadablePod},
    time::Timestamp,
};

/// What a single run found and did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Once {
    /// What was decided on every sick pod.
    pub pass: Pass,
    /// The pods that were read: all suspicious ones.
    pub pods: Vec<PodState>,
    /// What the API server said to each act.
    pub acts: Vec<(Decision, Outcome)>,
    /// Pods that could not be read and so not be judged.
    pub unreadable: Vec<UnreadablePod>,
    /// What could not be swept; the rest was.
    pub errors: Vec<Error>,
    /// How much was looked at.
    pub stats: SweepStats,
    /// The memory, to be given to the next run. Without it, and without Events, no act of this run
    /// counts then.
    pub history: History,
}

impl Totals for SweepStats {
    fn cluster(&self) -> u32 {
        u32::try_from(self.pods).unwrap_or(u32::MAX)
    }

    fn namespace(&self, namespace: &str) -> u32 {
        Self::namespace(self, namespace).pods
    }

    fn node(&self, node: &str) -> u32 {
        Self::node(self, node).pods
    }

    fn siblings(&self, pod: &PodState) -> u32 {
        Self::siblings(self, pod).pods
    }
}

impl Controller {
    /// Sweeps the cluster once, does what the policy allows, and returns.
    ///
    /// Acts are not verified here but by the next run, from the [`history`](Once::history) that it is
    /// given. A namespace that cannot be swept is among the errors, nothing is done in it, and no act is
    /// verified in this run. If the Events of runs before cannot be had, nothing is done at all. An
    /// election is not held: use a CronJob with `concurrencyPolicy: Forbid`.
    pub async fn run_once(mut self) -> Once {
        let (calls, gate) = self.rate.share(self.client.clone());
        self.events = self.events.map(|events| events.gate(gate.clone()));
        let begin = Instant::now();
        let steady = Steady::new(&*self.clock);
        let mut sweep = Sweep::new(calls.clone(), self.scope.clone())
            .thresholds(self.policy.thresholds.clone());
        let (mut pods, mut unreadable, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(swept) = sweep.next().await {
            match swept {
                Ok(Swept::Pod(pod)) => pods.push(pod),
                Ok(Swept::Unreadable(pod)) => unreadable.push(pod),
                Err(error) => errors.push(error),
            }
        }
        let stats = sweep.stats().clone();
        let mut healer = self.healer();
        // A part that was not swept could be where an act helped or did not.
        let mut stale = (!errors.is_empty()).then(|| steady.now());
        if self.events.is_some() {
            match past::learn(&calls, &self.scope).await {
                Past::Known(acts) => healer.recall(acts, steady.now()),
                Past::Forbidden => {}
                Past::NotYet => stale = Some(steady.ago(self.policy.stale_after)),
            }
        }
        let now = steady.now();
        let pass = healer.pass_of_sweep(pods.iter(), &stats, stale, now);
        self.observers.found(&pass, now);
        for decision in pass.plan.escalations() {
            self.tell(decision, now).await;
        }
        let remediator = Remediator::new(self.client.clone()).gate(gate);
        let mut acts = Vec::new();
        for decision in pass.plan.acts().filter(|decision| !decision.dry_run) {
            let now = steady.now();
            if !self.observers.may_act(decision, now) {
                continue;
            }
            healer.begin(decision, pods.iter(), now);
            let begin = Instant::now();
            let outcome = carry_out(&remediator, decision, now).await;
            let (now, took) = (steady.now(), begin.elapsed());
            self.observers.acted(decision, &outcome, took, now);
            if outcome.may_have_acted() {
                self.tell(decision, now).await;
            }
            if let Some(told) = healer.answered(decision, &outcome, now) {
                self.observers.escalated(&told, now);
                self.tell(&told, now).await;
            }
            acts.push((decision.clone(), outcome));
        }
        self.observers.passed(&pass, steady.now(), begin.elapsed());
        Once {
            pass,
            pods,
            acts,
            unreadable,
            errors,
            stats,
            history: healer.history().clone(),
        }
    }

    async fn tell(&self, decision: &Decision, now: Timestamp) {
        if let Some(events) = self.events.as_ref().filter(|_| !decision.dry_run) {
            let outcome = events.record(&event(decision), now).await;
            self.observers.recorded(&outcome);
        }
    }
}
