//! Kubernetes pod health: what is wrong with which pod, how one can tell, and what is done about it.
//!
//! ```text
//! observe ──────── model ────── diagnose ─────── decide ──────── act ────────── record
//! saved list,      PodState,    pure functions,  policy,         evict,         Events,
//! watch, sweep     probe        one a condition  budgets,        delete,        metrics,
//!                  matrix                        memory, `why`   restart        audit stream
//! ```
//!
//! No cluster is needed for the first half: a saved pod list goes in, and a [`Verdict`] with its
//! evidence comes out for every pod. [`decide`] is pure as well: verdicts, a [`Policy`](decide::Policy), what was
//! done before and a moment go in, a decision with its reason comes out for every sick pod.
//! [`Controller`](controller::Controller) puts a cluster at both ends.
//!
//! ```
//! use opsbox_heal::{Condition, PodSnapshot, Report, Timestamp};
//!
//! // PodSnapshot::from_path("pods.json")? after `kubectl get pods -A -o json > pods.json`
//! let snapshot = PodSnapshot::from_slice(br#"{
//!     "apiVersion": "v1", "kind": "List", "items": [{
//!         "apiVersion": "v1", "kind": "Pod",
//!         "metadata": {"name": "cart-7d9", "namespace": "shop"},
//!         "spec": {"containers": [{"name": "app", "image": "registry.example/cart:1.4"}]},
//!         "status": {"phase": "Pending", "containerStatuses": [{
//!             "name": "app", "ready": false, "restartCount": 0,
//!             "state": {"waiting": {
//!                 "reason": "ImagePullBackOff",
//!                 "message": "Back-off pulling image \"registry.example/cart:1.4\""
//!             }}
//!         }]}
//!     }]
//! }"#)?;
//! let now: Timestamp = "2026-03-01T12:00:00Z".parse()?; // or SystemTime::now().into()
//! let report = Report::of_snapshot(&snapshot, now);
//! for sick in report.sick() {
//!     println!("{} on {:?}: {:#}", sick.pod(), sick.pod().node(), sick.verdict());
//! }
//! assert_eq!(report.count(Condition::ImagePullBackOff), 1);
//! # Ok::<(), opsbox_heal::Error>(())
//! ```
//!
//! # Where to look
//!
//! | page | what |
//! |---|---|
//! | [`observe`] | which input is read, and how |
//! | [`observe::live`] | pods of a cluster: a watch in 0.5 kB a pod, a sweep by the server's table |
//! | [`model`] | what is kept of a pod |
//! | [`ProbeMatrix`] | startup x readiness x liveness, and what is inferred |
//! | [`mod@diagnose`] | which condition is found when |
//! | [`decide`] | what is done about it, in which order that is asked, and the response table |
//! | [`config`] | a policy from TOML, YAML or JSON |
//! | [`Healer`] | all of that pass by pass, without a network |
//! | [`controller`] | the loop on a cluster: watch or sweep, act, verify |
//! | [`act`] | evictions, deletions, restarts, and whether they helped |
//! | [`record`] | audit stream, Events, metrics, spans |
//! | [`lease`] | leader election |
//! | [`rbac`] | the permissions that the features in use need |
//! | [`Cause`] | why, where a condition has several causes |
//! | [`Thresholds`] | what counts as long, recent or often |
//! | [`limits`] | every limit |
//!
//! # Features
//!
//! | feature | default | what | cost |
//! |---|---|---|---|
//! | `yaml` | yes | read YAML as well as JSON | `serde-saphyr` and its parser |
//! | `config` | no | [`config`]: policies from files, with the place of what is wrong | `toml`, `serde-saphyr`, `serde_path_to_error` |
//! | `schema` | no | the JSON Schema of a policy | `schemars`; turns `config` on |
//! | `kube` | no | watch, sweep and act on a live cluster, record Events, elect a leader | `kube` without TLS, `tokio` |
//! | `metrics` | no | [`record::Metrics`](record) for Prometheus | `prometheus-client` |
//! | `test-util` | no | `testing`: an API server in the process | turns `kube` on |
//!
//! # Guarantees
//!
//! * Total: no input panics, and every pod gets a verdict with at least one piece of evidence.
//! * An item that cannot be read is one of the [`problems`](PodSnapshot::problems); the others are
//!   judged all the same.
//! * Whatever is displayed has its control characters and direction marks escaped, and is one line
//!   unless `{:#}` asks for more. Accessors such as [`PodState::name`] return the raw text.
//! * Pure: a verdict depends on the pod, the moment and the [`Thresholds`], and on nothing else.
//! * Nothing is done unless the policy's mode is `Act`, nothing that its budgets do not cover, nothing
//!   that could not be recorded before, and nothing to a pod with another uid than the one judged.
//! * Every sick pod that is left alone has a [`Reason`](decide::Reason).
//! * What is newer than this crate is [`Condition::Unrecognized`] and left to a human.
//! * No tree of the document is built; a pod of one container takes less than half a kilobyte.
//! * What no verdict needs is jumped over: of a skipped object or list only strings and brackets
//!   are looked at.
//! * No `unsafe`.
//!
//! # Limits
//!
//! * The API has no field for the liveness probe. That it fails is a suspicion, as [`ProbeMatrix`]
//!   says.
//! * A list is one moment. Whether a crash loop is getting better takes a second look.
//! * Causes are read off messages in the words of today's container runtimes, registries and
//!   schedulers. In other words there is no cause, but the condition all the same.
//! * A ResourceQuota refuses a pod before there is one: that shows on the ReplicaSet, not here.
//! * The clock of the machine that reads and the clocks of the nodes are taken to agree within
//!   seconds.

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod error;
pub mod limits;
mod period;
mod text;
mod time;

pub mod act;
#[cfg(feature = "kube")]
mod call;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "kube")]
pub mod controller;
pub mod decide;
pub mod diagnose;
mod healer;
#[cfg(feature = "kube")]
pub mod lease;
pub mod model;
pub mod observe;
pub mod rbac;
pub mod record;
#[cfg(feature = "test-util")]
pub mod testing;

pub use diagnose::{
    judge::{diagnose, diagnose_with},
    report::{Diagnosis, Report},
    thresholds::Thresholds,
};
pub use error::{Error, ErrorKind};
pub use healer::{Healer, Pass};
pub use model::{
    cause::Cause,
    container::{Container, ContainerKind, ContainerState, Probes, Running, Termination, Waiting},
    matrix::{JointState, ProbeMatrix, ProbeState},
    pod::{Deletion, Owner, Phase, PodState, QosClass, RestartPolicy},
    pod_condition::{ConditionStatus, PodCondition},
    verdict::{Condition, Confidence, Evidence, Finding, Severity, Verdict},
    volume::{Volume, VolumeKind},
    workload::Workload,
};
pub use observe::{
    problem::Problem,
    snapshot::{PodSnapshot, Skipped},
};
pub use time::Timestamp;
