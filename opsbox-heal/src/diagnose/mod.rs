//! The verdict on a pod: a pure function of its state and a moment.
//!
//! One file a condition, each a function that finds it or not. [`diagnose()`](crate::diagnose()) asks them in the order
//! of [`Condition`]; the first finding that is not history is the primary one, the others are kept.
//!
//! | condition | found when |
//! |---|---|
//! | `Unrecognized` | a phase, container state or waiting reason that this crate does not know, or a running pod whose status says nothing |
//! | `StuckTerminating` | `deletionTimestamp` (which includes the grace period) is past by more than `terminating_margin` |
//! | `Terminating` | `deletionTimestamp` is set and not past by that much |
//! | `Unknown` | phase `Unknown`, reason `NodeLost`, or condition `Ready` is `Unknown` |
//! | `Evicted` | phase `Failed` with reason `Evicted`, or with condition `DisruptionTarget` |
//! | `OOMKilled` | a container that is down ended so, or one that runs did within `oom_recent`; after that it is history |
//! | `ImagePullBackOff` | waiting with `ImagePullBackOff`, `ErrImagePull`, `InvalidImageName`, ... |
//! | `ContainerConfigError` | waiting with `CreateContainerConfigError`, `RunContainerError`, ... |
//! | `CrashLoopBackOff` | waiting so; or `crash_loop_restarts` or more, the last run and this one both shorter than `crash_loop_quiet` |
//! | `LivenessFailing` | `liveness_restarts` or more, the last run of a container with a liveness probe, which had started, was killed lately: inferred; history if that run lasted longer than `liveness_rare` |
//! | `Failed` | phase `Failed` and not evicted, or a container that ended in failure and is not restarted |
//! | `Unschedulable` | condition `PodScheduled` is false for that reason since `unschedulable_after` |
//! | `NotReady` | a container runs but is not ready: at once if it was before, else after `startup_grace` |
//! | `InitStuck` | an init container runs since `init_stuck_after`, and none has failed |
//! | `StuckStarting` | not up, and no sign of progress for `startup_grace` |
//! | `Starting` | not up yet |
//! | `CompletedLeftover` | phase `Succeeded` since `leftover_after`, and no Job owns the pod |
//! | `Completed` | phase `Succeeded`, or the work of a `Job` is done and another container still runs |
//! | `Healthy` | none of these, and condition `Ready` is true |
//!
//! # Why
//!
//! Of some conditions the [`Cause`](crate::Cause) is told, too, because it decides what helps:
//!
//! | condition | cause | told by |
//! |---|---|---|
//! | `OOMKilled` | `OomRepeated` | both known ends, or `oom_repeated_restarts` or more and a last run shorter than `crash_loop_quiet` |
//! | | `OomOnce` | otherwise |
//! | `ImagePullBackOff` | `ImageNotFound`, `ImageUnauthorized`, `ImageRateLimited`, `ImageTimeout`, `ImageNameInvalid` | the root of the errors in the message, by containerd, CRI-O or Docker |
//! | `CrashLoopBackOff` | `Flapping` | the last run lasted `flapping_run`, or restarts are further apart than `crash_loop_quiet` on average |
//! | | `SteadyFailure` | neither |
//! | `Unschedulable` | `InsufficientResources`, `Volume`, `Affinity` between pods, `Quota` | what most nodes that got so far fail by, in the scheduler's message |
//! | | `Affinity` to nodes, `UntoleratedTaint` | that, if no node gets further |
//!
//! A ResourceQuota that is used up refuses the pod before there is one: look at the ReplicaSet. A
//! pod behind a scheduling gate is `Starting`, however long.
//!
//! # What counts
//!
//! Containers of all kinds but ephemeral ones count. A pod that has ended (`Succeeded`, `Failed`)
//! is not searched for what only a living pod can have.
//!
//! ```
//! use opsbox_heal::{Condition, PodSnapshot, Timestamp, diagnose};
//!
//! let pods = PodSnapshot::from_json(br#"{
//!     "kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop"},
//!     "spec": {"containers": [{"name": "app", "image": "registry.example/web:2"}]},
//!     "status": {"phase": "Running", "containerStatuses": [{
//!         "name": "app", "restartCount": 12,
//!         "state": {"waiting": {"reason": "CrashLoopBackOff"}},
//!         "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}
//!     }]}
//! }"#)?;
//! let now: Timestamp = "2026-03-01T12:00:00Z".parse()?;
//! let verdict = diagnose(&pods.pods()[0], now);
//! assert_eq!(verdict.condition(), Condition::CrashLoopBackOff);
//! let evidence = verdict.primary().evidence().next().unwrap();
//! assert_eq!(evidence.field(), "status.containerStatuses[0].state.waiting.reason");
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

mod case;
mod completed;
mod container_config;
mod crash_loop;
mod evicted;
mod failed;
mod healthy;
mod image_pull;
mod init_stuck;
pub(crate) mod judge;
mod leftover;
mod liveness;
mod node_lost;
mod not_ready;
mod oom;
pub(crate) mod report;
mod starting;
mod terminating;
pub(crate) mod thresholds;
mod unrecognized;
mod unschedulable;

#[cfg(doc)]
use crate::Condition;
