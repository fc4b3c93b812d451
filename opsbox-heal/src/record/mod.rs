//! What was decided and done, and why: for people, for programs, for later.
//!
//! | record | for whom | what | feature |
//! |---|---|---|---|
//! | [`AuditLog`] | whoever asks later | every decision, the one to do nothing included, as lines of JSON | |
//! | [`EventRecorder`] | who runs `kubectl describe` | acts and escalations, on the pod and its owner | `kube` |
//! | [`Metrics`] | alerts and dashboards | counts, times, what is open | `metrics` |
//! | `tracing` | who runs the program | acts, the election, what cannot be recorded | `kube` |
//!
//! A remediation is two requests: the eviction, and one Event that is *regarding* the pod and names its owner as
//! *related*.
//!
//! # Spans and events of `tracing`
//!
//! | name | level | fields |
//! |---|---|---|
//! | span `act` | INFO | `action` (`evict`, `delete`, `restart_owner`), `namespace`, `pod` and `uid` or `owner` and `owner_kind`, `dry_run`, and at its end `outcome`, a word of [`Outcome::as_str`](crate::act::Outcome::as_str) |
//! | the outcome, in that span | INFO if done, else WARN | the message is the outcome in one line |
//! | `leads` | INFO | `lease`, `identity`, `token` |
//! | `leads no longer` | WARN | `lease`, `identity` |
//! | `the Lease cannot be read: ...` or `written` | WARN | `lease` |
//! | `released` / `not released: ...` | INFO / WARN | `lease` |
//! | `the Event is not recorded: ...` | WARN | `namespace`, `regarding`, `reason` |
//!
//! Names and messages of the cluster are escaped in messages; fields have the raw text of names.
//!
//! # Reading the audit stream
//!
//! [`Entry`] describes each field. Any tool for JSON lines reads it:
//!
//! ```text
//! jq -r 'select(.kind == "decision" and .action == "ignore") | .reason' audit.jsonl | sort | uniq -c
//! ```
//!
//! ```
//! use opsbox_heal::act::Outcome;
//! use opsbox_heal::record::{AuditLog, Entry, EntryKind, entries};
//!
//! let mut audit = AuditLog::to_writer(std::io::sink());
//! let time = "2026-03-01T12:00:00Z".parse()?;
//! let decision = Entry::new(EntryKind::Decision, time, "evict", "CrashLoopBackOff").act("0b0e-1");
//! let outcome = Entry::new(EntryKind::Outcome, time, "evict", "CrashLoopBackOff")
//!     .act("0b0e-1")
//!     .outcome(&Outcome::Gone);
//! assert_eq!(audit.append(&decision)?, 1);
//! assert_eq!(audit.append(&outcome)?, 2);
//!
//! // What is torn or not ours is an error of its line, and the rest is read.
//! let text = b"{\"schema\":1,\"seque\n{\"schema\":1,\"time\":\"2026-03-01T12:00:00Z\",\"kind\":\"notice\",\
//!              \"action\":\"none\",\"reason\":\"Started\"}\n";
//! let read: Vec<_> = entries(text.as_slice()).collect();
//! assert!(read[0].is_err());
//! assert_eq!(read[1].as_ref().unwrap().reason, "Started");
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

mod audit;
mod entry;
#[cfg(feature = "kube")]
mod events;
#[cfg(feature = "metrics")]
mod metrics;
mod redact;

pub use audit::{AuditLog, SyncPolicy, entries};
pub use entry::{Entry, EntryKind, EntryOutcome, EntryRecovery, EntryTarget, SCHEMA};
#[cfg(feature = "kube")]
pub use events::{Event, EventRecorder, MANAGED_BY, ObjectRef};
#[cfg(feature = "metrics")]
pub use metrics::{Metrics, Operation};
