//! Who is told of what happens.

use std::{sync::Arc, time::Duration};

use crate::{
    act::{Outcome, Recovery},
    decide::{Decision, UnderWay},
    healer::Pass,
    observe::live::WatchState,
    time::Timestamp,
};

/// Told of everything that is decided and done: for audits, metrics, alerts.
///
/// Called from the loop, in order, so it must not block for long. Every method has a default that
/// does nothing.
///
/// ```
/// use opsbox_heal::controller::Observer;
/// use opsbox_heal::{Timestamp, decide::Decision};
///
/// /// Tells the people on duty.
/// struct Pager;
///
/// impl Observer for Pager {
///     fn escalated(&self, decision: &Decision, _: Timestamp) {
///         eprintln!("{decision}");
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// A decision that is not the one of the pass before, the one to do nothing included.
    fn decided(&self, _decision: &Decision, _now: Timestamp) {}

    /// An act is about to be made.
    ///
    /// # Errors
    ///
    /// If this cannot be recorded: then it is not made.
    fn acting(&self, _decision: &Decision, _now: Timestamp) -> Result<(), String> {
        Ok(())
    }

    /// What the API server said to an act, and how long that took.
    fn acted(&self, _decision: &Decision, _outcome: &Outcome, _took: Duration, _now: Timestamp) {}

    /// What came of an act.
    fn recovered(&self, _act: &UnderWay, _recovery: &Recovery, _now: Timestamp) {}

    /// A human is to be told, once.
    fn escalated(&self, _decision: &Decision, _now: Timestamp) {}

    /// What the API server said to the Event of an act or an escalation.
    fn recorded(&self, _outcome: &Outcome) {}

    /// A pass is over, and took so long.
    fn passed(&self, _pass: &Pass, _now: Timestamp, _took: Duration) {}

    /// How far the view of the cluster can be trusted, before each pass.
    fn watched(&self, _state: &WatchState) {}

    /// A list or a watch failed; it is tried again.
    fn interrupted(&self, _state: &WatchState) {}

    /// Whether this process leads; told when it changes. Without an election it always does.
    fn leads(&self, _leads: bool) {}
}

/// All who are told, in the order in which they were added.
#[derive(Clone, Default)]
pub(super) struct Observers(pub(super) Vec<Arc<dyn Observer>>);

impl Observers {
    /// What a pass has found: what became of acts, which decisions are new, whom to tell.
    pub(super) fn found(&self, pass: &Pass, now: Timestamp) {
        for (act, recovery) in &pass.recoveries {
            tracing::info!(pod = %act.target, workload = %act.target.workload, %recovery, "act verified");
            self.recovered(act, recovery, now);
        }
        for decision in pass.changed() {
            self.decided(decision, now);
        }
        for decision in pass.plan.escalations() {
            self.escalated(decision, now);
        }
    }

    /// Whether every one of them has recorded that this act is about to be made.
    pub(super) fn may_act(&self, decision: &Decision, now: Timestamp) -> bool {
        let recorded = self.acting(decision, now);
        if let Err(error) = &recorded {
            tracing::error!(pod = %decision.target, error, "not acted on, since it cannot be recorded");
        }
        recorded.is_ok()
    }
}

impl Observer for Observers {
    fn decided(&self, decision: &Decision, now: Timestamp) {
        self.0.iter().for_each(|one| one.decided(decision, now));
    }

    fn acting(&self, decision: &Decision, now: Timestamp) -> Result<(), String> {
        self.0.iter().try_for_each(|one| one.acting(decision, now))
    }

    fn acted(&self, decision: &Decision, outcome: &Outcome, took: Duration, now: Timestamp) {
        let all = self.0.iter();
        all.for_each(|one| one.acted(decision, outcome, took, now));
    }

    fn recovered(&self, act: &UnderWay, recovery: &Recovery, now: Timestamp) {
        let all = self.0.iter();
        all.for_each(|one| one.recovered(act, recovery, now));
    }

    fn escalated(&self, decision: &Decision, now: Timestamp) {
        tracing::warn!(pod = %decision.target, reason = decision.reason.as_str(), "{decision}");
        self.0.iter().for_each(|one| one.escalated(decision, now));
    }

    fn recorded(&self, outcome: &Outcome) {
        self.0.iter().for_each(|one| one.recorded(outcome));
    }

    fn passed(&self, pass: &Pass, now: Timestamp, took: Duration) {
        self.0.iter().for_each(|one| one.passed(pass, now, took));
    }

    fn watched(&self, state: &WatchState) {
        self.0.iter().for_each(|one| one.watched(state));
    }

    fn interrupted(&self, state: &WatchState) {
        self.0.iter().for_each(|one| one.interrupted(state));
    }

    fn leads(&self, leads: bool) {
        self.0.iter().for_each(|one| one.leads(leads));
    }
}
