//! From what was read to the compact model.

use std::sync::Arc;

use super::{pool::Pool, wire};
use crate::{
    limits::{MAX_CONTAINERS, MAX_MESSAGE_BYTES},
    model::{
        container::{
            Container, ContainerKind, ContainerSpec, ContainerState, Flags, Probes, Running,
            Termination, Waiting,
        },
        pod::{Deletion, Identity, Owner, PodState, QosClass, RestartPolicy, Shared},
        pod_condition::{ConditionStatus, Detail, PackedTime, PodCondition, PodConditionType},
        volume::{Volume, VolumeKind},
    },
    time::Timestamp,
};

/// The compact form of one pod, or what is wrong with it.
pub(super) fn pod(
    meta: &wire::ObjectMeta<'_>,
    spec: wire::PodSpec<'_>,
    status: wire::PodStatus<'_>,
    pool: &mut Pool,
) -> Result<PodState, String> {
    if meta.name.as_str().is_empty() {
        return Err("metadata.name is missing: not a pod as the API server writes it".to_owned());
    }
    let identity = Identity::new(
        meta.name.as_str(),
        meta.uid.as_str(),
        meta.resource_version.as_str(),
    )
    .ok_or("metadata.name is longer than 4 GiB")?;
    let volumes = volumes(&spec, pool);
    let restart_policy = restart_policy(&spec.restart_policy).unwrap_or(RestartPolicy::Always);
    let count = |list: &Option<Vec<_>>| list.as_ref().map_or(0, Vec::len);
    let specs = [
        &spec.containers,
        &spec.init_containers,
        &spec.ephemeral_containers,
    ];
    let mut containers = Vec::with_capacity(specs.into_iter().map(count).sum());
    for (kind, specs, statuses) in [
        (
            ContainerKind::Regular,
            spec.containers,
            status.container_statuses,
        ),
        (
            ContainerKind::Init,
            spec.init_containers,
            status.init_container_statuses,
        ),
        (
            ContainerKind::Ephemeral,
            spec.ephemeral_containers,
            status.ephemeral_container_statuses,
        ),
    ] {
        let specs = specs.unwrap_or_default();
        let statuses = statuses.unwrap_or_default();
        if specs.len().max(statuses.len()) > MAX_CONTAINERS {
            return Err(format!(
                "more than {MAX_CONTAINERS} containers of one kind in one pod"
            ));
        }
        join(
            kind,
            restart_policy,
            &specs,
            statuses,
            pool,
            &mut containers,
        );
    }
    let shared = Shared {
        namespace: pool.text(meta.namespace.as_str()),
        owner: owner(meta, pool),
        labels: meta.labels.as_ref().and_then(|labels| pool.labels(labels)),
        volumes,
        priority: spec.priority,
        qos_class: match status.qos_class.as_str() {
            "Guaranteed" => QosClass::Guaranteed,
            "Burstable" => QosClass::Burstable,
            "BestEffort" => QosClass::BestEffort,
            _ => QosClass::Unknown,
        },
        restart_policy,
        marks: meta.annotations.as_ref().map(|a| a.0).unwrap_or_default(),
    };
    Ok(PodState {
        identity,
        shared: pool.shared(shared),
        node: pool.some_text(&spec.node_name),
        phase: status.phase.as_str().into(),
        detail: detail(pool, &status.reason, &status.message),
        created: time(meta.creation_timestamp.as_ref()),
        deletion: deletion(meta, pool),
        conditions: conditions(status.conditions.unwrap_or_default(), pool),
        containers: containers.into(),
    })
}

/// The volumes that matter and what the environment is made of, once each.
fn volumes(spec: &wire::PodSpec<'_>, pool: &mut Pool) -> Option<Arc<[Volume]>> {
    let mut found = Vec::with_capacity(8);
    let mut add = |kind, source| {
        // A ConfigMap or Secret is often named many times: each variable names it again.
        let source = wire::Text::as_str(source);
        if !source.is_empty() && !found.contains(&(kind, source)) {
            found.push((kind, source));
        }
    };
    for volume in spec.volumes.iter().flatten() {
        if let Some(empty_dir) = &volume.empty_dir {
            add(empty_dir_kind(&empty_dir.medium), &volume.name);
        }
        if volume.ephemeral.is_some() {
            add(VolumeKind::Ephemeral, &volume.name);
        }
        let projected = volume.projected.as_ref().and_then(|p| p.sources.as_ref());
        let projected = projected.into_iter().flatten();
        // The token of the service account is projected together with what all pods have.
        let of_token = projected.clone().any(|s| s.service_account_token.is_some());
        let projected = projected.filter(|_| !of_token).flat_map(|source| {
            [
                (VolumeKind::ConfigMap, &source.config_map),
                (VolumeKind::Secret, &source.secret),
            ]
        });
        let own = [
            (VolumeKind::HostPath, &volume.host_path),
            (
                VolumeKind::PersistentVolumeClaim,
                &volume.persistent_volume_claim,
            ),
            (VolumeKind::ConfigMap, &volume.config_map),
            (VolumeKind::Secret, &volume.secret),
        ];
        for (kind, named) in own.into_iter().chain(projected) {
            if let Some(named) = named {
                add(kind, &named.name);
            }
        }
    }
    let containers = [&spec.containers, &spec.init_containers];
    for container in containers.into_iter().flatten().flatten() {
        let all = container.env_from.iter().flatten().map(|from| {
            [
                (VolumeKind::ConfigMap, &from.config_map_ref),
                (VolumeKind::Secret, &from.secret_ref),
            ]
        });
        let single = container.env.iter().flatten();
        let single = single.filter_map(|variable| variable.value_from.as_ref());
        let single = single.map(|from| {
            [
                (VolumeKind::ConfigMap, &from.config_map_key_ref),
                (VolumeKind::Secret, &from.secret_key_ref),
            ]
        });
        for (kind, named) in all.chain(single).flatten() {
            if let Some(named) = named {
                add(kind, &named.name);
            }
        }
    }
    pool.volumes(&found)
}

fn empty_dir_kind(medium: &wire::Text<'_>) -> VolumeKind {
    match medium.as_str() {
        "Memory" => VolumeKind::EmptyDirMemory,
        medium if medium.starts_with("HugePages") => VolumeKind::EmptyDirMemory,
        _ => VolumeKind::EmptyDir,
    }
}

fn owner(meta: &wire::ObjectMeta<'_>, pool: &mut Pool) -> Option<Arc<Owner>> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let managing = owners.iter().find(|o| o.controller == Some(true));
    managing.or_else(|| owners.first()).map(|o| pool.owner(o))
}

fn deletion(meta: &wire::ObjectMeta<'_>, pool: &mut Pool) -> Option<Box<Deletion>> {
    let due = time(meta.deletion_timestamp.as_ref())?;
    let finalizers = meta.finalizers.as_deref().unwrap_or_default();
    Some(Box::new(Deletion {
        due,
        grace_period_seconds: meta.deletion_grace_period_seconds.map(clamp_u32),
        finalizers: finalizers.iter().map(|f| pool.text(f.as_str())).collect(),
    }))
}

fn conditions(conditions: Vec<wire::Condition<'_>>, pool: &mut Pool) -> Box<[PodCondition]> {
    let compact = |condition: wire::Condition<'_>| {
        let kind = match condition.kind.as_str() {
            "PodScheduled" => PodConditionType::PodScheduled,
            "Initialized" => PodConditionType::Initialized,
            "ContainersReady" => PodConditionType::ContainersReady,
            "Ready" => PodConditionType::Ready,
            "PodReadyToStartContainers" => PodConditionType::PodReadyToStartContainers,
            "DisruptionTarget" => PodConditionType::DisruptionTarget,
            _ => PodConditionType::Other,
        };
        let mut detail = detail(pool, &condition.reason, &condition.message);
        if kind == PodConditionType::Other {
            detail.get_or_insert_default().kind = pool.some_text(&condition.kind);
        }
        PodCondition {
            since: PackedTime::new(time(condition.last_transition_time.as_ref())),
            detail,
            kind,
            status: match condition.status.as_str() {
                "True" => ConditionStatus::True,
                "False" => ConditionStatus::False,
                _ => ConditionStatus::Unknown,
            },
        }
    };
    conditions.into_iter().map(compact).collect()
}

/// Joins specs and statuses by name: the kubelet sorts statuses, so the order is not the same.
fn join(
    kind: ContainerKind,
    pod_policy: RestartPolicy,
    specs: &[wire::ContainerSpec<'_>],
    statuses: Vec<wire::ContainerStatus<'_>>,
    pool: &mut Pool,
    joined: &mut Vec<Container>,
) {
    let first = joined.len();
    for (index, spec) in (0_u16..).zip(specs) {
        let own_policy = restart_policy(&spec.restart_policy);
        let is_init = kind == ContainerKind::Init;
        let kind = match own_policy {
            Some(RestartPolicy::Always) if is_init => ContainerKind::Sidecar,
            _ => kind,
        };
        let spec = ContainerSpec {
            name: pool.text(spec.name.as_str()),
            image: pool.text(spec.image.as_str()),
            kind,
            restart_policy: match (own_policy, pod_policy) {
                (Some(own), _) => own,
                // An init container that ended well is never started again.
                (None, RestartPolicy::Always) if is_init => RestartPolicy::OnFailure,
                (None, policy) => policy,
            },
            probes: Probes {
                startup: spec.startup_probe.is_some(),
                readiness: spec.readiness_probe.is_some(),
                liveness: spec.liveness_probe.is_some(),
            },
        };
        joined.push(without_status(pool.container(spec), index));
    }
    for (index, status) in (0_u16..).zip(statuses) {
        let known = joined
            .iter_mut()
            .skip(first)
            .find(|c| c.name() == status.name.as_str());
        match known {
            Some(container) => report(container, index, status, pool),
            // A status without a spec: the list was cut down by somebody. Better than nothing.
            None => {
                let spec = ContainerSpec {
                    name: pool.text(status.name.as_str()),
                    image: pool.text(status.image.as_str()),
                    kind,
                    restart_policy: pod_policy,
                    probes: Probes::default(),
                };
                let mut container = without_status(pool.container(spec), index);
                report(&mut container, index, status, pool);
                joined.push(container);
            }
        }
    }
}

fn without_status(spec: Arc<ContainerSpec>, index: u16) -> Container {
    Container {
        spec,
        state: ContainerState::NotReported,
        last_state: None,
        restarts: 0,
        index,
        flags: Flags::default(),
    }
}

fn report(
    container: &mut Container,
    index: u16,
    status: wire::ContainerStatus<'_>,
    pool: &mut Pool,
) {
    container.index = index;
    container.flags = Flags::of_status(status.ready == Some(true), status.started);
    container.restarts = clamp_u32(status.restart_count.unwrap_or(0));
    container.state = state(status.state.unwrap_or_default(), pool);
    container.last_state = status
        .last_state
        .and_then(|s| s.terminated)
        .map(|t| Box::new(termination(&t, pool)));
}

fn state(state: wire::State<'_>, pool: &mut Pool) -> ContainerState {
    if let Some(running) = state.running {
        return ContainerState::Running(Running {
            started_at: time(running.started_at.as_ref()),
        });
    }
    if let Some(terminated) = state.terminated {
        return ContainerState::Terminated(Box::new(termination(&terminated, pool)));
    }
    if state.waiting.is_none() && !state.other.as_str().is_empty() {
        return ContainerState::Other(pool.text(state.other.as_str()));
    }
    let waiting = state.waiting.unwrap_or_default();
    ContainerState::Waiting(Waiting {
        detail: detail(pool, &waiting.reason, &waiting.message),
    })
}

fn termination(terminated: &wire::Terminated<'_>, pool: &mut Pool) -> Termination {
    let clamp = |code: i64| i32::try_from(code).unwrap_or(i32::MAX);
    Termination {
        exit_code: clamp(terminated.exit_code.unwrap_or(0)),
        signal: terminated.signal.filter(|signal| *signal != 0).map(clamp),
        reason: pool.some_text(&terminated.reason),
        message: some_message(&terminated.message),
        started_at: real_time(terminated.started_at.as_ref()),
        finished_at: real_time(terminated.finished_at.as_ref()),
    }
}

fn restart_policy(text: &wire::Text<'_>) -> Option<RestartPolicy> {
    match text.as_str() {
        "Always" => Some(RestartPolicy::Always),
        "OnFailure" => Some(RestartPolicy::OnFailure),
        "Never" => Some(RestartPolicy::Never),
        _ => None,
    }
}

fn time(time: Option<&wire::Time>) -> Option<Timestamp> {
    time.map(|t| t.0)
}

/// The kubelet writes 1970 for a run that it has lost sight of (`ContainerStatusUnknown`).
fn real_time(time: Option<&wire::Time>) -> Option<Timestamp> {
    time.map(|t| t.0).filter(|t| t.unix_seconds() > 0)
}

fn clamp_u32(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

fn detail(
    pool: &mut Pool,
    reason: &wire::Text<'_>,
    message: &wire::Text<'_>,
) -> Option<Box<Detail>> {
    let reason = pool.some_text(reason);
    let message = some_message(message);
    (reason.is_some() || message.is_some()).then(|| {
        Box::new(Detail {
            kind: None,
            reason,
            message,
        })
    })
}

fn some_message(text: &wire::Text<'_>) -> Option<Box<str>> {
    let text = text.as_str();
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    text.get(..end)
        .filter(|kept| !kept.is_empty())
        .map(Into::into)
}
