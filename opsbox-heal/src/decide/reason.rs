//! Why a decision is what it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{action::Action, common_cause::CommonCause, scope::Scope};
use crate::{model::verdict::Confidence, text::Escaped, time::Timestamp};

/// Why something is done about a pod, or why not.
///
/// [`as_str`](Self::as_str) is for machines: a closed set, fit for a metric's label. `Display` is
/// for people and has the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "code",
    rename_all = "PascalCase",
    rename_all_fields = "snake_case"
)]
#[non_exhaustive]
pub enum Reason {
    /// The pod is as it should be.
    NotSick,
    /// The policy's response to the condition.
    Policy {
        /// The row of the table, such as `CrashLoopBackOff/Flapping`.
        rule: String,
    },
    /// The policy has no response to the condition.
    NoResponse,
    /// The policy waits until the pod has been so for longer.
    TooEarly {
        /// When it will have been.
        until: Timestamp,
    },
    /// The verdict is not sure enough for an act.
    LowConfidence {
        /// How sure it is.
        confidence: Confidence,
        /// How sure it must be.
        needed: Confidence,
    },
    /// The cluster is not seen as it is now.
    StaleView {
        /// Since when.
        since: Timestamp,
    },
    /// The pod that this code runs in.
    OwnPod,
    /// A static or mirror pod: the kubelet owns it, and the API cannot restart it.
    StaticPod,
    /// No controller makes it again.
    BarePod,
    /// A pod of a DaemonSet.
    DaemonSetPod,
    /// A pod of a Job.
    JobPod,
    /// Its data would be lost with it.
    LocalData,
    /// Its namespace is protected.
    ProtectedNamespace,
    /// A label protects it.
    ProtectedLabel {
        /// The label.
        label: String,
    },
    /// An annotation asks to leave it alone.
    ProtectedAnnotation {
        /// The annotation.
        annotation: String,
    },
    /// It is critical to the cluster.
    CriticalPriority,
    /// It is being deleted already.
    BeingDeleted,
    /// Something was done about this very pod, and its effect is not known yet.
    UnderWay {
        /// Since when.
        since: Timestamp,
    },
    /// What was done for the workload did not help, or was refused: the next attempt has to wait.
    BackingOff {
        /// Until when.
        until: Timestamp,
        /// How many attempts did not help, one after the other.
        failures: u32,
    },
    /// Something was done for the workload a moment ago.
    Cooldown {
        /// Until when.
        until: Timestamp,
    },
    /// Attempts were refused again and again, by a disruption budget for instance. They go on.
    RefusedAgain {
        /// How many there were, one after the other.
        refusals: u32,
    },
    /// All steps of the policy were taken, and none helped.
    StepsSpent {
        /// How many there were.
        failures: u32,
    },
    /// A human was told already.
    AlreadyEscalated {
        /// When.
        at: Timestamp,
    },
    /// Many pods with something in common are sick: a restart does not mend that.
    CommonCause {
        /// What they have in common.
        cause: CommonCause,
        /// How many are sick.
        sick: u32,
        /// Of how many.
        of: u32,
    },
    /// As much is under way as the budget allows.
    BudgetSpent {
        /// Of which scope.
        scope: Scope,
        /// How much is under way.
        used: u32,
        /// How much may be.
        allowed: u32,
    },
    /// The pod is ready, and the workload has no more pods to spare.
    WouldDisrupt {
        /// How many pods of the workload are unavailable.
        unavailable: u32,
        /// How many may be.
        allowed: u32,
    },
    /// Enough was done in the last while.
    RateSpent {
        /// When the next act may be.
        until: Timestamp,
    },
    /// No maintenance window is open.
    OutsideWindow,
    /// The workload cannot be restarted as a whole.
    NoRollout,
    /// An act was refused in a way that a human has to mend.
    Refused {
        /// What the server said.
        message: String,
    },
}

impl Reason {
    /// Its name in metrics, Events and the audit stream.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotSick => "NotSick",
            Self::Policy { .. } => "Policy",
            Self::NoResponse => "NoResponse",
            Self::TooEarly { .. } => "TooEarly",
            Self::LowConfidence { .. } => "LowConfidence",
            Self::StaleView { .. } => "StaleView",
            Self::OwnPod => "OwnPod",
            Self::StaticPod => "StaticPod",
            Self::BarePod => "BarePod",
            Self::DaemonSetPod => "DaemonSetPod",
            Self::JobPod => "JobPod",
            Self::LocalData => "LocalData",
            Self::ProtectedNamespace => "ProtectedNamespace",
            Self::ProtectedLabel { .. } => "ProtectedLabel",
            Self::ProtectedAnnotation { .. } => "ProtectedAnnotation",
            Self::CriticalPriority => "CriticalPriority",
            Self::BeingDeleted => "BeingDeleted",
            Self::UnderWay { .. } => "UnderWay",
            Self::BackingOff { .. } => "BackingOff",
            Self::Cooldown { .. } => "Cooldown",
            Self::RefusedAgain { .. } => "RefusedAgain",
            Self::StepsSpent { .. } => "StepsSpent",
            Self::AlreadyEscalated { .. } => "AlreadyEscalated",
            Self::CommonCause { .. } => "CommonCause",
            Self::BudgetSpent { .. } => "BudgetSpent",
            Self::WouldDisrupt { .. } => "WouldDisrupt",
            Self::RateSpent { .. } => "RateSpent",
            Self::OutsideWindow => "OutsideWindow",
            Self::NoRollout => "NoRollout",
            Self::Refused { .. } => "Refused",
        }
    }
}

/// One line; unprintable characters are escaped.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSick => f.write_str("it is not sick"),
            Self::Policy { rule } => write!(f, "the policy's response to {}", Escaped(rule)),
            Self::NoResponse => f.write_str("the policy has no response to this condition"),
            Self::TooEarly { until } => write!(f, "not so for long enough, until {until}"),
            Self::LowConfidence { confidence, needed } => write!(
                f,
                "the verdict is of {confidence} confidence, an act needs {needed}"
            ),
            Self::StaleView { since } => {
                write!(f, "the cluster is not seen as it is since {since}")
            }
            Self::OwnPod => f.write_str("it is the pod of this controller"),
            Self::StaticPod => f.write_str("a static pod belongs to its kubelet"),
            Self::BarePod => f.write_str("no controller would make it again"),
            Self::DaemonSetPod => f.write_str("a DaemonSet's pod would come back on the same node"),
            Self::JobPod => f.write_str("a Job counts and repeats its pods itself"),
            Self::LocalData => f.write_str("data on its node would be lost (emptyDir or hostPath)"),
            Self::ProtectedNamespace => f.write_str("its namespace is protected"),
            Self::ProtectedLabel { label } => write!(f, "the label {} protects it", Escaped(label)),
            Self::ProtectedAnnotation { annotation } => {
                write!(f, "the annotation {} protects it", Escaped(annotation))
            }
            Self::CriticalPriority => f.write_str("its priority is critical to the cluster"),
            Self::BeingDeleted => f.write_str("it is being deleted already"),
            Self::UnderWay { since } => {
                write!(f, "acted on at {since}, the effect is not known yet")
            }
            Self::BackingOff { until, failures: 0 } => {
                write!(
                    f,
                    "the last attempt was refused, the next one is at {until}"
                )
            }
            Self::BackingOff { until, failures } => write!(
                f,
                "{failures} attempts for the workload did not help, the next one is at {until}"
            ),
            Self::Cooldown { until } => {
                write!(f, "the workload was acted on a moment ago, until {until}")
            }
            Self::RefusedAgain { refusals } => {
                write!(f, "{refusals} attempts were refused one after the other")
            }
            Self::StepsSpent { failures: 1 } => f.write_str("1 attempt did not help"),
            Self::StepsSpent { failures } => write!(f, "{failures} attempts did not help"),
            Self::AlreadyEscalated { at } => write!(f, "a human was told at {at}"),
            Self::CommonCause { cause, sick, of } => {
                write!(
                    f,
                    "{sick} of {of} pods of {cause} are sick, which a restart does not mend"
                )
            }
            Self::BudgetSpent {
                scope,
                used,
                allowed,
            } => write!(
                f,
                "{used} acts are under way in the {scope}, {allowed} may be"
            ),
            Self::WouldDisrupt {
                unavailable,
                allowed,
            } => write!(
                f,
                "it is ready, and {unavailable} pods of the workload are unavailable, {allowed} may be"
            ),
            Self::RateSpent { until } => write!(f, "enough was done, the next act is at {until}"),
            Self::OutsideWindow => f.write_str("no maintenance window is open"),
            Self::NoRollout => {
                f.write_str("only a Deployment, StatefulSet or DaemonSet can be restarted")
            }
            Self::Refused { message } => write!(f, "the act was refused: {}", Escaped(message)),
        }
    }
}

/// What to do with why: the heart of a decision.
pub(super) struct Answer {
    pub(super) action: Action,
    pub(super) reason: Reason,
}

impl Answer {
    pub(super) fn new(action: Action, reason: Reason) -> Self {
        Self { action, reason }
    }

    pub(super) fn wait(reason: Reason) -> Self {
        Self::new(Action::Wait, reason)
    }
}
