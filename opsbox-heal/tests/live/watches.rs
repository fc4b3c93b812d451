//! The watch follows a real server.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use libtest_mimic::Failed;
use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch, RateLimit, WatchConfig};
use opsbox_heal::{Condition, Timestamp, diagnose};
use serde_json::json;
use tokio::time::timeout;

use crate::api_server::{ApiServer, LIMIT, block_on};
use crate::kubelet::{Kubelet, Start, crash_loop, now};

fn deployment(namespace: &str, replicas: u32) -> serde_json::Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
            },
        },
    })
}

/// Follows until the store has what the server has.
async fn converge(watch: &mut PodWatch, pods: &Api<Pod>) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        while timeout(Duration::from_millis(300), watch.next())
            .await
            .is_ok()
        {}
        let known: BTreeMap<String, String> = watch
            .store()
            .iter()
            .map(|pod| (pod.uid().to_owned(), pod.resource_version().to_owned()))
            .collect();
        if let Ok(list) = pods.list(&ListParams::default()).await {
            let there: BTreeMap<String, String> = list
                .iter()
                .map(|pod| (pod.uid().unwrap(), pod.resource_version().unwrap()))
                .collect();
            if known == there && watch.state().is_current(Duration::from_secs(30)) {
                return;
            }
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:?}",
            watch.state()
        );
    }
}

pub(crate) fn follows(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "follow";
        server.namespace(namespace).await;
        let kubelet = Kubelet::new(server.client(), &["node-a", "node-b"]).await;
        let _running = kubelet.run(namespace, |_| Start::Ready);
        server.create(deployment(namespace, 12)).await;
        let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
        let client = RateLimit::default().apply(server.client());
        let config = WatchConfig::default().page_size(5);
        let mut watch = PodWatch::with_config(client, PodScope::namespace(namespace), config);
        crate::api_server::eventually("all run", async || {
            let list = pods.list(&ListParams::default()).await.unwrap();
            let is_up =
                |pod: &&Pod| pod.status.as_ref().unwrap().phase.as_deref() == Some("Running");
            list.iter().filter(is_up).count() == 12
        })
        .await;
        converge(&mut watch, &pods).await;
        assert_eq!(watch.store().len(), 12);
        let at: Timestamp = now().parse().unwrap();
        for pod in watch.store().iter() {
            assert_eq!(diagnose(pod, at).condition(), Condition::Healthy, "{pod}");
            assert_eq!(pod.workload().name(), "web");
        }

        // A sick one is seen with what it was before.
        let sick = pods
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .remove(0);
        kubelet
            .status(namespace, &sick.name_any(), &crash_loop(&sick, 7))
            .await
            .unwrap();
        let change = loop {
            match timeout(LIMIT, watch.next()).await.unwrap() {
                PodChange::Applied { old, new } if new.name() == sick.name_any() => {
                    break (old.unwrap(), new);
                }
                _ => {}
            }
        };
        assert_eq!(change.0.containers()[0].restarts(), 0);
        assert_eq!(change.1.containers()[0].restarts(), 7);
        assert_eq!(
            diagnose(&change.1, at).condition(),
            Condition::CrashLoopBackOff
        );

        // Another scale, a deletion, a label that changes.
        let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
            Api::namespaced(server.client(), namespace);
        let scale = Patch::Merge(json!({"spec": {"replicas": 20}}));
        deployments
            .patch("web", &PatchParams::default(), &scale)
            .await
            .unwrap();
        pods.delete(&sick.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        crate::api_server::eventually("it is scaled", async || {
            pods.list(&ListParams::default()).await.unwrap().items.len() == 20
        })
        .await;
        converge(&mut watch, &pods).await;
        assert_eq!(watch.store().len(), 20);
        assert!(watch.store().get(namespace, &sick.name_any()).is_none());
        println!("{:?}, {} bytes", watch.state(), watch.store().heap_bytes());
    });
    Ok(())
}

/// A restart of the API server, with changes while the watch could not see them.
pub(crate) fn outlives(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "outlive";
        server.namespace(namespace).await;
        let kubelet = Kubelet::new(server.client(), &["node-a", "node-b"]).await;
        let _running = kubelet.run(namespace, |_| Start::Ready);
        server.create(deployment(namespace, 6)).await;
        let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
        let mut watch = PodWatch::new(server.client(), PodScope::namespace(namespace));
        crate::api_server::eventually("they are there", async || {
            pods.list(&ListParams::default()).await.unwrap().items.len() == 6
        })
        .await;
        converge(&mut watch, &pods).await;
        server.stop();
        let error = loop {
            let change = timeout(LIMIT, watch.next()).await.unwrap();
            if let PodChange::Interrupted { error, .. } = change {
                break error;
            }
        };
        println!("{error}");
        assert!(error.is_retryable());
        assert!(!watch.state().is_current(Duration::from_secs(600)));
        server.up().await;
        crate::double::too_old(server).await;
        let first = pods
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .remove(0);
        pods.delete(&first.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        converge(&mut watch, &pods).await;
        assert!(
            watch
                .store()
                .get(namespace, &first.name_any())
                .is_none_or(|pod| { pod.deletion().is_some() })
        );
        println!("{:?}", watch.state());
    });
    Ok(())
}
