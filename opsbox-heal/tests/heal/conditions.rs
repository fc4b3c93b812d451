//! One condition after the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use libtest_mimic::Failed;
use opsbox_heal::Condition;
use opsbox_heal::decide::{Action, Reason, Response, WorkloadRef};
use opsbox_heal::rbac::Rbac;
use opsbox_heal::record::{AuditLog, EntryKind, EventRecorder, entries};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, account, block_on, eventually};
use crate::kubelet::{
    config_error, crash_loop, evicted, failed, image_pull, not_ready, oom_killed,
};
use crate::world::{Seen, World, accepted, eager};

pub(crate) fn healed(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "healed", 20).await;
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(server.client(), "healed");
        let claim = claims.get("data").await.unwrap();
        let mut policy = eager();
        policy
            .responses
            .insert(0, Response::new(Condition::OomKilled, [Action::Evict]));
        policy.thresholds.startup_grace = Duration::from_secs(3);
        type Sick = fn(&Pod) -> Value;
        let cases: [(Condition, Action, Sick); 6] = [
            (Condition::CrashLoopBackOff, Action::Evict, |pod| {
                crash_loop(pod, 9)
            }),
            (Condition::OomKilled, Action::Evict, |pod| {
                oom_killed(pod, 9)
            }),
            (Condition::ImagePullBackOff, Action::Evict, |pod| {
                image_pull(pod, "Back-off pulling image: i/o timeout")
            }),
            (Condition::NotReady, Action::Evict, not_ready),
            (Condition::Failed, Action::Delete, |pod| failed(pod, 1)),
            (Condition::Evicted, Action::Delete, |_| {
                let mut status = evicted("The node was low on resource: memory.");
                status["conditions"] = json!([]);
                status["containerStatuses"] = json!([]);
                status
            }),
        ];
        let ((), log) = world
            .heal(policy, async |seen: Arc<Seen>| {
                for (condition, action, sick) in cases {
                    let pod = world.sicken(3, sick).await;
                    let uid = pod.uid().unwrap();
                    let said = format!("{condition} is healed");
                    eventually(&said, async || {
                        world
                            .pods()
                            .await
                            .iter()
                            .all(|p| p.uid().as_ref() != Some(&uid))
                    })
                    .await;
                    world.well(&said).await;
                    eventually("the act is verified", async || {
                        let log = seen.log();
                        log.recovered.iter().any(|(act, _)| act.target.uid == uid)
                    })
                    .await;
                    let log = seen.log();
                    let (act, _) = log.acted.last().unwrap();
                    assert_eq!((act.condition, act.action), (condition, action), "{act}");
                    assert_eq!(act.target.uid, uid);
                }
                // Four at once: the budget is three.
                for index in 0..4 {
                    world.sicken(index * 2, |pod| crash_loop(pod, 9)).await;
                }
                eventually("all four are healed", async || {
                    seen.log().recovered.len() == 10
                })
                .await;
                world.well("all four are replaced").await;
            })
            .await;
        assert_eq!(accepted(&log, Action::Evict), 8);
        assert_eq!(accepted(&log, Action::Delete), 2);
        assert!(log.most <= 3, "{} at once", log.most);
        assert!(
            log.recovered
                .iter()
                .all(|(_, recovery)| recovery.is_recovered())
        );
        let uids: BTreeSet<_> = log.acting.iter().map(|d| &d.target.uid).collect();
        assert_eq!(uids.len(), log.acting.len(), "each is acted on once");
        let after = claims.get("data").await.unwrap();
        assert_eq!(after.resource_version(), claim.resource_version());
        assert_eq!(after.uid(), claim.uid());
    });
    Ok(())
}

pub(crate) fn told(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "told", 20).await;
        let ((), log) = world
            .heal(eager(), async |seen: Arc<Seen>| {
                world
                    .sicken(0, |pod| image_pull(pod, "web:1: not found"))
                    .await;
                world
                    .sicken(1, |pod| config_error(pod, "secret \"db\" not found"))
                    .await;
                world
                    .sicken(
                        2,
                        |_| json!({"phase": "Hibernating", "containerStatuses": []}),
                    )
                    .await;
                eventually("a human is told of all three", async || {
                    seen.log().escalated.len() == 3
                })
                .await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            })
            .await;
        let told: BTreeSet<_> = log.escalated.iter().map(|d| d.condition.as_str()).collect();
        let expected = ["ContainerConfigError", "ImagePullBackOff", "Unrecognized"];
        assert_eq!(told, expected.into_iter().collect());
        assert_eq!(log.escalated.len(), 3, "each is told once");
        assert_eq!(log.acting.len(), 0);
    });
    Ok(())
}

pub(crate) fn swept(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "swept", 12).await;
        let sick = world.sicken(5, |pod| crash_loop(pod, 9)).await;
        let seen = Arc::new(Seen::default());
        let once = world.controller(eager(), &seen).run_once().await;
        assert!(once.errors.is_empty(), "{:?}", once.errors);
        assert_eq!(once.acts.len(), 1);
        assert_eq!(once.acts[0].0.target.uid, sick.uid().unwrap());
        assert!(once.acts[0].1.is_done());
        assert_eq!(once.stats.pods, 12);
        // Its budget is of all pods, not of those that were looked at.
        world.well("it is replaced").await;
        let second = world.controller(eager(), &seen).history(once.history);
        let second = second.run_once().await;
        assert_eq!(second.acts.len(), 0);
        assert_eq!(seen.log().recovered.len(), 1);
        assert!(
            second
                .pass
                .plan
                .decisions()
                .iter()
                .all(|decision| decision.reason != Reason::NotSick)
        );
    });
    Ok(())
}

pub(crate) fn recorded(server: &ApiServer) -> Result<(), Failed> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    block_on(async {
        let world = World::new(server, "recorded", 8).await;
        let sick = world.sicken(2, |pod| crash_loop(pod, 9)).await;
        world
            .sicken(5, |pod| image_pull(pod, "web:1: not found"))
            .await;
        let user = account("recorded", "heal");
        let rbac = Rbac::new("recorded", "heal")
            .namespaces(["recorded"])
            .watch()
            .evict()
            .events();
        for object in rbac.manifests() {
            server.create(object).await;
        }
        let client = server.client_of("recorded", "heal");
        let seen = Arc::new(Seen::default());
        let audit = Arc::new(Mutex::new(AuditLog::open(&path).unwrap()));
        let controller = world
            .controller_of(client.clone(), eager(), &seen)
            .events(EventRecorder::new(client, "heal-1"))
            .observer(audit);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(controller.run(async { drop(stopped.await) }));
        eventually("it is healed and told", async || {
            let log = seen.log();
            log.recovered.len() == 1 && log.escalated.len() == 1
        })
        .await;
        drop(stop);
        running.await.unwrap();
        let events: Api<Event> = Api::namespaced(server.client(), "recorded");
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let mut ours: Vec<_> = events
            .iter()
            .filter(|event| event.reporting_controller.as_deref() == Some("opsbox-heal"))
            .map(|event| {
                let related = event.related.clone().unwrap();
                (
                    event.action.clone().unwrap(),
                    event.reason.clone().unwrap(),
                    related.kind.unwrap() + "/" + &related.name.unwrap(),
                )
            })
            .collect();
        ours.sort();
        let words = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            ours,
            [
                words("Escalate", "ImagePullBackOff", "Deployment/web"),
                words("Evict", "CrashLoopBackOff", "Deployment/web"),
            ]
        );
        // One eviction and one Event: no read of the pod before, no other request than these and the watch.
        let mut asked: Vec<_> = server
            .requests(&user)
            .iter()
            .map(|request| {
                let of = &request["objectRef"];
                let words = [&request["verb"], &of["resource"], &of["subresource"]];
                words
                    .map(|word| word.as_str().unwrap_or_default().to_owned())
                    .join(" ")
            })
            .filter(|asked| !asked.starts_with("list pods") && !asked.starts_with("watch pods"))
            .collect();
        asked.sort();
        assert_eq!(
            asked,
            [
                "create events ",
                "create events ",
                "create pods eviction",
                "list events "
            ]
        );
        let text = std::fs::read(&path).unwrap();
        let lines: Vec<_> = entries(text.as_slice()).map(Result::unwrap).collect();
        let uid = sick.uid().unwrap();
        let of_it: Vec<_> = lines
            .iter()
            .filter(|line| line.target.as_ref().is_some_and(|target| target.uid == uid))
            .map(|line| (line.kind, line.action.as_str()))
            .collect();
        assert_eq!(
            of_it[..2],
            [
                (EntryKind::Decision, "evict"),
                (EntryKind::Outcome, "evict")
            ]
        );
        assert_eq!(of_it.last(), Some(&(EntryKind::Recovery, "evict")));
        let acts = of_it
            .iter()
            .filter(|line| **line == (EntryKind::Decision, "evict"));
        assert_eq!(acts.count(), 1);
        let escalated = lines
            .iter()
            .filter(|line| line.kind == EntryKind::Escalation);
        assert_eq!(escalated.count(), 1);

        // Another process learns from the Events what was done, and tells nobody again.
        let later = Arc::new(Seen::default());
        let client = server.client();
        let controller = world
            .controller_of(client.clone(), eager(), &later)
            .events(EventRecorder::new(client, "heal-2"));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(controller.run(async { drop(stopped.await) }));
        eventually("some passes were made", async || later.log().passes > 3).await;
        drop(stop);
        let history = running.await.unwrap();
        assert_eq!(later.log().escalated.len(), 0);
        let web = WorkloadRef::new("recorded", "Deployment", "web");
        assert!(
            history
                .efficacy(&web, Condition::CrashLoopBackOff)
                .last
                .is_some()
        );
    });
    Ok(())
}
