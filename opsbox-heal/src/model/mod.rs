//! What is known of a pod, in under half a kilobyte.
//!
//! ```text
//! PodState ── conditions: [PodCondition]          PodScheduled, Ready, ...
//!          ├─ deletion: Deletion                  deletionTimestamp, finalizers
//!          └─ containers: [Container]             regular, sidecar, init, ephemeral
//!                          ├─ state, last_state: ContainerState, Termination
//!                          └─ probes: Probes      what is declared
//! ```
//!
//! A [`PodState`] is plain data: no clock, no client, no reference to the input. Strings that many
//! pods have in common (namespace, node, owner, image, reasons) are shared between them. It is
//! built by [`PodSnapshot`](crate::PodSnapshot) and judged by [`diagnose`](crate::diagnose).
//!
//! ```
//! use opsbox_heal::{Phase, PodSnapshot};
//!
//! let pods = PodSnapshot::from_json(br#"{
//!     "apiVersion": "v1", "kind": "Pod",
//!     "metadata": {"name": "web-1", "namespace": "shop"},
//!     "spec": {"containers": [{"name": "app", "readinessProbe": {}}]},
//!     "status": {"phase": "Running"}
//! }"#)?;
//! let pod = &pods.pods()[0];
//! assert_eq!(pod.phase(), &Phase::Running);
//! assert!(pod.containers()[0].probes().readiness());
//! # Ok::<(), opsbox_heal::Error>(())
//! ```

pub(crate) mod container;
pub(crate) mod matrix;
pub(crate) mod pod;
pub(crate) mod verdict;
