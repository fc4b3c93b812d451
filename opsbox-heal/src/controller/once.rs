//! One sweep, one pass, and the acts of it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{
    acts::carry_out,
    clock::Steady,
    past,
    records::event,
    run::{Controller, escalate, may_act},
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
    /// given. A namespace that cannot be swept is among the errors, and nothing is done in it. An
    /// election is not held: use a CronJob with `concurrencyPolicy: Forbid`.
    pub async fn run_once(self) -> Once {
        let calls = self.rate.apply(self.client.clone());
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
        if self.events.is_some() {
            match past::acts(&calls, &self.scope).await {
                Ok(acts) => healer.recall(acts, steady.now()),
                Err(error) => {
                    tracing::warn!(%error, "what was done before is not known; add list on events");
                }
            }
        }
        let now = steady.now();
        let pass = healer.pass_of_sweep(pods.iter(), &stats, now);
        for (act, recovery) in &pass.recoveries {
            for observer in &self.observers {
                observer.recovered(act, recovery, now);
            }
        }
        for decision in pass.plan.decisions() {
            for observer in &self.observers {
                observer.decided(decision, now);
            }
        }
        for decision in pass.plan.escalations() {
            escalate(&self.observers, decision, now);
            self.tell(decision, now).await;
        }
        let remediator = Remediator::new(calls);
        let mut acts = Vec::new();
        for decision in pass.plan.acts().filter(|decision| !decision.dry_run) {
            let now = steady.now();
            if !may_act(&self.observers, decision, now) {
                continue;
            }
            healer.begin(decision, pods.iter(), now);
            let begin = Instant::now();
            let outcome = carry_out(&remediator, decision, now).await;
            let (now, took) = (steady.now(), begin.elapsed());
            for observer in &self.observers {
                observer.acted(decision, &outcome, now);
                observer.answered(decision, &outcome, took);
            }
            if outcome.is_done() {
                self.tell(decision, now).await;
            }
            if let Some(told) = healer.answered(decision, &outcome, now) {
                escalate(&self.observers, &told, now);
                self.tell(&told, now).await;
            }
            acts.push((decision.clone(), outcome));
        }
        for observer in &self.observers {
            observer.passed(&pass, steady.now(), begin.elapsed());
        }
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
}

impl Controller {
    async fn tell(&self, decision: &Decision, now: Timestamp) {
        if let Some(events) = self.events.as_ref().filter(|_| !decision.dry_run) {
            let outcome = events.record(&event(decision), now).await;
            self.observers
                .iter()
                .for_each(|observer| observer.recorded(&outcome));
        }
    }
}

impl Once {
    /// How many decisions there are of each action and reason.
    pub fn counts(&self) -> BTreeMap<(crate::decide::Action, &'static str), u32> {
        self.pass.plan.counts()
    }
}
