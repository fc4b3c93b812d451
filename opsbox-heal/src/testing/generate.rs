//! Clusters of any size, with pods as the API server writes them.

use serde_json::{Value, json};

use super::{
    faults::{Dice, FaultRates},
    template::{container, environment, managed_fields, spec},
};
use crate::Timestamp;

/// A generated cluster: the same numbers make the same cluster.
///
/// Pods come as Deployments' do, about twenty to a workload, with the metadata, volumes, probes and
/// managed fields of a real one: some 9 kB each. So many of a thousand are not healthy, each kind of
/// trouble that this crate knows among them.
///
/// ```
/// use opsbox_heal::{PodSnapshot, diagnose, testing::GeneratedCluster};
///
/// let now = "2026-03-01T12:00:00Z".parse()?;
/// let cluster = GeneratedCluster::new(200, now).sick_per_thousand(100);
/// let sick = cluster.pods().filter(|pod| {
///     let read = PodSnapshot::from_json(pod.to_string().as_bytes()).unwrap();
///     diagnose(&read.pods()[0], now).is_sick()
/// });
/// assert!((1..50).contains(&sick.count()));
/// # Ok::<(), opsbox_heal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GeneratedCluster {
    pods: u32,
    namespaces: u32,
    nodes: u32,
    sick_per_thousand: u32,
    seed: u64,
    managed_fields: bool,
    now: Timestamp,
}

/// What a pod goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Healthy,
    RestartedLongAgo,
    CrashLoop,
    Flapping,
    ImagePull,
    ConfigError,
    Unschedulable,
    Failed,
    Evicted,
    NodeLost,
    OomDown,
    OomRecently,
    OomLongAgo,
    NotReady,
    GateShut,
    NeverStarts,
    LivenessRestarts,
    Terminating,
    StuckTerminating,
    DoneButStuck,
    InitStuck,
    InitCrash,
    SidecarCrash,
    Done,
    DoneLongAgo,
    Starting,
    FuturePhase,
    NoStatus,
}

const TROUBLES: [Fate; 26] = [
    Fate::CrashLoop,
    Fate::Flapping,
    Fate::ImagePull,
    Fate::ConfigError,
    Fate::Unschedulable,
    Fate::Failed,
    Fate::Evicted,
    Fate::NodeLost,
    Fate::OomDown,
    Fate::OomRecently,
    Fate::OomLongAgo,
    Fate::NotReady,
    Fate::GateShut,
    Fate::NeverStarts,
    Fate::LivenessRestarts,
    Fate::Terminating,
    Fate::StuckTerminating,
    Fate::DoneButStuck,
    Fate::InitStuck,
    Fate::InitCrash,
    Fate::SidecarCrash,
    Fate::Done,
    Fate::DoneLongAgo,
    Fate::Starting,
    Fate::FuturePhase,
    Fate::NoStatus,
];

/// The node that does not answer.
const LOST_NODE: &str = "node-lost";

const PODS_A_WORKLOAD: u32 = 20;

impl GeneratedCluster {
    /// A cluster of so many pods at that moment: a namespace for each thousand of them and a node for
    /// each thirty, ten of a thousand pods in trouble.
    pub fn new(pods: u32, now: Timestamp) -> Self {
        Self {
            pods,
            namespaces: (pods / 1_000).max(1),
            nodes: (pods / 30).max(1),
            sick_per_thousand: 10,
            seed: 0,
            managed_fields: true,
            now,
        }
    }

    /// How many of a thousand pods are in trouble.
    #[must_use]
    pub fn sick_per_thousand(mut self, pods: u32) -> Self {
        self.sick_per_thousand = pods;
        self
    }

    /// In how many namespaces they are.
    #[must_use]
    pub fn namespaces(mut self, namespaces: u32) -> Self {
        self.namespaces = namespaces.max(1);
        self
    }

    /// Another cluster of the same size.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether pods have managed fields, half of their bytes. On by default.
    #[must_use]
    pub fn managed_fields(mut self, on: bool) -> Self {
        self.managed_fields = on;
        self
    }

    /// The namespaces.
    pub fn all_namespaces(&self) -> impl Iterator<Item = Value> {
        let named = |index| {
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": namespace(index)}, "status": {"phase": "Active"},
            })
        };
        (0..self.namespaces).map(named)
    }

    /// The nodes, of which the last does not answer.
    pub fn all_nodes(&self) -> impl Iterator<Item = Value> {
        let node = |name: &str, status| {
            json!({
                "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
                "status": {"conditions": [{"type": "Ready", "status": status}]},
            })
        };
        let ready = (0..self.nodes).map(move |index| node(&format!("node-{index}"), "True"));
        ready.chain([node(LOST_NODE, "Unknown")])
    }

    /// The pods.
    pub fn pods(&self) -> impl Iterator<Item = Value> {
        (0..self.pods).map(|index| self.pod(index))
    }

    /// All of it, for an [`ApiDouble`](super::ApiDouble).
    pub fn objects(&self) -> impl Iterator<Item = Value> {
        self.all_namespaces()
            .chain(self.all_nodes())
            .chain(self.pods())
    }

    fn pod(&self, index: u32) -> Value {
        let seed = self
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(u64::from(index));
        let mut dice = Dice::new(seed, FaultRates::none());
        // A hundredth of the healthy ones have restarted at some time.
        let fate = if dice.happens(self.sick_per_thousand) {
            let count = u64::try_from(TROUBLES.len()).unwrap_or(1);
            let which = usize::try_from(dice.roll(count)).unwrap_or_default();
            TROUBLES.get(which).copied().unwrap_or(Fate::CrashLoop)
        } else if dice.happens(10) {
            Fate::RestartedLongAgo
        } else {
            Fate::Healthy
        };
        Draft {
            cluster: self,
            index,
            fate,
            dice,
        }
        .write()
    }
}

fn namespace(index: u32) -> String {
    format!("team-{index}")
}

/// A pod that is being written.
struct Draft<'a> {
    cluster: &'a GeneratedCluster,
    index: u32,
    fate: Fate,
    dice: Dice,
}

impl Draft<'_> {
    fn write(mut self) -> Value {
        let workload = self.index / PODS_A_WORKLOAD;
        let set = format!(
            "service-{workload}-{:08x}",
            workload.wrapping_mul(2_654_435_761)
        );
        let name = format!("{set}-{:05x}", self.index.wrapping_mul(40_503) & 0xF_FFFF);
        let uid = format!(
            "{:08x}-1111-4222-8333-{:012x}",
            self.index, self.cluster.seed
        );
        let node = match self.fate {
            Fate::NodeLost => LOST_NODE.to_owned(),
            _ => format!("node-{}", self.dice.roll(self.cluster.nodes.into())),
        };
        let app = format!("service-{workload}");
        let (age, done) = self.age();
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "generateName": format!("{set}-"),
                "namespace": namespace(workload % self.cluster.namespaces), "uid": uid,
                "creationTimestamp": self.ago(age),
                "labels": {
                    "app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop",
                    "pod-template-hash": format!("{:08x}", workload.wrapping_mul(2_654_435_761)),
                },
                "annotations": {
                    "prometheus.io/scrape": "true", "prometheus.io/port": "9090",
                    "checksum/config": format!("{:064x}", u128::from(workload) * 0x9E37_79B9_7F4A_7C15),
                },
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set,
                    "uid": format!("{workload:08x}-9999-4222-8333-000000000000"),
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": spec(&app, &node),
            "status": {},
        });
        pod["status"] = self.status(age, done);
        self.shape(workload, &mut pod);
        self.mark(&mut pod);
        if self.cluster.managed_fields {
            pod["metadata"]["managedFields"] = managed_fields(&self.ago(age));
        }
        pod
    }

    fn ago(&self, seconds: u64) -> String {
        let seconds = i64::try_from(seconds).unwrap_or(0);
        let now = self.cluster.now.unix_seconds();
        Timestamp::from_unix_seconds(now - seconds).to_string()
    }

    /// Seconds since it was made, and since it ended, if it did.
    fn age(&mut self) -> (u64, u64) {
        let day = 86_400;
        match self.fate {
            Fate::Starting => (self.dice.roll(40), 0),
            Fate::Done => {
                let done = 10 + self.dice.roll(20_000);
                (done + 30, done)
            }
            Fate::DoneLongAgo => (4 * day, 2 * day + self.dice.roll(day)),
            Fate::DoneButStuck | Fate::Failed | Fate::Evicted => (day, 4_000),
            _ => (8_000 + self.dice.roll(20 * day), 0),
        }
    }

    fn status(&mut self, age: u64, done: u64) -> Value {
        let (started, ended) = (self.ago(age.saturating_sub(5)), self.ago(done));
        let up = json!({"running": {"startedAt": started}});
        let waits = |reason: &str| {
            json!({"waiting": {"reason": reason, "message": format!(
            "{reason}: back-off 5m0s restarting failed container, for which see the events")}})
        };
        let end = |code: i64, reason: &str, from: String, to: String| {
            json!({"terminated": {
            "exitCode": code, "reason": reason, "startedAt": from, "finishedAt": to}})
        };
        let crashed = |to: u64| end(1, "Error", self.ago(to + 20), self.ago(to));
        let killed = |to: u64, run: u64| end(137, "Error", self.ago(to + run), self.ago(to));
        let oom = |to: u64| end(137, "OOMKilled", self.ago(to + 300), self.ago(to));
        let since = |to: u64| json!({"running": {"startedAt": self.ago(to)}});
        let app = |ready: bool, restarts: u32, state: &Value, last: &Value| {
            container("app", ready, restarts, state, last)
        };
        let none = json!({});
        let proxy = container("proxy", true, 0, &up, &none);
        let init = container(
            "migrate",
            true,
            0,
            &end(0, "Completed", started.clone(), started.clone()),
            &none,
        );
        // phase, ready, initialized, init, app, proxy
        let (phase, ready, init, app, proxy) = match self.fate {
            Fate::Healthy
            | Fate::Terminating
            | Fate::StuckTerminating
            | Fate::NodeLost
            | Fate::GateShut => ("Running", true, init, app(true, 0, &up, &none), proxy),
            Fate::RestartedLongAgo => (
                "Running",
                true,
                init,
                app(true, 2, &since(7_900), &crashed(7_905)),
                proxy,
            ),
            Fate::CrashLoop => (
                "Running",
                false,
                init,
                app(false, 17, &waits("CrashLoopBackOff"), &crashed(100)),
                proxy,
            ),
            Fate::Flapping => (
                "Running",
                true,
                init,
                app(true, 9, &since(15), &crashed(60)),
                proxy,
            ),
            Fate::ImagePull => (
                "Pending",
                false,
                init,
                app(false, 0, &waits("ImagePullBackOff"), &none),
                proxy,
            ),
            Fate::ConfigError => (
                "Pending",
                false,
                init,
                app(false, 0, &waits("CreateContainerConfigError"), &none),
                proxy,
            ),
            Fate::Failed => {
                let failed = end(3, "Error", started.clone(), ended.clone());
                (
                    "Failed",
                    false,
                    init,
                    app(false, 0, &failed, &none),
                    container(
                        "proxy",
                        false,
                        0,
                        &end(0, "Completed", started.clone(), ended.clone()),
                        &none,
                    ),
                )
            }
            Fate::OomDown => (
                "Running",
                false,
                init,
                app(false, 3, &oom(20), &oom(700)),
                proxy,
            ),
            Fate::OomRecently => (
                "Running",
                true,
                init,
                app(true, 1, &since(1_500), &oom(1_505)),
                proxy,
            ),
            Fate::OomLongAgo => (
                "Running",
                true,
                init,
                app(true, 1, &since(7_800), &oom(7_810)),
                proxy,
            ),
            Fate::NotReady => ("Running", false, init, app(false, 0, &up, &none), proxy),
            Fate::NeverStarts => {
                let mut starting = app(false, 0, &up, &none);
                starting["started"] = false.into();
                ("Running", false, init, starting, proxy)
            }
            Fate::LivenessRestarts => (
                "Running",
                true,
                init,
                app(true, 4, &since(200), &killed(205, 400)),
                proxy,
            ),
            Fate::InitStuck => {
                let waits = waits("PodInitializing");
                let running = container("migrate", false, 0, &up, &none);
                (
                    "Pending",
                    false,
                    running,
                    app(false, 0, &waits, &none),
                    container("proxy", false, 0, &waits, &none),
                )
            }
            Fate::InitCrash => {
                let waits = waits("PodInitializing");
                let crash = container(
                    "migrate",
                    false,
                    8,
                    &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
                    &crashed(50),
                );
                (
                    "Pending",
                    false,
                    crash,
                    app(false, 0, &waits, &none),
                    container("proxy", false, 0, &waits, &none),
                )
            }
            Fate::SidecarCrash => {
                let crash = container("proxy", false, 6, &waits("CrashLoopBackOff"), &crashed(50));
                ("Running", false, init, app(true, 0, &up, &none), crash)
            }
            Fate::Done | Fate::DoneLongAgo | Fate::DoneButStuck => {
                let done = end(0, "Completed", started.clone(), ended.clone());
                (
                    "Succeeded",
                    false,
                    init,
                    app(false, 0, &done, &none),
                    container("proxy", false, 0, &done, &none),
                )
            }
            Fate::Starting => {
                let waits = json!({"waiting": {"reason": "ContainerCreating"}});
                (
                    "Pending",
                    false,
                    init,
                    app(false, 0, &waits, &none),
                    container("proxy", false, 0, &waits, &none),
                )
            }
            Fate::FuturePhase => ("Hibernated", false, init, app(false, 0, &up, &none), proxy),
            Fate::Evicted => {
                return json!({"phase": "Failed", "reason": "Evicted", "startTime": started,
                    "message": "The node was low on resource: memory."});
            }
            Fate::Unschedulable => {
                return json!({"phase": "Pending", "qosClass": "Burstable", "conditions": [{
                    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "lastTransitionTime": started,
                    "message": "0/3 nodes are available: 3 Insufficient cpu."}]});
            }
            Fate::NoStatus => return json!({"phase": "Running"}),
        };
        let ready = match (self.fate, ready) {
            (Fate::NodeLost, _) => "Unknown",
            (Fate::GateShut, _) | (_, false) => "False",
            _ => "True",
        };
        let initialized = !matches!(self.fate, Fate::InitStuck | Fate::InitCrash);
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": started,
            })
        };
        json!({
            "phase": phase, "qosClass": "Burstable", "startTime": started,
            "hostIP": "10.0.0.1", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}],
            "conditions": [
                condition("PodReadyToStartContainers", "True"),
                condition("Initialized", if initialized { "True" } else { "False" }),
                condition("Ready", ready),
                condition("ContainersReady", if ready == "True" { "True" } else { "False" }),
                condition("PodScheduled", "True"),
            ],
            "initContainerStatuses": [init],
            "containerStatuses": [app, proxy],
        })
    }

    /// Six of ten workloads have one container, three have a proxy beside it, one an init container
    /// too; and those of whose trouble it is a part have it.
    fn shape(&self, workload: u32, pod: &mut Value) {
        let (proxy, init) = match self.fate {
            Fate::InitStuck | Fate::InitCrash => (true, true),
            Fate::SidecarCrash => (true, false),
            _ => (workload % 10 >= 6, workload % 10 == 9),
        };
        let mut without = |lists: [&str; 2], name: &str| {
            for list in lists {
                if let Some(all) = pod.pointer_mut(list).and_then(Value::as_array_mut) {
                    all.retain(|container| container["name"] != name);
                }
            }
        };
        if !proxy {
            without(["/spec/containers", "/status/containerStatuses"], "proxy");
        }
        if !init {
            let lists = ["/spec/initContainers", "/status/initContainerStatuses"];
            without(lists, "migrate");
        }
        // Whatever its containers, a pod has some 9 kB: the fewer, the more settings each has.
        let settings = match (proxy, init) {
            (false, _) => 34,
            (true, false) => 10,
            (true, true) => 3,
        };
        for list in ["containers", "initContainers"] {
            for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
                container["env"] = environment(settings);
            }
        }
    }

    /// What is not in the status.
    fn mark(&mut self, pod: &mut Value) {
        let meta = &mut pod["metadata"];
        match self.fate {
            Fate::Terminating => {
                meta["deletionTimestamp"] = self.ago(0).into();
                meta["deletionGracePeriodSeconds"] = 30.into();
            }
            Fate::StuckTerminating => {
                meta["deletionTimestamp"] = self.ago(4_000).into();
                meta["deletionGracePeriodSeconds"] = 30.into();
                meta["finalizers"] = json!(["example.org/keep"]);
            }
            Fate::DoneButStuck => {
                meta["deletionTimestamp"] = self.ago(3_000).into();
                meta["deletionGracePeriodSeconds"] = 0.into();
                meta["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
            }
            Fate::Unschedulable => {
                if let Some(spec) = pod["spec"].as_object_mut() {
                    spec.remove("nodeName");
                }
            }
            Fate::GateShut => {
                pod["spec"]["readinessGates"] = json!([{"conditionType": "example.org/in-pool"}]);
            }
            Fate::Done | Fate::DoneLongAgo | Fate::Failed | Fate::Evicted => {
                pod["spec"]["restartPolicy"] = "Never".into();
            }
            _ => {}
        }
    }
}
