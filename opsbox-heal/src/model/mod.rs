//! What is known of a pod, in about half a kilobyte.
//!
//! ```text
//! PodState ── conditions: [PodCondition]          PodScheduled, Ready, ...
//!          ├─ owner, labels -> Workload, revision Deployment/web, its pod-template-hash
//!          ├─ volumes: [Volume]                   what is local, what is shared with others
//!          ├─ marks                               mirror, static, safe to evict, do not disrupt
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

pub(crate) mod cause;
pub(crate) mod container;
pub(crate) mod labels;
pub(crate) mod matrix;
mod names;
pub(crate) mod pod;
pub(crate) mod pod_condition;
pub(crate) mod verdict;
pub(crate) mod volume;
pub(crate) mod workload;

#[cfg(test)]
mod tests {
    use super::{
        container::{Container, ContainerSpec},
        pod::{Owner, PodState, Shared},
        pod_condition::PodCondition,
        volume::Volume,
    };

    /// What a pod of one container and five conditions takes on a 64-bit machine, with its name,
    /// uid and resource version on the heap and the header of the allocator for each piece, and its
    /// share of what ten pods of a template have in common: labels, owner, volumes, containers.
    #[test]
    fn a_pod_takes_less_than_half_a_kilobyte() {
        let identity = "checkout-7d9f5c6b8d-x2x4q".len() + 36 + "1234567890".len();
        let conditions = 5 * size_of::<PodCondition>();
        let pieces = [identity, conditions, size_of::<Container>()];
        let heap: usize = pieces
            .iter()
            .map(|bytes| (bytes + 8).next_multiple_of(16))
            .sum();
        let in_common = 330
            + 3 * 40
            + size_of::<Owner>()
            + 4 * (size_of::<Volume>() + 48)
            + size_of::<Shared>()
            + size_of::<ContainerSpec>()
            + 60
            + 8 * 16;
        let taken = size_of::<PodState>() + heap + in_common / 10;
        assert!(taken < 500, "{taken}");
    }
}
