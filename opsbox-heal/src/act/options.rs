//! How an act is done.

use std::time::Duration;

/// How an eviction, a deletion or a restart is done.
///
/// There is no default: who acts says whether it is real.
///
/// ```
/// use opsbox_heal::act::ActOptions;
///
/// assert!(ActOptions::dry_run().is_dry_run());
/// assert!(!ActOptions::real().unchanged().is_dry_run());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActOptions {
    dry_run: bool,
    unchanged: bool,
    grace_period: Option<Duration>,
}

impl ActOptions {
    /// Admission, permissions and disruption budgets are checked by the API server, and nothing is written.
    pub fn dry_run() -> Self {
        Self {
            dry_run: true,
            ..Self::real()
        }
    }

    /// For real.
    pub fn real() -> Self {
        Self {
            dry_run: false,
            unchanged: false,
            grace_period: None,
        }
    }

    /// Only if the pod has still the resource version that was judged: even a change of its status since
    /// gives [`Outcome::Changed`](super::Outcome::Changed). Without it the uid alone must match.
    ///
    /// A crash-looping pod changes every few seconds or minutes, so such an act may have to be tried again
    /// with a newer state.
    pub fn unchanged(mut self) -> Self {
        self.unchanged = true;
        self
    }

    /// Another grace period than the pod asks for, in whole seconds, at least one.
    ///
    /// Zero would take the pod out of the API while its containers may still run, which breaks the promise of
    /// a StatefulSet that there is one pod of a name; so it cannot be asked for.
    pub fn grace_period(mut self, grace_period: Duration) -> Self {
        self.grace_period = Some(grace_period);
        self
    }

    /// Whether nothing is written.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    pub(crate) fn is_unchanged(&self) -> bool {
        self.unchanged
    }

    pub(crate) fn grace_period_seconds(&self) -> Option<u64> {
        self.grace_period.map(|period| period.as_secs().max(1))
    }
}
