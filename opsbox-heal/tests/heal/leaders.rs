//! Two candidates, and how long things take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use libtest_mimic::Failed;
use opsbox_heal::act::{ActOptions, Remediator, Target};
use opsbox_heal::lease::Election;
use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch};
use serde_json::json;

use crate::api_server::{ApiServer, block_on, eventually};
use crate::kubelet::crash_loop;
use crate::world::{Seen, World, eager};

pub(crate) fn once(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "leaders", 16).await;
        let candidate = |name: &str| {
            let seen = Arc::new(Seen::default());
            let election = Election::new(server.client(), "leaders", "heal", name).unwrap();
            let seconds = Duration::from_secs;
            let election = election.terms(seconds(4), seconds(3), seconds(1)).unwrap();
            let controller = world.controller(eager(), &seen).election(election);
            (seen, tokio::spawn(controller.run(std::future::pending())))
        };
        let (first, first_task) = candidate("first");
        eventually("the first leads", async || first.log().passes > 0).await;
        let (second, second_task) = candidate("second");
        for index in 0..3 {
            world.sicken(index, |pod| crash_loop(pod, 9)).await;
        }
        eventually("the first has begun", async || {
            !first.log().acting.is_empty()
        })
        .await;
        // As if killed: nothing is released, nothing is finished.
        first_task.abort();
        drop(first_task.await);
        for index in [5, 7, 9] {
            world.sicken(index, |pod| crash_loop(pod, 9)).await;
        }
        eventually("the second goes on", async || {
            !second.log().acting.is_empty()
        })
        .await;
        world.well("all are replaced").await;
        let mut acts: BTreeMap<String, usize> = BTreeMap::new();
        for log in [first.log(), second.log()] {
            for (decision, outcome) in log.acted {
                if outcome.is_done() {
                    *acts.entry(decision.target.uid).or_default() += 1;
                }
            }
        }
        assert!(acts.values().all(|&times| times == 1), "{acts:?}");
        second_task.abort();
        drop(second_task.await);
    });
    Ok(())
}

/// From the moment that a pod is known to be ill until its eviction is accepted, against what the
/// watch and one request take by themselves.
pub(crate) fn latency(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let world = World::new(server, "latency", 16).await;
        let pods: Api<Pod> = Api::namespaced(server.client(), "latency");
        // How long a change takes to be seen.
        let mut watch = PodWatch::new(server.client(), PodScope::namespace("latency"));
        while !matches!(watch.next().await, PodChange::Synced { .. }) {}
        let mut seen_after = Vec::new();
        for turn in 0..11 {
            let name = world.pods().await[0].name_any();
            let patch =
                Patch::Merge(json!({"metadata": {"annotations": {"turn": turn.to_string()}}}));
            let begin = Instant::now();
            pods.patch(&name, &PatchParams::default(), &patch)
                .await
                .unwrap();
            loop {
                if let PodChange::Applied { new, .. } = watch.next().await
                    && new.name() == name
                {
                    break;
                }
            }
            seen_after.push(begin.elapsed());
        }
        // How long one eviction takes.
        let remediator = Remediator::new(server.client());
        let mut posted = Vec::new();
        for _ in 0..11 {
            let pod = world.pods().await.swap_remove(0);
            let target = Target::new("latency", pod.name_any(), pod.uid().unwrap());
            let begin = Instant::now();
            let outcome = remediator.evict(&target, &ActOptions::real()).await;
            assert!(outcome.is_done(), "{outcome}");
            posted.push(begin.elapsed());
            world.well("it is replaced").await;
        }
        let ((), _) = world
            .heal(eager(), async |seen: Arc<Seen>| {
                eventually("it is ready", async || seen.log().passes > 0).await;
                let mut healed = Vec::new();
                for turn in 0..11 {
                    world.well("all are ready").await;
                    // One that took the place of another would be backed off from.
                    let pods = world.pods().await.into_iter();
                    let pod = pods.min_by_key(Pod::creation_timestamp).unwrap();
                    let name = pod.name_any();
                    let status = crash_loop(&pod, 9);
                    let begin = Instant::now();
                    world.kubelet.status("latency", &name, &status).await.unwrap();
                    loop {
                        if seen.log().acted.len() > turn {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    healed.push(begin.elapsed());
                }
                let median = |mut times: Vec<Duration>| {
                    times.sort();
                    times[times.len() / 2]
                };
                let (watch, post, all) = (median(seen_after), median(posted), median(healed));
                println!(
                    "patch to watch event {watch:?}, one eviction {post:?}, patch to accepted eviction \
                     {all:?}: {:.2} of their sum",
                    all.as_secs_f64() / (watch + post).as_secs_f64()
                );
            })
            .await;
    });
    Ok(())
}
