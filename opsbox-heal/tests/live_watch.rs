//! The watch against the API double: whatever happens to the connection, in the end the store has what
//! the server has, and every change was told.

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

use opsbox_heal::ErrorKind;
use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch, WatchConfig};
use opsbox_heal::testing::{ApiDouble, Fault, FaultRates, Profile};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

fn double(profile: Profile) -> ApiDouble {
    ApiDouble::with_profile("2026-03-01T12:00:00Z".parse().unwrap(), profile)
}

fn pod(namespace: &str, name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"nodeName": "a", "containers": [{"name": "app", "image": "web:1"}]},
        "status": {"phase": phase},
    })
}

fn watch(api: &ApiDouble, scope: PodScope) -> PodWatch {
    PodWatch::with_config(api.client(), scope, WatchConfig::default().seed(1))
}

/// Changes until nothing comes for some minutes.
async fn settle(watch: &mut PodWatch) -> Vec<PodChange> {
    let mut changes = Vec::new();
    while let Ok(change) = timeout(Duration::from_secs(600), watch.next()).await {
        changes.push(change);
    }
    changes
}

async fn synced(watch: &mut PodWatch) -> usize {
    loop {
        if let PodChange::Synced { pods } = watch.next().await {
            return pods;
        }
    }
}

/// `ns/name` with uid and version, of the server and of the store.
fn assert_same(api: &ApiDouble, watch: &PodWatch) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let server: BTreeMap<_, _> = api
        .list("Pod")
        .iter()
        .map(|pod| {
            let meta = &pod["metadata"];
            let name = format!("{}/{}", text(&meta["namespace"]), text(&meta["name"]));
            (name, (text(&meta["uid"]), text(&meta["resourceVersion"])))
        })
        .collect();
    let store: BTreeMap<_, _> = watch
        .store()
        .iter()
        .map(|pod| {
            let version = (pod.uid().to_owned(), pod.resource_version().to_owned());
            (pod.to_string(), version)
        })
        .collect();
    let differs = |name: &&String| store.get(*name) != server.get(*name);
    let names = store.keys().chain(server.keys()).filter(differs);
    let differing: Vec<_> = names
        .map(|name| (name, store.get(name), server.get(name)))
        .collect();
    assert!(
        differing.is_empty(),
        "store and server differ: {differing:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn both_ways_of_listing_find_every_pod() {
    for profile in [Profile::current(), Profile::v1_20()] {
        let api = double(profile);
        for index in 0..1_234 {
            api.put(pod("shop", &format!("web-{index}"), "Running"));
        }
        let config = WatchConfig::default().page_size(100);
        let mut watch = PodWatch::with_config(api.client(), PodScope::all(), config);
        assert!(!watch.state().synced);
        assert_eq!(synced(&mut watch).await, 1_234);
        assert_same(&api, &watch);
        assert!(watch.state().is_current(Duration::from_secs(1)));
        let lists = api.requests().iter().filter(|r| r.verb == "list").count();
        assert_eq!(lists, if profile.streaming_lists { 0 } else { 13 });
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_with_what_was_before() {
    let api = double(Profile::current());
    api.put(pod("shop", "web", "Pending"));
    let mut watch = watch(&api, PodScope::all());
    synced(&mut watch).await;
    api.put(pod("shop", "web", "Running"));
    let PodChange::Applied { old, new } = watch.next().await else {
        panic!()
    };
    assert_eq!(old.unwrap().phase().as_str(), "Pending");
    assert_eq!(new.phase().as_str(), "Running");
    // Deleted and made anew under the same name.
    api.remove("Pod", "shop", "web");
    api.put(pod("shop", "web", "Pending"));
    let PodChange::Deleted { last } = watch.next().await else {
        panic!()
    };
    assert_eq!(last.uid(), new.uid());
    let PodChange::Applied {
        old: None,
        new: next,
    } = watch.next().await
    else {
        panic!()
    };
    assert_ne!(next.uid(), new.uid());
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_means_a_new_list() {
    for as_event in [true, false] {
        for profile in [Profile::current(), Profile::v1_20()] {
            let api = double(profile);
            for name in ["a", "b", "c"] {
                api.put(pod("shop", name, "Running"));
            }
            let mut watch = watch(&api, PodScope::all());
            synced(&mut watch).await;
            if as_event {
                api.expire_watches();
            } else {
                api.inject("watch", "pods", Fault::Gone);
                api.break_watches();
            }
            // What happens meanwhile is not seen as events.
            api.remove("Pod", "shop", "a");
            api.put(pod("shop", "b", "Failed"));
            api.put(pod("shop", "d", "Running"));
            api.forget_history();
            let mut changes = Vec::new();
            loop {
                let change = watch.next().await;
                if let PodChange::Interrupted { .. } = change {
                    assert!(!watch.state().is_current(Duration::from_secs(60)));
                    continue;
                }
                if matches!(change, PodChange::Synced { .. }) {
                    break;
                }
                changes.push(match change {
                    PodChange::Applied { old: Some(_), new } => format!("changed {}", new.name()),
                    PodChange::Applied { old: None, new } => format!("new {}", new.name()),
                    PodChange::Deleted { last } => format!("gone {}", last.name()),
                    other => panic!("{other:?}"),
                });
            }
            changes.sort();
            assert_eq!(changes, ["changed b", "gone a", "new d"], "{profile:?}");
            assert_same(&api, &watch);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_noticed() {
    let api = double(Profile::v1_20());
    api.put(pod("shop", "a", "Running"));
    api.inject("watch", "pods", Fault::Hang);
    let config = WatchConfig::default().seed(1).streaming_lists(false);
    let mut watch = PodWatch::with_config(api.client(), PodScope::all(), config);
    synced(&mut watch).await;
    api.put(pod("shop", "b", "Running"));
    let start = Instant::now();
    let PodChange::Interrupted { error, .. } = watch.next().await else {
        panic!()
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(90));
    assert!(!watch.state().is_current(Duration::from_secs(600)));
    assert!(matches!(watch.next().await, PodChange::Applied { .. }));
    assert!(watch.state().is_current(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_lives_on_bookmarks() {
    let api = double(Profile::current());
    api.put(pod("shop", "a", "Running"));
    let mut watch = watch(&api, PodScope::all());
    synced(&mut watch).await;
    // Others write all the time, so that the version goes out of date.
    let mut interruptions = 0;
    for _ in 0..60 {
        api.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "x", "name": "y"}}));
        let quiet = timeout(Duration::from_secs(120), watch.next()).await;
        interruptions += u32::from(quiet.is_ok());
        // Versions from before the last bookmark are forgotten.
        api.forget_history();
        assert!(watch.state().silent_for <= Duration::from_secs(61));
    }
    assert_eq!(interruptions, 0, "{:?}", watch.state());
    let lists = api
        .requests()
        .into_iter()
        .filter(|r| r.uri.contains("sendInitialEvents"));
    assert_eq!(lists.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_less_and_less_often() {
    let api = double(Profile::current());
    for _ in 0..20 {
        api.inject("watch", "pods", Fault::Refused);
    }
    let mut watch = watch(&api, PodScope::all());
    let mut waits = Vec::new();
    for _ in 0..20 {
        let PodChange::Interrupted { error, retry_in } = watch.next().await else {
            panic!()
        };
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert_eq!(
            error.to_string(),
            "cannot watch pods in all namespaces: the API server cannot be reached: Connection refused"
        );
        waits.push(retry_in);
    }
    assert!(waits[0] <= Duration::from_secs(1));
    assert!(waits[10] >= Duration::from_secs(15) && waits[19] <= Duration::from_secs(30));
    assert_eq!(synced(&mut watch).await, 0);
    assert_eq!(watch.state().interruptions, 20);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named() {
    let api = double(Profile::v1_20());
    api.deny("list", "pods");
    let mut watch = watch(&api, PodScope::namespace("shop"));
    let PodChange::Interrupted { error, .. } = watch.next().await else {
        panic!()
    };
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    let text = error.to_string();
    assert!(text.starts_with(
        "cannot list pods in namespace shop: no permission for the verb \"list\" on the resource \"pods\": \
         grant it in a Role of the namespace \"shop\""
    ), "{text}");
    api.allow_all();
    assert_eq!(synced(&mut watch).await, 0);
}

#[tokio::test(start_paused = true)]
async fn namespaces_and_labels_are_kept_apart() {
    let api = double(Profile::current());
    for namespace in ["a", "b", "c"] {
        api.put(pod(namespace, "web", "Running"));
        api.put(pod(namespace, "db", "Running"));
    }
    let mut watch = watch(&api, PodScope::namespaces(["a", "b"]).labels("app=web"));
    assert_eq!(synced(&mut watch).await, 2);
    assert!(watch.store().get("c", "web").is_none());
    // A listing of one namespace says nothing about the other.
    api.expire_watches();
    api.remove("Pod", "a", "web");
    settle(&mut watch).await;
    assert_eq!(watch.store().len(), 1);
    // A pod that loses its label is gone, one that gets it back is there again.
    let label = |value: &'static str| {
        api.modify("Pod", "b", "web", |pod| {
            pod["metadata"]["labels"]["app"] = value.into();
        });
    };
    label("other");
    assert!(matches!(watch.next().await, PodChange::Deleted { .. }));
    label("web");
    assert!(matches!(
        watch.next().await,
        PodChange::Applied { old: None, .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_stale_list_does_not_delete_what_is_new() {
    let api = double(Profile::v1_20());
    api.put(pod("shop", "a", "Running"));
    let mut watch = watch(&api, PodScope::all());
    synced(&mut watch).await;
    api.put(pod("shop", "b", "Running"));
    assert!(matches!(watch.next().await, PodChange::Applied { .. }));
    api.inject("list", "pods", Fault::Stale(1));
    api.expire_watches();
    for change in settle(&mut watch).await {
        assert!(!matches!(change, PodChange::Deleted { .. }), "{change:?}");
    }
    assert_eq!(watch.store().len(), 2);
    let error = watch.state().last_error.unwrap().to_string();
    assert!(error.contains("lags behind"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_be_read_stops_nothing() {
    for profile in [Profile::current(), Profile::v1_20()] {
        let api = double(profile);
        let mut odd = pod("shop", "odd", "Running");
        odd["status"]["containerStatuses"] = json!("none");
        api.put(odd.clone());
        api.put(pod("shop", "web", "Running"));
        let mut watch = watch(&api, PodScope::all());
        let PodChange::Unreadable(unreadable) = watch.next().await else {
            panic!()
        };
        assert_eq!((unreadable.namespace(), unreadable.name()), ("shop", "odd"));
        assert_eq!(synced(&mut watch).await, 1);
        // One that was read before is not judged on what it was.
        odd["metadata"]["name"] = "web".into();
        api.put(odd);
        assert!(matches!(watch.next().await, PodChange::Unreadable(_)));
        assert!(watch.store().is_empty());
        api.put(pod("shop", "web", "Failed"));
        assert!(matches!(watch.next().await, PodChange::Applied { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_listed_anew_in_the_resync_period() {
    let api = double(Profile::current());
    let hour = Duration::from_secs(3_600);
    let config = WatchConfig::default().seed(1).resync_after(6 * hour);
    let mut watch = PodWatch::with_config(api.client(), PodScope::all(), config);
    synced(&mut watch).await;
    let start = Instant::now();
    synced(&mut watch).await;
    let late = start.elapsed() - 6 * hour;
    assert!(late < Duration::from_secs(120), "{late:?}");
    assert_eq!(watch.state().interruptions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_nothing() {
    let api = double(Profile::v1_20());
    for index in 0..300 {
        api.put(pod("shop", &format!("web-{index}"), "Running"));
    }
    api.inject("list", "pods", Fault::Slow(Duration::from_secs(5)));
    let mut watch = watch(&api, PodScope::all());
    let mut applied = 0;
    loop {
        // Given up far more often than it comes to anything.
        tokio::select! {
            biased;
            change = watch.next() => match change {
                PodChange::Applied { .. } => applied += 1,
                PodChange::Synced { pods } => {
                    assert_eq!(pods, 300);
                    break;
                }
                other => panic!("{other:?}"),
            },
            () = sleep(Duration::from_millis(1)) => {}
        }
    }
    assert_eq!(applied, 300);
}

/// Seeded schedules of all faults at once, while pods come, change and go.
#[test]
fn in_the_end_the_store_has_what_the_server_has() {
    let seeds: u64 = std::env::var("OPSBOX_SEEDS").map_or(150, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(schedule(seed));
    }
}

async fn schedule(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let profile = *random
        .choice([Profile::current(), Profile::v1_20()].iter())
        .unwrap();
    let api = double(profile);
    api.set_faults(seed, FaultRates::all(random.u32(0..80)));
    let scope = match random.bool() {
        true => PodScope::all(),
        false => PodScope::namespaces(["a", "b"]),
    };
    let config = WatchConfig::default()
        .seed(seed)
        .page_size(random.u32(1..20));
    let mut watch = PodWatch::with_config(api.client(), scope, config);
    // What the changes add up to must be what the store has.
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..200 {
        let namespace = *random.choice(["a", "b"].iter()).unwrap();
        let name = format!("web-{}", random.u32(0..20));
        match random.u32(0..10) {
            0..7 => drop(api.put(pod(namespace, &name, "Running"))),
            7..9 => drop(api.remove("Pod", namespace, &name)),
            _ if random.bool() => api.forget_history(),
            _ => api.bookmark(),
        }
        let wait = Duration::from_millis(random.u64(0..2_000));
        while let Ok(change) = timeout(wait, watch.next()).await {
            tell(&mut told, &change, seed);
        }
    }
    api.set_faults(seed, FaultRates::none());
    for change in settle(&mut watch).await {
        tell(&mut told, &change, seed);
    }
    assert_same(&api, &watch);
    let known: BTreeMap<String, String> = watch
        .store()
        .iter()
        .map(|pod| (pod.to_string(), pod.resource_version().to_owned()))
        .collect();
    assert_eq!(told, known, "seed {seed}");
    assert!(
        watch.state().is_current(Duration::from_secs(90)),
        "seed {seed}: {:?}",
        watch.state()
    );
}

fn tell(told: &mut BTreeMap<String, String>, change: &PodChange, seed: u64) {
    match change {
        PodChange::Applied { old, new } => {
            let before = told.insert(new.to_string(), new.resource_version().to_owned());
            let old = old.as_ref().map(|old| old.resource_version().to_owned());
            assert_eq!(before, old, "seed {seed}: {new}");
        }
        PodChange::Deleted { last } => {
            let before = told.remove(&last.to_string());
            assert_eq!(
                before.as_deref(),
                Some(last.resource_version()),
                "seed {seed}: {last}"
            );
        }
        _ => {}
    }
}
