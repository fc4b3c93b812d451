//! Restarts of owners.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use libtest_mimic::Failed;
use opsbox_heal::Timestamp;
use opsbox_heal::act::{ActOptions, Outcome, OwnerKind, OwnerTarget, Permission, Remediator};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, block_on, eventually};
use crate::harness::{deployment_of, pods_of, ready};
use crate::kubelet::{Kubelet, Start};

const MANAGER: &str = "healer of tests";
const ANNOTATION: &str = "kubectl.kubernetes.io/restartedAt";

/// A StatefulSet or DaemonSet, as `deployment_of`.
fn set_of(kind: &str, namespace: &str, name: &str) -> Value {
    let mut set = deployment_of(namespace, name, 2);
    set["kind"] = kind.into();
    let spec = set["spec"].as_object_mut().unwrap();
    if kind == "DaemonSet" {
        spec.remove("replicas");
    } else {
        spec.insert("serviceName".into(), name.into());
    }
    set
}

fn now() -> Timestamp {
    crate::kubelet::now().parse().unwrap()
}

pub(crate) fn restarted(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "restarts";
        server.namespace(namespace).await;
        let kubelet = Kubelet::new(server.client(), &["node-a", "node-b"]).await;
        let _running = kubelet.run(namespace, |_| Start::Ready);
        let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
        let remediator = Remediator::new(server.client()).field_manager(MANAGER);
        for kind in OwnerKind::ALL {
            let name = kind.as_str().to_lowercase();
            let owner = match kind {
                OwnerKind::Deployment => deployment_of(namespace, &name, 2),
                _ => set_of(kind.as_str(), namespace, &name),
            };
            let made = server.create(owner).await;
            let before = ready(&pods, &name, 2).await;
            let owner = OwnerTarget::new(kind, namespace, &name).uid(made.uid().unwrap());

            let dry = remediator
                .restart_owner(&owner, now(), &ActOptions::dry_run())
                .await;
            assert_eq!(dry, Outcome::Done);
            assert_eq!(annotation(server, &owner).await, None);

            let at = now();
            let outcome = remediator
                .restart_owner(&owner, at, &ActOptions::real())
                .await;
            assert_eq!(outcome, Outcome::Done);
            assert_eq!(annotation(server, &owner).await, Some(at.to_string()));
            let old: Vec<_> = before.iter().map(kube::ResourceExt::uid).collect();
            eventually(&format!("{owner} has rolled"), async || {
                let after = pods_of(&pods, &name).await;
                after.len() == 2 && after.iter().all(|pod| !old.contains(&pod.uid()))
            })
            .await;
            ready(&pods, &name, 2).await;

            // Another owner of the same name.
            let other = OwnerTarget::new(kind, namespace, &name).uid("another");
            let outcome = remediator
                .restart_owner(&other, now(), &ActOptions::real())
                .await;
            assert!(matches!(outcome, Outcome::Changed { .. }), "{outcome}");
        }
    });
    Ok(())
}

/// The annotation on the template, written by the field manager that was named.
async fn annotation(server: &ApiServer, owner: &OwnerTarget) -> Option<String> {
    let (client, namespace, name) = (server.client(), &owner.namespace, &owner.name);
    let (metadata, template) = match owner.kind {
        OwnerKind::Deployment => {
            let api = Api::<Deployment>::namespaced(client, namespace);
            let found = api.get(name).await.unwrap();
            (found.metadata, found.spec.unwrap().template)
        }
        OwnerKind::StatefulSet => {
            let api = Api::<StatefulSet>::namespaced(client, namespace);
            let found = api.get(name).await.unwrap();
            (found.metadata, found.spec.unwrap().template)
        }
        _ => {
            let api = Api::<DaemonSet>::namespaced(client, namespace);
            let found = api.get(name).await.unwrap();
            (found.metadata, found.spec.unwrap().template)
        }
    };
    let written = template_annotation(template)?;
    let managers = metadata.managed_fields.unwrap_or_default();
    let mut names = managers.iter().filter_map(|m| m.manager.as_deref());
    assert!(names.any(|name| name == MANAGER), "{managers:?}");
    Some(written)
}

fn template_annotation(template: PodTemplateSpec) -> Option<String> {
    template.metadata?.annotations?.get(ANNOTATION).cloned()
}

pub(crate) fn refused(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "unrestarted";
        server.namespace(namespace).await;
        let remediator = Remediator::new(server.client());
        let restart = async |owner: &OwnerTarget| {
            let outcome = remediator
                .restart_owner(owner, now(), &ActOptions::real())
                .await;
            println!("{owner}: {outcome}");
            outcome
        };
        let owner = OwnerTarget::new(OwnerKind::Deployment, namespace, "web");
        assert_eq!(restart(&owner).await, Outcome::Gone);
        server.create(deployment_of(namespace, "web", 0)).await;
        let deployments: Api<Deployment> = Api::namespaced(server.client(), namespace);
        let paused = Patch::Merge(json!({"spec": {"paused": true}}));
        let parameters = PatchParams::default();
        deployments
            .patch("web", &parameters, &paused)
            .await
            .unwrap();
        let outcome = restart(&owner).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: 0, .. }),
            "{outcome}"
        );
        assert!(outcome.to_string().contains("is paused"), "{outcome}");

        let mut set = set_of("StatefulSet", namespace, "db");
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        server.create(set).await;
        let owner = OwnerTarget::new(OwnerKind::StatefulSet, namespace, "db");
        let outcome = restart(&owner).await;
        assert!(outcome.to_string().contains("OnDelete"), "{outcome}");
        assert_eq!(annotation(server, &owner).await, None);

        let nobody = Remediator::new(server.client_of(namespace, "nobody"));
        let outcome = nobody
            .restart_owner(&owner, now(), &ActOptions::real())
            .await;
        println!("{outcome}");
        let missing = Permission::new("get", "apps", "statefulsets").namespace(namespace);
        assert_eq!(outcome, Outcome::Forbidden(missing));
    });
    Ok(())
}
