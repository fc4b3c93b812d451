//! How well acts have worked.

use serde::{Deserialize, Serialize};

use super::{history::Span, policy::Policy};
use crate::{model::pod::PodState, time::Timestamp};

/// How well acts on a workload for a condition have worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Efficacy {
    /// Acts in a row that did not help.
    pub failures: u32,
    /// Attempts in a row that were blocked or failed.
    pub refusals: u32,
    /// Acts that helped, in all.
    pub helps: u32,
    /// Acts that did not help, or not for long, in all.
    pub did_not_help: u32,
    /// When the last attempt began or ended.
    pub last: Option<Timestamp>,
    /// Before when no other attempt may be made, because the server said so.
    pub(super) not_before: Option<Timestamp>,
    /// When the workload was last seen so.
    pub(super) last_sick: Option<Timestamp>,
    /// When the last act was begun that helped, and since when it has.
    pub(super) helped: Option<Span>,
}

impl Efficacy {
    /// A pod that was made by the act and is sick again shows that it helped for a moment only. What
    /// was made in the same second as the act began may be older than it.
    ///
    /// `replaced` is when the pod took the place of one that was acted on, if it did.
    pub(super) fn relapse(
        &mut self,
        pod: &PodState,
        replaced: Option<Timestamp>,
        policy: &Policy,
        now: Timestamp,
    ) {
        let Some(act) = self.helped else {
            return;
        };
        let on_probation = now.since(act.last) < policy.backoff.probation;
        let made_by_it = replaced >= Some(act.first) || pod.created() > Some(act.first);
        if on_probation && made_by_it {
            self.helped = None;
            self.failures = self.failures.saturating_add(1);
            self.did_not_help = self.did_not_help.saturating_add(1);
            self.last = Some(now);
        }
    }

    /// What has stayed well for the time of its probation begins anew.
    pub(super) fn absolve(&mut self, policy: &Policy, now: Timestamp) {
        let done = |act: Span| now.since(act.last) >= policy.backoff.probation;
        if self.helped.is_some_and(done) {
            self.helped = None;
            self.failures = 0;
        }
    }

    /// When the next attempt may be made.
    pub(super) fn next(&self, policy: &Policy) -> Option<Timestamp> {
        // On probation it is well, so only what comes now counts.
        let failures = if self.helped.is_some() {
            0
        } else {
            self.failures
        };
        let attempts = failures.saturating_add(self.refusals);
        let backoff = (attempts > 0)
            .then_some(self.last)?
            .map(|last| last.saturating_add(policy.backoff.wait(attempts)));
        backoff.max(self.not_before)
    }
}
