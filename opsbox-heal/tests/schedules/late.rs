//! A leader that was cut off tells of its last act after the next one has begun.

use std::time::Duration;

use opsbox_heal::decide::{Budget, Mode, Policy, Response, Share};
use opsbox_heal::record::{Event, EventRecorder, ObjectRef};
use opsbox_heal::testing::ApiDouble;
use opsbox_heal::{Condition, Timestamp, decide::Action};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::candidate::{Candidate, Setting};
use crate::run;

fn sick(workload: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{workload}-7d9-0"), "namespace": "shop", "uid": format!("{workload}-0"),
            "creationTimestamp": "2026-03-01T11:00:00Z",
            "labels": {"pod-template-hash": "7d9"},
            "ownerReferences": [{
                "kind": "ReplicaSet", "name": format!("{workload}-7d9"), "controller": true
            }],
        },
        "spec": {"nodeName": "node-a", "containers": [{"name": "app", "image": workload}]},
        "status": {
            "phase": "Running",
            "conditions": [{
                "type": "Ready", "status": "False", "lastTransitionTime": "2026-03-01T11:00:00Z"
            }],
            "containerStatuses": [{
                "name": "app", "ready": false, "started": true, "restartCount": 12,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            }],
        },
    })
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.mode = Mode::Act;
    policy.budgets.cluster = Budget::new(1, Share::ALL);
    policy.breaker.min_pods = 1_000;
    policy.responses = vec![Response::new(Condition::CrashLoopBackOff, [Action::Evict])];
    policy
}

/// When a pod is evicted that falls ill after twenty seconds, if the Event of an act at the begin is
/// written after so many.
async fn evicted_at(late: Option<u64>) -> Option<Duration> {
    let begin: Timestamp = crate::BEGIN.parse().unwrap();
    let (api, start) = (ApiDouble::new(begin), Instant::now());
    let setting = Setting {
        policy: policy(),
        elects: false,
        late: 0,
    };
    let mut one = Candidate::start(&api, start, "next".to_owned(), &setting, 1);
    if let Some(late) = late {
        sleep(Duration::from_secs(late)).await;
        let pod = ObjectRef::new("Pod", "shop", "cart-7d9-0").uid("cart-0");
        let event = Event::normal(pod, "Evict", "CrashLoopBackOff").related(ObjectRef::new(
            "Deployment",
            "shop",
            "cart",
        ));
        let recorder = EventRecorder::new(api.client(), "before");
        assert!(recorder.record(&event, begin).await.is_done());
    }
    sleep(Duration::from_secs(20 - late.unwrap_or(0))).await;
    api.put(sick("web"));
    sleep(Duration::from_secs(60)).await;
    one.stop();
    while !one.has_ended() {
        sleep(Duration::from_secs(1)).await;
    }
    let writes = api.writes();
    let mut evictions = writes.iter().filter(|write| write.removed_pod());
    evictions.next().map(|write| write.at)
}

#[test]
fn an_act_whose_event_comes_late_counts_for_the_budgets() {
    let alone = run(evicted_at(None)).unwrap();
    assert!(alone < Duration::from_secs(40), "{alone:?}");
    for late in [0, 3, 14] {
        assert_eq!(run(evicted_at(Some(late))), None, "{late} s late");
    }
}
