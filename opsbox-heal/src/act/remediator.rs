//! Evicts and deletes pods, restarts their owners.

use std::{fmt, sync::Arc, time::Duration};

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tracing::{Instrument as _, Span, field};

use super::{
    classify::{Asked, judge},
    options::ActOptions,
    outcome::Outcome,
    target::{OwnerTarget, Target},
};
use crate::{
    call::{Call, Caller, Gate, encoded, is_path_segment},
    lease::{Fence, Pass},
    limits,
    time::Timestamp,
};

/// Acts on pods and their owners, each act one request that is sent once.
///
/// The uid of the pod is a precondition that the API server checks in the same step as the act. Grace periods
/// are the pod's own unless [`ActOptions::grace_period`] says otherwise; PersistentVolumeClaims are never
/// touched, and what a pod owns goes as the API server's default has it.
///
/// Every act is a `tracing` span `act` with the fields `action`, `namespace`, `pod` and `uid` (or `owner` and
/// `owner_kind`), `dry_run`, and at its end `outcome`, a word of [`Outcome::as_str`]. The outcome is also an event in
/// it: of level INFO if the act was done, else WARN.
///
/// ```no_run
/// # async fn example(client: kube::Client) {
/// use opsbox_heal::act::{ActOptions, Outcome, Remediator, Target};
///
/// let remediator = Remediator::new(client);
/// let target = Target::new("shop", "cart-7d9-x2x", "0b0e1c3a-7a54-4a52-93d4-3a1f7b9a8a61");
/// match remediator.evict(&target, &ActOptions::dry_run()).await {
///     Outcome::Done => println!("{target} would be evicted"),
///     outcome => println!("{target}: {outcome}"),
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Remediator {
    caller: Caller,
    time_limit: Duration,
    field_manager: String,
    fence: Option<Fence>,
}

impl Remediator {
    /// Acts with the rights of this client. Whether it repeats requests by itself does not matter.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as everything that makes a `kube::Client`.
    pub fn new(client: Client) -> Self {
        Self {
            caller: Caller::new(client),
            time_limit: limits::ACT_TIME_LIMIT,
            field_manager: "opsbox-heal".to_owned(),
            fence: None,
        }
    }

    /// How long one request may take; [`ACT_TIME_LIMIT`](limits::ACT_TIME_LIMIT) if it is not set. The API
    /// server is told, so that it gives up too.
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Under which name the API server remembers who wrote a field; `opsbox-heal` if it is not set.
    pub fn field_manager(mut self, name: impl Into<String>) -> Self {
        self.field_manager = name.into();
        self
    }

    /// Acts only while this process is the leader, and lets no request run on after that.
    pub fn fence(mut self, fence: Fence) -> Self {
        self.fence = Some(fence);
        self
    }

    /// Asks this gate before each request.
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.caller = self.caller.gate(gate);
        self
    }

    /// Evicts the pod: deletes it if its disruption budgets allow it.
    ///
    /// A budget that does not is [`Outcome::Blocked`], after one request. Kubernetes asks no budget for a
    /// pod that is Pending, Succeeded or Failed.
    pub async fn evict(&self, target: &Target, options: &ActOptions) -> Outcome {
        let span = span("evict", target, options);
        let asked = Asked {
            verb: "create",
            group: "",
            resource: "pods/eviction",
            namespace: &target.namespace,
            writes: !options.is_dry_run(),
        };
        let body = json!({
            "metadata": {"name": target.name, "namespace": target.namespace},
            "deleteOptions": delete_options(target, options),
        });
        let work = self.on_pod(asked, target, options, Method::POST, "/eviction", body);
        told(work.instrument(span.clone()).await, &span)
    }

    /// Deletes the pod whatever its disruption budgets say, with the same preconditions.
    pub async fn delete(&self, target: &Target, options: &ActOptions) -> Outcome {
        let span = span("delete", target, options);
        let asked = Asked {
            verb: "delete",
            group: "",
            resource: "pods",
            namespace: &target.namespace,
            writes: !options.is_dry_run(),
        };
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        let body = with(body, delete_options(target, options));
        let work = self.on_pod(asked, target, options, Method::DELETE, "", body);
        told(work.instrument(span.clone()).await, &span)
    }

    /// Restarts all pods of an owner one after the other, as `kubectl rollout restart` does: by the
    /// annotation `kubectl.kubernetes.io/restartedAt` on its template, set to `now`.
    ///
    /// Two requests: it is read first, since a paused Deployment or an update strategy `OnDelete` would
    /// restart nothing. Those are [`Outcome::Rejected`].
    pub async fn restart_owner(
        &self,
        owner: &OwnerTarget,
        now: Timestamp,
        options: &ActOptions,
    ) -> Outcome {
        let span = tracing::info_span!(
            "act",
            action = "restart_owner",
            namespace = %owner.namespace,
            owner = %owner.name,
            owner_kind = owner.kind.as_str(),
            dry_run = options.is_dry_run(),
            outcome = field::Empty,
        );
        let work = self.restart(owner, now, options);
        told(work.instrument(span.clone()).await.err(), &span)
    }

    async fn on_pod(
        &self,
        asked: Asked<'_>,
        target: &Target,
        options: &ActOptions,
        method: Method,
        subresource: &str,
        body: Value,
    ) -> Option<Outcome> {
        if let Err(wrong) = valid(target, options) {
            return Some(wrong);
        }
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}{subresource}{}",
            target.namespace,
            target.name,
            self.query(options),
        );
        let call = Call::new(method, path, body.to_string().into_bytes());
        self.send(asked, call).await.err()
    }

    async fn restart(
        &self,
        owner: &OwnerTarget,
        now: Timestamp,
        options: &ActOptions,
    ) -> Result<(), Outcome> {
        let resource = owner.kind.resource();
        if !is_path_segment(&owner.namespace) || !is_path_segment(&owner.name) {
            return Err(nothing_sent(format!("{owner} is no name of the API")));
        }
        let path = format!(
            "/apis/apps/v1/namespaces/{}/{resource}/{}",
            owner.namespace, owner.name
        );
        let mut asked = Asked {
            verb: "get",
            group: "apps",
            resource,
            namespace: &owner.namespace,
            writes: false,
        };
        let found = self.send(asked, Call::get(path.clone())).await?;
        let found: Value = serde_json::from_slice(&found).map_err(|_| Outcome::Unavailable {
            reason: format!("the answer to get {resource} is not that of an API server"),
            retry_after: None,
            uncertain: false,
        })?;
        let uid = restartable(owner, &found)?;
        // With the uid the API server refuses to patch another owner of the same name.
        let patch = json!({
            "metadata": {"uid": uid},
            "spec": {"template": {"metadata": {"annotations": {
                "kubectl.kubernetes.io/restartedAt": now.to_string(),
            }}}},
        });
        asked.verb = "patch";
        asked.writes = !options.is_dry_run();
        let path = format!("{path}{}", self.query(options));
        let call = Call::new(Method::PATCH, path, patch.to_string().into_bytes())
            .content_type("application/merge-patch+json");
        self.send(asked, call).await.map(drop)
    }

    async fn send(&self, asked: Asked<'_>, call: Call) -> Result<Vec<u8>, Outcome> {
        self.caller.pass().await;
        // After the wait for the turn, so that nothing is sent by one who led before it.
        let mut time_limit = self.time_limit;
        let mut pass = None;
        if let Some(fence) = &self.fence {
            pass = fence.pass();
            let left = pass.as_ref().map_or(Duration::ZERO, Pass::remaining);
            if left < limits::MIN_ACT_TIME {
                return Err(Outcome::NotLeader);
            }
            time_limit = time_limit.min(left);
        }
        let answer = self.caller.send(call, time_limit).await;
        drop(pass);
        judge(asked, answer)
    }

    fn query(&self, options: &ActOptions) -> String {
        let dry_run = if options.is_dry_run() {
            "&dryRun=All"
        } else {
            ""
        };
        format!("?fieldManager={}{dry_run}", encoded(&self.field_manager))
    }
}

impl fmt::Debug for Remediator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remediator")
            .field("time_limit", &self.time_limit)
            .field("field_manager", &self.field_manager)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

fn span(action: &'static str, target: &Target, options: &ActOptions) -> Span {
    tracing::info_span!(
        "act",
        action,
        namespace = %target.namespace,
        pod = %target.name,
        uid = %target.uid,
        dry_run = options.is_dry_run(),
        outcome = field::Empty,
    )
}

/// Puts the outcome into the span, and says it.
fn told(not_done: Option<Outcome>, span: &Span) -> Outcome {
    let outcome = not_done.unwrap_or(Outcome::Done);
    span.record("outcome", outcome.as_str());
    span.in_scope(|| match outcome.is_done() {
        true => tracing::info!("{outcome}"),
        false => tracing::warn!("{outcome}"),
    });
    outcome
}

fn nothing_sent(reason: String) -> Outcome {
    Outcome::Rejected { code: 0, reason }
}

fn valid(target: &Target, options: &ActOptions) -> Result<(), Outcome> {
    if !is_path_segment(&target.namespace) || !is_path_segment(&target.name) {
        return Err(nothing_sent(format!("{target} is no name of the API")));
    }
    // An empty precondition is none.
    if target.uid.is_empty() {
        let reason = "has no uid, so another pod of its name could be hit; judge it anew";
        return Err(nothing_sent(format!("{target} {reason}")));
    }
    if options.is_unchanged() && target.resource_version.is_empty() {
        let reason = "has no resource version to compare; judge it anew";
        return Err(nothing_sent(format!("{target} {reason}")));
    }
    Ok(())
}

fn delete_options(target: &Target, options: &ActOptions) -> Value {
    let version = options.is_unchanged().then_some(&target.resource_version);
    let preconditions = match version {
        Some(version) => json!({"uid": target.uid, "resourceVersion": version}),
        None => json!({"uid": target.uid}),
    };
    let mut delete = json!({"preconditions": preconditions});
    if let Some(seconds) = options.grace_period_seconds() {
        delete = with(delete, json!({"gracePeriodSeconds": seconds}));
    }
    if options.is_dry_run() {
        // An eviction looks here, and not at the query alone.
        delete = with(delete, json!({"dryRun": ["All"]}));
    }
    delete
}

/// The fields of both objects.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, more) {
        fields.extend(more);
    }
    object
}

/// The uid of an owner whose template may be changed to some effect.
fn restartable(owner: &OwnerTarget, found: &Value) -> Result<String, Outcome> {
    let text = |pointer| found.pointer(pointer).and_then(Value::as_str);
    let uid = text("/metadata/uid").unwrap_or_default();
    if let Some(expected) = owner.uid.as_deref()
        && expected != uid
    {
        let reason = format!("{owner} has the uid {uid} and not {expected}");
        return Err(Outcome::Changed { reason });
    }
    if text("/metadata/deletionTimestamp").is_some() {
        return Err(Outcome::Gone);
    }
    if found.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        let reason = "is paused, so nothing would be restarted; resume it";
        return Err(nothing_sent(format!("{owner} {reason}")));
    }
    if text("/spec/updateStrategy/type") == Some("OnDelete") {
        let reason =
            "has the update strategy OnDelete, so nothing would be restarted; evict its pods";
        return Err(nothing_sent(format!("{owner} {reason}")));
    }
    Ok(uid.to_owned())
}
