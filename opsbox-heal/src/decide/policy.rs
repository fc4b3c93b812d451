//! What may be done, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    budget::Budgets,
    common_cause::Breaker,
    protection::Protection,
    response::{self, Response},
    window::Window,
};
use crate::{
    diagnose::thresholds::Thresholds,
    model::{cause::Cause, verdict::Condition},
};

/// What may be done about sick pods, when, and how much at once.
///
/// The default is safe to try on any cluster: it says what it would do and does nothing.
///
/// ```
/// use opsbox_heal::decide::{Action, Budget, Mode, Policy, Response, Share};
/// use opsbox_heal::Condition;
///
/// let mut policy = Policy::default();
/// assert_eq!(policy.mode, Mode::DryRun);
/// policy.mode = Mode::Act;
/// policy.budgets.cluster = Budget::new(3, Share::percent(1));
/// policy.responses.push(Response::new(Condition::NotReady, [Action::Escalate]));
/// assert_eq!(policy.response(Condition::NotReady, None).unwrap().steps, [Action::Escalate]);
/// assert_eq!(policy.response(Condition::Failed, None).unwrap().steps, [Action::Delete]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Whether anything is done at all.
    pub mode: Mode,
    /// Rows that go before those of [`defaults`](super::response_defaults).
    pub responses: Vec<Response>,
    /// Which pods are never touched.
    pub protection: Protection,
    /// How much may be under way at once.
    pub budgets: Budgets,
    /// How much may be done in a while.
    pub rate: Rate,
    /// What follows an act that did not help.
    pub backoff: Backoff,
    /// How long a workload is left alone after each act on it: 1 minute.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub cooldown: Duration,
    /// How long a workload may take to recover after an act before that did not help: 10 minutes. So
    /// long the act counts as under way.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub recovery_timeout: Duration,
    /// How old the view of the cluster may be for an act: 2 minutes.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub stale_after: Duration,
    /// When many sick pods are one trouble.
    pub breaker: Breaker,
    /// When acts may be made, and when not.
    pub windows: Vec<Window>,
    /// What counts as long, recent or often in a verdict.
    pub thresholds: Thresholds,
}

/// Whether acts are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Decisions are made and recorded, nothing in the cluster is changed.
    #[default]
    DryRun,
    /// Decisions are carried out.
    Act,
}

/// How many acts there may be within a sliding while, over all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rate {
    /// Most acts within the period: 10.
    pub acts: u32,
    /// The period: 1 minute.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub period: Duration,
}

/// How long to wait after acts that did not help or were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Backoff {
    /// After the first; doubled after each further one: 2 minutes.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub initial: Duration,
    /// The longest wait: 1 hour.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub max: Duration,
    /// How long a workload that recovered must stay well before what did not help it earlier is
    /// forgiven: 30 minutes. One of its new pods that is sick again within that time shows that the
    /// act did not help.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub probation: Duration,
    /// How long a workload must not have needed help for its history to be forgotten: 6 hours.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub forget_after: Duration,
}

impl Backoff {
    /// The wait after so many attempts in a row.
    pub fn wait(&self, attempts: u32) -> Duration {
        match attempts {
            0 => Duration::ZERO,
            n => 2_u32
                .checked_pow(n - 1)
                .and_then(|factor| self.initial.checked_mul(factor))
                .unwrap_or(Duration::MAX)
                .min(self.max),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Self {
            mode: Mode::default(),
            responses: Vec::new(),
            protection: Protection::default(),
            budgets: Budgets::default(),
            rate: Rate::default(),
            backoff: Backoff::default(),
            cooldown: minutes(1),
            recovery_timeout: minutes(10),
            stale_after: minutes(2),
            breaker: Breaker::default(),
            windows: Vec::new(),
            thresholds: Thresholds::default(),
        }
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            acts: 10,
            period: Duration::from_secs(60),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(120),
            max: Duration::from_secs(3600),
            probation: Duration::from_secs(1800),
            forget_after: Duration::from_secs(6 * 3600),
        }
    }
}

impl Policy {
    /// The row of the table for a condition and its cause.
    pub fn response(&self, condition: Condition, cause: Option<Cause>) -> Option<&Response> {
        response::find(&self.responses, condition, cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        let backoff = Backoff::default();
        let minutes: Vec<u64> = (0..8).map(|n| backoff.wait(n).as_secs() / 60).collect();
        assert_eq!(minutes, [0, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.wait(u32::MAX), backoff.max);
    }
}
