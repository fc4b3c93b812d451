//! What is not done.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use libtest_mimic::Failed;
use opsbox_heal::act::Outcome;
use opsbox_heal::decide::{Action, CommonCause, Mode, Policy, Reason};
use serde_json::json;

use crate::api_server::{ApiServer, account, block_on, eventually};
use crate::kubelet::crash_loop;
use crate::world::{Seen, World, eager};

fn versions(pods: &[Pod]) -> Vec<(String, Option<String>)> {
    let mut versions: Vec<_> = pods
        .iter()
        .map(|pod| (pod.name_any(), pod.resource_version()))
        .collect();
    versions.sort();
    versions
}

pub(crate) fn dry_run(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "dry", 8).await;
        let sick = world.sicken(0, |pod| crash_loop(pod, 9)).await;
        let before = versions(&world.pods().await);
        let mut policy = eager();
        policy.mode = Mode::DryRun;
        let ((), log) = world
            .heal(policy, async |seen: Arc<Seen>| {
                eventually("some passes were made", async || seen.log().passes > 5).await;
            })
            .await;
        assert_eq!(versions(&world.pods().await), before);
        let would: Vec<_> = log.decided.iter().filter(|d| d.action.is_act()).collect();
        assert_eq!(would.len(), 1, "it is said once: {would:?}");
        assert!(would[0].dry_run);
        assert_eq!(would[0].target.uid, sick.uid().unwrap());
        assert!(log.acting.is_empty() && log.acted.is_empty());
        assert_eq!(Policy::default().mode, Mode::DryRun);
    });
    Ok(())
}

pub(crate) fn disruption_budget(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "budget", 6).await;
        server.disruption_budget("budget", "web", 6).await;
        let sick = world.sicken(0, |pod| crash_loop(pod, 9)).await;
        let uid = sick.uid().unwrap();
        let ((), log) = world
            .heal(eager(), async |seen: Arc<Seen>| {
                eventually("it was asked three times", async || {
                    seen.log().acted.len() >= 3
                })
                .await;
            })
            .await;
        for (decision, outcome) in &log.acted {
            assert!(
                matches!(outcome, Outcome::Blocked { .. }),
                "{decision}: {outcome}"
            );
        }
        let living = world.pods().await;
        assert!(living.iter().any(
            |pod| pod.uid().as_ref() == Some(&uid) && pod.metadata.deletion_timestamp.is_none()
        ));
    });
    Ok(())
}

pub(crate) fn rollout(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "rollout", 10).await;
        for index in 0..6 {
            world.sicken(index, |pod| crash_loop(pod, 9)).await;
        }
        let ((), log) = world
            .heal(eager(), async |seen: Arc<Seen>| {
                eventually("it is told", async || !seen.log().escalated.is_empty()).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            })
            .await;
        assert_eq!(log.escalated.len(), 1);
        let Reason::CommonCause { cause, sick, of } = &log.escalated[0].reason else {
            panic!("{}", log.escalated[0]);
        };
        assert!(
            matches!(cause, CommonCause::Cluster | CommonCause::Rollout { .. }),
            "{cause}"
        );
        assert_eq!((*sick, *of), (6, 10));
        assert_eq!(log.acting.len(), 0);
    });
    Ok(())
}

pub(crate) fn unrecorded(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "unrecorded", 6).await;
        let sick = world.sicken(0, |pod| crash_loop(pod, 9)).await;
        let seen = Arc::new(Seen {
            full: true,
            ..Seen::default()
        });
        let once = world.controller(eager(), &seen).run_once().await;
        assert_eq!(once.pass.plan.acts().count(), 1);
        assert_eq!(once.acts.len(), 0);
        let living = world.pods().await;
        assert!(living.iter().any(|pod| pod.uid() == sick.uid()));
    });
    Ok(())
}

pub(crate) fn forbidden(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "forbidden", 6).await;
        server
            .create(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": "reader", "namespace": "forbidden"},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
            }))
            .await;
        server
            .create(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "reader", "namespace": "forbidden"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User",
                              "name": account("forbidden", "reader")}]
            }))
            .await;
        world.sicken(0, |pod| crash_loop(pod, 9)).await;
        let seen = Arc::new(Seen::default());
        let client = server.client_of("forbidden", "reader");
        let controller = world.controller_of(client, eager(), &seen);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(controller.run(async { drop(stopped.await) }));
        eventually("it is told", async || !seen.log().escalated.is_empty()).await;
        drop(stop);
        running.await.unwrap();
        let log = seen.log();
        assert_eq!(log.escalated.len(), 1);
        assert_eq!(log.escalated[0].action, Action::Escalate);
        let said = log.escalated[0].reason.to_string();
        println!("{said}");
        assert!(said.contains("pods/eviction"), "{said}");
        assert!(said.contains("in namespace forbidden"), "{said}");
    });
    Ok(())
}
