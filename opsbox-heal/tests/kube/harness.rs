//! That the server, its controllers and the stand-in for the kubelet do what the other trials rely on.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams};
use libtest_mimic::Failed;
use serde_json::json;

use crate::api_server::{ApiServer, block_on, eventually};
use crate::kubelet::{Kubelet, Start, crash_loop};

/// A Deployment whose pods have the label `app=<name>`.
pub(crate) fn deployment_of(namespace: &str, name: &str, replicas: u32) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
            },
        },
    })
}

/// The pods that are not on their way out.
pub(crate) async fn pods_of(pods: &Api<Pod>, app: &str) -> Vec<Pod> {
    let selected = ListParams::default().labels(&format!("app={app}"));
    let all = pods.list(&selected).await.unwrap().items;
    let stays = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
    all.into_iter().filter(stays).collect()
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let mut conditions = status
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default()
        .iter();
    conditions.any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Waits until so many pods of the app are ready.
pub(crate) async fn ready(pods: &Api<Pod>, app: &str, count: usize) -> Vec<Pod> {
    eventually(&format!("{count} pods of {app} are ready"), async || {
        let all = pods_of(pods, app).await;
        all.len() == count && all.iter().all(is_ready)
    })
    .await;
    pods_of(pods, app).await
}

pub(crate) fn deployment(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "harness";
        server.namespace(namespace).await;
        let kubelet = Kubelet::new(server.client(), &["node-a", "node-b"]).await;
        let _running = kubelet.run(namespace, |_| Start::Ready);
        server.create(deployment_of(namespace, "web", 3)).await;
        let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
        let first = ready(&pods, "web", 3).await;
        server.disruption_budget(namespace, "web", 2).await;

        // A status that a test has written stays.
        let sick = &first[0];
        kubelet
            .status(namespace, &sick.name_any(), &crash_loop(sick, 7))
            .await
            .unwrap();
        let seen = pods.get(&sick.name_any()).await.unwrap();
        assert!(!is_ready(&seen));

        // It goes, in spite of its grace period, and another comes.
        pods.delete(&sick.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        let second = ready(&pods, "web", 3).await;
        assert!(second.iter().all(|pod| pod.uid() != sick.uid()));
    });
    Ok(())
}

pub(crate) fn users(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        for client in [
            server.client_as("jane"),
            server.client_of("harness", "heal"),
        ] {
            let pods: Api<Pod> = Api::namespaced(client, "default");
            let refused = pods.list(&ListParams::default()).await.unwrap_err();
            let kube::Error::Api(status) = refused else {
                panic!("{refused}")
            };
            assert_eq!(status.code, 403, "{status}");
        }
    });
    Ok(())
}
