//! An API server in the process, for tests.
//!
//! ```text
//! kube::Client ── route, permissions, faults ── get, list, Table, watch ── Objects, history
//!                                            └─ create, update, patch, delete, eviction
//!                                                             └─ ApiWrite: what was asked for
//! ```
//!
//! [`ApiDouble`] answers what this crate asks of an API server, on any resource: lists with pages,
//! selectors, tables and versions; watches with bookmarks, streaming lists and 410; creation, update
//! with a version, merge patch, deletion with preconditions, grace period and finalizers; evictions
//! with disruption budgets. The tests of this crate ask it and a real server the same and compare.
//!
//! Faults come one at a time ([`ApiDouble::inject`]) or by a seed ([`ApiDouble::set_faults`]), and
//! every write is recorded ([`ApiDouble::writes`]), also if its answer is lost on the way.
//!
//! It has no sockets and no threads, and its clock is that of tokio: with a paused clock a day passes
//! in milliseconds.
//!
//! # What it does not do
//!
//! Validation, defaults, admission, managed fields, server-side apply, authentication. It has no
//! controllers: nothing recreates a pod, works a disruption budget out (its
//! `status.disruptionsAllowed` is what evictions spend), or ends a pod whose grace period is over.
//!
//! ```
//! use opsbox_heal::testing::{ApiDouble, Fault};
//! use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch};
//! use serde_json::json;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
//! # .block_on(async {
//! let api = ApiDouble::new("2026-03-01T12:00:00Z".parse()?);
//! api.put(json!({"apiVersion": "v1", "kind": "Pod",
//!     "metadata": {"namespace": "shop", "name": "web-1"}}));
//! api.inject("watch", "pods", Fault::Refused);
//! let mut watch = PodWatch::new(api.client(), PodScope::all());
//! assert!(matches!(watch.next().await, PodChange::Interrupted { .. }));
//! assert!(matches!(watch.next().await, PodChange::Applied { .. }));
//! assert!(matches!(watch.next().await, PodChange::Synced { pods: 1 }));
//! # Ok::<(), opsbox_heal::Error>(())
//! # }).unwrap();
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "a member of a JSON object is written so; what is written to is an object"
)]

mod answer;
mod body;
mod double;
mod faults;
mod generate;
mod list;
mod objects;
mod printer;
mod record;
mod route;
mod selector;
mod serve;
mod tcp;
mod template;
mod watch;
mod write;

pub use double::{ApiDouble, Profile};
pub use faults::{Fault, FaultRates};
pub use generate::GeneratedCluster;
pub use record::{ApiRequest, ApiWrite};
