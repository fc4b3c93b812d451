//! Who is told of what happens.

use std::time::Duration;

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

    /// What the API server said to an act.
    fn acted(&self, _decision: &Decision, _outcome: &Outcome, _now: Timestamp) {}

    /// What came of an act.
    fn recovered(&self, _act: &UnderWay, _recovery: &Recovery, _now: Timestamp) {}

    /// A human is to be told, once.
    fn escalated(&self, _decision: &Decision, _now: Timestamp) {}

    /// How long the API server took to say what [`acted`](Self::acted) is told.
    fn answered(&self, _decision: &Decision, _outcome: &Outcome, _took: Duration) {}

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
