//! What counts as long, recent or often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The numbers behind a verdict. The defaults follow the kubelet's own timing where it has one.
///
/// ```
/// use opsbox_heal::Thresholds;
/// use std::time::Duration;
///
/// let mut thresholds = Thresholds::default();
/// thresholds.startup_grace = Duration::from_secs(15 * 60); // images of 20 GB
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// How long a pod may come up without a sign of progress before it is `StuckStarting`, and a
    /// running container may be unready after its start before that is `NotReady`: 5 minutes.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub startup_grace: Duration,
    /// How long the scheduler may look for a node before the pod is `Unschedulable`: 1 minute,
    /// about what a cluster autoscaler needs to notice.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub unschedulable_after: Duration,
    /// From when on an unready container is judged so with high confidence: 1 minute.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub not_ready_after: Duration,
    /// How long a pod may be there after it was due to be gone before it is `StuckTerminating`:
    /// 2 minutes, for a kubelet that unmounts volumes and reports.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub terminating_margin: Duration,
    /// How many restarts make a loop of a container that happens to run right now, and a back-off
    /// a loop with high confidence: 3.
    pub crash_loop_restarts: u32,
    /// How long a run must last to end a crash loop: 10 minutes, after which the kubelet itself
    /// forgets its back-off.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub crash_loop_quiet: Duration,
    /// How long a run between two failures must last to show that the container can work, which
    /// makes the loop [`Flapping`](crate::Cause::Flapping): 1 minute.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub flapping_run: Duration,
    /// How many restarts make a container that is killed one whose liveness probe fails: 2. A
    /// single one may have any cause.
    pub liveness_restarts: u32,
    /// How long a run must last for the kill at its end to be rare, and so history once the
    /// container runs again: 6 hours.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub liveness_rare: Duration,
    /// How long an init container may run before it is `InitStuck`: 30 minutes, which migrations
    /// and downloads stay below. Until then a pod that waits for it is `Starting`.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub init_stuck_after: Duration,
    /// How many restarts, with the last end for want of memory and soon after its start, make it
    /// [`OomRepeated`](crate::Cause::OomRepeated): 2.
    pub oom_repeated_restarts: u32,
    /// How long after its end a pod that no Job owns is `CompletedLeftover`: 24 hours.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub leftover_after: Duration,
    /// How long an `OOMKilled` of a container that runs again is a condition and not yet history:
    /// 1 hour.
    #[serde(with = "crate::period")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub oom_recent: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Self {
            startup_grace: minutes(5),
            unschedulable_after: minutes(1),
            not_ready_after: minutes(1),
            terminating_margin: minutes(2),
            crash_loop_restarts: 3,
            crash_loop_quiet: minutes(10),
            flapping_run: minutes(1),
            liveness_restarts: 2,
            liveness_rare: minutes(6 * 60),
            init_stuck_after: minutes(30),
            oom_repeated_restarts: 2,
            leftover_after: minutes(24 * 60),
            oom_recent: minutes(60),
        }
    }
}
