//! That the manifest is enough for everything, and that nothing in it is too much.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::events::v1::Event as KubeEvent;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchParams};
use kube::{Client, ResourceExt as _};
use libtest_mimic::Failed;
use opsbox_heal::act::{
    ActOptions, Outcome, OwnerKind, OwnerTarget, Permission, Remediator, Target,
};
use opsbox_heal::lease::Election;
use opsbox_heal::rbac::{Rbac, RuleScope};
use opsbox_heal::record::{Event, EventRecorder};
use serde_json::{Value, json};

use crate::acts::pod;
use crate::api_server::{ApiServer, api_of, block_on, eventually};
use crate::harness::deployment_of;

/// What an account can do, tried one after the other.
struct Probe<'a> {
    client: Client,
    admin: Client,
    rbac: &'a Rbac,
    /// The namespace of the controller, which is the name of its account, its roles and its Lease too: so the two
    /// manifests have nothing in common, not even a ClusterRole.
    own: String,
    /// That of the pod.
    namespace: String,
    pod: Target,
}

impl Probe<'_> {
    /// What it is refused, of all that the manifest is to allow.
    async fn refused(&self) -> Vec<Permission> {
        let mut refused = Vec::new();
        for rule in self.rbac.rules() {
            for permission in rule.permissions() {
                let found = self.one(&permission).await;
                if let Some(found) = found
                    && !refused.contains(&found)
                {
                    refused.push(found);
                }
            }
        }
        refused
    }

    /// Uses the permission; gives what is missing.
    async fn one(&self, permission: &Permission) -> Option<Permission> {
        let verb = permission.verb.as_str();
        match (verb, permission.resource.as_str()) {
            ("create", "pods/eviction") => {
                let acts = Remediator::new(self.client.clone());
                missing(acts.evict(&self.pod, &ActOptions::dry_run()).await)
            }
            ("delete", "pods") => {
                let acts = Remediator::new(self.client.clone());
                missing(acts.delete(&self.pod, &ActOptions::dry_run()).await)
            }
            (_, "pods" | "namespaces" | "nodes") | ("list", "events") => {
                let result = self.read(permission).await;
                match result {
                    Ok(()) => None,
                    Err(kube::Error::Api(status)) if status.code == 403 => {
                        let words = format!("cannot {verb} resource \"{}\"", permission.resource);
                        assert!(status.message.contains(&words), "{status}");
                        Some(permission.clone())
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            (_, "events") => {
                let recorder = EventRecorder::new(self.client.clone(), "heal-1");
                let event = Event::normal(&self.pod, "Test", "Rights");
                let now = crate::kubelet::now().parse().unwrap();
                let first = missing(recorder.record(&event, now).await);
                match first {
                    None => missing(recorder.record(&event, now).await),
                    missing => missing,
                }
            }
            (_, "leases") => self.elect().await,
            (_, resource) => {
                let mut kinds = OwnerKind::ALL.into_iter();
                let kind = kinds.find(|kind| kind.resource() == resource).unwrap();
                let owner = OwnerTarget::new(kind, &self.namespace, kind.resource());
                let acts = Remediator::new(self.client.clone());
                let now = crate::kubelet::now().parse().unwrap();
                missing(
                    acts.restart_owner(&owner, now, &ActOptions::dry_run())
                        .await,
                )
            }
        }
    }

    async fn read(&self, permission: &Permission) -> kube::Result<()> {
        let client = || self.client.clone();
        let list = ListParams::default();
        let watch = WatchParams::default().timeout(1);
        let is_everywhere = self.rbac.manifests().iter().any(|object| {
            object["kind"] == "ClusterRole" && object["rules"].to_string().contains("\"pods\"")
        });
        let pods: Api<Pod> = match is_everywhere {
            true => Api::all(client()),
            false => Api::namespaced(client(), &self.namespace),
        };
        match (permission.verb.as_str(), permission.resource.as_str()) {
            ("list", "pods") => pods.list(&list).await.map(drop),
            ("watch", "pods") => pods.watch(&watch, "0").await.map(drop),
            ("get", "pods") => {
                let pods: Api<Pod> = Api::namespaced(client(), &self.namespace);
                pods.get(&self.pod.name).await.map(drop)
            }
            ("list", "events") => {
                let events: Api<KubeEvent> = match is_everywhere {
                    true => Api::all(client()),
                    false => Api::namespaced(client(), &self.namespace),
                };
                events.list(&list).await.map(drop)
            }
            ("list", "namespaces") => Api::<Namespace>::all(client()).list(&list).await.map(drop),
            ("list", "nodes") => Api::<Node>::all(client()).list(&list).await.map(drop),
            ("watch", "nodes") => {
                let nodes: Api<Node> = Api::all(client());
                nodes.watch(&watch, "0").await.map(drop)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Makes the Lease, takes it and gives it away.
    async fn elect(&self) -> Option<Permission> {
        let leases: Api<Lease> = Api::namespaced(self.admin.clone(), &self.own);
        match leases.delete(&self.own, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => panic!("{error}"),
        }
        let election = Election::new(self.client.clone(), &self.own, &self.own, "probe").unwrap();
        let period = Duration::from_millis(100);
        let election = election.terms(Duration::from_secs(9), Duration::from_secs(8), period);
        let election = election.unwrap();
        let fence = election.fence();
        let running = tokio::spawn(election.run(std::future::pending()));
        let mut found = None;
        eventually("it leads and renews, or is refused", async || {
            if fence.trouble().is_some() {
                return true;
            }
            let lease = leases
                .get_opt(&self.own)
                .await
                .unwrap()
                .and_then(|lease| lease.spec);
            lease.is_some_and(|lease| lease.renew_time > lease.acquire_time)
        })
        .await;
        if let Some(trouble) = fence.trouble() {
            found = missing(trouble);
        }
        running.abort();
        found
    }
}

fn missing(outcome: Outcome) -> Option<Permission> {
    match outcome {
        Outcome::Done => None,
        Outcome::Forbidden(mut permission) => {
            permission.namespace = None;
            Some(permission)
        }
        other => panic!("{other}"),
    }
}

fn all(own: &str) -> Rbac {
    OwnerKind::ALL
        .into_iter()
        .fold(Rbac::new(own, own), Rbac::restart)
        .batch()
        .watch()
        .evict()
        .delete()
        .nodes()
        .events()
        .lease(own)
}

async fn apply(client: &Client, manifest: &Value) {
    let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
    let parameters = PatchParams::apply("test").force();
    let api = api_of(client, &object);
    let patched = api
        .patch(&object.name_any(), &parameters, &Patch::Apply(&object))
        .await;
    patched.unwrap_or_else(|error| panic!("{manifest}: {error}"));
}

pub(crate) fn cluster(server: &ApiServer) -> Result<(), Failed> {
    block_on(least(server, "rbac-all", "rbac-shop", &all("rbac-all")));
    Ok(())
}

pub(crate) fn namespaces(server: &ApiServer) -> Result<(), Failed> {
    let rbac = all("rbac-own").namespaces(["rbac-pay", "rbac-own"]);
    block_on(least(server, "rbac-own", "rbac-pay", &rbac));
    Ok(())
}

async fn least(server: &ApiServer, own: &str, namespace: &str, rbac: &Rbac) {
    server.namespace(own).await;
    let admin = server.client();
    let target = pod(server, namespace, "web-1", "web").await;
    for kind in OwnerKind::ALL {
        let mut owner = deployment_of(namespace, kind.resource(), 0);
        owner["kind"] = kind.as_str().into();
        let spec = owner["spec"].as_object_mut().unwrap();
        match kind {
            OwnerKind::DaemonSet => drop(spec.remove("replicas")),
            OwnerKind::StatefulSet => drop(spec.insert("serviceName".into(), "x".into())),
            _ => {}
        }
        server.create(owner).await;
    }
    let probe = Probe {
        client: server.client_of(own, own),
        admin: admin.clone(),
        rbac,
        own: own.to_owned(),
        namespace: namespace.to_owned(),
        pod: target,
    };
    // Without the manifest everything is refused, but what comes second.
    assert!(probe.refused().await.len() > 7);
    for manifest in rbac.manifests() {
        apply(&admin, &manifest).await;
    }
    eventually("the manifest is enough for everything", async || {
        probe.refused().await.is_empty()
    })
    .await;

    let mut removed = 0;
    for rule in rbac.rules() {
        for permission in rule.permissions() {
            let manifest = without(rbac, own, namespace, rule.scope, &permission);
            apply(&admin, &manifest).await;
            eventually(&format!("{permission} is refused alone"), async || {
                probe.one(&permission).await == Some(permission.clone())
            })
            .await;
            assert_eq!(probe.refused().await, std::slice::from_ref(&permission));
            removed += 1;
            for manifest in rbac.manifests() {
                apply(&admin, &manifest).await;
            }
            eventually(&format!("{permission} is back"), async || {
                probe.one(&permission).await.is_none()
            })
            .await;
        }
    }
    println!("{removed} permissions, each needed");
    assert!(removed >= 16);
}

/// The role that has the permission, without it.
fn without(
    rbac: &Rbac,
    own: &str,
    namespace: &str,
    scope: RuleScope,
    permission: &Permission,
) -> Value {
    let place = match scope {
        RuleScope::Own => Some(own),
        _ => Some(namespace),
    };
    let has = |object: &Value| {
        let rules = object["rules"].as_array().cloned().unwrap_or_default();
        let of = &object["metadata"]["namespace"];
        let is_there = of.is_null() || of.as_str() == place;
        is_there && rules.iter().any(|rule| grants(rule, permission))
    };
    let mut role = rbac.manifests().into_iter().find(has).unwrap();
    for rule in role["rules"].as_array_mut().unwrap() {
        if grants(rule, permission) {
            let verbs = rule["verbs"].as_array_mut().unwrap();
            verbs.retain(|verb| *verb != json!(permission.verb));
        }
    }
    let rules = role["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["verbs"] != json!([]));
    role
}

fn grants(rule: &Value, permission: &Permission) -> bool {
    let has = |field: &str, value: &str| {
        let all = rule[field].as_array().unwrap();
        all.contains(&json!(value))
    };
    has("apiGroups", &permission.group)
        && has("resources", &permission.resource)
        && has("verbs", &permission.verb)
}
