//! A Deployment on a cluster, a controller that heals it, and what was seen of that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use opsbox_heal::act::{Outcome, Recovery};
use opsbox_heal::controller::{Controller, Observer};
use opsbox_heal::decide::{
    Action, Backoff, Budget, Decision, Mode, Policy, Rate, Share, UnderWay, response_defaults,
};
use opsbox_heal::observe::live::{PodScope, RateLimit};
use opsbox_heal::{Pass, Timestamp};
use serde_json::{Value, json};

use crate::api_server::{ApiServer, eventually};
use crate::kubelet::{Kubelet, Running, Start};

/// A policy that does not wait.
pub(crate) fn eager() -> Policy {
    let mut policy = Policy::default();
    policy.mode = Mode::Act;
    policy.responses = response_defaults()
        .into_iter()
        .map(|response| response.after(Duration::ZERO))
        .collect();
    policy.cooldown = Duration::ZERO;
    let mut rate = Rate::default();
    rate.acts = 1000;
    policy.rate = rate;
    let mut backoff = Backoff::default();
    backoff.initial = Duration::from_secs(1);
    policy.backoff = backoff;
    policy.budgets.workload = Budget::new(3, Share::percent(25));
    policy.budgets.namespace = Budget::new(10, Share::ALL);
    policy.budgets.node = Budget::new(10, Share::ALL);
    policy.budgets.cluster = Budget::new(10, Share::ALL);
    policy
}

/// What a controller has said.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) log: Mutex<Log>,
    /// Refuses to record acts.
    pub(crate) full: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) decided: Vec<Decision>,
    pub(crate) acting: Vec<Decision>,
    pub(crate) acted: Vec<(Decision, Outcome)>,
    pub(crate) recovered: Vec<(UnderWay, Recovery)>,
    pub(crate) escalated: Vec<Decision>,
    pub(crate) passes: usize,
    /// The most acts that were under way at once.
    pub(crate) most: usize,
    open: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }
}

impl Observer for Seen {
    fn decided(&self, decision: &Decision, _: Timestamp) {
        self.log.lock().unwrap().decided.push(decision.clone());
    }

    fn acting(&self, decision: &Decision, _: Timestamp) -> Result<(), String> {
        if self.full {
            return Err("no space is left on the device".to_owned());
        }
        let mut log = self.log.lock().unwrap();
        log.acting.push(decision.clone());
        log.open.insert(decision.target.uid.clone());
        log.most = log.most.max(log.open.len());
        Ok(())
    }

    fn acted(&self, decision: &Decision, outcome: &Outcome, _: Duration, _: Timestamp) {
        let mut log = self.log.lock().unwrap();
        if !outcome.may_have_acted() {
            log.open.remove(&decision.target.uid);
        }
        log.acted.push((decision.clone(), outcome.clone()));
    }

    fn recovered(&self, act: &UnderWay, recovery: &Recovery, _: Timestamp) {
        let mut log = self.log.lock().unwrap();
        log.open.remove(&act.target.uid);
        log.recovered.push((act.clone(), recovery.clone()));
    }

    fn escalated(&self, decision: &Decision, _: Timestamp) {
        self.log.lock().unwrap().escalated.push(decision.clone());
    }

    fn passed(&self, _: &Pass, _: Timestamp, _: Duration) {
        self.log.lock().unwrap().passes += 1;
    }
}

/// A Deployment of ready pods.
pub(crate) struct World<'s> {
    pub(crate) server: &'s ApiServer,
    pub(crate) namespace: &'static str,
    pub(crate) kubelet: Kubelet,
    replicas: usize,
    _running: Running,
}

impl<'s> World<'s> {
    pub(crate) async fn new(
        server: &'s ApiServer,
        namespace: &'static str,
        replicas: usize,
    ) -> Self {
        server.namespace(namespace).await;
        let nodes = ["node-a", "node-b", "node-c", "node-d", "node-e"];
        let kubelet = Kubelet::new(server.client(), &nodes).await;
        server
            .create(json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": namespace},
                "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
            }))
            .await;
        server
            .create(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": namespace},
                "spec": {
                    "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {
                            "terminationGracePeriodSeconds": 1,
                            "containers": [{"name": "app", "image": "registry.example/web:1"}],
                            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
                        }
                    }
                }
            }))
            .await;
        let running = kubelet.run(namespace, |_| Start::Ready);
        let world = Self {
            server,
            namespace,
            kubelet,
            replicas,
            _running: running,
        };
        world.well("all pods are ready").await;
        world
    }

    /// The oldest first: a new pod that is ill again would show that the act before did not help.
    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let api: Api<Pod> = Api::namespaced(self.server.client(), self.namespace);
        let mut pods = api.list(&ListParams::default()).await.unwrap().items;
        pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().unwrap().0);
        pods
    }

    /// Waits until there are exactly the ready pods that there should be.
    pub(crate) async fn well(&self, what: &str) {
        eventually(what, async || {
            let pods = self.pods().await;
            pods.len() == self.replicas && pods.iter().all(is_ready)
        })
        .await;
    }

    /// Makes a pod ill, and says which one.
    pub(crate) async fn sicken(&self, index: usize, status: impl Fn(&Pod) -> Value) -> Pod {
        let pod = self.pods().await.swap_remove(index);
        let status = status(&pod);
        let name = pod.name_any();
        self.kubelet
            .status(self.namespace, &name, &status)
            .await
            .unwrap()
    }

    pub(crate) fn controller(&self, policy: Policy, seen: &Arc<Seen>) -> Controller {
        self.controller_of(self.server.client(), policy, seen)
    }

    pub(crate) fn controller_of(
        &self,
        client: Client,
        policy: Policy,
        seen: &Arc<Seen>,
    ) -> Controller {
        Controller::new(client, policy)
            .scope(PodScope::namespace(self.namespace))
            .rate_limit(RateLimit::new(200.0, 50))
            .pass_interval(Duration::from_millis(500))
            .observer(Arc::clone(seen) as Arc<dyn Observer>)
    }

    /// Heals until the work is done.
    pub(crate) async fn heal<T>(
        &self,
        policy: Policy,
        work: impl AsyncFnOnce(Arc<Seen>) -> T,
    ) -> (T, Log) {
        let seen = Arc::new(Seen::default());
        let controller = self.controller(policy, &seen);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(controller.run(async { drop(stopped.await) }));
        let done = work(Arc::clone(&seen)).await;
        drop(stop);
        running.await.unwrap();
        (done, seen.log())
    }
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|c| c.type_ == "Ready");
    pod.metadata.deletion_timestamp.is_none() && ready.is_some_and(|c| c.status == "True")
}

/// How many acts of this kind were accepted.
pub(crate) fn accepted(log: &Log, action: Action) -> usize {
    let done = log.acted.iter().filter(|(_, outcome)| outcome.is_done());
    done.filter(|(decision, _)| decision.action == action)
        .count()
}
