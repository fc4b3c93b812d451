//! A cluster on the double: its workloads, their controllers and the kubelets, and what truly happened.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use opsbox_heal::Timestamp;
use opsbox_heal::testing::ApiDouble;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long the world stands still between two of its moves.
pub(crate) const STEP: Duration = Duration::from_secs(2);

/// For so long back the number of pods may be what a view of the cluster shows.
const VIEW: usize = 150;

/// What a pod suffers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ill {
    Crash,
    NotReady,
    Pull,
    Evicted,
}

impl Ill {
    const ALL: [Self; 4] = [Self::Crash, Self::NotReady, Self::Pull, Self::Evicted];
}

/// One pod from its begin to its end; moments are since the begin of the world.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) workload: usize,
    pub(crate) node: String,
    pub(crate) created: Duration,
    /// When it became ready, and when it ended to be.
    pub(crate) ready: Vec<(Duration, Option<Duration>)>,
    pub(crate) ill: Option<Ill>,
    pub(crate) gone: bool,
    comes_up: Option<Duration>,
    stays_ill: bool,
    leaving: bool,
    dies: Option<Duration>,
}

impl Pod {
    fn has_ended(&self) -> bool {
        self.ill == Some(Ill::Evicted)
    }

    fn serves(&self) -> bool {
        !self.gone && !self.leaving && !self.has_ended()
    }

    /// When it had been ready for so long for the first time.
    pub(crate) fn stable(&self, at_least: Duration) -> Option<Duration> {
        let mut spans = self.ready.iter();
        spans.find_map(|(from, to)| {
            let stable = *from + at_least;
            to.is_none_or(|to| to >= stable).then_some(stable)
        })
    }
}

pub(crate) struct Workload {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    replicas: usize,
    /// No pod of it ever becomes ready.
    pub(crate) broken: bool,
    has_budget: bool,
    due: Vec<Duration>,
}

pub(crate) struct World {
    pub(crate) api: ApiDouble,
    pub(crate) start: Instant,
    pub(crate) pods: Vec<Pod>,
    pub(crate) workloads: Vec<Workload>,
    /// Versions of pods that were ill or not ready, by uid and resource version.
    pub(crate) unwell: HashSet<(String, String)>,
    pub(crate) illnesses: usize,
    /// One of so many steps of a pod makes it ill.
    rarity: u32,
    rng: Rng,
    nodes: usize,
    /// By scope, how many pods there were in the last steps.
    counts: VecDeque<(Duration, BTreeMap<String, usize>)>,
}

impl World {
    pub(crate) fn new(api: ApiDouble, mut rng: Rng, rarity: u32) -> Self {
        let workloads = (0..rng.usize(2..6))
            .map(|index| Workload {
                kind: if index == 1 {
                    "StatefulSet"
                } else {
                    "Deployment"
                },
                namespace: format!("ns{}", index % 2),
                name: format!("w{index}"),
                replicas: rng.usize(1..6),
                broken: index > 1 && rng.u8(..) < 30,
                has_budget: rng.u8(..) < 80,
                due: Vec::new(),
            })
            .collect();
        let mut world = Self {
            api,
            start: Instant::now(),
            pods: Vec::new(),
            workloads,
            unwell: HashSet::new(),
            illnesses: 0,
            rarity,
            nodes: rng.usize(2..5),
            rng,
            counts: VecDeque::new(),
        };
        for workload in 0..world.workloads.len() {
            for ordinal in 0..world.workloads[workload].replicas {
                world.make(workload, ordinal, Duration::ZERO);
                let index = world.pods.len() - 1;
                let pod = &mut world.pods[index];
                pod.comes_up = None;
                pod.ready.push((Duration::ZERO, None));
                if world.workloads[workload].broken {
                    world.pods[index].ready.clear();
                    world.pods[index].ill = Some(Ill::Crash);
                }
                world.show(index);
            }
        }
        world.budgets(5);
        world.count(Duration::ZERO);
        world
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// What disruption budgets allow from now on.
    pub(crate) fn budgets(&mut self, allowed: u32) {
        for workload in self.workloads.iter().filter(|workload| workload.has_budget) {
            self.api.put(json!({
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"namespace": workload.namespace, "name": workload.name},
                "spec": {"selector": {"matchLabels": {"app": workload.name}}},
                "status": {"disruptionsAllowed": allowed},
            }));
        }
    }

    /// What controllers and kubelets do until now; with `illness` pods fall ill.
    pub(crate) fn step(&mut self, illness: bool) {
        let now = self.now();
        self.see_deletions(now);
        for workload in 0..self.workloads.len() {
            self.replace(workload, now);
        }
        for index in 0..self.pods.len() {
            self.live(index, now, illness);
        }
        self.count(now);
    }

    /// Pods that were deleted end some time within their grace period.
    fn see_deletions(&mut self, now: Duration) {
        let mut there = BTreeMap::new();
        for pod in self.api.list("Pod") {
            let leaving = pod.pointer("/metadata/deletionTimestamp").is_some();
            there.insert(text(&pod, "/metadata/uid"), leaving);
        }
        for pod in self.pods.iter_mut().filter(|pod| !pod.gone) {
            match there.get(&pod.uid) {
                None => pod.end(now),
                Some(true) if !pod.leaving => {
                    pod.leaving = true;
                    pod.dies = Some(now + Duration::from_secs(self.rng.u64(0..5)));
                }
                Some(_) => {}
            }
            if pod.dies.is_some_and(|dies| dies <= now) && !pod.gone {
                let namespace = &self.workloads[pod.workload].namespace;
                self.api.remove("Pod", namespace, &pod.name);
                pod.end(now);
            }
        }
    }

    fn replace(&mut self, index: usize, now: Duration) {
        let of_it = self.pods.iter().filter(|pod| pod.workload == index);
        let workload = &mut self.workloads[index];
        let is_stateful = workload.kind == "StatefulSet";
        // A StatefulSet waits for the name to be free.
        let counts = |pod: &&Pod| if is_stateful { !pod.gone } else { pod.serves() };
        let there: Vec<&Pod> = of_it.filter(counts).collect();
        let missing = workload.replicas.saturating_sub(there.len());
        while workload.due.len() < missing {
            let after = Duration::from_secs(self.rng.u64(0..8));
            workload.due.push(now + after);
        }
        let names: BTreeSet<String> = there.iter().map(|pod| pod.name.clone()).collect();
        let mut free = (0..).filter(|ordinal| !names.contains(&format!("w{index}-{ordinal}")));
        let due = std::mem::take(&mut workload.due);
        let (come, later): (Vec<_>, Vec<_>) = due.into_iter().partition(|at| *at <= now);
        workload.due = later;
        let ordinals: Vec<usize> = come
            .iter()
            .filter_map(|_| free.next())
            .take(missing)
            .collect();
        for ordinal in ordinals {
            self.make(index, ordinal, now);
            let last = self.pods.len() - 1;
            self.show(last);
        }
    }

    fn make(&mut self, workload: usize, ordinal: usize, now: Duration) {
        let serial = self.pods.len();
        let owner = &self.workloads[workload];
        let name = match owner.kind {
            "StatefulSet" => format!("{}-{ordinal}", owner.name),
            _ => format!("{}-7d9-{serial}", owner.name),
        };
        self.pods.push(Pod {
            uid: format!("uid-{serial}"),
            name,
            workload,
            node: format!("node{}", self.rng.usize(..self.nodes)),
            created: now,
            ready: Vec::new(),
            ill: None,
            gone: false,
            comes_up: Some(now + Duration::from_secs(self.rng.u64(1..20))),
            stays_ill: owner.broken || self.rng.u8(..) < 12,
            leaving: false,
            dies: None,
        });
    }

    fn live(&mut self, index: usize, now: Duration, illness: bool) {
        let pod = &mut self.pods[index];
        if pod.gone || pod.leaving {
            return;
        }
        if pod.comes_up.is_some_and(|at| at <= now) {
            pod.comes_up = None;
            match pod.stays_ill {
                true => pod.ill = Some(Ill::Crash),
                false => pod.ready.push((now, None)),
            }
            self.show(index);
            return;
        }
        let is_up = pod.comes_up.is_none();
        if is_up && pod.ill.is_none() && illness && self.rng.u32(..self.rarity) == 0 {
            pod.end_ready(now);
            pod.ill = self.rng.choice(Ill::ALL);
            self.illnesses += 1;
            self.show(index);
        } else if is_up && !pod.stays_ill && pod.ill.is_some() && !pod.has_ended() && illness {
            // Now and then one recovers by itself.
            if self.rng.u32(..100) == 0 {
                pod.ill = None;
                pod.ready.push((now, None));
                self.show(index);
            }
        }
    }

    /// As a human or a drain does it: a pod goes at once, and its namesake may come.
    pub(crate) fn strike(&mut self) {
        let now = self.now();
        let there = self.pods.iter_mut().filter(|pod| !pod.gone);
        let mut there: Vec<&mut Pod> = there.collect();
        let count = there.len();
        if count == 0 {
            return;
        }
        let pod = &mut there[self.rng.usize(..count)];
        self.api
            .remove("Pod", &self.workloads[pod.workload].namespace, &pod.name);
        pod.end(now);
    }

    fn count(&mut self, now: Duration) {
        let mut counts = BTreeMap::new();
        for pod in self.pods.iter().filter(|pod| !pod.gone && !pod.has_ended()) {
            for scope in self.scopes(pod) {
                *counts.entry(scope).or_default() += 1;
            }
        }
        self.counts.push_back((now, counts));
    }

    /// The scopes of budgets that a pod is in: workload, namespace, node, cluster.
    pub(crate) fn scopes(&self, pod: &Pod) -> [String; 4] {
        let workload = &self.workloads[pod.workload];
        [
            format!("workload {}", workload.name),
            format!("namespace {}", workload.namespace),
            format!("node {}", pod.node),
            "cluster".to_owned(),
        ]
    }

    /// The most pods that a scope had lately.
    pub(crate) fn most(&self, scope: &str, now: Duration) -> usize {
        let until = self.counts.partition_point(|(at, _)| *at <= now);
        let recent = self.counts.range(until.saturating_sub(VIEW)..until);
        let counts = recent.filter_map(|(_, counts)| counts.get(scope));
        counts.copied().max().unwrap_or(0)
    }

    /// Puts a pod on the API server as it is.
    fn show(&mut self, index: usize) {
        let kept = self.api.put(self.object(index));
        let pod = &self.pods[index];
        if !matches!(pod.ready.last(), Some((_, None))) {
            let version = text(&kept, "/metadata/resourceVersion");
            self.unwell.insert((pod.uid.clone(), version));
        }
    }

    fn object(&self, index: usize) -> Value {
        let pod = &self.pods[index];
        let workload = &self.workloads[pod.workload];
        let at = |since: Duration| -> String { self.at(since).to_string() };
        let now = self.now();
        let ready = matches!(pod.ready.last(), Some((_, None)));
        let since = match pod.ready.last() {
            Some((from, to)) => to.unwrap_or(*from),
            None => pod.created,
        };
        let running = json!({"running": {"startedAt": at(pod.created)}});
        let (phase, state) = match pod.ill {
            None | Some(Ill::NotReady) => ("Running", running),
            Some(Ill::Crash) => (
                "Running",
                json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            ),
            Some(Ill::Pull) => (
                "Pending",
                json!({"waiting": {"reason": "ImagePullBackOff", "message": "i/o timeout"}}),
            ),
            Some(Ill::Evicted) => ("Failed", json!({"terminated": {"exitCode": 137}})),
        };
        let reason = (pod.ill == Some(Ill::Evicted)).then_some("Evicted");
        let owner = match workload.kind {
            "StatefulSet" => {
                json!({"kind": "StatefulSet", "name": workload.name, "controller": true})
            }
            _ => json!({
                "kind": "ReplicaSet", "name": format!("{}-7d9", workload.name), "controller": true
            }),
        };
        let crashes = pod.ill == Some(Ill::Crash);
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": pod.name, "namespace": workload.namespace, "uid": pod.uid,
                "creationTimestamp": at(pod.created),
                "labels": {"app": workload.name, "pod-template-hash": "7d9"},
                "ownerReferences": [owner],
            },
            "spec": {
                "nodeName": pod.node, "terminationGracePeriodSeconds": 5,
                "containers": [{"name": "app", "image": format!("{}:1", workload.name),
                                "readinessProbe": {}}],
            },
            "status": {
                "phase": phase, "reason": reason,
                "conditions": [{
                    "type": "Ready", "status": if ready { "True" } else { "False" },
                    "lastTransitionTime": at(since.min(now)),
                }],
                "containerStatuses": [{
                    "name": "app", "ready": ready, "started": true, "state": state,
                    "restartCount": if crashes { 9 } else { 0 },
                }],
            },
        })
    }

    /// The time of day on the API server.
    fn at(&self, since: Duration) -> Timestamp {
        let begin: Timestamp = super::BEGIN.parse().unwrap();
        begin.saturating_add(since)
    }

    /// The pods that are there and are not ready.
    pub(crate) fn sick(&self) -> impl Iterator<Item = &Pod> {
        let is_well = |pod: &Pod| matches!(pod.ready.last(), Some((_, None)));
        self.pods
            .iter()
            .filter(move |pod| !pod.gone && !is_well(pod))
    }

    /// Whether all pods of a workload are there and well, and nothing is left of others.
    pub(crate) fn is_well(&self, index: usize) -> bool {
        let of_it = |pod: &&Pod| pod.workload == index;
        let serving = self
            .pods
            .iter()
            .filter(of_it)
            .filter(|pod| pod.serves())
            .count();
        let sick = self.sick().filter(of_it).count();
        serving == self.workloads[index].replicas && sick == 0
    }

    pub(crate) fn by_uid(&self, uid: &str) -> &Pod {
        let serial: usize = uid.strip_prefix("uid-").unwrap().parse().unwrap();
        &self.pods[serial]
    }
}

impl Pod {
    fn end(&mut self, now: Duration) {
        self.gone = true;
        self.end_ready(now);
    }

    fn end_ready(&mut self, now: Duration) {
        if let Some((_, to @ None)) = self.ready.last_mut() {
            *to = Some(now);
        }
    }
}

pub(crate) fn text(value: &Value, path: &str) -> String {
    let text = value.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
