//! What a process before has done, by the Events that it left.

use k8s_openapi::api::events::v1::Event;
use kube::{
    Client,
    api::{Api, ListParams},
};

use super::records::{COMMON_CAUSE, FAILURES, NODE};
use crate::{
    decide::{Action, PastAct, WorkloadRef},
    limits::RECALL_TIME_LIMIT,
    model::verdict::Condition,
    observe::live::PodScope,
    record::MANAGED_BY,
    time::Timestamp,
};

/// What is known of it.
pub(super) enum Past {
    /// All that Events tell.
    Known(Vec<PastAct>),
    /// It may not be asked for.
    Forbidden,
    /// It could not be had this time.
    NotYet,
}

/// Asks for it, within [`RECALL_TIME_LIMIT`].
pub(super) async fn learn(client: &Client, scope: &PodScope) -> Past {
    match tokio::time::timeout(RECALL_TIME_LIMIT, acts(client, scope)).await {
        Ok(Ok(acts)) => {
            tracing::info!(
                acts = acts.len(),
                "learned from Events what was done before"
            );
            Past::Known(acts)
        }
        Ok(Err(kube::Error::Api(refused))) if refused.code == 403 => {
            tracing::warn!(error = %refused, "what was done before is not known; add list on events");
            Past::Forbidden
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "what was done before is not known yet");
            Past::NotYet
        }
        Err(_) => {
            tracing::warn!("what was done before is not known yet: no answer in time");
            Past::NotYet
        }
    }
}

/// The acts and escalations of all processes of this name, in the order of time.
async fn acts(client: &Client, scope: &PodScope) -> Result<Vec<PastAct>, kube::Error> {
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let mut events = Vec::new();
    match scope.selected_namespaces() {
        None => events.extend(Api::<Event>::all(client.clone()).list(&ours).await?),
        Some(namespaces) => {
            for namespace in namespaces {
                let api = Api::<Event>::namespaced(client.clone(), namespace);
                events.extend(api.list(&ours).await?);
            }
        }
    }
    let mut acts: Vec<PastAct> = events.iter().filter_map(act).collect();
    acts.sort_by(|a, b| (a.at, &a.uid).cmp(&(b.at, &b.uid)));
    Ok(acts)
}

fn act(event: &Event) -> Option<PastAct> {
    let action = match event.action.as_deref()? {
        "Evict" => Action::Evict,
        "Delete" => Action::Delete,
        "RestartOwner" => Action::RestartOwner,
        "Escalate" => Action::Escalate,
        _ => return None,
    };
    let reason = event.reason.as_deref()?;
    let condition = Condition::ALL.into_iter().find(|c| c.as_str() == reason)?;
    let (pod, owner) = (event.regarding.as_ref()?, event.related.as_ref()?);
    let at = event.event_time.as_ref()?.0.as_second();
    let last = event.series.as_ref();
    let last = last.map_or(at, |series| series.last_observed_time.0.as_second());
    let annotation = |key| event.metadata.annotations.as_ref()?.get(key);
    let common_cause = annotation(COMMON_CAUSE).map(|cause| serde_json::from_str(cause));
    Some(PastAct {
        namespace: pod.namespace.clone()?,
        name: pod.name.clone()?,
        uid: pod.uid.clone()?,
        workload: WorkloadRef::new(
            owner.namespace.clone()?,
            owner.kind.clone()?,
            owner.name.clone()?,
        ),
        condition,
        action,
        node: annotation(NODE).cloned(),
        failures: annotation(FAILURES)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        common_cause: common_cause.and_then(Result::ok),
        at: Timestamp::from_unix_seconds(last),
    })
}
