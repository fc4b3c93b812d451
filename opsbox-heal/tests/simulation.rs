//! Thousands of clusters with faults, each from a seed: the budgets hold, and what can be healed is.
//!
//! `OPSBOX_SEEDS=10000 cargo test --release -p opsbox-heal --test simulation` runs more of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use opsbox_heal::act::Outcome;
use opsbox_heal::decide::{
    Action, Budget, Decision, History, Mode, Policy, Reason, Share, WorkloadRef,
};
use opsbox_heal::{Healer, PodSnapshot, PodState, Timestamp, diagnose};
use serde_json::{Value, json};

const BEGIN: &str = "2026-03-01T12:00:00Z";

fn seeds() -> u64 {
    let given = std::env::var("OPSBOX_SEEDS").ok();
    given.map_or(200, |text| text.parse().expect("OPSBOX_SEEDS is a number"))
}

/// What a simulated pod suffers from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ill {
    Crash,
    NotReady,
    Pull,
    Evicted,
}

#[derive(Clone, Debug)]
struct Pod {
    workload: usize,
    name: String,
    uid: String,
    node: usize,
    created: Timestamp,
    ill_since: Option<(Ill, Timestamp)>,
    state: PodState,
}

struct Workload {
    replicas: usize,
    /// A rollout that cannot work: every pod is ill.
    broken: bool,
    /// Its disruption budget refuses everything.
    blocked: bool,
    /// Pods to be made, and when.
    due: Vec<Timestamp>,
}

/// The cluster as it is, apart from what the healer sees of it.
struct World {
    rng: Rng,
    now: Timestamp,
    pods: Vec<Pod>,
    workloads: Vec<Workload>,
    bad_node: Option<usize>,
    nodes: usize,
    made: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let workloads = (0..rng.usize(2..7))
            .map(|_| Workload {
                replicas: rng.usize(1..9),
                broken: rng.u8(..) < 30,
                blocked: rng.u8(..) < 30,
                due: Vec::new(),
            })
            .collect();
        let nodes = rng.usize(2..6);
        let bad_node = (rng.u8(..) < 60).then(|| rng.usize(..nodes));
        let mut world = Self {
            rng,
            now: BEGIN.parse().unwrap(),
            pods: Vec::new(),
            workloads,
            bad_node,
            nodes,
            made: 0,
        };
        for workload in 0..world.workloads.len() {
            for _ in 0..world.workloads[workload].replicas {
                world.make(workload);
            }
        }
        world
    }

    fn make(&mut self, workload: usize) {
        let node = self.rng.usize(..self.nodes);
        self.made += 1;
        let ill = self.workloads[workload].broken || self.bad_node == Some(node);
        let mut pod = Pod {
            workload,
            name: format!("w{workload}-7d9-{}", self.made),
            uid: format!("uid-{}", self.made),
            node,
            created: self.now,
            ill_since: ill.then_some((Ill::Crash, self.now)),
            state: any_pod(),
        };
        pod.state = read(&pod);
        self.pods.push(pod);
    }

    fn step(&mut self, seconds: u64, illness: u8) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
        for workload in 0..self.workloads.len() {
            let due = std::mem::take(&mut self.workloads[workload].due);
            let (come, later): (Vec<_>, Vec<_>) = due.into_iter().partition(|at| *at <= self.now);
            self.workloads[workload].due = later;
            for _ in come {
                self.make(workload);
            }
        }
        let now = self.now;
        for index in 0..self.pods.len() {
            if self.pods[index].ill_since.is_none() && self.rng.u8(..) < illness {
                let kinds = [Ill::Crash, Ill::NotReady, Ill::Pull, Ill::Evicted];
                let ill = *self.rng.choice(&kinds).unwrap();
                let pod = &mut self.pods[index];
                pod.ill_since = Some((ill, now));
                pod.state = read(pod);
                // The owner replaces at once what has ended.
                let workload = pod.workload;
                if ill == Ill::Evicted {
                    self.workloads[workload].due.push(now);
                }
            }
        }
    }

    /// What the API server does with an act on exactly this pod.
    fn act(&mut self, decision: &Decision) -> Outcome {
        let target = &decision.target;
        let Some(index) = self.pods.iter().position(|pod| pod.uid == target.uid) else {
            return Outcome::Gone;
        };
        let pod = &self.pods[index];
        assert_eq!(pod.name, target.name, "the uid is of another pod");
        let ended = matches!(pod.ill_since, Some((Ill::Evicted, _)));
        let workload = pod.workload;
        if decision.action == Action::Evict && self.workloads[workload].blocked && !ended {
            return serde_blocked();
        }
        self.pods.remove(index);
        if !ended {
            let at = self
                .now
                .saturating_add(Duration::from_secs(self.rng.u64(..20)));
            self.workloads[workload].due.push(at);
        }
        Outcome::Done
    }

    fn view(&self) -> Vec<PodState> {
        self.pods.iter().map(|pod| pod.state.clone()).collect()
    }
}

fn serde_blocked() -> Outcome {
    Outcome::Blocked {
        budget: "web: needs 3 healthy pods and has 3".to_owned(),
        retry_after: Some(Duration::from_secs(10)),
    }
}

fn any_pod() -> PodState {
    let pod = json!({"kind": "Pod", "metadata": {"name": "a"}});
    parse(&pod)
}

fn parse(pod: &Value) -> PodState {
    let text = pod.to_string();
    let mut pods = PodSnapshot::from_json(text.as_bytes()).unwrap().into_pods();
    pods.remove(0)
}

fn read(pod: &Pod) -> PodState {
    let ready = pod.ill_since.is_none();
    let since = pod.ill_since.map_or(pod.created, |(_, since)| since);
    let running = json!({"running": {"startedAt": pod.created.to_string()}});
    let (phase, state) = match pod.ill_since {
        None | Some((Ill::NotReady, _)) => ("Running", running),
        Some((Ill::Crash, _)) => (
            "Running",
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        ),
        Some((Ill::Pull, _)) => (
            "Pending",
            json!({"waiting": {"reason": "ImagePullBackOff", "message": "i/o timeout"}}),
        ),
        Some((Ill::Evicted, _)) => ("Failed", json!({"terminated": {"exitCode": 137}})),
    };
    let reason = match pod.ill_since {
        Some((Ill::Evicted, _)) => json!("Evicted"),
        _ => json!(null),
    };
    parse(&json!({
        "kind": "Pod",
        "metadata": {
            "name": pod.name, "namespace": format!("ns{}", pod.workload % 2), "uid": pod.uid,
            "resourceVersion": "1", "creationTimestamp": pod.created.to_string(),
            "labels": {"pod-template-hash": "7d9"},
            "ownerReferences": [{
                "kind": "ReplicaSet", "name": format!("w{}-7d9", pod.workload), "controller": true
            }]
        },
        "spec": {
            "nodeName": format!("node{}", pod.node),
            "containers": [{"name": "app", "image": format!("w{}:1", pod.workload),
                            "readinessProbe": {}}]
        },
        "status": {
            "phase": phase, "reason": reason,
            "conditions": [{
                "type": "Ready", "status": if ready { "True" } else { "False" },
                "lastTransitionTime": since.to_string()
            }],
            "containerStatuses": [{
                "name": "app", "ready": ready, "started": true,
                "restartCount": if matches!(pod.ill_since, Some((Ill::Crash, _))) { 9 } else { 0 },
                "state": state
            }]
        }
    }))
}

fn policy(rng: &mut Rng) -> Policy {
    let mut policy = Policy::default();
    policy.mode = Mode::Act;
    let share = |rng: &mut Rng| Share::percent(rng.u8(5..=100));
    policy.budgets.workload = Budget::new(rng.u32(1..4), share(rng));
    policy.budgets.namespace = Budget::new(rng.u32(1..6), share(rng));
    policy.budgets.node = Budget::new(rng.u32(1..4), share(rng));
    policy.budgets.cluster = Budget::new(rng.u32(1..8), share(rng));
    policy.rate.acts = rng.u32(1..6);
    policy.rate.period = Duration::from_secs(rng.u64(30..300));
    policy.cooldown = Duration::from_secs(rng.u64(0..120));
    policy
}

/// What a second pair of eyes counts.
#[derive(Default)]
struct Ledger {
    /// By uid: what is under way.
    open: BTreeMap<String, (Decision, Timestamp)>,
    begun: VecDeque<Timestamp>,
    acts: usize,
    told: BTreeMap<String, Timestamp>,
}

impl Ledger {
    fn begin(&mut self, decision: &Decision, view: &[PodState], policy: &Policy, now: Timestamp) {
        let target = &decision.target;
        let judged = view.iter().find(|pod| pod.uid() == target.uid).unwrap();
        assert!(diagnose(judged, now).is_sick(), "{decision}");
        assert_eq!(judged.name(), target.name);
        assert!(
            !self.open.contains_key(&target.uid),
            "acted on twice: {decision}"
        );
        let live = view.iter().filter(|pod| !pod.phase().is_terminal());
        type Same = fn(&PodState, &Decision) -> bool;
        let scopes: [(Budget, Same); 4] = [
            (policy.budgets.workload, |pod, d| {
                WorkloadRef::of(pod) == d.target.workload
            }),
            (policy.budgets.namespace, |pod, d| {
                pod.namespace() == d.target.namespace
            }),
            (policy.budgets.node, |pod, d| {
                pod.node() == d.target.node.as_deref()
            }),
            (policy.budgets.cluster, |_, _| true),
        ];
        for (index, (budget, same)) in scopes.into_iter().enumerate() {
            let pods = live.clone().filter(|pod| same(pod, decision)).count();
            let share = pods * usize::from(budget.max_share.as_percent()) / 100;
            let allowed = share.max(1).min(budget.max_count as usize);
            let open = self.open.values().filter(|(open, _)| match index {
                0 => open.target.workload == target.workload,
                1 => open.target.namespace == target.namespace,
                2 => open.target.node == target.node,
                _ => true,
            });
            let used = open.count();
            assert!(
                used < allowed,
                "{used} of {allowed} in scope {index}: {decision}"
            );
        }
        while let Some(first) = self.begun.front() {
            if now.since(*first) < policy.rate.period {
                break;
            }
            self.begun.pop_front();
        }
        assert!(self.begun.len() < policy.rate.acts as usize, "{decision}");
        self.begun.push_back(now);
        self.open
            .insert(target.uid.clone(), (decision.clone(), now));
        self.acts += 1;
    }

    /// A human is told of the same only when it had been over for long.
    fn tell(&mut self, decision: &Decision, policy: &Policy, now: Timestamp) {
        let subject = match &decision.reason {
            Reason::CommonCause { cause, .. } => cause.to_string(),
            _ => format!("{} {}", decision.target.workload, decision.condition),
        };
        if let Some(before) = self.told.insert(subject, now) {
            let pause = now.since(before);
            assert!(
                pause >= policy.backoff.forget_after,
                "told twice: {decision}"
            );
        }
    }
}

struct Faults {
    /// In 256 of the passes.
    stale: u8,
    answers: u8,
    leader_lost: u8,
    keeps_memory: bool,
}

/// Runs one world for so many steps; `heal` says whether all must be well at the end.
fn run(seed: u64, faults: &Faults, steps: usize) -> (World, Ledger, Healer) {
    let mut world = World::new(seed);
    let mut rng = Rng::with_seed(seed ^ 0x5eed);
    let policy = policy(&mut rng);
    let mut healer = Healer::new(policy.clone());
    let mut ledger = Ledger::default();
    let mut old_view = world.view();
    for step in 0..steps {
        // Nothing new falls ill in the second half, so that it can come to rest.
        let illness = if step < steps / 2 { 1 } else { 0 };
        world.step(rng.u64(5..40), illness);
        let now = world.now;
        // A stale cache that does not know that it is one.
        let view = match rng.u8(..) < faults.stale {
            true => old_view.clone(),
            false => world.view(),
        };
        if rng.u8(..) < faults.leader_lost {
            let memory = serde_json::to_string(healer.history()).unwrap();
            healer = Healer::new(policy.clone());
            if faults.keeps_memory {
                let memory: History = serde_json::from_str(&memory).unwrap();
                healer = healer.with_history(memory);
            } else {
                ledger.open.clear();
                ledger.begun.clear();
                ledger.told.clear();
            }
        }
        let pass = healer.pass(view.iter(), None, now);
        for (act, _) in &pass.recoveries {
            assert!(ledger.open.remove(&act.target.uid).is_some());
        }
        for decision in pass.plan.escalations() {
            ledger.tell(decision, &policy, now);
        }
        let acts: Vec<Decision> = pass.plan.acts().cloned().collect();
        for decision in acts {
            ledger.begin(&decision, &view, &policy, now);
            healer.begin(&decision, view.iter(), now);
            let outcome = match rng.u8(..) < faults.answers {
                false => world.act(&decision),
                true => match rng.u8(..5) {
                    0 => Outcome::Changed {
                        reason: "the object has been modified".to_owned(),
                    },
                    1 => Outcome::Gone,
                    2 => {
                        // The answer is lost after the act.
                        drop(world.act(&decision));
                        unavailable(true)
                    }
                    3 => unavailable(true),
                    _ => unavailable(false),
                },
            };
            if let Some(told) = healer.answered(&decision, &outcome, now) {
                ledger.tell(&told, &policy, now);
            }
            if !outcome.may_have_acted() || matches!(outcome, Outcome::Blocked { .. }) {
                ledger.open.remove(&decision.target.uid);
            }
        }
        assert_eq!(healer.history().under_way().count(), ledger.open.len());
        old_view = view;
    }
    (world, ledger, healer)
}

fn unavailable(uncertain: bool) -> Outcome {
    Outcome::Unavailable {
        reason: "no answer in time".to_owned(),
        retry_after: None,
        uncertain,
    }
}

#[test]
fn budgets_hold_whatever_fails() {
    let faults = Faults {
        stale: 40,
        answers: 60,
        leader_lost: 6,
        keeps_memory: true,
    };
    let acts: usize = (0..seeds())
        .map(|seed| run(seed, &faults, 120).1.acts)
        .sum();
    println!("{} seeds, {acts} acts", seeds());
    assert!(acts as u64 > seeds(), "hardly anything was done: {acts}");
}

#[test]
fn budgets_hold_from_each_leader_on_without_its_memory() {
    let faults = Faults {
        stale: 20,
        answers: 20,
        leader_lost: 10,
        keeps_memory: false,
    };
    for seed in 0..seeds() / 4 {
        run(seed, &faults, 120);
    }
}

/// Safety alone is easy: what a restart can heal is healed.
#[test]
fn what_can_be_healed_is() {
    let none = Faults {
        stale: 0,
        answers: 0,
        leader_lost: 0,
        keeps_memory: true,
    };
    let (mut healed, mut worlds) = (0, 0);
    for seed in 0..seeds() / 2 {
        let (world, ledger, healer) = run(seed, &none, 400);
        let hopeless = |pod: &&Pod| {
            let workload = &world.workloads[pod.workload];
            workload.broken || workload.blocked || world.bad_node == Some(pod.node)
        };
        let ill = |pod: &&Pod| pod.ill_since.is_some();
        worlds += 1;
        healed += ledger.acts;
        for pod in world.pods.iter().filter(ill).filter(|pod| !hopeless(pod)) {
            // Whom it did not help, a human knows of; or a common cause stops acts.
            let mut healer = healer.clone();
            let view = world.view();
            let pass = healer.pass(view.iter(), None, world.now);
            let decision = pass.plan.why(pod.state.namespace(), &pod.name).unwrap();
            assert!(
                matches!(
                    decision.reason.as_str(),
                    "AlreadyEscalated" | "CommonCause" | "BackingOff" | "UnderWay" | "Cooldown"
                ) || decision.action.is_act(),
                "seed {seed}: {decision}"
            );
        }
    }
    println!("{worlds} worlds, {healed} acts");
    assert!(healed > worlds);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let faults = Faults {
        stale: 40,
        answers: 60,
        leader_lost: 6,
        keeps_memory: true,
    };
    let acts = |seed| {
        let (world, ledger, _) = run(seed, &faults, 60);
        (ledger.acts, world.made, world.now)
    };
    assert_eq!(acts(7), acts(7));
}
