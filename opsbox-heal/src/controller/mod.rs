//! The async loop: watch, decide, act, verify.
//!
//! ```text
//! PodWatch ──> Healer.pass ──> Plan ──> Remediator ──> Outcome ──> Healer.answered
//!    ▲                          │           │
//!    │                          ▼           ▼
//!    └── replacements        Observer: audit, metrics, Events, your hook
//! ```
//!
//! [`Controller::run`] watches and heals until it is told to stop; [`run_once`](Controller::run_once) sweeps the
//! cluster once, for a CronJob. Both do nothing but say what they would do unless
//! [`Policy::mode`](crate::decide::Policy) is `Act`.
//!
//! * At most one pass runs at a time; a pod that falls ill is judged at once when it is quiet, and
//!   passes take a tenth of the time of one core at most when it is not.
//! * An act is noted in the memory and told to every [`Observer`] *before* its request is sent. An
//!   observer that cannot record it forbids it.
//! * With an [`Election`](crate::lease::Election) only the leader decides and acts; the others keep
//!   their view of the cluster warm.
//! * Acts and escalations become Events, if an [`EventRecorder`](crate::record::EventRecorder) is given. From
//!   them the next process, or the next leader, learns what was done before it: what may still be
//!   under way counts against its budgets. A leader reads them again a quarter of a minute later, since
//!   one that was cut off may tell of its last acts after it is no leader any more.
//! * Durations are measured by a clock that does not jump: when the clock of the machine is set,
//!   the memory moves with it.
//!
//! ```no_run
//! # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use opsbox_heal::controller::Controller;
//! use opsbox_heal::decide::{Mode, Policy};
//! use opsbox_heal::lease::Election;
//! use opsbox_heal::record::{AuditLog, EventRecorder};
//! use std::sync::{Arc, Mutex};
//!
//! let mut policy = Policy::default();
//! policy.mode = Mode::Act;
//! let election = Election::new(client.clone(), "ops", "opsbox-heal", "heal-7d9-x2x")?;
//! Controller::new(client.clone(), policy)
//!     .election(election)
//!     .events(EventRecorder::new(client, "heal-7d9-x2x"))
//!     .own_pod("ops", "heal-7d9-x2x")
//!     .observer(Arc::new(Mutex::new(AuditLog::open("audit.jsonl")?)))
//!     .run(async { drop(tokio::signal::ctrl_c().await) })
//!     .await;
//! # Ok(()) }
//! ```

mod acts;
mod clock;
mod observer;
mod once;
mod past;
mod recall;
mod records;
mod run;

pub use clock::{Clock, SystemClock};
pub use observer::Observer;
pub use once::Once;
pub use run::Controller;
