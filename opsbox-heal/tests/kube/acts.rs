//! Evictions and deletions.

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use libtest_mimic::Failed;
use opsbox_heal::act::{ActOptions, Outcome, Permission, Remediator, Target};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, account, api_of, assets, block_on, eventually};
use crate::kubelet::{Kubelet, running};

/// A pod of the app that runs and is ready on a node, and nobody finishes its deletion.
pub(crate) async fn pod(server: &ApiServer, namespace: &str, name: &str, app: &str) -> Target {
    pod_with(server, namespace, name, app, json!({})).await
}

async fn pod_with(
    server: &ApiServer,
    namespace: &str,
    name: &str,
    app: &str,
    more: Value,
) -> Target {
    server.namespace(namespace).await;
    let kubelet = Kubelet::new(server.client(), &["node-a"]).await;
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/web:1"}]},
    });
    for (key, value) in more.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    server.create(pod).await;
    let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
    let made = pods.get(name).await.unwrap();
    kubelet.bind(&made, "node-a").await.unwrap();
    let made = kubelet.status(namespace, name, &running(&made)).await;
    target(&made.unwrap())
}

pub(crate) fn target(pod: &Pod) -> Target {
    Target::new(pod.namespace().unwrap(), pod.name_any(), pod.uid().unwrap())
        .resource_version(pod.resource_version().unwrap())
}

/// The pod as it is now; none if it is on its way out.
async fn living(server: &ApiServer, target: &Target) -> Option<Pod> {
    let pods: Api<Pod> = Api::namespaced(server.client(), &target.namespace);
    let found = pods.get_opt(&target.name).await.unwrap();
    found.filter(|pod| pod.metadata.deletion_timestamp.is_none())
}

/// A client as a user makes it: kube's own retries are on.
fn remediator(server: &ApiServer) -> Remediator {
    Remediator::new(server.client())
}

pub(crate) fn another_uid(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let real = pod(server, "uids", "web-1", "web").await;
        let mut other = real.clone();
        other.uid = "00000000-0000-4000-8000-000000000000".into();
        let remediator = remediator(server);
        for options in [ActOptions::real(), ActOptions::dry_run()] {
            for outcome in [
                remediator.evict(&other, &options).await,
                remediator.delete(&other, &options).await,
            ] {
                let Outcome::Changed { reason } = &outcome else {
                    panic!("{outcome}")
                };
                assert!(reason.contains(&real.uid), "{reason}");
            }
        }
        assert!(living(server, &real).await.is_some());
        assert_eq!(
            remediator.evict(&real, &ActOptions::real()).await,
            Outcome::Done
        );
        assert!(living(server, &real).await.is_none());

        // Nothing is sent for what cannot be compared.
        for nameless in [
            Target::new("uids", "web-1", ""),
            Target::new("uids", "../../../apis", "x"),
            Target::new("", "web-1", "x"),
        ] {
            let outcome = remediator.evict(&nameless, &ActOptions::real()).await;
            assert!(
                matches!(outcome, Outcome::Rejected { code: 0, .. }),
                "{outcome}"
            );
        }
    });
    Ok(())
}

pub(crate) fn unchanged(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let remediator = remediator(server);
        for (name, delete) in [("evicted", false), ("deleted", true)] {
            let judged = pod(server, "versions", name, "web").await;
            let pods: Api<Pod> = Api::namespaced(server.client(), "versions");
            let kubelet = Kubelet::new(server.client(), &["node-a"]).await;
            let later = json!({"message": "changed"});
            kubelet.status("versions", name, &later).await.unwrap();
            let options = ActOptions::real().unchanged();
            let act = async |target: &Target| match delete {
                true => remediator.delete(target, &options).await,
                false => remediator.evict(target, &options).await,
            };
            let outcome = act(&judged).await;
            assert!(matches!(outcome, Outcome::Changed { .. }), "{outcome}");
            assert!(living(server, &judged).await.is_some());
            let anew = target(&pods.get(name).await.unwrap());
            assert_eq!(act(&anew).await, Outcome::Done);
            assert!(living(server, &judged).await.is_none());
            let outcome = act(&Target::new("versions", name, "x")).await;
            assert!(
                matches!(outcome, Outcome::Rejected { code: 0, .. }),
                "{outcome}"
            );
        }
    });
    Ok(())
}

pub(crate) fn dry_run(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let judged = pod(server, "dry", "web-1", "web").await;
        pod(server, "dry", "web-2", "web").await;
        server.disruption_budget("dry", "web", 1).await;
        let budgets = budgets(server, "dry");
        let before = budgets.get("web").await.unwrap().resource_version();
        let remediator = remediator(server);
        let options = ActOptions::dry_run();
        assert_eq!(remediator.evict(&judged, &options).await, Outcome::Done);
        assert_eq!(remediator.delete(&judged, &options).await, Outcome::Done);
        let after = living(server, &judged).await.unwrap();
        assert_eq!(after.resource_version().unwrap(), judged.resource_version);
        assert_eq!(budgets.get("web").await.unwrap().resource_version(), before);
    });
    Ok(())
}

fn budgets(server: &ApiServer, namespace: &str) -> Api<DynamicObject> {
    let object = json!({
        "apiVersion": server.policy_version(), "kind": "PodDisruptionBudget",
        "metadata": {"namespace": namespace},
    });
    api_of(&server.client(), &serde_json::from_value(object).unwrap())
}

/// Lets an account do everything in a namespace.
pub(crate) async fn allow(server: &ApiServer, namespace: &str, name: &str) {
    server
        .create(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }))
        .await;
    let pods: Api<Pod> = Api::namespaced(server.client_of(namespace, name), namespace);
    eventually("the binding is known", async || {
        pods.get_opt("none").await.is_ok()
    })
    .await;
}

pub(crate) fn blocked(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let judged = pod(server, "budgets", "web-1", "web").await;
        server.disruption_budget("budgets", "web", 1).await;
        allow(server, "budgets", "evictor").await;
        let evictor = Remediator::new(server.client_of("budgets", "evictor"));
        for (options, count) in [(ActOptions::real(), 1), (ActOptions::dry_run(), 2)] {
            let outcome = evictor.evict(&judged, &options).await;
            let Outcome::Blocked { budget, .. } = &outcome else {
                panic!("{outcome}")
            };
            println!("{outcome}");
            assert!(budget.contains("disruption budget web needs 1"), "{budget}");
            assert!(living(server, &judged).await.is_some());
            // kube's own retries would begin after milliseconds.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let posts = async || {
                let all = server.requests(&account("budgets", "evictor"));
                let evictions = all
                    .iter()
                    .filter(|r| r["objectRef"]["subresource"] == "eviction");
                evictions.cloned().collect::<Vec<_>>()
            };
            eventually("the eviction is in the audit log", async || {
                posts().await.len() >= count
            })
            .await;
            let posts = posts().await;
            assert_eq!(posts.len(), count);
            assert_eq!(posts[count - 1]["responseStatus"]["code"], 429);
            let agent = posts[count - 1]["userAgent"].as_str().unwrap();
            assert!(agent.starts_with("opsbox-heal/"), "{agent}");
        }
        // Nor is a budget asked for a pod that has failed.
        let failed = pod(server, "budgets", "web-2", "web").await;
        let kubelet = Kubelet::new(server.client(), &["node-a"]).await;
        let running = living(server, &failed).await.unwrap();
        let status = crate::kubelet::failed(&running, 1);
        kubelet.status("budgets", "web-2", &status).await.unwrap();
        let budgets = budgets(server, "budgets");
        eventually("the budget has nothing to spare", async || {
            let budget = budgets.get("web").await.unwrap();
            budget.data["status"]["disruptionsAllowed"] == 0
        })
        .await;
        let outcome = evictor.evict(&failed, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::Done);
        kubelet.finish_deletions("budgets").await;
        // A deletion asks no budget.
        let outcome = evictor.delete(&judged, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::Done);
        assert!(living(server, &judged).await.is_none());

        // Two budgets over one pod are a mistake that only a person can mend.
        let judged = pod(server, "budgets", "two", "two").await;
        let mut budget = json!({
            "apiVersion": server.policy_version(), "kind": "PodDisruptionBudget",
            "metadata": {"name": "two-a", "namespace": "budgets"},
            "spec": {"minAvailable": 0, "selector": {"matchLabels": {"app": "two"}}},
        });
        server.create(budget.clone()).await;
        budget["metadata"]["name"] = "two-b".into();
        server.create(budget).await;
        let outcome = evictor.evict(&judged, &ActOptions::real()).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: 500, .. }),
            "{outcome}"
        );
        println!("{outcome}");
    });
    Ok(())
}

pub(crate) fn grace(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let remediator = remediator(server);
        let seven = ActOptions::real().grace_period(Duration::from_secs(7));
        let zero = ActOptions::real().grace_period(Duration::ZERO);
        let pods: Api<Pod> = Api::namespaced(server.client(), "grace");
        for (name, options, seconds) in [
            ("own", ActOptions::real(), 45),
            ("seven", seven, 7),
            ("zero", zero, 1),
        ] {
            for delete in [false, true] {
                let name = format!("{name}-{delete}");
                let more = json!({"terminationGracePeriodSeconds": 45});
                let judged = pod_with(server, "grace", &name, "web", more).await;
                let outcome = match delete {
                    true => remediator.delete(&judged, &options).await,
                    false => remediator.evict(&judged, &options).await,
                };
                assert_eq!(outcome, Outcome::Done);
                let leaving = pods.get(&name).await.unwrap().metadata;
                assert!(leaving.deletion_timestamp.is_some());
                assert_eq!(
                    leaving.deletion_grace_period_seconds,
                    Some(seconds),
                    "{name}"
                );
            }
        }
    });
    Ok(())
}

pub(crate) fn claims(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        server.namespace("claims").await;
        server
            .create(json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": "claims"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }))
            .await;
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(server.client(), "claims");
        let before = claims.get("data").await.unwrap();
        let remediator = remediator(server);
        let kubelet = Kubelet::new(server.client(), &["node-a"]).await;
        for delete in [false, true] {
            let more = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]});
            let name = format!("db-{delete}");
            let judged = pod_with(server, "claims", &name, "db", more).await;
            let outcome = match delete {
                true => remediator.delete(&judged, &ActOptions::real()).await,
                false => remediator.evict(&judged, &ActOptions::real()).await,
            };
            assert_eq!(outcome, Outcome::Done);
            kubelet.finish_deletions("claims").await;
            let pods: Api<Pod> = Api::namespaced(server.client(), "claims");
            assert!(pods.get_opt(&name).await.unwrap().is_none());
        }
        let after = claims.get("data").await.unwrap();
        assert_eq!(after.metadata.uid, before.metadata.uid);
        assert_eq!(
            after.metadata.resource_version,
            before.metadata.resource_version
        );
    });
    Ok(())
}

pub(crate) fn forbidden(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let judged = pod(server, "denied", "web-1", "web").await;
        let nobody = Remediator::new(server.client_of("denied", "nobody"));
        let options = ActOptions::real();
        let evict = nobody.evict(&judged, &options).await;
        let permission = |verb, group, resource| {
            Outcome::Forbidden(Permission::new(verb, group, resource).namespace("denied"))
        };
        println!("{evict}");
        assert_eq!(evict, permission("create", "", "pods/eviction"));
        let delete = nobody.delete(&judged, &options).await;
        println!("{delete}");
        assert_eq!(delete, permission("delete", "", "pods"));
        assert!(living(server, &judged).await.is_some());
        // Nor is anything told of what is not there.
        let none = Target::new("denied", "none", "x");
        assert_eq!(nobody.delete(&none, &options).await, delete);
    });
    Ok(())
}

pub(crate) fn gone(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        server.namespace("gone").await;
        let remediator = remediator(server);
        for namespace in ["gone", "no-such-namespace"] {
            let none = Target::new(namespace, "none", "x");
            let options = ActOptions::real();
            assert_eq!(remediator.evict(&none, &options).await, Outcome::Gone);
            assert_eq!(remediator.delete(&none, &options).await, Outcome::Gone);
        }
    });
    Ok(())
}

/// On a server of its own, since it is stopped.
pub(crate) fn away(_: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let server = ApiServer::start(&assets().unwrap()).await;
        let judged = pod(&server, "away", "web-1", "web").await;
        let remediator = remediator(&server).time_limit(Duration::from_secs(2));
        server.stop();
        for outcome in [
            remediator.evict(&judged, &ActOptions::real()).await,
            remediator.delete(&judged, &ActOptions::real()).await,
        ] {
            println!("{outcome}");
            assert_eq!(outcome.as_str(), "unavailable", "{outcome}");
            assert!(
                outcome.is_retryable() && !outcome.may_have_acted(),
                "{outcome}"
            );
        }
        server.up().await;
        let outcome = remediator.evict(&judged, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::Done);

        let mut config = server.config("wrong");
        config.default_retry = true;
        let stranger = Remediator::new(kube::Client::try_from(config).unwrap());
        let outcome = stranger.evict(&judged, &ActOptions::real()).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: 401, .. }),
            "{outcome}"
        );
        println!("{outcome}");
    });
    Ok(())
}

/// More at once than API priority and fairness lets through: the same status as that of a disruption budget, another
/// answer.
pub(crate) fn overloaded(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let judged = pod(server, "busy", "web-1", "web").await;
        allow(server, "busy", "hasty").await;
        let (version, shares) = match server.minor() {
            20..23 => ("v1beta1", "assuredConcurrencyShares"),
            23..26 => ("v1beta2", "assuredConcurrencyShares"),
            26..29 => ("v1beta3", "nominalConcurrencyShares"),
            _ => ("v1", "nominalConcurrencyShares"),
        };
        let version = format!("flowcontrol.apiserver.k8s.io/{version}");
        server
            .create(json!({
                "apiVersion": version, "kind": "PriorityLevelConfiguration", "metadata": {"name": "hasty"},
                "spec": {"type": "Limited", "limited": {shares: 1, "limitResponse": {"type": "Reject"}}},
            }))
            .await;
        let subject = json!({"kind": "ServiceAccount", "serviceAccount": {"name": "hasty", "namespace": "busy"}});
        let everything = json!({
            "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true});
        server
            .create(json!({
                "apiVersion": version, "kind": "FlowSchema", "metadata": {"name": "hasty"},
                "spec": {"priorityLevelConfiguration": {"name": "hasty"}, "matchingPrecedence": 2,
                    "rules": [{"subjects": [subject], "resourceRules": [everything]}]},
            }))
            .await;
        let hasty = Remediator::new(server.client_of("busy", "hasty"));
        let dry = ActOptions::dry_run();
        let refused = std::sync::Mutex::new(None);
        eventually("some of many at once are refused", async || {
            let all = (0..64).map(|_| hasty.evict(&judged, &dry));
            let outcomes = futures_util::future::join_all(all).await;
            let other = outcomes.into_iter().find(|outcome| !outcome.is_done());
            let is_there = other.is_some();
            *refused.lock().unwrap() = other;
            is_there
        })
        .await;
        let outcome = refused.lock().unwrap().take().unwrap();
        println!("{outcome}");
        assert_eq!(outcome.as_str(), "unavailable");
        assert_eq!(outcome.retry_after(), Some(Duration::from_secs(1)));
        assert!(outcome.to_string().contains("HTTP 429"), "{outcome}");
        assert!(!outcome.may_have_acted());
        assert!(living(server, &judged).await.is_some());
    });
    Ok(())
}
