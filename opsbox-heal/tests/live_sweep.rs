//! The sweep against the API double: it finds what a full list shows, with a fraction of the bytes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(
    clippy::print_stdout,
    reason = "figures are read by people, with --nocapture"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use opsbox_heal::limits::MAX_SWEEP_TRIES;
use opsbox_heal::observe::live::{PodScope, RateLimit, Sweep, SweepStats, Swept};
use opsbox_heal::testing::{ApiDouble, Fault, FaultRates, GeneratedCluster, Profile};
use opsbox_heal::{Condition, Error, ErrorKind, PodSnapshot, PodState, Timestamp, diagnose};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn filled(profile: Profile, cluster: &GeneratedCluster) -> ApiDouble {
    let api = ApiDouble::with_profile(now(), profile);
    for object in cluster.objects() {
        api.put(object);
    }
    api
}

async fn run(sweep: &mut Sweep) -> (Vec<PodState>, Vec<Error>) {
    let (mut pods, mut errors) = (Vec::new(), Vec::new());
    while let Some(swept) = sweep.next().await {
        match swept {
            Ok(Swept::Pod(pod)) => pods.push(pod),
            Ok(other) => panic!("{other:?}"),
            Err(error) => errors.push(error),
        }
    }
    (pods, errors)
}

/// Every sick pod with all that was found of it.
fn findings<'p>(pods: impl IntoIterator<Item = &'p PodState>) -> BTreeMap<String, String> {
    let mut sick = BTreeMap::new();
    for pod in pods {
        let verdict = diagnose(pod, now());
        if verdict.is_sick() {
            sick.insert(pod.to_string(), format!("{verdict:#}"));
        }
    }
    sick
}

fn full_list(api: &ApiDouble) -> Vec<PodState> {
    let list = json!({"kind": "PodList", "apiVersion": "v1", "items": api.list("Pod")});
    PodSnapshot::from_json(list.to_string().as_bytes())
        .unwrap()
        .into_pods()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the cluster, the server and the faults: the sick pods are those of a full list.
    #[test]
    fn a_sweep_finds_what_a_full_list_shows(
        seed in any::<u64>(),
        pods in 1_u32..250,
        sick in 0_u32..600,
        namespaces in 1_u32..6,
        page in 1_u32..120,
        profile in prop::sample::select(vec![Profile::current(), Profile::v1_20(), Profile::plain()]),
        faults in prop::sample::select(vec![0_u32, 0, 15]),
    ) {
        let cluster = GeneratedCluster::new(pods, now())
            .seed(seed)
            .sick_per_thousand(sick)
            .namespaces(namespaces)
            .managed_fields(false);
        block_on(async {
            let api = filled(profile, &cluster);
            api.set_faults(seed, FaultRates { stale: 0, slow: 0, ..FaultRates::all(faults) });
            let mut sweep = Sweep::new(api.client(), PodScope::all()).page_size(page).seed(seed);
            let (found, errors) = run(&mut sweep).await;
            prop_assert!(errors.is_empty(), "{errors:?}");
            // Without tables the nodes are not needed, since all pods are read.
            if sweep.stats().nodes_not_known.is_none() || !profile.tables {
                prop_assert_eq!(findings(&found), findings(&full_list(&api)));
            }
            prop_assert_eq!(sweep.stats().pods, u64::from(pods));
            Ok(())
        })?;
    }
}

#[test]
fn every_sick_condition_is_among_those_that_are_generated() {
    let cluster = GeneratedCluster::new(3_000, now()).sick_per_thousand(500);
    block_on(async {
        let api = filled(Profile::current(), &cluster.managed_fields(false));
        let pods = full_list(&api);
        let verdicts: Vec<_> = pods.iter().map(|pod| diagnose(pod, now())).collect();
        let never: Vec<_> = Condition::ALL
            .iter()
            .filter(|condition| verdicts.iter().all(|v| v.finding(**condition).is_none()))
            .collect();
        assert!(never.is_empty(), "{never:?} is not generated");
    });
}

async fn bytes_of(api: &ApiDouble, tables: bool) -> (u64, SweepStats) {
    let before = api.sent_bytes();
    let mut sweep = Sweep::new(api.client(), PodScope::all()).tables(tables);
    run(&mut sweep).await;
    (api.sent_bytes() - before, sweep.stats().clone())
}

#[test]
fn a_sweep_takes_a_fiftieth_of_the_bytes() {
    block_on(async {
        // Four of a thousand in trouble: a cluster that is looked after.
        let cluster = GeneratedCluster::new(4_000, now()).sick_per_thousand(4);
        let api = filled(Profile::current(), &cluster);
        let (table, stats) = bytes_of(&api, true).await;
        let (full, all) = bytes_of(&api, false).await;
        println!(
            "{table} bytes against {full}: 1/{}; {stats:?}",
            full / table
        );
        assert!(table * 50 <= full, "{table} against {full}");
        assert_eq!((stats.pods, all.pods), (4_000, 4_000));
        assert_eq!(all.fetched, 4_000);
        assert!(full / 4_000 > 8_500, "{} bytes a pod", full / 4_000);
    });
}

#[test]
fn pods_are_counted_for_budgets() {
    block_on(async {
        let cluster = GeneratedCluster::new(100, now())
            .sick_per_thousand(200)
            .namespaces(2);
        let api = filled(Profile::current(), &cluster);
        let mut sweep = Sweep::new(api.client(), PodScope::all()).page_size(7);
        let (pods, _) = run(&mut sweep).await;
        let stats = sweep.stats();
        assert_eq!(
            stats.namespace("team-0").pods + stats.namespace("team-1").pods,
            100
        );
        let siblings = stats.siblings(&pods[0]);
        assert_eq!(siblings.pods, 20);
        assert!(siblings.suspects > 0 && siblings.suspects < 20);
        assert_eq!(stats.suspects, u64::try_from(pods.len()).unwrap());
        let node = pods.iter().find_map(PodState::node).unwrap();
        assert!(stats.node(node).pods > 0);
        assert_eq!(stats.namespace("none").pods, 0);
    });
}

#[test]
fn nodes_that_may_not_be_listed_are_said_to_be_unknown() {
    block_on(async {
        let cluster = GeneratedCluster::new(50, now());
        let api = filled(Profile::current(), &cluster);
        api.deny("list", "nodes");
        let mut sweep = Sweep::new(api.client(), PodScope::all());
        let (_, errors) = run(&mut sweep).await;
        assert!(errors.is_empty());
        let why = sweep.stats().nodes_not_known.clone().unwrap();
        assert_eq!(why.kind(), ErrorKind::Forbidden);
        assert!(
            why.to_string()
                .contains("\"list\" on the resource \"nodes\""),
            "{why}"
        );
    });
}

#[test]
fn a_namespace_that_is_refused_does_not_stop_the_others() {
    block_on(async {
        let cluster = GeneratedCluster::new(200, now())
            .sick_per_thousand(300)
            .namespaces(3);
        let api = filled(Profile::current(), &cluster);
        for _ in 0..5 {
            api.inject("list", "pods", Fault::Status(503));
        }
        let start = Instant::now();
        let mut sweep = Sweep::new(api.client(), PodScope::all());
        let (pods, errors) = run(&mut sweep).await;
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].status(), Some(503));
        let text = errors[0].to_string();
        assert!(
            text.starts_with("cannot list pods in namespace team-0: the API server answered 503"),
            "{text}"
        );
        assert!(
            start.elapsed() > Duration::from_secs(7),
            "it waited between the tries"
        );
        assert!(pods.iter().all(|pod| pod.namespace() != "team-0") && !pods.is_empty());
        api.deny("list", "namespaces");
        let mut sweep = Sweep::new(api.client(), PodScope::all());
        let (pods, errors) = run(&mut sweep).await;
        assert!(pods.is_empty() && errors.len() == 1);
        assert_eq!(errors[0].kind(), ErrorKind::Forbidden);
        // A namespace that is named needs no list of them.
        let mut sweep = Sweep::new(api.client(), PodScope::namespace("team-1"));
        let (pods, errors) = run(&mut sweep).await;
        assert!(!pods.is_empty() && errors.is_empty());
    });
}

fn many_namespaces() -> PodScope {
    let names: Vec<String> = (0..40).map(|number| format!("team-{number}")).collect();
    PodScope::namespaces(names.iter().map(String::as_str))
}

/// Nobody waits for the tries of forty namespaces at a server that is not there.
#[test]
fn a_server_that_is_not_there_ends_the_sweep() {
    for nodes in [true, false] {
        block_on(async {
            let api = filled(Profile::current(), &GeneratedCluster::new(200, now()));
            let refused = FaultRates {
                refused: 1_000,
                ..FaultRates::none()
            };
            api.set_faults(1, refused);
            let mut sweep = Sweep::new(api.client(), many_namespaces()).nodes(nodes);
            let (pods, errors) = run(&mut sweep).await;
            assert!(pods.is_empty());
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].kind(), ErrorKind::Unreachable);
            assert_eq!(sweep.stats().calls, u64::from(MAX_SWEEP_TRIES));
            assert!(sweep.next().await.is_none());
        });
    }
}

/// Who is not known is told so once, without a second try.
#[test]
fn credentials_that_are_not_taken_end_the_sweep() {
    block_on(async {
        let api = filled(Profile::current(), &GeneratedCluster::new(200, now()));
        api.inject("list", "pods", Fault::Status(401));
        let mut sweep = Sweep::new(api.client(), many_namespaces()).nodes(false);
        let (pods, errors) = run(&mut sweep).await;
        assert!(pods.is_empty());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].kind(), ErrorKind::Unauthorized);
        assert_eq!(sweep.stats().calls, 1);
    });
}

/// What breaks off is there: the next namespace may be shorter.
#[test]
fn an_answer_that_breaks_off_does_not_stop_the_other_namespaces() {
    block_on(async {
        let cluster = GeneratedCluster::new(200, now())
            .sick_per_thousand(300)
            .namespaces(3);
        let api = filled(Profile::current(), &cluster);
        for _ in 0..MAX_SWEEP_TRIES {
            api.inject("list", "pods", Fault::Cut);
        }
        let mut sweep = Sweep::new(api.client(), PodScope::all());
        let (pods, errors) = run(&mut sweep).await;
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].kind(), ErrorKind::Unreachable);
        assert!(pods.iter().all(|pod| pod.namespace() != "team-0"));
        assert!(pods.iter().any(|pod| pod.namespace() == "team-2"));
    });
}

#[test]
fn a_sweep_keeps_to_the_rate_limit() {
    block_on(async {
        let cluster = GeneratedCluster::new(1_000, now()).sick_per_thousand(100);
        let api = filled(Profile::current(), &cluster);
        let client = RateLimit::default().apply(api.client());
        let start = Instant::now();
        let mut sweep = Sweep::new(client, PodScope::all());
        run(&mut sweep).await;
        let calls = sweep.stats().calls;
        assert_eq!(calls, u64::try_from(api.requests().len()).unwrap());
        assert!(calls > 50);
        let least = Duration::from_millis(200) * u32::try_from(calls - 10).unwrap();
        assert!(
            start.elapsed() >= least,
            "{calls} calls in {:?}",
            start.elapsed()
        );
        assert!(start.elapsed() < least + Duration::from_secs(1));
    });
}
