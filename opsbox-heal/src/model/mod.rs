//! What is known of a pod, in about half a kilobyte.
//!
//! ```text
//! PodState ── conditions: [PodCondition]          PodScheduled, Ready, ...
//!          ├─ deletion: Deletion                  deletionTimestamp, finalizers
//!          └─ containers: [Container]             regular, sidecar, init, ephemeral
//!                          ├─ state, last_state: ContainerState, Termination
//!                          └─ probes: Probes      what is declared
//! ```
//!
//! A [`PodState`](crate::PodState) is plain data: no clock, no client, no reference to the input. Strings that many
//! pods have in common (namespace, node, owner, image, reasons) are shared between them. It is
//! built by [`PodSnapshot`](crate::PodSnapshot) and judged by [`diagnose()`](crate::diagnose()).
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

#[cfg(test)]
mod tests {
    use super::{
        container::Container,
        pod::{PodCondition, PodState},
    };

    /// What a pod of one container and four conditions takes on a 64-bit machine, with its name
    /// and uid on the heap, before the allocator's rounding; the rest is shared.
    #[test]
    fn a_pod_takes_less_than_half_a_kilobyte() {
        let name_and_uid = 32 + 48;
        let conditions = 4 * size_of::<PodCondition>() + 16;
        let container = size_of::<Container>() + 16;
        assert!(size_of::<PodState>() + name_and_uid + conditions + container < 500);
    }
}
