//! A decision, and all those of one pass.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{action::Action, common_cause::Tripped, reason::Reason, scope::Target};
use crate::model::{
    cause::Cause,
    verdict::{Condition, Confidence},
};

/// What to do about one pod, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// The pod.
    pub target: Target,
    /// Its primary condition.
    pub condition: Condition,
    /// The cause of that, if it was told apart.
    pub cause: Option<Cause>,
    /// How sure the verdict is.
    pub confidence: Confidence,
    /// The verdict in one line.
    pub summary: String,
    /// What to do.
    pub action: Action,
    /// Why that, and nothing else.
    pub reason: Reason,
    /// How many acts in a row did not help the workload against the condition before.
    pub failures: u32,
    /// Whether it is only said and not done.
    pub dry_run: bool,
}

/// One line; unprintable characters are escaped.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = if self.dry_run && self.action.is_act() {
            "would "
        } else {
            ""
        };
        write!(
            f,
            "{}: {would}{} ({}): {}",
            self.target, self.action, self.condition, self.reason
        )
    }
}

/// The decisions on all sick pods of one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) decisions: Vec<Decision>,
    pub(super) tripped: Vec<Tripped>,
}

impl Plan {
    /// Every decision, the most urgent pods first.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Those that change something in the cluster.
    pub fn acts(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|d| d.action.is_act())
    }

    /// Those that a human is to be told.
    pub fn escalations(&self) -> impl Iterator<Item = &Decision> {
        self.decisions
            .iter()
            .filter(|d| d.action == Action::Escalate)
    }

    /// The common causes that stop acts now.
    pub fn common_causes(&self) -> &[Tripped] {
        &self.tripped
    }

    /// The decision on a pod, if it is sick: why it is left alone, or what is done.
    pub fn why(&self, namespace: &str, name: &str) -> Option<&Decision> {
        self.decisions
            .iter()
            .find(|d| d.target.namespace == namespace && d.target.name == name)
    }

    /// How many decisions there are of each action and reason.
    pub fn counts(&self) -> BTreeMap<(Action, &'static str), u32> {
        let mut counts = BTreeMap::new();
        for decision in &self.decisions {
            *counts
                .entry((decision.action, decision.reason.as_str()))
                .or_default() += 1;
        }
        counts
    }
}
