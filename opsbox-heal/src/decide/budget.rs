//! How much may be disrupted at once.

use serde::{Deserialize, Serialize};

use super::share::Share;

/// How many acts may be under way at once within a scope: both limits hold.
///
/// An act is under way from its decision until its effect is known: the workload has recovered, or
/// the time for that is over. This also covers pods that are pending or failed, which the
/// disruption budgets of the cluster do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// Most acts under way; 0 forbids them.
    pub max_count: u32,
    /// Most acts under way as a share of the pods of the scope that are not on their way out, rounded
    /// down but at least 1; 0 % forbids them.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub max_share: Share,
}

impl Budget {
    /// Of a count and a share.
    pub const fn new(max_count: u32, max_share: Share) -> Self {
        Self {
            max_count,
            max_share,
        }
    }

    /// How many acts may be under way in a scope of so many pods.
    pub fn allowed(self, pods: u32) -> u32 {
        if self.max_share.as_percent() == 0 {
            return 0;
        }
        self.max_share.of(pods).max(1).min(self.max_count)
    }
}

/// The budgets of the four scopes; an act must fit into each.
///
/// | scope | default |
/// |---|---|
/// | workload | 1 and 25 % |
/// | namespace | 5 and 10 % |
/// | node | 2 and 25 % |
/// | cluster | 10 and 5 % |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Budgets {
    /// Of the pods of one workload, such as a Deployment. It also bounds how many of its pods may
    /// be unavailable before one that is ready is touched.
    pub workload: Budget,
    /// Of the pods of one namespace.
    pub namespace: Budget,
    /// Of the pods on one node.
    pub node: Budget,
    /// Of all pods that are observed.
    pub cluster: Budget,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            workload: Budget::new(1, Share::percent(25)),
            namespace: Budget::new(5, Share::percent(10)),
            node: Budget::new(2, Share::percent(25)),
            cluster: Budget::new(10, Share::percent(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_and_share_hold_at_once() {
        let budget = Budget::new(3, Share::percent(10));
        assert_eq!(budget.allowed(0), 1);
        assert_eq!(budget.allowed(19), 1);
        assert_eq!(budget.allowed(20), 2);
        assert_eq!(budget.allowed(1000), 3);
        assert_eq!(Budget::new(0, Share::ALL).allowed(9), 0);
        assert_eq!(Budget::new(9, Share::percent(0)).allowed(9), 0);
    }
}
