//! What a controller learns of the process before it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use opsbox_heal::act::Outcome;
use opsbox_heal::decide::{
    Action, Budget, CommonCause, Mode, PastAct, Policy, Reason, Response, Share, WorkloadRef,
};
use opsbox_heal::{Condition, Healer, PodSnapshot, PodState, Timestamp};
use serde_json::{Value, json};

fn at(second: u64) -> Timestamp {
    let begin: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    begin.saturating_add(Duration::from_secs(second))
}

fn past(uid: &str, second: u64) -> PastAct {
    PastAct {
        namespace: "shop".to_owned(),
        name: format!("web-{uid}"),
        uid: uid.to_owned(),
        workload: WorkloadRef::new("shop", "Deployment", "web"),
        condition: Condition::CrashLoopBackOff,
        action: Action::Evict,
        failures: 0,
        node: Some("node-a".to_owned()),
        common_cause: None,
        at: at(second),
    }
}

fn pods(workload: &str, count: usize, ready: bool) -> Vec<PodState> {
    let state = match ready {
        true => json!({"running": {"startedAt": "2026-03-01T11:00:00Z"}}),
        false => json!({"waiting": {"reason": "CrashLoopBackOff"}}),
    };
    let pod = |index: usize| -> Value {
        json!({
            "kind": "Pod",
            "metadata": {
                "name": format!("{workload}-{index}"), "namespace": "shop",
                "uid": format!("{workload}-{index}"), "resourceVersion": "7",
                "creationTimestamp": "2026-03-01T11:00:00Z",
                "labels": {"pod-template-hash": "7d9"},
                "ownerReferences": [{
                    "kind": "ReplicaSet", "name": format!("{workload}-7d9"), "controller": true
                }]
            },
            "spec": {"nodeName": "node-a", "containers": [{"name": "app", "image": workload}]},
            "status": {
                "phase": "Running",
                "conditions": [{
                    "type": "Ready", "status": if ready { "True" } else { "False" },
                    "lastTransitionTime": "2026-03-01T11:00:00Z"
                }],
                "containerStatuses": [{
                    "name": "app", "restartCount": if ready { 0 } else { 12 }, "ready": ready,
                    "started": true, "state": state
                }]
            }
        })
    };
    let items: Vec<Value> = (0..count).map(pod).collect();
    let list = json!({"kind": "List", "items": items}).to_string();
    PodSnapshot::from_json(list.as_bytes()).unwrap().into_pods()
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.mode = Mode::Act;
    policy.cooldown = Duration::ZERO;
    let wide = Budget::new(9, Share::ALL);
    (policy.budgets.workload, policy.budgets.namespace) = (wide, wide);
    (policy.budgets.node, policy.budgets.cluster) = (wide, wide);
    let evict = Response::new(Condition::CrashLoopBackOff, [Action::Evict, Action::Evict]);
    policy.responses.push(evict);
    policy.breaker.min_pods = 100;
    policy
}

/// A workload may have several acts at once, and they may be of the same second.
#[test]
fn two_acts_of_one_moment_are_two_acts() {
    let mut healer = Healer::new(policy());
    healer.recall([past("a", 0), past("b", 0)], at(10));
    assert_eq!(healer.history().under_way().count(), 2);
    // To hear of them again changes nothing.
    let before = healer.history().clone();
    healer.recall([past("a", 0), past("b", 0)], at(11));
    assert_eq!(*healer.history(), before);
}

/// One leader got no answer, the next one did the same: both count for the rate.
#[test]
fn what_was_done_again_counts_again() {
    let mut policy = policy();
    policy.rate.acts = 2;
    let mut healer = Healer::new(policy);
    healer.recall([past("a", 0)], at(1));
    healer.recall([past("a", 20)], at(30));
    assert_eq!(healer.history().under_way().next().unwrap().since, at(20));
    let mut all = pods("cart", 1, false);
    all.extend(pods("web", 3, true));
    let pass = healer.pass(all.iter(), None, at(40));
    let decision = pass.plan.why("shop", "cart-0").unwrap();
    assert_eq!(decision.reason.as_str(), "RateSpent", "{decision}");
}

/// The Event came when the next leader had acted on the workload already.
#[test]
fn what_comes_late_counts_beside_what_was_done_since() {
    let mut policy = policy();
    policy.budgets.workload = Budget::new(2, Share::ALL);
    policy.rate.acts = 3;
    let mut healer = Healer::new(policy);
    let all = pods("web", 6, false);
    let act = |healer: &mut Healer, second| {
        let pass = healer.pass(all.iter(), None, at(second));
        let act = pass.plan.acts().next().cloned();
        if let Some(act) = &act {
            healer.begin(act, all.iter(), at(second));
        }
        pass
    };
    assert!(act(&mut healer, 10).plan.acts().count() > 0);
    healer.recall_late([past("a", 5)], at(20));
    let since: Vec<_> = healer.history().under_way().map(|act| act.since).collect();
    assert_eq!(since, [at(5), at(10)]);
    let pass = act(&mut healer, 20);
    let decision = pass.plan.why("shop", "web-5").unwrap();
    assert_eq!(decision.reason.as_str(), "BudgetSpent", "{decision}");
    // For the rate it was before the other.
    healer.recall_late([past("b", 6)], at(21));
    let cart = pods("cart", 1, false);
    let pass = healer.pass(all.iter().chain(&cart), None, at(22));
    let decision = pass.plan.why("shop", "cart-0").unwrap();
    let until = at(5).saturating_add(healer.policy().rate.period);
    assert_eq!(decision.reason, Reason::RateSpent { until }, "{decision}");
}

#[test]
fn the_budget_of_a_node_holds_over_a_change_of_leaders() {
    let mut policy = policy();
    policy.budgets.node = Budget::new(1, Share::ALL);
    let mut healer = Healer::new(policy);
    healer.recall([past("a", 0)], at(10));
    let mut all = pods("cart", 1, false);
    all.extend(pods("web", 3, true));
    let pass = healer.pass(all.iter(), None, at(11));
    let decision = pass.plan.why("shop", "cart-0").unwrap();
    assert_eq!(decision.reason.as_str(), "BudgetSpent", "{decision}");
}

/// A human who knows of a common cause is not told again, and is told of what is another matter.
#[test]
fn a_common_cause_is_remembered_as_one() {
    let mut policy = policy();
    policy.breaker.min_pods = 2;
    let mut told = past("a", 0);
    told.action = Action::Escalate;
    told.common_cause = Some(CommonCause::Cluster);
    let mut healer = Healer::new(policy.clone());
    healer.recall([told.clone()], at(10));
    let all = pods("web", 2, false);
    let pass = healer.pass(all.iter(), None, at(20));
    assert_eq!(
        pass.plan.escalations().count(),
        0,
        "{:?}",
        pass.plan.decisions()
    );
    let decision = &pass.plan.decisions()[0];
    assert!(
        matches!(decision.reason, Reason::CommonCause { .. }),
        "{decision}"
    );

    policy.breaker.min_pods = 100;
    policy.responses = vec![Response::new(
        Condition::CrashLoopBackOff,
        [Action::Escalate],
    )];
    let mut healer = Healer::new(policy);
    healer.recall([told], at(10));
    let pass = healer.pass(all.iter(), None, at(20));
    assert_eq!(
        pass.plan.escalations().count(),
        1,
        "{:?}",
        pass.plan.decisions()
    );
}

/// The clock is set back by an hour while an act is under way: the other pods of the workload are
/// no replacement because of that.
#[test]
fn a_clock_that_is_set_back_ends_no_act() {
    let mut policy = policy();
    policy.budgets.workload = Budget::new(1, Share::ALL);
    let mut healer = Healer::new(policy);
    let mut all = pods("web", 2, false);
    all.extend(pods("web", 4, true).split_off(2));
    let pass = healer.pass(all.iter(), None, at(0));
    let acts: Vec<_> = pass.plan.acts().cloned().collect();
    assert_eq!(acts.len(), 1);
    healer.begin(&acts[0], all.iter(), at(0));
    assert_eq!(healer.answered(&acts[0], &Outcome::Done, at(0)), None);
    all.retain(|pod| pod.uid() != acts[0].target.uid);

    healer.clock_was_set(-7200);
    let now = Timestamp::from_unix_seconds(at(20).unix_seconds() - 7200);
    let pass = healer.pass(all.iter(), None, now);
    assert_eq!(pass.recoveries, []);
    assert_eq!(pass.plan.acts().count(), 0, "{:?}", pass.plan.decisions());
}

/// A pod is missing, whether its owner makes no other or makes one that is slow.
#[test]
fn a_pod_that_nobody_replaces_counts_for_as_long_as_a_slow_one() {
    let mut policy = policy();
    policy.budgets.cluster = Budget::new(1, Share::ALL);
    let timeout = policy.recovery_timeout.as_secs();
    let mut healer = Healer::new(policy);
    let mut all = pods("web", 1, false);
    let pass = healer.pass(all.iter(), None, at(0));
    let act = pass.plan.acts().next().unwrap().clone();
    healer.begin(&act, all.iter(), at(0));
    assert_eq!(healer.answered(&act, &Outcome::Done, at(0)), None);
    all = pods("cart", 1, false);
    for second in [1, 61, timeout] {
        let pass = healer.pass(all.iter(), None, at(second));
        assert_eq!(pass.recoveries, []);
        let decision = pass.plan.why("shop", "cart-0").unwrap();
        assert_eq!(decision.reason.as_str(), "BudgetSpent", "{decision}");
    }
    let pass = healer.pass(all.iter(), None, at(timeout + 1));
    assert_eq!(pass.recoveries[0].1.as_str(), "not_replaced");
    assert_eq!(pass.plan.acts().count(), 1, "{:?}", pass.plan.decisions());
}

/// A request without an answer whose pod is still there was not done, which says nothing about
/// whether it would help.
#[test]
fn an_act_that_was_not_done_is_no_act_that_did_not_help() {
    let mut healer = Healer::new(policy());
    let all = pods("web", 1, false);
    let acts: Vec<_> = healer
        .pass(all.iter(), None, at(0))
        .plan
        .acts()
        .cloned()
        .collect();
    healer.begin(&acts[0], all.iter(), at(0));
    let silence = Outcome::Unavailable {
        reason: "no answer in time".to_owned(),
        retry_after: None,
        uncertain: true,
    };
    assert_eq!(healer.answered(&acts[0], &silence, at(10)), None);
    let pass = healer.pass(all.iter(), None, at(130));
    assert_eq!(pass.recoveries.len(), 1);
    let efficacy = healer
        .history()
        .efficacy(&acts[0].target.workload, acts[0].condition);
    assert_eq!((efficacy.failures, efficacy.refusals), (0, 1));
}
