//! Events, and a whole remediation: act, Event, recovery.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event as KubeEvent;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams};
use libtest_mimic::Failed;
use opsbox_heal::act::{
    Act, ActOptions, Expect, Outcome, Permission, Recovery, RecoveryLimits, Remediator, Target,
    Verifier,
};
use opsbox_heal::record::{Event, EventRecorder, ObjectRef};
use opsbox_heal::{PodSnapshot, Timestamp, limits};
use serde_json::{Value, json};

use crate::acts::{allow, pod, target};
use crate::api_server::{ApiServer, account, block_on, eventually};
use crate::harness::{deployment_of, pods_of, ready};
use crate::kubelet::{Kubelet, Start, crash_loop};

fn now() -> Timestamp {
    crate::kubelet::now().parse().unwrap()
}

async fn events(server: &ApiServer, namespace: &str) -> Vec<KubeEvent> {
    let events: Api<KubeEvent> = Api::namespaced(server.client(), namespace);
    let all = events.list(&ListParams::default()).await.unwrap();
    let ours = |event: &KubeEvent| event.reporting_controller.as_deref() == Some("opsbox-heal");
    all.items.into_iter().filter(ours).collect()
}

pub(crate) fn recorded(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let judged = pod(server, "told", "web-1", "web").await;
        let recorder = EventRecorder::new(server.client(), "heal-1");
        let owner = ObjectRef::new("ReplicaSet", "told", "web").uid("0b0e");
        let note = format!("{} https://joe:CANARY@r.example", "ü".repeat(600));
        let event = Event::warning(&judged, "Evict", "CrashLoopBackOff")
            .related(owner.clone())
            .note(note);
        for _ in 0..3 {
            assert_eq!(recorder.record(&event, now()).await, Outcome::Done);
        }
        let all = events(server, "told").await;
        let [found] = all.as_slice() else {
            panic!("{all:#?}")
        };
        assert_eq!(found.type_.as_deref(), Some("Warning"));
        assert_eq!(found.action.as_deref(), Some("Evict"));
        assert_eq!(found.reason.as_deref(), Some("CrashLoopBackOff"));
        assert_eq!(found.reporting_instance.as_deref(), Some("heal-1"));
        assert_eq!(found.series.as_ref().unwrap().count, 3);
        let note = found.note.as_deref().unwrap();
        assert!(
            note.len() <= limits::MAX_EVENT_NOTE_BYTES && !note.contains("CANARY"),
            "{note}"
        );
        let regarding = found.regarding.as_ref().unwrap();
        assert_eq!(regarding.uid.as_ref(), Some(&judged.uid));
        assert_eq!(regarding.kind.as_deref(), Some("Pod"));
        let related = found.related.as_ref().unwrap();
        assert_eq!(related.api_version.as_deref(), Some("apps/v1"));
        assert_eq!(related.uid.as_deref(), Some("0b0e"));

        // Where `kubectl describe pod` looks.
        let described: Api<k8s_openapi::api::core::v1::Event> =
            Api::namespaced(server.client(), "told");
        let selected = format!(
            "involvedObject.name=web-1,involvedObject.uid={}",
            judged.uid
        );
        let selected = ListParams::default().fields(&selected);
        assert_eq!(described.list(&selected).await.unwrap().items.len(), 1);

        // What has expired is made anew, and another reason is another Event.
        let api: Api<KubeEvent> = Api::namespaced(server.client(), "told");
        api.delete(&found.name_any(), &DeleteParams::default())
            .await
            .unwrap();
        assert_eq!(recorder.record(&event, now()).await, Outcome::Done);
        let other = Event::normal(&judged, "Evict", "Blocked").related(owner.clone());
        assert_eq!(recorder.record(&other, now()).await, Outcome::Done);
        // A repeat after a long time, too.
        let later = now().saturating_add(limits::EVENT_SERIES_GAP + Duration::from_secs(5));
        assert_eq!(recorder.record(&other, later).await, Outcome::Done);
        assert_eq!(events(server, "told").await.len(), 3);

        // About the owner itself, and about what has no namespace.
        let of_owner = Event::warning(owner, "Escalate", "NotReplaced");
        assert_eq!(recorder.record(&of_owner, now()).await, Outcome::Done);
        let of_node = Event::warning(ObjectRef::new("Node", "", "node-a"), "Wait", "NodeLost");
        assert_eq!(recorder.record(&of_node, now()).await, Outcome::Done);

        // Whatever the texts are, the API takes them.
        let odd =
            Event::normal(&judged, "ä".repeat(200), "x".repeat(500)).note("a\u{0}\n\u{1b}[31m");
        assert_eq!(recorder.record(&odd, now()).await, Outcome::Done);

        let nobody = EventRecorder::new(server.client_of("told", "nobody"), "heal-1");
        let outcome = nobody.record(&event, now()).await;
        println!("{outcome}");
        let missing = Permission::new("create", "events.k8s.io", "events").namespace("told");
        assert_eq!(outcome, Outcome::Forbidden(missing));
        let nowhere = Target::new("no-such-namespace", "web-1", "x");
        let outcome = recorder
            .record(&Event::normal(&nowhere, "Evict", "X"), now())
            .await;
        assert_eq!(outcome, Outcome::Gone);
    });
    Ok(())
}

/// The pods of the app as the crate sees them.
async fn seen(pods: &Api<Pod>, app: &str) -> PodSnapshot {
    let selected = ListParams::default().labels(&format!("app={app}"));
    let list = pods.list(&selected).await.unwrap().items;
    let items = list.into_iter().map(|pod| {
        let mut pod = serde_json::to_value(pod).unwrap();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod
    });
    let items: Vec<Value> = items.collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    PodSnapshot::from_json(list.to_string().as_bytes()).unwrap()
}

pub(crate) fn remediation(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let namespace = "whole";
        server.namespace(namespace).await;
        allow(server, namespace, "healer").await;
        let kubelet = Kubelet::new(server.client(), &["node-a", "node-b"]).await;
        let _running = kubelet.run(namespace, |_| Start::Ready);
        server.create(deployment_of(namespace, "web", 3)).await;
        let pods: Api<Pod> = Api::namespaced(server.client(), namespace);
        let first = ready(&pods, "web", 3).await;
        let sick = &first[0];
        let status = crash_loop(sick, 9);
        kubelet
            .status(namespace, &sick.name_any(), &status)
            .await
            .unwrap();
        let before = server.requests(&account(namespace, "healer")).len();

        let remediator = Remediator::new(server.client_of(namespace, "healer"));
        let recorder = EventRecorder::new(server.client_of(namespace, "healer"), "heal-1");
        let judged = target(sick);
        let snapshot = seen(&pods, "web").await;
        let pod = snapshot.pods().iter().find(|pod| pod.uid() == judged.uid);
        let owner = ObjectRef::owner(namespace, pod.unwrap().owner().unwrap());
        let began = Instant::now();
        let outcome = remediator.evict(&judged, &ActOptions::real()).await;
        assert_eq!(outcome, Outcome::Done);
        let evicted = began.elapsed();
        let event = Event::normal(&judged, "Evict", "CrashLoopBackOff").related(owner);
        assert_eq!(recorder.record(&event, now()).await, Outcome::Done);
        println!(
            "evicted in {evicted:.1?}, with its Event in {:.1?}",
            began.elapsed()
        );

        let user = account(namespace, "healer");
        eventually("both requests are in the audit log", async || {
            server.requests(&user).len() >= before + 2
        })
        .await;
        let requests = server.requests(&user).split_off(before);
        let verbs: Vec<_> = requests
            .iter()
            .map(|r| {
                (
                    r["verb"].as_str().unwrap(),
                    r["objectRef"]["resource"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(verbs, [("create", "pods"), ("create", "events")]);

        // It is followed until it is known that it helped.
        let mut limits = RecoveryLimits::default();
        limits.stable_for = Duration::from_secs(2);
        let mut verifier = Verifier::new(limits);
        let known: Vec<&str> = snapshot
            .pods()
            .iter()
            .map(opsbox_heal::PodState::uid)
            .collect();
        let act = Act::new(namespace, &judged.name, &judged.uid, now()).knowing(known);
        verifier.begin(act, Expect::Replacement);
        let recovery = loop {
            let snapshot = seen(&pods, "web").await;
            if let Some(recovery) = verifier.observe(&judged.uid, snapshot.pods(), now()) {
                break recovery;
            }
            assert!(began.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        println!("{recovery}");
        let Recovery::Recovered { replacement, .. } = recovery else {
            panic!("{recovery}")
        };
        let replacement = replacement.unwrap();
        assert!(first.iter().all(|pod| pod.name_any() != replacement));
        assert!(
            pods_of(&pods, "web")
                .await
                .iter()
                .any(|pod| pod.name_any() == replacement)
        );
    });
    Ok(())
}
