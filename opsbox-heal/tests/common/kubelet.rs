//! What stands in for the nodes: makes them, binds pods, writes their status, and lets them go.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

/// A time as the API writes it.
pub(crate) fn now() -> String {
    #[allow(clippy::disallowed_methods, reason = "a kubelet has a clock")]
    let now = std::time::SystemTime::now();
    opsbox_heal::Timestamp::from(now).to_string()
}

/// What becomes of a pod that was just bound.
#[derive(Clone)]
pub(crate) enum Start {
    /// It runs and is ready.
    Ready,
    /// It gets this status, such as [`image_pull`]'s.
    Status(Value),
    /// It stays Pending on its node.
    Pending,
    /// It is not even bound.
    Unbound,
}

/// A stand-in for all kubelets and the scheduler.
#[derive(Clone)]
pub(crate) struct Kubelet {
    client: Client,
    nodes: Vec<String>,
    next: Arc<AtomicUsize>,
}

impl Kubelet {
    /// Makes Nodes of these names, since pods without one are collected as garbage.
    pub(crate) async fn new(client: Client, nodes: &[&str]) -> Self {
        let api: Api<Node> = Api::all(client.clone());
        for name in nodes {
            let node =
                json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}});
            let node = serde_json::from_value(node).unwrap();
            match api.create(&PostParams::default(), &node).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => panic!("the Node {name} cannot be made: {error}"),
            }
            // Each Node is made as not ready, which its controller would take back once it is.
            let untainted = json!({"spec": {"taints": null}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(&untainted))
                .await
                .unwrap();
            let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady"});
            let status =
                json!({"status": {"conditions": [ready], "allocatable": {"pods": "1000"}}});
            api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
                .await
                .unwrap();
        }
        Self {
            client,
            nodes: nodes.iter().map(|&name| name.to_owned()).collect(),
            next: Arc::default(),
        }
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// As the scheduler does.
    pub(crate) async fn bind(&self, pod: &Pod, node: &str) -> kube::Result<()> {
        let (namespace, name) = (pod.namespace().unwrap(), pod.name_any());
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(binding.to_string().into_bytes());
        self.client.request_text(request.unwrap()).await.map(drop)
    }

    /// Merges into the status.
    pub(crate) async fn status(
        &self,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> kube::Result<Pod> {
        let patch = json!({"status": status});
        self.pods(namespace)
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
    }

    /// Ends a pod that is to be deleted.
    pub(crate) async fn finish(&self, pod: &Pod) -> kube::Result<()> {
        let at_once = DeleteParams::default().grace_period(0);
        // By uid: a StatefulSet makes another pod of the same name at once.
        let at_once = at_once.preconditions(kube::api::Preconditions {
            uid: pod.uid(),
            resource_version: None,
        });
        let pods = self.pods(&pod.namespace().unwrap());
        pods.delete(&pod.name_any(), &at_once).await.map(drop)
    }

    /// One step for one pod: ends it, binds it, or starts it. What is there already is left alone, so a status
    /// that a test has written stays.
    pub(crate) async fn step(&self, pod: &Pod, start: &Start) -> kube::Result<()> {
        if pod.metadata.deletion_timestamp.is_some() {
            return self.finish(pod).await;
        }
        let spec = pod.spec.as_ref().unwrap();
        if spec.node_name.is_none() {
            if matches!(start, Start::Unbound) {
                return Ok(());
            }
            let node = wanted_node(pod).unwrap_or_else(|| {
                let turn = self.next.fetch_add(1, Ordering::Relaxed);
                self.nodes[turn % self.nodes.len()].clone()
            });
            return self.bind(pod, &node).await;
        }
        let is_fresh = pod.status.as_ref().is_none_or(|status| {
            status.phase.as_deref() == Some("Pending") && status.container_statuses.is_none()
        });
        let status = match start {
            Start::Ready => running(pod),
            Start::Status(status) => status.clone(),
            Start::Pending | Start::Unbound => return Ok(()),
        };
        if is_fresh {
            self.status(&pod.namespace().unwrap(), &pod.name_any(), &status)
                .await?;
        }
        Ok(())
    }

    /// Does all of it for every pod of a namespace (of all, if it is empty) until it is aborted; `start` is asked
    /// what becomes of each new one. Outlives restarts of the API server.
    pub(crate) fn run(
        &self,
        namespace: &str,
        start: impl Fn(&Pod) -> Start + Send + Sync + 'static,
    ) -> Running {
        let kubelet = self.clone();
        let pods = if namespace.is_empty() {
            Api::all(self.client.clone())
        } else {
            self.pods(namespace)
        };
        Running(tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher::watcher(pods, watcher::Config::default()));
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                        // What fails is met again with the next event, or was done by the test meanwhile.
                        drop(kubelet.step(&pod, &start(&pod)).await);
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
                }
            }
        }))
    }

    /// Ends all pods that are to be deleted, once.
    pub(crate) async fn finish_deletions(&self, namespace: &str) {
        let pods = self.pods(namespace).list(&ListParams::default()).await;
        for pod in pods.unwrap() {
            if pod.metadata.deletion_timestamp.is_some() {
                drop(self.finish(&pod).await);
            }
        }
    }
}

/// A [`Kubelet::run`] that ends with this.
pub(crate) struct Running(tokio::task::JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The one node that a DaemonSet's pod is for.
fn wanted_node(pod: &Pod) -> Option<String> {
    let affinity = pod
        .spec
        .as_ref()?
        .affinity
        .as_ref()?
        .node_affinity
        .as_ref()?;
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let mut fields = required
        .node_selector_terms
        .iter()
        .flat_map(|t| t.match_fields.iter().flatten());
    let name = fields.find(|field| field.key == "metadata.name")?;
    name.values.as_ref()?.first().cloned()
}

fn containers(pod: &Pod) -> Vec<(String, String)> {
    let spec = pod.spec.as_ref().unwrap();
    let of = |c: &k8s_openapi::api::core::v1::Container| {
        (c.name.clone(), c.image.clone().unwrap_or_default())
    };
    spec.containers.iter().map(of).collect()
}

fn conditions(ready: bool) -> Value {
    let (at, ready) = (now(), if ready { "True" } else { "False" });
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": at});
    json!([
        condition("Initialized", "True"),
        condition("Ready", ready),
        condition("ContainersReady", ready),
        condition("PodScheduled", "True"),
    ])
}

/// The status of all containers with this state.
fn status(pod: &Pod, phase: &str, ready: bool, state: &Value, more: &Value) -> Value {
    let statuses = containers(pod).into_iter().map(|(name, image)| {
        let mut status = json!({
            "name": name, "image": image, "imageID": "", "ready": ready, "restartCount": 0, "state": state,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            status[key] = value.clone();
        }
        status
    });
    let statuses: Vec<Value> = statuses.collect();
    json!({
        "phase": phase, "startTime": now(), "conditions": conditions(ready), "containerStatuses": statuses,
    })
}

/// Runs and is ready.
pub(crate) fn running(pod: &Pod) -> Value {
    let state = json!({"running": {"startedAt": now()}});
    status(pod, "Running", true, &state, &json!({"started": true}))
}

/// Runs and fails its readiness probe.
pub(crate) fn not_ready(pod: &Pod) -> Value {
    let state = json!({"running": {"startedAt": now()}});
    status(pod, "Running", false, &state, &json!({"started": true}))
}

/// Waits in CrashLoopBackOff after so many restarts.
pub(crate) fn crash_loop(pod: &Pod, restarts: u32) -> Value {
    let state = json!({"waiting": {
        "reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}});
    let last = json!({"terminated": {
        "exitCode": 1, "reason": "Error", "startedAt": now(), "finishedAt": now()}});
    let more = json!({"restartCount": restarts, "lastState": last, "started": false});
    status(pod, "Running", false, &state, &more)
}

/// Was killed for its memory, and waits to be restarted.
pub(crate) fn oom_killed(pod: &Pod, restarts: u32) -> Value {
    let state = json!({"waiting": {
        "reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}});
    let last = json!({"terminated": {
        "exitCode": 137, "reason": "OOMKilled", "startedAt": now(), "finishedAt": now()}});
    let more = json!({"restartCount": restarts, "lastState": last, "started": false});
    status(pod, "Running", false, &state, &more)
}

/// Its image cannot be had, for the reason in the message.
pub(crate) fn image_pull(pod: &Pod, message: &str) -> Value {
    let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
    status(pod, "Pending", false, &state, &json!({"started": false}))
}

/// A ConfigMap or Secret that it wants is not there.
pub(crate) fn config_error(pod: &Pod, message: &str) -> Value {
    let state = json!({"waiting": {"reason": "CreateContainerConfigError", "message": message}});
    status(pod, "Pending", false, &state, &json!({"started": false}))
}

/// Has ended in failure for good.
pub(crate) fn failed(pod: &Pod, exit_code: i32) -> Value {
    let state = json!({"terminated": {
        "exitCode": exit_code, "reason": "Error", "startedAt": now(), "finishedAt": now()}});
    status(pod, "Failed", false, &state, &json!({"started": false}))
}

/// Was evicted by the kubelet.
pub(crate) fn evicted(message: &str) -> Value {
    json!({"phase": "Failed", "reason": "Evicted", "message": message, "startTime": now()})
}

/// Has ended well.
pub(crate) fn succeeded(pod: &Pod) -> Value {
    let state = json!({"terminated": {
        "exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}});
    status(pod, "Succeeded", false, &state, &json!({"started": false}))
}

/// No node fits.
pub(crate) fn unschedulable(message: &str) -> Value {
    let condition = json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastTransitionTime": now(),
    });
    json!({"phase": "Pending", "conditions": [condition]})
}
