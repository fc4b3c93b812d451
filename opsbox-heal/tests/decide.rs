//! What is decided on sick pods, and why the others are left alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{HOUR, MINUTE, ago, now};
use opsbox_heal::decide::{
    Action, Budget, ClusterFacts, CommonCause, Decision, Effect, History, Mode, Plan, Policy,
    Reason, Response, Scope, Share, WorkloadRef, decide, why,
};
use opsbox_heal::{Condition, Confidence, PodSnapshot, PodState, Report, Timestamp, Verdict};
use serde_json::{Value, json};

/// A pod of a Deployment `web` in `shop`, on a node of its own, crash-looping for an hour.
fn crashing(name: &str) -> Value {
    json!({
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": "7",
            "labels": {"app": "web", "pod-template-hash": "7d9"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d9", "controller": true}]
        },
        "spec": {"nodeName": format!("node-{name}"), "containers": [{"name": "app", "image": "web:1"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ago(HOUR)}],
            "containerStatuses": [{
                "name": "app", "restartCount": 12, "state": {"waiting": {"reason": "CrashLoopBackOff"}}
            }]
        }
    })
}

fn healthy(name: &str) -> Value {
    let mut pod = crashing(name);
    pod["status"] = json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ago(HOUR)}],
        "containerStatuses": [{
            "name": "app", "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": ago(HOUR)}}
        }]
    });
    pod
}

/// A pod of a Deployment of its own.
fn of_workload(mut pod: Value, workload: &str) -> Value {
    pod["metadata"]["ownerReferences"][0]["name"] = json!(format!("{workload}-7d9"));
    pod
}

fn read(pods: &[Value]) -> Vec<PodState> {
    let list = json!({"kind": "List", "items": pods});
    PodSnapshot::from_json(list.to_string().as_bytes())
        .unwrap()
        .into_pods()
}

fn acting() -> Policy {
    let mut policy = Policy::default();
    policy.mode = Mode::Act;
    policy
}

/// A cluster of which the pods are given, with its controller's memory.
struct World {
    policy: Policy,
    history: History,
    now: Timestamp,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self {
            policy,
            history: History::new(),
            now: now(),
        }
    }

    fn pass(&mut self, pods: &[Value]) -> Plan {
        self.pass_with(pods, |facts| facts)
    }

    fn pass_with(
        &mut self,
        pods: &[Value],
        change: impl FnOnce(ClusterFacts) -> ClusterFacts,
    ) -> Plan {
        let pods = read(pods);
        let report = Report::new(&pods, self.now);
        let facts = change(ClusterFacts::new(&pods, report.sick()));
        self.history.observe(report.sick(), &self.policy, self.now);
        let plan = decide(report.sick(), &self.policy, &self.history, &facts, self.now);
        self.history.note(&plan, self.now);
        plan
    }

    /// Does what the plan says, all at once.
    fn start(&mut self, plan: &Plan) {
        for act in plan.acts() {
            self.history.started(act, self.now);
        }
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
    }
}

/// With `count` healthy pods of other workloads around, so that shares are of a real cluster.
fn among(pods: impl IntoIterator<Item = Value>, count: usize) -> Vec<Value> {
    let others = (0..count).map(|n| of_workload(healthy(&format!("other-{n}")), &format!("o{n}")));
    pods.into_iter().chain(others).collect()
}

#[track_caller]
fn only(plan: &Plan) -> &Decision {
    assert_eq!(plan.decisions().len(), 1, "{plan:?}");
    &plan.decisions()[0]
}

#[test]
fn a_sick_pod_is_evicted_as_it_was_judged() {
    let mut world = World::new(acting());
    let plan = world.pass(&among([crashing("a")], 9));
    let decision = only(&plan);
    assert_eq!(decision.action, Action::Evict);
    assert_eq!(decision.target.uid, "uid-a");
    assert_eq!(decision.target.resource_version, "7");
    assert_eq!(
        decision.target.workload,
        WorkloadRef::new("shop", "Deployment", "web")
    );
    assert!(!decision.dry_run);
    assert_eq!(
        decision.to_string(),
        "shop/a: evict (CrashLoopBackOff): the policy's response to CrashLoopBackOff"
    );
}

#[test]
fn nothing_is_done_unless_asked() {
    let plan = World::new(Policy::default()).pass(&among([crashing("a")], 9));
    assert!(only(&plan).dry_run);
    assert!(only(&plan).to_string().contains("would evict"));
}

#[test]
fn each_protection_has_its_reason() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 13] = [
        ("BarePod", |pod| {
            pod["metadata"]["ownerReferences"] = json!(null);
        }),
        ("StaticPod", |pod| {
            pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
        }),
        ("StaticPod", |pod| {
            pod["metadata"]["annotations"] = json!({"kubernetes.io/config.source": "file"});
        }),
        ("DaemonSetPod", |pod| {
            pod["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
        }),
        ("JobPod", |pod| {
            pod["metadata"]["ownerReferences"][0]["kind"] = json!("Job");
        }),
        ("LocalData", |pod| {
            pod["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
        }),
        ("LocalData", |pod| {
            pod["spec"]["volumes"] = json!([{"name": "data", "hostPath": {"path": "/data"}}]);
        }),
        ("ProtectedNamespace", |pod| {
            pod["metadata"]["namespace"] = json!("kube-system");
        }),
        ("ProtectedNamespace", |pod| {
            pod["metadata"]["namespace"] = json!("payments");
        }),
        ("ProtectedLabel", |pod| {
            pod["metadata"]["labels"]["opsbox.dev/do-not-heal"] = json!("");
        }),
        ("ProtectedLabel", |pod| {
            pod["metadata"]["labels"]["tier"] = json!("db");
        }),
        ("ProtectedAnnotation", |pod| {
            pod["metadata"]["annotations"] =
                json!({"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"});
        }),
        ("CriticalPriority", |pod| {
            pod["spec"]["priority"] = json!(2_000_000_000);
        }),
    ];
    let mut policy = acting();
    policy.protection.namespaces = vec!["payments".to_owned()];
    policy.protection.labels = vec!["tier=db".to_owned().try_into().unwrap()];
    for (reason, change) in cases {
        let mut pod = crashing("a");
        change(&mut pod);
        let plan = World::new(policy.clone()).pass(&among([pod.clone()], 9));
        let decision = only(&plan);
        assert_eq!(decision.reason.as_str(), reason, "{pod}");
        assert_eq!(decision.action, Action::Ignore);
    }
    let plan = World::new(policy).pass_with(&among([crashing("a")], 9), |facts| {
        facts.own_pod("shop", "a")
    });
    assert_eq!(only(&plan).reason, Reason::OwnPod);
}

#[test]
fn each_protection_is_lifted_by_its_own_field() {
    let mut bare = crashing("a");
    bare["metadata"]["ownerReferences"] = json!(null);
    let mut policy = acting();
    policy.protection.allow_bare_pods = true;
    let plan = World::new(policy.clone()).pass(&among([bare.clone()], 9));
    assert_eq!(only(&plan).action, Action::Evict);
    bare["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    let plan = World::new(policy.clone()).pass(&among([bare.clone()], 9));
    assert_eq!(only(&plan).reason, Reason::LocalData);
    // In memory it would be lost at a crash too.
    bare["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {"medium": "Memory"}}]);
    let plan = World::new(policy).pass(&among([bare], 9));
    assert_eq!(only(&plan).action, Action::Evict);
    let mut system = crashing("a");
    system["metadata"]["namespace"] = json!("kube-system");
    let mut policy = acting();
    policy.protection.unprotected_namespaces = vec!["kube-system".to_owned()];
    let plan = World::new(policy).pass(&among([system], 9));
    assert_eq!(only(&plan).action, Action::Evict);
}

#[test]
fn what_is_not_known_is_for_a_human() {
    let mut pod = crashing("a");
    pod["status"]["phase"] = json!("Hibernating");
    let plan = World::new(acting()).pass(&among([pod], 9));
    assert_eq!(only(&plan).condition, Condition::Unrecognized);
    assert_eq!(only(&plan).action, Action::Escalate);
}

#[test]
fn a_pod_must_have_been_sick_for_a_while() {
    let mut pod = crashing("a");
    pod["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(MINUTE));
    let mut world = World::new(acting());
    let pods = among([pod], 9);
    let plan = world.pass(&pods);
    assert!(matches!(only(&plan).reason, Reason::TooEarly { .. }));
    world.later(239);
    assert_eq!(only(&world.pass(&pods)).action, Action::Wait);
    world.later(1);
    assert_eq!(only(&world.pass(&pods)).action, Action::Evict);
}

#[test]
fn an_unsure_verdict_waits() {
    let mut policy = acting();
    let mut response = Response::new(Condition::CrashLoopBackOff, [Action::Evict]);
    response.confidence = Confidence::High;
    policy.responses.push(response);
    let mut pod = crashing("a");
    // Inferred from restarts: it runs at the moment.
    pod["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": ago(30)}});
    pod["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {
        "exitCode": 1, "startedAt": ago(90), "finishedAt": ago(60)
    }});
    let plan = World::new(policy).pass(&among([pod], 9));
    let decision = only(&plan);
    assert_eq!(decision.reason.as_str(), "LowConfidence", "{decision}");
}

#[test]
fn a_stale_view_stops_acts() {
    let mut world = World::new(acting());
    let pods = among([crashing("a")], 9);
    let since = now();
    world.later(119);
    let plan = world.pass_with(&pods, |facts| facts.stale_since(Some(since)));
    assert_eq!(only(&plan).action, Action::Evict);
    world.later(1);
    let plan = world.pass_with(&pods, |facts| facts.stale_since(Some(since)));
    assert_eq!(only(&plan).reason, Reason::StaleView { since });
}

#[test]
fn an_act_counts_until_its_effect_is_known() {
    let mut world = World::new(acting());
    // Eight pods, so that the workload's budget is one.
    let sick = ["a", "b"].map(crashing).into_iter();
    let pods = among(sick.chain((0..6).map(|n| healthy(&format!("h{n}")))), 20);
    let plan = world.pass(&pods);
    assert_eq!(plan.acts().count(), 1);
    let spent = plan.why("shop", "b").unwrap();
    assert_eq!(
        spent.reason,
        Reason::BudgetSpent {
            scope: Scope::Workload,
            used: 1,
            allowed: 1
        }
    );
    world.start(&plan);
    world.later(60);
    let plan = world.pass(&pods);
    assert_eq!(plan.acts().count(), 0);
    assert_eq!(plan.why("shop", "a").unwrap().reason.as_str(), "UnderWay");
    world.history.finished("uid-a", &Effect::Helped, world.now);
    let pods: Vec<_> = pods.into_iter().skip(1).collect();
    assert_eq!(world.pass(&pods).decisions()[0].reason.as_str(), "Cooldown");
    world.later(60);
    assert_eq!(only(&world.pass(&pods)).action, Action::Evict);
}

#[test]
fn what_did_not_help_is_repeated_later_and_then_told_once() {
    let mut world = World::new(acting());
    let pods = |n: u32| among([crashing(&format!("a{n}"))], 9);
    let mut acted = Vec::new();
    let mut told = 0;
    let begin = world.now;
    // Each replacement is as sick as the one before it.
    for minute in 0..300 {
        let name = u32::try_from(acted.len()).unwrap();
        let plan = world.pass(&pods(name));
        told += plan.escalations().count();
        if plan.acts().count() == 1 {
            acted.push(minute);
            world.start(&plan);
            let uid = format!("uid-a{name}");
            world.history.finished(&uid, &Effect::DidNotHelp, world.now);
        }
        world.later(60);
    }
    // `evict, evict, escalate`, with two minutes between the first two.
    assert_eq!(acted, [0, 2]);
    assert_eq!(told, 1);
    let plan = world.pass(&pods(2));
    let Reason::AlreadyEscalated { at } = only(&plan).reason else {
        panic!("{plan:?}");
    };
    assert!(at.since(begin) >= Duration::from_secs(120));
    let workload = WorkloadRef::new("shop", "Deployment", "web");
    let efficacy = world
        .history
        .efficacy(&workload, Condition::CrashLoopBackOff);
    assert_eq!((efficacy.failures, efficacy.did_not_help), (2, 2));
}

#[test]
fn what_helped_begins_anew() {
    let mut world = World::new(acting());
    for n in 0..5 {
        let plan = world.pass(&among([crashing(&format!("a{n}"))], 9));
        assert_eq!(only(&plan).action, Action::Evict);
        world.start(&plan);
        world
            .history
            .finished(&format!("uid-a{n}"), &Effect::Helped, world.now);
        world.later(60);
    }
}

#[test]
fn what_helps_for_a_moment_only_does_not_help() {
    let mut world = World::new(acting());
    let mut acts = 0;
    let mut told = Vec::new();
    // Each replacement comes up well, and crashes again half an hour after it was made.
    let mut made = ago(2 * HOUR);
    for minute in 0..600 {
        let mut pod = crashing(&format!("a{acts}"));
        pod["metadata"]["creationTimestamp"] = json!(made);
        let well = world.now.since(made.parse().unwrap()) < Duration::from_secs(1500);
        let plan = match well {
            true => world.pass(&among([healthy(&format!("a{acts}"))], 9)),
            false => world.pass(&among([pod], 9)),
        };
        if plan.escalations().count() == 1 {
            told.push((minute, plan.decisions()[0].reason.clone()));
        }
        if plan.acts().count() == 1 {
            world.start(&plan);
            world.later(30);
            let uid = format!("uid-a{acts}");
            world.history.finished(&uid, &Effect::Helped, world.now);
            acts += 1;
            made = world.now.to_string();
        }
        world.later(60);
    }
    assert_eq!(acts, 2);
    let spent = Reason::StepsSpent { failures: 2 };
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, spent);
}

#[test]
fn a_blocked_eviction_is_asked_once_a_step_and_told_of() {
    let mut world = World::new(acting());
    let pods = among([crashing("a")], 9);
    let (mut asked, mut told) = (Vec::new(), Vec::new());
    for minute in 0..=240 {
        let plan = world.pass(&pods);
        told.extend(plan.escalations().map(|it| (minute, it.reason.to_string())));
        if plan.acts().count() == 1 {
            asked.push(minute);
            world.start(&plan);
            let blocked = Effect::Blocked {
                retry_after: Some(Duration::from_secs(10)),
            };
            world.history.finished("uid-a", &blocked, world.now);
        }
        world.later(60);
    }
    assert_eq!(asked, [0, 2, 6, 14, 30, 62, 122, 182]);
    // A human hears of it once, when it does not seem to end, and it is asked on.
    let refused = "5 attempts were refused one after the other";
    assert_eq!(told, [(31, refused.to_owned())]);
}

#[test]
fn a_server_that_says_when_is_heard() {
    let mut world = World::new(acting());
    let pods = among([crashing("a")], 9);
    let plan = world.pass(&pods);
    world.start(&plan);
    let blocked = Effect::Blocked {
        retry_after: Some(Duration::from_secs(900)),
    };
    world.history.finished("uid-a", &blocked, world.now);
    world.later(899);
    assert_eq!(only(&world.pass(&pods)).reason.as_str(), "BackingOff");
    world.later(1);
    assert_eq!(only(&world.pass(&pods)).action, Action::Evict);
}

#[test]
fn a_bad_rollout_is_named_and_left_alone() {
    let mut world = World::new(acting());
    let sick = (0..6).map(|n| crashing(&format!("s{n}")));
    let pods = among(sick.chain((0..4).map(|n| healthy(&format!("h{n}")))), 90);
    let plan = world.pass(&pods);
    assert_eq!(plan.acts().count(), 0);
    let told: Vec<_> = plan.escalations().collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].reason.to_string(),
        "6 of 10 pods of revision 7d9 of shop/Deployment/web are sick, which a restart does not mend"
    );
    world.later(60);
    let plan = world.pass(&pods);
    assert_eq!(plan.escalations().count(), 0);
    assert!(
        plan.decisions()
            .iter()
            .all(|d| d.action == Action::Wait && d.reason.as_str() == "CommonCause")
    );
}

#[test]
fn a_common_image_config_map_or_node_is_named() {
    let spread = |change: fn(&mut Value)| {
        let sick = (0..5).map(move |n| {
            let mut pod = of_workload(crashing(&format!("s{n}")), &format!("w{n}"));
            pod["spec"]["containers"][0]["image"] = json!(format!("w{n}:1"));
            change(&mut pod);
            pod
        });
        let others = (0..60).map(|n| {
            let mut pod = of_workload(healthy(&format!("h{n}")), &format!("o{n}"));
            pod["spec"]["containers"][0]["image"] = json!(format!("o{n}:1"));
            pod
        });
        let pods: Vec<_> = sick.chain(others).collect();
        let plan = World::new(acting()).pass(&pods);
        let causes = plan.common_causes().iter().map(|t| t.cause.clone());
        causes.collect::<Vec<_>>()
    };
    assert_eq!(spread(|_| {}), []);
    assert_eq!(
        spread(|pod| pod["spec"]["containers"][0]["image"] = json!("base:2")),
        [CommonCause::Image {
            name: "base:2".to_owned()
        }]
    );
    assert_eq!(
        spread(|pod| pod["spec"]["nodeName"] = json!("n1")),
        [CommonCause::Node {
            name: "n1".to_owned()
        }]
    );
    assert_eq!(
        spread(|pod| {
            pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "flags"}}]);
        }),
        [CommonCause::ConfigMap {
            namespace: "shop".to_owned(),
            name: "flags".to_owned()
        }]
    );
}

#[test]
fn a_storm_stops_everything_until_it_is_over() {
    let mut world = World::new(acting());
    let sick = |count: usize| {
        let sick = (0..count).map(|n| {
            let mut pod = of_workload(crashing(&format!("s{n}")), &format!("w{n}"));
            pod["spec"]["containers"][0]["image"] = json!(format!("w{n}:1"));
            pod
        });
        among(sick, 20 - count)
    };
    let plan = world.pass(&sick(5));
    assert_eq!(plan.common_causes()[0].cause, CommonCause::Cluster);
    assert_eq!((plan.acts().count(), plan.escalations().count()), (0, 1));
    world.later(599);
    assert_eq!(world.pass(&sick(1)).acts().count(), 0);
    world.later(1);
    assert_eq!(world.pass(&sick(1)).acts().count(), 1);
}

#[test]
fn leftovers_do_not_make_a_storm() {
    let failed = (0..30).map(|n| {
        let mut pod = crashing(&format!("f{n}"));
        pod["status"] = json!({"phase": "Failed", "reason": "Evicted", "conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": ago(HOUR)}
        ]});
        pod
    });
    let plan = World::new(acting()).pass(&among(failed, 10));
    assert_eq!(plan.common_causes(), []);
    let deleted: Vec<_> = plan.acts().map(|d| d.action).collect();
    assert_eq!(deleted, [Action::Delete]);
}

#[test]
fn a_node_that_many_leave_is_suspected() {
    let mut policy = acting();
    policy.cooldown = Duration::ZERO;
    policy.budgets.node = Budget::new(9, Share::ALL);
    let mut world = World::new(policy);
    let on_node = |n: usize| {
        let mut pod = of_workload(crashing(&format!("s{n}")), &format!("w{n}"));
        pod["spec"]["nodeName"] = json!("n1");
        among([pod], 30)
    };
    for n in 0..5 {
        let plan = world.pass(&on_node(n));
        assert_eq!(only(&plan).action, Action::Evict, "{}", only(&plan));
        world.start(&plan);
        world
            .history
            .finished(&format!("uid-s{n}"), &Effect::Helped, world.now);
        world.later(600);
    }
    let plan = world.pass(&on_node(5));
    assert_eq!(only(&plan).action, Action::Escalate);
    assert_eq!(
        plan.common_causes()[0].cause,
        CommonCause::Node {
            name: "n1".to_owned()
        }
    );
}

#[test]
fn the_rate_holds_over_passes() {
    let mut policy = acting();
    policy.rate.acts = 3;
    policy.budgets.namespace = Budget::new(100, Share::ALL);
    policy.budgets.cluster = Budget::new(100, Share::ALL);
    let mut world = World::new(policy);
    let sick = (0..9).map(|n| {
        let mut pod = of_workload(crashing(&format!("s{n}")), &format!("w{n}"));
        pod["spec"]["containers"][0]["image"] = json!(format!("w{n}:1"));
        pod
    });
    let pods = among(sick, 60);
    let plan = world.pass(&pods);
    assert_eq!(plan.acts().count(), 3);
    let limited = plan.decisions().iter().find(|d| d.action == Action::Wait);
    let until = now().saturating_add(Duration::from_secs(60));
    assert_eq!(limited.unwrap().reason, Reason::RateSpent { until });
    world.start(&plan);
    world.later(59);
    assert_eq!(world.pass(&pods).acts().count(), 0);
    world.later(1);
    assert_eq!(world.pass(&pods).acts().count(), 3);
}

#[test]
fn a_ready_pod_is_not_taken_from_a_workload_in_need() {
    let mut policy = acting();
    policy
        .responses
        .push(Response::new(Condition::OomKilled, [Action::Evict]));
    let mut ready = healthy("ready");
    ready["status"]["containerStatuses"][0]["restartCount"] = json!(1);
    ready["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {
        "exitCode": 137, "reason": "OOMKilled", "startedAt": ago(2 * HOUR), "finishedAt": ago(10 * MINUTE)
    }});
    let alone = among([ready.clone(), healthy("h0"), healthy("h1")], 20);
    let plan = World::new(policy.clone()).pass(&alone);
    assert_eq!(plan.why("shop", "ready").unwrap().action, Action::Evict);
    let mut starting = healthy("h0");
    starting["status"]["conditions"][0]["status"] = json!("False");
    let in_need = among([ready, starting, healthy("h1")], 20);
    let plan = World::new(policy).pass(&in_need);
    let decision = plan.why("shop", "ready").unwrap();
    assert_eq!(
        decision.reason,
        Reason::WouldDisrupt {
            unavailable: 1,
            allowed: 1
        }
    );
}

#[test]
fn only_what_rolls_out_is_restarted() {
    let mut policy = acting();
    let restart = Response::new(Condition::CrashLoopBackOff, [Action::RestartOwner]);
    policy.responses.push(restart);
    let mut world = World::new(policy.clone());
    let two = ["a", "b"].map(crashing).into_iter();
    let pods = among(two.chain((0..18).map(|n| healthy(&format!("h{n}")))), 50);
    let plan = world.pass(&pods);
    assert_eq!(plan.acts().count(), 1);
    world.start(&plan);
    world.later(3600);
    let plan = world.pass(&pods);
    assert!(
        plan.decisions()
            .iter()
            .all(|d| d.reason.as_str() == "UnderWay")
    );
    let mut bare_set = crashing("a");
    bare_set["metadata"]["labels"] = json!({});
    let plan = World::new(policy).pass(&among([bare_set], 9));
    assert_eq!(only(&plan).action, Action::Escalate);
    assert_eq!(only(&plan).reason, Reason::NoRollout);
}

#[test]
fn a_clock_that_was_ahead_does_not_stop_everything() {
    let mut world = World::new(acting());
    world.now = now().saturating_add(Duration::from_secs(30 * 86_400));
    let plan = world.pass(&among([crashing("a0")], 9));
    world.start(&plan);
    world.history.finished("uid-a0", &Effect::Helped, world.now);
    world.now = now();
    let pods = among([crashing("a1")], 9);
    assert_eq!(only(&world.pass(&pods)).reason.as_str(), "Cooldown");
    world.later(60);
    assert_eq!(only(&world.pass(&pods)).action, Action::Evict);
}

#[test]
fn the_memory_survives_being_written() {
    let mut world = World::new(acting());
    let sick = (0..6).map(|n| crashing(&format!("s{n}")));
    world.pass(&among(sick, 4));
    let plan = world.pass(&among([of_workload(crashing("a"), "api")], 90));
    world.start(&plan);
    let text = serde_json::to_string(&world.history).unwrap();
    let read: History = serde_json::from_str(&text).unwrap();
    assert_eq!(read, world.history);
}

#[test]
fn every_pod_left_alone_has_a_reason() {
    let pods = read(&among([crashing("a")], 3));
    let report = Report::new(&pods, now());
    let facts = ClusterFacts::new(&pods, report.sick());
    let policy = acting();
    let ask = |pod: &PodState, verdict: &Verdict| {
        why(pod, verdict, &policy, &History::new(), &facts, now())
    };
    for entry in report.entries() {
        let decision = ask(entry.pod(), entry.verdict());
        assert!(!decision.reason.to_string().is_empty());
        let sick = entry.verdict().is_sick();
        assert_eq!(decision.reason == Reason::NotSick, !sick);
    }
    let plan = decide(report.sick(), &policy, &History::new(), &facts, now());
    let counted: u32 = plan.counts().values().sum();
    assert_eq!(counted, 1);
}

#[test]
fn a_replacement_of_the_same_second_is_known_by_name() {
    let mut world = World::new(acting());
    let begin = world.now.to_string();
    // The one was made with all others, in the second of the act; the other took the place of it.
    for (name, failures) in [("older", 0), ("replacement", 1)] {
        let plan = world.pass(&among([crashing("a")], 9));
        assert_eq!(only(&plan).action, Action::Evict);
        world.start(&plan);
        world.history.finished("uid-a", &Effect::Helped, world.now);
        world.history.replaced_by("shop", "replacement", world.now);
        let mut pod = crashing(name);
        pod["metadata"]["creationTimestamp"] = json!(begin);
        let decision = only(&world.pass(&among([pod], 9))).clone();
        assert_eq!(decision.failures, failures, "{name}");
        world = World::new(acting());
    }
}

#[test]
fn an_earlier_replacement_says_nothing_of_a_later_act() {
    let mut world = World::new(acting());
    for (name, replacement) in [("a", "older"), ("b", "newer")] {
        let plan = world.pass(&among([crashing(name)], 9));
        world.start(&plan);
        world.later(10);
        let uid = format!("uid-{name}");
        world.history.replaced_by("shop", replacement, world.now);
        world.history.finished(&uid, &Effect::Helped, world.now);
        world.later(3600);
    }
    for (name, failures) in [("older", 0), ("newer", 1)] {
        let mut world = World {
            policy: world.policy.clone(),
            history: world.history.clone(),
            now: Timestamp::from_unix_seconds(world.now.unix_seconds() - 3000),
        };
        let plan = world.pass(&among([crashing(name)], 9));
        assert_eq!(only(&plan).failures, failures, "{name}");
    }
}
