//! The response table: which condition is answered how.

use std::{sync::LazyLock, time::Duration};

use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::model::{
    cause::Cause,
    verdict::{Condition, Confidence},
};

/// One row of the response table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Response {
    /// The primary condition of the pods that it is for.
    pub condition: Condition,
    /// The cause of that; without one, the row is for every cause that has no row of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What to do, in order: the next one is taken when the one before did not help the workload.
    /// After the last one a human is told.
    pub steps: Vec<Action>,
    /// How long the pod must have been so before the first step.
    #[serde(default, with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub after: Duration,
    /// How sure the verdict must be for an act; less sure ones wait.
    #[serde(default = "medium")]
    pub confidence: Confidence,
}

fn medium() -> Confidence {
    Confidence::Medium
}

impl Response {
    /// A row for every cause of a condition.
    pub fn new(condition: Condition, steps: impl Into<Vec<Action>>) -> Self {
        Self {
            condition,
            cause: None,
            steps: steps.into(),
            after: Duration::ZERO,
            confidence: medium(),
        }
    }

    /// A row for one cause of a condition.
    pub fn of_cause(condition: Condition, cause: Cause, steps: impl Into<Vec<Action>>) -> Self {
        Self {
            cause: Some(cause),
            ..Self::new(condition, steps)
        }
    }

    /// With a time that the pod must have been so.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// What to do after so many steps that did not help; `None` if the ladder is at its end.
    pub fn step(&self, failures: u32) -> Option<Action> {
        let first = self.steps.first().copied().unwrap_or(Action::Ignore);
        if !first.is_act() {
            return Some(first);
        }
        self.steps.get(usize::try_from(failures).ok()?).copied()
    }

    /// Its name in reasons and in the audit stream: `CrashLoopBackOff` or
    /// `CrashLoopBackOff/Flapping`.
    pub fn name(&self) -> String {
        match self.cause {
            None => self.condition.as_str().to_owned(),
            Some(cause) => format!("{}/{}", self.condition, cause.as_str()),
        }
    }
}

/// The table that a policy begins with.
///
/// | condition | cause | steps | after |
/// |---|---|---|---|
/// | `Unrecognized` | | escalate | |
/// | `StuckTerminating` | | escalate | 10 min |
/// | `Terminating` | | wait | |
/// | `Unknown` | | escalate | 10 min |
/// | `Evicted` | | delete | 10 min |
/// | `OOMKilled` | once | wait | |
/// | `OOMKilled` | | escalate | |
/// | `ImagePullBackOff` | name, right or image that is not there | escalate | |
/// | `ImagePullBackOff` | rate limit | wait | |
/// | `ImagePullBackOff` | | evict, escalate | 15 min |
/// | `ContainerConfigError` | | escalate | 5 min |
/// | `CrashLoopBackOff` | | evict, evict, escalate | 5 min |
/// | `LivenessFailing` | | evict, escalate | 5 min |
/// | `Failed` | | delete | 10 min |
/// | `Unschedulable` | | escalate | 10 min |
/// | `InitStuck`, `StuckStarting`, `NotReady` | | evict, escalate | 10 min |
/// | `Starting` | | wait | |
/// | `CompletedLeftover`, `Completed`, `Healthy` | | ignore | |
///
/// A restart helps against what depends on the node, the moment or the state of a process. It does
/// not help against a wrong image, a wrong setting or too little memory: those go to a human.
pub fn defaults() -> Vec<Response> {
    use Action::{Delete, Escalate, Evict, Ignore, Wait};
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let pull = |cause, action| Response::of_cause(Condition::ImagePullBackOff, cause, [action]);
    let evict_after = |condition, after| Response::new(condition, [Evict, Escalate]).after(after);
    vec![
        Response::new(Condition::Unrecognized, [Escalate]),
        Response::new(Condition::StuckTerminating, [Escalate]).after(minutes(10)),
        Response::new(Condition::Terminating, [Wait]),
        Response::new(Condition::Unknown, [Escalate]).after(minutes(10)),
        Response::new(Condition::Evicted, [Delete]).after(minutes(10)),
        Response::of_cause(Condition::OomKilled, Cause::OomOnce, [Wait]),
        Response::new(Condition::OomKilled, [Escalate]),
        pull(Cause::ImageNameInvalid, Escalate),
        pull(Cause::ImageNotFound, Escalate),
        pull(Cause::ImageUnauthorized, Escalate),
        pull(Cause::ImageRateLimited, Wait),
        evict_after(Condition::ImagePullBackOff, minutes(15)),
        Response::new(Condition::ContainerConfigError, [Escalate]).after(minutes(5)),
        Response::new(Condition::CrashLoopBackOff, [Evict, Evict, Escalate]).after(minutes(5)),
        evict_after(Condition::LivenessFailing, minutes(5)),
        Response::new(Condition::Failed, [Delete]).after(minutes(10)),
        Response::new(Condition::Unschedulable, [Escalate]).after(minutes(10)),
        evict_after(Condition::InitStuck, minutes(10)),
        evict_after(Condition::StuckStarting, minutes(10)),
        evict_after(Condition::NotReady, minutes(10)),
        Response::new(Condition::Starting, [Wait]),
        Response::new(Condition::CompletedLeftover, [Ignore]),
        Response::new(Condition::Completed, [Ignore]),
        Response::new(Condition::Healthy, [Ignore]),
    ]
}

/// The row for a condition and cause: of the rows of the user, then of the defaults, the one of the
/// cause before the one of the condition.
pub(super) fn find(
    rows: &[Response],
    condition: Condition,
    cause: Option<Cause>,
) -> Option<&Response> {
    static DEFAULTS: LazyLock<Vec<Response>> = LazyLock::new(defaults);
    [rows, &**DEFAULTS].into_iter().find_map(|rows| {
        let of = |cause: Option<Cause>| {
            rows.iter()
                .find(move |row| row.condition == condition && row.cause == cause)
        };
        cause.and_then(|cause| of(Some(cause))).or_else(|| of(None))
    })
}
