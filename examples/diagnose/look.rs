//! Where a person looks next.

use opsbox_heal::{Cause, Condition, Container, ContainerState, Diagnosis, VolumeKind};

/// A command to run or a thing to check, for the primary finding of a pod.
pub(crate) fn next(entry: &Diagnosis<'_>) -> String {
    let (pod, verdict) = (entry.pod(), entry.verdict());
    let at = format!("-n {} {}", pod.namespace(), pod.name());
    let node = pod.node().unwrap_or("?");
    let logs = |more: &str| match blamed(entry) {
        Some(container) => format!("kubectl logs {at} -c {}{more}", container.name()),
        None => format!("kubectl logs {at} --all-containers{more}"),
    };
    let describe = || format!("kubectl describe pod {at}");
    match (verdict.condition(), verdict.cause()) {
        (Condition::ImagePullBackOff, Some(Cause::ImageNotFound | Cause::ImageNameInvalid)) => {
            format!("the image in {}", pod.workload())
        }
        (Condition::ImagePullBackOff, Some(Cause::ImageUnauthorized)) => {
            "imagePullSecrets of the pod and its service account".to_owned()
        }
        (Condition::ImagePullBackOff, Some(Cause::ImageRateLimited)) => {
            "wait, or pull with an account or through a mirror".to_owned()
        }
        (Condition::ImagePullBackOff, Some(Cause::ImageTimeout)) => {
            format!("whether node {node} reaches the registry")
        }
        (Condition::Unschedulable, Some(Cause::InsufficientResources)) => {
            "requests of the pod; kubectl describe nodes; the autoscaler".to_owned()
        }
        (Condition::Unschedulable, Some(Cause::UntoleratedTaint)) => {
            "kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints".to_owned()
        }
        (Condition::Unschedulable, Some(Cause::Volume)) => {
            format!("kubectl get pvc -n {}{}", pod.namespace(), claims(entry))
        }
        (Condition::Unschedulable, Some(Cause::Affinity)) => {
            "nodeSelector and affinity of the pod; kubectl get nodes --show-labels".to_owned()
        }
        (Condition::OomKilled, Some(Cause::OomRepeated)) => {
            format!("memory limit and use of {}", pod.workload())
        }
        (Condition::CrashLoopBackOff | Condition::OomKilled | Condition::LivenessFailing, _) => {
            logs(" --previous")
        }
        (Condition::Failed, _) => logs(""),
        (Condition::NotReady | Condition::StuckStarting | Condition::InitStuck, _) => {
            match blamed(entry) {
                Some(_) => logs(""),
                None => describe(),
            }
        }
        (Condition::Unknown, _) => format!("kubectl describe node {node}"),
        (Condition::StuckTerminating, _) => match pod.deletion() {
            Some(deletion) if deletion.finalizers().next().is_some() => {
                "whoever should remove the finalizer".to_owned()
            }
            _ => format!("the kubelet of node {node}"),
        },
        (Condition::Evicted, _) => format!("memory and disk of node {node}; the pod can go"),
        (Condition::CompletedLeftover, _) => format!("kubectl delete pod {at}"),
        (Condition::Healthy | Condition::Completed | Condition::Starting, _)
        | (Condition::Terminating, _) => String::new(),
        _ => describe(),
    }
}

/// The container that the first piece of evidence is about.
fn blamed<'a>(entry: &Diagnosis<'a>) -> Option<&'a Container> {
    let evidence = entry.verdict().primary().evidence().next()?;
    let field = evidence.field();
    let of_field = |container: &&Container| {
        let path = container.field_path("");
        field.starts_with(path.trim_end_matches('.'))
    };
    let containers = entry.pod().containers();
    // Evidence on the pod as a whole leads to the container that is not up.
    let not_up = |container: &&Container| {
        !container.ready()
            && !matches!(container.state(), ContainerState::Terminated(end) if end.exit_code() == 0)
    };
    containers
        .iter()
        .find(of_field)
        .or_else(|| containers.iter().find(not_up))
}

fn claims(entry: &Diagnosis<'_>) -> String {
    let volumes = entry.pod().volumes().iter();
    let claims = volumes.filter(|volume| volume.kind() == VolumeKind::PersistentVolumeClaim);
    claims.map(|claim| format!(" {}", claim.source())).collect()
}
