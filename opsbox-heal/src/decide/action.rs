//! What can be done about a pod.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What to do about a pod, from nothing to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Nothing, and nothing is expected to change.
    Ignore,
    /// Nothing for now; it is looked at again.
    Wait,
    /// Tell a human, once.
    Escalate,
    /// Ask the Eviction API: a disruption budget of the cluster may refuse.
    Evict,
    /// Delete the pod. Disruption budgets of the cluster are not asked.
    Delete,
    /// Restart the workload as `kubectl rollout restart` does. Of a Deployment, StatefulSet or
    /// DaemonSet; pods of anything else are escalated.
    RestartOwner,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ignore,
        Self::Wait,
        Self::Escalate,
        Self::Evict,
        Self::Delete,
        Self::RestartOwner,
    ];

    /// Its name in a policy, in metrics and in the audit stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Wait => "wait",
            Self::Escalate => "escalate",
            Self::Evict => "evict",
            Self::Delete => "delete",
            Self::RestartOwner => "restart_owner",
        }
    }

    /// Whether it changes something in the cluster and so needs a budget.
    pub fn is_act(self) -> bool {
        matches!(self, Self::Evict | Self::Delete | Self::RestartOwner)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
