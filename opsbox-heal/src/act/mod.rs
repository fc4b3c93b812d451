//! Acts on a cluster, and whether they helped.
//!
//! ```text
//! Target ──> Remediator: evict, delete, restart_owner ──> Outcome
//!            one request, sent once, uid precondition       │
//! pods ────> Verifier: gone? replaced? ready? ──────────> Recovery
//! ```
//!
//! Three things make an act safe. The uid of the judged pod is a precondition, so that a pod that was made anew
//! under the same name is never hit. A request is sent once: what a `kube::Client` would repeat up to 15 times,
//! the 429 of a disruption budget, is an answer. And a [`Fence`](crate::lease::Fence) ends the acts of a process
//! well before another one may lead.
//!
//! | act | requests | API | needs |
//! |---|---|---|---|
//! | [`evict`](Remediator::evict) | 1 | `Eviction`, asks disruption budgets | create pods/eviction |
//! | [`delete`](Remediator::delete) | 1 | `DELETE`, asks none | delete pods |
//! | [`restart_owner`](Remediator::restart_owner) | 2 | `GET` and `PATCH` of the template | get, patch on its kind |
//!
//! [`Outcome`] is what the API server said; [`Verifier`] watches what came of it. Both are plain data and need no
//! feature; [`Remediator`] and [`ActOptions`] are behind the feature `kube`.
//!
//! ```
//! use opsbox_heal::act::{Act, Expect, Recovery, RecoveryLimits, Verifier};
//! use opsbox_heal::{PodSnapshot, Timestamp};
//!
//! let evicted_at: Timestamp = "2026-03-01T12:00:00Z".parse()?;
//! let mut verifier = Verifier::new(RecoveryLimits::default());
//! verifier.begin(Act::new("shop", "cart-7d9-old", "uid-old", evicted_at), Expect::Replacement);
//!
//! // Half a minute later: the pods of the workload.
//! let pods = PodSnapshot::from_json(br#"{
//!     "apiVersion": "v1", "kind": "Pod",
//!     "metadata": {"name": "cart-7d9-new", "namespace": "shop", "uid": "uid-new",
//!                  "creationTimestamp": "2026-03-01T12:00:01Z"},
//!     "spec": {"containers": [{"name": "app"}]},
//!     "status": {"phase": "Running", "conditions": [
//!         {"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T12:00:05Z"}]}
//! }"#)?;
//! let now: Timestamp = "2026-03-01T12:00:30Z".parse()?;
//! let recovery = verifier.observe("uid-old", pods.pods(), now);
//! assert!(matches!(recovery, Some(Recovery::Recovered { after, .. }) if after.as_secs() == 5));
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

#[cfg(feature = "kube")]
pub(crate) mod classify;
#[cfg(feature = "kube")]
mod options;
mod outcome;
#[cfg(feature = "kube")]
mod remediator;
mod target;
mod verify;

#[cfg(feature = "kube")]
pub use crate::call::Gate;
#[cfg(feature = "kube")]
pub use options::ActOptions;
pub use outcome::{Outcome, Permission};
#[cfg(feature = "kube")]
pub use remediator::Remediator;
pub use target::{OwnerKind, OwnerTarget, Target};
pub use verify::{Act, Expect, Recovery, RecoveryLimits, Verifier};
