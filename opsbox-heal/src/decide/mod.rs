//! What to do about sick pods: a pure function of verdicts, policy, history and a moment.
//!
//! ```text
//! verdicts ──┐
//! Policy ────┤                     ┌─ Plan: a Decision for every sick pod,
//! History ───┼──── decide() ───────┤  with what to do and why
//! facts ─────┤                     └─ common causes that stop acts
//! now ───────┘
//! ```
//!
//! For each pod, the worst first, these are asked in order. The first that objects is the reason
//! that the pod is left alone, and every pod that is left alone has one.
//!
//! | asked | reason if not |
//! |---|---|
//! | is the [response](Response) to its condition an act? | `Policy`, `NoResponse` |
//! | may the pod be touched? ([`Protection`]) | `OwnPod`, `StaticPod`, `BarePod`, `ProtectedNamespace`, ... |
//! | is it not being deleted? | `BeingDeleted` |
//! | has it been so for long enough, and is that sure enough? | `TooEarly`, `LowConfidence` |
//! | is the cluster seen as it is? | `StaleView` |
//! | is nothing under way for it? | `UnderWay` |
//! | is it its own trouble? ([`Breaker`]) | `CommonCause` |
//! | did the last act help? ([`Backoff`]) | `BackingOff`, `StepsSpent`, `RefusedAgain` |
//! | was the workload left alone for a while? | `Cooldown` |
//! | is a [window](Window) open? | `OutsideWindow` |
//! | does it fit into the [budget](Budgets) of workload, namespace, node and cluster? | `BudgetSpent`, `WouldDisrupt` |
//! | and into the [rate](Rate)? | `RateSpent` |
//!
//! A human is told once of a workload and condition, or of a common cause, until it has been over
//! for [`forget_after`](Backoff::forget_after).
//!
//! ```
//! use opsbox_heal::decide::{Action, ClusterFacts, History, Mode, Policy, decide};
//! use opsbox_heal::{PodSnapshot, Report, Timestamp};
//!
//! let snapshot = PodSnapshot::from_json(br#"{
//!     "kind": "Pod",
//!     "metadata": {
//!         "name": "web-7d9-x", "namespace": "shop", "uid": "0b0e",
//!         "labels": {"pod-template-hash": "7d9"},
//!         "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d9", "controller": true}]
//!     },
//!     "spec": {"containers": [{"name": "app", "image": "registry.example/web:2"}]},
//!     "status": {"phase": "Running", "containerStatuses": [{
//!         "name": "app", "restartCount": 12,
//!         "state": {"waiting": {"reason": "CrashLoopBackOff"}}
//!     }]}
//! }"#)?;
//! let mut policy = Policy::default();
//! policy.mode = Mode::Act;
//! let mut history = History::new();
//!
//! let mut pass = |now: &str| -> Result<_, opsbox_heal::Error> {
//!     let now: Timestamp = now.parse()?;
//!     let report = Report::of_snapshot(&snapshot, now);
//!     let facts = ClusterFacts::new(snapshot.pods(), report.sick());
//!     history.observe(report.sick(), &policy, now);
//!     let plan = decide(report.sick(), &policy, &history, &facts, now);
//!     history.note(&plan, now);
//!     Ok(plan.decisions()[0].clone())
//! };
//! let first = pass("2026-03-01T12:00:00Z")?;
//! assert_eq!(first.action, Action::Wait);
//! assert_eq!(first.reason.to_string(), "not so for long enough, until 2026-03-01T12:05:00Z");
//! let later = pass("2026-03-01T12:05:00Z")?;
//! assert_eq!(later.action, Action::Evict);
//! assert_eq!(later.target.workload.to_string(), "shop/Deployment/web");
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

mod action;
mod budget;
mod common_cause;
mod count;
mod decision;
mod efficacy;
mod facts;
mod history;
mod judge;
mod past;
mod policy;
mod protection;
mod reason;
mod response;
mod scope;
mod share;
mod window;

pub use action::Action;
pub use budget::{Budget, Budgets};
pub use common_cause::{Breaker, CommonCause, Tripped};
pub use decision::{Decision, Plan};
pub use efficacy::Efficacy;
pub use facts::{ClusterFacts, Group, Totals};
pub use history::{Effect, History, UnderWay};
pub use judge::{decide, why};
pub use past::PastAct;
pub use policy::{Backoff, Mode, Policy, Rate};
pub use protection::{
    CRITICAL_PRIORITY, LabelMatch, PROTECTED_NAMESPACES, PROTECTING_LABEL, Protection,
};
pub use reason::Reason;
pub use response::{Response, defaults as response_defaults};
pub use scope::{Scope, Target, WorkloadRef};
pub use share::Share;
pub use window::{TimeOfDay, Weekday, Window, WindowEffect, Zone};
