//! What a pod takes on the heap.

use std::sync::Arc;

use crate::model::{
    container::{Container, ContainerState, Termination},
    pod::PodState,
    pod_condition::{Detail, PodCondition},
};

/// The bytes that are freed when the last `Arc` of this pod goes; what it shares with others is not
/// among them.
pub(super) fn of_pod(pod: &Arc<PodState>) -> usize {
    // An `Arc` has two counters before its value.
    let own = allocated(size_of::<PodState>() + 2 * size_of::<usize>());
    let identity = pod.name().len() + pod.uid().len() + pod.resource_version().len();
    let conditions: usize = pod
        .conditions
        .iter()
        .map(|c| of_detail(c.detail.as_deref()))
        .sum();
    let containers: usize = pod.containers.iter().map(of_container).sum();
    let deletion = pod.deletion.as_deref().map_or(0, |deletion| {
        allocated(size_of_val(deletion)) + allocated(size_of_val(&*deletion.finalizers))
    });
    own + allocated(identity)
        + allocated(pod.conditions.len() * size_of::<PodCondition>())
        + conditions
        + allocated(pod.containers.len() * size_of::<Container>())
        + containers
        + of_detail(pod.detail.as_deref())
        + deletion
}

fn of_container(container: &Container) -> usize {
    let state = match &container.state {
        ContainerState::Waiting(waiting) => of_detail(waiting.detail.as_deref()),
        ContainerState::Terminated(terminated) => of_termination(terminated),
        _ => 0,
    };
    state + container.last_state.as_deref().map_or(0, of_termination)
}

fn of_termination(termination: &Termination) -> usize {
    let message = termination.message.as_deref().unwrap_or_default();
    allocated(size_of::<Termination>()) + allocated(message.len())
}

fn of_detail(detail: Option<&Detail>) -> usize {
    detail.map_or(0, |detail| {
        let message = detail.message.as_deref().unwrap_or_default();
        allocated(size_of::<Detail>()) + allocated(message.len())
    })
}

/// What glibc's allocator takes for so many bytes on a 64-bit machine: 8 more, in steps of 16, at
/// least 32.
pub(super) fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => (bytes + 8).next_multiple_of(16).max(32),
    }
}
